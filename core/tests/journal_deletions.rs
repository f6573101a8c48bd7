//! What a reader sees of something that was deleted: nothing, whoever said what about it before or after.

use cloudchamber_core::MemoryFs;
use cloudchamber_core::journal::{Deletions, Design};
use serde_json::{Value, json};
use support::Journals as _;

mod support;

/// The logs of two machines: `alpha` made the things and deleted them, `beta` has not heard of that.
fn files(alpha: [&str; 2], beta: [&str; 2]) -> MemoryFs {
    let mut files = MemoryFs::default();
    files.put("shared/.v2", "");
    for (machine, [messages, threads]) in [("alpha", alpha), ("beta", beta)] {
        files.put(&format!("shared/machines/{machine}/messages.jsonl"), messages);
        files.put(&format!("shared/machines/{machine}/threads.jsonl"), threads);
    }
    files
}

const MESSAGE: &str = concat!(
    r#"{"type":"message","id":"msg-1","home":"room","from_agent":"ann","origin":"alpha","seq":1,"body":"secret","reactions":{"old":["ben"]},"ts":100}"#,
    "\n",
    r#"{"type":"message","id":"msg-2","home":"room","from_agent":"ann","origin":"alpha","seq":2,"body":"kept","ts":101}"#,
    "\n",
    r#"{"type":"message_delete","id":"msg-1","seq":3,"ts":200}"#,
    "\n",
);
const ABOUT_MESSAGE: &str = concat!(
    r#"{"type":"message_update","id":"msg-1","body":"secret again","reactions":{"new":["eve"]},"archived_at":null,"edited_at":900}"#,
    "\n",
    r#"{"type":"message_move","message_guid":"msg-1","new_home":"thrd-1","moved_at":901}"#,
    "\n",
    r#"{"type":"reaction","message_guid":"msg-1","agent_id":"eve","emoji":"+1","reacted_at":902}"#,
    "\n",
    r#"{"type":"reaction","message_guid":"msg-2","agent_id":"eve","emoji":"+1","reacted_at":903}"#,
    "\n",
);
const THREAD: &str = concat!(
    r#"{"type":"thread","guid":"thrd-1","name":"t","status":"open","subscribed":["ann"],"created_at":100}"#,
    "\n",
    r#"{"type":"thread_message","thread_guid":"thrd-1","message_guid":"msg-1","added_at":110}"#,
    "\n",
    r#"{"type":"thread_message","thread_guid":"thrd-1","message_guid":"msg-2","added_at":111}"#,
    "\n",
    r#"{"type":"message_pin","message_guid":"msg-1","thread_guid":"thrd-1","pinned_at":112}"#,
    "\n",
    r#"{"type":"message_pin","message_guid":"msg-2","thread_guid":"thrd-1","pinned_at":113}"#,
    "\n",
);
const THREAD_DELETED: &str = r#"{"type":"thread_delete","thread_id":"thrd-1","seq":6,"ts":200}
"#;
const ABOUT_THREAD: &str = concat!(
    r#"{"type":"thread_update","guid":"thrd-1","name":"u","status":"open","last_activity_at":900}"#,
    "\n",
    r#"{"type":"thread_subscribe","thread_guid":"thrd-1","agent_id":"eve","subscribed_at":901}"#,
    "\n",
    r#"{"type":"thread_mute","thread_guid":"thrd-1","agent_id":"eve","muted_at":902}"#,
    "\n",
    r#"{"type":"thread_pin","thread_guid":"thrd-1","pinned_by":"eve","pinned_at":903}"#,
    "\n",
);

fn hardened(files: &MemoryFs) -> Value {
    files.shown(&Design::HARDENED).0
}

#[test]
fn nothing_of_a_deleted_message_is_shown_but_that_there_was_one() {
    let shown = hardened(&files([MESSAGE, THREAD], [ABOUT_MESSAGE, ""]));
    let message = &shown["messages"][0];
    assert_eq!(message["id"], "msg-1");
    assert_eq!(
        (&message["body"], &message["home"], &message["archived_at"], &message["reactions"]),
        (&json!("[deleted]"), &json!("room"), &json!(200), &Value::Null)
    );
    assert_eq!(shown["reactions"], json!([["msg-2", "eve", "+1", 903]]));
    assert_eq!(shown["message_pins"], json!({"msg-2|thrd-1": 113}));
    let members = json!([["thrd-1", "message", "msg-2"], ["thrd-1", "subscriber", "ann"]]);
    assert_eq!(shown["thread_members"], members);
}

#[test]
fn nothing_belongs_to_a_deleted_thread() {
    let threads = format!("{THREAD}{THREAD_DELETED}");
    let shown = hardened(&files([MESSAGE, &threads], [ABOUT_MESSAGE, ABOUT_THREAD]));
    let thread = &shown["threads"][0];
    assert_eq!(
        (&thread["name"], &thread["status"], &thread["subscribed"]),
        (&json!("t"), &json!("archived"), &json!([]))
    );
    assert_eq!(shown["thread_members"], json!([]));
    assert_eq!(shown["message_pins"], json!({}));
}

#[test]
fn the_order_in_which_it_comes_to_be_known_does_not_matter() {
    let threads = format!("{THREAD_DELETED}{THREAD}");
    let whole = hardened(&files([MESSAGE, &threads], [ABOUT_MESSAGE, ABOUT_THREAD]));
    let swapped = hardened(&files([ABOUT_MESSAGE, ABOUT_THREAD], [MESSAGE, &threads]));
    for section in ["reactions", "message_pins", "thread_members"] {
        assert_eq!(whole[section], swapped[section], "{section}");
    }
    assert_eq!(swapped["messages"][0]["body"], "[deleted]");
}

/// As published, the text goes and the rest stays; and where the last writer wins, the text comes back.
#[test]
fn other_designs_show_more_of_it() {
    let files = files([MESSAGE, THREAD], [ABOUT_MESSAGE, ""]);
    let published = files.shown(&Design::PUBLISHED).0;
    assert_eq!(published["messages"][0]["body"], "[deleted]");
    assert_eq!(published["messages"][0]["reactions"], json!({"old": ["ben"]}));
    assert_eq!(published["reactions"][0][0], "msg-1");
    let last_writer = files.shown(&Design { deletions: Deletions::LastWriter, ..Design::HARDENED }).0;
    assert_eq!(last_writer["messages"][0]["body"], "secret again");
    assert_eq!(last_writer["messages"][0]["home"], "thrd-1");
}
