//! Why a line is not allowed, and what would have been.

use std::collections::BTreeSet;

use cloudchamber_core::Content;
use cloudchamber_folder::profile::{Arrival, Hazard, Hazards, Profile};

use super::explain::{Explain, State};
use super::family::{Family, Shows, Sight, is_large, length};
use super::play::Play;
use super::search::Found;
use super::{Observed, Refusal, every_hazard, least};

/// How much of a content is shown, in characters.
const SHOWN_MAX: usize = 40;
/// For how long a name is gone at most while another version comes, in milliseconds. Gaps of tens are seen.
const GAP_MS_MAX: i64 = 1_000;
/// How much of what would have been allowed is told.
const ALLOWED_MAX: usize = 6;

/// Tells of the line that cannot be explained.
pub(super) fn refusal(
    all: &[Observed],
    (profile, hazards): (&Profile, &Hazards),
    play: &Play,
    family: &Family,
    state: &State,
    sight: &Sight,
    error_ms: i64,
) -> Refusal {
    let one = &all[sight.replica.index()];
    let teller = Teller { all, family };
    let explain = Explain { play, family, hazards, doubts: true };
    let mut allowed: Vec<String> = explain
        .possible(state, sight.replica, &sight.path)
        .iter()
        .filter(|shows| **shows != sight.shows)
        .map(|shows| teller.shows(shows))
        .collect();
    let more = allowed.len().saturating_sub(ALLOWED_MAX);
    allowed.truncate(ALLOWED_MAX);
    if more > 0 {
        allowed.push(format!("{more} more versions"));
    }
    Refusal {
        file: one.file.clone(),
        line: sight.line,
        replica: one.history.header.name.clone(),
        path: sight.path.name().to_owned(),
        seen: teller.shows(&sight.shows),
        why: teller
            .gap(profile, play, sight)
            .or_else(|| {
                let missing = teller.missing(play, hazards, sight, error_ms)?;
                let names: Vec<_> = missing.iter().map(|hazard| format!("`{}`", hazard.key())).collect();
                Some(format!("it takes {}, which `{}` does not have", names.join(" and "), profile.name))
            })
            .unwrap_or_else(|| teller.why(profile, sight)),
        allowed,
    }
}

struct Teller<'a> {
    all: &'a [Observed],
    family: &'a Family,
}

impl Teller<'_> {
    fn shows(&self, shows: &Shows) -> String {
        match shows {
            Shows::Gone => "no file".to_owned(),
            Shows::File(content) => match self.source(content) {
                Some(sight) => format!("{}, as {}", text(content), self.at(sight)),
                None => text(content),
            },
            Shows::Nul(content) => format!("{} bytes, all NUL", length(content)),
            Shows::Elsewhere(len) => format!("a placeholder of {len} bytes"),
            Shows::Stub(by) => format!("a stub of {}", by.name()),
            Shows::NoStub => "no stub any more".to_owned(),
        }
    }

    /// Where a content is first said to have been written.
    fn source(&self, content: &Content) -> Option<&Sight> {
        let seen = self.family.seen.iter().flatten().filter(|sight| sight.is_own);
        let of = |sight: &&Sight| matches!(&sight.shows, Shows::File(written) if written == content);
        seen.chain(&self.family.there).filter(of).min_by_key(|sight| sight.at_ms)
    }

    fn at(&self, sight: &Sight) -> String {
        let one = &self.all[sight.replica.index()];
        format!("{} wrote it ({}:{})", one.history.header.name, one.file, sight.line)
    }

    /// Why a name is not gone for a moment; `None` if it may be, or is gone for longer.
    fn gap(&self, profile: &Profile, play: &Play, sight: &Sight) -> Option<String> {
        if sight.shows != Shows::Gone || play.rules().shows(Arrival::Gap) {
            return None;
        }
        let after = self.family.seen[sight.replica.index()].iter().skip_while(|one| one.line != sight.line);
        let next = after.skip(1).find(|one| one.path == sight.path)?;
        let gap_ms = next.at_ms.saturating_sub(sight.at_ms);
        (gap_ms < GAP_MS_MAX).then(|| {
            format!("a name that is gone for {gap_ms} ms between two versions is nothing that `{}` shows: see `visible`", profile.name)
        })
    }

    /// Where it could have come from, and why it did not.
    fn why(&self, profile: &Profile, sight: &Sight) -> String {
        let replica = &self.all[sight.replica.index()].history.header.name;
        let content = match &sight.shows {
            Shows::File(content) => content,
            Shows::Gone => {
                return format!("nobody has removed it, and {replica} does not say that it writes it");
            }
            _ => return "no version that was written looks so".to_owned(),
        };
        let Some(source) = self.source(content) else {
            let cut = if length(content) > 0 && self.is_large_family() {
                "; of contents that are longer than the recorder kept, nobody can tell whether one was cut: record with \
                 a larger --content-max"
            } else {
                ""
            };
            return format!("nobody has written it, nor anything that it may be a broken form of{cut}");
        };
        let early_ms = source.at_ms.saturating_sub(sight.at_ms);
        if early_ms > 0 {
            return format!("{}, but only {early_ms} ms later by the clocks", self.at(source));
        }
        format!(
            "{}, and {replica} has had a later version or removal since, or never gets this one: `{}` brings no older one back",
            self.at(source),
            profile.name
        )
    }

    /// What would have to go wrong besides what may; `None` if that would not explain it either.
    fn missing(
        &self,
        play: &Play,
        hazards: &Hazards,
        sight: &Sight,
        error_ms: i64,
    ) -> Option<BTreeSet<Hazard>> {
        let replica = sight.replica.index();
        let place = self.family.seen[replica].iter().position(|one| one.line == sight.line)?;
        let (Found::Allowed(state) | Found::Refused(state, _)) =
            least(play, self.family, &every_hazard(), error_ms)
        else {
            return None;
        };
        let missing = state.scene.hazards().into_iter().filter(|hazard| !hazards.has(*hazard));
        let missing: BTreeSet<Hazard> = missing.collect();
        (state.at[replica] > place && !missing.is_empty()).then_some(missing)
    }

    fn is_large_family(&self) -> bool {
        let all = self.family.seen.iter().flatten().chain(&self.family.there);
        all.into_iter().any(|sight| matches!(&sight.shows, Shows::File(content) if is_large(content)))
    }
}

/// A content in a few words.
fn text(content: &Content) -> String {
    if is_large(content) {
        return format!("{} bytes", length(content));
    }
    if content.is_empty() {
        return "an empty file".to_owned();
    }
    if content.bytes().iter().all(|byte| *byte == 0) {
        return format!("{} bytes, all NUL", content.len());
    }
    let Ok(text) = std::str::from_utf8(content.bytes()) else { return format!("{} bytes", content.len()) };
    let mut shown: String = text.chars().take(SHOWN_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{} bytes, {shown:?}", content.len())
}
