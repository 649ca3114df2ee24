//! The summary that a run prints when it is published.

use std::io::Write;

use comfy_table::{CellAlignment, Table, presets};

use crate::check::{Check, Status};
use crate::cli::pipeline::shown;
use crate::cli::stdout;
use crate::config::Pipeline;
use crate::error::{Errors, ExitStatus};
use crate::job::PublishedRun;
use crate::money;
use crate::numbers::{amount, count, grouped, size};
use crate::stage::MetricValue;
use crate::terminal::escaped;

fn figure(figure: MetricValue, pipeline: &Pipeline) -> String {
    let digits = pipeline.money.digits;
    let minor = |units: i128| amount(units, digits, pipeline.money.currency.written());
    match figure {
        MetricValue::Count(n) => grouped(n),
        MetricValue::Rate(r) => format!("{:.2} %", 100.0 * r),
        MetricValue::Money(units) => minor(units),
        MetricValue::Points(x) => format!("{x:.1}"),
        MetricValue::Span(x, unit) => format!("{x} {unit}{}", if x == 1.0 { "" } else { "s" }),
        MetricValue::Amount(x) => minor((x * money::minor_per_major(digits)).round() as i128),
    }
}

fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header.to_vec());
    table
}

fn right(table: &mut Table, columns: impl IntoIterator<Item = usize>) {
    for column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// Prints what was read, rejected and written, the key figures of the last complete period, warnings, time and memory.
pub(super) fn print(finished: &PublishedRun, pipeline: &Pipeline, out: &mut dyn Write) -> Result<ExitStatus, Errors> {
    let latest = if finished.is_latest { ", now `latest`" } else { "; `latest` stays as it was (--only)" };
    let place = format!("published {}{latest}\n", escaped(&shown(&finished.folder)));
    stdout::text_with_place(out, text(finished, pipeline), &place)
}

fn text(finished: &PublishedRun, pipeline: &Pipeline) -> String {
    let (from, until) = finished.window;
    let mut text = format!(
        "{}: {}, {from} to {} (as_of {until})\n\n",
        pipeline.name,
        count(finished.customers, "customer"),
        until.plus(-1)
    );
    let mut read = plain(&["read", "rows", "left out", "rejected", "newest"]);
    for (kind, report) in &finished.reports {
        if !report.read {
            read.add_row([kind.name(), "not used", "", "", ""]);
            continue;
        }
        read.add_row([
            kind.name().to_owned(),
            grouped(report.rows),
            grouped(report.filtered + report.after_as_of),
            grouped(report.rejected),
            report.newest_known.map(|d| d.to_string()).unwrap_or_default(),
        ]);
    }
    right(&mut read, 1..4);
    text += &format!("{read}\n\n");
    let mut written = plain(&["written", "rows", "size"]);
    for table in &finished.tables {
        written.add_row([table.name.clone(), grouped(table.rows), size(table.bytes)]);
    }
    right(&mut written, 1..3);
    text += &format!("{written}\n\n");
    if !finished.headlines.is_empty() {
        let mut headlines = plain(&["stage", "period", "figure", ""]);
        for h in &finished.headlines {
            headlines.add_row([h.stage.clone(), h.period.to_string(), h.label.into(), figure(h.figure, pipeline)]);
        }
        right(&mut headlines, [3]);
        text += &format!("{headlines}\n\n");
    }
    text += &warnings(&finished.checks);
    let memory = finished.peak_memory.map(|b| format!(", at most {} of memory", size(b))).unwrap_or_default();
    let temporary = match finished.temporary {
        0 => String::new(),
        bytes => format!(", {} in temporary files", size(bytes)),
    };
    text += &format!("{}; {:.2} s{memory}{temporary}\n", check_counts(&finished.checks), finished.seconds);
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// Each warning as a sentence, followed by the check that raised it.
fn warnings(checks: &[Check]) -> String {
    let mut text = String::new();
    for check in checks.iter().filter(|c| c.status == Status::Warn) {
        let actual = check.actual.as_deref().map_or("nothing known".into(), readable);
        let expected = check.expected.as_ref().map(|e| format!(", expected {}", readable(e))).unwrap_or_default();
        text += &format!("warning: {}\n", check.detail);
        text += &format!("         (check `{}` of {}: found {actual}{expected})\n", check.check, check.subject);
    }
    if text.is_empty() { text } else { text + "\n" }
}

/// A whole number with thousands separators; other text as it is.
fn readable(text: &str) -> String {
    text.parse::<i64>().map_or_else(|_| text.to_owned(), grouped)
}

/// How many checks passed and warned; a run with a failed check prints no summary.
fn check_counts(checks: &[Check]) -> String {
    let passed = checks.iter().filter(|c| c.status == Status::Pass).count();
    match checks.len() - passed {
        0 => format!("{} passed, no warnings", count(passed as u64, "check")),
        warned => format!("{} passed, {}", count(passed as u64, "check"), count(warned as u64, "warning")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_sentences_with_the_check_behind() {
        let check = |status, expected: Option<&str>| Check {
            check: "missing".into(),
            subject: "customers".into(),
            status,
            expected: expected.map(Into::into),
            actual: Some("3".into()),
            detail: "customers of the basis source are missing".into(),
        };
        let checks = [check(Status::Warn, Some("0")), check(Status::Pass, None), check(Status::Warn, None)];
        insta::assert_snapshot!(warnings(&checks), @"
        warning: customers of the basis source are missing
                 (check `missing` of customers: found 3, expected 0)
        warning: customers of the basis source are missing
                 (check `missing` of customers: found 3)
        ");
        assert_eq!(warnings(&checks[1..2]), "");
        assert_eq!(check_counts(&checks), "1 check passed, 2 warnings");
        assert_eq!(check_counts(&checks[1..2]), "1 check passed, no warnings");
    }
}
