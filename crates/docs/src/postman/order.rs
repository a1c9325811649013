//! In which order the requests stand: each behind those whose answers it needs, and last what takes something away.

use super::script;
use crate::document::{Document, Operation};
use serde_json::Value;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

/// The folder of what leaves, ends, logs out and deletes.
pub(super) const LAST: &str = "leaving and deleting";

/// A folder a tag with its requests, and [`LAST`] behind them.
pub(super) fn folders<'a>(
    document: Document<'a>,
    variables: &BTreeMap<String, Value>,
) -> Vec<(&'a str, Vec<Operation<'a>>)> {
    let (mut endings, others): (Vec<_>, Vec<_>) =
        document.operations().partition(|operation| ending(operation).is_some());
    let mut tags: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for operation in others {
        tags.entry(operation.tag()).or_default().push(operation);
    }
    let mut folders: Vec<_> = tags.into_iter().collect();
    // Accounts first. The folders of one API stay together, as the APIs name what they make in ways of their own; in
    // it, the folder that makes something comes before those that use it.
    folders.sort_by_cached_key(|(tag, operations)| {
        let logs_in = operations.iter().any(script::logs_in);
        let makes = operations.iter().any(|operation| script::makes(operation, variables));
        (Reverse(logs_in), tag.split(':').next(), Reverse(makes), *tag)
    });
    for (_, operations) in &mut folders {
        operations.sort_by_cached_key(|operation| turn(operation, variables));
    }
    endings.sort_by_key(ending);
    folders.extend((!endings.is_empty()).then_some((LAST, endings)));
    folders
}

/// An operation's place in its folder; those of one place keep the document's order.
fn turn(operation: &Operation<'_>, variables: &BTreeMap<String, Value>) -> u8 {
    match last_part(operation.path) {
        _ if script::registers(operation) => 0,
        _ if script::logs_in(operation) => 1,
        _ if script::makes(operation, variables) => 2,
        // A meeting that runs can't be planned anew.
        "join" => 4,
        _ => 3,
    }
}

/// For what takes something away, its place among its like. An account goes after the log-out, whose token is worth
/// nothing then: a run of the whole collection deletes no account.
fn ending(operation: &Operation<'_>) -> Option<u8> {
    let parts: BTreeSet<_> = operation.path.split('/').collect();
    match (operation.method, last_part(operation.path)) {
        ("post", "leave") => Some(0),
        ("post", "end") => Some(1),
        ("post", "logout") => Some(3),
        ("delete", _) if parts.contains("user") || parts.contains("users") => Some(4),
        ("delete", _) => Some(2),
        _ => None,
    }
}

fn last_part(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}
