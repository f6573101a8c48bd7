//! An event before it has a line: what a program wants to write.

use std::borrow::Cow;
use std::fmt::Write;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::clock::Hybrid;
use super::line::{fits, text};
use super::problem::ProblemKind;
use super::schema::{Field, Kind, Log};
use crate::kit::identity::Nonce;
use crate::{Now, Rng, WallMs};

/// A record as names and JSON texts, in order; unknown names stay as they are.
///
/// Scenario files and traces hold it as the text of its line.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(into = "String", try_from = "String")]
pub struct Event {
    kind: String,
    fields: Vec<(String, String)>,
}

/// What the writing machine adds to an event.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Writing<'a> {
    /// The machine.
    pub origin: &'a str,
    /// The event's number among those of the machine.
    pub seq: i64,
    /// Its place in causal time.
    pub hybrid: Hybrid,
    /// The machine's own wall clock: what people read.
    pub wall: WallMs,
    /// The digest of the line before it.
    pub prev: Option<u64>,
    /// What tells the machine from another that chose the same id.
    pub owner: Option<Nonce>,
}

impl Event {
    /// An event of a kind, without fields.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self { kind: kind.name().to_owned(), fields: Vec::new() }
    }

    /// Reads one line.
    ///
    /// # Errors
    /// What is wrong with it: it is no object, it has no `type`, or a field is not of its kind.
    pub fn parse(line: &str) -> Result<Self, ProblemKind> {
        let mut deserializer = serde_json::Deserializer::from_str(line);
        let mut pairs = deserializer.deserialize_map(Pairs).map_err(|_| ProblemKind::NotARecord)?;
        deserializer.end().map_err(|_| ProblemKind::NotARecord)?;
        let at = pairs.iter().position(|(name, _)| name == "type").ok_or(ProblemKind::NotARecord)?;
        let (_, raw) = pairs.remove(at);
        let kind = text(&raw).ok_or(ProblemKind::NotARecord)?.into_owned();
        // Of a name that is there twice readers take the last, and what a machine adds must be that.
        let mut fields: Vec<(String, String)> = Vec::with_capacity(pairs.len());
        for (name, raw) in pairs {
            match fields.iter_mut().find(|(known, _)| *known == name) {
                Some((_, value)) => *value = raw,
                None => fields.push((name, raw)),
            }
        }
        let event = Self { kind, fields };
        for (name, raw) in &event.fields {
            if let Some(field) = Field::from_name(name).filter(|&field| event.kind().slot(field).is_some()) {
                fits(event.kind(), field, raw)?;
            }
        }
        Ok(event)
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        Kind::from_name(&self.kind)
    }

    /// The log it belongs to; `None` if the kind is unknown.
    #[must_use]
    pub fn log(&self) -> Option<Log> {
        self.kind().log()
    }

    /// Sets a field to a JSON text.
    #[must_use]
    pub fn with_raw(mut self, name: &str, raw: impl Into<String>) -> Self {
        let raw = raw.into();
        match self.fields.iter_mut().find(|(known, _)| known == name) {
            Some((_, value)) => *value = raw,
            None => self.fields.push((name.to_owned(), raw)),
        }
        self
    }

    /// Sets a field to a string.
    #[must_use]
    pub fn with_text(self, field: Field, text: &str) -> Self {
        let raw = serde_json::Value::from(text).to_string();
        self.with_raw(field.name(), raw)
    }

    /// Sets a field to a number.
    #[must_use]
    pub fn with_int(self, field: Field, number: i64) -> Self {
        self.with_raw(field.name(), number.to_string())
    }

    /// The JSON text of a field; `None` if it is absent or `null`.
    #[must_use]
    pub fn raw(&self, field: Field) -> Option<&str> {
        let (_, raw) = self.fields.iter().rev().find(|(name, _)| name == field.name())?;
        Some(raw.as_str()).filter(|&raw| raw != "null")
    }

    /// The text of a field that is a string.
    #[must_use]
    pub fn text(&self, field: Field) -> Option<Cow<'_, str>> {
        self.raw(field).and_then(text)
    }

    /// The first of the fields that name its subject which it lacks.
    #[must_use]
    pub fn lacks(&self) -> Option<Field> {
        let empty = |field| self.text(field).is_none_or(|text| text.is_empty());
        self.kind().key().iter().copied().find(|&field| empty(field))
    }

    /// Gives a creation that has no name yet a GUID, as upstream forms them: a prefix and eight characters of
    /// base 36.
    #[must_use]
    pub fn named(self, rng: &mut dyn Rng) -> Self {
        let (field, prefix) = match self.kind() {
            Kind::Message => (Field::Id, "msg-"),
            Kind::Thread => (Field::Guid, "thrd-"),
            Kind::Question => (Field::Guid, "qstn-"),
            _ => return self,
        };
        if self.text(field).is_some() {
            return self;
        }
        let mut guid = prefix.to_owned();
        for _ in 0..8 {
            let digit = u32::try_from(rng.up_to(35)).expect("35 at most");
            guid.push(char::from_digit(digit, 36).expect("a digit of base 36"));
        }
        self.with_text(field, &guid)
    }

    /// The event with what upstream's readers expect of its kind and the writer left out: the times.
    #[must_use]
    pub fn dated(self, now: Now) -> Self {
        let kind = self.kind();
        // Reactions, faves, roles and cursors are told in milliseconds, everything else in seconds.
        let fine = matches!(
            kind,
            Kind::Reaction
                | Kind::GhostCursor
                | Kind::AgentFave
                | Kind::AgentUnfave
                | Kind::RoleHold
                | Kind::RoleDrop
                | Kind::RolePlay
                | Kind::RoleStop
        );
        let time = if fine { now.wall.0 } else { now.wall.0.div_euclid(1_000) };
        let first = match kind {
            Kind::MessageUpdate if self.raw(Field::Body).is_none() => Field::Ts,
            kind => kind.times()[0],
        };
        if self.raw(first).is_some() { self } else { self.with_int(first, time) }
    }

    /// The line, without its newline and without anything added.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = format!("{{\"type\":{}", serde_json::Value::from(self.kind.as_str()));
        for (name, raw) in &self.fields {
            write!(line, ",{}:{raw}", serde_json::Value::from(name.as_str()))
                .expect("a string takes any text");
        }
        line.push('}');
        // Within a JSON string a line break is escaped; elsewhere it is white space, and would end the record.
        if line.contains(['\n', '\r']) { line.replace(['\n', '\r'], " ") } else { line }
    }

    /// The line as a machine writes it in the hardened design, without its newline.
    #[must_use]
    pub fn hardened(&self, writing: &Writing<'_>) -> String {
        let mut event = self.published(writing.origin, writing.seq);
        if event.raw(Field::Ts).is_none() && event.kind().slot(Field::Ts).is_some() {
            event = event.with_int(Field::Ts, writing.wall.0.div_euclid(1_000));
        }
        event = event.with_raw(Field::Hlc.name(), writing.hybrid.to_string());
        if let Some(prev) = writing.prev {
            event = event.with_text(Field::Prev, &format!("{prev:016x}"));
        }
        if let Some(owner) = writing.owner {
            event = event.with_text(Field::Owner, &owner.to_string());
        }
        event.line()
    }

    /// The event as upstream's programs write it: a message gets its origin, and only some kinds a number.
    #[must_use]
    pub fn published(&self, origin: &str, seq: i64) -> Self {
        self.clone().with_text(Field::Origin, origin).with_int(Field::Seq, seq)
    }
}

impl From<Event> for String {
    fn from(event: Event) -> Self {
        event.line()
    }
}

impl TryFrom<String> for Event {
    type Error = ProblemKind;

    fn try_from(line: String) -> Result<Self, ProblemKind> {
        Self::parse(&line)
    }
}

struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(String, String)>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        while let Some((name, raw)) = map.next_entry::<String, &'de RawValue>()? {
            match pairs.iter_mut().find(|(known, _)| *known == name) {
                Some((_, value)) => raw.get().clone_into(value),
                None => pairs.push((name, raw.get().to_owned())),
            }
        }
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Draw, Mono};

    fn event() -> impl Strategy<Value = Event> {
        let known = (0..Kind::ALL.len()).prop_map(|at| Kind::ALL[at].name().to_owned());
        let kind = prop_oneof![known, "[a-z_]{1,12}|\\PC{0,6}"];
        let raw = prop_oneof![
            any::<i64>().prop_map(|number| number.to_string()),
            "\\PC{0,20}".prop_map(|text| serde_json::Value::from(text).to_string()),
            Just("null".to_owned()),
            Just(r#"{"a":[1,{"b":null}]}"#.to_owned()),
        ];
        let name = "x_[a-z]{0,5}|\\PC{1,6}".prop_filter("the kind is apart", |name| name != "type");
        (kind, proptest::collection::btree_map(name, raw, 0..6)).prop_map(|(kind, fields)| Event {
            kind,
            fields: fields.into_iter().filter(|(name, _)| Field::from_name(name).is_none()).collect(),
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(event in event(), body in "\\PC*", seq in any::<i64>()) {
            let event = event.with_text(Field::Body, &body).with_int(Field::Seq, seq);
            prop_assert_eq!(Event::parse(&event.line()), Ok(event));
        }
    }

    #[test]
    fn a_line_as_a_hardened_machine_writes_it() {
        let now = Now { mono: Mono(0), wall: WallMs(1_767_137_342_123) };
        let event = Event::new(Kind::Message)
            .with_text(Field::Body, "hi \"you\"\n")
            .named(&mut Draw::Fraction(0).rng());
        let hybrid = Hybrid { ms: 1_767_137_342_123, count: 2 };
        let line = event.dated(now).hardened(&Writing {
            origin: "laptop",
            seq: 7,
            hybrid,
            wall: now.wall,
            prev: Some(255),
            owner: Some(Nonce(42)),
        });
        insta::assert_snapshot!(line, @r#"{"type":"message","body":"hi \"you\"\n","id":"msg-00000000","ts":1767137342,"origin":"laptop","seq":7,"hlc":[1767137342123,2],"prev":"00000000000000ff","owner":"0000002a"}"#);
    }

    #[test]
    fn faulty_lines_are_named() {
        for (line, problem) in [
            ("nonsense", ProblemKind::NotARecord),
            ("{\"id\":1}", ProblemKind::NotARecord),
            ("{\"type\":\"message\",\"id\":5}", ProblemKind::WrongField),
        ] {
            assert_eq!(Event::parse(line), Err(problem), "{line}");
        }
        assert_eq!(
            Event::new(Kind::AgentFave).with_text(Field::AgentId, "opus").lacks(),
            Some(Field::ItemType)
        );
    }
}
