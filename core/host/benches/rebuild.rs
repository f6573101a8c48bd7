//! A million events of eight machines into SQLite: anew, and when a hundred more have come; beside what the
//! SQLite library alone takes to load and sort the same lines.

#![expect(clippy::unwrap_used, reason = "a benchmark stops where its surroundings are not what it needs")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use cloudchamber_core::journal::Design;
use cloudchamber_host::OsFs;
use cloudchamber_host::database::{Database, Progress};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const EVENTS: usize = 1_000_000;
const MACHINES: usize = 8;

struct Silent;

impl Progress for Silent {
    fn step(&self, _: &'static str, _: u64) {}
}

/// Messages with some edits, reactions and deletions, as one machine writes them: numbers `from..to`.
fn log(machine: usize, from: usize, to: usize) -> String {
    let mut text = String::new();
    for n in from..to {
        let at = 1_767_137_342 + n;
        let about = n.saturating_sub(5);
        match n % 20 {
            17 => writeln!(text, r#"{{"type":"message_update","id":"msg-{machine}-{about}","body":"edited body number {n}","edited_at":{at}}}"#),
            18 => writeln!(text, r#"{{"type":"reaction","message_guid":"msg-{machine}-{about}","agent_id":"adam","emoji":"+1","reacted_at":{at}123}}"#),
            19 if n % 100 == 99 => writeln!(text, r#"{{"type":"message_delete","id":"msg-{machine}-{about}","deleted_by":"adam","seq":{n},"ts":{at}}}"#),
            _ => writeln!(text, r#"{{"type":"message","id":"msg-{machine}-{n}","channel_id":"ch-xkzte3i1","home":"room","from_agent":"agent{}","origin":"machine{machine}","seq":{n},"body":"body number {n} of machine {machine}, with a few words more","mentions":[],"message_type":"agent","reply_to":null,"ts":{at},"edited_at":null,"archived_at":null}}"#, n % 17),
        }
        .unwrap();
    }
    text
}

fn path(folder: &Path, machine: usize) -> std::path::PathBuf {
    folder.join(format!("shared/machines/machine{machine}/messages.jsonl"))
}

/// What one would do without this project: every line into a table, then the fields and the order in SQL.
fn sqlite_alone(folder: &Path, database: &Path) {
    let mut connection = rusqlite::Connection::open(database).unwrap();
    connection
        .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE lines (machine TEXT, line TEXT);")
        .unwrap();
    let transaction = connection.transaction().unwrap();
    for machine in 0..MACHINES {
        let text = std::fs::read_to_string(path(folder, machine)).unwrap();
        let mut insert = transaction.prepare_cached("INSERT INTO lines VALUES (?, ?)").unwrap();
        for line in text.lines() {
            insert.execute((machine.to_string(), line)).unwrap();
        }
    }
    transaction
        .execute_batch(
            "CREATE TABLE sorted AS SELECT machine, json_extract(line, '$.type') AS type, json_extract(line, '$.id') AS id,
               json_extract(line, '$.body') AS body, coalesce(json_extract(line, '$.ts'), json_extract(line, '$.edited_at'), 0) AS ts,
               json_extract(line, '$.seq') AS seq FROM lines ORDER BY ts, machine, seq;",
        )
        .unwrap();
    transaction.commit().unwrap();
}

fn rebuilds(c: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("folder");
    for machine in 0..MACHINES {
        let path = path(&folder, machine);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, log(machine, 0, EVENTS / MACHINES)).unwrap();
    }
    let fs = OsFs::new(&folder, dir.path().join("local"));
    let open = || Database::open(&dir.path().join("local/view.db"), Design::HARDENED).unwrap();
    let mut group = c.benchmark_group("rebuild");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(30))
        .throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function(format!("{EVENTS} events anew"), |b| {
        b.iter(|| open().rebuild(&fs, true, &Silent).unwrap().records);
    });
    group.bench_function(format!("{EVENTS} lines, SQLite alone"), |b| {
        b.iter_with_setup(
            || std::fs::remove_file(dir.path().join("alone.db")).unwrap_or_default(),
            |()| sqlite_alone(&folder, &dir.path().join("alone.db")),
        );
    });
    group.finish();
    let mut group = c.benchmark_group("update");
    group.sample_size(20);
    let mut next = EVENTS / MACHINES;
    for machines in [1, MACHINES] {
        group.bench_function(format!("100 new events of {machines} machines in {EVENTS}"), |b| {
            b.iter_custom(|rounds| {
                let mut taken = Duration::ZERO;
                for _ in 0..rounds {
                    for machine in 0..machines {
                        let mut file =
                            std::fs::OpenOptions::new().append(true).open(path(&folder, machine)).unwrap();
                        file.write_all(log(machine, next, next + 100 / machines).as_bytes()).unwrap();
                    }
                    next += 100;
                    let started = Instant::now();
                    let rebuilt = open().rebuild(&fs, false, &Silent).unwrap();
                    taken += started.elapsed();
                    assert_eq!(rebuilt.full, None);
                }
                taken
            });
        });
    }
    group.finish();
}

criterion_group!(benches, rebuilds);
criterion_main!(benches);
