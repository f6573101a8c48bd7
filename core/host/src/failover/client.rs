//! Whose client copies a folder: one whose delays are known, or one that was measured.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, bail};
use cloudchamber_core::failover::{Hardened, Policy, Provider};
use toml::{Table, Value};

/// The names of those whose delays are known.
pub const NAMES: [&str; 9] =
    ["dropbox", "gdrive", "git", "icloud", "onedrive", "perfect", "rclone", "syncthing", "unison"];

/// The least bound on propagation that goes together with how often a beat is written, in ms: that of a folder which is one
/// and the same for all.
const PROPAGATION_MS_MIN: u64 = 4_000;

/// The most places that a measured client may need: with more, whoever looks for a leader reads more than it is worth.
const PLACES_MAX: u64 = 8;

/// Whose client copies a folder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Client {
    /// One whose delays are known, or judged.
    Known(&'static str, Provider),
    /// One of which there is a profile, as `probe` writes it.
    Measured(PathBuf),
}

impl FromStr for Client {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(name) = NAMES.iter().find(|name| **name == text) {
            return Ok(Self::Known(name, Provider::named(name).expect("it is one of the names")));
        }
        if Path::new(text).extension().is_some_and(|end| end == "toml") {
            return Ok(Self::Measured(text.into()));
        }
        Err(format!(
            "give one of {}, or a profile that probe has written, which ends with .toml",
            NAMES.join(", ")
        ))
    }
}

impl Client {
    /// The constants of the failover for a folder that it copies.
    ///
    /// # Errors
    /// If its profile cannot be read, or lacks what they are made from.
    pub fn constants(&self, policy: Policy) -> anyhow::Result<Hardened> {
        match self {
            Self::Known(_, provider) => Ok(Hardened::at(*provider, policy)),
            Self::Measured(file) => {
                let text = std::fs::read_to_string(file).with_context(|| {
                    format!("{}: give a profile that can be read, as probe writes it", file.display())
                })?;
                let profile: Table = toml::from_str(&text).with_context(|| file.display().to_string())?;
                measured(&profile, policy).with_context(|| file.display().to_string())
            }
        }
    }
}

/// The constants for a client with such a profile: the bound on propagation is the longest way that was measured, from the
/// write until the file can be seen, and a tenth, because the next way may be longer than the longest of some thirty.
fn measured(profile: &Table, policy: Policy) -> anyhow::Result<Hardened> {
    let debounce_ms = debounce_ms(profile)?;
    let worst_ms = debounce_ms + longest_ms(profile, "delay")? + longest_ms(profile, "gap")?;
    let hardened = Hardened::over((worst_ms + worst_ms / 10).max(PROPAGATION_MS_MIN), policy);
    if number(profile, "hot_file_ms")?.unwrap_or(0) == 0 {
        return Ok(hardened);
    }
    // It holds back a file that does not rest, so what decides is written in several files by turns. A range that was
    // measured begins where the shortest rest ends, and the longest may be at its end.
    let rest_ms = debounce_ms + number(profile, "delay.max_ms")?.unwrap_or(0);
    let rest_ms = rest_ms.max(hardened.rest_ms);
    let places = rest_ms.div_ceil(hardened.beat.base_ms).max(2);
    if places > PLACES_MAX {
        bail!(
            "a file has to rest for {rest_ms} ms before this client sends it: beats could not be told in time"
        );
    }
    let places = u8::try_from(places).expect("at most eight");
    Ok(Hardened { rest_ms, places, ..hardened })
}

/// How long the client waits for a file to come to rest, at most, in ms.
fn debounce_ms(profile: &Table) -> anyhow::Result<u64> {
    let what = value(profile, "debounce").context("timing.debounce is missing")?;
    let of = |kind: &str, key: &str| whole(what.get(kind)?.get(key)?);
    let waits = match what.as_str() {
        Some("none") => Some(0),
        _ => of("fixed", "ms")
            .or_else(|| of("uniform", "max_ms"))
            .or_else(|| of("timer", "every_ms"))
            // A change that just missed the timer waits for it twice, the second time for half of it.
            .or_else(|| of("aggregator", "delay_ms").map(|ms| ms + ms / 2)),
    };
    waits.context("timing.debounce is none of none, fixed, uniform, timer, aggregator")
}

/// The longest, or what 99 of 100 are within, in ms.
fn longest_ms(profile: &Table, key: &str) -> anyhow::Result<u64> {
    let of = |end: &str| number(profile, &format!("{key}.{end}"));
    match (of("max_ms")?, of("p99_ms")?) {
        (Some(ms), _) | (None, Some(ms)) => Ok(ms),
        (None, None) => bail!("timing.{key} has neither max_ms nor p99_ms"),
    }
}

/// A number below `timing`; `None` if it is not there.
fn number(profile: &Table, key: &str) -> anyhow::Result<Option<u64>> {
    let Some(value) = value(profile, key) else { return Ok(None) };
    whole(value).map(Some).with_context(|| format!("timing.{key} is no time in ms: {value}"))
}

/// At most ten years, so that sums are sums.
fn whole(value: &Value) -> Option<u64> {
    u64::try_from(value.as_integer()?).ok().filter(|ms| *ms <= 10 * 365 * 86_400_000)
}

/// The value of an entry below `timing`.
fn value<'a>(profile: &'a Table, key: &str) -> Option<&'a Value> {
    let table = profile.get("timing")?;
    key.split('.').try_fold(table, |table, part| table.get(part))?.get("value")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Hardened {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/profiles").join(name);
        let client: Client =
            file.to_str().expect("a path of this repository").parse().expect("it ends with .toml");
        client.constants(Policy::Available).expect("probe wrote it")
    }

    #[test]
    fn what_was_measured_of_syncthing_gives_about_what_is_known_of_it() {
        let (known, measured) = (Hardened::at(Provider::Syncthing, Policy::Available), of("syncthing.toml"));
        assert_eq!((known.propagation_ms, known.rest_ms, known.places), (15_200, 15_000, 2));
        assert_eq!((measured.propagation_ms, measured.rest_ms, measured.places), (16_373, 14_844, 2));
    }

    #[test]
    fn every_measured_profile_gives_constants_that_go_together() {
        for name in ["git-5s.toml", "rclone-5s.toml", "syncthing-1s.toml", "syncthing.toml", "unison-5s.toml"]
        {
            let identity = cloudchamber_core::failover::Identity {
                name: None,
                host: "h".into(),
                directory: "/x".into(),
            };
            super::super::settings::config(identity, of(name), Path::new("/nowhere")).unwrap();
        }
        assert_eq!(of("syncthing-1s.toml").propagation_ms, PROPAGATION_MS_MIN);
    }

    #[test]
    fn every_profile_of_the_simulator_can_be_read() {
        for name in NAMES {
            let file =
                Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../scenarios/profiles/{name}.toml"));
            let hardened = Client::Measured(file).constants(Policy::Available).unwrap();
            assert!(hardened.propagation_ms >= PROPAGATION_MS_MIN, "{name}");
        }
    }

    #[test]
    fn what_is_no_profile_is_told() {
        let refused = |text: &str| {
            format!("{:#}", measured(&toml::from_str(text).unwrap(), Policy::Available).unwrap_err())
        };
        assert_eq!(refused(""), "timing.debounce is missing");
        let none = "[timing]\ndebounce = { value = 'none' }\n";
        assert_eq!(refused(none), "timing.delay has neither max_ms nor p99_ms");
        assert!(refused("[timing]\ndebounce = { value = 'long' }\n").contains("none of none, fixed"));
        let long = format!("{none}[timing.delay]\nmax_ms = {{ value = 'a' }}\n");
        assert_eq!(refused(&long), "timing.delay.max_ms is no time in ms: \"a\"");
        assert!("carrier-pigeon".parse::<Client>().unwrap_err().contains("syncthing"));
    }
}
