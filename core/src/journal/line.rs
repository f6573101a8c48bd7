//! One line: its fields as spans of the bytes, nothing copied.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::Utf8Error;

use memchr::memchr2;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::problem::ProblemKind;
use super::schema::{Field, Kind, Shape};

/// A stretch of a file's bytes; the empty one stands for "absent".
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Span {
    /// Where it starts, in bytes from the start of the file.
    pub start: u32,
    /// How many bytes it has.
    pub len: u32,
}

impl Span {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_absent(self) -> bool {
        self.len == 0
    }

    /// The first byte after it.
    #[must_use]
    pub fn end(self) -> u32 {
        self.start + self.len
    }

    /// The bytes.
    #[must_use]
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..self.end() as usize]
    }
}

/// The bytes of a file, and how far they are text. That is looked at once, for all at once, and values are then
/// taken out without being looked at again.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    bytes: &'a [u8],
    valid: &'a str,
}

impl<'a> Text<'a> {
    /// Looks how far the bytes are text.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        let valid = std::str::from_utf8(bytes).unwrap_or_else(|error| {
            let valid = &bytes[..error.valid_up_to()];
            std::str::from_utf8(valid).expect("the error says how far it is text")
        });
        Self { bytes, valid }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// A stretch as text, whatever comes before it.
    ///
    /// # Errors
    /// Where it is none.
    ///
    /// # Panics
    /// Where it is not within the bytes.
    pub fn part(self, span: Span) -> Result<&'a str, Utf8Error> {
        match self.valid.get(span.start as usize..span.end() as usize) {
            Some(part) => Ok(part),
            None => std::str::from_utf8(span.of(self.bytes)),
        }
    }
}

/// The fields of the line at hand, and room to gather them without allocating anew for each line.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    pub(super) kind: Option<&'a str>,
    pub(super) pairs: Vec<(Field, &'a str)>,
    /// For each field where it stands in `pairs`, if it stands there at all.
    places: [u8; Field::COUNT],
    /// For each field the one that followed it the last time: lines of one program have one order.
    followers: [Field; Field::COUNT],
}

impl Default for Fields<'_> {
    fn default() -> Self {
        Self {
            kind: None,
            pairs: Vec::new(),
            places: [0; Field::COUNT],
            followers: [Field::Id; Field::COUNT],
        }
    }
}

impl<'a> Fields<'a> {
    /// Reads `text` as one JSON object.
    pub(super) fn read(&mut self, text: &'a str) -> Result<(), serde_json::Error> {
        if self.plain(text).is_some() {
            return Ok(());
        }
        self.clear();
        let mut deserializer = serde_json::Deserializer::from_str(text);
        Gather(self).deserialize(&mut deserializer)?;
        deserializer.end()
    }

    /// Reads an object as programs write it, without white space between its tokens and without escapes in its
    /// names. Says no to anything else, which serde_json then judges: what is read here serde_json reads alike,
    /// in three times the time.
    fn plain(&mut self, text: &'a str) -> Option<()> {
        self.clear();
        let bytes = text.as_bytes();
        // Without a way out of the loop, so that the compiler looks at many bytes at once.
        if bytes.iter().fold(false, |found, &byte| found | (byte < b' ')) || bytes.first() != Some(&b'{') {
            return None;
        }
        let mut at = 0;
        while bytes.get(at).is_some_and(|&byte| byte == if at == 0 { b'{' } else { b',' }) {
            let start = at + 1;
            let before = self.pairs.last().map_or(Field::Id, |(field, _)| *field) as usize;
            let likely = self.followers[before];
            // Names are compared where they are expected, and searched for only where another one stands.
            if bytes[start..].starts_with(likely.key().as_bytes()) {
                let value = start + likely.key().len();
                at = value + plain_len(&text[value..])?;
                self.push(likely, &text[value..at]);
            } else if bytes[start..].starts_with(b"\"type\":") {
                let value = start + b"\"type\":".len();
                at = value + plain_len(&text[value..])?;
                self.kind = Some(&text[value..at]);
            } else {
                let end = start + 1 + memchr2(b'"', b'\\', bytes.get(start + 1..)?)?;
                if bytes[start] != b'"' || bytes[end] != b'"' || bytes.get(end + 1) != Some(&b':') {
                    return None;
                }
                let value = end + 2;
                at = value + plain_len(&text[value..])?;
                if let Some(field) = Field::from_name(&text[start + 1..end]) {
                    self.followers[before] = field;
                    self.push(field, &text[value..at]);
                }
            }
        }
        (bytes.get(at..)? == b"}").then_some(())
    }

    fn push(&mut self, field: Field, raw: &'a str) {
        // A line with more fields than there are names has some of them several times.
        self.places[field as usize] = u8::try_from(self.pairs.len()).unwrap_or(u8::MAX);
        self.pairs.push((field, raw));
    }

    fn clear(&mut self) {
        self.kind = None;
        self.pairs.clear();
    }

    /// The value of a field that was read: the last where a line has several.
    pub(super) fn get(&self, field: Field) -> Option<&'a str> {
        let place = usize::from(self.places[field as usize]);
        if place == usize::from(u8::MAX) {
            return self.pairs.iter().rev().find(|(known, _)| *known == field).map(|(_, raw)| *raw);
        }
        self.pairs.get(place).filter(|(known, _)| *known == field).map(|(_, raw)| *raw)
    }
}

/// The length of the JSON value that `text`, which has no control characters, starts with. `None` if it is
/// none, or a number that is not whole.
fn plain_len(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    match *bytes.first()? {
        b'"' => {
            let mut at = 1;
            loop {
                at += memchr2(b'"', b'\\', &bytes[at..])?;
                if bytes[at] == b'"' {
                    return Some(at + 1);
                }
                at += match bytes.get(at + 1)? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
                    b'u' if bytes.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit) => 6,
                    _ => return None,
                };
            }
        }
        b'-' | b'0'..=b'9' => {
            let sign = usize::from(bytes[0] == b'-');
            let digits = bytes[sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            let leads = digits > 1 && bytes[sign] == b'0';
            let ends = matches!(bytes.get(sign + digits), Some(b',' | b'}'));
            (digits > 0 && !leads && ends).then_some(sign + digits)
        }
        b't' => text.starts_with("true").then_some(4),
        b'f' => text.starts_with("false").then_some(5),
        b'n' => text.starts_with("null").then_some(4),
        b'[' if bytes.get(1) == Some(&b']') => Some(2),
        b'[' | b'{' => {
            let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
            Some(values.next()?.ok()?.get().len())
        }
        _ => None,
    }
}

struct Gather<'f, 'a>(&'f mut Fields<'a>);

impl<'a> DeserializeSeed<'a> for Gather<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Gather<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(Name)? {
            match name {
                Named::Type => self.0.kind = Some(map.next_value::<&'a RawValue>()?.get()),
                Named::Field(field) => self.0.push(field, map.next_value::<&'a RawValue>()?.get()),
                Named::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// The name of a field, matched in place.
struct Name;

enum Named {
    Field(Field),
    Other,
    Type,
}

impl<'a> DeserializeSeed<'a> for Name {
    type Value = Named;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Named, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Named;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Named, E> {
        Ok(match name {
            "type" => Named::Type,
            name => Field::from_name(name).map_or(Named::Other, Named::Field),
        })
    }
}

/// The text that a JSON string stands for; None for any other value. Half of a surrogate pair, as a program leaves it
/// that cuts text at a number of UTF-16 units, is U+FFFD.
#[must_use]
pub fn text(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str(raw).or_else(|_| serde_json::from_str(&whole(inner))).ok().map(Cow::Owned)
}

/// A JSON string in which each escape that is half of a surrogate pair stands for U+FFFD.
fn whole(inner: &str) -> String {
    let mut text = String::from("\"");
    let mut rest = inner;
    let unit = |text: &str| {
        let digits = text.strip_prefix("\\u")?.get(..4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let (first, second) = (unit(rest), rest.get(6..).and_then(unit));
        let len = match (first, second) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                text.push_str("\\ufffd");
                rest = &rest[6..];
                continue;
            }
            (Some(_), _) => 6,
            (None, _) => rest.chars().take(2).map(char::len_utf8).sum(),
        };
        text.push_str(&rest[..len]);
        rest = &rest[len..];
    }
    text + rest + "\""
}

/// Whether a value of this field may stand in a record of this kind.
pub(super) fn fits(kind: Kind, field: Field, raw: &str) -> Result<(), ProblemKind> {
    if raw == "null" {
        return Ok(());
    }
    let shape = match field {
        // An agent's is a date in words; everybody else's is a number.
        Field::CreatedAt if kind != Kind::Agent => Shape::Int,
        field => field.shape(),
    };
    let first = raw.as_bytes().first();
    if matches!(first, Some(b'[' | b'{')) && is_deep(raw) {
        return Err(ProblemKind::DeepNesting);
    }
    let fits = match shape {
        Shape::Any => true,
        Shape::Flag => matches!(raw, "true" | "false"),
        Shape::Int => raw.parse::<i64>().is_ok(),
        Shape::Text => first == Some(&b'"'),
        Shape::Texts => raw == "[]" || serde_json::from_str::<Vec<Option<Cow<'_, str>>>>(raw).is_ok(),
        Shape::TextMap => serde_json::from_str::<BTreeMap<Cow<'_, str>, Option<Cow<'_, str>>>>(raw).is_ok(),
        Shape::TextLists => {
            serde_json::from_str::<BTreeMap<Cow<'_, str>, Option<Vec<Option<Cow<'_, str>>>>>>(raw).is_ok()
        }
    };
    if fits { Ok(()) } else { Err(ProblemKind::WrongField) }
}

/// Whether a value is nested deeper than a reader with a recursion limit of 128 can follow.
fn is_deep(raw: &str) -> bool {
    const DEPTH_MAX: usize = 126;
    if raw.len() <= DEPTH_MAX {
        return false;
    }
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in raw.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => depth += 1,
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_found_and_foreign_ones_passed_over() {
        let mut fields = Fields::default();
        fields.read(r#" {"id":"a\"b","x":[{"id":1}],"ts": 5 ,"type":"message"} "#).unwrap();
        assert_eq!(fields.kind, Some("\"message\""));
        assert_eq!(fields.pairs, [(Field::Id, r#""a\"b""#), (Field::Ts, "5")]);
    }

    proptest! {
        /// Lines of valid and almost valid JSON: every one that the quick reader takes serde_json takes alike.
        #[test]
        fn the_quick_reader_reads_what_serde_json_reads(
            parts in proptest::collection::vec(0..PARTS.len(), 0..9), cut in proptest::option::of(0..60_usize),
        ) {
            let parts: Vec<_> = parts.into_iter().map(|at| PARTS[at]).collect();
            let mut line = format!("{{{}}}", parts.join(","));
            if let Some(cut) = cut.filter(|&cut| line.is_char_boundary(cut.min(line.len()))) {
                line.truncate(cut);
            }
            let (mut quick, mut slow) = (Fields::default(), Fields::default());
            let taken = quick.plain(&line).is_some();
            let mut deserializer = serde_json::Deserializer::from_str(&line);
            let read = Gather(&mut slow).deserialize(&mut deserializer).and_then(|()| deserializer.end());
            if taken {
                prop_assert!(read.is_ok(), "{line}: {read:?}");
                prop_assert_eq!((quick.kind, quick.pairs), (slow.kind, slow.pairs), "{}", line);
            }
        }
    }

    const PARTS: [&str; 26] = [
        r#""type":"message""#,
        r#""id":"msg-1""#,
        r#""body":"a\"b\\""#,
        r#""body":"\u00e9\ud800""#,
        r#""body":"\x""#,
        r#""body":"\u12g4""#,
        r#""ts":5"#,
        r#""ts":-0"#,
        r#""ts":007"#,
        r#""ts":1.5"#,
        r#""ts":1e3"#,
        r#""ts":-"#,
        r#""seq":null"#,
        r#""managed":true"#,
        r#""managed":tru"#,
        r#""mentions":[]"#,
        r#""mentions":["a","]"]"#,
        r#""reactions":{"+1":[{"a":"}"}]}"#,
        r#""reactions":{"#,
        r#""other":[1,{"id":2}]"#,
        r#""i\u0064":"x""#,
        r#" "home":"room""#,
        r#""home": "room""#,
        "\"body\":\"\u{7}\"",
        "\"body\":\"\u{e9}\u{1f600}\"",
        "",
    ];

    #[test]
    fn the_quick_reader_takes_the_lines_of_upstream_and_of_this_project() {
        for line in [
            r#"{"type":"message","id":"msg-1","channel_id":null,"home":"room","mentions":["a"],"ts":5,"body":"a\nb"}"#,
            r#"{"type":"message_update","id":"msg-1","reactions":{"+1":["a"]},"hlc":[1767137342123,2]}"#,
        ] {
            assert_eq!(Fields::default().plain(line), Some(()), "{line}");
        }
    }

    #[test]
    fn half_a_pair_is_readable() {
        for (raw, expected) in [
            (r#""a\ud83d b""#, "a\u{fffd} b"),
            (r#""\udc4d\ud83d\ude00\ud83d""#, "\u{fffd}\u{1f600}\u{fffd}"),
            (r#""\\ud83d\n\"\ud83d\u0041""#, "\\ud83d\n\"\u{fffd}A"),
        ] {
            assert_eq!(text(raw).as_deref(), Some(expected), "{raw}");
        }
        assert_eq!(text(r#""\x""#), None);
    }

    #[test]
    fn what_is_no_object_is_no_line() {
        for text in ["", "5", "[]", "{", "{\"a\":}", "{} {}", "{\"a\":1,}", "{\"a\\u00zz\":1}", "\0\0"] {
            assert!(Fields::default().read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn deep_values_are_refused_and_do_not_overflow() {
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        assert_eq!(fits(Kind::Agent, Field::Invoke, &deep), Err(ProblemKind::DeepNesting));
        let line = format!("{{\"type\":\"message\",\"later\":{deep}}}");
        assert!(Fields::default().read(&line).is_ok());
        assert_eq!(fits(Kind::Agent, Field::Invoke, &format!("[\"{}\"]", "[".repeat(500))), Ok(()));
    }

    #[test]
    fn shapes_are_those_of_upstream() {
        let wrong = Err(ProblemKind::WrongField);
        assert_eq!(fits(Kind::Message, Field::Ts, "1.5"), wrong);
        assert_eq!(fits(Kind::Message, Field::Ts, "null"), Ok(()));
        assert_eq!(fits(Kind::Message, Field::Mentions, r#"["a",5]"#), wrong);
        assert_eq!(fits(Kind::Message, Field::Reactions, r#"{"+1":["a"]}"#), Ok(()));
        assert_eq!(fits(Kind::Thread, Field::CreatedAt, "\"now\""), wrong);
        assert_eq!(fits(Kind::Agent, Field::CreatedAt, "\"now\""), Ok(()));
    }
}
