use super::*;

fn openapi() -> Value {
    let reference =
        |name: &str| json!({"application/json": {"schema": {"$ref": format!("#/components/schemas/{name}")}}});
    let id = json!([{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}]);
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Small", "version": "1"},
        "paths": {
            "/login": {"post": {"tags": ["auth"], "summary": "Log in", "requestBody": {"content": reference("LogIn")},
                "responses": {"200": {"description": "", "content": reference("Tokens")}}}},
            "/refresh": {"post": {"tags": ["auth"], "requestBody": {"content": {"application/json": {"schema": {"oneOf": [
                {"type": "null"}, {"$ref": "#/components/schemas/Refresh"}]}}}},
                "responses": {"200": {"description": "", "content": reference("Tokens")}}}},
            "/rooms": {
                "get": {"tags": ["rooms"], "security": [{"bearer": []}], "parameters": [
                    {"name": "limit", "in": "query", "schema": {"type": "integer", "default": 20}}],
                    "responses": {"200": {"description": ""}}},
                "post": {"tags": ["rooms"], "security": [{"bearer": []}], "requestBody": {"content": reference("NewRoom")},
                    "responses": {"201": {"description": "", "content": reference("Room")}}}},
            "/rooms/{id}": {"parameters": id, "delete": {"tags": ["rooms"], "security": [{}, {"bearer": []}],
                "responses": {"204": {"description": ""}}}},
            "/rooms/{id}/join": {"post": {"tags": ["rooms"], "parameters": id, "responses": {
                "200": {"description": "", "content": reference("Joined")}}}},
            "/rooms/{code}/mute": {"post": {"tags": ["rooms"], "parameters": [{"name": "code", "in": "path"}],
                "responses": {"200": {"description": "", "content": reference("Room")}}}},
            "/messages": {"post": {"tags": ["rooms"], "requestBody": {"content": reference("Message")},
                "responses": {"201": {"description": "", "content": reference("Message")}}}},
            "/ws/": {"get": {"tags": ["sockets"], "description": "Events.", "parameters": [
                {"name": "token", "in": "query", "schema": {"type": "string"}}], "responses": {"101": {"description": ""}}}},
        },
        "components": {"schemas": {
            "LogIn": object(&[("email", "ann@example.com"), ("password", "Secret123")]),
            "Tokens": object(&[("access_token", "a"), ("refresh_token", "r")]),
            "Refresh": {"type": "object", "properties": {"refresh_token": {"type": ["string", "null"]}}},
            "NewRoom": object(&[("name", "Lobby")]),
            "Room": object(&[("id", "r1"), ("name", "Lobby")]),
            "Joined": object(&[("token", "t"), ("id", "r1")]),
            "Message": object(&[("roomId", "r1"), ("room_id", "r1"), ("text", "Hello")]),
        }},
    })
}

fn object(fields: &[(&str, &str)]) -> Value {
    let property = |(name, example): &(&str, &str)| ((*name).to_owned(), json!({"type": "string", "example": example}));
    let required: Vec<_> = fields.iter().map(|(name, _)| name).collect();
    json!({"type": "object", "required": required, "properties": fields.iter().map(property).collect::<Map<_, _>>()})
}

/// The item of this method and path.
fn item(method: &str, path: &str) -> Value {
    let collection = postman(&openapi(), "http://localhost:8000");
    let raw = format!("{{{{base_url}}}}{path}");
    let folders = collection["item"].as_array().unwrap();
    let mut items = folders.iter().flat_map(|folder| folder["item"].as_array().unwrap());
    let wanted = |item: &&Value| item["request"]["method"] == method && item["request"]["url"]["raw"] == raw;
    items.find(wanted).unwrap_or_else(|| panic!("no {method} {path}")).clone()
}

fn sent(method: &str, path: &str) -> Value {
    serde_json::from_str(item(method, path)["request"]["body"]["raw"].as_str().unwrap()).unwrap()
}

/// Pairs of what is kept and under which name.
fn kept(method: &str, path: &str) -> Vec<(String, String)> {
    let item = item(method, path);
    let lines = item["event"][0]["script"]["exec"].as_array().cloned().unwrap_or_default();
    let set = lines.iter().filter_map(|line| line.as_str()?.split_once(".set(\"")?.1.split_once("\", answer."));
    set.map(|(variable, field)| (field.trim_end_matches(");").to_owned(), variable.to_owned())).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(field, variable)| ((*field).to_owned(), (*variable).to_owned())).collect()
}

#[test]
fn the_collection_is_of_version_2_1() {
    let collection = postman(&openapi(), "http://localhost:8000");
    assert_eq!(collection["info"]["name"], "Small");
    assert_eq!(collection["info"]["schema"], SCHEMA);
    assert_eq!(collection["auth"]["type"], "bearer");
    assert_eq!(collection["auth"]["bearer"][0]["value"], "{{access_token}}");
    let folders: Vec<_> = collection["item"].as_array().unwrap().iter().map(|folder| &folder["name"]).collect();
    assert_eq!(folders, ["auth", "rooms", "sockets", order::LAST]);
    let variables = collection["variable"].as_array().unwrap();
    assert!(variables.contains(&json!({"key": "base_url", "value": "http://localhost:8000"})));
    let names: Vec<_> = variables.iter().map(|variable| variable["key"].as_str().unwrap()).collect();
    assert_eq!(names, ["access_token", "base_url", "meeting_token", "refresh_token", "room_id"]);
}

#[test]
fn every_operation_is_a_request() {
    let collection = postman(&openapi(), "http://localhost:8000");
    let folders = collection["item"].as_array().unwrap();
    let requests: usize = folders.iter().map(|folder| folder["item"].as_array().unwrap().len()).sum();
    assert_eq!(requests, Document(&openapi()).operations().count());
}

#[test]
fn urls_are_in_parts() {
    let url = &item("DELETE", "/rooms/:id")["request"]["url"];
    assert_eq!(url["host"], json!(["{{base_url}}"]));
    assert_eq!(url["path"], json!(["rooms", ":id"]));
    assert_eq!(url["variable"][0]["key"], "id");
    assert_eq!(url["variable"][0]["value"], "{{room_id}}");
    let muted = &item("POST", "/rooms/:code/mute")["request"]["url"]["variable"];
    assert_eq!(muted, &json!([{"key": "code", "value": "{{room_id}}", "description": ""}]));
    let query = &item("GET", "/rooms")["request"]["url"]["query"];
    assert_eq!(query, &json!([{"key": "limit", "value": "20", "description": "", "disabled": true}]));
}

#[test]
fn bodies_are_examples() {
    assert_eq!(sent("POST", "/login"), json!({"email": "ann@example.com", "password": "Secret123"}));
    assert_eq!(sent("POST", "/messages"), json!({"roomId": "{{room_id}}", "room_id": "{{room_id}}", "text": "Hello"}));
    let header = &item("POST", "/login")["request"]["header"];
    assert_eq!(header, &json!([{"key": "Content-Type", "value": "application/json"}]));
}

#[test]
fn tokens_are_passed_on() {
    let tokens = pairs(&[("access_token", "access_token"), ("refresh_token", "refresh_token")]);
    assert_eq!(kept("POST", "/login"), tokens);
    assert_eq!(kept("POST", "/refresh"), tokens);
    assert_eq!(sent("POST", "/refresh"), json!({"refresh_token": "{{refresh_token}}"}));
    assert_eq!(item("POST", "/refresh")["request"]["auth"]["bearer"][0]["value"], "{{refresh_token}}");
    // Joining gives a token of the meeting alone, which must not take the place of the account's.
    assert!(kept("POST", "/rooms/:id/join").contains(&("token".to_owned(), "meeting_token".to_owned())));
}

#[test]
fn ids_of_what_was_made_are_passed_on() {
    assert_eq!(kept("POST", "/rooms"), pairs(&[("id", "room_id")]));
    assert_eq!(kept("POST", "/messages"), [], "its room went in");
    assert_eq!(kept("POST", "/rooms/:code/mute"), [], "it makes nothing");
}

#[test]
fn a_token_is_sent_where_it_does_something() {
    assert_eq!(item("POST", "/login")["request"]["auth"]["type"], "noauth");
    assert_eq!(item("GET", "/rooms")["request"].get("auth"), None);
    assert_eq!(item("DELETE", "/rooms/:id")["request"].get("auth"), None, "optional, and does something");
}

#[test]
fn sockets_are_told_apart() {
    let request = &item("GET", "/ws/?token={{access_token}}")["request"];
    assert!(request["description"].as_str().unwrap().starts_with("Events.\n\nThis is a WebSocket"));
    assert_eq!(request["url"]["query"][0]["value"], "{{access_token}}");
    assert_eq!(request["url"]["query"][0]["disabled"], false);
}
