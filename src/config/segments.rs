//! `[segments]`: by what the tables are also split.

use serde_json::Value as Json;

use super::diagnostics::{Diagnostic, Diagnostics, Parsed};
use super::entries::{check_name, entries, resolved_by_name};
use super::reference::{Accepts, MOMENTS, keys};
use super::section::{Section, word_of};
use super::sources::ParsedSources;
use super::tree::{DocumentEntry, DocumentNode, DocumentTable, DocumentValue, quoted};
use super::value::not_yet;
use super::{At, SegmentFrom, SegmentSettings, SourceKind};
use crate::nearest::{did_you_mean, listed, nearest, sentences};
use crate::text::Located;
use crate::text::Text;
use crate::timeline::builtin::Builtin;

/// A segment's name is known even if the rest of it is not sound.
pub(super) struct Named {
    pub name: String,
    pub decoded: Parsed<SegmentSettings>,
}

/// In order of name.
pub(super) fn decode(
    top: &mut Section<'_>,
    diagnostics: &Diagnostics,
    sources: &Parsed<ParsedSources>,
) -> Parsed<Vec<Named>> {
    let mut all = vec![];
    let mut resolved = vec![];
    for entry in entries(top, diagnostics, "segments")? {
        let name = check_name(diagnostics, "segment", entry).and_then(|()| reserved(diagnostics, entry));
        let (segment, json) = segment(diagnostics, entry, sources);
        resolved.push((entry.key.clone(), json));
        all.push(Named { name: entry.key.clone(), decoded: name.and(segment) });
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    top.resolve("segments", resolved_by_name(resolved));
    Ok(all)
}

fn reserved(diagnostics: &Diagnostics, entry: &DocumentEntry) -> Parsed<()> {
    if entry.key != "all" {
        return Ok(());
    }
    let problem = Diagnostic::new("`all` is the segment that every table has").at(entry.key_span.clone());
    Err(diagnostics.add(problem.help("choose another name")))
}

/// Where a customer's values change over time, the value at the opening counts; a customer has one row in `customers`.
pub(super) fn default_moment(from: &SegmentFrom) -> At {
    match from {
        SegmentFrom::Column(SourceKind::Customers, _) | SegmentFrom::Builtin(_) => At::Latest,
        SegmentFrom::Column(..) => At::Opening,
    }
}

/// `"SOURCE.COLUMN"` alone, or a table.
fn segment(
    diagnostics: &Diagnostics,
    entry: &DocumentEntry,
    sources: &Parsed<ParsedSources>,
) -> (Parsed<SegmentSettings>, Json) {
    let path = format!("segments.{}", entry.key);
    let node = match &entry.node.value {
        DocumentValue::Table(_) => entry.node.clone(),
        // The short form is the long one with its other keys at their defaults.
        DocumentValue::Text(_) => {
            let column =
                DocumentEntry { key: "column".into(), key_span: entry.node.span.clone(), node: entry.node.clone() };
            DocumentNode { value: DocumentValue::Table(DocumentTable(vec![column])), span: entry.node.span.clone() }
        }
        DocumentValue::Broken(reported) => return (Err(*reported), Json::Null),
        _ => {
            let takes = Accepts::SourceColumn.described();
            let what = format!("`{path}` takes {takes} or a table, not {}", entry.node.described());
            let help = "for example { column = \"customers.plan\", at = \"opening\" }";
            return (Err(diagnostics.add(Diagnostic::new(what).at(entry.node.span.clone()).help(help))), Json::Null);
        }
    };
    let mut s = Section::open(diagnostics, path.clone(), keys("segments.NAME"), Some(&node));
    let from = match s.is_set("builtin") {
        true => builtin(&mut s, diagnostics, sources).map(|builtin| (SegmentFrom::Builtin(builtin), node.span.clone())),
        false => s.need("column").and_then(|written: Located<Text>| {
            let (kind, column) = source_column(diagnostics, &path, &written, sources)?;
            Ok((SegmentFrom::Column(kind, column), written.span))
        }),
    };
    let default = from.as_ref().map(|(from, _)| word_of(default_moment(from), &MOMENTS)).map_err(|reported| *reported);
    let at = s.follow_word("at", &MOMENTS, default);
    let cap: Parsed<i64> = s.need("cap");
    let json = s.into_resolved();
    let decoded = (|| {
        let (from, span) = from?;
        Ok(SegmentSettings { name: entry.key.clone(), from, at: at?, cap: cap? as usize, span })
    })();
    (decoded, json)
}

/// What the program computes, which no column gives and which has no moment of its own.
fn builtin(s: &mut Section<'_>, diagnostics: &Diagnostics, sources: &Parsed<ParsedSources>) -> Parsed<Builtin> {
    let builtin = s.need_word("builtin", &Builtin::ALL);
    s.resolve("column", Json::Null);
    let mut sound = Ok(());
    let mut refuse = |name: &str, what: String, help: &str| {
        sound = Err(diagnostics.add(Diagnostic::new(what).at(s.span_of(name)).help(help).remote()));
    };
    if s.is_set("column") {
        let what = format!("`{}` and `column` say twice where the values come from", s.full("builtin"));
        refuse("column", what, "remove one of them");
    }
    if s.is_set("at") {
        let what = format!("`{}` does not go with `builtin`: what is computed holds as of as_of", s.full("at"));
        refuse("at", what, "remove it");
    }
    let buys = sources.as_ref().map_or(true, |all| all.contains_key(&SourceKind::Transactions));
    if let Ok(Builtin::Frequency | Builtin::Rfm) = builtin
        && !buys
    {
        let what = format!("`{}` is computed from purchases, and there are none", s.full("builtin"));
        refuse("builtin", what, "add [sources.transactions], or use \"cohort_year\" or \"tenure\"");
    }
    sound.and(builtin)
}

/// The rows of sources that belong to no customer, in a word.
fn of_nobody(kind: SourceKind) -> Option<&'static str> {
    match kind {
        SourceKind::AcquisitionCosts => Some("costs"),
        SourceKind::ExchangeRates => Some("rates"),
        _ => None,
    }
}

/// The source and column that a segment names.
fn source_column(
    diagnostics: &Diagnostics,
    path: &str,
    written: &Located<Text>,
    sources: &Parsed<ParsedSources>,
) -> Parsed<(SourceKind, Text)> {
    let names: Vec<&str> =
        SourceKind::ALL.into_iter().filter(|k| of_nobody(*k).is_none()).map(SourceKind::name).collect();
    let names = names.iter().copied();
    let the_sources = format!("the sources are {}", listed(names.clone(), "`"));
    let problem = |what: String, help: String| Diagnostic::new(what).at(written.span.clone()).help(help);
    let shown = quoted(written.value.written());
    let Some((source, column)) = written.value.split_once('.').filter(|(_, c)| !c.value().trim().is_empty()) else {
        let what = format!("`{path}` takes {}, not {shown}", Accepts::SourceColumn.described());
        return Err(
            diagnostics.add(problem(what, format!("put the source and a dot before the column; {the_sources}")))
        );
    };
    if keys("sources").iter().any(|k| k.name == source && matches!(k.accepts, Accepts::Later(_))) {
        let help = format!("this version reads {}", listed(names, "`"));
        return Err(diagnostics.add(not_yet(&format!("source `{source}`"), &written.span).help(help)));
    }
    let Some(kind) = SourceKind::ALL.into_iter().find(|k| k.name() == source) else {
        let meant = if written.value.is_filled_in() { None } else { nearest(source, names) };
        let what = format!("`{path}` reads {shown}, and there is no such source");
        return Err(diagnostics.add(problem(what, sentences([did_you_mean(meant, "`"), the_sources]))));
    };
    if let Some(these) = of_nobody(kind) {
        let what = format!("`{path}` cannot split by a column of {source}: {these} belong to no customer");
        return Err(diagnostics.add(problem(what, "use a column of a source that has customers".into())));
    }
    if let Ok(all) = sources
        && !all.contains_key(&kind)
    {
        let what = format!("`{path}` reads source `{source}`, which is not configured");
        let configured = listed(all.keys().map(|k| k.name()), "`");
        let others = if configured.is_empty() { String::new() } else { format!(", or use a column of {configured}") };
        return Err(diagnostics.add(problem(what, format!("add [sources.{source}]{others}")).remote()));
    }
    Ok((kind, column))
}
