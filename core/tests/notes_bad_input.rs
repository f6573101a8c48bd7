//! Files of notes that are cut, filled, glued, misnamed or lie about themselves: what can be read counts, what is wrong is
//! named, and no text is shown that nobody wrote.

#![expect(clippy::unwrap_used, reason = "a test stops where its data is not what it says")]

use std::collections::BTreeSet;

use cloudchamber_core::notes::crdt_log::{LOG_END, LOG_HEADER, LogFile, log_record};
use cloudchamber_core::notes::document::{Part, Parts};
use cloudchamber_core::notes::snapshot::{ClockEntry, SnapshotFile, sealed_snapshot, snapshot};
use cloudchamber_core::notes::varint::write_varint;
use cloudchamber_core::notes::{Command, Kind, State};
use cloudchamber_core::{Content, Design, Path};
use notes_support::{Replica, START_MS, carry, exchange};

mod notes_support;

const PROFILE: &str = "profAAAAAAAAAAAAAAAAAA";
const WRITER: &str = "instAAAAAAAAAAAAAAAAAA";
const NOTE: &str = "noteNNNNNNNNNNNNNNNNNN";

fn reader() -> Replica {
    Replica::new(Design::Hardened, Kind::Yjs, "instzzzzzzzzzzzzzzzzzz")
}

fn problems(replica: &Replica) -> String {
    let problems = replica.notes().problems(&replica.config);
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

/// A note that was made and appended to twice: the payloads of its records, and the texts after each.
fn written() -> (Vec<Vec<u8>>, Vec<String>) {
    let mut writer = Replica::started(Design::Hardened, Kind::Yjs, WRITER);
    writer.create(NOTE, "first");
    writer.append(NOTE, " second");
    writer.append(NOTE, "\nthird");
    let log = writer.shared().into_iter().find(|(path, _)| path.name().ends_with(".crdtlog")).unwrap().1;
    let file = LogFile::read(log.bytes());
    let data = file.records.iter().map(|record| log.bytes()[record.data.clone()].to_vec()).collect();
    (data, ["first", "first second", "first second\nthird"].map(str::to_owned).to_vec())
}

/// A log of records with their numbers, counted from `first`.
fn log(data: &[Vec<u8>], first: u64) -> Vec<u8> {
    let time_ms = u64::try_from(START_MS).unwrap();
    let records = data.iter().zip(first..).flat_map(|(data, seq)| log_record(time_ms, seq, data));
    LOG_HEADER.iter().copied().chain(records).collect()
}

fn log_path(name: &str) -> String {
    format!("shared:notes/{NOTE}/logs/{name}")
}

fn state_of(data: &[Vec<u8>]) -> Vec<u8> {
    let records = data.iter().zip(1..).map(|(data, seq)| Part { instance: WRITER, seq, data }).collect();
    Kind::Yjs.state(&Parts { records, ..Parts::default() }).unwrap()
}

fn clock(seq: u64) -> ClockEntry {
    let file = format!("{PROFILE}.{WRITER}.1764374400000.crdtlog");
    ClockEntry { instance: WRITER.to_owned(), seq, offset: 5, file }
}

/// What a reader shows that finds these files.
fn shown(files: &[(String, Vec<u8>)]) -> (Option<String>, String) {
    let mut replica = reader();
    for (path, bytes) in files {
        replica.put(path, bytes.clone());
    }
    replica.start();
    let text = replica.text(NOTE);
    for (path, bytes) in files {
        let path: Path = path.parse().unwrap();
        assert_eq!(replica.fs.files[&path], Content::new(bytes.clone()), "{path} is not ours to write");
    }
    (text, problems(&replica))
}

#[test]
fn logs_under_every_form_of_name_are_cut_and_filled_anywhere_without_harm() {
    let (data, texts) = written();
    let whole = log(&data, 1);
    // What is done with the bytes does not depend on the name: of the other ones some places are enough.
    for (name, step) in [
        (format!("{PROFILE}.{WRITER}.1764374400000.crdtlog"), 1),
        (format!("{PROFILE}_{WRITER}_1764374400000.crdtlog"), 17),
        (format!("{WRITER}_1764374400000.crdtlog"), 17),
        (format!("{PROFILE}.{WRITER}.1764374400000 2.crdtlog"), 17),
    ] {
        let path = log_path(&name);
        for cut in (0..=whole.len()).step_by(step) {
            let zeros = [&whole[..cut], &vec![0; whole.len() - cut]].concat();
            let closed = [&whole[..cut], &[LOG_END]].concat();
            for (bytes, more) in [(whole[..cut].to_vec(), 0), (zeros, 1), (closed, 1)] {
                let records = LogFile::read(&whole[..cut]).records.len();
                let (text, told) = shown(&[(path.clone(), bytes)]);
                // The last of the records may be taken for one whose end has not come, and one that ends in zeros itself
                // is whole with other zeros.
                let counts = records.saturating_sub(1)..=records + more;
                let may: Vec<_> =
                    counts.map(|count| count.checked_sub(1).and_then(|at| texts.get(at)).cloned()).collect();
                assert!(may.contains(&text), "{name} at {cut}: {text:?}: {told}");
            }
        }
    }
}

#[test]
fn a_length_that_lies_hides_nothing_before_it_and_is_told() {
    let (data, texts) = written();
    let whole = log(&data, 1);
    let file = LogFile::read(&whole);
    let second = usize::try_from(file.records[1].at).unwrap();
    let body = file.records[1].data.end;
    let right = (body - second - 1) as u64;
    assert!(right < 128 && u64::from(whole[second]) == right, "the length is one byte");
    let all: BTreeSet<_> = texts.iter().cloned().collect();
    let lies = [
        0,
        1,
        7,
        8,
        9,
        right - 1,
        right + 1,
        right + 2,
        2 * right,
        (whole.len() - second - 1) as u64,
        1 << 20,
        1 << 32,
        u64::MAX,
    ];
    for lie in lies {
        let mut bytes = whole[..second].to_vec();
        write_varint(&mut bytes, lie);
        bytes.extend(&whole[second + 1..]);
        let (text, told) = shown(&[(log_path(&format!("{PROFILE}.{WRITER}.1764374400000.crdtlog")), bytes)]);
        let text = text.unwrap_or_else(|| panic!("{lie}: {told}"));
        assert!(all.contains(&text), "{lie}: {text:?} was never written: {told}");
        assert!(told.contains(".crdtlog"), "{lie}: {text:?}");
    }
    // A length that is spelled in more bytes than it needs is no lie.
    let mut long = whole[..second].to_vec();
    long.extend([whole[second] | 0x80, 0]);
    long.extend(&whole[second + 1..]);
    let (text, _) = shown(&[(log_path(&format!("{PROFILE}.{WRITER}.1764374400000.crdtlog")), long)]);
    assert_eq!(text.as_ref(), texts.last());
}

#[test]
fn records_that_are_missing_show_nothing_wrong_and_are_told() {
    let (data, texts) = written();
    let path = |ms: u64| log_path(&format!("{PROFILE}.{WRITER}.{ms}.crdtlog"));
    let one = |at: usize| log(&data[at..=at], at as u64 + 1);
    // Whatever of three files with a record each has come.
    for mask in 0..8_usize {
        let here: Vec<_> = (0..3).filter(|at| mask >> at & 1 == 1).collect();
        let files: Vec<_> = here.iter().map(|&at| (path(1_764_374_400_000 + at as u64), one(at))).collect();
        let (text, told) = shown(&files);
        let first = here.iter().zip(0..).take_while(|(at, place)| **at == *place).count();
        assert_eq!(text, first.checked_sub(1).map(|at| texts[at].clone()), "{here:?}: {told}");
        let has_gap = here.last().is_some_and(|last| *last + 1 > here.len());
        assert_eq!(told.contains("are not here"), has_gap, "{here:?}: {told}");
    }
    // A hole in one file: a page of zeros where a record was.
    let whole = log(&data, 1);
    let file = LogFile::read(&whole);
    let (from, to) = (usize::try_from(file.records[1].at).unwrap(), file.records[1].data.end);
    let mut holed = whole.clone();
    holed[from..to].fill(0);
    let (text, told) = shown(&[(path(1_764_374_400_000), holed)]);
    assert_eq!(text.as_ref(), Some(&texts[0]), "{told}");
    assert!(told.contains(".crdtlog"), "{told}");
}

#[test]
fn a_snapshots_clock_is_believed_as_far_as_its_seal_goes() {
    let (data, texts) = written();
    let path = format!("shared:notes/{NOTE}/snapshots/{WRITER}_1764374400009.snapshot");
    let log_of = |records: usize| {
        (log_path(&format!("{PROFILE}.{WRITER}.1764374400000.crdtlog")), log(&data[..records], 1))
    };
    let (two, three) = (state_of(&data[..2]), state_of(&data));
    // It claims more than it holds, and the logs have it.
    let claims = snapshot(true, &[clock(9)], &two);
    let (text, told) = shown(&[(path.clone(), claims.clone()), log_of(3)]);
    assert_eq!(text.as_ref(), Some(&texts[2]), "{told}");
    // It claims more, and nobody has it: what it holds is shown, and a writer that comes back counts on.
    let (text, _) = shown(&[(path.clone(), claims), log_of(1)]);
    assert_eq!(text.as_ref(), Some(&texts[1]));
    // It claims less than it holds.
    for claimed in [0, 1] {
        let (text, told) = shown(&[(path.clone(), snapshot(true, &[clock(claimed)], &three)), log_of(1)]);
        assert_eq!(text.as_ref(), Some(&texts[2]), "{claimed}: {told}");
    }
    // It claims nothing of anybody, or of somebody else.
    let other = ClockEntry { instance: "instBBBBBBBBBBBBBBBBBB".to_owned(), ..clock(3) };
    for clock in [vec![], vec![other], vec![clock(3), clock(1)]] {
        let (text, told) = shown(&[(path.clone(), snapshot(true, &clock, &three))]);
        assert_eq!(text.as_ref(), Some(&texts[2]), "{told}");
    }
    // It counts entries that are not there, or so many that no memory holds them.
    for entries in [1, 127, 1 << 40, u64::MAX] {
        let mut bytes = b"NCSS\x01\x01".to_vec();
        write_varint(&mut bytes, entries);
        bytes.extend(&three);
        let (text, told) = shown(&[(path.clone(), bytes), log_of(1)]);
        assert_eq!(text.as_ref(), Some(&texts[0]), "{entries}: {told}");
        assert!(told.contains(".snapshot"), "{entries}: {told}");
    }
    // Sealed, every prefix and every end of zeros is refused, and the logs count.
    let sealed = sealed_snapshot(&[clock(3)], &three);
    for cut in 0..sealed.len() {
        for bytes in [sealed[..cut].to_vec(), [&sealed[..cut], &vec![0; sealed.len() - cut]].concat()] {
            if bytes == sealed {
                continue;
            }
            let is_plain =
                SnapshotFile::read(&bytes).is_ok_and(|file| &bytes[file.state.clone()] == three.as_slice());
            let (text, told) = shown(&[(path.clone(), bytes), log_of(1)]);
            assert!(
                text.as_ref() == Some(&texts[0]) || is_plain && text.as_ref() == Some(&texts[2]),
                "{cut}: {text:?} {told}"
            );
        }
    }
}

#[test]
fn lines_in_both_forms_are_cut_and_glued_without_harm() {
    let id = |letter: &str| format!("note{}", letter.repeat(18));
    let (a, b) = (id("a"), id("b"));
    let path = format!("shared:deleted/{PROFILE}.{WRITER}.log");
    for (lines, gone, told) in [
        (format!("{a}|1764374400001\n{b}|1764374400002\n"), vec![&a, &b], false),
        (format!("{a}|1764374400001\r\n\r\n{b}|1764374400002\r\n"), vec![&a, &b], false),
        (format!("{a}|1764374400001\n{b}|17643"), vec![&a, &b], true),
        (format!("{a}|1764374400001\n{b}|"), vec![&a, &b], true),
        (format!("{a}|1764374400001\n{b}"), vec![&a], true),
        (format!("{a}|1764374400001\n{}", &b[..9]), vec![&a], true),
        // A writer that does not look has appended behind half a line.
        (format!("{a}|1764374400001{b}|1764374400002\n"), vec![&a, &b], true),
        (format!("{a}|17643744{b}|1764374400002\n"), vec![&a, &b], true),
        (format!("{a}|{b}|1764374400002\n"), vec![&a, &b], true),
        (format!("{a}|1764374400001|profile\n{b} | 1764374400002 \n"), vec![&a, &b], false),
        (format!("\u{feff}{a}|1764374400001\n\0\0\0\0{b}|1764374400002\n"), vec![&a, &b], true),
        (format!("{a}|never\n{b}|-1\n"), vec![&a, &b], true),
        (format!("{a}|99999999999999999999\n|1\n{b}|0\n"), vec![&a, &b], true),
    ] {
        let mut replica = reader();
        replica.put(&path, lines.clone().into_bytes());
        replica.start();
        for (note, is_gone) in [(&a, gone.contains(&&a)), (&b, gone.contains(&&b))] {
            assert_eq!(
                replica.notes().is_deleted(note),
                is_gone,
                "{lines:?}: {note}: {}",
                problems(&replica)
            );
        }
        assert_eq!(problems(&replica).contains(".log"), told, "{lines:?}: {}", problems(&replica));
    }
    // Hints may be anything: they only shorten waiting.
    let (data, texts) = written();
    for lines in [
        format!("{NOTE}|{PROFILE}|3\n"),
        format!("{NOTE}|{WRITER}_3\n"),
        format!("{NOTE}|{PROFILE}|{}\n", u64::MAX),
        format!("{NOTE}|{PROFILE}|3{NOTE}|{PROFILE}|3\n"),
        format!("{NOTE}|{PROFILE}|"),
        format!("{NOTE}|{WRITER}_"),
        "|||\n\n|\n_\n".to_owned(),
        format!("{NOTE}|{PROFILE}|-1\n{NOTE}|{PROFILE}|1e3\n{NOTE}|{PROFILE}|0x3\n"),
        format!("\u{0}\u{0}{NOTE}|{PROFILE}|3\n"),
        "x".repeat(100_000),
    ] {
        for name in
            [format!("{PROFILE}.{WRITER}.log"), format!("{PROFILE}_{WRITER}.log"), format!("{WRITER}.log")]
        {
            let log_file = (log_path(&format!("{PROFILE}.{WRITER}.1764374400000.crdtlog")), log(&data, 1));
            let (text, _) =
                shown(&[(format!("shared:activity/{name}"), lines.clone().into_bytes()), log_file]);
            assert_eq!(text.as_ref(), texts.last(), "{lines:?}");
        }
    }
}

#[test]
fn two_forms_of_names_and_names_in_other_case_are_one_note() {
    let (data, texts) = written();
    let forms = [
        vec![
            format!("{PROFILE}.{WRITER}.1764374400000.crdtlog"),
            format!("{PROFILE}_{WRITER}_1764374400001.crdtlog"),
        ],
        vec![format!("{WRITER}_1764374400000.crdtlog"), format!("{PROFILE}.{WRITER}.1764374400001.crdtlog")],
        // The later records have a name that sorts first, and an earlier time.
        vec![format!("{PROFILE}_{WRITER}_1764374400009.crdtlog"), format!("{PROFILE}.{WRITER}.1.crdtlog")],
        vec![
            format!("{PROFILE}.{WRITER}.18446744073709551615.crdtlog"),
            format!("{PROFILE}.{WRITER}.0.crdtlog"),
        ],
    ];
    for names in forms {
        let files = [(log_path(&names[0]), log(&data[..2], 1)), (log_path(&names[1]), log(&data[2..], 3))];
        let (text, told) = shown(&files);
        assert_eq!((text.as_ref(), told.as_str()), (texts.last(), ""), "{names:?}");
    }
    // The same records under both names are there once.
    let both = ["", "_"].map(|form| match form {
        "" => (log_path(&format!("{PROFILE}.{WRITER}.1764374400000.crdtlog")), log(&data, 1)),
        _ => (log_path(&format!("{PROFILE}_{WRITER}_1764374400000.crdtlog")), log(&data, 1)),
    });
    assert_eq!(shown(&both).0.as_ref(), texts.last());
    // Directories that a disk without case has named otherwise.
    for dir in ["Notes", "NOTES", "notes 2", "notes (1)"] {
        let name = format!("shared:{dir}/{NOTE}/logs/{PROFILE}.{WRITER}.1764374400000.crdtlog");
        let (text, told) = shown(&[(name, log(&data, 1))]);
        assert_eq!(text.as_ref(), texts.last(), "{dir}: {told}");
        assert!(told.contains(dir), "{dir}: {told}");
    }
}

#[test]
fn a_directory_of_upstreams_with_files_of_others_is_read_and_left_as_it_is() {
    let (data, texts) = written();
    let mut replica = reader();
    let log_file = log_path(&format!("{PROFILE}.{WRITER}.1764374400000.crdtlog"));
    replica.put(&log_file, log(&data, 1));
    let strange = [
        "SD_ID",
        "SD_VERSION",
        ".DS_Store",
        "desktop.ini",
        "Thumbs.db",
        "notes/.DS_Store",
        "notes/readme.txt",
        "folders/logs/profAAAAAAAAAAAAAAAAAA.instAAAAAAAAAAAAAAAAAA.1.crdtlog",
        "media/0001.png",
        "profiles/me.json",
        "notes/noteNNNNNNNNNNNNNNNNNN/meta.json",
        "notes/noteNNNNNNNNNNNNNNNNNN/images/a.png",
        "notes/noteNNNNNNNNNNNNNNNNNN/logs/x.crdtlog.tmp",
        "notes/noteNNNNNNNNNNNNNNNNNN/logs/.crdtlog",
        "notes/noteNNNNNNNNNNNNNNNNNN/logs/~$a.crdtlog",
        "notes/noteNNNNNNNNNNNNNNNNNN/snapshots/latest.snapshot",
        "activity/activity.txt",
        "deleted/.keep",
        "deletions/instAAAAAAAAAAAAAAAAAA.log",
        ".stfolder/x",
    ];
    for name in strange {
        replica.put(&format!("shared:{name}"), b"something else\n".to_vec());
    }
    let before = replica.shared();
    replica.start();
    assert_eq!(replica.text(NOTE).as_ref(), texts.last());
    replica.append(NOTE, "!");
    replica.command(Command::Snapshot { note: NOTE.to_owned() });
    replica.pass(700_000);
    assert_eq!(replica.text(NOTE), texts.last().map(|text| format!("{text}!")));
    for (path, content) in before {
        assert_eq!(replica.fs.files.get(&path), Some(&content), "{path} is not ours to write");
    }
    assert_eq!(replica.notes().note(&replica.config, NOTE).unwrap().state, State::Live);
}

#[test]
fn many_edits_in_a_running_machine_are_what_a_new_start_reads() {
    let mut replicas = ["instaaaaaaaaaaaaaaaaaa", "instbbbbbbbbbbbbbbbbbb"]
        .map(|id| Replica::started(Design::Hardened, Kind::Yjs, id));
    replicas[0].create("x", "begun");
    replicas[1].create("y", "other");
    exchange(&mut replicas);
    for turn in 0..60_usize {
        let on = turn * 7 % 3 % 2;
        replicas[on].append("x", &format!(" {turn}"));
        replicas[on].append("y", "-");
        if turn % 5 == 0 {
            let [a, b] = &mut replicas;
            carry(a, b, |name| name.starts_with("notes/x/"));
            b.sync();
        }
        if turn % 11 == 0 {
            replicas[on].command(Command::Delete { note: "y".to_owned() });
            replicas[1 - on].command(Command::Restore { note: "y".to_owned() });
            exchange(&mut replicas);
        }
    }
    exchange(&mut replicas);
    let texts = ["x", "y"].map(|note| replicas[0].text(note).unwrap());
    for turn in 0..60 {
        assert!(texts[0].split(' ').any(|word| word == turn.to_string()), "{turn} is lost: {}", texts[0]);
    }
    for replica in &mut replicas {
        replica.start();
        assert_eq!(["x", "y"].map(|note| replica.text(note).unwrap()), texts);
    }
}
