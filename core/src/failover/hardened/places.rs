//! Where a replica says what it says: in its device file, and where it has several, by turns in the others.
//!
//! A client may hold one file up as a whole: the next version waits for the one that is on its way. Versions in
//! files of different names travel independently, so a beat is late only if several files are. Each version is
//! complete, and of all files of a replica the newest counts.

use std::sync::Arc;

use super::record::{Life, Visit};
use crate::failover::device;
use crate::{Mono, Path};

/// The files of one replica, the device file first.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Places {
    all: Vec<Place>,
    /// Which is written next.
    next: usize,
}

/// One of them.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Place {
    pub(super) path: Path,
    /// The beat of this life that it holds; 0 for none.
    pub(super) beat: u64,
    /// Before this it is left alone.
    rests_until: Mono,
}

/// The path of a replica's file number `place`: its device file, or one that device lists do not show.
pub(in crate::failover) fn path(id: &str, place: usize) -> Path {
    let name = device::file_name(id);
    device::devices_dir().join(&match place {
        0 => name,
        _ => format!("{}.beat{place}", stem(&name)),
    })
}

/// The name of a device file without its ending.
fn stem(name: &str) -> &str {
    name.strip_suffix(".json").expect("device files are called so")
}

/// Whether a file of this name is one of the replica whose device file is called `device_file`.
pub(in crate::failover) fn belongs(name: &str, device_file: &str) -> bool {
    name == device_file
        || name.strip_prefix(stem(device_file)).is_some_and(|rest| beat_ending(rest) == Some(""))
}

/// Whether this file may be one of a replica, by its name.
pub(super) fn may_be_one(path: &Path) -> bool {
    path.name().ends_with(".json") || beat_ending(path.name()).is_some()
}

/// What stands before the ending `.beat` and a digit.
fn beat_ending(name: &str) -> Option<&str> {
    let rest = name.strip_suffix(|last: char| last.is_ascii_digit())?;
    rest.strip_suffix(".beat")
}

impl Places {
    pub(super) fn new(id: &str, count: u8) -> Self {
        let place = |place| Place { path: path(id, place), beat: 0, rests_until: Mono(0) };
        Self { all: (0..usize::from(count.clamp(1, 9))).map(place).collect(), next: 0 }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u8 {
        u8::try_from(self.all.len()).expect("at most 9")
    }

    /// The device file.
    pub(super) fn device_file(&self) -> &Path {
        &self.all[0].path
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Place> {
        self.all.iter()
    }

    /// The place that this file is.
    pub(super) fn at(&self, path: &Path) -> Option<&Place> {
        self.all.iter().find(|place| place.path == *path)
    }

    /// Takes the next one for a beat, and says which and until when the one after it rests. What decides nothing
    /// goes to the device file, which is not left alone after it.
    pub(super) fn take(&mut self, beat: u64, decides: bool, now: Mono, rest_ms: u64) -> (Path, Mono) {
        let at = if decides { self.next } else { 0 };
        let place = &mut self.all[at];
        place.beat = beat;
        if decides {
            place.rests_until = now.plus(rest_ms);
        }
        let path = place.path.clone();
        self.next = (at + 1) % self.all.len();
        (path, self.all[self.next].rests_until)
    }

    /// Until when the place after the next one rests.
    pub(super) fn second_rests_until(&self) -> Mono {
        self.all[(self.next + 1) % self.all.len()].rests_until
    }

    /// Takes all for not written yet.
    pub(super) fn forget_written(&mut self) {
        self.all.iter_mut().for_each(|place| place.beat = 0);
    }

    pub(super) fn visit(&mut self, id: &Arc<str>, life: Life, visit: &mut dyn Visit) {
        for place in &mut self.all {
            visit.beat(id, life, &mut place.beat);
            visit.deadline(&mut place.rests_until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_has_a_device_file_and_others_beside_it() {
        let paths: Vec<_> = Places::new("h:/a#1f", 3).iter().map(|place| place.path.to_string()).collect();
        insta::assert_debug_snapshot!(paths, @r#"
        [
            "shared:devices/d-h-3a-2fa-231f.json",
            "shared:devices/d-h-3a-2fa-231f.beat1",
            "shared:devices/d-h-3a-2fa-231f.beat2",
        ]
        "#);
    }

    #[test]
    fn whose_a_file_is_shows_in_its_name() {
        assert!(belongs("d-a.json", "d-a.json") && belongs("d-a.beat1", "d-a.json"));
        for other in ["d-ab.beat1", "d-a.beat", "d-a.beat12", "d-a.beat1 2", "d-a 2.json", "d-a.b.beat1"] {
            assert!(!belongs(other, "d-a.json"), "{other}");
        }
        assert!(!may_be_one(&Path::shared("notes.txt")));
        assert!(["d-a 2.json", "d-b.beat2"].iter().all(|name| may_be_one(&Path::shared(name))));
    }

    #[test]
    fn each_file_rests_while_the_others_are_written() {
        let mut places = Places::new("a", 2);
        let (first, free) = places.take(1, true, Mono(100), 50);
        assert_eq!((&first, free), (places.device_file(), Mono(0)));
        let (second, free) = places.take(2, true, Mono(110), 50);
        assert_eq!((second != first, free), (true, Mono(150)));
        // What decides nothing stays in the device file and disturbs no other.
        assert_eq!(places.take(3, false, Mono(160), 50), (first, Mono(160)));
    }
}
