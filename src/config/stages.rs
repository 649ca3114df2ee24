//! `[stages]`: what is computed, each stage a kind of the registry under a name of its own.

use serde_json::Value as Json;

use super::decode::{check_name, entries, resolved_by_name};
use super::diagnostics::{Diagnostic, Diagnostics, Parsed};
use super::reference::{Accepts, RESERVED_TABLES, kind_names, stage_keys};
use super::requirements::wants;
use super::section::Section;
use super::segments::Named;
use super::sources::Sources;
use super::tree::{Entry, Node, Table, Value, quoted};
use super::value::{Setting, Written};
use super::{Basis, SourceKind, Stage};
use crate::calendar::Period;
use crate::nearest::{did_you_mean, listed, nearest, sentences};
use crate::stage::{Horizon, KINDS, OptionSpec, OptionType, OptionValue, Options, ltv, reconcile, risk, survival};

/// Kinds whose tables have no rows by segment.
pub(super) const OF_EVERYBODY: [&str; 2] = [reconcile::KIND.name, risk::KIND.name];

/// What stages refer to.
pub(super) struct Context<'a> {
    /// `calendar.period`, and how it was written.
    pub period: Parsed<(Period, Json)>,
    pub basis: Parsed<Basis>,
    pub sources: &'a Parsed<Sources>,
    pub segments: &'a Parsed<Vec<Named>>,
}

/// In order of name.
pub(super) fn decode(top: &mut Section<'_>, diagnostics: &Diagnostics, context: &Context<'_>) -> Parsed<Vec<Stage>> {
    let mut stages = vec![];
    let mut resolved = vec![];
    for entry in entries(top, diagnostics, "stages")? {
        let (stage, json) = stage(diagnostics, entry, context);
        resolved.push((entry.key.clone(), json));
        stages.push(stage);
    }
    top.resolve("stages", resolved_by_name(resolved));
    let mut stages: Vec<Stage> = stages.into_iter().collect::<Parsed<_>>()?;
    further_tables(diagnostics, &stages)?;
    stages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(stages)
}

fn stage(diagnostics: &Diagnostics, entry: &Entry, context: &Context<'_>) -> (Parsed<Stage>, Json) {
    let path = format!("stages.{}", entry.key);
    let table = match &entry.node.value {
        Value::Table(table) => table,
        Value::Broken(reported) => return (Err(*reported), Json::Null),
        _ => {
            let what = format!("`{path}` takes a table of options, not {}", entry.node.described());
            let help = format!("write [{path}] and the stage's options below, or nothing for its defaults");
            return (Err(diagnostics.add(Diagnostic::new(what).at(entry.node.span.clone()).help(help))), Json::Null);
        }
    };
    let (kind, named) = match kind(diagnostics, &path, entry, table) {
        Ok(found) => found,
        Err(reported) => return (Err(reported), entry.node.json()),
    };
    let name = named
        .and_then(|()| check_name(diagnostics, "stage", entry))
        .and_then(|()| check_table(diagnostics, entry, kind));
    let mut s = Section::open(diagnostics, path, stage_keys(kind), Some(&entry.node));
    s.resolve("kind", kind.into());
    let period = s.follow_word("period", &Period::ALL, context.period.clone());
    let segments = if OF_EVERYBODY.contains(&kind) && !s.is_set("segments") {
        s.resolve("segments", Json::Array(vec![]));
        Ok(vec![])
    } else {
        segments(&mut s, diagnostics, context)
    };
    let by = crossed(&mut s, diagnostics, context);
    let options: Vec<_> = options_of(kind).iter().map(|o| (o.name, option(&mut s, o))).collect();
    let ties = ties(&s, diagnostics, &options, context)
        .and(wants(diagnostics, kind, &entry.key_span, context))
        .and(undivided(&s, diagnostics, kind, &segments));
    let stage = (|| {
        name?;
        ties?;
        Ok(Stage {
            name: entry.key.clone(),
            kind,
            period: period?,
            segments: segments?,
            by: by?,
            options: Options(options.into_iter().map(|(name, value)| Ok((name, value?))).collect::<Parsed<_>>()?),
            span: entry.key_span.clone(),
        })
    })();
    (stage, s.into_resolved())
}

/// The stage's kind, and whether it was rightly named: a misspelt kind is reported and then read as the one meant.
fn kind(diagnostics: &Diagnostics, path: &str, entry: &Entry, table: &Table) -> Parsed<(&'static str, Parsed<()>)> {
    let known: Vec<&str> = KINDS.iter().flat_map(|k| stage_keys(k.name)).map(|k| k.name).collect();
    let misspelt =
        |e: &&Entry| !known.contains(&e.key.as_str()) && nearest(&e.key, known.iter().copied()) == Some("kind");
    let written = table.get("kind").or_else(|| table.0.iter().find(misspelt));
    let (word, span, named_by) = match written.map(|e| &e.node) {
        None => (entry.key.as_str(), &entry.key_span, None),
        Some(Node { value: Value::Text(text), span }) => (text.value(), span, Some(text)),
        Some(Node { value: Value::Broken(reported), .. }) => return Err(*reported),
        Some(node) => {
            let what = format!("`{path}.kind` takes {}, not {}", Accepts::Kind.described(), node.described());
            return Err(diagnostics.add(Diagnostic::new(what).at(node.span.clone())));
        }
    };
    if let Some(kind) = KINDS.iter().find(|k| k.name == word) {
        return Ok((kind.name, Ok(())));
    }
    let offered = listed(KINDS.iter().map(|k| k.name), "`");
    let shown = named_by.map_or(word, |text| text.written());
    let meant = nearest(shown, kind_names());
    let (what, rest) = match named_by {
        Some(_) => (format!("`{path}.kind` names no kind of stage: \"{shown}\""), format!("the kinds are {offered}")),
        None => {
            let rest = format!("the kinds are {offered}; a stage with a name of its own says which: kind = \"…\"");
            (format!("`{word}` is no kind of stage"), rest)
        }
    };
    let help = sentences([did_you_mean(meant, "`"), rest]);
    let reported = diagnostics.add(Diagnostic::new(what).at(span.clone()).help(help));
    match KINDS.iter().find(|k| Some(k.name) == meant) {
        Some(kind) => Ok((kind.name, Err(reported))),
        None => Err(reported),
    }
}

/// A stage's name is its table's name, so it must not be that of another table.
fn check_table(diagnostics: &Diagnostics, entry: &Entry, kind: &str) -> Parsed<()> {
    let name = entry.key.as_str();
    let (what, help) = if RESERVED_TABLES.contains(&name) || name.starts_with("ledger_") {
        (
            format!("`{name}` is a table of every run or of a kind of stage"),
            format!("choose another name, such as `my_{name}`"),
        )
    } else if name != kind && kind_names().any(|k| k == name) {
        let what = format!("the stage `{name}` has the name of one kind and is of another, `{kind}`");
        (what, format!("choose another name, such as `{kind}_2`"))
    } else {
        return Ok(());
    };
    Err(diagnostics.add(Diagnostic::new(what).at(entry.key_span.clone()).help(help)))
}

/// A kind of everybody is by no segment.
fn undivided(s: &Section<'_>, diagnostics: &Diagnostics, kind: &str, segments: &Parsed<Vec<usize>>) -> Parsed<()> {
    let by_segments = s.is_set("segments") && segments.as_ref().is_ok_and(|named| !named.is_empty());
    let key = if by_segments { "segments" } else { "by" };
    if !OF_EVERYBODY.contains(&kind) || !s.is_set(key) {
        return Ok(());
    }
    let what = format!("`{}` does not go with a stage of kind `{kind}`, which is of everybody", s.full(key));
    Err(diagnostics.add(Diagnostic::new(what).at(s.span_of(key)).help("remove it").remote()))
}

/// A stage of kind `survival` writes tables beside its own.
fn further_tables(diagnostics: &Diagnostics, stages: &[Stage]) -> Parsed<()> {
    let mut sound = Ok(());
    for stage in stages.iter().filter(|s| s.kind == survival::KIND.name) {
        for table in survival::FURTHER_TABLES.map(|suffix| format!("{}_{suffix}", stage.name)) {
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
    let written: Option<Vec<Written>> = s.get(key)?;
    let Some(written) = written else { return Ok(None) };
    let declared = context.segments.as_ref().map_err(|reported| *reported)?;
    let mut out = vec![];
    let mut fault = None;
    for Written { text, span } in written {
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

fn options_of(kind: &str) -> &'static [OptionSpec] {
    KINDS.iter().find(|k| k.name == kind).map_or(&[], |k| k.options)
}

/// The options of a stage kind where none is written.
fn default_options(kind: &str) -> Options {
    let diagnostics = Diagnostics::default();
    let mut section = Section::open(&diagnostics, "", stage_keys(kind), None);
    let value = |o: &OptionSpec| Some((o.name, option(&mut section, o).ok()?));
    Options(options_of(kind).iter().filter_map(value).collect())
}

/// The same with all the words that a list may have.
pub fn widest_options(kind: &str) -> Options {
    let mut options = default_options(kind);
    for option in options_of(kind) {
        if let OptionType::Words(words) = option.accepts {
            options.0.insert(option.name, OptionValue::Words(words.to_vec()));
        }
    }
    options
}

fn option(s: &mut Section<'_>, spec: &OptionSpec) -> Parsed<OptionValue> {
    let setting: Option<Setting> = s.get(spec.name)?;
    Ok(match (setting, spec.accepts) {
        (Some(Setting::Int(x)), _) => OptionValue::Int(x),
        (Some(Setting::Number(x)), _) => OptionValue::Float(x),
        (Some(Setting::Flag(x)), _) => OptionValue::Flag(x),
        (Some(Setting::Word(x)), _) => OptionValue::Word(x),
        (Some(Setting::Words(x)), _) => OptionValue::Words(x),
        (Some(Setting::Days(x)), _) => OptionValue::Days(Some(x)),
        (Some(Setting::Months(x)), _) => OptionValue::Months(x),
        (Some(Setting::Horizon(x)), _) => OptionValue::Horizon(x),
        (Some(Setting::Day(x)), _) => OptionValue::Date(Some(x)),
        (_, OptionType::Days) => OptionValue::Days(None),
        (_, OptionType::Date) => OptionValue::Date(None),
        _ => OptionValue::Unset,
    })
}

/// What ties options to each other and to the rest of the file.
fn ties(
    s: &Section<'_>,
    diagnostics: &Diagnostics,
    options: &[(&str, Parsed<OptionValue>)],
    context: &Context<'_>,
) -> Parsed<()> {
    let value = |name: &str| options.iter().find(|(n, _)| *n == name).and_then(|(_, v)| v.as_ref().ok());
    let mut sound = Ok(());
    let mut refuse = |name: &str, what: String, help: &str| {
        sound = Err(diagnostics.add(Diagnostic::new(what).at(s.span_of(name)).help(help).remote()));
    };
    if let (Some(OptionValue::Float(excellent)), Some(OptionValue::Float(acceptable))) =
        (value("benchmark.excellent"), value("benchmark.acceptable"))
        && excellent > acceptable
    {
        let name = if s.is_set("benchmark.excellent") { "benchmark.excellent" } else { "benchmark.acceptable" };
        let what = format!("`{}` ({excellent}) is above `acceptable` ({acceptable})", s.full("benchmark.excellent"));
        refuse(name, what, "excellent is the lower of the two churn rates");
    }
    if let Some(OptionValue::Word("signed_up_at")) = value("from") {
        let mapped = match context.sources.as_ref().map(|all| all.get(&SourceKind::Customers)) {
            Ok(Some(Ok(source))) => source.columns.contains_key("signed_up_at"),
            Ok(None) => false,
            // What was meant cannot be told from a source that is not sound.
            _ => true,
        };
        if !mapped {
            let what = format!("`{}` = \"signed_up_at\" needs source `customers` to map that column", s.full("from"));
            refuse("from", what, "add signed_up_at = \"…\" to sources.customers.columns");
        }
    }
    if let (Some(OptionValue::Word(measure)), Ok(basis)) = (value("measure"), context.basis) {
        let (right, name) = match basis {
            Basis::Subscriptions => ("mrr", "subscriptions"),
            Basis::Transactions => ("revenue", "transactions"),
        };
        if *measure != right {
            let what = format!("`{}` = \"{measure}\" does not go with basis {name}", s.full("measure"));
            refuse("measure", what, &format!("leave it out, or write \"{right}\""));
        }
    }
    if s.is_set("calibrate_until") && s.is_set("calibrate_share") {
        let what =
            format!("`{}` and `calibrate_until` say twice where the calibration ends", s.full("calibrate_share"));
        refuse("calibrate_share", what, "remove one of them");
    }
    if let (Some(OptionValue::Horizon(ahead)), Ok(Basis::Transactions)) = (value("horizon"), context.basis)
        && *ahead != Horizon::Periods(1)
    {
        let what = format!("`{}` is for basis subscriptions", s.full("horizon"));
        refuse("horizon", what, "leave it out: a buyer has left when nothing was bought within the churn window");
    }
    let source = |kind| context.sources.as_ref().map(|all| all.get(&kind));
    if let Some(OptionValue::Words(models)) = value("models") {
        let of = |some: &[&str]| models.iter().find(|m| some.contains(m));
        if let (Some(model), Ok(None)) = (of(&ltv::BUYING), source(SourceKind::Transactions)) {
            let what = format!("`{}` names \"{model}\", a model of purchases, and there are none", s.full("models"));
            refuse("models", what, "map source `transactions`, or name \"sbg\", \"bdw\" or \"survival\"");
        }
        if models.contains(&"gammagamma") && of(&ltv::BUYING).is_none() {
            let what = format!("`{}` names \"gammagamma\", a model of what is spent, alone", s.full("models"));
            refuse("models", what, "name a model of how customers buy with it: \"bgnbd\", \"mbgnbd\" or \"paretonbd\"");
        }
        if let (Some(model), Ok(Basis::Transactions)) = (of(&ltv::RENEWING), context.basis) {
            let what = format!("`{}` names \"{model}\", a model of renewals, on basis transactions", s.full("models"));
            refuse("models", what, "name \"bgnbd\", \"mbgnbd\" or \"paretonbd\" for customers without a contract");
        }
    }
    if let (Some(OptionValue::Word("order_id")), Ok(Some(Ok(transactions)))) =
        (value("transactions_by"), source(SourceKind::Transactions))
        && !transactions.columns.contains_key("order_id")
    {
        let what = format!("`{}` = \"order_id\" needs source `transactions` to map it", s.full("transactions_by"));
        refuse("transactions_by", what, "add order_id = \"…\" to sources.transactions.columns, or leave it out");
    }
    sound
}
