//! What is left of a file with mistakes once they are taken out: enough to look at the exports that it names, so that
//! `tenure check` tells of both at once.

use super::decode::{self, File};
use super::diagnostics::Diagnostics;
use super::layout::Span;
use super::tree::{DocumentEntry, DocumentNode, DocumentTable, DocumentValue};
use super::{Pipeline, SourceKind};
use crate::text::Text;

/// The parts that looking at exports takes; stages and output have nothing to say about them.
const NEEDED: [&str; 6] = ["name", "calendar", "money", "customers", "sources", "segments"];

/// The file without what the faults touch, the rest at its defaults. Never to be run. `None` if too little is left.
pub(super) fn salvage(file: &File<'_>, root: &DocumentTable, faults: &[Span]) -> Option<Pipeline> {
    let needed = DocumentTable(root.0.iter().filter(|e| NEEDED.contains(&e.key.as_str())).cloned().collect());
    let mut kept = prune(&needed, faults);
    let decoded = |table: &DocumentTable| {
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
    if let Some(DocumentEntry { node: DocumentNode { value: DocumentValue::Table(sources), .. }, .. }) =
        kept.get_mut("sources")
    {
        sources.0.retain(|e| SourceKind::ALL.iter().any(|k| k.name() == e.key) && sound(&e.key));
    }
    ["", "segments", "customers"].into_iter().find_map(|gone| {
        kept.0.retain(|e| e.key != gone);
        decoded(&kept)
    })
}

fn table_of(node: &DocumentNode) -> Option<&DocumentTable> {
    match &node.value {
        DocumentValue::Table(table) => Some(table),
        _ => None,
    }
}

/// The entries that no fault concerns; a fault within a table concerns the innermost entry that it touches.
fn prune(table: &DocumentTable, faults: &[Span]) -> DocumentTable {
    let keep = |entry: &DocumentEntry| {
        if faults.iter().any(|f| concerns(entry, f)) {
            return None;
        }
        let mut entry = entry.clone();
        if let DocumentValue::Table(inner) = &entry.node.value {
            entry.node.value = DocumentValue::Table(prune(inner, faults));
        }
        Some(entry)
    };
    DocumentTable(table.0.iter().filter_map(keep).collect())
}

fn concerns(entry: &DocumentEntry, fault: &Span) -> bool {
    let inside = table_of(&entry.node).is_some_and(|t| t.0.iter().any(|e| touches(e, fault)));
    overlap(&entry.key_span, fault) || overlap(&entry.node.span, fault) && !inside
}

fn touches(entry: &DocumentEntry, fault: &Span) -> bool {
    let inside = || table_of(&entry.node).is_some_and(|t| t.0.iter().any(|e| touches(e, fault)));
    overlap(&entry.key_span, fault) || overlap(&entry.node.span, fault) || inside()
}

fn overlap(a: &Span, b: &Span) -> bool {
    a.start < b.end.max(b.start + 1) && b.start < a.end.max(a.start + 1)
}

/// The two settings without a default that looking at exports does not depend on.
fn with_placeholders(table: &DocumentTable) -> DocumentTable {
    let text = |text: &str| DocumentNode { value: DocumentValue::Text(Text::plain(text)), span: 0..0 };
    let entry = |key: &str, node| DocumentEntry { key: key.into(), key_span: 0..0, node };
    let mut table = table.clone();
    if table.get("name").is_none() {
        table.0.push(entry("name", text("unnamed")));
    }
    if table.get("money").is_none() {
        table
            .0
            .push(entry("money", DocumentNode { value: DocumentValue::Table(DocumentTable::default()), span: 0..0 }));
    }
    if let Some(DocumentEntry { node: DocumentNode { value: DocumentValue::Table(money), .. }, .. }) =
        table.get_mut("money")
        && money.get("currency").is_none()
    {
        money.0.push(entry("currency", text("XXX")));
    }
    table
}
