//! An OpenAPI document, read as JSON.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// References are followed, and examples built, this deep: a type may hold itself.
const DEEPEST: usize = 12;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

#[derive(Clone, Copy)]
pub(crate) struct Document<'a>(pub(crate) &'a Value);

impl<'a> Document<'a> {
    pub(crate) fn operations(self) -> impl Iterator<Item = Operation<'a>> {
        let paths = self.0["paths"].as_object().into_iter().flatten();
        paths.flat_map(move |(path, item)| {
            let methods = METHODS.into_iter().filter_map(move |method| Some((method, item.get(method)?)));
            methods.map(move |(method, value)| Operation { document: self, method, path, item, value })
        })
    }

    /// The operations of each tag; tags in alphabetical order, each one's operations in the document's.
    pub(crate) fn by_tag(self) -> BTreeMap<&'a str, Vec<Operation<'a>>> {
        let mut tags: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for operation in self.operations() {
            tags.entry(operation.tag()).or_default().push(operation);
        }
        tags
    }

    /// What a `$ref` stands for; anything else stands for itself.
    fn resolve(self, value: &'a Value) -> &'a Value {
        let follow = |value: &&'a Value| {
            let pointer = value.get("$ref")?.as_str()?.strip_prefix('#')?;
            self.0.pointer(pointer)
        };
        std::iter::successors(Some(value), follow).take(DEEPEST).last().unwrap_or(value)
    }

    /// The properties of a schema with their schemas, those of every alternative and every part included.
    pub(crate) fn properties(self, schema: &'a Value) -> BTreeMap<&'a str, &'a Value> {
        self.properties_within(schema, DEEPEST)
    }

    fn properties_within(self, schema: &'a Value, depth: usize) -> BTreeMap<&'a str, &'a Value> {
        let schema = self.resolve(schema);
        let own = schema["properties"].as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value));
        let mut properties: BTreeMap<_, _> = own.collect();
        if depth > 0 {
            let parts = ["allOf", "oneOf", "anyOf"].into_iter().flat_map(|word| list(&schema[word]));
            properties.extend(parts.flat_map(|part| self.properties_within(part, depth - 1)));
        }
        properties
    }

    /// An example of what a schema describes: its own where it has one, else built from its parts.
    pub(crate) fn example(self, schema: &'a Value) -> Value {
        self.given(schema).unwrap_or_else(|| self.made_up(schema, DEEPEST))
    }

    /// The example that a schema itself gives.
    fn given(self, schema: &'a Value) -> Option<Value> {
        let schema = self.resolve(schema);
        let first = |word: &str| schema[word].get(0);
        let given = schema.get("example").or_else(|| first("examples"));
        given.or_else(|| schema.get("default")).or_else(|| schema.get("const")).or_else(|| first("enum")).cloned()
    }

    fn made_up(self, schema: &'a Value, depth: usize) -> Value {
        let schema = self.resolve(schema);
        let part = |part| self.given(part).unwrap_or_else(|| self.made_up(part, depth.saturating_sub(1)));
        if depth == 0 {
            return Value::Null;
        }
        if schema.get("allOf").is_some() {
            let parts = list(&schema["allOf"]).map(part).filter_map(|value| value.as_object().cloned());
            return Value::Object(parts.flatten().collect());
        }
        // Of "this or nothing", this.
        let alternatives = ["oneOf", "anyOf"].into_iter().flat_map(|word| list(&schema[word]));
        if let Some(alternative) = alternatives.into_iter().find(|schema| schema["type"] != "null") {
            return part(alternative);
        }
        match kind(schema) {
            "object" => self.made_up_object(schema, depth),
            "array" => schema.get("items").map_or(json!([]), |items| json!([part(items)])),
            "string" => json!(text(schema["format"].as_str().unwrap_or_default())),
            "integer" | "number" => schema.get("minimum").cloned().unwrap_or(json!(1)),
            "boolean" => json!(false),
            _ => Value::Null,
        }
    }

    /// What is required, and what the schema's author gave an example of: a made-up value that nobody asked for might
    /// be refused.
    fn made_up_object(self, schema: &'a Value, depth: usize) -> Value {
        let required = |name: &str| list(&schema["required"]).any(|required| required == name);
        let properties = schema["properties"].as_object().into_iter().flatten();
        let shown = properties.filter_map(|(name, schema)| {
            let made_up = || required(name).then(|| self.made_up(schema, depth - 1));
            let value = self.given(schema).filter(|value| required(name) || !value.is_null()).or_else(made_up)?;
            Some((name.clone(), value))
        });
        Value::Object(shown.collect::<Map<_, _>>())
    }
}

/// A schema's type: of `["string", "null"]`, the first that is something.
fn kind(schema: &Value) -> &str {
    let kind = &schema["type"];
    let of_many = || list(kind).filter_map(Value::as_str).find(|kind| *kind != "null");
    let implied = if schema.get("properties").is_some() { "object" } else { "" };
    kind.as_str().or_else(of_many).unwrap_or(implied)
}

fn text(format: &str) -> &'static str {
    match format {
        "date-time" => "2024-01-15T10:30:00Z",
        "date" => "2024-01-15",
        "email" => "user@example.com",
        "uuid" => "550e8400-e29b-41d4-a716-446655440000",
        "uri" => "https://example.com",
        _ => "text",
    }
}

pub(crate) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// One method of one path.
#[derive(Clone, Copy)]
pub(crate) struct Operation<'a> {
    document: Document<'a>,
    /// In lower case.
    pub(crate) method: &'static str,
    pub(crate) path: &'a str,
    item: &'a Value,
    value: &'a Value,
}

/// A parameter, where its reference leads.
pub(crate) struct Parameter<'a> {
    pub(crate) name: &'a str,
    /// `path`, `query`, `header` or `cookie`.
    pub(crate) place: &'a str,
    pub(crate) required: bool,
    pub(crate) description: &'a str,
    pub(crate) example: Option<Value>,
}

impl<'a> Operation<'a> {
    pub(crate) fn tag(&self) -> &'a str {
        self.value["tags"][0].as_str().unwrap_or("other")
    }

    /// Its summary; without one, the method and the path.
    pub(crate) fn name(&self) -> String {
        let summary = self.value["summary"].as_str().map(str::to_owned);
        summary.unwrap_or_else(|| format!("{} {}", self.method.to_uppercase(), self.path))
    }

    pub(crate) fn description(&self) -> &'a str {
        self.value["description"].as_str().unwrap_or_default()
    }

    /// A WebSocket: it answers by switching protocols.
    pub(crate) fn is_socket(&self) -> bool {
        self.value["responses"].get("101").is_some()
    }

    /// Whether a token does anything here.
    pub(crate) fn takes_token(&self) -> bool {
        let security = self.value.get("security").unwrap_or(&self.document.0["security"]);
        list(security).any(|scheme| scheme.as_object().is_some_and(|scheme| !scheme.is_empty()))
    }

    /// The operation's own parameters, and those that its path has for every method.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = Parameter<'a>> {
        let document = self.document;
        let listed = [self.value, self.item].into_iter().flat_map(|holder| list(&holder["parameters"]));
        listed.map(move |listed| {
            let found = document.resolve(listed);
            Parameter {
                name: found["name"].as_str().unwrap_or_default(),
                place: found["in"].as_str().unwrap_or_default(),
                required: found["required"] == true,
                description: found["description"].as_str().unwrap_or_default(),
                example: found.get("example").cloned().or_else(|| document.given(&found["schema"])),
            }
        })
    }

    /// The JSON body that it takes.
    fn body(&self) -> Option<&'a Value> {
        self.document.resolve(&self.value["requestBody"])["content"].get("application/json")
    }

    pub(crate) fn body_properties(&self) -> BTreeMap<&'a str, &'a Value> {
        self.body().map(|body| self.document.properties(&body["schema"])).unwrap_or_default()
    }

    pub(crate) fn body_example(&self) -> Option<Value> {
        let body = self.body()?;
        let named = || body["examples"].as_object()?.values().next()?.get("value");
        let given = body.get("example").or_else(named).cloned();
        Some(given.unwrap_or_else(|| self.document.example(&body["schema"])))
    }

    /// The properties of the JSON that it answers with when all is well (200 or 201).
    pub(crate) fn answer_properties(&self) -> BTreeMap<&'a str, &'a Value> {
        let schemas = ["200", "201"].into_iter().map(|status| {
            let response = self.document.resolve(&self.value["responses"][status]);
            &response["content"]["application/json"]["schema"]
        });
        schemas.flat_map(|schema| self.document.properties(schema)).collect()
    }

    /// Each status with what it means.
    pub(crate) fn responses(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let document = self.document;
        let responses = self.value["responses"].as_object().into_iter().flatten();
        responses.map(move |(status, response)| {
            (status.as_str(), document.resolve(response)["description"].as_str().unwrap_or_default())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(schema: Value) -> Value {
        let whole = json!({"components": {"schemas": {
            "Name": {"type": "string", "example": "Ann"},
            "Tree": {"type": "object", "required": ["child"], "properties": {"child": {"$ref": "#/components/schemas/Tree"}}},
        }}, "it": schema});
        Document(&whole).example(&whole["it"])
    }

    #[test]
    fn given_examples_come_first() {
        assert_eq!(example(json!({"$ref": "#/components/schemas/Name"})), "Ann");
        assert_eq!(example(json!({"type": "string", "examples": ["a", "b"]})), "a");
        assert_eq!(example(json!({"type": "string", "enum": ["text", "file"]})), "text");
        assert_eq!(example(json!({"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Name"}]})), "Ann");
    }

    #[test]
    fn what_is_optional_and_has_no_example_is_left_out() {
        let schema = json!({"type": "object", "required": ["email", "count"], "properties": {
            "email": {"type": "string", "format": "email"}, "count": {"type": "integer"},
            "title": {"type": ["string", "null"], "example": "T"}, "passcode": {"type": ["string", "null"]},
        }});
        assert_eq!(example(schema), json!({"email": "user@example.com", "count": 1, "title": "T"}));
    }

    #[test]
    fn parts_are_put_together() {
        let part =
            |name: &str| json!({"type": "object", "required": [name], "properties": {name: {"type": "boolean"}}});
        assert_eq!(example(json!({"allOf": [part("a"), part("b")]})), json!({"a": false, "b": false}));
        assert_eq!(example(json!({"type": "array", "items": {"type": "number"}})), json!([1]));
    }

    #[test]
    fn a_type_that_holds_itself_has_an_end() {
        let tree = example(json!({"$ref": "#/components/schemas/Tree"}));
        assert!(tree["child"]["child"].is_object());
    }
}
