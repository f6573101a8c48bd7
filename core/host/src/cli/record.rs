//! `cloudchamber-agent record`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use cloudchamber_host::record::{self, Asked, Glob};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::verdict;

/// Record what a real folder was seen to hold, for `cloudchamber replay --observed`.
///
/// One recorder runs beside each replica of a folder, and writes a line for each content of each path: when it was seen,
/// what it was, its length and digest, and the bytes themselves where there are few. It ends when it is asked to, by Ctrl-C
/// or SIGTERM. Nothing is written into the folder.
///
/// Nothing in a file tells whether it was written here or brought by the client. So --own names the paths that programs on
/// this machine write; whatever is seen under another path counts as the client's doing. A path that two machines write
/// is given to both, and then what is seen there may be either.
#[derive(Args)]
#[command(
    after_help = "Two machines, Syncthing between them; each writes below its own name, both write shared.txt:\n  \
    laptop$ cloudchamber-agent record --folder ~/Sync/team --name laptop --own 'laptop/**' \\\n    \
    --own shared.txt --client 'Syncthing 1.29' --output laptop.jsonl\n  \
    server$ cloudchamber-agent record --folder ~/Sync/team --name server --own 'server/**' \\\n    \
    --own shared.txt --client 'Syncthing 1.29' --output server.jsonl\n\n\
    Then, where both files are:\n  \
    cloudchamber replay --observed laptop.jsonl server.jsonl --profile syncthing\n\n\
    Exit: 0 it ended as it was asked to, 1 the folder was lost, 2 usage."
)]
pub(crate) struct Record {
    /// The folder that a client copies.
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// What this replica is called: another one on each machine, as conflict copies may name it.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Where the history goes: a new file outside the folder. By default standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Paths that this machine writes, relative to the folder, such as 'laptop/**' or '*.txt'. May be given several times.
    #[arg(long, value_name = "GLOB")]
    own: Vec<Glob>,
    /// Which folder it is, in any words; all its replicas say the same.
    #[arg(long, value_name = "TEXT")]
    folder_id: Option<String>,
    /// The client, its version, and settings that are not the default.
    #[arg(long, value_name = "TEXT")]
    client: Option<String>,
    /// After so long it ends, such as 60s, 10m or 2h.
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    for_time: Option<Duration>,
    /// Contents up to so many bytes are written down themselves. Of longer ones only the length and the digest are, and
    /// nobody can tell later whether one was cut.
    #[arg(long, value_name = "BYTES", default_value_t = 4096)]
    content_max: u64,
}

fn time(text: &str) -> Result<Duration, String> {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    let read = |(unit, ms): &(&str, u64)| text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(*ms);
    let ms = units.iter().find_map(read).filter(|ms| *ms > 0);
    ms.map(Duration::from_millis)
        .ok_or_else(|| "write a number and a unit, such as 60s, 10m or 2h".to_owned())
}

impl Record {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let ended = Arc::new(AtomicBool::new(false));
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&ended))
                .context("signals cannot be waited for")?;
        }
        let mut file = match &self.output {
            Some(output) => Some(record::create(output, &self.folder)?),
            None => None,
        };
        let mut out = std::io::stdout();
        let into: &mut dyn Write = match &mut file {
            Some(file) => file,
            None => &mut out,
        };
        let asked = Asked {
            folder: self.folder,
            name: self.name,
            folder_id: self.folder_id,
            client: self.client,
            own: self.own,
            content_max: self.content_max,
            for_time: self.for_time,
        };
        let tell = |line: &str| eprintln!("record: {line}");
        let recorded = record::record(&asked, into, &tell, &|| ended.load(Ordering::Relaxed))?;
        if let Some(file) = &file {
            file.sync_all().context("the history cannot be flushed: see whether its disk is full")?;
        }
        tell(&format!("{} lines are recorded", recorded.seen));
        if let Some(lost) = &recorded.lost {
            eprintln!("error: {lost}");
        }
        Ok(verdict(recorded.lost.is_some()))
    }
}
