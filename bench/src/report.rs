//! Figures of many repetitions into medians and ratios, as JSON and as Markdown.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use serde::ser::SerializeMap;

use crate::ledger::Faults;
use crate::machine::Lap;
use crate::server::Contender;

/// What a figure is called, with its unit, and its value.
pub(crate) type Figure = (&'static str, f64);

/// One measurement. The first figure is the one that ratios are made of.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) mode: &'static str,
    pub(crate) case: String,
    pub(crate) contender: String,
    pub(crate) repetition: usize,
    #[serde(serialize_with = "as_map")]
    pub(crate) figures: Vec<Figure>,
}

/// What the checks of one crowd found.
#[derive(Serialize)]
pub(crate) struct Check {
    pub(crate) case: String,
    pub(crate) contender: String,
    pub(crate) repetition: usize,
    pub(crate) deliveries: u64,
    pub(crate) faults: Faults,
}

/// All that a run of the benchmark found.
#[derive(Default, Serialize)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    pub(crate) checks: Vec<Check>,
    /// What could not be measured, and why.
    pub(crate) failures: Vec<String>,
}

/// The figures that say how a measurement was disturbed.
pub(crate) fn surroundings(lap: Lap) -> [Figure; 2] {
    [("server cpu s", lap.cpu), ("others' cpus", lap.others)]
}

impl Report {
    pub(crate) fn failed(&self) -> bool {
        !self.failures.is_empty() || self.checks.iter().any(|check| check.faults.any())
    }

    /// Writes `results.json` and `results.md` into `dir`; returns the Markdown.
    pub(crate) fn write(&self, dir: &Path) -> Result<String> {
        fs::create_dir_all(dir)?;
        fs::write(dir.join("results.json"), serde_json::to_vec_pretty(self)?)?;
        let markdown = self.markdown();
        fs::write(dir.join("results.md"), &markdown)?;
        Ok(markdown)
    }

    fn markdown(&self) -> String {
        let mut text = String::new();
        for mode in distinct(self.rows.iter().map(|row| row.mode)) {
            self.write_table(&mut text, mode);
        }
        self.write_checks(&mut text);
        if !self.failures.is_empty() {
            put(&mut text, &format!("### Not measured\n\n- {}", self.failures.join("\n- ")));
        }
        text
    }

    fn write_table(&self, text: &mut String, mode: &str) {
        let rows: Vec<&Row> = self.rows.iter().filter(|row| row.mode == mode).collect();
        let names = distinct(rows.iter().flat_map(|row| row.figures.iter().map(|(name, _)| *name)));
        let [headline, others @ ..] = &names[..] else { return };
        let columns = ["case", "server", headline, "to Node", "to the floor"].into_iter().chain(others.iter().copied());
        let columns: Vec<&str> = columns.collect();
        put(text, &format!("### {mode}\n\n| {} |\n|{}", columns.join(" | "), "---|".repeat(columns.len())));
        for case in distinct(rows.iter().map(|row| row.case.as_str())) {
            for contender in distinct(rows.iter().filter(|row| row.case == case).map(|row| row.contender.as_str())) {
                let value = |name| self.median(mode, case, contender, name).map_or(String::new(), rounded);
                let ratio = |to: Contender| self.ratio(mode, case, contender, to.name());
                let others: Vec<String> = others.iter().map(|name| value(*name)).collect();
                let (node, floor) = (ratio(Contender::Node), ratio(Contender::Floor));
                let line = format!(
                    "| {case} | {contender} | {} | {node} | {floor} | {} |",
                    value(headline),
                    others.join(" | ")
                );
                put(text, &line);
            }
        }
        put(text, "");
    }

    fn write_checks(&self, text: &mut String) {
        if self.checks.is_empty() {
            return;
        }
        let deliveries: u64 = self.checks.iter().map(|check| check.deliveries).sum();
        put(text, &format!("### Checks\n\n{deliveries} deliveries checked.\n"));
        let faulty: Vec<&Check> = self.checks.iter().filter(|check| check.faults.any()).collect();
        if faulty.is_empty() {
            put(
                text,
                "Nothing missing, doubled, foreign, garbled, out of order or unacknowledged; one order in every room.",
            );
        }
        for Check { case, contender, repetition, faults, .. } in faulty {
            put(text, &format!("- **{contender} {case}, repetition {repetition}: {faults:?}**"));
        }
    }

    fn values<'a>(
        &'a self,
        mode: &'a str,
        case: &'a str,
        contender: &'a str,
        name: &'a str,
    ) -> impl Iterator<Item = (usize, f64)> + 'a {
        let rows =
            self.rows.iter().filter(move |row| row.mode == mode && row.case == case && row.contender == contender);
        rows.filter_map(move |row| {
            let figure = row.figures.iter().find(|(figure, _)| *figure == name)?;
            Some((row.repetition, figure.1))
        })
    }

    fn median(&self, mode: &str, case: &str, contender: &str, name: &str) -> Option<f64> {
        median(self.values(mode, case, contender, name).map(|(_, value)| value).collect())
    }

    /// The median ratio of the headline to that of another contender in the same repetition, with its extremes.
    fn ratio(&self, mode: &str, case: &str, contender: &str, to: &str) -> String {
        let Some(row) = self.rows.iter().find(|row| row.mode == mode) else { return String::new() };
        let headline = row.figures[0].0;
        let base: Vec<(usize, f64)> = self.values(mode, case, to, headline).collect();
        let ratios: Vec<f64> = self
            .values(mode, case, contender, headline)
            .filter_map(|(repetition, value)| {
                let (_, base) = base.iter().find(|(of, _)| *of == repetition)?;
                Some(value / base)
            })
            .collect();
        let low = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let high = ratios.iter().copied().fold(0.0, f64::max);
        median(ratios).map_or(String::new(), |middle| format!("**{middle:.2}** ({low:.2}-{high:.2})"))
    }
}

/// Writing to a string can't fail.
fn put(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a string takes all that is written");
}

/// The middle value; `None` of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

/// Three significant digits, which is more than a repetition can promise.
fn rounded(value: f64) -> String {
    match value.abs() {
        v if v >= 10_000.0 => format!("{:.1}k", value / 1000.0),
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// In the order of their first appearance.
fn distinct<'a>(values: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen
}

fn as_map<S: serde::Serializer>(figures: &[Figure], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(figures.len()))?;
    for (name, value) in figures {
        map.serialize_entry(name, value)?;
    }
    map.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(contender: Contender, repetition: usize, value: f64) -> Row {
        let contender = contender.name().to_owned();
        Row { mode: "rate", case: "1x100".to_owned(), contender, repetition, figures: vec![("per CPU-s", value)] }
    }

    #[test]
    fn ratios_are_taken_within_a_repetition() {
        let values = [(Contender::Node, [100.0, 200.0, 50.0]), (Contender::ConvoSio, [200.0, 300.0, 150.0])];
        let rows = values.into_iter().flat_map(|(contender, values)| {
            values.into_iter().enumerate().map(move |(repetition, value)| row(contender, repetition, value))
        });
        let report = Report { rows: rows.collect(), ..Report::default() };
        assert_eq!(report.ratio("rate", "1x100", "convo-sio", "node-sio"), "**2.00** (1.50-3.00)");
        assert!(report.markdown().contains("| 1x100 | convo-sio | 200 | **2.00** (1.50-3.00) |"));
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }
}
