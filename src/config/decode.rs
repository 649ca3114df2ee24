//! From the document to the [`Pipeline`]: the tables with a fixed set of keys, and what ties the tables together.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::diagnostics::{Diagnostic, Diagnostics, Parsed};
use super::reference::{
    Accepts, BASES, DATED, FREE_AFTER_PAID, LIVENESS, LTV_RATES, PASSING, RATE_MOVES, RATE_OF, WEEKDAYS, keys,
};
use super::section::{Section, word_of};
use super::tree::{DocumentEntry, DocumentNode, DocumentTable, DocumentValue};
use super::value::{ALWAYS, file_name};
use super::{
    Basis, Calendar, ChurnAfter, CustomerSettings, Located, MoneySettings, Output, Pipeline, Reactivation, SegmentFrom,
    SourceKind, segments, sources, stages,
};
use crate::calendar::{Day, Period};
use crate::nearest::{did_you_mean, nearest};
use crate::stage::Kind;
use crate::text::Text;
use crate::timeline::builtin::Builtin;
use crate::timeline::policy::Policy;

/// What is known of the file beside its tree.
pub(super) struct File<'a> {
    pub path: &'a Path,
    pub sha256: String,
    /// The registry of stages.
    pub kinds: &'static [Kind],
}

/// Every section is decoded before the first fault ends the work, so that all are reported.
pub(super) fn pipeline(file: &File<'_>, mut root: DocumentTable, diagnostics: &Diagnostics) -> Parsed<Pipeline> {
    rejoin(&mut root, "", diagnostics);
    if let Some(DocumentEntry { node: DocumentNode { value: DocumentValue::Table(sources), .. }, .. }) =
        root.get_mut("sources")
    {
        rejoin(sources, "sources", diagnostics);
    }
    let node = DocumentNode { value: DocumentValue::Table(root), span: 0..0 };
    let mut top = Section::open(diagnostics, "", keys(""), Some(&node));
    let base = base(file.path);

    let stem = file.path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let name = name(&mut top, diagnostics, &stem);
    let calendar = calendar(&mut top, diagnostics);
    let money = money(&mut top, diagnostics);
    let zone = calendar.as_ref().map(|c| (c.timezone.clone(), top.resolved("calendar.timezone"))).map_err(|r| *r);
    let sources = sources::decode(&mut top, diagnostics, zone);
    let customers = customers(&mut top, diagnostics, &sources);
    let segments = segments::decode(&mut top, diagnostics, &sources);
    learns_something(diagnostics, &customers, &segments);
    let context = stages::Context {
        period: calendar.as_ref().map(|c| (c.period, top.resolved("calendar.period"))).map_err(|r| *r),
        basis: customers.as_ref().map(|c| c.basis).map_err(|r| *r),
        sources: &sources,
        segments: &segments,
        kinds: file.kinds,
    };
    let stages = stages::decode(&mut top, diagnostics, &context);
    let output = output(&mut top, diagnostics, &name, &base);
    Ok(Pipeline {
        file: file.path.to_owned(),
        base,
        name: name?,
        sha256: file.sha256.clone(),
        calendar: calendar?,
        money: money?,
        customers: customers?,
        sources: sources?.into_iter().map(|(kind, source)| Ok((kind, source?))).collect::<Parsed<_>>()?,
        segments: segments?.into_iter().map(|s| s.decoded).collect::<Parsed<_>>()?,
        stages: stages?,
        output: output?,
        resolved: top.into_resolved(),
        temporary_files: vec![],
    })
}

/// Reports a table whose header is misspelt once (`[sorces.customers]` beside `[sources.transactions]`) and joins its
/// entries to the table that was meant, so that nothing in it is called missing.
fn rejoin(table: &mut DocumentTable, group: &str, diagnostics: &Diagnostics) {
    let known = keys(group);
    let tables = || known.iter().filter(|k| matches!(k.accepts, Accepts::Table)).map(|k| k.name);
    let is_table = |e: &DocumentEntry| matches!(e.node.value, DocumentValue::Table(_));
    let meant = |e: &DocumentEntry| nearest(&e.key, tables()).filter(|meant| table.get(meant).is_some_and(is_table));
    let unknown = |e: &DocumentEntry| is_table(e) && !known.iter().any(|k| k.name == e.key);
    let strays: Vec<(usize, &str)> =
        table.0.iter().enumerate().filter(|(_, e)| unknown(e)).filter_map(|(i, e)| Some((i, meant(e)?))).collect();
    for (i, meant) in strays.into_iter().rev() {
        let DocumentEntry { key, key_span, node } = table.0.remove(i);
        let place = if group.is_empty() { String::new() } else { format!(" in [{group}]") };
        let problem = Diagnostic::new(format!("unknown key `{key}`{place}")).at(key_span);
        diagnostics.add(problem.help(did_you_mean(Some(meant), "`")));
        if let Some(home) = table.get_mut(meant) {
            join(&mut home.node, node);
        }
    }
}

/// Adds the entries of one table to another, tables below them likewise; what is there stays.
fn join(home: &mut DocumentNode, stray: DocumentNode) {
    let (DocumentValue::Table(home), DocumentValue::Table(stray)) = (&mut home.value, stray.value) else { return };
    for entry in stray.0 {
        match home.get_mut(&entry.key) {
            Some(there) => join(&mut there.node, entry.node),
            None => home.0.push(entry),
        }
    }
}

/// The folder that relative paths start from.
fn base(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// A path of the file, relative to its folder.
fn joined(base: &Path, path: &str) -> PathBuf {
    if base == Path::new(".") { PathBuf::from(path) } else { base.join(path) }
}

/// Opens a table of the top level, reads it with `read`, and notes what it resolves to.
fn section<T>(
    top: &mut Section<'_>,
    diagnostics: &Diagnostics,
    name: &'static str,
    read: impl FnOnce(&mut Section<'_>) -> Parsed<T>,
) -> Parsed<T> {
    let mut section = Section::open(diagnostics, name, keys(name), top.node(name)?);
    let out = read(&mut section);
    top.resolve(name, section.into_resolved());
    out
}

fn name(top: &mut Section<'_>, diagnostics: &Diagnostics, stem: &str) -> Parsed<Text> {
    let written: Option<Text> = top.get("name")?;
    if let Some(name) = written {
        return Ok(name);
    }
    if !file_name(stem) {
        let what = "the file's name does not serve as the pipeline's name";
        let help = format!("add `name = \"…\"` at the top of the file: {}", Accepts::FileName.described());
        return Err(diagnostics.add(Diagnostic::new(what).help(help).remote()));
    }
    top.resolve("name", stem.into());
    Ok(Text::plain(stem))
}

fn calendar(top: &mut Section<'_>, diagnostics: &Diagnostics) -> Parsed<Calendar> {
    section(top, diagnostics, "calendar", |s| {
        let period = s.need_word("period", &Period::ALL);
        let timezone = s.need("timezone");
        let week_start = s.need_word("week_start", &WEEKDAYS);
        let as_of: Parsed<Option<Day>> = s.get("as_of");
        let observed_from: Parsed<Option<Day>> = s.get("observed_from");
        let fiscal_year_start: Parsed<i64> = s.need("fiscal_year_start");
        if let (Ok(Some(end)), Ok(Some(start))) = (&as_of, &observed_from)
            && end <= start
        {
            let what = format!("`calendar.as_of` ({end}) is not after `calendar.observed_from` ({start})");
            let help = "nothing would be observed: as_of is the exclusive end, observed_from the first day";
            diagnostics.add(Diagnostic::new(what).at(s.span_of("as_of")).help(help));
        }
        Ok(Calendar {
            period: period?,
            timezone: timezone?,
            week_start: week_start?,
            as_of: as_of?,
            observed_from: observed_from?,
            fiscal_year_start: fiscal_year_start? as i8,
        })
    })
}

fn money(top: &mut Section<'_>, diagnostics: &Diagnostics) -> Parsed<MoneySettings> {
    section(top, diagnostics, "money", |s| {
        let currency = s.need("currency");
        let digits: Parsed<i64> = s.need("digits");
        let gross_margin = s.get("gross_margin");
        let discount_rate = s.get("discount_rate");
        Ok(MoneySettings {
            currency: currency?,
            digits: digits? as u8,
            gross_margin: gross_margin?,
            discount_rate: discount_rate?,
        })
    })
}

/// The source that a basis reads.
pub(super) fn source_of(basis: Basis) -> SourceKind {
    match basis {
        Basis::Transactions => SourceKind::Transactions,
        Basis::Subscriptions => SourceKind::Subscriptions,
    }
}

/// Settings of [customers] that only one basis has.
const OF_BASIS: [(&str, Basis); 15] = [
    ("churn_after", Basis::Transactions),
    ("learned_until", Basis::Transactions),
    ("activity", Basis::Transactions),
    ("ended_at_inclusive", Basis::Subscriptions),
    ("gap_days", Basis::Subscriptions),
    ("free", Basis::Subscriptions),
    ("paused", Basis::Subscriptions),
    ("past_due", Basis::Subscriptions),
    ("churn_dated", Basis::Subscriptions),
    ("churn_rate", Basis::Subscriptions),
    ("within_period", Basis::Subscriptions),
    ("reactivation", Basis::Subscriptions),
    ("exchange_rate_moves", Basis::Subscriptions),
    ("free_after_paid", Basis::Subscriptions),
    ("ltv_churn_rate", Basis::Subscriptions),
];

/// The basis that holds where none is written.
pub(super) fn default_basis(configured: impl Fn(SourceKind) -> bool) -> Basis {
    let subscriptions = !configured(SourceKind::Transactions) && configured(SourceKind::Subscriptions);
    if subscriptions { Basis::Subscriptions } else { Basis::Transactions }
}

fn customers(
    top: &mut Section<'_>,
    diagnostics: &Diagnostics,
    sources: &Parsed<sources::ParsedSources>,
) -> Parsed<CustomerSettings> {
    section(top, diagnostics, "customers", |s| {
        let default = match sources {
            Ok(all) => Ok(word_of(default_basis(|kind| all.contains_key(&kind)), &BASES)),
            Err(reported) => Err(*reported),
        };
        let written = s.is_set("basis");
        let basis = s.follow_word("basis", &BASES, default);
        if let (Ok(basis), Ok(all)) = (&basis, sources)
            && !all.contains_key(&source_of(*basis))
        {
            let source = source_of(*basis).name();
            let problem = if written {
                let help = format!("add [sources.{source}], or choose the other basis");
                Diagnostic::new(format!("the basis is {source}, but no such source is configured"))
                    .at(s.span_of("basis"))
                    .help(help)
            } else {
                let what = "neither transactions nor subscriptions are configured, so no customer could be live";
                Diagnostic::new(what).help("add [sources.transactions] or [sources.subscriptions]")
            };
            diagnostics.add(problem.remote());
        }
        if let Ok(basis) = basis {
            for (name, of) in OF_BASIS.into_iter().filter(|(name, of)| *of != basis && s.is_set(name)) {
                let what = format!(
                    "`{}` is for basis {}, and the basis is {}",
                    s.full(name),
                    source_of(of).name(),
                    source_of(basis).name()
                );
                diagnostics.add(
                    Diagnostic::new(what).at(s.span_of(name)).help("remove it, or change customers.basis").remote(),
                );
            }
        }
        let churn_after: Parsed<ChurnAfter> = s.need("churn_after");
        let learned_until: Parsed<Option<Day>> = s.get("learned_until");
        let loyal_orders = s.need("loyal_orders");
        if s.is_set("loyal_orders") && sources.as_ref().is_ok_and(|all| !all.contains_key(&SourceKind::Transactions)) {
            let what = format!("`{}` counts orders, and there are none", s.full("loyal_orders"));
            let problem = Diagnostic::new(what).at(s.span_of("loyal_orders"));
            diagnostics.add(problem.help("map source `transactions`, or remove it").remote());
        }
        let written = s.is_set("activity");
        let activity = s.need("activity");
        let policy = policy(s, diagnostics, &basis);
        let ended_at_inclusive = s.need("ended_at_inclusive");
        let gap_days: Parsed<i64> = s.need("gap_days");
        let free_is_live = s.need_word("free", &LIVENESS);
        let paused_is_live = s.need_word("paused", &LIVENESS);
        let past_due_is_live = s.need_word("past_due", &LIVENESS);
        Ok(CustomerSettings {
            basis: basis?,
            churn_after: churn_after?,
            learned_until: learned_until?.zip(s.span_of("learned_until")).map(|(value, span)| Located { value, span }),
            loyal_orders: loyal_orders?,
            activity: Some(activity?).filter(|_| written),
            ended_at_inclusive: ended_at_inclusive?,
            gap_days: gap_days? as i32,
            free_is_live: free_is_live?,
            paused_is_live: paused_is_live?,
            past_due_is_live: past_due_is_live?,
            policy: policy?,
        })
    })
}

/// A day up to which nothing is learned says nothing.
fn learns_something(
    diagnostics: &Diagnostics,
    customers: &Parsed<CustomerSettings>,
    segments: &Parsed<Vec<segments::Named>>,
) {
    let (Ok(customers), Ok(segments)) = (customers, segments) else { return };
    let Some(Located { span, .. }) = &customers.learned_until else { return };
    let frequency = SegmentFrom::Builtin(Builtin::Frequency);
    let by_frequency = segments.iter().any(|s| s.decoded.as_ref().map_or(true, |s| s.from == frequency));
    if !matches!(customers.churn_after, ChurnAfter::Learned { .. }) && !by_frequency {
        let what = "`customers.learned_until` says until when to learn, and nothing is learned";
        let help = "remove it, or set churn_after = { quantile = 0.95, by = \"frequency\" }";
        diagnostics.add(Diagnostic::new(what).at(span.clone()).help(help).remote());
    }
}

/// The preset, with the switches that are set beside it.
fn policy(s: &mut Section<'_>, diagnostics: &Diagnostics, basis: &Parsed<Basis>) -> Parsed<Policy> {
    let word: Parsed<&str> = s.need("policy");
    if let (Ok(Basis::Transactions), Ok(word)) = (basis, &word)
        && *word != Policy::PRESETS[0].0
    {
        let what = format!("`{}` is of subscriptions, and the basis is transactions", s.full("policy"));
        let help = "leave it out: on transactions, churn_after defines churn";
        diagnostics.add(Diagnostic::new(what).at(s.span_of("policy")).help(help).remote());
    }
    // Whatever is wrong with the preset, the switches are looked at.
    let of = word.map(preset);
    let or = |name: &str| of.map(|p| switch(p, name));
    let dated = s.follow_word("churn_dated", &DATED, of.and_then(|p| Ok((p.dated, or("churn_dated")?))));
    let rate_of = s.follow_word("churn_rate", &RATE_OF, of.and_then(|p| Ok((p.rate_of, or("churn_rate")?))));
    let passing = s.follow_word("within_period", &PASSING, of.and_then(|p| Ok((p.passing, or("within_period")?))));
    let default = of.and_then(|p| Ok((Reactivation(p.reactivation), or("reactivation")?)));
    let reactivation: Parsed<Reactivation> = s.follow("reactivation", default);
    let default = of.and_then(|p| Ok((p.rate_moves, or("exchange_rate_moves")?)));
    let rate_moves = s.follow_word("exchange_rate_moves", &RATE_MOVES, default);
    let default = of.and_then(|p| Ok((p.free_after_paid, or("free_after_paid")?)));
    let free = s.follow_word("free_after_paid", &FREE_AFTER_PAID, default);
    let ltv_rate =
        s.follow_word("ltv_churn_rate", &LTV_RATES, of.and_then(|p| Ok((p.ltv_rate, or("ltv_churn_rate")?))));
    Ok(Policy {
        dated: dated?,
        rate_of: rate_of?,
        passing: passing?,
        reactivation: reactivation?.0,
        rate_moves: rate_moves?,
        free_after_paid: free?,
        ltv_rate: ltv_rate?,
    })
}

/// The policy of that name; the standard one if there is none.
pub(super) fn preset(name: &str) -> Policy {
    Policy::PRESETS.iter().find(|(preset, _)| *preset == name).map_or(Policy::STANDARD, |(_, policy)| *policy)
}

/// A switch of a policy as the pipeline file would write it; NULL for what is no switch.
pub(super) fn switch(policy: Policy, name: &str) -> Json {
    match name {
        "churn_dated" => word_of(policy.dated, &DATED).1,
        "churn_rate" => word_of(policy.rate_of, &RATE_OF).1,
        "within_period" => word_of(policy.passing, &PASSING).1,
        "reactivation" => policy.reactivation.map_or(ALWAYS.into(), |days| format!("{days} days").into()),
        "exchange_rate_moves" => word_of(policy.rate_moves, &RATE_MOVES).1,
        "free_after_paid" => word_of(policy.free_after_paid, &FREE_AFTER_PAID).1,
        "ltv_churn_rate" => word_of(policy.ltv_rate, &LTV_RATES).1,
        _ => Json::Null,
    }
}

/// Where the runs go if the file does not say.
pub(super) fn default_dir(name: &str) -> String {
    format!("out/{name}")
}

fn output(top: &mut Section<'_>, diagnostics: &Diagnostics, name: &Parsed<Text>, base: &Path) -> Parsed<Output> {
    section(top, diagnostics, "output", |s| {
        let default = match name {
            Ok(name) => Ok((name.behind(&default_dir("")), Json::from(default_dir(name.written())))),
            Err(reported) => Err(*reported),
        };
        let dir_text: Parsed<Text> = s.follow("dir", default);
        let quarantine_limit = s.need("quarantine_limit");
        let mode = s.get("mode");
        let temp_dir_text: Parsed<Option<Text>> = s.get("temp_dir");
        let (dir_text, temp_dir_text) = (dir_text?, temp_dir_text?);
        Ok(Output {
            dir: joined(base, dir_text.value()),
            dir_text,
            quarantine_limit: quarantine_limit?,
            mode: mode?,
            temp_dir: temp_dir_text.as_ref().map(|d| joined(base, d.value())),
            temp_dir_text,
        })
    })
}
