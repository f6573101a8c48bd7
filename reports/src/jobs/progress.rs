//! Bars on a terminal, and nothing anywhere else.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on standard error; invisible where that is not a terminal.
pub(crate) fn bar(what: &str, count: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg:32!} {bar:30} {pos}/{len} {per_sec} {eta}")
        .expect("the template is a constant that the tests try");
    let bar = ProgressBar::new(count).with_style(style).with_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Something that turns while work without a known end goes on; invisible where standard error is not a terminal.
pub(crate) fn spinner(what: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{prefix} {spinner} {elapsed} {msg}")
        .expect("the template is a constant that was tried");
    let bar = ProgressBar::new_spinner().with_style(style).with_prefix(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_terminal_there_is_no_bar() {
        let bar = bar("tests", 3);
        bar.inc(1);
        assert!(bar.is_hidden() || std::io::stderr().is_terminal());
    }
}
