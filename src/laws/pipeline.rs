//! The pipeline file of a world: every kind of the registry, by every period and with every value of its options.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::{LazyLock, Mutex};

use super::world::{Rule, World};
use crate::calendar::Period;
use crate::config::{self, Pipeline};
use crate::error::Errors;
use crate::options::{Accepts, Default, Key};
use crate::stage::{KINDS, Kind};

/// Values that an option takes, as TOML: all of a few words, the ends of a range, two numbers.
pub(super) fn values_of(option: &Key) -> Vec<String> {
    let quoted = |word: &&str| format!("{word:?}");
    match option.accepts {
        // A range's end may be far beyond the data; the next above its beginning is not.
        Accepts::Int { min, max } => vec![min.to_string(), (min + 1).min(max).to_string(), max.to_string()],
        Accepts::Number { .. } => numbers(option),
        Accepts::Flag => vec!["true".into()],
        Accepts::Word(words) => words.now.iter().map(quoted).collect(),
        Accepts::Words(words) => words.now.iter().map(|word| format!("[{word:?}]")).collect(),
        Accepts::Date => vec!["2024-03-10".into(), "1997-01-01".into()],
        Accepts::Months => vec!["\"1 month\"".into(), "\"100 years\"".into()],
        Accepts::Horizon => vec!["\"2 periods\"".into(), "\"1 period\"".into(), "\"20 days\"".into()],
        Accepts::Days => vec!["\"30 days\"".into(), "\"1 days\"".into()],
        other => panic!("no stage has an option that takes {}", other.described()),
    }
}

/// A number below and one above the default, so near that cut points keep their order.
fn numbers(option: &Key) -> Vec<String> {
    match option.default {
        Default::Value(default) => {
            let default: f64 = default.parse().expect("the default of a number is one");
            vec![format!("{:?}", default * 0.75), format!("{:?}", default * 1.5)]
        }
        _ => vec!["0.3".into(), "0.5".into()],
    }
}

/// A stage by name, with the body of its table.
type Written = (String, String);

/// Stages of a kind, each with one option set, or by another period.
fn stages_of(kind: &Kind) -> Vec<Written> {
    let kind_is = format!("kind = {:?}\n", kind.name);
    let crossed = (format!("{}_crossed", kind.name), format!("{kind_is}by = [\"town\", \"computed\"]\n"));
    let mut stages: Vec<Written> = Period::ALL
        .iter()
        .map(|(name, _)| (format!("{}_by_{name}", kind.name), format!("{kind_is}period = {name:?}\n")))
        .collect();
    stages.push(crossed);
    for option in kind.keys {
        for (i, value) in values_of(option).into_iter().enumerate() {
            let name = format!("{}_{}_{i}", kind.name, option.name.replace('.', "_"));
            stages.push((name, format!("{kind_is}{} = {value}\n", option.name)));
        }
    }
    stages
}

/// The head of the file: everything but stages.
pub(super) fn head(world: &World) -> String {
    let mut text = format!("name = \"laws\"\n[calendar]\nperiod = {:?}\n", world.period.name());
    let mut put = |line: String| text.write_str(&line).expect("a text grows");
    world.as_of.iter().for_each(|day| put(format!("as_of = {day}\n")));
    world.observed_from.iter().for_each(|day| put(format!("observed_from = {day}\n")));
    put("[money]\ncurrency = \"EUR\"\ngross_margin = 0.55\ndiscount_rate = 0.1\n[customers]\n".into());
    match world.rule {
        Rule::OnePeriod => put("basis = \"transactions\"\nchurn_after = \"1 period\"\n".into()),
        Rule::Days(days) => put(format!("basis = \"transactions\"\nchurn_after = \"{days} days\"\n")),
        Rule::Learned(until) => {
            put("basis = \"transactions\"\nchurn_after = { quantile = 0.8 }\n".into());
            until.iter().for_each(|day| put(format!("learned_until = {day}\n")));
        }
        Rule::Contracts { gap_days, inclusive, free, paused, past_due, policy, switches } => {
            let live = |is_live: bool| if is_live { "\"live\"" } else { "\"not live\"" };
            put(format!(
                "basis = \"subscriptions\"\ngap_days = {gap_days}\nended_at_inclusive = {inclusive}\n\
                 free = {}\npaused = {}\npast_due = {}\n",
                live(free),
                live(paused),
                live(past_due)
            ));
            put(format!("policy = {policy:?}\n"));
            switches.into_iter().flatten().for_each(|switch| put(format!("{switch}\n")));
        }
    }
    if world.buys() {
        put("loyal_orders = 2\n".into());
    }
    let mut source = |name: &str, columns: &str| {
        put(format!("[sources.{name}]\npath = \"{name}.parquet\"\ncolumns = {{ {columns} }}\n"));
    };
    let of_customer = "customer_id = \"c\"";
    let signed_up = if world.sign_ups { ", signed_up_at = \"s\"" } else { "" };
    source("customers", &format!("{of_customer}, acquired_by = \"by\", referred_by = \"r\"{signed_up}"));
    if world.buys() {
        let order = if world.order_ids { ", order_id = \"o\"" } else { "" };
        source("transactions", &format!("{of_customer}, occurred_at = \"t\", amount = \"a\"{order}"));
    }
    if world.subscribes() {
        let why = "cancel_reason = \"why\", cancel_kind = \"who\", currency = \"in\"";
        source("subscriptions", &format!("{of_customer}, started_at = \"s\", amount = \"a\", plan = \"plan\", {why}"));
    }
    source("usage", &format!("{of_customer}, occurred_at = \"t\", quantity = \"q\""));
    let said = "kind = \"k\", score = \"s\", reason = \"r\"";
    source("surveys", &format!("{of_customer}, answered_at = \"t\", {said}"));
    source("exchange_rates", "currency = \"c\", date = \"d\", rate = \"r\"");
    source("acquisition_costs", "period_start = \"p\", amount = \"a\", channel = \"c\"");
    let builtin = if world.buys() { world.builtin } else { ["cohort_year", "tenure"][world.builtin.len() % 2] };
    put(format!("[segments]\ncomputed = {{ builtin = {builtin:?} }}\n"));
    put(format!("town = {{ column = \"customers.town\", cap = {} }}\n", world.cap));
    let at = format!("at = {:?}, cap = {}", world.at, world.cap);
    put(format!("feature = {{ column = \"usage.feature\", {at} }}\n"));
    if world.subscribes() {
        put(format!("plan = {{ column = \"subscriptions.plan\", {at} }}\n"));
    }
    if world.buys() {
        put(format!("shop = {{ column = \"transactions.shop\", {at} }}\n"));
    }
    text
}

pub(super) fn parse(text: &str) -> Result<Pipeline, Errors> {
    config::parse(Path::new("laws.toml"), text, &[], &|_| None, KINDS)
}

/// What decides which options go together: the configuration refuses, say, MRR of transactions.
type Given = (bool, bool, bool, bool);
static ACCEPTED: LazyLock<Mutex<BTreeMap<Given, String>>> = LazyLock::new(Mutex::default);

/// The stages of all kinds that the configuration takes in a world like this.
fn stages(world: &World, head: &str) -> String {
    let setting = (world.subscribes(), world.sign_ups, world.buys(), world.order_ids);
    let mut accepted = ACCEPTED.lock().expect("a law failed while it wrote stages");
    let found = accepted.entry(setting).or_insert_with(|| {
        let mut all = String::new();
        for kind in KINDS {
            let written = stages_of(kind);
            let tried = written.iter().map(|(name, body)| format!("[stages.{name}]\n{body}"));
            let taken: Vec<String> = tried.filter(|stage| parse(&format!("{head}{stage}")).is_ok()).collect();
            // A kind that needs another source or basis is refused as a whole; a law of the registry says that it runs
            // on some basis.
            let lacks = taken.is_empty();
            assert!(
                lacks || taken.len() >= Period::ALL.len(),
                "{} runs by every period, yet only {taken:?}",
                kind.name
            );
            assert!(lacks || 2 * taken.len() > written.len(), "of {} only these run: {taken:?}", kind.name);
            all.extend(taken);
        }
        all
    });
    found.clone()
}

pub(super) fn of(world: &World) -> Pipeline {
    let head = head(world);
    let text = format!("{head}{}", stages(world, &head));
    parse(&text).unwrap_or_else(|problems| panic!("{problems:?}\nof\n{text}"))
}
