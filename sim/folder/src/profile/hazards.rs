//! What goes wrong with a provider, and how often.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How often each thing goes wrong that a sync client does by itself, and which faults a machine may have.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Hazards {
    /// Of arrivals: the first bytes lie in a temporary file beside the old version for a while.
    pub beside: Ratio,
    /// Of those: the client is killed, and the temporary file is sent as one of the user's.
    pub beside_sent: Ratio,
    /// Of arrivals that are cut: the client is killed, and sends what is there over the whole version.
    pub cut_sent: Ratio,
    /// Of arrivals: the file shows up without its content.
    pub empty: Ratio,
    /// Of files that lie idle: evicted within a day.
    pub evict_a_day: Ratio,
    /// Whether swarms let the folder's mount go and leave an empty directory.
    pub folder_hollow: bool,
    /// Whether swarms let the client take that directory for the folder.
    pub folder_wiped: bool,
    /// Of arrivals over an older version: the name is gone for a moment.
    pub gap: Ratio,
    /// The faults of machines that a swarm may draw where a scenario names none.
    pub machine: Vec<MachineFault>,
    /// Of arrivals: the full length, all NUL.
    pub nul: Ratio,
    /// Whether swarms let files come back from an earlier time.
    pub older_files: bool,
    /// Of arrivals: the first bytes only.
    pub prefix: Ratio,
    /// Of versions on their way (the way up and the ways down together): stuck.
    pub stall: Ratio,
    /// Of returns after an absence: the client takes its old files for new ones.
    pub stale_upload: Ratio,
    /// Of arrivals: a placeholder comes in the file's place.
    pub stub: Ratio,
    /// Of changes on disk: the application's watcher is told late.
    pub watch_late: Ratio,
    /// Of changes on disk: the application's watcher is not told.
    pub watch_lost: Ratio,
    /// Of broken arrivals and evictions: nothing mends the file by itself, and reads do not come back.
    pub wedged: Ratio,
}

impl Hazards {
    /// Nothing goes wrong.
    #[must_use]
    pub fn none() -> Self {
        Self {
            beside: Ratio::NEVER,
            beside_sent: Ratio::NEVER,
            cut_sent: Ratio::NEVER,
            empty: Ratio::NEVER,
            evict_a_day: Ratio::NEVER,
            folder_hollow: false,
            folder_wiped: false,
            gap: Ratio::NEVER,
            machine: Vec::new(),
            nul: Ratio::NEVER,
            older_files: false,
            prefix: Ratio::NEVER,
            stall: Ratio::NEVER,
            stale_upload: Ratio::NEVER,
            stub: Ratio::NEVER,
            watch_late: Ratio::NEVER,
            watch_lost: Ratio::NEVER,
            wedged: Ratio::NEVER,
        }
    }

    /// The same hazards, each `times` as frequent, at most always: what a provider does once in a month has to
    /// happen in a run of ten minutes.
    #[must_use]
    pub fn scaled(&self, times: u32) -> Self {
        Self {
            beside: self.beside.scaled(times),
            beside_sent: self.beside_sent.scaled(times),
            cut_sent: self.cut_sent.scaled(times),
            empty: self.empty.scaled(times),
            evict_a_day: self.evict_a_day.scaled(times),
            folder_hollow: self.folder_hollow,
            folder_wiped: self.folder_wiped,
            gap: self.gap.scaled(times),
            machine: self.machine.clone(),
            nul: self.nul.scaled(times),
            older_files: self.older_files,
            prefix: self.prefix.scaled(times),
            stall: self.stall.scaled(times),
            stale_upload: self.stale_upload.scaled(times),
            stub: self.stub.scaled(times),
            watch_late: self.watch_late.scaled(times),
            watch_lost: self.watch_lost.scaled(times),
            wedged: self.wedged.scaled(times),
        }
    }
}

/// One thing of [`Hazards`] that a sync client does to files by itself, by the name that it has in a profile.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hazard {
    /// [`Hazards::beside`].
    Beside,
    /// [`Hazards::beside_sent`].
    BesideSent,
    /// [`Hazards::cut_sent`].
    CutSent,
    /// [`Hazards::empty`].
    Empty,
    /// [`Hazards::evict_a_day`].
    EvictADay,
    /// [`Hazards::folder_hollow`].
    FolderHollow,
    /// [`Hazards::folder_wiped`].
    FolderWiped,
    /// [`Hazards::gap`].
    Gap,
    /// [`Hazards::nul`].
    Nul,
    /// [`Hazards::older_files`].
    OlderFiles,
    /// [`Hazards::prefix`].
    Prefix,
    /// [`Hazards::stale_upload`].
    StaleUpload,
    /// [`Hazards::stub`].
    Stub,
}

impl Hazard {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Beside,
        Self::BesideSent,
        Self::CutSent,
        Self::Empty,
        Self::EvictADay,
        Self::FolderHollow,
        Self::FolderWiped,
        Self::Gap,
        Self::Nul,
        Self::OlderFiles,
        Self::Prefix,
        Self::StaleUpload,
        Self::Stub,
    ];

    /// Its name in a profile's `[hazards]`.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Beside => "beside",
            Self::BesideSent => "beside_sent",
            Self::CutSent => "cut_sent",
            Self::Empty => "empty",
            Self::EvictADay => "evict_a_day",
            Self::FolderHollow => "folder_hollow",
            Self::FolderWiped => "folder_wiped",
            Self::Gap => "gap",
            Self::Nul => "nul",
            Self::OlderFiles => "older_files",
            Self::Prefix => "prefix",
            Self::StaleUpload => "stale_upload",
            Self::Stub => "stub",
        }
    }
}

impl Hazards {
    /// Whether this ever goes wrong, however rarely.
    #[must_use]
    pub fn has(&self, hazard: Hazard) -> bool {
        let ratio = match hazard {
            Hazard::FolderHollow => return self.folder_hollow,
            Hazard::FolderWiped => return self.folder_wiped,
            Hazard::OlderFiles => return self.older_files,
            Hazard::Beside => self.beside,
            Hazard::BesideSent => self.beside_sent,
            Hazard::CutSent => self.cut_sent,
            Hazard::Empty => self.empty,
            Hazard::EvictADay => self.evict_a_day,
            Hazard::Gap => self.gap,
            Hazard::Nul => self.nul,
            Hazard::Prefix => self.prefix,
            Hazard::StaleUpload => self.stale_upload,
            Hazard::Stub => self.stub,
        };
        ratio != Ratio::NEVER
    }

    /// None but these, each every time.
    #[must_use]
    pub fn only(allowed: impl IntoIterator<Item = Hazard>) -> Self {
        let mut only = Self::none();
        for hazard in allowed {
            let ratio = match hazard {
                Hazard::FolderHollow => {
                    only.folder_hollow = true;
                    continue;
                }
                Hazard::FolderWiped => {
                    only.folder_wiped = true;
                    continue;
                }
                Hazard::OlderFiles => {
                    only.older_files = true;
                    continue;
                }
                Hazard::Beside => &mut only.beside,
                Hazard::BesideSent => &mut only.beside_sent,
                Hazard::CutSent => &mut only.cut_sent,
                Hazard::Empty => &mut only.empty,
                Hazard::EvictADay => &mut only.evict_a_day,
                Hazard::Gap => &mut only.gap,
                Hazard::Nul => &mut only.nul,
                Hazard::Prefix => &mut only.prefix,
                Hazard::StaleUpload => &mut only.stale_upload,
                Hazard::Stub => &mut only.stub,
            };
            *ratio = Ratio::ALWAYS;
        }
        only
    }
}

/// A fault of a machine.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MachineFault {
    /// Its wall clock runs fast or slow.
    ClockDrift,
    /// Its wall clock is set forward or back.
    ClockJump,
    /// Its wall clock is wrong from the start.
    ClockOffset,
    /// The process dies; the machine does not.
    Crash,
    /// The disk or the quota is full for a while.
    DiskFull,
    /// There is no network for a while.
    Offline,
    /// The machine loses power, and what was not flushed.
    PowerCut,
    /// The machine sleeps and wakes.
    Sleep,
}

/// A chance, as a fraction of whole numbers: written `"1/500"`, or `"0"` for never.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(into = "String", try_from = "String")]
pub struct Ratio {
    numer: u32,
    denom: u32,
}

impl Ratio {
    /// It never happens.
    pub const NEVER: Self = Self { numer: 0, denom: 1 };
    /// It happens every time.
    pub const ALWAYS: Self = Self { numer: 1, denom: 1 };

    /// `numer` times in `denom`.
    ///
    /// # Errors
    /// Where `denom` is 0 or below `numer`.
    pub fn new(numer: u32, denom: u32) -> Result<Self, RatioError> {
        if denom == 0 || numer > denom {
            return Err(RatioError(format!("{numer}/{denom}")));
        }
        Ok(Self { numer, denom })
    }

    /// How many times.
    #[must_use]
    pub const fn numer(self) -> u32 {
        self.numer
    }

    /// In how many.
    #[must_use]
    pub const fn denom(self) -> u32 {
        self.denom
    }

    /// Whether it happens, for a number drawn from all of u64.
    #[must_use]
    pub fn hits(self, random: u64) -> bool {
        // The high half of the product is a number below `denom`, uniform to within denom / 2^64.
        (u128::from(random) * u128::from(self.denom)) >> 64 < u128::from(self.numer)
    }

    /// As frequent `times` over, at most always.
    #[must_use]
    pub fn scaled(self, times: u32) -> Self {
        let numer = u64::from(self.numer) * u64::from(times);
        match u32::try_from(numer) {
            Ok(numer) if numer < self.denom => Self { numer, denom: self.denom },
            _ if self.numer == 0 => self,
            _ => Self::ALWAYS,
        }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.numer == 0 { f.write_str("0") } else { write!(f, "{}/{}", self.numer, self.denom) }
    }
}

impl FromStr for Ratio {
    type Err = RatioError;

    fn from_str(text: &str) -> Result<Self, RatioError> {
        let error = || RatioError(text.to_owned());
        let (numer, denom) = text.split_once('/').unwrap_or((text, "1"));
        Self::new(numer.parse().map_err(|_| error())?, denom.parse().map_err(|_| error())?)
    }
}

impl TryFrom<String> for Ratio {
    type Error = RatioError;

    fn try_from(text: String) -> Result<Self, RatioError> {
        text.parse()
    }
}

impl From<Ratio> for String {
    fn from(ratio: Ratio) -> Self {
        ratio.to_string()
    }
}

/// A text that is not a chance.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is not a chance; write \"0\", or a fraction of whole numbers up to 1 such as \"1/500\"")]
pub struct RatioError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_goes_wrong_where_there_are_no_hazards_and_each_is_called_as_in_a_profile() {
        let known = crate::profile::Profile::named("syncthing").unwrap();
        for hazard in Hazard::ALL {
            assert!(!Hazards::none().has(hazard), "{hazard:?}");
            let only = Hazards::only([hazard]);
            assert!(Hazard::ALL.into_iter().all(|other| only.has(other) == (other == hazard)), "{hazard:?}");
            let key = format!("hazards.{}", hazard.key());
            assert!(known.facts.iter().any(|fact| fact.key == key), "{key}");
            assert_eq!(serde_json::to_value(hazard).unwrap(), hazard.key());
        }
        let has: Vec<_> = Hazard::ALL.into_iter().filter(|hazard| known.hazards.has(*hazard)).collect();
        assert_eq!(
            has,
            [
                Hazard::Beside,
                Hazard::FolderHollow,
                Hazard::FolderWiped,
                Hazard::Gap,
                Hazard::OlderFiles,
                Hazard::StaleUpload
            ]
        );
    }

    #[test]
    fn a_chance_survives_its_text() {
        for text in ["0", "1/500", "7/8", "1/1"] {
            assert_eq!(text.parse::<Ratio>().unwrap().to_string(), text);
        }
        for text in ["", "1/0", "2/1", "-1/2", "0.5", "1/2/3", "one"] {
            assert!(text.parse::<Ratio>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_chance_hits_as_often_as_it_says() {
        let third: Ratio = "1/3".parse().unwrap();
        let hits = (0..3_000_u64).filter(|place| third.hits(u64::MAX / 3_000 * place)).count();
        assert!((999..=1_001).contains(&hits), "{hits}");
        assert!(!Ratio::NEVER.hits(0));
        assert!(Ratio::ALWAYS.hits(u64::MAX));
    }

    #[test]
    fn a_scaled_chance_ends_at_always() {
        let rare: Ratio = "1/500".parse().unwrap();
        assert_eq!(rare.scaled(100).to_string(), "100/500");
        assert_eq!(rare.scaled(u32::MAX), Ratio::ALWAYS);
        assert_eq!(Ratio::NEVER.scaled(u32::MAX), Ratio::NEVER);
        assert_eq!(rare.scaled(0), Ratio { numer: 0, denom: 500 });
    }
}
