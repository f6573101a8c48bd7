//! `cloudchamber-agent service`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use cloudchamber_host::service::Manager;

use super::failover::Run;
use super::say;

/// The first words of a file that this command has written.
const OURS: &str = "cloudchamber-agent";

/// Print what starts `run` with the user's session: a systemd unit, a launchd plist or a Windows task.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  cloudchamber-agent service --folder ~/Sync/team --provider syncthing -- ./mirror\n  \
                  cloudchamber-agent service --install --config ~/team.toml"
)]
pub(crate) struct Service {
    #[command(flatten)]
    run: Run,
    /// For whom; this machine's where it is absent.
    #[arg(long, value_enum)]
    manager: Option<Kind>,
    /// Write it where it belongs and start it.
    #[arg(long)]
    install: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// macOS.
    Launchd,
    /// Linux, a unit of the user.
    Systemd,
    /// Windows' task scheduler.
    Task,
}

impl Service {
    pub(crate) fn run(&self, config: Option<&Path>) -> anyhow::Result<ExitCode> {
        let manager = self.manager.map_or(Manager::HERE, |kind| match kind {
            Kind::Launchd => Manager::Launchd,
            Kind::Systemd => Manager::Systemd,
            Kind::Task => Manager::Task,
        });
        let service = self.run.service(config)?;
        let text = service.text(manager);
        if !self.install {
            say(text.trim_end());
            return Ok(ExitCode::SUCCESS);
        }
        if manager != Manager::HERE {
            bail!(
                "it can only be installed for this machine's own manager: leave out --manager, or --install and bring what \
                   is printed to where it belongs"
            );
        }
        let home = dirs::home_dir()
            .context("this user has no home: leave out --install and put it where it belongs")?;
        let file = service.file(manager, &home).unwrap_or_else(|| temporary(&service.name));
        write(&file, &text)?;
        let file = file.display().to_string();
        let [start, end] = service.commands(manager, &file);
        say(&format!("written: {file}"));
        for line in &start {
            let said = line.join(" ");
            let done = line
                .split_first()
                .map(|(program, arguments)| std::process::Command::new(program).args(arguments).status());
            match done {
                Some(Ok(status)) if status.success() => drop(say(&format!("done: {said}"))),
                Some(Ok(status)) => {
                    bail!("`{said}` ended with {status}: see what it says, then call it yourself")
                }
                Some(Err(error)) => bail!("`{said}` cannot be called ({error}): call it where it can"),
                None => {}
            }
        }
        let end: Vec<_> = end.iter().map(|line| line.join(" ")).collect();
        say(&format!("to end and remove it: {}", end.join(" && ")));
        Ok(ExitCode::SUCCESS)
    }
}

fn temporary(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("{name}.xml"))
}

/// Writes the file, in place of one of its own alone.
fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    if let Ok(there) = std::fs::read_to_string(file)
        && !there.contains(OURS)
    {
        bail!("{}: another program's file is there: move it away, or give --name", file.display());
    }
    let dir = file.parent().context("a file lies in a directory")?;
    let help = || format!("{}: it cannot be written", file.display());
    std::fs::create_dir_all(dir).with_context(help)?;
    std::fs::write(file, text).with_context(help)
}
