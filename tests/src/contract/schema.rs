//! OpenAPI 3.0's dialect as JSON Schema draft 4, from which it descends.

use serde_json::{Map, Value, json};

/// What the schema judges.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Direction {
    /// A `readOnly` property must not be sent (OpenAPI 3.0.3, Schema Object).
    Request,
    /// A `writeOnly` property must not come back.
    Response,
    /// Neither counts.
    Parameter,
}

/// All component schemas, translated.
pub(super) fn components(document: &Value, direction: Direction) -> Value {
    let schemas = document["components"]["schemas"].as_object();
    let translated = schemas
        .into_iter()
        .flatten()
        .map(|(name, schema)| (name.clone(), translate(schema, document, direction)));
    Value::Object(translated.collect())
}

/// One schema, translated. Only keywords that judge are kept: an `example` may hold a `$ref` or a
/// `type` of its own.
pub(super) fn translate(schema: &Value, document: &Value, direction: Direction) -> Value {
    let Some(schema) = schema.as_object() else {
        return json!({});
    };
    if let Some(reference) = schema.get("$ref") {
        return json!({ "$ref": reference }); // siblings do not count, in draft 4 and in OpenAPI
    }
    let one = |value: &Value| translate(value, document, direction);
    let mut translated = Map::new();
    for (keyword, value) in schema {
        let value = match keyword.as_str() {
            "properties" => properties(value, document, direction),
            "items" | "not" | "additionalProperties" if value.is_object() => one(value),
            "allOf" => Value::Array(list(value).map(one).collect()),
            "anyOf" | "oneOf" => Value::Array(
                list(value)
                    .map(|schema| alternative(schema, document, direction))
                    .collect(),
            ),
            "required" => required(value, schema, document, direction),
            keyword if KEPT.contains(&keyword) => value.clone(),
            _ => continue,
        };
        translated.insert(keyword.clone(), value);
    }
    if translated.get("required") == Some(&json!([])) {
        translated.remove("required"); // draft 4 demands at least one
    }
    match schema.get("nullable") {
        Some(Value::Bool(true)) => json!({ "anyOf": [{ "type": "null" }, translated] }),
        _ => Value::Object(translated),
    }
}

/// One of several. Of their `type` the contract says "string", with the one that is meant as its
/// example: read as written, every application would pass for a bookmark, which needs nothing.
fn alternative(schema: &Value, document: &Value, direction: Direction) -> Value {
    let translated = translate(schema, document, direction);
    match type_of(schema, document) {
        Some(kind) => json!({
            "allOf": [translated, { "properties": { "type": { "enum": [kind] } } }],
        }),
        None => translated,
    }
}

/// The example of the property `type`; of several parts, the last one that has it speaks.
fn type_of<'a>(schema: &'a Value, document: &'a Value) -> Option<&'a str> {
    let schema = resolved(schema, document);
    let own = schema
        .pointer("/properties/type")
        .and_then(|kind| resolved(kind, document)["example"].as_str());
    own.or_else(|| {
        let mut parts = list(&schema["allOf"]).rev();
        parts.find_map(|part| type_of(part, document))
    })
}

fn list(value: &Value) -> std::slice::Iter<'_, Value> {
    value
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
}

/// What a reference stands for; anything else stands for itself.
fn resolved<'a>(schema: &'a Value, document: &'a Value) -> &'a Value {
    let reference = schema.get("$ref").and_then(Value::as_str);
    let target = reference.and_then(|reference| document.pointer(reference.strip_prefix('#')?));
    target.unwrap_or(schema)
}

fn properties(value: &Value, document: &Value, direction: Direction) -> Value {
    let pairs = value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, schema)| {
            let schema = if is_withheld(schema, document, direction) {
                json!({ "not": {} })
            } else {
                translate(schema, document, direction)
            };
            (name.clone(), schema)
        });
    Value::Object(pairs.collect())
}

/// What must not be sent cannot be required.
fn required(
    value: &Value,
    schema: &Map<String, Value>,
    document: &Value,
    direction: Direction,
) -> Value {
    let names = value.as_array().into_iter().flatten().filter(|name| {
        let property = name
            .as_str()
            .and_then(|name| schema.get("properties")?.get(name));
        !property.is_some_and(|property| is_withheld(property, document, direction))
    });
    Value::Array(names.cloned().collect())
}

fn is_withheld(schema: &Value, document: &Value, direction: Direction) -> bool {
    let keyword = match direction {
        Direction::Request => "readOnly",
        Direction::Response => "writeOnly",
        Direction::Parameter => return false,
    };
    resolved(schema, document).get(keyword) == Some(&Value::Bool(true))
}

const KEPT: [&str; 17] = [
    "additionalProperties",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "multipleOf",
    "pattern",
    "type",
    "uniqueItems",
];
