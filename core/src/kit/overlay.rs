//! Configuration overlay: single values in place of those of a configuration, spelt one way everywhere.
//!
//! A scenario's table and an agent's settings file name the fields of one serde struct in `snake_case`. Nothing is
//! written a second time: a new field of the struct can be given at once.
//!
//! # Guarantees
//! - A key that the struct does not have is refused, and the error lists those it has.
//! - `settle-ms`, as files were written once, means `settle_ms`. Both in one table are refused.
//! - Tables are laid over tables, key by key; lists and values are replaced.
//! - There are no fractions: a state must not depend on how a machine rounds.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Values by the names of a struct's fields, in `snake_case`. Empty if nothing is given.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "BTreeMap<String, Value>")]
pub struct Overlay(BTreeMap<String, Value>);

/// Why values cannot be laid over a configuration.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum OverlayError {
    /// The key is given in two spellings.
    #[error("`{key}` is given twice, with `-` and with `_`: leave one of them out")]
    Twice {
        /// The key.
        key: String,
    },
    /// A value is a fraction.
    #[error("`{key}` is {value}: give a whole number")]
    Fraction {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// There is no such field.
    #[error("`{key}` is no key here: there are {known}")]
    Unknown {
        /// The key.
        key: String,
        /// Those that there are.
        known: String,
    },
    /// The field takes no such value.
    #[error("`{key}` has a value of the wrong kind: {why}")]
    Kind {
        /// The key.
        key: String,
        /// What the field says.
        why: String,
    },
}

impl TryFrom<BTreeMap<String, Value>> for Overlay {
    type Error = OverlayError;

    fn try_from(given: BTreeMap<String, Value>) -> Result<Self, OverlayError> {
        let mut values = BTreeMap::new();
        for (key, value) in given {
            let (key, value) = (snake(&key), spelt(&key, value)?);
            if values.insert(key.clone(), value).is_some() {
                return Err(OverlayError::Twice { key });
            }
        }
        Ok(Self(values))
    }
}

impl Overlay {
    /// Whether nothing is given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives one more value, in place of one that was given. The key is a field's name.
    pub fn set(&mut self, key: &str, value: u64) {
        self.0.insert(snake(key), value.into());
    }

    /// The configuration with the given values in place of its own.
    ///
    /// # Errors
    /// The first key that the configuration does not have, or whose value it does not take. Relations between
    /// values are the configuration's to check.
    ///
    /// # Panics
    /// If `base` is not made of named fields.
    pub fn over<T: DeserializeOwned + Serialize>(&self, base: &T) -> Result<T, OverlayError> {
        let Ok(Value::Object(mut fields)) = serde_json::to_value(base) else {
            panic!("a configuration is made of named fields");
        };
        let made = |fields: &Map<String, Value>| serde_json::from_value::<T>(Value::Object(fields.clone()));
        let mut whole = made(&fields).expect("a configuration survives its text");
        for (key, value) in &self.0 {
            lay(&mut fields, key, key, value)?;
            whole =
                made(&fields).map_err(|why| OverlayError::Kind { key: key.clone(), why: why.to_string() })?;
        }
        Ok(whole)
    }
}

/// Puts one value into its field. `name` is the whole key, for people.
fn lay(fields: &mut Map<String, Value>, name: &str, key: &str, value: &Value) -> Result<(), OverlayError> {
    let Some(field) = fields.keys().find(|field| snake(field) == key).cloned() else {
        let known: Vec<_> = fields.keys().map(|field| snake(field)).collect();
        return Err(OverlayError::Unknown { key: name.to_owned(), known: known.join(", ") });
    };
    match (&mut fields[&field], value) {
        (Value::Object(inner), Value::Object(values)) => {
            for (key, value) in values {
                lay(inner, &format!("{name}.{key}"), key, value)?;
            }
        }
        (place, value) => *place = value.clone(),
    }
    Ok(())
}

/// A value whose keys are in `snake_case`, without fractions.
fn spelt(name: &str, value: Value) -> Result<Value, OverlayError> {
    match value {
        Value::Number(number) if number.is_f64() => {
            Err(OverlayError::Fraction { key: snake(name), value: number.to_string() })
        }
        Value::Object(fields) => {
            let inner = fields.into_iter().collect::<BTreeMap<_, _>>();
            let Overlay(inner) = inner.try_into()?;
            Ok(Value::Object(inner.into_iter().collect()))
        }
        Value::Array(items) => {
            items.into_iter().map(|item| spelt(name, item)).collect::<Result<_, _>>().map(Value::Array)
        }
        other => Ok(other),
    }
}

fn snake(key: &str) -> String {
    key.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    struct Config {
        settle_ms: u64,
        voters: Vec<String>,
        beat: Beat,
    }

    #[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
    #[serde(deny_unknown_fields)]
    struct Beat {
        base_ms: u64,
        jitter_ms: u64,
    }

    fn base() -> Config {
        Config { settle_ms: 5, voters: vec!["a".into()], beat: Beat { base_ms: 1, jitter_ms: 2 } }
    }

    fn laid(text: &str) -> Result<Config, String> {
        let overlay: Overlay = serde_json::from_str(text).map_err(|error| error.to_string())?;
        overlay.over(&base()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_key_is_spelt_one_way_and_the_old_one_means_the_same() {
        let changed = Config { settle_ms: 9, ..base() };
        assert_eq!(laid(r#"{"settle_ms":9}"#), Ok(changed.clone()));
        assert_eq!(laid(r#"{"settle-ms":9}"#), Ok(changed));
        let beat = Config { beat: Beat { base_ms: 1, jitter_ms: 7 }, voters: vec![], ..base() };
        assert_eq!(laid(r#"{"beat":{"jitter-ms":7},"voters":[]}"#), Ok(beat));
        assert_eq!(laid("{}"), Ok(base()));
    }

    #[test]
    fn what_does_not_fit_is_named_with_the_way_out() {
        insta::assert_snapshot!(laid(r#"{"settel_ms":9}"#).unwrap_err(), @"`settel_ms` is no key here: there are beat, settle_ms, voters");
        insta::assert_snapshot!(laid(r#"{"beat":{"jiter-ms":9}}"#).unwrap_err(), @"`beat.jiter_ms` is no key here: there are base_ms, jitter_ms");
        insta::assert_snapshot!(laid(r#"{"settle_ms":9,"settle-ms":9}"#).unwrap_err(), @"`settle_ms` is given twice, with `-` and with `_`: leave one of them out");
        insta::assert_snapshot!(laid(r#"{"settle_ms":"long"}"#).unwrap_err(), @r#"`settle_ms` has a value of the wrong kind: invalid type: string "long", expected u64"#);
        insta::assert_snapshot!(laid(r#"{"settle_ms":-1}"#).unwrap_err(), @"`settle_ms` has a value of the wrong kind: invalid value: integer `-1`, expected u64");
        insta::assert_snapshot!(laid(r#"{"settle_ms":1.5}"#).unwrap_err(), @"`settle_ms` is 1.5: give a whole number");
    }

    #[test]
    fn an_overlay_survives_its_text() {
        let overlay: Overlay = serde_json::from_str(r#"{"settle-ms":9}"#).unwrap();
        assert_eq!(serde_json::to_string(&overlay).unwrap(), r#"{"settle_ms":9}"#);
        assert!(!overlay.is_empty() && Overlay::default().is_empty());
        let mut other = Overlay::default();
        other.set("settle-ms", 9);
        assert_eq!(other, overlay);
    }
}
