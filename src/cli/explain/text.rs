//! The explanation as a person reads it.

use super::inputs::Input;
use super::plan::PlanDoc;
use super::{Explained, Part, SettingDoc};
use crate::cli::numbers::{count, grouped, size};
use crate::cli::schemas::{columns, indented};
use crate::engine::reckon::CELL_BYTES;

pub(super) fn whole(explained: &Explained) -> String {
    let Explained { pipeline, basis, period, liveness, .. } = explained;
    let mut text = format!("{pipeline}: customers by their {basis}, by {period}, {liveness}\n\nINPUTS\n\n");
    for input in &explained.inputs {
        text += &format!("{}\n", inputs(input));
    }
    text += &format!("SETTINGS (* is the default)\n\n{}\n", settings(&explained.settings, 2));
    text += &format!("PLAN\n\n{}\n", plan(&explained.plan));
    text += "STAGES AND TABLES\n\n";
    for explained in &explained.parts {
        text += &format!("{}\n", part(explained));
    }
    for table in &explained.tables {
        text += &format!("{}\n", table.text());
    }
    text.trim_end().to_owned() + "\n"
}

fn inputs(input: &Input) -> String {
    let (read, left): (Vec<_>, Vec<_>) = input.columns.iter().partition(|c| c.read);
    let mut text = format!("  {}: {}\n", input.source, input.path.join(", "));
    if let Some(filter) = &input.filter {
        text += &format!("    rows that satisfy {filter}\n");
    }
    text += &columns(read.iter().map(|c| [c.name.clone(), c.from.clone(), c.doc.clone()]), 4);
    if !left.is_empty() {
        let names: Vec<&str> = left.iter().map(|c| c.name.as_str()).collect();
        text += &format!("    mapped, and not read by this run: {}\n", names.join(", "));
    }
    text
}

fn settings(settings: &[SettingDoc], indent: usize) -> String {
    let mark = |s: &SettingDoc| if s.default { "*" } else { "" }.to_owned();
    columns(settings.iter().map(|s| [s.key.clone(), mark(s), s.value.clone(), s.doc.to_owned()]), indent)
}

fn plan(plan: &PlanDoc) -> String {
    let mut text = format!(
        "  {} over the customers, through {}\n",
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
    let assumed = if plan.window_assumed { ", assumed because the file leaves the window open" } else { "" };
    text + &format!(
        "\n  Cells for {} of observation{assumed}, each segment with\n  as many values as its cap allows: {} in each thread \
         if every cell were filled.\n",
        count(plan.window_days.unsigned_abs().into(), "day"),
        size(bytes)
    )
}

/// A stage, or a table of every run.
pub(super) fn part(part: &Part) -> String {
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
        text += &format!("  Settings (* is the default)\n{}\n", settings(&part.settings, 4));
    }
    for table in &part.tables {
        text += &format!("{}\n", indented(&format!("Table {}", table.text()), 2));
    }
    text
}
