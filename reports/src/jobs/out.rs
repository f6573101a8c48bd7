//! Where a job leaves what it found.

use std::path::{Path, PathBuf};

use cloudchamber_folder::System;
use cloudchamber_folder::trace::{Outcome, Trace};

use crate::failure::Failure;
use crate::files;
use crate::jobs::timeline;
use crate::report::page_of;
use crate::report::run::RunReport;
use crate::report::timeline::Timeline;

/// A directory for reports, traces and pages.
#[derive(Clone, Copy)]
pub(crate) struct Out<'a> {
    pub(crate) dir: &'a Path,
    /// Draws the page of a run; jobs do not know how.
    pub(crate) draw: fn(&Timeline, &RunReport) -> String,
}

impl Out<'_> {
    /// Writes a file below the directory. Returns its name relative to the report.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<String, Failure> {
        files::write(&self.path(name), text)?;
        Ok(name.to_owned())
    }

    /// Writes a trace, and beside it the page that draws it. `outcome`: how its run ended, where that is known. Returns the
    /// trace's name relative to the report.
    pub(crate) fn trace<S: System>(
        &self,
        name: &str,
        trace: &Trace<S>,
        outcome: Option<&Outcome>,
    ) -> Result<String, Failure> {
        let (timeline, report) = match outcome {
            Some(outcome) => timeline::drawn(trace, outcome, &self.path(name))?,
            None => timeline::of(trace, &self.path(name))?,
        };
        self.write(&page_of(name), &(self.draw)(&timeline, &report))?;
        self.write(name, &trace.to_text())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}
