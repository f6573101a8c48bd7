//! Reading a text that is most likely as this crate writes it, in one pass and without taking values apart.
//!
//! A [`Scan`] takes what stands at one place, if it stands there in its plain form: names without escapes, numbers without
//! signs, values that are canonical already. `None` says that it does not, and nothing else: whoever reads then parses the
//! text the long way ([`Node::parse`](super::Node::parse)), which takes every form and knows what is wrong. What a scan
//! takes is what the long way gives.

use super::parser::Parser;
use super::{DEPTH_MAX, Json, Node};

/// A place in a text.
#[derive(Clone, Copy, Debug)]
pub struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    /// The beginning of a text.
    #[must_use]
    pub const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Takes white space.
    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Takes a mark, such as a brace, and white space before it.
    pub fn mark(&mut self, mark: u8) -> Option<()> {
        self.space();
        self.is_next(mark).then_some(())
    }

    /// Takes a mark if it is next.
    pub fn is_next(&mut self, mark: u8) -> bool {
        let is_it = self.peek() == Some(mark);
        self.at += usize::from(is_it);
        is_it
    }

    /// Takes the name of a member and its colon, if it is just this name.
    pub fn name(&mut self, name: &str) -> Option<()> {
        self.space();
        let rest = self.text.get(self.at..)?.strip_prefix('"')?.strip_prefix(name)?.strip_prefix('"')?;
        self.at = self.text.len() - rest.len();
        self.mark(b':')
    }

    /// Whether a comma and a member of this name are next; then both are taken.
    pub fn has_name(&mut self, name: &str) -> bool {
        let before = self.at;
        let is_it = self.mark(b',').and_then(|()| self.name(name)).is_some();
        if !is_it {
            self.at = before;
        }
        is_it
    }

    /// Whether an item is next in a list or an object that ends so; the end or the comma before the item is taken.
    pub fn goes_on(&mut self, end: u8, first: bool) -> Option<bool> {
        self.space();
        if self.is_next(end) {
            return Some(false);
        }
        (first || self.is_next(b',')).then_some(true)
    }

    /// Takes a text without escapes.
    pub fn text(&mut self) -> Option<&'a str> {
        self.space();
        let rest = self.text.get(self.at..)?.strip_prefix('"')?;
        let end = rest.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < 0x20)?;
        let text = &rest[..end];
        (rest.as_bytes()[end] == b'"').then(|| self.at += end + 2)?;
        Some(text)
    }

    /// Takes a whole number that is a `u64`.
    pub fn count(&mut self) -> Option<u64> {
        self.space();
        let digits = self.text.as_bytes().get(self.at..)?;
        let (count, len) = leading_count(digits)?;
        self.at += len;
        // Others are no whole numbers, or of another spelling.
        (!matches!(self.peek(), Some(b'.' | b'e' | b'E'))).then_some(count)
    }

    /// Takes `true` or `false`.
    pub fn bool(&mut self) -> Option<bool> {
        self.space();
        let rest = self.text.get(self.at..)?;
        let (value, len) = if rest.starts_with("true") {
            (true, 4)
        } else if rest.starts_with("false") {
            (false, 5)
        } else {
            return None;
        };
        self.at += len;
        Some(value)
    }

    /// Takes any value, at this depth of nesting.
    pub fn value(&mut self, depth: usize) -> Option<Json> {
        self.space();
        let from = self.at;
        let bytes = self.text.as_bytes();
        if let Some(to) = canonical(bytes, from, depth) {
            self.at = to;
            return Some(Json(self.text[from..to].into()));
        }
        self.node(depth).map(|node| node.json())
    }

    /// Takes any value the long way, at this depth of nesting.
    pub fn node(&mut self, depth: usize) -> Option<Node> {
        let mut parser = Parser::new(self.text, self.at);
        let node = parser.value(depth).ok().filter(|_| parser.twice.is_none())?;
        self.at = parser.at;
        Some(node)
    }

    /// Whether nothing follows.
    pub fn is_at_end(&mut self) -> bool {
        self.space();
        self.at == self.text.len()
    }
}

/// The number that digits begin with, and how many these are; `None` if it is no `u64` or begins with a zero too many.
#[must_use]
pub fn leading_count(digits: &[u8]) -> Option<(u64, usize)> {
    let mut count: u64 = 0;
    let mut len = 0;
    while let Some(digit @ b'0'..=b'9') = digits.get(len) {
        count = count.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
        len += 1;
    }
    (len == 1 || len > 1 && digits[0] != b'0').then_some((count, len))
}

/// Where the value at a place ends; `None` if it is not canonical as it stands, or may not be.
fn canonical(bytes: &[u8], at: usize, depth: usize) -> Option<usize> {
    match *bytes.get(at)? {
        b'"' => string(bytes, at).map(|(end, _)| end),
        b'[' => {
            let depth = deeper(depth)?;
            let mut at = at + 1;
            if bytes.get(at) == Some(&b']') {
                return Some(at + 1);
            }
            loop {
                at = canonical(bytes, at, depth)?;
                match bytes.get(at)? {
                    b',' => at += 1,
                    b']' => return Some(at + 1),
                    _ => return None,
                }
            }
        }
        b'{' => object(bytes, at + 1, deeper(depth)?),
        b'-' | b'0'..=b'9' => number(bytes, at),
        b'n' => bytes[at..].starts_with(b"null").then_some(at + 4),
        b't' => bytes[at..].starts_with(b"true").then_some(at + 4),
        b'f' => bytes[at..].starts_with(b"false").then_some(at + 5),
        _ => None,
    }
}

fn deeper(depth: usize) -> Option<usize> {
    (depth < DEPTH_MAX).then_some(depth + 1)
}

/// The members of an object, whose names have to be in their order.
fn object(bytes: &[u8], mut at: usize, depth: usize) -> Option<usize> {
    if bytes.get(at) == Some(&b'}') {
        return Some(at + 1);
    }
    let mut last: Option<&[u8]> = None;
    loop {
        let (end, is_plain) = string(bytes, at)?;
        let name = &bytes[at + 1..end - 1];
        // An escape does not sort as what it stands for.
        if !is_plain || last.is_some_and(|last| last >= name) || bytes.get(end) != Some(&b':') {
            return None;
        }
        last = Some(name);
        at = canonical(bytes, end + 1, depth)?;
        match bytes.get(at)? {
            b',' => at += 1,
            b'}' => return Some(at + 1),
            _ => return None,
        }
    }
}

/// Where a text ends, and whether it is without escapes; `None` if it has escapes that may be written otherwise.
fn string(bytes: &[u8], at: usize) -> Option<(usize, bool)> {
    if bytes.get(at) != Some(&b'"') {
        return None;
    }
    let (mut at, mut is_plain) = (at + 1, true);
    loop {
        match *bytes.get(at)? {
            b'"' => return Some((at + 1, is_plain)),
            b'\\' => {
                if !matches!(bytes.get(at + 1)?, b'"' | b'\\' | b'n' | b'r' | b't') {
                    return None;
                }
                (at, is_plain) = (at + 2, false);
            }
            0..=0x1f => return None,
            _ => at += 1,
        }
    }
}

/// Where a number ends: every spelling of one is canonical.
fn number(bytes: &[u8], mut at: usize) -> Option<usize> {
    let digits = |from: usize| {
        let more = bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        (more > 0).then_some(from + more)
    };
    if bytes[at] == b'-' {
        at += 1;
    }
    let whole = at;
    at = digits(at)?;
    if bytes[whole] == b'0' && at > whole + 1 {
        return None;
    }
    if bytes.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1;
        if matches!(bytes.get(at), Some(b'+' | b'-')) {
            at += 1;
        }
        at = digits(at)?;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a value at the beginning of a text is by the long way, and how long it is.
    fn by_parts(text: &str) -> Option<(String, usize)> {
        let mut parser = Parser::new(text, 0);
        parser.space();
        let node = parser.value(0).ok()?;
        Some((node.json().to_string(), parser.at))
    }

    fn scanned(text: &str) -> Option<(String, usize)> {
        let mut scan = Scan::new(text);
        let value = scan.value(0)?;
        Some((value.to_string(), scan.at))
    }

    #[test]
    fn what_is_canonical_is_told_from_what_is_not() {
        let is_canonical = |text: &str| canonical(text.as_bytes(), 0, 0) == Some(text.len());
        for text in
            ["\"a\\n\\\"\"", "{\"a\":[1.0,-0e+7,{}],\"b\":null}", "[]", "true", "\"é😀\"", "{\"\":{\"\":[]}}"]
        {
            assert!(is_canonical(text), "{text}");
        }
        for text in [
            "{\"b\":1,\"a\":2}",
            "{\"a\":1,\"a\":2}",
            "[1, 2]",
            "\"\\u0041\"",
            "\"\\/\"",
            "{\"\\n\":1}",
            "01",
            "\"",
            "[1",
            "{\"a\"}",
            "1.",
            "",
        ] {
            assert!(!is_canonical(text), "{text}");
        }
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(is_canonical(&deep(DEPTH_MAX)) && !is_canonical(&deep(DEPTH_MAX + 1)));
    }

    #[test]
    fn members_are_taken_one_by_one() {
        let mut scan = Scan::new("{ \"a\":7,\n \"b\" : \"x\",\"c\":[true,false] }");
        scan.mark(b'{').unwrap();
        scan.name("a").unwrap();
        assert_eq!(scan.count(), Some(7));
        assert!(!scan.has_name("c") && scan.has_name("b"));
        assert_eq!(scan.text(), Some("x"));
        assert!(scan.has_name("c"));
        scan.mark(b'[').unwrap();
        assert_eq!((scan.goes_on(b']', true), scan.bool()), (Some(true), Some(true)));
        assert_eq!((scan.goes_on(b']', false), scan.bool()), (Some(true), Some(false)));
        assert_eq!((scan.goes_on(b']', false), scan.mark(b'}')), (Some(false), Some(())));
        assert!(scan.is_at_end());
        for text in ["01", "1.0", "1e3", "18446744073709551616", "-1", "", "x"] {
            assert_eq!(Scan::new(text).count(), None, "{text}");
        }
        assert_eq!(Scan::new("18446744073709551615").count(), Some(u64::MAX));
        assert_eq!(Scan::new("\"a\\n\"").text(), None);
    }

    proptest! {
        #[test]
        fn a_scan_gives_what_the_long_way_gives(text in "[\\[\\]{}\",:0-2eE.+\\\\nrtu \\-ab]{0,24}") {
            prop_assert_eq!(scanned(&text), by_parts(&text));
        }

        #[test]
        fn and_takes_what_this_crate_writes_as_it_stands(text in any::<String>(), number in any::<i64>()) {
            let fields = [(text.clone(), Node::Text(text.clone())), ("n".into(), Node::Number(number.to_string().into()))];
            let json = Node::List(vec![Node::Object(fields.into_iter().collect()), Node::Null]).json();
            prop_assert_eq!(scanned(json.as_str()), Some((json.to_string(), json.as_str().len())));
        }
    }
}
