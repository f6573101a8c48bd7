//! Files that upstream's own code wrote, read as it reads them, and written again byte for byte.
//!
//! `core/tests/data/notecove/SOURCE` says where they come from.

#![expect(clippy::unwrap_used, reason = "a test stops where its data is not what it says")]

use cloudchamber_core::notes::crdt_log::{LOG_END, LOG_HEADER, LogFile, LogTail, log_record};
use cloudchamber_core::notes::snapshot::{
    ClockEntry, SNAPSHOT_HEADER, Seal, SnapshotFile, SnapshotFlaw, snapshot, status,
};
use cloudchamber_core::notes::update;
use cloudchamber_core::notes::varint::{Varint, read_varint, write_varint};
use serde_json::Value;

macro_rules! data {
    ($name:literal) => {
        include_bytes!(concat!("data/notecove/", $name))
    };
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("the vectors are JSON")
}

fn rows(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("hexadecimal digits");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn bytes_of(name: &str) -> &'static [u8] {
    match name {
        "big-seq.crdtlog" => data!("big-seq.crdtlog"),
        "empty-terminated.crdtlog" => data!("empty-terminated.crdtlog"),
        "empty.crdtlog" => data!("empty.crdtlog"),
        "one.crdtlog" => data!("one.crdtlog"),
        "out-of-order.crdtlog" => data!("out-of-order.crdtlog"),
        "snap-empty-vc.snapshot" => data!("snap-empty-vc.snapshot"),
        "snap-incomplete.snapshot" => data!("snap-incomplete.snapshot"),
        "snap-yjs.snapshot" => data!("snap-yjs.snapshot"),
        "three-terminated.crdtlog" => data!("three-terminated.crdtlog"),
        "three.crdtlog" => data!("three.crdtlog"),
        _ => panic!("{name} is not among the vectors"),
    }
}

#[test]
fn numbers_and_headers_are_written_alike() {
    let all = json(data!("primitives.json"));
    for row in rows(&all["varint"]) {
        let (number, written) = (row["value"].as_u64().unwrap(), hex(&row["hex"]));
        let mut bytes = Vec::new();
        write_varint(&mut bytes, number);
        assert_eq!(bytes, written, "{number}");
        assert_eq!(read_varint(&written), Varint::Number(number, written.len()));
    }
    for row in rows(&all["varint_decode_edge"]) {
        let bytes = hex(&row["hex"]);
        let found = read_varint(&bytes);
        match row["ok"].as_bool().unwrap() {
            true => {
                let read = usize::try_from(row["bytesRead"].as_u64().unwrap()).unwrap();
                assert!(matches!(found, Varint::Number(_, len) if len == read), "{row}: {found:?}");
            }
            false => assert!(!matches!(found, Varint::Number(..)), "{row}: {found:?}"),
        }
    }
    for row in rows(&all["timestamp_be64_ms"]) {
        let record = log_record(row["value"].as_u64().unwrap(), 0, &[]);
        assert_eq!(record[1..9], hex(&row["hex"]));
    }
    assert_eq!(LOG_HEADER.to_vec(), hex(&all["log_header"]));
    for (done, key) in [(false, "snapshot_header_incomplete"), (true, "snapshot_header_complete")] {
        assert_eq!([&SNAPSHOT_HEADER[..], &[u8::from(done)]].concat(), hex(&all[key]));
    }
}

#[test]
fn logs_are_read_and_written_byte_for_byte() {
    let all = json(data!("logs.json"));
    for row in rows(&all) {
        let name = row["file"].as_str().unwrap();
        let bytes = bytes_of(name);
        let file = LogFile::read(bytes);
        let terminated = row["terminated"].as_bool().unwrap();
        assert_eq!(file.tail, if terminated { LogTail::Closed } else { LogTail::Open }, "{name}");
        assert_eq!(file.foreign, vec![], "{name}");
        assert_eq!(file.can_grow(), !terminated, "{name}");
        let expected = rows(&row["records"]);
        assert_eq!(file.records.len(), expected.len(), "{name}");
        let mut written = LOG_HEADER.to_vec();
        for (found, row) in file.records.iter().zip(expected) {
            let number = |key: &str| row[key].as_u64().unwrap();
            assert_eq!(
                (found.time_ms, found.seq, found.at),
                (number("timestamp"), number("sequence"), number("offset"))
            );
            assert_eq!(found.data.end as u64, found.at + number("bytesRead"));
            let data = &bytes[found.data.clone()];
            if let Some(text) = row["data"].as_str().filter(|text| text.len() == 2 * data.len()) {
                assert_eq!(data, hex(&text.into()), "{name}");
            }
            written.extend(log_record(found.time_ms, found.seq, data));
        }
        assert_eq!(file.good_end, written.len() as u64);
        written.extend(terminated.then_some(LOG_END));
        assert_eq!(written, bytes, "{name}");
    }
}

#[test]
fn every_prefix_of_a_log_has_its_complete_records() {
    let table = json(data!("log-prefix-table.json"));
    let bytes = bytes_of(table["file"].as_str().unwrap());
    assert_eq!(rows(&table["rows"]).len(), bytes.len() + 1);
    for row in rows(&table["rows"]) {
        let cut = usize::try_from(row["len"].as_u64().unwrap()).unwrap();
        let file = LogFile::read(&bytes[..cut]);
        assert_eq!(file.records.len() as u64, row["records"].as_u64().unwrap(), "{row}");
        assert_eq!(file.good_end, row["goodEnd"].as_u64().unwrap_or(0), "{row}");
        let whole = row["error"].is_null();
        assert_eq!(file.tail == LogTail::Open, whole, "{row}");
        assert_eq!(file.can_grow(), whole, "{row}");
        assert!(file.foreign.is_empty());
    }
}

#[test]
fn snapshots_are_read_and_written_byte_for_byte() {
    let all = json(data!("snapshots.json"));
    for row in rows(&all) {
        let name = row["file"].as_str().unwrap();
        let bytes = bytes_of(name);
        let file = SnapshotFile::read(bytes).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let clock: Vec<_> = rows(&row["vectorClock"])
            .iter()
            .map(|entry| ClockEntry {
                instance: text(&entry["instanceId"]),
                seq: entry["sequence"].as_u64().unwrap(),
                offset: entry["offset"].as_u64().unwrap(),
                file: text(&entry["filename"]),
            })
            .collect();
        assert_eq!((file.is_complete, &file.clock), (row["complete"].as_bool().unwrap(), &clock), "{name}");
        assert_eq!(file.seal, Seal::None);
        let state = &bytes[file.state];
        assert_eq!(state, hex(&row["documentState"]), "{name}");
        assert_eq!(snapshot(file.is_complete, &clock, state), bytes, "{name}");
    }
}

/// What published chooses, the status byte says; what can be used of it is told apart from that.
#[test]
fn of_232_prefixes_of_a_snapshot_226_say_that_they_are_complete_and_none_is() {
    let table = json(data!("snapshot-prefix-table.json"));
    let bytes = bytes_of(table["file"].as_str().unwrap());
    let whole = SnapshotFile::read(bytes).unwrap();
    assert_eq!(update::check(&bytes[whole.state.clone()]), Ok(()));
    let (mut chosen, mut clock_cut, mut state_cut) = (0, 0, 0);
    for row in rows(&table["rows"]) {
        let cut = usize::try_from(row["len"].as_u64().unwrap()).unwrap();
        let part = &bytes[..cut];
        let complete = status(part) == Ok(true);
        assert_eq!(complete, row["complete"].as_bool().unwrap(), "{row}");
        if cut == bytes.len() || !complete {
            continue;
        }
        chosen += 1;
        match SnapshotFile::read(part) {
            Err(flaw) => {
                assert_eq!(flaw, SnapshotFlaw::ClockCut, "{row}");
                clock_cut += 1;
            }
            Ok(file) => {
                assert_eq!(file.clock, whole.clock, "{row}");
                assert_eq!(update::check(&part[file.state]), Err(update::Flaw::Cut), "{row}");
                state_cut += 1;
            }
        }
    }
    assert_eq!((chosen, clock_cut + state_cut), (226, 226));
    assert!(clock_cut > 0 && state_cut > 0);
}
