//! `cloudchamber-agent completions` and `man`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;

/// Print what a shell completes the commands with.
#[derive(Args)]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self, mut command: Command) -> anyhow::Result<ExitCode> {
        let name = command.get_name().to_owned();
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut command, name, &mut text);
        print(&text)
    }
}

/// Print the manual page, or write those of all commands.
#[derive(Args)]
pub(crate) struct Man {
    /// A directory for the pages of all commands, such as ~/.local/share/man/man1.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(&self, command: Command) -> anyhow::Result<ExitCode> {
        let Some(dir) = &self.dir else {
            let mut text = Vec::new();
            clap_mangen::Man::new(command).render(&mut text)?;
            return print(&text);
        };
        let help = || format!("{}: give a directory that can be written", dir.display());
        std::fs::create_dir_all(dir).with_context(help)?;
        clap_mangen::generate_to(command, dir).with_context(help)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Prints a text as it is. A reader that has gone away is nobody's mistake.
fn print(text: &[u8]) -> anyhow::Result<ExitCode> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    drop(out.write_all(text).and_then(|()| out.flush()));
    Ok(ExitCode::SUCCESS)
}
