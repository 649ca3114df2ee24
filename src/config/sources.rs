//! `[sources]`: the exports, and how their columns map to the canonical ones.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use serde_json::Value as Json;

use super::diagnostics::{Diagnostic, Diagnostics, Parsed};
use super::layout::Span;
use super::reference::{Accepts, CES_HIGH, keys, source_keys};
use super::section::{SHORT, Section};
use super::tree::{DocumentEntry, DocumentNode, DocumentValue};
use super::value::check;
use super::{Expression, Located, Mapping, Scale, SourceKind, SourceSettings, SurveyScales};
use crate::nearest::{did_you_mean, listed, nearest, sentences};
use crate::options::Seconds;
use crate::options::Setting;
use crate::source_kind::{columns as canonical, required_columns};
use crate::text::Text;

/// What is configured, readable or not.
pub(super) type ParsedSources = BTreeMap<SourceKind, Parsed<SourceSettings>>;

/// `zone` is `calendar.timezone`, and how it was written.
pub(super) fn decode(
    top: &mut Section<'_>,
    diagnostics: &Diagnostics,
    zone: Parsed<(TimeZone, Json)>,
) -> Parsed<ParsedSources> {
    let Some(node) = top.node("sources")? else { return Err(top.missing("sources")) };
    let mut all = Section::open(diagnostics, "sources", keys("sources"), Some(node));
    all.is_table()?;
    let mut sources = ParsedSources::new();
    for kind in SourceKind::ALL {
        match all.node(kind.name()) {
            Ok(None) => {}
            Ok(Some(node)) => {
                let mut section =
                    Section::open(diagnostics, format!("sources.{}", kind.name()), source_keys(kind), Some(node));
                sources.insert(kind, source(&mut section, diagnostics, kind, node, zone.clone()));
                all.resolve(kind.name(), section.into_resolved());
            }
            Err(reported) => {
                sources.insert(kind, Err(reported));
            }
        }
    }
    top.resolve("sources", all.into_resolved());
    Ok(sources)
}

fn source(
    s: &mut Section<'_>,
    diagnostics: &Diagnostics,
    kind: SourceKind,
    node: &DocumentNode,
    zone: Parsed<(TimeZone, Json)>,
) -> Parsed<SourceSettings> {
    let paths: Parsed<Vec<Located<Text>>> = s.need("path");
    let filter: Parsed<Option<Expression>> = s.get("filter");
    let columns = columns(s, diagnostics, kind);
    let timezone = s.follow("timezone", zone);
    let freshness: Parsed<Option<Seconds>> = s.get("freshness");
    if kind == SourceKind::Customers && s.is_set("freshness") {
        let problem = Diagnostic::new(
            "`sources.customers.freshness` cannot be judged: rows of customers have no time of their own",
        );
        diagnostics.add(problem.at(s.span_of("freshness")).help("set freshness on another source instead"));
    }
    let scales = scales(s, kind);
    Ok(SourceSettings {
        kind,
        paths: paths?,
        filter: filter?,
        columns: columns?,
        timezone: timezone?,
        freshness: freshness?.map(|f| f.0),
        scales: scales?,
        span: node.span.clone(),
    })
}

/// The points that surveys give.
fn scales(s: &mut Section<'_>, kind: SourceKind) -> Parsed<Option<SurveyScales>> {
    if kind != SourceKind::Surveys {
        return Ok(None);
    }
    let (nps, csat, ces): (Parsed<Scale>, _, _) = (s.need("scales.nps"), s.need("scales.csat"), s.need("scales.ces"));
    let ces_high_is_ease = s.need_word("ces_high", &CES_HIGH);
    Ok(Some(SurveyScales { nps: nps?, csat: csat?, ces: ces?, ces_high_is_ease: ces_high_is_ease? }))
}

fn columns(
    s: &mut Section<'_>,
    diagnostics: &Diagnostics,
    kind: SourceKind,
) -> Parsed<BTreeMap<String, Located<Mapping>>> {
    let path = s.full("columns");
    let Some(node) = s.node("columns")? else {
        let example: Vec<String> = required_columns(kind).map(|c| format!("{c} = \"…\"")).collect();
        let help = format!("say which columns of the export they are: columns = {{ {} }}", example.join(", "));
        let problem = Diagnostic::new(format!("`{path}` is missing")).at(s.span()).help(help);
        return Err(diagnostics.add(problem.remote()));
    };
    s.resolve("columns", node.json());
    let DocumentValue::Table(table) = &node.value else {
        let problem = Diagnostic::new(format!("`{path}` takes a table of columns, not {}", node.described()))
            .at(node.span.clone());
        let help = format!("write columns = {{ customer_id = \"…\" }} or [{path}]");
        return Err(diagnostics.add(problem.help(help)));
    };
    let mut out = BTreeMap::new();
    let mut fault = None;
    let written: BTreeSet<&str> = table.0.iter().map(|e| e.key.as_str()).collect();
    for entry in &table.0 {
        let (name, known) = canonical_name(diagnostics, kind, entry, |n| written.contains(n));
        match (mapping(diagnostics, &format!("{path}.{}", entry.key), &entry.node), known) {
            (Ok(mapping), known) => {
                out.insert(name, mapping);
                fault = fault.or(known.err());
            }
            (Err(reported), _) => {
                // It is there, if wrong: nothing is missing.
                let span = entry.node.span.clone();
                out.insert(name, Located { value: Mapping::Column(Text::default()), span });
                fault = Some(reported);
            }
        }
    }
    let absent: Vec<&str> = required_columns(kind).filter(|c| !out.contains_key(*c)).collect();
    if !absent.is_empty() {
        let what = format!(
            "source `{}` needs {}, which `{path}` does not map",
            kind.name(),
            listed(absent.iter().copied(), "`")
        );
        let help = format!("add {}", absent.iter().map(|c| format!("{c} = \"…\"")).collect::<Vec<_>>().join(", "));
        fault = Some(diagnostics.add(Diagnostic::new(what).at(node.span.clone()).help(help).remote()));
    }
    fault.map_or(Ok(out), Err)
}

/// The canonical column that an entry maps: its own name, or after a report the one that was meant.
fn canonical_name(
    diagnostics: &Diagnostics,
    kind: SourceKind,
    entry: &DocumentEntry,
    present: impl Fn(&str) -> bool,
) -> (String, Parsed<()>) {
    let names: Vec<&str> = canonical(kind).iter().map(|c| c.name).collect();
    let key = entry.key.as_str();
    if names.contains(&key) {
        return (key.into(), Ok(()));
    }
    let meant = nearest(key, names.iter().copied());
    // Of two that are as near, the one that is not there yet.
    let far = |name: &str| strsim::osa_distance(&key.to_lowercase(), name);
    let absent = || nearest(key, names.iter().copied().filter(|n| !present(n)));
    let meant = meant.map(|m| absent().filter(|other| present(m) && far(other) <= far(m)).unwrap_or(m));
    let attribute = kind == SourceKind::Customers;
    // Any name may be an attribute of customers, unless it is one slip away from a column that is then not mapped.
    let slip = |m: &&str| strsim::osa_distance(&key.to_lowercase(), m) <= 1 && !present(m);
    if attribute && meant.filter(slip).is_none() {
        let fine = !key.is_empty() && !key.contains(char::is_control);
        let problem = || Diagnostic::new("an attribute of customers needs a name").at(entry.key_span.clone());
        return (key.into(), if fine { Ok(()) } else { Err(diagnostics.add(problem())) });
    }
    let (what, rest) = if attribute {
        let what = format!("`{key}` would be an attribute of customers, but is nearly the canonical column");
        (what, "an attribute needs a name less like it".to_string())
    } else {
        let what = format!("source `{}` has no canonical column `{key}`", kind.name());
        let rest = "a segment can use any column of the export without mapping it";
        let valid = format!("the columns are {};", listed(names.iter().copied(), "`"));
        (what, if names.len() > SHORT && meant.is_some() { rest.to_string() } else { format!("{valid} {rest}") })
    };
    let problem = Diagnostic::new(what).at(entry.key_span.clone());
    let reported = diagnostics.add(problem.help(sentences([did_you_mean(meant, "`"), rest])));
    (meant.filter(|m| !present(m)).unwrap_or(key).into(), Err(reported))
}

/// `"Column"` or `{ sql = "…" }`.
fn mapping(diagnostics: &Diagnostics, path: &str, node: &DocumentNode) -> Parsed<Located<Mapping>> {
    let located = |value, span: &Span| Located { value, span: span.clone() };
    match &node.value {
        DocumentValue::Table(_) => {
            let mut section = Section::open(diagnostics, path, keys("sources.SOURCE.columns.COLUMN"), Some(node));
            let sql: Expression = section.need("sql")?;
            Ok(located(Mapping::Sql(sql.sql), &sql.span))
        }
        DocumentValue::Text(_) => match check(diagnostics, path, Accepts::Text, node)? {
            Setting::Text(column) => Ok(located(Mapping::Column(column), &node.span)),
            other => Err(diagnostics.add(Diagnostic::new(format!("defect of tenure: `{path}` reads as {other:?}")))),
        },
        DocumentValue::Broken(reported) => Err(*reported),
        _ => {
            let what = format!("`{path}` takes a column's name or {{ sql = \"…\" }}, not {}", node.described());
            Err(diagnostics.add(Diagnostic::new(what).at(node.span.clone())))
        }
    }
}
