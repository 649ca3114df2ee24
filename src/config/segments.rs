//! `[segments]`: by what the tables are also split.

use serde_json::Value as Json;

use super::decode::{check_name, entries, resolved_by_name};
use super::near::{did_you_mean, listed, nearest, sentences};
use super::problems::{Problem, Problems, Sound, Span};
use super::reference::{Accepts, MOMENTS, keys};
use super::section::{Section, word_of};
use super::sources::Sources;
use super::tree::{Entry, Node, Value};
use super::value::{Setting, check, not_yet};
use super::{At, Segment, SourceKind};

/// A segment's name is known even if the rest of it is not sound.
pub(super) struct Named {
    pub name: String,
    pub decoded: Sound<Segment>,
}

/// In order of name.
pub(super) fn decode(top: &mut Section<'_>, problems: &Problems, sources: &Sound<Sources>) -> Sound<Vec<Named>> {
    let mut all = vec![];
    let mut resolved = vec![];
    for entry in entries(top, problems, "segments")? {
        let name = check_name(problems, "segment", entry).and_then(|()| reserved(problems, entry));
        let (segment, json) = segment(problems, entry, sources);
        resolved.push((entry.key.clone(), json));
        all.push(Named { name: entry.key.clone(), decoded: name.and(segment) });
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    top.resolve("segments", resolved_by_name(resolved));
    Ok(all)
}

fn reserved(problems: &Problems, entry: &Entry) -> Sound<()> {
    if entry.key != "all" {
        return Ok(());
    }
    let problem = Problem::new("`all` is the segment that every table has").at(entry.key_span.clone());
    Err(problems.add(problem.help("choose another name")))
}

/// Where a customer's values change over time, the value at the opening counts; a customer has one row in `customers`.
pub(super) fn default_moment(source: SourceKind) -> At {
    if source == SourceKind::Customers { At::Latest } else { At::Opening }
}

/// `"SOURCE.COLUMN"` alone, or a table.
fn segment(problems: &Problems, entry: &Entry, sources: &Sound<Sources>) -> (Sound<Segment>, Json) {
    let path = format!("segments.{}", entry.key);
    // The short form is the long one with its other keys at their defaults.
    let empty = Node { value: Value::Table(Default::default()), span: entry.node.span.clone() };
    let (table, short) = match &entry.node.value {
        Value::Text(_) => (&empty, Some(&entry.node)),
        Value::Broken(reported) => return (Err(*reported), Json::Null),
        Value::Table(_) => (&entry.node, None),
        _ => {
            let what = format!(
                "`{path}` takes {} or a table, not {}",
                Accepts::SourceColumn.described(),
                entry.node.described()
            );
            let help = "for example { column = \"customers.plan\", at = \"opening\" }";
            return (Err(problems.add(Problem::new(what).at(entry.node.span.clone()).help(help))), Json::Null);
        }
    };
    let mut s = Section::open(problems, path.clone(), keys("segments.NAME"), Some(table));
    let written: Sound<String> = match short {
        None => s.need("column"),
        Some(node) => {
            s.resolve("column", node.json());
            check(problems, &path, Accepts::SourceColumn, node).and_then(|setting| match setting {
                Setting::Text(text) => Ok(text),
                other => Err(problems.add(Problem::new(format!("defect of tenure: `{path}` reads as {other:?}")))),
            })
        }
    };
    let place = short.map(|n| n.span.clone()).or_else(|| s.span_of("column")).unwrap_or(entry.node.span.clone());
    let column = written.and_then(|w| source_column(problems, &path, &w, &place, sources));
    let default = match &column {
        Ok((kind, _)) => Ok(word_of(default_moment(*kind), &MOMENTS)),
        Err(reported) => Err(*reported),
    };
    let at = s.follow_word("at", &MOMENTS, default);
    let cap: Sound<i64> = s.need("cap");
    let json = s.into_resolved();
    let decoded = (|| {
        let (source, column) = column?;
        Ok(Segment { name: entry.key.clone(), source, column, at: at?, cap: cap? as usize, span: place })
    })();
    (decoded, json)
}

fn source_column(
    problems: &Problems,
    path: &str,
    written: &str,
    span: &Span,
    sources: &Sound<Sources>,
) -> Sound<(SourceKind, String)> {
    let names = SourceKind::ALL.map(SourceKind::name);
    let refuse = |what: String, help: String| Err(problems.add(Problem::new(what).at(span.clone()).help(help)));
    let Some((source, column)) = written.split_once('.').filter(|(_, c)| !c.trim().is_empty()) else {
        let what = format!("`{path}` takes {}, not \"{written}\"", Accepts::SourceColumn.described());
        return refuse(
            what,
            format!("put the source and a dot before the column; the sources are {}", listed(names, "`")),
        );
    };
    if keys("sources").iter().any(|k| k.name == source && matches!(k.accepts, Accepts::Later(_))) {
        let help = format!("this version reads {}", listed(names, "`"));
        return Err(problems.add(not_yet(&format!("source `{source}`"), span).help(help)));
    }
    let Some(kind) = SourceKind::ALL.into_iter().find(|k| k.name() == source) else {
        let what = format!("`{path}` names a source `{source}`, which there is not");
        let meant = did_you_mean(nearest(source, names), "`");
        return refuse(what, sentences([meant, format!("the sources are {}", listed(names, "`"))]));
    };
    if kind == SourceKind::AcquisitionCosts {
        let what = format!("`{path}` cannot split by a column of acquisition_costs: costs belong to no customer");
        return refuse(what, "use a column of customers, transactions or subscriptions".into());
    }
    if let Ok(all) = sources
        && !all.contains_key(&kind)
    {
        let what = format!("`{path}` reads source `{source}`, which is not configured");
        let configured = listed(all.keys().map(|k| k.name()), "`");
        let others = if configured.is_empty() { String::new() } else { format!(", or use a column of {configured}") };
        let problem = Problem::new(what).at(span.clone()).help(format!("add [sources.{source}]{others}"));
        return Err(problems.add(problem.remote()));
    }
    Ok((kind, column.into()))
}
