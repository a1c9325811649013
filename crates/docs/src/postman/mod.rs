//! A Postman collection (format 2.1) from an OpenAPI document: a folder a tag, a request an operation.
//!
//! It works from top to bottom without copying anything by hand: a log-in keeps the tokens that it answers with, and a
//! creation the id, in the collection's variables, which the other requests use. Accounts come first, and what takes
//! something away last, in a folder of its own.

mod order;
mod script;

use crate::document::{Document, Operation, Parameter};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const SCHEMA: &str = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json";

/// What log-ins answer with.
const TOKENS: [&str; 3] = ["access_token", "refresh_token", "meeting_token"];

/// `base_url`: where the server is, without a trailing slash; the value of the variable of that name.
pub fn postman(openapi: &Value, base_url: &str) -> Value {
    let document = Document(openapi);
    let variables = variables(document, base_url);
    let folders = order::folders(document, &variables).into_iter().map(|(tag, operations)| {
        let items: Vec<_> = operations.iter().map(|operation| item(operation, &variables)).collect();
        json!({"name": tag, "item": items})
    });
    json!({
        "info": {
            "name": openapi["info"]["title"].as_str().unwrap_or("API"),
            "description": openapi["info"]["description"].as_str().unwrap_or_default(),
            "schema": SCHEMA,
        },
        "auth": bearer("access_token"),
        "item": folders.collect::<Vec<_>>(),
        "variable": variables.iter().map(|(key, value)| json!({"key": key, "value": value})).collect::<Vec<_>>(),
    })
}

/// The collection's variables with their first values: the server, the tokens, and what stands for ids in paths.
fn variables(document: Document<'_>, base_url: &str) -> BTreeMap<String, Value> {
    let mut variables: BTreeMap<_, _> = TOKENS.map(|token| (token.to_owned(), json!(""))).into();
    variables.insert("base_url".to_owned(), json!(base_url));
    for operation in document.operations() {
        for parameter in operation.parameters().filter(|parameter| parameter.place == "path") {
            let value = parameter.example.map_or(json!(""), |example| json!(plain(&example)));
            variables.entry(variable(operation.path, parameter.name)).or_insert(value);
        }
    }
    variables
}

/// The variable for a path's parameter: one of a general name is called after the path's part before it, so that `id`
/// in `/users/{id}` is `user_id`. A meeting's code may stand where its id may, and the other way round.
fn variable(path: &str, parameter: &str) -> String {
    let before = path.split(&format!("/{{{parameter}}}")).next().and_then(|path| path.rsplit('/').next());
    match (parameter, before) {
        ("id" | "code", Some(before)) => format!("{}_id", before.trim_end_matches('s')),
        _ if parameter.ends_with("_id") => parameter.to_owned(),
        _ => format!("{parameter}_id"),
    }
}

fn bearer(variable: &str) -> Value {
    json!({"type": "bearer", "bearer": [{"key": "token", "value": format!("{{{{{variable}}}}}"), "type": "string"}]})
}

fn item(operation: &Operation<'_>, variables: &BTreeMap<String, Value>) -> Value {
    let mut item = json!({"name": operation.name(), "request": request(operation, variables), "response": []});
    let lines = script::after(operation, variables);
    if !lines.is_empty() {
        item["event"] = json!([{"listen": "test", "script": {"type": "text/javascript", "exec": lines}}]);
    }
    item
}

fn request(operation: &Operation<'_>, variables: &BTreeMap<String, Value>) -> Value {
    let mut request = json!({
        "method": operation.method.to_uppercase(),
        "description": description(operation),
        "header": headers(operation),
        "url": url(operation),
    });
    // Without a word on it, the collection's token is sent.
    if operation.body_properties().contains_key("refresh_token") {
        request["auth"] = bearer("refresh_token");
    } else if !operation.takes_token() {
        request["auth"] = json!({"type": "noauth"});
    }
    if let Some(body) = body(operation, variables) {
        let raw = format!("{body:#}");
        request["body"] = json!({"mode": "raw", "raw": raw, "options": {"raw": {"language": "json"}}});
    }
    request
}

fn description(operation: &Operation<'_>) -> String {
    if !operation.is_socket() {
        return operation.description().to_owned();
    }
    let note = "This is a WebSocket: open the same address in a WebSocket request, with `ws` for `http`.";
    format!("{}\n\n{note}", operation.description()).trim_start().to_owned()
}

fn headers(operation: &Operation<'_>) -> Vec<Value> {
    let json = operation.body_example().map(|_| json!({"key": "Content-Type", "value": "application/json"}));
    let asked = operation.parameters().filter(|parameter| parameter.place == "header");
    json.into_iter().chain(asked.map(optional)).collect()
}

/// A query parameter or a header; switched off where it may be left out, but for a socket's token.
fn optional(parameter: Parameter<'_>) -> Value {
    let is_token = parameter.place == "query" && parameter.name == "token";
    let example = || parameter.example.as_ref().map(plain).unwrap_or_default();
    json!({
        "key": parameter.name,
        "value": if is_token { "{{access_token}}".to_owned() } else { example() },
        "description": parameter.description,
        "disabled": !parameter.required && !is_token,
    })
}

fn url(operation: &Operation<'_>) -> Value {
    let segment = |part: &str| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
        Some(name) => format!(":{name}"),
        None => part.to_owned(),
    };
    let path: Vec<_> = operation.path.trim_start_matches('/').split('/').map(segment).collect();
    let (in_path, others): (Vec<_>, Vec<_>) = operation.parameters().partition(|parameter| parameter.place == "path");
    let filled = in_path.iter().map(|parameter| {
        let value = format!("{{{{{}}}}}", variable(operation.path, parameter.name));
        json!({"key": parameter.name, "value": value, "description": parameter.description})
    });
    let query = others.into_iter().filter(|parameter| parameter.place == "query").map(optional);
    let query: Vec<_> = query.collect();
    let sent = query.iter().filter(|pair| pair["disabled"] == false);
    let sent: Vec<_> = sent.map(|pair| format!("{}={}", plain(&pair["key"]), plain(&pair["value"]))).collect();
    let mark = if sent.is_empty() { "" } else { "?" };
    json!({
        "raw": format!("{{{{base_url}}}}/{}{mark}{}", path.join("/"), sent.join("&")),
        "host": ["{{base_url}}"],
        "path": path,
        "query": query,
        "variable": filled.collect::<Vec<_>>(),
    })
}

/// The body's example, with variables for what earlier requests have found out.
fn body(operation: &Operation<'_>, variables: &BTreeMap<String, Value>) -> Option<Value> {
    let mut body = operation.body_example()?;
    let asks = operation.body_properties();
    if let Value::Object(fields) = &mut body {
        if asks.contains_key("refresh_token") {
            fields.insert("refresh_token".to_owned(), json!("{{refresh_token}}"));
        }
        fill(fields, variables);
    }
    Some(body)
}

/// A text that is called as a variable is, in either case (`room_id`, `roomId`), becomes that variable.
fn fill(fields: &mut Map<String, Value>, variables: &BTreeMap<String, Value>) {
    for (name, value) in fields.iter_mut().filter(|(_, value)| value.is_string()) {
        let name = snake_case(name);
        if variables.contains_key(&name) {
            *value = json!(format!("{{{{{name}}}}}"));
        }
    }
}

fn snake_case(name: &str) -> String {
    name.chars().fold(String::new(), |mut snake, letter| {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
        snake
    })
}

/// A value as it stands in a URL.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests;
