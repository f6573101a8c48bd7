//! The journals on upstream fray's own logs (data/fray/SOURCE says where they come from).

#![expect(clippy::unwrap_used, reason = "a test stops where its data is not what it says")]

use std::collections::BTreeMap;
use std::path::{Path as OsPath, PathBuf};

use cloudchamber_core::journal::Design;
use cloudchamber_core::journal::folder::Folder;
use cloudchamber_core::journal::merge::merge;
use cloudchamber_core::journal::show::{Shown, common};
use cloudchamber_core::{MemoryFs, Path};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use support::Journals as _;

mod support;

/// Every file below a directory of this crate's test data.
fn load(dir: &str) -> MemoryFs {
    let root = data(dir);
    let mut files = MemoryFs::default();
    let mut open = vec![root.clone()];
    while let Some(dir) = open.pop() {
        for entry in dir.read_dir().unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                files.put(&name, read(&path));
            }
        }
    }
    files
}

fn data(name: &str) -> PathBuf {
    OsPath::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fray").join(name)
}

#[expect(clippy::disallowed_methods, reason = "test data lies in real files")]
fn read(path: &OsPath) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

fn load_json(name: &str) -> Value {
    serde_json::from_slice(&read(&data(name))).unwrap()
}

fn section<'a>(value: &'a Value, name: &str) -> &'a Vec<Value> {
    value[name].as_array().unwrap()
}

#[test]
fn the_dogfood_log_and_its_historical_states_have_no_problems() {
    let whole = load("dogfood");
    for design in [Design::PUBLISHED, Design::HARDENED] {
        let (shown, problems) = whole.shown(&design);
        assert_eq!(problems, [""; 0]);
        assert_eq!(section(&shown, "messages").len(), 1_614);
        assert_eq!(section(&shown, "questions").len(), 39);
    }
    let history = load_json("dogfood/history-prefixes.json");
    let rows = history["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 25);
    let mut messages_before = 0;
    for row in rows {
        let mut files = whole.clone();
        for log in ["messages", "threads", "questions", "agents"] {
            let bytes = usize::try_from(row[log]["bytes"].as_u64().unwrap()).unwrap();
            let path = format!("{log}.jsonl");
            let content = files.files[&Path::shared(&path)].prefix(bytes);
            files.files.insert(Path::shared(&path), content);
        }
        let (shown, problems) = files.shown(&Design::HARDENED);
        assert_eq!(problems, [""; 0], "{}", row["commit"]);
        let messages = section(&shown, "messages").len();
        assert!(messages >= messages_before && messages > 0);
        messages_before = messages;
    }
}

#[test]
fn upstreams_scenarios_have_no_problems() {
    for name in ["active-thread", "fresh-room", "mention-patterns", "returning-agent", "stale-session"] {
        let (shown, problems) = load(&format!("scenarios/{name}")).shown(&Design::HARDENED);
        assert_eq!(problems, [""; 0], "{name}");
        assert!(!section(&shown, "messages").is_empty(), "{name}");
    }
}

/// Compares section by section, so that a difference is named.
fn assert_same(shown: &Value, expected: &Value) {
    for (name, expected) in expected.as_object().unwrap() {
        let shown = &shown[name];
        if let (Some(shown), Some(expected)) = (shown.as_array(), expected.as_array()) {
            for (at, (shown, expected)) in shown.iter().zip(expected).enumerate() {
                assert_eq!(shown, expected, "{name}[{at}]");
            }
            assert_eq!(shown.len(), expected.len(), "{name}");
        }
        assert_eq!(shown, expected, "{name}");
    }
}

#[test]
fn published_merges_three_machines_as_upstream_does() {
    let (mut shown, problems) = load("multi/dogfood-3").shown(&Design::PUBLISHED);
    assert_eq!(problems, [""; 0]);
    // The bodies themselves stand in the logs.
    for message in shown["messages"].as_array_mut().unwrap() {
        let digest = Sha256::digest(message["body"].as_str().unwrap().as_bytes());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        message["body"] = format!("sha256:{hex}").into();
    }
    assert_same(&shown, &load_json("multi/dogfood-3/expected-upstream-merge.json"));
}

#[test]
fn hardened_gives_every_question_its_true_last_status() {
    let single = load_json_lines("dogfood/questions.jsonl");
    let mut last = BTreeMap::new();
    for record in &single {
        if let Some(status) = record["status"].as_str() {
            last.insert(record["guid"].as_str().unwrap(), status);
        }
    }
    assert_eq!(last.len(), 39);
    let (shown, problems) = load("multi/dogfood-3").shown(&Design::HARDENED);
    assert_eq!(problems, [""; 0]);
    let statuses = |shown: &Value| -> BTreeMap<String, String> {
        let pair = |question: &Value| {
            (question["guid"].as_str().unwrap().to_owned(), question["status"].as_str().unwrap().to_owned())
        };
        section(shown, "questions").iter().map(pair).collect()
    };
    let wrong = |shown: &Value| {
        let found = statuses(shown);
        last.iter().filter(|(guid, status)| found[**guid] != **status).count()
    };
    assert_eq!(wrong(&shown), 0);

    // The same log with its updates dealt out to three machines in turn: the split that upstream's rules fail on.
    let mut dealt = [String::new(), String::new(), String::new()];
    let mut turn = 0;
    for record in &single {
        if record["type"] == "question_update" {
            turn += 1;
        }
        dealt[turn % 3] += &format!("{record}\n");
    }
    let mut files = MemoryFs::default();
    files.put("shared/.v2", "");
    for (machine, text) in ["desktop", "laptop", "server"].into_iter().zip(dealt) {
        files.put(&format!("shared/machines/{machine}/questions.jsonl"), text);
    }
    assert!(wrong(&files.shown(&Design::PUBLISHED).0) > 0, "upstream's rules go wrong on this split");
    assert_eq!(wrong(&files.shown(&Design::HARDENED).0), 0);
}

/// The real log, dealt out to three machines: which one a line goes to, by its number, its author and what it is about.
fn dealt(deal: impl Fn(usize, &Value) -> usize) -> MemoryFs {
    let machines = ["desktop", "laptop", "server"];
    let mut texts = [String::new(), String::new(), String::new()];
    for (number, mut record) in load_json_lines("dogfood/messages.jsonl").into_iter().enumerate() {
        let at = deal(number, &record) % 3;
        if record["type"] == "message" {
            record["origin"] = machines[at].into();
            record["seq"] = (number + 1).into();
        }
        texts[at] += &format!("{record}\n");
    }
    let mut files = MemoryFs::default();
    files.put("shared/.v2", "");
    for (machine, text) in machines.into_iter().zip(texts) {
        files.put(&format!("shared/machines/{machine}/messages.jsonl"), text);
    }
    files
}

/// What each message said last, in the order of the log as its team wrote it.
fn last_words() -> BTreeMap<String, Value> {
    let mut last = BTreeMap::new();
    for record in load_json_lines("dogfood/messages.jsonl") {
        let deleted = last.get(record["id"].as_str().unwrap_or_default()) == Some(&json!("[deleted]"));
        if let (Some(id), Some(body), false) = (record["id"].as_str(), record.get("body"), deleted) {
            last.insert(id.to_owned(), body.clone());
        }
    }
    last
}

#[test]
fn the_real_log_shows_its_last_words_however_it_is_split() {
    let last = last_words();
    assert_eq!(last.len(), 1_614);
    let sum = |text: &Value| text.as_str().unwrap_or_default().bytes().map(usize::from).sum::<usize>();
    let splits: [(&str, MemoryFs); 5] = [
        ("one machine after the other", dealt(|number, _| number / 50)),
        ("one machine after the other, soon", dealt(|number, _| number / 7)),
        (
            "by author, changes by turns",
            dealt(|number, record| match &record["from_agent"] {
                Value::Null => number,
                author => sum(author),
            }),
        ),
        (
            "by message, changes elsewhere",
            dealt(|number, record| {
                sum(&record["id"]) + if record["type"] == "message" { 0 } else { 1 + number % 2 }
            }),
        ),
        ("every line elsewhere", dealt(|number, _| number)),
    ];
    for (name, files) in splits {
        let (shown, _) = files.shown(&Design::HARDENED);
        let wrong: Vec<_> = section(&shown, "messages")
            .iter()
            .filter(|message| last[message["id"].as_str().unwrap()] != message["body"])
            .map(|message| message["id"].to_string())
            .collect();
        assert_eq!(wrong, [""; 0], "{name}");
    }
}

fn load_json_lines(name: &str) -> Vec<Value> {
    let bytes = read(&data(name));
    bytes
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

/// The files of one case: raw text by machine and file name.
fn case_files(case: &Value) -> MemoryFs {
    let mut files = MemoryFs::default();
    files.put("shared/.v2", "");
    for (machine, logs) in case["machines"].as_object().unwrap() {
        for (log, text) in logs.as_object().unwrap() {
            files.put(&format!("shared/machines/{machine}/{log}"), text.as_str().unwrap());
        }
    }
    files
}

/// Whether a result is what the case says was intended. What it says only in words is checked by name below.
fn is_intended(shown: &Value, intended: &Value) -> Result<(), String> {
    let the_only = |sections: &[&str]| {
        let all: Vec<_> = sections.iter().flat_map(|name| section(shown, name)).collect();
        assert!(!all.is_empty(), "nothing in {sections:?}");
        all[0].clone()
    };
    for (name, wanted) in intended.as_object().unwrap() {
        let found = match name.as_str() {
            "note" | "or" | "impl" => continue,
            "spec" => {
                let removed = shown["faves"].as_object().unwrap().is_empty();
                assert_eq!(wanted, "sticky -> removed");
                json!(if removed { "sticky -> removed" } else { "present" })
            }
            "ids" => section(shown, "messages").iter().map(|message| message["id"].clone()).collect(),
            "messages" | "reactions" | "threads" | "questions" => json!(section(shown, name).len()),
            "faves" | "ghost_cursors" | "message_pins" | "roles_held" => {
                json!(shown[name].as_object().unwrap().len())
            }
            "body" | "home" | "archived_at" | "edited_at" | "from_agent" => {
                the_only(&["messages"])[name].clone()
            }
            "status" | "name" => the_only(&["questions", "threads"])[name].clone(),
            _ => return Err(format!("`{name}` is not understood")),
        };
        if found != *wanted {
            return Err(format!("{name} is {found}, not {wanted}"));
        }
    }
    Ok(())
}

/// Every case of upstream's data and of this project's own, and of the file that `CLOUDCHAMBER_JOURNAL_CASES` names: the cases' own form.
#[test]
fn published_does_what_upstream_does_and_hardened_what_was_intended() {
    let mut cases = section_of_cases(load_json("multi/adversarial-cases.json"));
    cases.extend(section_of_cases(load_json("../journal/cases.json")));
    if let Some(path) = std::env::var_os("CLOUDCHAMBER_JOURNAL_CASES") {
        cases.extend(section_of_cases(serde_json::from_slice(&read(OsPath::new(&path))).unwrap()));
    }
    assert!(cases.len() >= 35);
    let mut wrong = Vec::new();
    for case in &cases {
        let files = case_files(case);
        let (published, _) = files.shown(&Design::PUBLISHED);
        let (upstream, id) = (&case["upstream_result"], &case["id"]);
        if common(&published, upstream) != *upstream {
            wrong.push(format!("{id} published: {}, not {upstream}", common(&published, upstream)));
        }
        let (hardened, problems) = files.shown(&Design::HARDENED);
        if let Err(difference) = is_intended(&hardened, &case["intended"]) {
            wrong.push(format!("{id} hardened: {difference}; {problems:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn section_of_cases(cases: Value) -> Vec<Value> {
    cases.as_array().unwrap().clone()
}

#[test]
fn two_messages_of_one_name_are_both_kept_and_each_gets_its_own_edits() {
    let cases = section_of_cases(load_json("multi/adversarial-cases.json"));
    let case = cases.iter().find(|case| case["id"] == "FR-E1").unwrap();
    let (shown, problems) = case_files(case).shown(&Design::HARDENED);
    let kept: Vec<_> =
        section(&shown, "messages").iter().map(|message| (&message["origin"], &message["body"])).collect();
    assert_eq!(kept, [(&json!("alpha"), &json!("alpha edit")), (&json!("beta"), &json!("from beta"))]);
    assert_eq!(
        problems,
        [
            "shared/machines/beta/messages.jsonl:1: duplicate-guid: message msg-x comes from alpha and from beta"
        ]
    );
}

/// F23: a machine that was renamed is one machine, so its agents need no machine's name beside theirs.
#[test]
fn a_renamed_machine_is_displayed_as_one() {
    let line = |id: &str, origin: &str| {
        format!(
            "{{\"type\":\"message\",\"id\":\"{id}\",\"from_agent\":\"opus\",\"origin\":\"{origin}\",\"body\":\"b\",\"ts\":1}}\n"
        )
    };
    let mut files = MemoryFs::default();
    files.put("shared/.v2", "");
    files.put("fray-config.json", r#"{"storage_version":2,"machine_aliases":{"laptop":"lap2"}}"#);
    files.put("shared/machines/laptop/messages.jsonl", line("msg-1", "laptop"));
    files.put("shared/machines/lap2/messages.jsonl", line("msg-2", "lap2"));
    let displayed = |design: &Design| {
        let folder = Folder::read(&files, design);
        folder.with_sources(design, |sources| {
            let view = merge(design, sources);
            Shown { design, sources, view: &view }.origins().displayed("opus", "lap2")
        })
    };
    assert_eq!(displayed(&Design::PUBLISHED), "@opus@lap2");
    assert_eq!(displayed(&Design::HARDENED), "@opus");
}

/// F22: names that lead in a circle lead somewhere, and the same way from everywhere.
#[test]
fn a_machine_whose_names_lead_in_a_circle_is_one_machine() {
    let mut files = MemoryFs::default();
    files.put("shared/.v2", "");
    files.put("fray-config.json", r#"{"storage_version":2,"machine_aliases":{"a":"b","b":"a"}}"#);
    let reaction =
        r#"{"type":"reaction","message_guid":"msg-1","agent_id":"adam","emoji":"+1","reacted_at":5}"#;
    for machine in ["a", "b"] {
        files.put(&format!("shared/machines/{machine}/messages.jsonl"), format!("{reaction}\n"));
    }
    let (shown, problems) = files.shown(&Design::HARDENED);
    assert_eq!((section(&shown, "reactions").len(), problems.len()), (1, 0));
}

/// F10: aliases that two machines gave apart from each other both count, and a torn one harms no other.
#[test]
fn aliases_of_all_machines_are_united() {
    let mut files = MemoryFs::default();
    files.put("shared/.v2", "");
    files.put("shared/machines/a/aliases.json", r#"{"a":"ant"}"#);
    files.put("shared/machines/b/aliases.json", r#"{"b":"bee"}"#);
    files.put("shared/machines/c/aliases.json", r#"{"c":"#);
    let folder = Folder::read(&files, &Design::HARDENED);
    let aliases: Vec<_> = folder.aliases.iter().collect();
    assert_eq!(aliases, [("a", Some("ant")), ("b", Some("bee"))]);
    let problems: Vec<_> = folder.problems.iter().map(|problem| (&*problem.file, problem.line)).collect();
    assert_eq!(problems, [("shared/machines/c/aliases.json", 1)]);
    assert_eq!(Folder::read(&files, &Design::PUBLISHED).aliases.iter().count(), 0);
}

/// A machine's journal and a file beside it that holds one more message.
fn beside(name: &str) -> (Vec<String>, Vec<String>) {
    let line = |id: &str| {
        format!(
            "{{\"type\":\"message\",\"id\":\"{id}\",\"from_agent\":\"ann\",\"body\":\"{id}\",\"ts\":1}}\n"
        )
    };
    let mut files = MemoryFs::default();
    files.put("shared/machines/laptop/messages.jsonl", line("msg-1"));
    files.put(&format!("shared/machines/laptop/{name}"), line("msg-2"));
    let (shown, problems) = files.shown(&Design::HARDENED);
    let bodies =
        section(&shown, "messages").iter().map(|message| message["body"].as_str().unwrap().to_owned());
    (bodies.collect(), problems)
}

#[test]
fn a_copy_that_any_client_named_is_merged_and_told() {
    for name in [
        "messages (Ann's conflicted copy 2024-05-01).jsonl",
        "messages (Ann's conflicted copy 2024-05-01 (1)).jsonl",
        "messages (Copie en conflit de Ann 2024-05-01).jsonl",
        "messages (Anns in Konflikt stehende Kopie 2024-05-01).jsonl",
        "messages (Copia conflictiva de Ann 2024-05-01).jsonl",
        "messages (Case Conflict).jsonl",
        "messages (Unicode Encoding Conflict).jsonl",
        "messages (Unicode Encoding Conflict (23)).jsonl",
        "messages (Sam's conflicting copy 2022-08-30).jsonl",
        "messages (conflicted copy 2026-07-10 070952).jsonl",
        "messages (conflicted copy, ann v10).jsonl",
        "messages_conflict-ann-20180220-141213.jsonl",
        "messages-MacBook Pro de Ann-2.jsonl",
        "messages-Ann’s MacBook Pro.jsonl",
        "messages-pc-pc-pc.jsonl",
        "messages (pc) (pc).jsonl",
        "messages(1)(2)(2).jsonl",
        "messages 2 2.jsonl",
        "messages.sync-conflict-20260120-150405-.jsonl",
        "messages.jsonl.conflict1",
        "messages.jsonl..path1",
        "messages.variant-c696.jsonl",
        "Messages.jsonl",
    ] {
        let (bodies, problems) = beside(name);
        assert_eq!(bodies, ["msg-1", "msg-2"], "{name}");
        let told = format!("shared/machines/laptop/{name}: conflict-copy: a copy of messages.jsonl");
        assert_eq!(problems, [told], "{name}");
    }
}

#[test]
fn a_file_that_is_called_like_a_copy_and_is_none_is_told() {
    let (bodies, problems) = beside("messages copy.jsonl");
    assert_eq!(bodies, ["msg-1"]);
    insta::assert_snapshot!(problems.join("\n"), @"shared/machines/laptop/messages copy.jsonl: unknown-copy: perhaps a copy of messages.jsonl; it is not read");
    assert_eq!(beside("notes.txt").1, [""; 0]);
}
