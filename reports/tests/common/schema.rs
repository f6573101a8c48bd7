//! JSON beside its schema, as far as our schemas go.

use serde_json::Value;

/// In what a value is not what the schema says, each with its place; whatever keyword is not known is told as well.
pub(crate) fn differences(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    look(schema, schema, value, "", &mut found);
    found
}

fn look(root: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    for (keyword, says) in schema.as_object().unwrap() {
        let holds = match &**keyword {
            "$schema" | "title" | "description" | "$defs" => true,
            "$ref" => {
                let target = says.as_str().unwrap().strip_prefix('#').unwrap();
                look(root, root.pointer(target).unwrap(), value, place, found);
                true
            }
            "const" => says == value,
            "enum" => says.as_array().unwrap().contains(value),
            "anyOf" => says.as_array().unwrap().iter().any(|one| {
                let mut within = Vec::new();
                look(root, one, value, place, &mut within);
                within.is_empty()
            }),
            "type" => {
                let types = says.as_array().cloned().unwrap_or_else(|| vec![says.clone()]);
                types.iter().any(|one| is(one.as_str().unwrap(), value))
            }
            "items" => {
                for (at, item) in value.as_array().into_iter().flatten().enumerate() {
                    look(root, says, item, &format!("{place}/{at}"), found);
                }
                true
            }
            "required" => {
                let has = |key: &Value| value.get(key.as_str().unwrap()).is_some();
                !value.is_object() || says.as_array().unwrap().iter().all(has)
            }
            // Once for both.
            "additionalProperties" if schema.get("properties").is_some() => true,
            "properties" | "additionalProperties" => {
                members(root, schema, value, place, found);
                true
            }
            other => panic!("{other} is no keyword that these tests know"),
        };
        if !holds {
            let shown: String = value.to_string().chars().take(80).collect();
            found.push(format!("{place}: {keyword} {says}, and it is {shown}"));
        }
    }
}

fn members(root: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    for (key, member) in value.as_object().into_iter().flatten() {
        let place = format!("{place}/{key}");
        match (schema.pointer(&format!("/properties/{key}")), schema.get("additionalProperties")) {
            (Some(known), _) => look(root, known, member, &place, found),
            (None, Some(Value::Bool(false))) => found.push(format!("{place}: the schema does not have it")),
            (None, Some(others @ Value::Object(_))) => look(root, others, member, &place, found),
            (None, _) => {}
        }
    }
}

fn is(name: &str, value: &Value) -> bool {
    match name {
        "array" => value.is_array(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "object" => value.is_object(),
        "string" => value.is_string(),
        other => panic!("{other} is no type"),
    }
}
