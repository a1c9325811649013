//! The plain reference: the whole document as one page of HTML.

use crate::document::{Document, Operation};
use std::fmt::Write;

const PAGE: &str = include_str!("../pages/reference.html");
const HERE: &str = "<!-- operations -->";

pub(crate) fn page(document: &Document<'_>) -> String {
    let mut html = String::new();
    for (tag, operations) in document.by_tag() {
        let operations: String = operations.iter().map(section).collect();
        let _ = write!(html, "<section>\n<h2>{}</h2>\n{operations}</section>\n", escaped(tag));
    }
    PAGE.replace(HERE, &html)
}

fn section(operation: &Operation<'_>) -> String {
    let method = operation.method.to_uppercase();
    let (path, name) = (escaped(operation.path), escaped(&operation.name()));
    let mut html = format!("<details>\n<summary><b>{method}</b> <code>{path}</code><span>{name}</span></summary>\n");
    if !operation.description().is_empty() {
        let _ = writeln!(html, "<p>{}</p>", escaped(operation.description()));
    }
    let parameters = operation.parameters().map(|parameter| {
        let need = if parameter.required { "required" } else { "optional" };
        [parameter.name.to_owned(), format!("{}, {need}", parameter.place), parameter.description.to_owned()]
    });
    html += &table("Parameters", parameters);
    if let Some(body) = operation.body_example() {
        let _ = writeln!(html, "<h4>Body</h4>\n<pre>{}</pre>", escaped(&format!("{body:#}")));
    }
    let responses = operation.responses().map(|(status, meaning)| [status, meaning].map(str::to_owned));
    html += &table("Responses", responses);
    html + "</details>\n"
}

/// Nothing for no rows.
fn table<const COLUMNS: usize>(title: &str, rows: impl Iterator<Item = [String; COLUMNS]>) -> String {
    let row = |row: [String; COLUMNS]| row.map(|cell| format!("<td>{}</td>", escaped(&cell))).concat();
    let rows: String = rows.map(|cells| format!("<tr>{}</tr>\n", row(cells))).collect();
    if rows.is_empty() { rows } else { format!("<h4>{title}</h4>\n<table>\n{rows}</table>\n") }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
