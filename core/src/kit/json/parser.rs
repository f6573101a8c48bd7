//! The parser of JSON values: every form that JSON has, with the place of the first flaw.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{DEPTH_MAX, Flaw, Node, quote};

/// A place in a text from which values are read.
pub(super) struct Parser<'a> {
    text: &'a str,
    /// The byte that is read next.
    pub(super) at: usize,
    /// Where the first key stands that its object has already; `None` if there is none.
    pub(super) twice: Option<usize>,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, at: usize) -> Self {
        Self { text, at, twice: None }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn wrong<T>(&self) -> Result<T, Flaw> {
        Err(Flaw::At(self.at))
    }

    pub(super) fn value(&mut self, depth: usize) -> Result<Node, Flaw> {
        self.space();
        match self.peek() {
            Some(b'{') => self.nested(depth, Self::object),
            Some(b'[') => self.nested(depth, Self::list),
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'n') => self.word("null", Node::Null),
            Some(b't') => self.word("true", Node::Bool(true)),
            Some(b'f') => self.word("false", Node::Bool(false)),
            _ => self.wrong(),
        }
    }

    fn nested(
        &mut self,
        depth: usize,
        inner: fn(&mut Self, usize) -> Result<Node, Flaw>,
    ) -> Result<Node, Flaw> {
        if depth == DEPTH_MAX {
            return Err(Flaw::Deep);
        }
        self.at += 1;
        inner(self, depth + 1)
    }

    fn word(&mut self, word: &str, node: Node) -> Result<Node, Flaw> {
        if !self.text[self.at..].starts_with(word) {
            return self.wrong();
        }
        self.at += word.len();
        Ok(node)
    }

    /// Whether the container ends here; otherwise the comma before the next item is taken.
    fn ends(&mut self, end: u8, first: bool) -> Result<bool, Flaw> {
        self.space();
        match self.peek() {
            Some(byte) if byte == end => {
                self.at += 1;
                Ok(true)
            }
            Some(b',') if !first => {
                self.at += 1;
                Ok(false)
            }
            Some(_) if first => Ok(false),
            _ => self.wrong(),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Node, Flaw> {
        let mut items = Vec::new();
        while !self.ends(b']', items.is_empty())? {
            items.push(self.value(depth)?);
        }
        Ok(Node::List(items))
    }

    fn object(&mut self, depth: usize) -> Result<Node, Flaw> {
        let mut fields = BTreeMap::new();
        let mut first = true;
        while !self.ends(b'}', first)? {
            first = false;
            self.space();
            let at = self.at;
            if self.peek() != Some(b'"') {
                return self.wrong();
            }
            // A name that UTF-8 cannot hold is none.
            let Node::Text(key) = self.string()? else { return Err(Flaw::At(at)) };
            self.space();
            if self.peek() != Some(b':') {
                return self.wrong();
            }
            self.at += 1;
            if fields.insert(key, self.value(depth)?).is_some() {
                self.twice.get_or_insert(at);
            }
        }
        Ok(Node::Object(fields))
    }

    fn number(&mut self) -> Result<Node, Flaw> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let whole = self.at;
        self.digits()?;
        if self.text.as_bytes()[whole] == b'0' && self.at > whole + 1 {
            return Err(Flaw::At(whole));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Node::Number(self.text[start..self.at].into()))
    }

    fn digits(&mut self) -> Result<(), Flaw> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { self.wrong() }
    }

    /// A text. What is half a pair goes into the second form, which is escaped throughout.
    fn string(&mut self) -> Result<Node, Flaw> {
        self.at += 1;
        let (mut sound, mut broken): (String, Option<String>) = (String::new(), None);
        loop {
            let rest = &self.text[self.at..];
            let plain =
                rest.find(|c: char| c == '"' || c == '\\' || u32::from(c) < 0x20).unwrap_or(rest.len());
            sound.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(match broken {
                        None => Node::Text(sound),
                        Some(mut all) => {
                            all.push_str(&escaped(&sound));
                            Node::Broken(all)
                        }
                    });
                }
                Some(b'\\') => match self.escape()? {
                    Ok(c) => sound.push(c),
                    Err(half) => {
                        let all = broken.get_or_insert_default();
                        all.push_str(&escaped(&sound));
                        write!(all, "\\u{half:04x}").expect("a string takes any text");
                        sound.clear();
                    }
                },
                _ => return self.wrong(),
            }
        }
    }

    /// A letter after a backslash; the half of a pair as an error within.
    fn escape(&mut self) -> Result<Result<char, u16>, Flaw> {
        let start = self.at;
        self.at += 1;
        let Some(byte) = self.peek() else { return self.wrong() };
        self.at += 1;
        let plain = match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.unit()?;
                if let Some(c) = char::from_u32(first.into()) {
                    return Ok(Ok(c));
                }
                let after = self.at;
                if (0xd800..0xdc00).contains(&first) && self.text[self.at..].starts_with("\\u") {
                    self.at += 2;
                    let second = self.unit()?;
                    if let Some(Ok(c)) = char::decode_utf16([first, second]).next() {
                        return Ok(Ok(c));
                    }
                    self.at = after;
                }
                return Ok(Err(first));
            }
            _ => return Err(Flaw::At(start)),
        };
        Ok(Ok(plain))
    }

    fn unit(&mut self) -> Result<u16, Flaw> {
        let digits = self.text.get(self.at..self.at + 4);
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let Some(unit) = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()) else {
            return self.wrong();
        };
        self.at += 4;
        Ok(unit)
    }
}

/// A text as it stands between quotes.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    quote(&mut out, text);
    out[1..out.len() - 1].to_owned()
}
