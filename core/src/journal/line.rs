//! One line: its fields as spans of the bytes, nothing copied.

use std::borrow::Cow;
use std::collections::BTreeMap;

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

/// The fields of the line at hand, and room to gather them without allocating anew for each line.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    pub(super) kind: Option<&'a str>,
    pub(super) pairs: Vec<(Field, &'a str)>,
}

impl<'a> Fields<'a> {
    /// Reads `text` as one JSON object.
    pub(super) fn read(&mut self, text: &'a str) -> Result<(), serde_json::Error> {
        self.kind = None;
        self.pairs.clear();
        let mut deserializer = serde_json::Deserializer::from_str(text);
        Gather(self).deserialize(&mut deserializer)?;
        deserializer.end()
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
                Named::Field(field) => self.0.pairs.push((field, map.next_value::<&'a RawValue>()?.get())),
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

/// The text that a JSON string stands for; nothing for any other value.
#[must_use]
pub fn text(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(raw).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
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
    use super::*;

    #[test]
    fn fields_are_found_and_foreign_ones_passed_over() {
        let mut fields = Fields::default();
        fields.read(r#" {"id":"a\"b","x":[{"id":1}],"ts": 5 ,"type":"message"} "#).unwrap();
        assert_eq!(fields.kind, Some("\"message\""));
        assert_eq!(fields.pairs, [(Field::Id, r#""a\"b""#), (Field::Ts, "5")]);
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
