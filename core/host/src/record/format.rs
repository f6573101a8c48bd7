//! What an observed history looks like in its file: one JSON document a line.
//!
//! ```text
//! {"cloudchamber_observed":1,"name":"laptop","client":"Syncthing 1.29","started_ms":1796093000000,"own":["laptop/**"],"content_max":4096}
//! {"ms":0,"wall_ms":1796093000000,"path":"a.txt","seen":"there","len":3,"modified_ms":1796092999000,"sha256":"2cf2…","content":{"text":"one"}}
//! {"ms":812,"wall_ms":1796093000812,"path":"laptop/b.txt","seen":"appeared","by":"here","len":0,"modified_ms":1796093000810,"sha256":"e3b0…","content":{"text":""}}
//! {"ms":5310,"wall_ms":1796093005310,"path":"a.txt","seen":"gone"}
//! {"ms":60000,"wall_ms":1796093060000,"end":"its time was over"}
//! ```
//! A file whose recorder was killed has no last line, and the one before may be torn: both are told, and no fault.

use serde::{Deserialize, Serialize};

use super::glob::Glob;

/// The version of the format that is written, and the only one that is read.
pub const VERSION: u32 = 1;

/// Who saw, and what is known of it: the first line of a history.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`VERSION`].
    pub cloudchamber_observed: u32,
    /// What this replica is called: another one in each history of a folder.
    pub name: String,
    /// Which folder it is a replica of, in any words. `None` if nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// The client, its version and settings. `None` if nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The wall clock when it began, in milliseconds since 1970. With a line's `ms` it gives a time that nobody sets.
    pub started_ms: i64,
    /// What is written on this machine. Nothing else is.
    #[serde(default)]
    pub own: Vec<Glob>,
    /// Up to how many bytes a content is in the history itself.
    pub content_max: u64,
}

/// What was seen of one path at one time.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// Milliseconds since the beginning, by a clock that nobody sets.
    pub ms: u64,
    /// The wall clock then, in milliseconds since 1970.
    pub wall_ms: i64,
    /// The path in the folder, its parts separated by `/`.
    pub path: String,
    /// What had become of it.
    pub seen: Kind,
    /// Who did it. `None` if it is not known, which means the client where the path is not one of the machine's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
    /// How many bytes it has. `None` if it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub len: Option<u64>,
    /// Its time of modification, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_ms: Option<i64>,
    /// The SHA-256 of its bytes, in hexadecimal digits. `None` if they were not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Its bytes, where there are few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Written>,
    /// It has bytes, and each is a NUL. Said where the bytes themselves are not here.
    #[serde(default, skip_serializing_if = "is_false")]
    pub nul: bool,
    /// It has a length and takes no room: a placeholder. It was not read, since that would have brought it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub elsewhere: bool,
    /// Why it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
}

fn is_false(is: &bool) -> bool {
    !is
}

/// What had become of a path.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It was there when the recorder began.
    There,
    /// It was not there before.
    Appeared,
    /// It has other bytes than before.
    Changed,
    /// It is not there any more.
    Gone,
}

/// Who did something.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// Somebody on this machine may have: the path is one of its own.
    Here,
}

/// Bytes, as text where they are text.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Written {
    /// Text.
    Text(String),
    /// Pairs of hexadecimal digits.
    Hex(String),
}

impl Written {
    /// Writes bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Hex(hex::encode(bytes)),
        }
    }

    /// The bytes.
    ///
    /// # Errors
    /// Where they are not pairs of digits.
    pub fn bytes(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Text(text) => Ok(text.clone().into_bytes()),
            Self::Hex(digits) => {
                hex::decode(digits).map_err(|_| "`hex` is not pairs of hexadecimal digits".to_owned())
            }
        }
    }
}

/// The last line.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    pub(super) ms: u64,
    pub(super) wall_ms: i64,
    /// Why it ended.
    pub(super) end: String,
}

/// A history as it was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct History {
    /// Its first line.
    pub header: Header,
    /// What was seen, each with the number of its line, counted from 1.
    pub seen: Vec<(usize, Seen)>,
    /// Whether it has its last line, so that nothing is missing at the end.
    pub is_whole: bool,
}

/// Where a history cannot be read, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unreadable {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong there, and the way out.
    pub why: String,
}

/// Reads the text of a history. A torn last line is passed over.
///
/// # Errors
/// Where a line is not what the format says, or the times of lines go back.
pub fn parse(text: &str) -> Result<History, Unreadable> {
    let fault = |at: usize, why: String| Unreadable { line: at + 1, why };
    let mut lines = text.lines().enumerate();
    let first = lines.next().map_or("", |(_, line)| line);
    let header = header(first).map_err(|why| fault(0, why))?;
    let last = text.lines().count() - 1;
    let is_torn = |at: usize| at == last && !text.ends_with('\n');
    let (mut seen, mut now): (Vec<(usize, Seen)>, u64) = (Vec::new(), 0);
    for (at, line) in lines {
        if serde_json::from_str::<End>(line).is_ok() {
            return match text.lines().nth(at + 1) {
                None => Ok(History { header, seen, is_whole: true }),
                Some(_) => {
                    let why =
                        "something follows the last line of the history: record into a new file each time";
                    Err(fault(at + 1, why.to_owned()))
                }
            };
        }
        match serde_json::from_str::<Seen>(line).map_err(|error| error.to_string()).and_then(checked) {
            Ok(one) if one.ms < now => {
                return Err(fault(at, format!("time goes back from {now} to {} ms: sort the lines", one.ms)));
            }
            Ok(one) => {
                now = one.ms;
                seen.push((at + 1, one));
            }
            Err(_) if is_torn(at) => break,
            Err(why) => {
                let way_out =
                    "a line is written by `cloudchamber-agent record`, and docs/observed.md has its form";
                return Err(fault(at, format!("{why}: {way_out}")));
            }
        }
    }
    Ok(History { header, seen, is_whole: false })
}

fn header(line: &str) -> Result<Header, String> {
    let foreign = "this is no observed history; one begins with {\"cloudchamber_observed\":1,…} and is written by \
                   `cloudchamber-agent record --output FILE`";
    let any: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
    let version = any.get("cloudchamber_observed").and_then(serde_json::Value::as_u64).ok_or(foreign)?;
    if version != u64::from(VERSION) {
        return Err(format!(
            "the history is of version {version}, and this program reads version {VERSION}: record it again, or read it \
             with the program that wrote it"
        ));
    }
    serde_json::from_str(line).map_err(|error| error.to_string())
}

/// What a line says has to go together.
fn checked(seen: Seen) -> Result<Seen, String> {
    let is_gone = seen.seen == Kind::Gone;
    if is_gone != seen.len.is_none() {
        let says = if is_gone { "what is gone has no `len`" } else { "what is there has a `len`" };
        return Err(says.to_owned());
    }
    cloudchamber_core::Path::new(cloudchamber_core::Root::Shared, &seen.path)
        .ok()
        .filter(|path| !path.name().is_empty())
        .ok_or_else(|| format!("`{}` is no path in a folder", seen.path))?;
    if let Some(content) = &seen.content {
        let bytes = content.bytes()?;
        if seen.len != Some(bytes.len() as u64) {
            return Err(format!("`content` has {} bytes, and `len` says another number", bytes.len()));
        }
    }
    let ways = [seen.sha256.is_some(), seen.elsewhere, seen.unread.is_some(), is_gone];
    match ways.iter().filter(|is| **is).count() {
        1 => Ok(seen),
        _ => Err("one of `sha256`, `elsewhere` and `unread` says what a file that is there holds".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = r#"{"cloudchamber_observed":1,"name":"a","started_ms":5,"content_max":9}"#;
    const GONE: &str = r#"{"ms":3,"wall_ms":8,"path":"f","seen":"gone"}"#;
    const END: &str = r#"{"ms":9,"wall_ms":14,"end":"it was asked to end"}"#;

    fn refused(lines: &[&str]) -> (usize, String) {
        let Unreadable { line, why } = parse(&(lines.join("\n") + "\n")).unwrap_err();
        (line, why)
    }

    #[test]
    fn a_torn_last_line_is_passed_over_and_any_other_is_named() {
        let whole = parse(&[HEAD, GONE, END, ""].join("\n")).unwrap();
        assert_eq!((whole.seen.len(), whole.seen[0].0, whole.is_whole), (1, 2, true));
        for torn in ["{\"ms\":4,\"wa", "{", ""] {
            let torn = parse(&[HEAD, GONE, torn].join("\n")).unwrap();
            assert_eq!((torn.seen.len(), torn.is_whole), (1, false));
        }
        assert_eq!(refused(&[HEAD, "{\"ms\":4,", GONE]).0, 2);
        assert_eq!(refused(&[HEAD, GONE, "{\"ms\":4,"]).0, 3);
        assert_eq!(refused(&[HEAD, END, GONE]).0, 3);
    }

    #[test]
    fn what_is_no_history_is_told() {
        for text in ["", "\n", "{}", "[1]", "{\"cloudchamber_trace\":1}"] {
            let Unreadable { line, why } = parse(text).unwrap_err();
            assert!(line == 1 && why.contains("no observed history"), "{text}: {why}");
        }
        assert!(refused(&[&HEAD.replace(":1,", ":2,")]).1.contains("version 2"));
        assert!(refused(&[&HEAD.replace("name", "nome")]).1.contains("nome"));
    }

    #[test]
    fn lines_that_contradict_themselves_are_refused() {
        let file = r#"{"ms":3,"wall_ms":8,"path":"f","seen":"appeared","len":2,"sha256":"00","content":{"text":"ab"}}"#;
        assert!(parse(&[HEAD, file, ""].join("\n")).is_ok());
        for (from, to) in [
            ("\"len\":2", "\"len\":3"),
            ("\"len\":2,", ""),
            ("\"sha256\":\"00\"", "\"elsewhere\":false"),
            ("\"sha256\"", "\"unread\":\"x\",\"sha256\""),
            ("appeared", "gone"),
            ("\"f\"", "\"../f\""),
            ("\"f\"", "\"\""),
            ("{\"text\":\"ab\"}", "{\"hex\":\"abc\"}"),
            ("wall_ms", "whale_ms"),
        ] {
            let (line, why) = refused(&[HEAD, &file.replace(from, to)]);
            assert_eq!(line, 2, "{from}: {why}");
        }
        assert!(refused(&[HEAD, file, &GONE.replace(":3", ":2")]).1.contains("time goes back"));
    }

    #[test]
    fn bytes_survive_their_text() {
        for bytes in [&b"7\n"[..], b"", b"\xff\x00\x7f", "\u{e9}".as_bytes()] {
            let text = serde_json::to_string(&Written::of(bytes)).unwrap();
            assert_eq!(serde_json::from_str::<Written>(&text).unwrap().bytes().unwrap(), bytes, "{text}");
        }
    }
}
