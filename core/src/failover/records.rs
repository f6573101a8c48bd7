//! What the files hold: `state.json`, a device's own file, the device's own offset, and the old `devices.json`.
//!
//! All are JSON objects indented by two spaces without a final newline. Fields that are not known are carried
//! along, so that a program of another age loses nothing by our rewriting its file.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::device;
use super::hardened::constants::Rules;
use crate::{Content, EntryKind, Fs, FsError, Path, WallMs};

/// The largest file of a replica that is read, in bytes. What a replica says grows with the number of the others, by
/// some two hundred bytes each; a file that takes long to read would keep it from beating in time.
pub const LEN_MAX: u64 = 256 * 1_024;

/// The shared state.
pub static STATE: LazyLock<Path> = LazyLock::new(|| Path::shared("state.json"));

/// The single file of the layout before the devices had files of their own.
pub static LEGACY_DEVICES: LazyLock<Path> = LazyLock::new(|| Path::shared("devices.json"));

/// The id of the last update that was handled, where each device keeps its own.
pub static OFFSET: LazyLock<Path> = LazyLock::new(|| Path::local("offset.json"));

/// The shared state: who is active, and how far the updates are handled.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StateRecord {
    /// The id of the active device; `None` at first. The empty text is read as `None`, as upstream's code does.
    pub active_device: Option<Arc<str>>,
    /// When the active device last said so, on its writer's clock.
    pub active_device_heartbeat: WallMs,
    /// The last handled update.
    pub last_update_id: i64,
    /// When the file was last written, on its writer's clock.
    pub last_modified: WallMs,
    /// Who wrote it: a device id, or `system` at first.
    pub modified_by: Arc<str>,
    /// Fields that are not known here.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A device's own file.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceRecord {
    /// The device's id.
    pub name: Arc<str>,
    /// The thread of the chat that it mirrors; `None` for all.
    pub thread_id: Option<i64>,
    /// When it last wrote this file, on its own clock.
    pub last_seen: WallMs,
    /// Its machine's host name.
    pub hostname: Arc<str>,
    /// The directory in which it works.
    pub directory: Arc<str>,
    /// Its process id on its own machine.
    #[serde(rename = "pid", skip_serializing_if = "Option::is_none")]
    pub process_id: Option<u32>,
    /// Fields that are not known here.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// Why the bytes of a file are no record.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Malformed {
    /// There are none: a writer died between truncating and writing, or half an upload.
    Empty,
    /// They hold NUL bytes: a crash before the data reached the disk.
    Nul,
    /// They are not JSON; perhaps the beginning of some.
    NotJson,
    /// They are JSON, but no object.
    NotAnObject,
    /// A field is missing that must be there, or is of the wrong kind.
    Field,
    /// Length or digest do not fit: somebody else changed it.
    Check,
}

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// It could not be read.
    Unreadable(FsError),
    /// It could not be written or removed.
    Unwritten(FsError),
    /// Its bytes are no record.
    Corrupt(Malformed),
    /// It names a device whose file is called otherwise: a conflict copy, or two devices with one file name.
    NameMismatch,
    /// It is larger than any that a replica writes, and is not read: [`LEN_MAX`].
    TooLarge,
    /// Its replica runs by other settings than those that it was compared with: by its own where a replica tells of it,
    /// in a status by the leader's.
    OtherSettings {
        /// By which it runs.
        theirs: Rules,
        /// With which they were compared.
        ours: Rules,
    },
    /// It is a copy that a client made of the directory of the device files. What they say counts.
    DirectoryCopy,
}

impl std::fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "cannot be read: {error}"),
            Self::Unwritten(error) => write!(f, "cannot be written: {error}"),
            Self::Corrupt(Malformed::Empty) => write!(f, "is empty"),
            Self::Corrupt(Malformed::Nul) => write!(f, "holds NUL bytes"),
            Self::Corrupt(Malformed::NotJson) => write!(f, "is not whole JSON"),
            Self::Corrupt(Malformed::NotAnObject) => write!(f, "is JSON, but no object"),
            Self::Corrupt(Malformed::Check) => write!(f, "was changed by somebody else"),
            Self::Corrupt(Malformed::Field) => write!(f, "lacks a field, or has one of the wrong kind"),
            Self::NameMismatch => write!(
                f,
                "names a device whose file is called otherwise: a copy that a client made of a device's file, which does not \
                 count, because its owner writes on; remove it"
            ),
            Self::TooLarge => write!(
                f,
                "is larger than {} KiB, which no replica writes, and is not read: see who made it, and remove it",
                LEN_MAX / 1_024
            ),
            Self::DirectoryCopy => write!(
                f,
                "is a copy that a client made of `devices`, because two machines made that at the same time: what stands in \
                 it counts; once all agents are stopped, remove it"
            ),
            Self::OtherSettings { theirs, ours } => write!(
                f,
                "runs with other settings ({theirs}) than here ({ours}), and neither takes over from the other: give \
                 all the same policy, provider and settings, and start them again"
            ),
        }
    }
}

impl StateRecord {
    /// The state that the first device writes.
    #[must_use]
    pub fn initial(now: WallMs) -> Self {
        Self {
            active_device: None,
            active_device_heartbeat: WallMs(0),
            last_update_id: 0,
            last_modified: now,
            modified_by: "system".into(),
            rest: Map::new(),
        }
    }

    /// Reads `state.json`. A missing field counts as its initial value, a fraction is cut off.
    ///
    /// # Errors
    /// What is wrong with the bytes; never a panic.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut rest = object(bytes)?;
        let active: Option<Arc<str>> = take_text(&mut rest, "activeDevice")?;
        Ok(Self {
            active_device: active.filter(|id| !id.is_empty()),
            active_device_heartbeat: WallMs(take_number(&mut rest, "activeDeviceHeartbeat")?.unwrap_or(0)),
            last_update_id: take_number(&mut rest, "lastUpdateId")?.unwrap_or(0),
            last_modified: WallMs(take_number(&mut rest, "lastModified")?.unwrap_or(0)),
            modified_by: take_text(&mut rest, "modifiedBy")?.unwrap_or_default(),
            rest,
        })
    }

    /// The bytes of the file.
    #[must_use]
    pub fn serialise(&self) -> Content {
        pretty(self)
    }
}

impl DeviceRecord {
    /// Reads a device's file. Only the name must be there.
    ///
    /// # Errors
    /// What is wrong with the bytes; never a panic.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::from_object(object(bytes)?, None)
    }

    /// The bytes of the file.
    #[must_use]
    pub fn serialise(&self) -> Content {
        pretty(self)
    }

    fn from_object(mut rest: Map<String, Value>, key: Option<&str>) -> Result<Self, Malformed> {
        let name = take_text(&mut rest, "name")?.or_else(|| key.map(Into::into));
        Ok(Self {
            name: name.ok_or(Malformed::Field)?,
            thread_id: take_number(&mut rest, "threadId")?,
            last_seen: WallMs(take_number(&mut rest, "lastSeen")?.unwrap_or(0)),
            hostname: take_text(&mut rest, "hostname")?.unwrap_or_default(),
            directory: take_text(&mut rest, "directory")?.unwrap_or_default(),
            // A process id that no system gives out is none.
            process_id: take_number(&mut rest, "pid")?.and_then(|id| u32::try_from(id).ok()),
            rest,
        })
    }
}

/// Whether a shared file is too large to be read ([`LEN_MAX`]), by the listing of its directory.
#[must_use]
pub fn is_too_large(fs: &dyn Fs, path: &Path) -> bool {
    let dir = path.parent().unwrap_or_else(|| Path::shared(""));
    let entries = fs.list(&dir).unwrap_or_default();
    entries.iter().any(|entry| entry.path == *path && entry.len > LEN_MAX)
}

/// Reads the old `devices.json`: an object of device records by device id, or a list of them. Entries that are
/// no record are left out and reported.
#[must_use]
pub fn parse_legacy_devices(bytes: &[u8]) -> (Vec<DeviceRecord>, Vec<Malformed>) {
    let (mut records, mut problems) = (Vec::new(), Vec::new());
    let mut add = |key: Option<&str>, value: Value| {
        let record = match value {
            Value::Object(fields) => DeviceRecord::from_object(fields, key),
            _ => Err(Malformed::NotAnObject),
        };
        match record {
            Ok(record) => records.push(record),
            Err(malformed) => problems.push(malformed),
        }
    };
    match json(bytes) {
        Ok(Value::Object(devices)) => {
            devices.into_iter().for_each(|(key, value)| add(Some(&key), value));
        }
        Ok(Value::Array(devices)) => devices.into_iter().for_each(|value| add(None, value)),
        Ok(_) => problems.push(Malformed::NotAnObject),
        Err(malformed) => problems.push(malformed),
    }
    (records, problems)
}

/// Reads a device's own offset: the id of the last update it took.
///
/// # Errors
/// What is wrong with the bytes; never a panic.
pub fn parse_offset(bytes: &[u8]) -> Result<i64, Malformed> {
    take_number(&mut object(bytes)?, "lastUpdateId")?.ok_or(Malformed::Field)
}

/// The bytes of a device's own offset.
#[must_use]
pub fn serialise_offset(last_update_id: i64) -> Content {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Offset {
        last_update_id: i64,
    }
    pretty(&Offset { last_update_id })
}

/// A device file as it was found.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Where it was found.
    pub path: Path,
    /// What it says.
    pub record: DeviceRecord,
}

/// Reads all device files, by the *name in the file*; of two files with one name, the last in the order of the
/// listing counts. So a conflict copy can stand for the device (upstream opencode-telegram-mirror 085f00e reads
/// them so, in an order that the system chooses). A file of more than `len_max` bytes is not read. Whatever is wrong
/// goes to `problem`.
pub fn read_devices(
    fs: &dyn Fs,
    len_max: u64,
    mut problem: impl FnMut(&Path, ProblemKind),
) -> BTreeMap<Arc<str>, Listed> {
    let dir = device::devices_dir();
    let entries = match fs.list(&dir) {
        Ok(entries) => entries,
        Err(FsError::NotFound) => Vec::new(),
        Err(error) => {
            problem(&dir, ProblemKind::Unreadable(error));
            Vec::new()
        }
    };
    let mut devices = BTreeMap::new();
    for entry in entries {
        if entry.kind == EntryKind::File && entry.len > len_max {
            problem(&entry.path, ProblemKind::TooLarge);
            continue;
        }
        if entry.kind != EntryKind::File || !entry.name().ends_with(".json") {
            continue;
        }
        let path = entry.path;
        let content = match fs.read(&path, 0) {
            Ok(content) => content,
            Err(error) => {
                problem(&path, ProblemKind::Unreadable(error));
                continue;
            }
        };
        match &*content.parsed(DeviceRecord::parse) {
            Ok(record) => {
                if !device::may_be_called(&record.name, path.file_name()) {
                    problem(&path, ProblemKind::NameMismatch);
                }
                devices.insert(record.name.clone(), Listed { path, record: record.clone() });
            }
            Err(malformed) => problem(&path, ProblemKind::Corrupt(*malformed)),
        }
    }
    devices
}

fn json(bytes: &[u8]) -> Result<Value, Malformed> {
    serde_json::from_slice(bytes).map_err(|_| match bytes {
        [] => Malformed::Empty,
        _ if bytes.contains(&0) => Malformed::Nul,
        _ => Malformed::NotJson,
    })
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, Malformed> {
    match json(bytes)? {
        Value::Object(fields) => Ok(fields),
        _ => Err(Malformed::NotAnObject),
    }
}

fn take_text(fields: &mut Map<String, Value>, key: &str) -> Result<Option<Arc<str>>, Malformed> {
    match fields.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.into())),
        Some(_) => Err(Malformed::Field),
    }
}

fn take_number(fields: &mut Map<String, Value>, key: &str) -> Result<Option<i64>, Malformed> {
    match fields.remove(key) {
        None | Some(Value::Null) => Ok(None),
        // Other programs write 1.7e12 for the same instant; the conversion saturates.
        Some(Value::Number(number)) => {
            Ok(number.as_i64().or_else(|| number.as_f64().map(|fraction| fraction as i64)))
        }
        Some(_) => Err(Malformed::Field),
    }
}

fn pretty(record: &impl Serialize) -> Content {
    Content::new(serde_json::to_vec_pretty(record).expect("records have text keys and no failing parts"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn files_look_as_upstream_writes_them() {
        insta::assert_snapshot!(text(&StateRecord::initial(WallMs(1_700_000_000_000)).serialise()), @r#"
        {
          "activeDevice": null,
          "activeDeviceHeartbeat": 0,
          "lastUpdateId": 0,
          "lastModified": 1700000000000,
          "modifiedBy": "system"
        }
        "#);
        let device = DeviceRecord {
            name: "work@imac.local:/a".into(),
            thread_id: Some(7),
            last_seen: WallMs(5),
            hostname: "imac.local".into(),
            directory: "/a".into(),
            process_id: Some(4242),
            rest: Map::new(),
        };
        insta::assert_snapshot!(text(&device.serialise()), @r#"
        {
          "name": "work@imac.local:/a",
          "threadId": 7,
          "lastSeen": 5,
          "hostname": "imac.local",
          "directory": "/a",
          "pid": 4242
        }
        "#);
        assert!(!device.serialise().bytes().ends_with(b"\n"));
    }

    #[test]
    fn unknown_fields_are_carried_along() {
        let bytes = br#"{"foreignChatIds":[1,2],"activeDevice":"a","lastUpdateId":9,"later":{"x":null}}"#;
        let record = StateRecord::parse(bytes).unwrap();
        assert_eq!(record.active_device.as_deref(), Some("a"));
        insta::assert_snapshot!(text(&record.serialise()), @r#"
        {
          "activeDevice": "a",
          "activeDeviceHeartbeat": 0,
          "lastUpdateId": 9,
          "lastModified": 0,
          "modifiedBy": "",
          "foreignChatIds": [
            1,
            2
          ],
          "later": {
            "x": null
          }
        }
        "#);
    }

    #[test]
    fn bad_bytes_say_what_is_wrong() {
        let state = |bytes: &[u8]| StateRecord::parse(bytes).unwrap_err();
        assert_eq!(state(b""), Malformed::Empty);
        assert_eq!(state(b"\0\0\0"), Malformed::Nul);
        assert_eq!(state(b"{\"activeDevice\": \"a"), Malformed::NotJson);
        assert_eq!(state(b"[]"), Malformed::NotAnObject);
        assert_eq!(state(b"{\"lastUpdateId\": \"9\"}"), Malformed::Field);
        assert_eq!(DeviceRecord::parse(b"{}").unwrap_err(), Malformed::Field);
        assert_eq!(parse_offset(b"{}").unwrap_err(), Malformed::Field);
    }

    #[test]
    fn numbers_of_other_programs_are_read() {
        let record = StateRecord::parse(br#"{"lastModified":1.7e12,"lastUpdateId":3.9}"#).unwrap();
        assert_eq!((record.last_modified, record.last_update_id), (WallMs(1_700_000_000_000), 3));
        let far = StateRecord::parse(br#"{"lastModified":1e300}"#).unwrap();
        assert_eq!(far.last_modified, WallMs(i64::MAX));
    }

    #[test]
    fn the_old_file_is_read_in_both_shapes() {
        let by_id = br#"{"h:/a":{"lastSeen":5},"h:/b":{"name":"h:/b","pid":3},"h:/c":1}"#;
        let (records, problems) = parse_legacy_devices(by_id);
        let names: Vec<_> = records.iter().map(|record| &*record.name).collect();
        assert_eq!(names, ["h:/a", "h:/b"]);
        assert_eq!(problems, [Malformed::NotAnObject]);
        let (records, problems) = parse_legacy_devices(br#"[{"name":"h:/a"},{}]"#);
        assert_eq!((records.len(), problems), (1, vec![Malformed::Field]));
    }

    fn text(content: &Content) -> String {
        String::from_utf8(content.bytes().to_vec()).unwrap()
    }

    fn unknown() -> impl Strategy<Value = Map<String, Value>> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(|n| Value::Number(n.into())),
            ".{0,8}".prop_map(Value::String),
        ];
        let value = leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
                prop::collection::btree_map("[a-z]{1,4}", inner, 0..3)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        });
        // No known field is of this form.
        prop::collection::btree_map("x[a-z]{0,4}", value, 0..4)
            .prop_map(|fields| fields.into_iter().collect())
    }

    prop_compose! {
        fn state()(
            active in prop::option::of(".{1,12}"), heartbeat: i64, last: i64, modified: i64, by in ".{0,12}", rest in unknown(),
        ) -> StateRecord {
            StateRecord {
                active_device: active.map(Into::into),
                active_device_heartbeat: WallMs(heartbeat),
                last_update_id: last,
                last_modified: WallMs(modified),
                modified_by: by.into(),
                rest,
            }
        }
    }

    prop_compose! {
        fn device()(
            name in ".{0,12}", thread_id: Option<i64>, seen: i64, host in ".{0,8}", dir in ".{0,8}", process_id: Option<u32>,
            rest in unknown(),
        ) -> DeviceRecord {
            DeviceRecord {
                name: name.into(),
                thread_id,
                last_seen: WallMs(seen),
                hostname: host.into(),
                directory: dir.into(),
                process_id,
                rest,
            }
        }
    }

    /// Calls every parser and says nothing: it is enough to come back.
    fn parse_all(bytes: &[u8]) -> usize {
        let (records, problems) = parse_legacy_devices(bytes);
        let singles = [
            StateRecord::parse(bytes).is_ok(),
            DeviceRecord::parse(bytes).is_ok(),
            parse_offset(bytes).is_ok(),
        ];
        records.len() + problems.len() + singles.into_iter().filter(|&ok| ok).count()
    }

    proptest! {
        #[test]
        fn a_state_survives_its_file(record in state()) {
            prop_assert_eq!(StateRecord::parse(record.serialise().bytes()), Ok(record));
        }

        #[test]
        fn a_device_survives_its_file(record in device()) {
            prop_assert_eq!(DeviceRecord::parse(record.serialise().bytes()), Ok(record));
        }

        #[test]
        fn an_offset_survives_its_file(offset: i64) {
            prop_assert_eq!(parse_offset(serialise_offset(offset).bytes()), Ok(offset));
        }

        #[test]
        fn parsers_accept_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(parse_all(&bytes) <= bytes.len() + 4);
        }

        #[test]
        fn a_prefix_of_a_file_is_never_a_record(record in state(), cut in 0_usize..1_000) {
            let whole = record.serialise();
            let part = whole.prefix(cut % whole.len());
            prop_assert!(StateRecord::parse(part.bytes()).is_err());
            prop_assert!(parse_all(part.bytes()) <= 1);
        }
    }
}
