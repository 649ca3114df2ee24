//! What a run says at its end, and what a dry run says instead.

use std::io::Write;

use comfy_table::{CellAlignment, Table, presets};

use super::publishing::Finished;
use crate::check::Status;
use crate::cli::stdout;
use crate::config::Pipeline;
use crate::error::{Errors, Exit};
use crate::job::Blueprint;
use crate::money;
use crate::source::Inspected;
use crate::stage::Figure;

/// 1234567 as 1,234,567.
pub fn grouped(n: i128) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if n < 0 { format!("-{text}") } else { text }
}

fn figure(figure: Figure, pipeline: &Pipeline) -> String {
    let currency = &pipeline.money.currency;
    let digits = pipeline.money.digits;
    let minor = |units: i128| {
        let text = money::format(units.abs(), digits);
        let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(w, f)| (w, Some(f)));
        let whole = whole.parse().map_or_else(|_| whole.to_owned(), grouped);
        let sign = if units < 0 { "-" } else { "" };
        let fraction = fraction.map(|f| format!(".{f}")).unwrap_or_default();
        format!("{sign}{whole}{fraction} {currency}")
    };
    match figure {
        Figure::Count(n) => grouped(n.into()),
        Figure::Rate(r) => format!("{:.2} %", 100.0 * r),
        Figure::Money(units) => minor(units),
        Figure::Amount(x) => minor((x * money::minor_per_major(digits)).round() as i128),
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

/// What was read, rejected and written, how long it took, and the headline figures of the last complete period.
pub fn print(finished: &Finished, pipeline: &Pipeline, out: &mut dyn Write) -> Result<Exit, Errors> {
    let (from, until) = finished.window;
    let mut text = format!(
        "{}: {} customers, observed from {from} up to {} (as_of {until})\n\n",
        pipeline.name,
        grouped(finished.customers.into()),
        until.plus(-1)
    );
    let mut read = plain(&["read", "rows", "left out", "rejected", "newest"]);
    for (kind, report) in &finished.reports {
        read.add_row([
            kind.name().to_owned(),
            grouped(report.rows.into()),
            grouped((report.filtered + report.after_as_of).into()),
            grouped(report.rejected.into()),
            report.newest_known.map(|d| d.to_string()).unwrap_or_default(),
        ]);
    }
    right(&mut read, 1..4);
    text += &format!("{read}\n\n");
    let mut written = plain(&["written", "rows", "KiB"]);
    for table in &finished.tables {
        written.add_row([table.name.clone(), grouped(table.rows.into()), grouped(table.bytes.div_ceil(1024).into())]);
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
    for check in finished.checks.iter().filter(|c| c.status == Status::Warn) {
        let actual = check.actual.as_deref().unwrap_or("unknown");
        text += &format!("warning: {} of {}: {actual}: {}\n", check.check, check.subject, check.detail);
    }
    let memory = finished.peak_memory.map(|b| format!(", {} MiB at most", b >> 20)).unwrap_or_default();
    let passed = finished.checks.iter().filter(|c| c.status == Status::Pass).count();
    text += &format!(
        "{passed} of {} checks passed, none failed; {:.2} seconds{memory}\npublished {}{}\n",
        finished.checks.len(),
        finished.seconds,
        finished.folder.display(),
        if finished.is_latest { ", now latest" } else { " (--only: latest stays)" },
    );
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    stdout::exit(out.write_all((lines.join("\n") + "\n").as_bytes()).map_err(Into::into))
}

/// Files, rows by footer, columns read, tables that would be written.
pub fn dry_run(
    pipeline: &Pipeline,
    blueprint: &Blueprint,
    inspected: &Inspected,
    out: &mut dyn Write,
) -> Result<Exit, Errors> {
    let mut text = format!("{} would be read:\n", pipeline.name);
    for (kind, source) in &inspected.sources {
        let bytes: u64 = source.files.iter().map(|f| f.input.bytes).sum();
        text += &format!(
            "  {}: {} rows in {} files, {:.1} MiB; columns {}\n",
            kind.name(),
            grouped(source.rows().into()),
            source.files.len(),
            bytes as f64 / (1u64 << 20) as f64,
            source.columns.join(", ")
        );
        for file in &source.files {
            text += &format!("    {} ({} rows)\n", file.input.shown, grouped(file.input.rows.into()));
        }
    }
    text += &format!(
        "\n{} walks over the customers through {} lenses\n",
        blueprint.plan.rounds() + 1,
        blueprint.plan.lenses().len()
    );
    text += "\ntables that would be written:\n";
    for table in blueprint.tables() {
        text += &format!("  {}: {}\n", table.name, table.doc);
    }
    text += &format!("\ninto {}\n", pipeline.output.dir.display());
    stdout::exit(out.write_all(text.as_bytes()).map_err(Into::into))
}
