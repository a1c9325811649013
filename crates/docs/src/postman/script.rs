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

/// Whether it makes an account.
pub(super) fn registers(operation: &Operation<'_>) -> bool {
    creates(operation) && operation.body_properties().contains_key("password")
}

/// Whether it answers a password with a token.
pub(super) fn logs_in(operation: &Operation<'_>) -> bool {
    operation.body_properties().contains_key("password") && !tokens(operation).is_empty()
}

/// Whether it makes what other requests name.
pub(super) fn makes(operation: &Operation<'_>, variables: &BTreeMap<String, Value>) -> bool {
    creates(operation) && !ids(operation, variables).is_empty()
}

fn creates(operation: &Operation<'_>) -> bool {
    operation.method == "post" && operation.responses().any(|(status, _)| status == "201")
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

/// As [`tokens`]: ids of what the request made, by a creation (201) or by joining, which gives a token. Those are ids
/// that come out and did not go in; `id` alone is that of the folder's new member, as in `POST /users` and `/users/{id}`.
fn ids(operation: &Operation<'_>, variables: &BTreeMap<String, Value>) -> Vec<(String, String)> {
    if operation.method != "post" || !creates(operation) && tokens(operation).is_empty() {
        return Vec::new();
    }
    let (taken, given) = (operation.body_properties(), operation.answer_properties());
    let in_path: BTreeSet<_> = operation.parameters().map(|parameter| parameter.name).collect();
    let folder = operation.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let member = format!("{}_id", folder.trim_end_matches('s'));
    let new = given.keys().filter(|name| !taken.contains_key(**name) && !in_path.contains(*name));
    let kept = new.filter_map(|field| match *field {
        "id" if given.contains_key(&member[..]) => None,
        "id" => Some(("id".to_owned(), member.clone())),
        field => Some((field.to_owned(), field.to_owned())),
    });
    kept.filter(|(_, variable)| variables.contains_key(variable) && !TOKENS.contains(&&variable[..])).collect()
}
