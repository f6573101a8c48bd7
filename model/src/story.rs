//! Choices as a person reads them.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

/// A choice in one line: who, what, and whatever is not as usual.
pub(crate) fn line<C: Serialize>(choice: &C) -> String {
    let fields = match serde_json::to_value(choice) {
        Ok(Value::Object(fields)) => fields,
        other => return format!("{other:?}"),
    };
    let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or("");
    let mut line = [text("replica"), text("do"), text("path")].join(" ").trim().to_owned();
    for (key, value) in &fields {
        if matches!(key.as_str(), "replica" | "do" | "path") || is_usual(key, value) {
            continue;
        }
        write!(line, " {key}={value}").expect("writing to a string works");
    }
    line
}

/// Whether a value is the one that goes without saying.
fn is_usual(key: &str, value: &Value) -> bool {
    match key {
        "arrival" | "part" => value == "whole",
        "back" | "torn-percent" => *value == 0,
        "draw" => value["fraction"] == 0,
        "loss" => value == "kept",
        "lost" => *value == Value::Bool(false),
        _ => false,
    }
}
