//! The groups of commands.

pub(crate) mod complete;
pub(crate) mod delta;
pub(crate) mod doctor;
pub(crate) mod failover;
pub(crate) mod journal;
pub(crate) mod notes;
pub(crate) mod probe;
pub(crate) mod record;
pub(crate) mod service;

use std::cell::RefCell;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use cloudchamber_host::database::Progress;
use cloudchamber_host::log::Log;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::Value;

/// A property was violated.
pub(crate) const VIOLATED: u8 = 1;

/// Ends a command that looked for violations.
pub(crate) fn verdict(violated: bool) -> ExitCode {
    if violated { ExitCode::from(VIOLATED) } else { ExitCode::SUCCESS }
}

/// Prints the one document of a command on standard output.
pub(crate) fn print_json(value: &Value) {
    say(&format!("{value:#}"));
}

/// Prints the one document of a command whose values have to keep their digits.
pub(crate) fn print_exact(value: &impl Serialize) -> anyhow::Result<()> {
    say(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints a line on standard output, and tells whether somebody still reads there. A reader that has gone away is
/// nobody's mistake, and no reason to leave the work undone.
pub(crate) fn say(line: &str) -> bool {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}

/// Says on standard output what has happened just now, for who watches: a line with its time, or a document on one line
/// that has it as `time`. Tells whether somebody still reads there.
pub(crate) fn say_news(json: bool, document: impl FnOnce() -> Value, line: impl FnOnce() -> String) -> bool {
    if !json {
        return say(&Log::line(&line()));
    }
    let mut document = document();
    document["time"] = Log::time().into();
    say(&document.to_string())
}

/// Says on standard error what may go on for long: once, and after a while again with a count.
pub(crate) fn tell_once(log: &mut Log, text: &str) {
    log.once(text).iter().for_each(|line| eprintln!("{line}"));
}

/// Shows on a terminal how far a long step is; elsewhere nothing.
#[derive(Debug)]
pub(crate) struct Bar(RefCell<Option<ProgressBar>>);

impl Bar {
    pub(crate) fn new() -> Self {
        Self(RefCell::new(None))
    }
}

impl Progress for Bar {
    fn step(&self, what: &'static str, size: u64) {
        if !std::io::stderr().is_terminal() {
            return;
        }
        let bar = ProgressBar::new_spinner();
        bar.set_style(
            ProgressStyle::with_template("{spinner} {msg} ({elapsed})")
                .unwrap_or(ProgressStyle::default_spinner()),
        );
        bar.set_message(if size > 0 { format!("{what}: {size}") } else { what.to_owned() });
        bar.enable_steady_tick(Duration::from_millis(100));
        if let Some(before) = self.0.replace(Some(bar)) {
            before.finish_and_clear();
        }
    }

    fn done(&self) {
        if let Some(bar) = self.0.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.done();
    }
}
