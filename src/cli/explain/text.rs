//! The explanation as text for people.

use super::inputs::ExplainedInput;
use super::plan::PlanDoc;
use super::{Explained, ExplainedPart, SettingDoc};
use crate::cli::schemas::{WIDTH, columns, indented};
use crate::engine::estimate::CELL_BYTES;
use crate::numbers::{count, grouped, size};
use crate::terminal::escaped;

pub(super) fn whole(explained: &Explained) -> String {
    let Explained { pipeline, basis, period, liveness, .. } = explained;
    let mut text = format!("{pipeline}: customers by their {basis}, by {period}, {liveness}\n\nINPUTS\n\n");
    for input in &explained.inputs {
        text += &format!("{}\n", inputs(input));
    }
    // The mapped columns are listed under INPUTS.
    let (_, shown): (Vec<_>, Vec<_>) = explained.settings.iter().partition(|s| s.key.ends_with(".columns"));
    text += &format!("SETTINGS (* is the default)\n\n{}\n", settings(&shown, 2));
    text += &format!("PLAN\n\n{}\n", plan(&explained.plan));
    text += "STAGES AND TABLES\n\n";
    let parts = explained.parts.iter().map(part);
    let tables = explained.tables.iter().map(super::TableDoc::text);
    text + &parts.chain(tables).collect::<Vec<_>>().join("\n")
}

fn inputs(input: &ExplainedInput) -> String {
    let (read, left): (Vec<_>, Vec<_>) = input.columns.iter().partition(|c| c.read);
    let mut text = format!("  {}: {}\n", input.source, escaped(&input.path.join(", ")));
    if let Some(filter) = &input.filter {
        text += &format!("    rows that satisfy {}\n", escaped(filter));
    }
    text +=
        &columns(read.iter().map(|c| [escaped(&c.name).into_owned(), escaped(&c.from).into_owned(), c.doc.clone()]), 4);
    if !left.is_empty() {
        let names: Vec<&str> = left.iter().map(|c| c.name.as_str()).collect();
        text += &format!("    mapped but not used by any stage: {}\n", escaped(&names.join(", ")));
    }
    text
}

/// Settings as lines of TOML, defaults marked with `*`, the meaning beside or, if the line is long, below.
fn settings(settings: &[&SettingDoc], indent: usize) -> String {
    const DOC_AT: usize = 48;
    let mut text = String::new();
    for SettingDoc { key, value, default, doc } in settings {
        let mark = if *default { '*' } else { ' ' };
        // `not set …` is a sentence, not TOML.
        let equals = if value.starts_with("not set") { " is" } else { " =" };
        let line = format!("{:indent$}{mark} {key}{equals} {value}", "");
        let gap = DOC_AT.saturating_sub(line.chars().count());
        let doc = wrapped(doc, DOC_AT);
        text += &if gap > 1 { format!("{line}{:gap$}{doc}\n", "") } else { format!("{line}\n{:DOC_AT$}{doc}\n", "") };
    }
    text
}

/// Text wrapped at [`WIDTH`]; the second and later lines are indented.
fn wrapped(words: &str, indent: usize) -> String {
    let (mut text, mut column) = (String::new(), indent);
    for word in words.split(' ') {
        let length = word.chars().count() + 1;
        if column > indent && column + length > WIDTH.into() {
            text += &format!("\n{:indent$}", "");
            column = indent;
        } else if column > indent {
            text.push(' ');
        }
        text += word;
        column += length;
    }
    text
}

fn plan(plan: &PlanDoc) -> String {
    let mut text = format!(
        "  At most {} over the customers, with {}\n",
        count(plan.walks as u64, "walk"),
        if plan.lenses.len() == 1 { "1 lens".into() } else { format!("{} lenses", plan.lenses.len()) }
    );
    let lenses = plan.lenses.iter().enumerate().map(|(i, lens)| [format!("lens {}", i + 1), lens.clone()]);
    text += &format!("{}\n", columns(lenses, 2));
    let header = ["walk", "fold", "lens", "cells at most", "for"].map(str::to_owned);
    let folds = plan.folds.iter().map(|f| {
        let stages = if f.stages.is_empty() { "every run".to_owned() } else { f.stages.join(", ") };
        [f.walk.to_string(), f.fold.to_owned(), f.lens.to_string(), grouped(f.cells), stages]
    });
    text += &columns([header].into_iter().chain(folds), 2);
    let bytes = plan.folds.iter().map(|f| f.cells).fold(0, u64::saturating_add).saturating_mul(CELL_BYTES);
    let assumed = if plan.window_assumed { " (assumed: the file sets no window)" } else { "" };
    text + &format!(
        "\n  The cells are an upper bound for {} of observation{assumed},\n  with as many values of each segment as its cap \
         allows: at most {} in each thread.\n",
        count(plan.window_days.unsigned_abs().into(), "day"),
        size(bytes)
    )
}

/// A stage, or `customers` or `ledger`.
pub(super) fn part(part: &ExplainedPart) -> String {
    let mut title = match part.kind {
        Some(kind) if kind != part.name => format!("{}: stage of kind {kind}, by {}", part.name, part.period),
        Some(_) => format!("{}: stage, by {}", part.name, part.period),
        None => format!("{}: written by every run of the whole pipeline, by {}", part.name, part.period),
    };
    if !part.segments.is_empty() {
        title += &format!(", for all customers and by {}", part.segments.join(", "));
    }
    let mut text = format!("{title}\n\n{}\n", indented(part.doc, 2));
    if !part.settings.is_empty() {
        text += &format!("  Settings (* is the default)\n{}\n", settings(&part.settings.iter().collect::<Vec<_>>(), 4));
    }
    let tables: Vec<String> = part.tables.iter().map(|t| indented(&format!("Table {}", t.text()), 2)).collect();
    text + &tables.join("\n")
}
