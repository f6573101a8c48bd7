//! JSON values as others wrote them: exact, comparable, hashable.
//!
//! # Guarantees
//! - A number keeps its digits: thirty of them, or `1.0`, come out as they went in. Whether two numbers are the same
//!   number is told apart from how they are written ([`Json::same`]).
//! - The text of a [`Json`] is canonical: keys sorted by their letters, no white space, one spelling for each letter.
//!   The order of keys, escapes, indentation, a byte order mark and line ends make no other value.
//! - `null`, `{}`, `[]`, `""`, `0` and `false` are six values, and none of them is absence.
//! - Text with half a surrogate pair, which JavaScript can write and UTF-8 cannot hold, keeps its escape.
//! - Parsing is bounded in depth ([`DEPTH_MAX`]) and never panics.
//!
//! Of a key that is there twice in one object the last one counts, as JavaScript has it.

mod parser;
pub mod scan;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use parser::Parser;

/// How deep values may be nested; as many levels as `serde_json` takes.
pub const DEPTH_MAX: usize = 127;

/// A JSON value as its canonical text.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Json(Arc<str>);

/// Why bytes are no JSON value.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum Flaw {
    /// There are no bytes, or white space only.
    #[error("it is empty")]
    Empty,
    /// They are not JSON from this byte on, counted from 0.
    #[error("it is no JSON from byte {0} on")]
    At(usize),
    /// Values are nested deeper than [`DEPTH_MAX`].
    #[error("it is nested deeper than 127 levels")]
    Deep,
    /// They are not UTF-8.
    #[error("it is not UTF-8")]
    NotText,
    /// An object has a key twice, which stands at this byte the second time, counted from 0: [`Node::parse_once`].
    #[error("it says the same thing twice, the second time at byte {0}")]
    Twice(usize),
}

/// A JSON value, taken apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Node {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it is written.
    Number(Arc<str>),
    /// A text.
    Text(String),
    /// A text with half a surrogate pair, escaped, without its quotes.
    Broken(String),
    /// An array.
    List(Vec<Self>),
    /// An object.
    Object(BTreeMap<String, Self>),
}

impl Node {
    /// Parses one value. A byte order mark before it is skipped.
    ///
    /// # Errors
    /// The first [`Flaw`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Flaw> {
        Self::whole(bytes).map(|(node, _)| node)
    }

    /// Parses one value in which no object has a key twice: what says two things is not believed.
    ///
    /// # Errors
    /// The first [`Flaw`]; [`Flaw::Twice`] if there is no other.
    pub fn parse_once(bytes: &[u8]) -> Result<Self, Flaw> {
        match Self::whole(bytes)? {
            (_, Some(at)) => Err(Flaw::Twice(at)),
            (node, None) => Ok(node),
        }
    }

    /// One value, and where the first key stands that its object has already.
    fn whole(bytes: &[u8]) -> Result<(Self, Option<usize>), Flaw> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|_| Flaw::NotText)?;
        if text.trim_ascii().is_empty() {
            return Err(Flaw::Empty);
        }
        let mut parser = Parser::new(text, 0);
        let node = parser.value(0)?;
        parser.space();
        if parser.at == text.len() { Ok((node, parser.twice)) } else { Err(Flaw::At(parser.at)) }
    }

    /// The value of a key; `None` if it is no object or has no such key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.object()?.get(key)
    }

    /// The fields of an object; `None` for other values.
    #[must_use]
    pub fn object(&self) -> Option<&BTreeMap<String, Self>> {
        match self {
            Self::Object(fields) => Some(fields),
            _ => None,
        }
    }

    /// The items of an array; `None` for other values.
    #[must_use]
    pub fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// A text; `None` for other values.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number that is a `u64`; `None` for other values.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        self.number()?.parse().ok()
    }

    /// A number that is an `i64`; `None` for other values.
    #[must_use]
    pub fn int(&self) -> Option<i64> {
        self.number()?.parse().ok()
    }

    /// A number as it is written; `None` for other values.
    #[must_use]
    pub fn number(&self) -> Option<&str> {
        match self {
            Self::Number(number) => Some(number),
            _ => None,
        }
    }

    /// A truth value; `None` for other values.
    #[must_use]
    pub fn bool(&self) -> Option<bool> {
        match self {
            Self::Bool(bool) => Some(*bool),
            _ => None,
        }
    }

    /// The canonical value.
    #[must_use]
    pub fn json(&self) -> Json {
        let mut text = String::new();
        self.write(&mut text);
        Json(text.into())
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Number(number) => out.push_str(number),
            Self::Text(text) => quote(out, text),
            Self::Broken(text) => {
                out.push('"');
                out.push_str(text);
                out.push('"');
            }
            Self::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(fields) => {
                out.push('{');
                for (at, (key, value)) in fields.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    quote(out, key);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// Whether both are one value, however their numbers are written.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(one), Self::Number(two)) => one == two || normal(one) == normal(two),
            (Self::List(one), Self::List(two)) => {
                one.len() == two.len() && one.iter().zip(two).all(|(one, two)| one.same(two))
            }
            (Self::Object(one), Self::Object(two)) => {
                one.len() == two.len()
                    && one.iter().zip(two).all(|((key, one), (name, two))| key == name && one.same(two))
            }
            (one, two) => one == two,
        }
    }
}

/// Writes a text as JSON, with quotes.
pub fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => {
                write!(out, "\\u{:04x}", u32::from(c)).expect("a string takes any text");
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A number without its spelling: sign, digits without zeros at either end, and the exponent of the last digit. An
/// exponent that is no `i64` is told by its text.
fn normal(number: &str) -> (bool, String, Result<i64, &str>) {
    let (negative, rest) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    let digits = digits.trim_start_matches('0');
    let shortened = digits.trim_end_matches('0');
    if shortened.is_empty() {
        return (false, String::new(), Ok(0));
    }
    let shift = i64::try_from(digits.len() - shortened.len()).unwrap_or(0)
        - i64::try_from(fraction.len()).unwrap_or(0);
    let place = exponent.parse::<i64>().ok().and_then(|exponent| exponent.checked_add(shift)).ok_or(number);
    (negative, shortened.to_owned(), place)
}

impl Json {
    /// Parses one value.
    ///
    /// # Errors
    /// As [`Node::parse`].
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        Node::parse(text.as_bytes()).map(|node| node.json())
    }

    /// The value of a text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        let mut out = String::with_capacity(text.len() + 2);
        quote(&mut out, text);
        Self(out.into())
    }

    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value taken apart.
    ///
    /// # Panics
    /// Never: the text was written by this type.
    #[must_use]
    pub fn node(&self) -> Node {
        Node::parse(self.0.as_bytes()).expect("a canonical text is JSON")
    }

    /// Whether both are one value: `1.0`, `1` and `10e-1` are, `1` and `"1"` are not.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.0 == other.0
            || match (self.0.as_bytes().first(), other.0.as_bytes().first()) {
                // Of other values each has one text.
                (Some(one @ (b'[' | b'{')), Some(two)) => one == two && self.node().same(&other.node()),
                (Some(b'-' | b'0'..=b'9'), Some(b'-' | b'0'..=b'9')) => normal(&self.0) == normal(&other.0),
                _ => false,
            }
    }

    /// One object of these fields, which come in the order of their names, each name once.
    #[must_use]
    pub fn object<'a>(fields: impl IntoIterator<Item = (&'a str, &'a Self)>) -> Self {
        let mut out = String::from("{");
        for (name, value) in fields {
            if out.len() > 1 {
                out.push(',');
            }
            quote(&mut out, name);
            out.push(':');
            out.push_str(&value.0);
        }
        out.push('}');
        Self(out.into())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<i64> for Json {
    fn from(number: i64) -> Self {
        Self(number.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text).unwrap_or_else(|flaw| panic!("{text}: {flaw}"))
    }

    #[test]
    fn one_value_has_one_text() {
        let plain = json(r#"{"title":"café / \u0007","sub":{"x":1,"y":[2,null]}}"#);
        assert_eq!(plain.as_str(), "{\"sub\":{\"x\":1,\"y\":[2,null]},\"title\":\"café / \\u0007\"}");
        for other in [
            "\u{feff}{\"title\" : \"caf\\u00e9 \\/ \\u0007\",\r\n\t\"sub\": {\"y\": [2, null], \"x\": 1}}\n",
            r#"{"sub":{"x":0},"sub":{"x":1,"y":[2,null]},"title":"caf\u00E9 / \u0007"}"#,
        ] {
            assert_eq!(json(other), plain);
        }
        assert_eq!(json(r#""\ud83d\ude00""#), json("\"😀\""));
    }

    #[test]
    fn a_number_keeps_its_digits() {
        for number in [
            "9007199254740993",
            "18446744073709551616",
            "-123456789012345678901234567890",
            "1.0",
            "1e400",
            "-0",
            "0.10",
        ] {
            assert_eq!(json(number).as_str(), number);
        }
        assert!(
            json("1.0").same(&json("1")) && json("[1e2]").same(&json("[100]")) && json("-0").same(&json("0"))
        );
        assert!(json("0.5").same(&json("5E-1")) && json("1000").same(&json("1e+3")));
        assert!(!json("9007199254740992").same(&json("9007199254740993")));
        assert!(!json("1").same(&json("\"1\"")) && !json("1").same(&json("-1")));
        assert!(!json("1e99999999999999999999").same(&json("1e99999999999999999998")));
    }

    #[test]
    fn empty_things_are_told_apart() {
        let all = ["null", "{}", "[]", "\"\"", "0", "false"].map(json);
        for (at, one) in all.iter().enumerate() {
            for (other, two) in all.iter().enumerate() {
                assert_eq!(at == other, one.same(two));
            }
        }
    }

    #[test]
    fn texts_are_compared_as_their_values_are() {
        let values = [
            "null",
            "true",
            "false",
            "0",
            "-0",
            "0.0",
            "1",
            "1.0",
            "10e-1",
            "-1",
            "\"\"",
            "\"1\"",
            "\"\\ud83d\"",
            "[]",
            "[1]",
            "[1.0]",
            "[\"1\"]",
            "{}",
            "{\"a\":1}",
            "{\"a\":1.0}",
            "{\"a\":\"1\"}",
            "{\"b\":1}",
        ];
        let values = values.map(json);
        for one in &values {
            for two in &values {
                assert_eq!(one.same(two), one.node().same(&two.node()), "{one} and {two}");
            }
        }
        let named: BTreeMap<String, Json> =
            values.iter().enumerate().map(|(at, value)| (format!("{at}\"\u{1}"), value.clone())).collect();
        let parts = named.iter().map(|(name, value)| (name.clone(), value.node())).collect();
        let object = Json::object(named.iter().map(|(name, value)| (name.as_str(), value)));
        assert_eq!(object, Node::Object(parts).json());
        assert_eq!(Json::object([]), json("{}"));
    }

    #[test]
    fn half_a_pair_keeps_its_escape() {
        let value = json(r#"["a\ud83db","\udc00\"x"]"#);
        assert_eq!(value.as_str(), r#"["a\ud83db","\udc00\"x"]"#);
        assert_eq!(json(value.as_str()), value);
        assert!(Json::parse(r#"{"\ud800":1}"#).is_err());
    }

    #[test]
    fn flaws_have_places() {
        for (text, flaw) in [
            ("", Flaw::Empty),
            (" \n", Flaw::Empty),
            ("{", Flaw::At(1)),
            ("{\"a\":}", Flaw::At(5)),
            ("[1,]", Flaw::At(3)),
            ("01", Flaw::At(0)),
            ("1.", Flaw::At(2)),
            ("nul", Flaw::At(0)),
            ("1 2", Flaw::At(2)),
            ("\"a\n\"", Flaw::At(2)),
            ("\"\\x\"", Flaw::At(1)),
            ("\"\\u12\"", Flaw::At(3)),
            ("{,}", Flaw::At(1)),
            ("'a'", Flaw::At(0)),
            ("NaN", Flaw::At(0)),
        ] {
            assert_eq!(Json::parse(text), Err(flaw), "{text}");
        }
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(Json::parse(&deep(DEPTH_MAX)).is_ok());
        assert_eq!(Json::parse(&deep(DEPTH_MAX + 1)), Err(Flaw::Deep));
        assert_eq!(Json::parse(&"[".repeat(1_000_000)), Err(Flaw::Deep));
        assert_eq!(Node::parse(b"\"\xff\""), Err(Flaw::NotText));
    }

    proptest! {
        #[test]
        fn bytes_of_nobody_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..80), text in "[\\[\\]{}\",:0-9eE.+\\\\u \\-a]{0,40}") {
            let _ = Node::parse(&bytes);
            if let Ok(node) = Node::parse(text.as_bytes()) {
                prop_assert_eq!(node.json().node().json(), node.json());
                prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok() || text.contains(['e', 'E', 'u']));
            }
        }

        #[test]
        fn texts_survive(text in any::<String>()) {
            let value = Json::text(&text);
            prop_assert_eq!(value.node(), Node::Text(text.clone()));
            prop_assert_eq!(serde_json::from_str::<String>(value.as_str()).unwrap(), text);
        }
    }
}
