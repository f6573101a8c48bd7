//! A note that we wrote is opened by the real Yjs, and what that writes is read by us.

#![expect(clippy::print_stderr, reason = "a test that looked at nothing says so")]
#![expect(clippy::unwrap_used, reason = "a test stops where its surroundings are not what it needs")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cloudchamber_core::notes::crdt_log::{LOG_HEADER, LogFile, log_record};
use cloudchamber_core::notes::snapshot::SnapshotFile;
use serde_json::Value;
use support::{files, json, ok, run_group};

mod support;

/// Applies updates one by one, says what the note is, and types a line as another client.
const SCRIPT: &str = r#"
const fs = require('fs'), path = require('path'), Y = require('yjs');
const dir = process.argv[2], read = (name) => fs.readFileSync(path.join(dir, name));
const names = fs.readdirSync(dir).filter((name) => name.endsWith('.record')).sort();
const doc = new Y.Doc();
names.forEach((name) => Y.applyUpdate(doc, read(name)));
const line = (block) => block.toArray().map((text) => text.toString()).join('');
const text = (doc) => doc.getXmlFragment('content').toArray().map(line).join('\n');
const snapshot = new Y.Doc();
Y.applyUpdate(snapshot, read('state'));
const metadata = doc.getMap('metadata');
console.log(JSON.stringify({
  id: metadata.get('id'), deleted: metadata.get('deleted'), text: text(doc), snapshot: text(snapshot),
  created: typeof metadata.get('created'), pending: doc.store.pendingStructs !== null,
}));
const before = Y.encodeStateVector(doc);
const block = new Y.XmlElement('paragraph');
block.insert(0, [new Y.XmlText('typed by Yjs \u{1F600}')]);
doc.getXmlFragment('content').push([block]);
fs.writeFileSync(path.join(dir, 'typed'), Y.encodeStateAsUpdate(doc, before));
"#;

/// A directory in which `require('yjs')` works; why not, in words, if there is none.
fn yjs() -> Result<PathBuf, String> {
    let quiet = |command: &mut Command| {
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    if !quiet(Command::new("node").arg("--version")) {
        return Err("node is not installed".to_owned());
    }
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("yjs");
    if !dir.join("node_modules/yjs/package.json").is_file() {
        std::fs::create_dir_all(&dir).unwrap();
        let mut install = Command::new("npm");
        install.args([
            "install",
            "--no-audit",
            "--no-fund",
            "--fetch-retries=0",
            "--fetch-timeout=20000",
            "yjs@13",
        ]);
        if !quiet(install.arg("--prefix").arg(&dir)) {
            return Err("npm cannot install yjs@13 now".to_owned());
        }
    }
    Ok(dir)
}

#[test]
fn yjs_and_we_read_each_other() {
    let home = match yjs() {
        Ok(home) => home,
        Err(why) => return eprintln!("skipped: {why}, so nothing was tried with the real Yjs"),
    };
    let dir = tempfile::tempdir().unwrap();
    let (folder, local, work) =
        (dir.path().join("folder"), dir.path().join("local"), dir.path().join("work"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::create_dir_all(&work).unwrap();
    let notes = |args: &[&str]| ok(&run_group("notes", &folder, &local, args));
    notes(&["new", "--id", "note-of-ours", "Häuser\n\nend \u{1F600}"]);
    notes(&["edit", "note-of-ours", "--insert", "2", "XX"]);
    notes(&["edit", "note-of-ours", "--remove", "0", "1"]);
    let mut lines = Command::new(support::agent().get_program());
    lines
        .args(["notes", "edit", "note-of-ours", "--lines", "--snapshot-every", "1", "--folder"])
        .arg(&folder);
    let mut lines =
        lines.arg("--local").arg(&local).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    std::io::Write::write_all(&mut lines.stdin.take().unwrap(), b"one more\n").unwrap();
    assert!(lines.wait().unwrap().success());
    let ours = notes(&["show", "note-of-ours"]).trim_end().to_owned();
    assert_eq!(ours, "äXXuser\n\nend \u{1F600}\none more");
    let all = files(&folder);
    let mut records = 0;
    for (name, bytes) in &all {
        let name = name.to_string_lossy();
        if name.ends_with(".crdtlog") {
            for record in LogFile::read(bytes).records {
                std::fs::write(work.join(format!("{:05}.record", record.seq)), &bytes[record.data]).unwrap();
                records += 1;
            }
        } else if name.ends_with(".snapshot") {
            let snapshot = SnapshotFile::read(bytes).unwrap();
            // To upstream's readers all that follows the clock is the state, the seal too.
            assert!(snapshot.state.end < bytes.len());
            std::fs::write(work.join("state"), &bytes[snapshot.state.start..]).unwrap();
        }
    }
    assert_eq!(records, 4);
    std::fs::write(home.join("read.cjs"), SCRIPT).unwrap();
    let output = Command::new("node").arg(home.join("read.cjs")).arg(&work).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said: Value = json(&output);
    assert_eq!(said["text"], ours, "{said}");
    assert_eq!(said["snapshot"], ours, "a snapshot of ours says the same");
    assert_eq!((&said["id"], &said["deleted"]), (&"note-of-ours".into(), &false.into()));
    assert_eq!((&said["created"], &said["pending"]), (&"number".into(), &false.into()));
    // And back, as upstream's writer has it.
    let typed = std::fs::read(work.join("typed")).unwrap();
    let log = [&LOG_HEADER[..], &log_record(1_800_000_000_000, 1, &typed)].concat();
    let logs = folder.join("notes/note-of-ours/logs");
    std::fs::write(logs.join("AAAAAAAAAAAAAAAAAAAAAA.BBBBBBBBBBBBBBBBBBBBBB.1800000000000.crdtlog"), log)
        .unwrap();
    assert_eq!(notes(&["show", "note-of-ours"]).trim_end(), format!("{ours}\ntyped by Yjs \u{1F600}"));
    assert_eq!(json(&run_group("notes", &folder, &local, &["verify", "--json"]))["ok"], true);
}
