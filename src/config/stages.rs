//! `[stages]`: what is computed, each stage a kind of the registry under a name of its own.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::diagnostics::{Diagnostic, Diagnostics, Parsed};
use super::entries::{check_name, entries, resolved_by_name};
use super::layout::Span;
use super::reference::{TABLES_OF_EVERY_RUN, stage_keys};
use super::section::Section;
use super::segments::Named;
use super::sources::ParsedSources;
use super::tree::{DocumentEntry, DocumentNode, DocumentTable, DocumentValue, quoted};
use super::{Basis, StageSettings};
use crate::calendar::Period;
use crate::nearest::{did_you_mean, listed, nearest, sentences};
use crate::options::{Accepts, AnyOptions, Key, Setting};
use crate::stage::{Inputs, Kind};
use crate::text::{Located, Text};

/// What stages refer to.
pub(super) struct Context<'a> {
    /// `calendar.period`, and how it was written.
    pub period: Parsed<(Period, Json)>,
    pub basis: Parsed<Basis>,
    pub sources: &'a Parsed<ParsedSources>,
    pub segments: &'a Parsed<Vec<Named>>,
    /// The registry of stages.
    pub kinds: &'static [Kind],
}

/// In order of name.
pub(super) fn decode(
    top: &mut Section<'_>,
    diagnostics: &Diagnostics,
    context: &Context<'_>,
) -> Parsed<Vec<StageSettings>> {
    let mut stages = vec![];
    let mut resolved = vec![];
    for entry in entries(top, diagnostics, "stages")? {
        let (stage, json) = stage(diagnostics, entry, context);
        resolved.push((entry.key.clone(), json));
        stages.push(stage);
    }
    top.resolve("stages", resolved_by_name(resolved));
    let mut stages: Vec<StageSettings> = stages.into_iter().collect::<Parsed<_>>()?;
    further_tables(diagnostics, &stages)?;
    stages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(stages)
}

fn stage(diagnostics: &Diagnostics, entry: &DocumentEntry, context: &Context<'_>) -> (Parsed<StageSettings>, Json) {
    let path = format!("stages.{}", entry.key);
    let table = match &entry.node.value {
        DocumentValue::Table(table) => table,
        DocumentValue::Broken(reported) => return (Err(*reported), Json::Null),
        _ => {
            let what = format!("`{path}` takes a table of options, not {}", entry.node.described());
            let help = format!("write [{path}] and the stage's options below, or nothing for its defaults");
            return (Err(diagnostics.add(Diagnostic::new(what).at(entry.node.span.clone()).help(help))), Json::Null);
        }
    };
    let (kind, named) = match kind(diagnostics, &path, entry, table, context.kinds) {
        Ok(found) => found,
        Err(reported) => return (Err(reported), entry.node.json()),
    };
    let name = named
        .and_then(|()| check_name(diagnostics, "stage", entry))
        .and_then(|()| check_table(diagnostics, entry, kind, context.kinds));
    let mut s = Section::open(diagnostics, path, stage_keys(kind), Some(&entry.node));
    s.resolve("kind", kind.name.into());
    let period = s.follow_word("period", &Period::ALL, context.period.clone());
    let segments = if !kind.by_segment && !s.is_set("segments") {
        s.resolve("segments", Json::Array(vec![]));
        Ok(vec![])
    } else {
        segments(&mut s, diagnostics, context)
    };
    let by = crossed(&mut s, diagnostics, context);
    let options = options(&mut s, diagnostics, kind, &entry.key_span);
    let met = options
        .as_ref()
        .map_err(|reported| *reported)
        .and_then(|options| requirements(&s, diagnostics, (kind, &entry.key_span), options, context));
    let met = met.and(undivided(&s, diagnostics, kind, &segments));
    let stage = (|| {
        name?;
        met?;
        Ok(StageSettings {
            name: entry.key.clone(),
            kind,
            period: period?,
            segments: segments?,
            by: by?,
            options: options?,
            span: entry.key_span.clone(),
        })
    })();
    (stage, s.into_resolved())
}

/// The stage's kind, and whether it was rightly named: a misspelt kind is reported and then read as the one meant.
fn kind(
    diagnostics: &Diagnostics,
    path: &str,
    entry: &DocumentEntry,
    table: &DocumentTable,
    kinds: &'static [Kind],
) -> Parsed<(&'static Kind, Parsed<()>)> {
    let known: Vec<&str> = kinds.iter().flat_map(stage_keys).map(|k| k.name).collect();
    let misspelt =
        |e: &&DocumentEntry| !known.contains(&e.key.as_str()) && nearest(&e.key, known.iter().copied()) == Some("kind");
    let written = table.get("kind").or_else(|| table.0.iter().find(misspelt));
    let (word, span, named_by) = match written.map(|e| &e.node) {
        None => (entry.key.as_str(), &entry.key_span, None),
        Some(DocumentNode { value: DocumentValue::Text(text), span }) => (text.value(), span, Some(text)),
        Some(DocumentNode { value: DocumentValue::Broken(reported), .. }) => return Err(*reported),
        Some(node) => {
            let what = format!("`{path}.kind` takes {}, not {}", Accepts::Kind.described(), node.described());
            return Err(diagnostics.add(Diagnostic::new(what).at(node.span.clone())));
        }
    };
    if let Some(kind) = kinds.iter().find(|k| k.name == word) {
        return Ok((kind, Ok(())));
    }
    let offered = listed(kinds.iter().map(|k| k.name), "`");
    let shown = named_by.map_or(word, |text| text.written());
    let meant = nearest(shown, kinds.iter().map(|k| k.name));
    let (what, rest) = match named_by {
        Some(_) => (format!("`{path}.kind` names no kind of stage: \"{shown}\""), format!("the kinds are {offered}")),
        None => {
            let rest = format!(
                "the kinds are {offered}; for a name of your own, add kind = \"churn\" or another to the stage"
            );
            (format!("`{word}` is no kind of stage"), rest)
        }
    };
    let help = sentences([did_you_mean(meant, "`"), rest]);
    let reported = diagnostics.add(Diagnostic::new(what).at(span.clone()).help(help));
    match kinds.iter().find(|k| Some(k.name) == meant) {
        Some(kind) => Ok((kind, Err(reported))),
        None => Err(reported),
    }
}

/// A stage's name is its table's name, so it must not be that of another table.
fn check_table(diagnostics: &Diagnostics, entry: &DocumentEntry, kind: &Kind, kinds: &[Kind]) -> Parsed<()> {
    let name = entry.key.as_str();
    let further = |k: &Kind| k.further_tables.iter().any(|suffix| format!("{}_{suffix}", k.name) == name);
    let of_a_kind = || kinds.iter().any(|k| k.shared_tables.contains(&name) || further(k));
    let (what, help) = if TABLES_OF_EVERY_RUN.contains(&name) || name.starts_with("ledger_") || of_a_kind() {
        (
            format!("`{name}` is a table of every run or of a kind of stage"),
            format!("choose another name, such as `my_{name}`"),
        )
    } else if name != kind.name && kinds.iter().any(|k| k.name == name) {
        let what = format!("the stage `{name}` has the name of one kind and is of another, `{}`", kind.name);
        (what, format!("choose another name, such as `{}_2`", kind.name))
    } else {
        return Ok(());
    };
    Err(diagnostics.add(Diagnostic::new(what).at(entry.key_span.clone()).help(help)))
}

/// A kind of everybody is by no segment.
fn undivided(s: &Section<'_>, diagnostics: &Diagnostics, kind: &Kind, segments: &Parsed<Vec<usize>>) -> Parsed<()> {
    let by_segments = s.is_set("segments") && segments.as_ref().is_ok_and(|named| !named.is_empty());
    let key = if by_segments { "segments" } else { "by" };
    if kind.by_segment || !s.is_set(key) {
        return Ok(());
    }
    let what = format!("`{}` does not go with a stage of kind `{}`, which is of everybody", s.full(key), kind.name);
    Err(diagnostics.add(Diagnostic::new(what).at(s.span_of(key)).help("remove it").remote()))
}

/// No stage has the name of a table that another writes beside its own.
fn further_tables(diagnostics: &Diagnostics, stages: &[StageSettings]) -> Parsed<()> {
    let mut sound = Ok(());
    for stage in stages {
        for table in stage.kind.further_tables.iter().map(|suffix| format!("{}_{suffix}", stage.name)) {
            if let Some(other) = stages.iter().find(|s| s.name == table) {
                let what = format!("`{table}` is a table that stage `{}` writes", stage.name);
                let problem =
                    Diagnostic::new(what).at(other.span.clone()).help("choose another name for one of the two");
                sound = Err(diagnostics.add(problem));
            }
        }
    }
    sound
}

fn segments(s: &mut Section<'_>, diagnostics: &Diagnostics, context: &Context<'_>) -> Parsed<Vec<usize>> {
    let declared = context.segments.as_ref().map_err(|reported| *reported);
    let Some(mut out) = named(s, diagnostics, context, "segments")? else {
        let declared = declared?;
        s.resolve("segments", declared.iter().map(|d| d.name.as_str()).collect());
        return Ok((0..declared.len()).collect());
    };
    out.sort_unstable();
    Ok(out)
}

/// Two segments that are crossed, in the order in which they are written.
fn crossed(s: &mut Section<'_>, diagnostics: &Diagnostics, context: &Context<'_>) -> Parsed<Option<(usize, usize)>> {
    let Some(named) = named(s, diagnostics, context, "by")? else { return Ok(None) };
    let [a, b] = named[..] else {
        let what = format!("`{}` crosses two segments, not {}", s.full("by"), named.len());
        let problem = Diagnostic::new(what).at(s.span_of("by"));
        return Err(diagnostics.add(problem.help("name two: by = [\"country\", \"plan\"]")));
    };
    Ok(Some((a, b)))
}

/// The segments that a key names, in the order in which they are written; `None` where it is not set.
fn named(
    s: &mut Section<'_>,
    diagnostics: &Diagnostics,
    context: &Context<'_>,
    key: &'static str,
) -> Parsed<Option<Vec<usize>>> {
    let written: Option<Vec<Located<Text>>> = s.get(key)?;
    let Some(written) = written else { return Ok(None) };
    let declared = context.segments.as_ref().map_err(|reported| *reported)?;
    let mut out = vec![];
    let mut fault = None;
    for Located { value: text, span } in written {
        let names = || declared.iter().map(|d| d.name.as_str());
        match names().position(|n| n == text.value()) {
            Some(i) if !out.contains(&i) => out.push(i),
            Some(_) => {
                let problem =
                    Diagnostic::new(format!("`{}` names {} twice", s.full(key), quoted(text.written()))).at(span);
                fault = Some(diagnostics.add(problem.help("remove one of them")));
            }
            None => {
                let valid = match names().count() {
                    0 => "no segments are declared: add them under [segments]".to_string(),
                    _ => format!("the segments are {}", listed(names(), "`")),
                };
                let problem = Diagnostic::new(format!("there is no segment {}", quoted(text.written()))).at(span);
                let help = sentences([did_you_mean(nearest(text.written(), names()), "`"), valid]);
                fault = Some(diagnostics.add(problem.help(help)));
            }
        }
    }
    fault.map_or(Ok(Some(out)), Err)
}

/// The options of a stage kind where none is written.
pub fn default_options(kind: &Kind) -> Option<AnyOptions> {
    with_defaults(kind, &|_, setting| setting)
}

/// The same with all the words that a list may have.
pub fn widest_options(kind: &Kind) -> Option<AnyOptions> {
    let all = |key: &Key, setting| match key.accepts {
        Accepts::Words(words) => Some(Setting::Words(words.now.to_vec())),
        _ => setting,
    };
    with_defaults(kind, &all)
}

fn with_defaults(kind: &Kind, change: &dyn Fn(&Key, Option<Setting>) -> Option<Setting>) -> Option<AnyOptions> {
    let diagnostics = Diagnostics::default();
    let mut section = Section::open(&diagnostics, "", stage_keys(kind), None);
    let mut value = |name| {
        let key = kind.keys.iter().find(|key| key.name == name)?;
        change(key, section.get(name).ok().flatten())
    };
    kind.read(&mut value).ok()
}

/// The options of a stage. Every key is read before the first fault ends the work, so that all are reported.
fn options(s: &mut Section<'_>, diagnostics: &Diagnostics, kind: &Kind, span: &Span) -> Parsed<AnyOptions> {
    let values: Vec<(&str, Parsed<Option<Setting>>)> =
        kind.keys.iter().map(|key| (key.name, s.get(key.name))).collect();
    let mut values: BTreeMap<&str, Option<Setting>> =
        values.into_iter().map(|(name, value)| Ok((name, value?))).collect::<Parsed<_>>()?;
    let read = kind.read(&mut |name| values.remove(name).flatten());
    read.map_err(|defect| diagnostics.add(Diagnostic::new(defect.what).at(span.clone())))
}

/// What the kind of a stage misses in the pipeline, or finds contradictory in its options.
fn requirements(
    s: &Section<'_>,
    diagnostics: &Diagnostics,
    (kind, span): (&Kind, &Span),
    options: &AnyOptions,
    context: &Context<'_>,
) -> Parsed<()> {
    let sources = context.sources.as_ref().ok();
    let inputs = Inputs {
        basis: context.basis.as_ref().ok().copied(),
        has_source: &|source| sources.is_none_or(|all| all.contains_key(&source)),
        has_column: &|source, column| match sources.map(|all| all.get(&source)) {
            Some(Some(Ok(mapped))) => mapped.columns.contains_key(column),
            Some(None) => false,
            // What was meant cannot be told from sources that are not sound.
            None | Some(Some(Err(_))) => true,
        },
    };
    let mut sound = Ok(());
    for refusal in kind.check(options, &inputs, &|key| s.is_set(key)) {
        let (what, place) = match refusal.key {
            Some(key) => (format!("`{}` {}", s.full(key), refusal.what), s.span_of(key)),
            None => (format!("a stage of kind `{}` {}", kind.name, refusal.what), Some(span.clone())),
        };
        sound = Err(diagnostics.add(Diagnostic::new(what).at(place).help(refusal.help).remote()));
    }
    sound
}
