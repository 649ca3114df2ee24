//! The JSON Schema of the pipeline file, made of the same declarations that decode it.
//!
//! Editors complete and check pipeline files by it. It knows what one value may be, and which keys a table has; what ties
//! keys to each other and to the exports only `tenure check` knows.

use std::ops::Bound::{self, Excluded, Included, Unbounded};

use serde_json::{Map, Value as Json, json};

use super::reference::{Accepts, Default, Key, keys, source_keys};
use super::tree::DocumentNode;
use crate::source_kind::{self, SourceKind};
use crate::stage::Kind;

/// A string that refers to the environment, whose value the schema cannot know.
const ENVIRONMENT: &str = r"\$\{";
/// What may name a segment or a stage.
const NAME: &str = "^[a-z][a-z0-9_]{0,49}$";

/// The schema of a pipeline file that may have stages of these kinds.
pub fn json_schema(kinds: &[Kind]) -> Json {
    let mut root = table(&keys(""));
    let properties = &mut root["properties"];
    for group in ["calendar", "money", "customers", "output"] {
        properties[group] = described(table(&keys(group)), keys(""), group);
    }
    properties["sources"] = described(sources(), keys(""), "sources");
    properties["segments"] = described(segments(), keys(""), "segments");
    properties["stages"] = described(stages(kinds), keys(""), "stages");
    let title = format!("Pipeline file of tenure {}", env!("CARGO_PKG_VERSION"));
    let mut schema = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "title": title });
    merge(&mut schema, root);
    schema["$defs"] = kinds.iter().map(|kind| (definition_name(kind), stage(kind))).collect::<Map<_, _>>().into();
    schema
}

/// A table with a fixed set of keys; a dot in a key reaches into a table within.
fn table(keys: &[Key]) -> Json {
    let mut properties = Map::new();
    let mut required: Vec<&str> = vec![];
    for key in keys {
        let value = described(value(key.accepts), [*key], key.name);
        match key.name.split_once('.') {
            None => {
                properties.insert(key.name.into(), with_default(value, key.default));
                if matches!(key.default, Default::Required) {
                    required.push(key.name);
                }
            }
            Some((outer, inner)) => {
                let within = properties
                    .entry(outer)
                    .or_insert_with(|| json!({ "type": "object", "additionalProperties": false, "properties": {} }));
                within["properties"][inner] = with_default(value, key.default);
            }
        }
    }
    let mut schema = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn with_default(mut schema: Json, default: Default) -> Json {
    match default {
        Default::Value(text) => {
            schema["default"] = DocumentNode::parse(text, 0..0).map_or(Json::Null, |node| node.json());
        }
        Default::Follows(what) | Default::Unset(what) if !what.is_empty() => {
            let doc = schema["description"].as_str().unwrap_or_default().to_owned();
            schema["description"] = format!("{doc}. Not set: {what}").into();
        }
        Default::Follows(_) | Default::Unset(_) | Default::Required => {}
    }
    schema
}

fn described(mut schema: Json, keys: impl IntoIterator<Item = Key>, name: &str) -> Json {
    if let Some(key) = keys.into_iter().find(|key| key.name == name) {
        schema["description"] = key.doc.into();
    }
    schema
}

fn sources() -> Json {
    let source = |kind: SourceKind| {
        let mut source = described(table(&source_keys(kind)), keys("sources"), kind.name());
        source["properties"]["columns"] = columns(kind);
        (kind.name().to_owned(), source)
    };
    let properties: Map<_, _> = SourceKind::ALL.into_iter().map(source).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties, "minProperties": 1 })
}

/// A canonical column is mapped from a column of the export, or from SQL over its columns.
fn columns(kind: SourceKind) -> Json {
    let mapped = json!({ "anyOf": [string(), table(&keys("sources.SOURCE.columns.COLUMN"))] });
    let column = |c: &source_kind::SourceColumn| {
        let mut schema = mapped.clone();
        schema["description"] = c.doc.into();
        (c.name.to_owned(), schema)
    };
    let known: Map<_, _> = source_kind::columns(kind).iter().map(column).collect();
    let required: Vec<&str> = source_kind::required_columns(kind).collect();
    // Customers may have any further attribute.
    let others = if kind == SourceKind::Customers { mapped } else { json!(false) };
    json!({ "type": "object", "properties": known, "required": required, "additionalProperties": others })
}

fn segments() -> Json {
    let short = value(Accepts::SourceColumn);
    let segment = json!({ "anyOf": [short, table(&keys("segments.NAME"))] });
    json!({ "type": "object", "propertyNames": { "pattern": NAME }, "additionalProperties": segment })
}

fn definition_name(kind: &Kind) -> String {
    format!("stage_{}", kind.name)
}

/// A stage with the name of a kind is of that kind; any other says which.
fn stages(kinds: &[Kind]) -> Json {
    let reference = |kind: &Kind| json!({ "$ref": format!("#/$defs/{}", definition_name(kind)) });
    let named: Map<_, _> = kinds.iter().map(|kind| (kind.name.to_owned(), reference(kind))).collect();
    let of_kind = |kind: &Kind| json!({ "if": { "properties": { "kind": { "const": kind.name } }, "required": ["kind"] }, "then": reference(kind) });
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
    let other = json!({
        "type": "object",
        "required": ["kind"],
        "properties": { "kind": choice(&names) },
        "allOf": kinds.iter().map(of_kind).collect::<Vec<_>>(),
    });
    json!({
        "type": "object",
        "propertyNames": { "pattern": NAME },
        "properties": named,
        "additionalProperties": other,
        "maxProperties": super::entries::MOST_ENTRIES,
    })
}

/// A stage of a kind.
fn stage(kind: &Kind) -> Json {
    let all: Vec<Key> = keys("stages.NAME").into_iter().chain(kind.keys.iter().copied()).collect();
    let mut schema = table(&all);
    schema["properties"]["kind"] = json!({ "const": kind.name });
    if !kind.by_segment {
        schema["properties"]["segments"] = json!({ "type": "array", "maxItems": 0 });
        schema["properties"]["by"] = json!(false);
    }
    schema
}

/// What one key takes.
fn value(accepts: Accepts) -> Json {
    match accepts {
        Accepts::Text | Accepts::Sql | Accepts::Path | Accepts::Zone => string(),
        Accepts::FileName => pattern("^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"),
        Accepts::Currency => pattern("^[A-Z]{3}$"),
        Accepts::Flag => json!({ "type": "boolean" }),
        Accepts::Int { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Accepts::Number { min, max } => number(min, max),
        Accepts::Word(words) => choice(words.now),
        Accepts::Words(words) => {
            json!({ "type": "array", "minItems": 1, "uniqueItems": true, "items": choice(words.now) })
        }
        Accepts::Date => pattern(r"^\d{4}-\d{2}-\d{2}$"),
        Accepts::Days => pattern(DAYS),
        Accepts::Months => pattern(r"^\s*\d+\s+(months?|years?)\s*$"),
        Accepts::Horizon => pattern(r"^\s*\d+\s+(periods?|days?)\s*$"),
        Accepts::ChurnAfter => {
            json!({ "anyOf": [pattern(r"^\s*(1\s+period|\d+\s+days?)\s*$"), table(&keys("customers.churn_after"))] })
        }
        Accepts::Reactivation => pattern(r"^(always|\s*\d+\s+days?\s*)$"),
        Accepts::Duration => pattern(r"^\s*\d+\s+(seconds?|minutes?|hours?|days?|weeks?)\s*$"),
        Accepts::Mode => pattern("^0?[0-7]{3}$"),
        Accepts::Paths => {
            json!({ "anyOf": [string(), { "type": "array", "minItems": 1, "items": string() }] })
        }
        Accepts::SourceColumn => pattern(r"^[^.]+\.."),
        Accepts::Scale => json!({ "type": "array", "items": { "type": "integer" }, "minItems": 2, "maxItems": 2 }),
        Accepts::Segments => json!({ "type": "array", "items": string() }),
        Accepts::Kind => string(),
        Accepts::Table => json!({ "type": "object" }),
        Accepts::Later(_) => json!({ "not": {} }),
    }
}

const DAYS: &str = r"^\s*\d+\s+days?\s*$";

fn string() -> Json {
    json!({ "type": "string", "minLength": 1 })
}

/// Strings of a form, or filled in by the environment.
fn pattern(form: &str) -> Json {
    json!({ "type": "string", "anyOf": [{ "pattern": form }, { "pattern": ENVIRONMENT }] })
}

fn choice(words: &[&str]) -> Json {
    json!({ "type": "string", "anyOf": [{ "enum": words }, { "pattern": ENVIRONMENT }] })
}

fn number(min: Bound<f64>, max: Bound<f64>) -> Json {
    let mut schema = json!({ "type": "number" });
    match min {
        Included(x) => schema["minimum"] = json!(x),
        Excluded(x) => schema["exclusiveMinimum"] = json!(x),
        Unbounded => {}
    }
    match max {
        Included(x) => schema["maximum"] = json!(x),
        Excluded(x) => schema["exclusiveMaximum"] = json!(x),
        Unbounded => {}
    }
    schema
}

fn merge(into: &mut Json, from: Json) {
    if let (Json::Object(into), Json::Object(from)) = (into, from) {
        into.extend(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::KINDS;

    #[test]
    fn the_schema_that_ships_is_that_of_this_version() {
        let shipped = include_str!("../../docs/pipeline.schema.json");
        let made = serde_json::to_string_pretty(&json_schema(KINDS)).unwrap() + "\n";
        assert_eq!(shipped, made, "write it anew: tenure schema > docs/pipeline.schema.json");
    }

    #[test]
    fn every_option_of_every_kind_is_in_it() {
        let schema = json_schema(KINDS);
        for kind in KINDS {
            let properties = &schema["$defs"][definition_name(kind)]["properties"];
            for key in kind.keys {
                let found = key.name.split('.').fold((properties, None), |(at, _), part| {
                    let found = &at[part];
                    (&found["properties"], Some(found))
                });
                let doc = found.1.and_then(|f| f["description"].as_str()).unwrap_or_default();
                assert!(doc.starts_with(key.doc), "{}.{}: {doc}", kind.name, key.name);
            }
        }
    }
}
