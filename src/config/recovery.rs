//! What is left of a file with mistakes once they are taken out: enough to look at the exports that it names, so that
//! `tenure check` tells of both at once.

use super::decode::{self, File};
use super::diagnostics::{Diagnostics, Span};
use super::tree::{Entry, Node, Table, Value};
use super::{Pipeline, SourceKind};
use crate::text::Text;

/// The parts that looking at exports takes; stages and output have nothing to say about them.
const NEEDED: [&str; 6] = ["name", "calendar", "money", "customers", "sources", "segments"];

/// The file without what the faults touch, the rest at its defaults. Never to be run. `None` if too little is left.
pub(super) fn salvage(file: &File<'_>, root: &Table, faults: &[Span]) -> Option<Pipeline> {
    let needed = Table(root.0.iter().filter(|e| NEEDED.contains(&e.key.as_str())).cloned().collect());
    let mut kept = prune(&needed, faults);
    let decoded = |table: &Table| {
        let diagnostics = Diagnostics::default();
        let pipeline = decode::pipeline(file, with_placeholders(table), &diagnostics).ok();
        pipeline.filter(|_| diagnostics.is_empty())
    };
    if let Some(pipeline) = decoded(&kept) {
        return Some(pipeline);
    }
    // A source that lacks something is no source; then what refers to one that is gone goes too.
    let sound = |kind: &str| {
        let written = root.get("sources").and_then(|s| table_of(&s.node)?.get(kind));
        written.is_some_and(|entry| !faults.iter().any(|f| touches(entry, f)))
    };
    if let Some(Entry { node: Node { value: Value::Table(sources), .. }, .. }) = kept.get_mut("sources") {
        sources.0.retain(|e| SourceKind::ALL.iter().any(|k| k.name() == e.key) && sound(&e.key));
    }
    ["", "segments", "customers"].into_iter().find_map(|gone| {
        kept.0.retain(|e| e.key != gone);
        decoded(&kept)
    })
}

fn table_of(node: &Node) -> Option<&Table> {
    match &node.value {
        Value::Table(table) => Some(table),
        _ => None,
    }
}

/// The entries that no fault concerns; a fault within a table concerns the innermost entry that it touches.
fn prune(table: &Table, faults: &[Span]) -> Table {
    let keep = |entry: &Entry| {
        if faults.iter().any(|f| concerns(entry, f)) {
            return None;
        }
        let mut entry = entry.clone();
        if let Value::Table(inner) = &entry.node.value {
            entry.node.value = Value::Table(prune(inner, faults));
        }
        Some(entry)
    };
    Table(table.0.iter().filter_map(keep).collect())
}

fn concerns(entry: &Entry, fault: &Span) -> bool {
    let inside = table_of(&entry.node).is_some_and(|t| t.0.iter().any(|e| touches(e, fault)));
    overlap(&entry.key_span, fault) || overlap(&entry.node.span, fault) && !inside
}

fn touches(entry: &Entry, fault: &Span) -> bool {
    let inside = || table_of(&entry.node).is_some_and(|t| t.0.iter().any(|e| touches(e, fault)));
    overlap(&entry.key_span, fault) || overlap(&entry.node.span, fault) || inside()
}

fn overlap(a: &Span, b: &Span) -> bool {
    a.start < b.end.max(b.start + 1) && b.start < a.end.max(a.start + 1)
}

/// The two settings without a default that looking at exports does not depend on.
fn with_placeholders(table: &Table) -> Table {
    let text = |text: &str| Node { value: Value::Text(Text::plain(text)), span: 0..0 };
    let entry = |key: &str, node| Entry { key: key.into(), key_span: 0..0, node };
    let mut table = table.clone();
    if table.get("name").is_none() {
        table.0.push(entry("name", text("unnamed")));
    }
    if table.get("money").is_none() {
        table.0.push(entry("money", Node { value: Value::Table(Table::default()), span: 0..0 }));
    }
    if let Some(Entry { node: Node { value: Value::Table(money), .. }, .. }) = table.get_mut("money")
        && money.get("currency").is_none()
    {
        money.0.push(entry("currency", text("XXX")));
    }
    table
}
