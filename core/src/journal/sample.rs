//! Journals made up for benchmarks.

use std::fmt::Write;
use std::ops::Range;

/// The messages file of a machine that has written the events of these numbers: of a hundred events 90 messages
/// of about 320 bytes, 5 edits, 5 reactions and a deletion in place of every hundredth message.
///
/// The proportions are near those of upstream's own log (adamavenir/fray at 5310fa5: 1614 messages, 306 edits and
/// 29 reactions), whose lines have 570 bytes in the mean.
#[must_use]
pub fn messages(machine: usize, events: Range<usize>) -> String {
    let mut text = String::new();
    for n in events {
        let at = 1_767_137_342 + n;
        let about = n.saturating_sub(5);
        match n % 20 {
            17 => writeln!(text, r#"{{"type":"message_update","id":"msg-{machine}-{about}","body":"edited body number {n}","edited_at":{at}}}"#),
            18 => writeln!(text, r#"{{"type":"reaction","message_guid":"msg-{machine}-{about}","agent_id":"adam","emoji":"+1","reacted_at":{at}123}}"#),
            19 if n % 100 == 99 => writeln!(text, r#"{{"type":"message_delete","id":"msg-{machine}-{about}","deleted_by":"adam","seq":{n},"ts":{at}}}"#),
            _ => writeln!(text, r#"{{"type":"message","id":"msg-{machine}-{n}","channel_id":"ch-xkzte3i1","home":"room","from_agent":"agent{}","origin":"{}","seq":{n},"body":"body number {n} of machine {machine}, with a few words more","mentions":[],"message_type":"agent","reply_to":null,"ts":{at},"edited_at":null,"archived_at":null}}"#, n % 17, machine_id(machine)),
        }
        .expect("a string takes any text");
    }
    text
}

/// What such a machine is called.
#[must_use]
pub fn machine_id(machine: usize) -> String {
    format!("machine{machine}")
}
