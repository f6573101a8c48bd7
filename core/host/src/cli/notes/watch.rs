//! `notes watch`.

use std::process::ExitCode;
use std::time::Duration;

use cloudchamber_host::log::Log;
use cloudchamber_host::notes::{News, Notebook, NotesError, Options, title};
use serde_json::json;

use super::super::{say_news, tell_once};
use super::{Place, warn};

pub(super) fn run(place: &Place, every: u64, accept: bool) -> anyhow::Result<ExitCode> {
    let every = Duration::from_secs(every.max(1));
    let scan_ms = u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
    let options = Options { scan_ms: Some(scan_ms), accept, ..place.options() };
    let mut log = Log::default();
    let mut notebook = place.open(&options)?;
    warn(&notebook.take_news());
    if !tell_synced(place, &mut notebook)? {
        return Ok(ExitCode::SUCCESS);
    }
    loop {
        match notebook.wait(every) {
            Ok(news) => {
                warn(&news);
                for news in &news {
                    if !tell(place, &notebook, news) {
                        return Ok(ExitCode::SUCCESS);
                    }
                }
                if news.iter().any(|news| matches!(news, News::Changed { .. } | News::Deleted { .. })) {
                    notebook.synced()?;
                }
            }
            // What others write is taken in all the same, and the next look tries again.
            Err(error @ (NotesError::Undone(_) | NotesError::Unsure(_))) => {
                tell_once(&mut log, &format!("warning: {error}"));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Says what has come since the last sync; whether somebody still listens.
fn tell_synced(place: &Place, notebook: &mut Notebook) -> anyhow::Result<bool> {
    let synced = notebook.synced()?;
    Ok(say_news(place.json, || super::read::synced_json(&synced), || synced.to_string()))
}

/// Says what others have done to a note; whether somebody still listens.
fn tell(place: &Place, notebook: &Notebook, news: &News) -> bool {
    let (id, by) = match news {
        News::Changed { note, by } => (note, Some(by)),
        News::Deleted { note } => (note, None),
        _ => return true,
    };
    let text = notebook.view().text(id).unwrap_or_default();
    let title = title(&text);
    let what = if by.is_some() { "changed" } else { "deleted" };
    let document = || json!({ "news": what, "note": &**id, "title": title, "by": by });
    say_news(place.json, document, || format!("{news}  {title}").trim_end().to_owned())
}
