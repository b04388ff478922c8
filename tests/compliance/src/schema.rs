//! The tools' JSON against its description: `doc/json.md` is read, and each field of an answer looked up in it.

use std::collections::BTreeMap;

use serde_json::Value;

/// The fields of each kind and object: name and type.
type Tables = BTreeMap<String, Vec<(String, String)>>;

/// Checks one line of `--format json`: that it has exactly the fields that `doc/json.md` names, each of its type.
/// Hands the value back.
///
/// # Panics
/// When it has not.
#[track_caller]
#[must_use]
pub fn check_json(kind: &str, line: &str) -> Value {
    let text = line.strip_suffix('\n').unwrap_or_else(|| panic!("no whole line: {line:?}"));
    assert!(!text.contains('\n'), "more than a line: {line:?}");
    let value: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    assert_eq!(value["version"], 1, "{text}");
    assert_eq!(value["kind"], kind, "{text}");
    let mut body = value.as_object().expect("an object").clone();
    body.remove("version");
    body.remove("kind");
    let faults = fields(&tables(), &format!("kind {kind}"), &Value::Object(body), kind);
    assert!(faults.is_empty(), "{}\nin {text}", faults.join("\n"));
    value
}

fn tables() -> Tables {
    let mut tables = Tables::new();
    let mut heading = None;
    for line in include_str!("../../../doc/json.md").lines() {
        if let Some(title) = line.strip_prefix("## ") {
            heading = Some(title.replace('`', ""));
        } else if let (Some(heading), Some(cells)) = (&heading, line.strip_prefix("| `")) {
            let mut cells = cells.split(" | ");
            let (name, kind) = (cells.next().unwrap_or_default(), cells.next().unwrap_or_default());
            let field = (name.trim_end_matches('`').to_owned(), kind.to_owned());
            tables.entry(heading.clone()).or_default().push(field);
        }
    }
    tables
}

/// What is wrong with an object that should have the fields of `table`.
fn fields(tables: &Tables, table: &str, value: &Value, at: &str) -> Vec<String> {
    let Some(wanted) = tables.get(table) else { return vec![format!("{at}: doc/json.md has no {table}")] };
    let Some(object) = value.as_object() else { return vec![format!("{at}: no object: {value}")] };
    let mut faults: Vec<String> = object
        .keys()
        .filter(|name| !wanted.iter().any(|(known, _)| known == *name))
        .map(|name| format!("{at}: {name}: not described"))
        .collect();
    for (name, kind) in wanted {
        match object.get(name) {
            None => faults.push(format!("{at}: {name}: missing")),
            Some(value) => faults.extend(typed(tables, kind, value, &format!("{at}.{name}"))),
        }
    }
    faults
}

/// What is wrong with a value that should be of a type.
fn typed(tables: &Tables, kind: &str, value: &Value, at: &str) -> Vec<String> {
    if let Some(kind) = kind.strip_prefix("list of ") {
        let Some(items) = value.as_array() else { return vec![format!("{at}: no list: {value}")] };
        let items = items.iter().enumerate();
        return items.flat_map(|(n, item)| typed(tables, kind, item, &format!("{at}[{n}]"))).collect();
    }
    if let Some(kind) = kind.strip_prefix("map of ") {
        let Some(map) = value.as_object() else { return vec![format!("{at}: no object: {value}")] };
        return map
            .iter()
            .flat_map(|(key, item)| typed(tables, kind, item, &format!("{at}.{key}")))
            .collect();
    }
    if let Some(kind) = kind.strip_suffix(" or null") {
        return if value.is_null() { Vec::new() } else { typed(tables, kind, value, at) };
    }
    let good = match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "state" => value.as_str().is_some_and(|word| STATES.contains(&word)),
        "time" => value.as_str().is_some_and(is_time),
        object => return fields(tables, &format!("object {object}"), value, at),
    };
    if good { Vec::new() } else { vec![format!("{at}: no {kind}: {value}")] }
}

const STATES: [&str; 8] =
    ["STOPPED", "STARTING", "RUNNING", "STOPPING", "ABORTING", "FREEZING", "FROZEN", "THAWED"];

/// `2026-11-22T01:29:59.799Z`
fn is_time(text: &str) -> bool {
    let form = "dddd-dd-ddTdd:dd:dd.dddZ";
    text.len() == form.len()
        && text.bytes().zip(form.bytes()).all(|(have, want)| match want {
            b'd' => have.is_ascii_digit(),
            letter => have == letter,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(kind: &str, text: &str) -> Vec<String> {
        typed(&tables(), kind, &serde_json::from_str(text).unwrap(), "x")
    }

    #[test]
    fn types() {
        for (kind, good, bad) in [
            ("string", "\"a\"", "1"),
            ("integer", "18446744073709551615", "1.5"),
            ("boolean or null", "null", "0"),
            ("list of string", "[\"a\"]", "[1]"),
            ("map of integer", "{\"a\":1}", "{\"a\":\"1\"}"),
            ("time", "\"2026-11-22T01:29:59.799Z\"", "\"2026-11-22 01:29:59.799Z\""),
            ("state", "\"FROZEN\"", "\"frozen\""),
            ("address", r#"{"link":"eth0","address":"::1"}"#, r#"{"link":"eth0"}"#),
            ("list of address", "[]", r#"[{"link":"a","address":"b","more":1}]"#),
        ] {
            assert_eq!(faults(kind, good), [""; 0], "{kind}");
            assert_eq!(faults(kind, bad).len(), 1, "{kind}");
        }
    }

    #[test]
    fn every_type_is_known() {
        let tables = tables();
        let plain = ["string", "integer", "number", "boolean", "state", "time"];
        for (heading, fields) in &tables {
            for (field, kind) in fields {
                let kind = ["list of ", "map of "].iter().fold(kind.as_str(), |k, p| k.trim_start_matches(p));
                let kind = kind.trim_end_matches(" or null");
                let known = plain.contains(&kind) || tables.contains_key(&format!("object {kind}"));
                assert!(known, "{heading}: {field}: {kind}");
            }
        }
    }
}
