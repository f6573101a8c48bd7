//! The form of a profile's file, and what can be wrong with one.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use crate::mistake;

use super::{
    BatchOrder, CreateConflict, Debounce, Delay, DeleteConflict, EditConflict, Fact, Hazards, MachineFault,
    Mtime, Naming, Placeholder, Profile, Ratio, Removals, Rules, Tag, Temporary, Timing, Visible,
};

/// What is wrong with a profile, where, and what to do about it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{file}:{line}: {problem}; {advice}")]
pub struct ProfileError {
    /// The file, as the caller named it.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub advice: String,
}

impl ProfileError {
    pub(super) fn unreadable(file: &str, error: &std::io::Error) -> Self {
        let advice = "name a file that can be read, or one of the built-in profiles".to_owned();
        Self { file: file.to_owned(), line: 1, problem: format!("cannot be read: {error}"), advice }
    }
}

/// A value with its origin.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tagged<T> {
    value: Spanned<T>,
    #[serde(rename = "tag")]
    _tag: Tag,
    source: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Spanned<String>,
    about: Spanned<String>,
    rules: RulesTable,
    timing: TimingTable,
    hazards: HazardsTable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesTable {
    /// 0 where all are kept.
    conflict_copies_max: Tagged<u32>,
    conflict_naming: Tagged<Naming>,
    create_conflict: Tagged<CreateConflict>,
    delete_conflict: Tagged<DeleteConflict>,
    edit_conflict: Tagged<EditConflict>,
    mtime: Tagged<Mtime>,
    placeholder: Tagged<Placeholder>,
    temporary: Tagged<Temporary>,
    visible: Tagged<Visible>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TimingTable {
    batch_order: Tagged<BatchOrder>,
    bulk_ms_per_file: Tagged<u64>,
    debounce: Tagged<DebounceTable>,
    /// From the end of the debounce to another replica's disk.
    delay: Spanned<DelayTable>,
    /// How the delay is divided between the way up and the way down.
    delay_split: Tagged<Split>,
    fetch: Spanned<DelayTable>,
    gap: Spanned<DelayTable>,
    /// For how long a file that never comes to rest is not sent; 0 where a client does not wait for that.
    hot_file_ms: Tagged<u64>,
    mend: Spanned<DelayTable>,
    removal_lag_ms: Tagged<u64>,
    removals: Tagged<Removals>,
    resume: Spanned<DelayTable>,
    stall: Spanned<DelayTable>,
    watch: Spanned<DelayTable>,
    watch_late: Spanned<DelayTable>,
}

/// A [`Debounce`] without its end, which is a value of its own.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum DebounceTable {
    None,
    Fixed { ms: u64 },
    Uniform { min_ms: u64, max_ms: u64 },
    Aggregator { delay_ms: u64 },
    Timer { every_ms: u64 },
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Split {
    /// Each way is an independent half (there is a server between).
    Halves,
    /// All of it is the way down (the author's version is the newest at once: there is no server).
    Down,
}

/// Either a median and a 99th percentile, or a least and a most.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DelayTable {
    median_ms: Option<Tagged<u64>>,
    p99_ms: Option<Tagged<u64>>,
    min_ms: Option<Tagged<u64>>,
    max_ms: Option<Tagged<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HazardsTable {
    beside: Tagged<Ratio>,
    beside_sent: Tagged<Ratio>,
    cut_sent: Tagged<Ratio>,
    empty: Tagged<Ratio>,
    evict_a_day: Tagged<Ratio>,
    folder_hollow: Tagged<bool>,
    folder_wiped: Tagged<bool>,
    gap: Tagged<Ratio>,
    machine: Tagged<Vec<MachineFault>>,
    nul: Tagged<Ratio>,
    older_files: Tagged<bool>,
    prefix: Tagged<Ratio>,
    stall: Tagged<Ratio>,
    stale_upload: Tagged<Ratio>,
    stub: Tagged<Ratio>,
    watch_late: Tagged<Ratio>,
    watch_lost: Tagged<Ratio>,
    wedged: Tagged<Ratio>,
}

/// The longest delay a profile may name: a year. Sums of a few of them stay far from the largest number.
const MS_MAX: u64 = 366 * 86_400_000;

pub(super) fn parse(file: &str, text: &str) -> Result<Profile, ProfileError> {
    let reader = Reader { file, text };
    let table: File = toml::from_str(text).map_err(|error| reader.malformed(&error))?;
    for (what, said) in [("name", &table.name), ("about", &table.about)] {
        if said.get_ref().trim().is_empty() {
            return Err(reader.at(said.span(), format!("`{what}` is empty"), "say something"));
        }
    }
    let profile = Profile {
        rules: reader.rules(&table.rules)?,
        timing: reader.timing(&table.timing)?,
        hazards: reader.hazards(&table.hazards)?,
        facts: facts(text),
        name: table.name.into_inner(),
        about: table.about.into_inner(),
    };
    reader.agreement(&profile, &table.rules, &table.hazards)?;
    Ok(profile)
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
}

impl Reader<'_> {
    fn at(&self, span: Range<usize>, problem: String, advice: &str) -> ProfileError {
        let line = mistake::line_of(self.text, span.start);
        ProfileError { file: self.file.to_owned(), line, problem, advice: advice.to_owned() }
    }

    fn malformed(&self, error: &toml::de::Error) -> ProfileError {
        let (line, problem) = mistake::told(self.text, error);
        let advice = if problem.starts_with("unknown field") {
            "correct the name or remove the value"
        } else if problem.starts_with("missing field") {
            "write the value, with its tag and source"
        } else if problem.starts_with("unknown variant") {
            "write one of these"
        } else if problem.ends_with("such as \"1/500\"") {
            "correct the chance"
        } else {
            "write `name = { value = ..., tag = \"measured|documented|reported|assumed\", source = \"...\" }` \
             as the built-in profiles do"
        };
        let file = self.file.to_owned();
        ProfileError { file, line: line.unwrap_or(1), problem, advice: advice.to_owned() }
    }

    /// The value, once it is known to have a source.
    fn value<T: Clone>(&self, tagged: &Tagged<T>) -> Result<T, ProfileError> {
        if tagged.source.get_ref().trim().is_empty() {
            let advice =
                "name the page, thread, paper or measurement; for an assumption say what it follows from";
            return Err(self.at(tagged.source.span(), "the source is empty".into(), advice));
        }
        Ok(tagged.value.get_ref().clone())
    }

    fn ms(&self, tagged: &Tagged<u64>) -> Result<u64, ProfileError> {
        let ms = self.value(tagged)?;
        if ms > MS_MAX {
            let problem = format!("{ms} ms is more than a year");
            return Err(self.at(tagged.value.span(), problem, "write milliseconds"));
        }
        Ok(ms)
    }

    fn rules(&self, table: &RulesTable) -> Result<Rules, ProfileError> {
        let copies = self.value(&table.conflict_copies_max)?;
        let rules = Rules {
            conflict_copies_max: (copies > 0).then_some(copies),
            conflict_naming: self.value(&table.conflict_naming)?,
            create_conflict: self.value(&table.create_conflict)?,
            delete_conflict: self.value(&table.delete_conflict)?,
            edit_conflict: self.value(&table.edit_conflict)?,
            mtime: self.value(&table.mtime)?,
            placeholder: self.value(&table.placeholder)?,
            temporary: self.value(&table.temporary)?,
            visible: self.value(&table.visible)?,
        };
        if rules.mtime == (Mtime::Kept { granularity_ms: 0 }) {
            let span = table.mtime.value.span();
            return Err(self.at(
                span,
                "a granularity of 0 ms".into(),
                "write 1 where times are kept exactly",
            ));
        }
        Ok(rules)
    }

    fn timing(&self, table: &TimingTable) -> Result<Timing, ProfileError> {
        let (commit, deliver) = self.ways(table)?;
        Ok(Timing {
            batch_order: self.value(&table.batch_order)?,
            bulk_ms_per_file: self.ms(&table.bulk_ms_per_file)?,
            commit,
            debounce: self.debounce(&table.debounce, &table.hot_file_ms)?,
            deliver,
            fetch: self.delay(&table.fetch)?,
            gap: self.delay(&table.gap)?,
            mend: self.delay(&table.mend)?,
            removals: self.value(&table.removals)?,
            removal_lag_ms: self.ms(&table.removal_lag_ms)?,
            resume: self.delay(&table.resume)?,
            stall: self.delay(&table.stall)?,
            watch: self.delay(&table.watch)?,
            watch_late: self.delay(&table.watch_late)?,
        })
    }

    /// The way up and the way down.
    fn ways(&self, table: &TimingTable) -> Result<(Delay, Delay), ProfileError> {
        let whole = self.delay(&table.delay)?;
        match self.value(&table.delay_split)? {
            Split::Down => Ok((Delay::none(), whole)),
            Split::Halves if table.delay.get_ref().median_ms.is_some() => {
                let half = Delay::half_of(whole.median_ms(), whole.p99_ms());
                Ok((half.clone(), half))
            }
            Split::Halves => {
                let problem = "a range of delays cannot be halved".into();
                let advice = "write a median and a 99th percentile, or `delay_split = \"down\"`";
                Err(self.at(table.delay_split.value.span(), problem, advice))
            }
        }
    }

    fn delay(&self, table: &Spanned<DelayTable>) -> Result<Delay, ProfileError> {
        let DelayTable { median_ms, p99_ms, min_ms, max_ms } = table.get_ref();
        match (median_ms, p99_ms, min_ms, max_ms) {
            (Some(median), Some(p99), None, None) => {
                let (median_ms, p99_ms) = (self.ms(median)?, self.ms(p99)?);
                if p99_ms < median_ms {
                    let problem = format!("p99_ms ({p99_ms}) is below median_ms ({median_ms})");
                    let advice = "the value that 99 of 100 stay below is at least the one that 50 do";
                    return Err(self.at(p99.value.span(), problem, advice));
                }
                if median_ms == 0 && p99_ms > 0 {
                    let advice = "write at least 1, or `min_ms` and `max_ms`";
                    return Err(self.at(
                        median.value.span(),
                        "a median of 0 ms with a spread".into(),
                        advice,
                    ));
                }
                Ok(Delay::lognormal(median_ms, p99_ms))
            }
            (None, None, Some(min), Some(max)) => {
                let (min_ms, max_ms) = (self.ms(min)?, self.ms(max)?);
                if max_ms < min_ms {
                    let problem = format!("max_ms ({max_ms}) is below min_ms ({min_ms})");
                    return Err(self.at(max.value.span(), problem, "exchange them"));
                }
                Ok(Delay::uniform(min_ms, max_ms))
            }
            _ => {
                let problem = "a delay that is neither a lognormal nor a range".into();
                let advice = "write `median_ms` and `p99_ms`, or `min_ms` and `max_ms`, and nothing else";
                Err(self.at(table.span(), problem, advice))
            }
        }
    }

    fn debounce(&self, tagged: &Tagged<DebounceTable>, hot: &Tagged<u64>) -> Result<Debounce, ProfileError> {
        let (table, hot_ms) = (self.value(tagged)?, self.ms(hot)?);
        let (debounce, sound, relation) = match table {
            DebounceTable::None => (Debounce::None, hot_ms == 0, "hot_file_ms = 0"),
            DebounceTable::Timer { every_ms } => {
                (Debounce::Timer { every_ms }, every_ms > 0 && hot_ms == 0, "0 < every_ms, hot_file_ms = 0")
            }
            DebounceTable::Fixed { ms } => {
                (Debounce::Fixed { ms, longest_ms: hot_ms }, ms <= hot_ms, "ms <= hot_file_ms")
            }
            DebounceTable::Uniform { min_ms, max_ms } => (
                Debounce::Uniform { min_ms, max_ms, longest_ms: hot_ms },
                min_ms <= max_ms && max_ms <= hot_ms,
                "min_ms <= max_ms <= hot_file_ms",
            ),
            DebounceTable::Aggregator { delay_ms } => (
                Debounce::Aggregator { delay_ms, timeout_ms: hot_ms },
                0 < delay_ms && delay_ms <= hot_ms,
                "0 < delay_ms <= hot_file_ms",
            ),
        };
        if !sound {
            let problem = format!("the debounce must satisfy {relation}");
            return Err(self.at(tagged.value.span(), problem, "correct the values"));
        }
        if debounce.bound_ms() > MS_MAX {
            let problem = "a debounce of more than a year".into();
            return Err(self.at(tagged.value.span(), problem, "write milliseconds"));
        }
        Ok(debounce)
    }

    fn hazards(&self, table: &HazardsTable) -> Result<Hazards, ProfileError> {
        Ok(Hazards {
            beside: self.value(&table.beside)?,
            beside_sent: self.value(&table.beside_sent)?,
            cut_sent: self.value(&table.cut_sent)?,
            empty: self.value(&table.empty)?,
            evict_a_day: self.value(&table.evict_a_day)?,
            folder_hollow: self.value(&table.folder_hollow)?,
            folder_wiped: self.value(&table.folder_wiped)?,
            gap: self.value(&table.gap)?,
            machine: self.value(&table.machine)?,
            nul: self.value(&table.nul)?,
            older_files: self.value(&table.older_files)?,
            prefix: self.value(&table.prefix)?,
            stall: self.value(&table.stall)?,
            stale_upload: self.value(&table.stale_upload)?,
            stub: self.value(&table.stub)?,
            watch_late: self.value(&table.watch_late)?,
            watch_lost: self.value(&table.watch_lost)?,
            wedged: self.value(&table.wedged)?,
        })
    }

    /// What the parts say of each other.
    fn agreement(
        &self,
        profile: &Profile,
        rules: &RulesTable,
        hazards: &HazardsTable,
    ) -> Result<(), ProfileError> {
        let never = |ratio: &Tagged<Ratio>| ratio.value.get_ref().numer() == 0;
        let Rules { visible, temporary, placeholder, .. } = profile.rules;
        if !visible.shows_a_gap() && !never(&hazards.gap) {
            let problem = "a name that is never unlinked shows no gap".into();
            let advice = "write \"0\", or `visible = \"unlink-and-create\"` or `\"unlink-then-rename\"`";
            return Err(self.at(hazards.gap.value.span(), problem, advice));
        }
        if !visible.gathers_elsewhere() && temporary != Temporary::None {
            let problem = "a version that is written under its own name is gathered in no other file".into();
            return Err(self.at(
                rules.temporary.value.span(),
                problem,
                "write \"none\", or another `visible`",
            ));
        }
        if temporary == Temporary::None && !never(&hazards.beside) {
            let problem = "a temporary file is seen although it has no name".into();
            return Err(self.at(hazards.beside.value.span(), problem, "write \"0\", or another `temporary`"));
        }
        if placeholder.stub().is_none() && !never(&hazards.stub) {
            let problem = "a stub arrives although this provider has none".into();
            return Err(self.at(
                hazards.stub.value.span(),
                problem,
                "write \"0\", or `placeholder = \"stub\"`",
            ));
        }
        if placeholder == Placeholder::None && !never(&hazards.evict_a_day) {
            let problem = "files are evicted although nothing stands for them".into();
            let advice = "write \"0\", or another `placeholder`";
            return Err(self.at(hazards.evict_a_day.value.span(), problem, advice));
        }
        Ok(())
    }
}

/// Every table that has a tag, with the names that lead to it.
fn facts(text: &str) -> Vec<Fact> {
    fn collect(prefix: &str, table: &toml::Table, facts: &mut Vec<Fact>) {
        for (name, entry) in table {
            let Some(inner) = entry.as_table() else { continue };
            let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            let tagged = inner.get("tag").and_then(|tag| tag.clone().try_into::<Tag>().ok());
            match (tagged, inner.get("value"), inner.get("source").and_then(toml::Value::as_str)) {
                (Some(tag), Some(value), Some(source)) => {
                    facts.push(Fact { key, value: value.to_string(), tag, source: source.to_owned() });
                }
                _ => collect(&key, inner, facts),
            }
        }
    }
    let mut facts = Vec::new();
    collect("", &text.parse().unwrap_or_default(), &mut facts);
    facts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::FILES;
    use super::*;

    fn text(name: &str) -> &'static str {
        FILES.iter().find(|(known, _)| *known == name).expect("a built-in profile").1
    }

    /// The problem that one replacement in a good file makes.
    fn broken(name: &str, good: &str, bad: &str) -> String {
        let text = text(name);
        assert!(text.contains(good), "{name} has no `{good}`");
        parse("a.toml", &text.replacen(good, bad, 1)).unwrap_err().to_string()
    }

    #[test]
    fn every_built_in_profile_is_whole_and_every_value_has_an_origin() {
        for (name, text) in FILES {
            let profile = parse(name, text).unwrap();
            assert_eq!(profile.name, name);
            let values = text.lines().filter(|line| line.contains("{ value = ")).count();
            assert_eq!(profile.facts.len(), values, "{name}");
            assert!(profile.facts.iter().all(|fact| fact.source.len() > 5), "{name}");
        }
    }

    #[test]
    fn a_perfect_folder_has_no_hazards_and_no_delays() {
        let perfect = Profile::named("perfect").unwrap();
        assert_eq!(perfect.hazards, Hazards::none());
        assert_eq!(perfect.timing.calm_bound_ms(), 0);
    }

    #[test]
    fn an_unknown_profile_is_none() {
        assert_eq!(Profile::named("floppy"), None);
        assert_eq!(Profile::names().count(), 9);
    }

    #[test]
    fn a_profile_is_named_or_lies_in_a_file() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios/profiles/perfect.toml");
        assert_eq!(Profile::find(file), Ok(Profile::named("perfect").unwrap()));
        assert_eq!(Profile::find("perfect"), Profile::find(file));
        let missing = Profile::find("nowhere/floppy.toml").unwrap_err();
        assert!(missing.starts_with("nowhere/floppy.toml:1: cannot be read: "), "{missing}");
        let unknown = Profile::find("floppy").unwrap_err();
        assert!(unknown.starts_with("there is no profile `floppy`; there are icloud, dropbox"), "{unknown}");
    }

    #[test]
    fn every_kind_of_mistake_is_told_with_its_line_and_what_to_do() {
        let first_source = "source = \"no provider is like this: the baseline to compare with\"";
        let problems = [
            broken("icloud", "[rules]", "[rules]\ncolour = 1"),
            broken("icloud", "edit_conflict =", "# edit_conflict ="),
            broken("icloud", "{ value = 6000, tag", "{ value = \"6 s\", tag"),
            broken("icloud", "{ value = 60000, tag", "{ value = 5999, tag"),
            broken("icloud", "{ value = 6000, tag", "{ value = 6000, label"),
            broken("icloud", "\"loser-invisible\"", "\"loser-shot\""),
            broken("icloud", "stub = { value = \"0\"", "stub = { value = \"1/2\""),
            broken("icloud", "value = \"1/100\"", "value = \"0.01\""),
            broken("git", "temporary = { value = \"none\"", "temporary = { value = \"partial\""),
            broken("dropbox", "\ngap = { value = \"0\"", "\ngap = { value = \"1/2\""),
            broken("icloud", "max_ms = 3000", "max_ms = 3"),
            broken("git", "hot_file_ms = { value = 0", "hot_file_ms = { value = 1"),
            broken("syncthing", "min_ms", "median_ms"),
            broken("perfect", first_source, "source = \" \""),
            parse("a.toml", "").unwrap_err().to_string(),
            parse("a.toml", "name = [").unwrap_err().to_string(),
        ];
        insta::assert_snapshot!(problems.join("\n"), @r#"
        a.toml:5: unknown field `colour`, expected one of `conflict_copies_max`, `conflict_naming`, `create_conflict`, `delete_conflict`, `edit_conflict`, `mtime`, `placeholder`, `temporary`, `visible`; correct the name or remove the value
        a.toml:4: missing field `edit_conflict`; write the value, with its tag and source
        a.toml:25: invalid type: string "6 s", expected u64; write `name = { value = ..., tag = "measured|documented|reported|assumed", source = "..." }` as the built-in profiles do
        a.toml:26: p99_ms (5999) is below median_ms (6000); the value that 99 of 100 stay below is at least the one that 50 do
        a.toml:25: unknown field `label`, expected one of `value`, `tag`, `source`; correct the name or remove the value
        a.toml:9: unknown variant `loser-shot`, expected one of `loser-invisible`, `later-saved-is-copied`, `older-mtime-is-copied`, `both-are-copied`, `merge-markers`, `each-keeps`; write one of these
        a.toml:71: a stub arrives although this provider has none; write "0", or `placeholder = "stub"`
        a.toml:69: `0.01` is not a chance; write "0", or a fraction of whole numbers up to 1 such as "1/500"; correct the chance
        a.toml:12: a version that is written under its own name is gathered in no other file; write "none", or another `visible`
        a.toml:64: a name that is never unlinked shows no gap; write "0", or `visible = "unlink-and-create"` or `"unlink-then-rename"`
        a.toml:18: the debounce must satisfy min_ms <= max_ms <= hot_file_ms; correct the values
        a.toml:18: the debounce must satisfy 0 < every_ms, hot_file_ms = 0; correct the values
        a.toml:36: a delay that is neither a lognormal nor a range; write `median_ms` and `p99_ms`, or `min_ms` and `max_ms`, and nothing else
        a.toml:5: the source is empty; name the page, thread, paper or measurement; for an assumption say what it follows from
        a.toml:1: missing field `name`; write the value, with its tag and source
        a.toml:1: unclosed array, expected `]`; write `name = { value = ..., tag = "measured|documented|reported|assumed", source = "..." }` as the built-in profiles do
        "#);
    }

    proptest! {
        #[test]
        fn any_text_is_a_profile_or_a_problem_on_one_of_its_lines(text in "(?s).{0,200}") {
            let error = parse("a.toml", &text).unwrap_err();
            prop_assert!(error.line >= 1 && error.line <= text.split('\n').count(), "{}", error);
            prop_assert!(!error.problem.is_empty() && !error.advice.is_empty());
        }

        #[test]
        fn a_profile_with_one_line_spoilt_is_a_profile_or_a_problem_on_a_line(
            which in 0..FILES.len(), at in 0_usize..200, with in prop_oneof![
                Just(String::new()), "[a-z_]{1,8} = \\{ value = [0-9]{1,20}, tag = \"assumed\", source = \"x\" \\}", ".{0,40}",
            ],
        ) {
            let mut lines: Vec<&str> = FILES[which].1.lines().collect();
            let at = at % lines.len();
            lines[at] = &with;
            let text = lines.join("\n");
            if let Err(error) = parse("a.toml", &text) {
                prop_assert!(error.line >= 1 && error.line <= lines.len() + 1, "{}", error);
                prop_assert!(!error.problem.is_empty() && !error.advice.is_empty());
            }
        }

        #[test]
        fn a_profile_with_other_numbers_is_a_profile_or_a_problem_on_a_line(
            which in 0..FILES.len(), at in 0_usize..40, number in any::<u64>(),
        ) {
            let text = FILES[which].1;
            let marks: Vec<usize> = text.match_indices("value = ").map(|(at, mark)| at + mark.len()).collect();
            let from = marks[at % marks.len()];
            let to = from + text[from..].find(", tag").expect("a tag follows a value");
            let text = format!("{}{number}{}", &text[..from], &text[to..]);
            if let Err(error) = parse("a.toml", &text) {
                prop_assert!(error.line >= 1 && error.line <= text.lines().count(), "{}", error);
            }
        }
    }
}
