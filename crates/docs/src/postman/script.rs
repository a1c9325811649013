//! What runs after a request: it keeps what the answer holds for the requests that come next.

use crate::{document::Operation, postman::TOKENS};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Lines of JavaScript; none where there is nothing to keep.
pub(super) fn after(operation: &Operation<'_>, variables: &BTreeMap<String, Value>) -> Vec<String> {
    let kept: BTreeSet<_> = tokens(operation).into_iter().chain(ids(operation, variables)).collect();
    if kept.is_empty() {
        return Vec::new();
    }
    let keep = |(field, variable): &(String, String)| {
        format!("  if (answer.{field} != null) pm.collectionVariables.set(\"{variable}\", answer.{field});")
    };
    let mut lines = vec!["if (pm.response.code < 300) {".to_owned(), "  const answer = pm.response.json();".to_owned()];
    lines.extend(kept.iter().map(keep));
    lines.push("}".to_owned());
    lines
}

/// Fields of the answer with the variables that keep them: tokens. What is called just `token` is an access token where
/// a password was given for it, else one of a meeting.
fn tokens(operation: &Operation<'_>) -> Vec<(String, String)> {
    let answer = operation.answer_properties();
    let mut kept: Vec<_> = TOKENS.iter().filter(|name| answer.contains_key(*name)).map(|name| (*name, *name)).collect();
    if kept.is_empty() && answer.contains_key("token") {
        let logged_in = operation.body_properties().contains_key("password");
        kept.push(("token", if logged_in { "access_token" } else { "meeting_token" }));
    }
    kept.into_iter().map(|(field, variable)| (field.to_owned(), variable.to_owned())).collect()
}

/// As [`tokens`]: ids of what the request made. Those are ids that come out and did not go in; `id` alone is that of
/// the collection's new member, as in `POST /users` and `/users/{id}`.
fn ids(operation: &Operation<'_>, variables: &BTreeMap<String, Value>) -> Vec<(String, String)> {
    if operation.method != "post" {
        return Vec::new();
    }
    let taken = operation.body_properties();
    let in_path: BTreeSet<_> = operation.parameters().map(|parameter| parameter.name).collect();
    let new = |name: &&str| !taken.contains_key(*name) && !in_path.contains(*name);
    let folder = operation.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let names = operation.answer_properties().into_keys().filter(new).map(|field| {
        let variable = if field == "id" { format!("{}_id", folder.trim_end_matches('s')) } else { field.to_owned() };
        (field.to_owned(), variable)
    });
    let is_id = |variable: &str| variables.contains_key(variable) && !TOKENS.contains(&variable);
    names.filter(|(_, variable)| is_id(variable)).collect()
}
