//! Every option matters: each of its values changes some table in some world.

use std::collections::BTreeMap;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::conduct::{Outcome, PLAIN, cell, gather, on, outcome};
use super::pipeline::{head, parse, values_of};
use super::world::{Rule, World, worlds};
use crate::job;
use crate::options::{Accepts, Default, Key};
use crate::stage::{KINDS, Kind};
use crate::table::Table;

/// Worlds that are tried until every value has shown itself.
const WORLDS: usize = 60;

/// Values that change no table, and why that is right.
const EXCUSED: &[(&str, &str, &str)] = &[
    ("revenue_churn.measure", "\"mrr\"", "it is what holds on subscriptions, and refused on transactions"),
    ("revenue_churn.measure", "\"revenue\"", "it is what holds on transactions, and refused on subscriptions"),
    ("ltv.models", "[\"gammagamma\"]", "a model of what is spent is refused without one of how customers buy"),
    ("acquisition.cap", "1000", "a world has fewer channels than the default lets through"),
    ("exit_reasons.cap", "1000", "a world has fewer reasons than the default lets through"),
    // A world's eighteen customers churn at nought or far above these rates: stage/churn/finish.rs tests them.
    ("churn.benchmark.excellent", "0.0225", "no world churns so slowly"),
    ("churn.benchmark.excellent", "0.045", "no world churns so slowly"),
    ("churn.benchmark.acceptable", "0.045", "no world churns so slowly"),
    ("churn.benchmark.acceptable", "0.09", "no world churns so slowly"),
];

/// A stage to be tried: its name, the body of its table, and the stage that it is compared with.
struct OptionTrial {
    name: String,
    body: String,
    /// Kind, option and value, for messages.
    what: (String, String),
    against: String,
}

/// Stages of a kind with one option set, on their own and beside all the words that the kind's lists may have.
fn trials(kind: &Kind, takes: &dyn Fn(&str) -> bool) -> (Vec<(String, String)>, Vec<OptionTrial>) {
    let plain = format!("kind = {:?}\n", kind.name);
    let mut bases = vec![(format!("{}_plain", kind.name), plain.clone())];
    let lists = kind.keys.iter().filter_map(|key| match key.accepts {
        Accepts::Words(words) => Some((key, words.now)),
        _ => None,
    });
    for (key, words) in lists {
        let mut taken: Vec<&str> = vec![];
        for word in words {
            let longer = [taken.as_slice(), &[word]].concat();
            if takes(&format!("{plain}{} = {longer:?}\n", key.name)) {
                taken = longer;
            }
        }
        bases.push((format!("{}_with_all_{}", kind.name, key.name), format!("{plain}{} = {taken:?}\n", key.name)));
    }
    let mut trials = vec![];
    for key in kind.keys {
        for (i, value) in values_of(key).into_iter().enumerate().filter(|(_, value)| !is_default(key, value)) {
            let line = format!("{} = {value}\n", key.name);
            for (against, body) in bases.iter().filter(|(_, body)| !body.contains(&format!("\n{} = ", key.name))) {
                trials.push(OptionTrial {
                    name: format!("{against}_{}_{i}", key.name.replace('.', "_")),
                    body: format!("{body}{line}"),
                    what: (format!("{}.{}", kind.name, key.name), value.clone()),
                    against: against.clone(),
                });
            }
        }
    }
    (bases, trials)
}

fn is_default(key: &Key, value: &str) -> bool {
    matches!(key.default, Default::Value(default) if default == value)
}

/// Everything that a stage wrote, by table: its own tables, its rows of shared ones, its columns of `customers`.
fn written(outcome: &Outcome, stage: &str, kind: &Kind) -> BTreeMap<String, Vec<Vec<String>>> {
    let mut all = BTreeMap::new();
    let own = std::iter::once((stage.to_owned(), "own"));
    let further = kind.further_tables.iter().map(|suffix| (format!("{stage}_{suffix}"), *suffix));
    let ledger = std::iter::once((format!("ledger_{stage}"), "ledger"));
    for (name, label) in own.chain(further).chain(ledger) {
        if let Some(table) = outcome.tables.get(&name) {
            all.insert(label.to_owned(), rows(table, &|_| true, &|_| true));
        }
    }
    for name in kind.shared_tables {
        let Some(table) = outcome.tables.get(*name) else { continue };
        let at = table.schema.column("stage").expect("a shared table says whose its rows are");
        let own = |row: usize| cell(&table.columns[at], row) == stage.into();
        all.insert((*name).to_owned(), rows(table, &own, &|column| column != "stage"));
    }
    let prefix = format!("{stage}_");
    all.insert("customers".into(), rows(&outcome.tables["customers"], &|_| true, &|c| c.starts_with(&prefix)));
    all
}

fn rows(table: &Table, row: &dyn Fn(usize) -> bool, column: &dyn Fn(&str) -> bool) -> Vec<Vec<String>> {
    let columns: Vec<usize> = (0..table.columns.len()).filter(|c| column(&table.schema.columns[*c].name)).collect();
    let cells = |at: usize| columns.iter().map(|c| format!("{:?}", cell(&table.columns[*c], at))).collect();
    (0..table.rows()).filter(|at| row(*at)).map(cells).collect()
}

/// The trials of a world that changed a table.
fn changed(world: &World, wanted: &dyn Fn(&OptionTrial) -> bool) -> Vec<(String, String)> {
    let head = head(world);
    let takes = |name: &str, body: &str| parse(&format!("{head}[stages.{name}]\n{body}")).is_ok();
    let mut text = head.clone();
    let mut tried = vec![];
    for kind in KINDS {
        let (bases, trials) = trials(kind, &|body| takes("tried", body));
        let trials: Vec<OptionTrial> = trials.into_iter().filter(|t| wanted(t) && takes(&t.name, &t.body)).collect();
        let bases =
            bases.into_iter().filter(|(name, body)| takes(name, body) && trials.iter().any(|t| t.against == *name));
        bases.for_each(|(name, body)| text += &format!("[stages.{name}]\n{body}"));
        trials.iter().for_each(|t| text += &format!("[stages.{}]\n{}", t.name, t.body));
        tried.extend(trials.into_iter().map(|trial| (kind, trial)));
    }
    let pipeline = parse(&text).unwrap_or_else(|problems| panic!("{problems:?}\nof\n{text}"));
    let plan = job::run_plan(&pipeline, None).expect("a plan");
    let outcome = on(2, || outcome(&plan, &gather(world, &pipeline, PLAIN, plan.plan.needs())));
    let differs =
        |(kind, t): &(&Kind, OptionTrial)| written(&outcome, &t.name, kind) != written(&outcome, &t.against, kind);
    tried.into_iter().filter(differs).map(|(_, trial)| trial.what).collect()
}

#[test]
fn every_value_of_every_option_changes_a_table() {
    let mut silent: Vec<(String, String)> = vec![];
    for (kind, key) in KINDS.iter().flat_map(|kind| kind.keys.iter().map(move |key| (kind, key))) {
        for value in values_of(key).into_iter().filter(|value| !is_default(key, value)) {
            let option = format!("{}.{}", kind.name, key.name);
            if !EXCUSED.iter().any(|(excused, of, _)| *excused == option && *of == value) {
                silent.push((option, value));
            }
        }
    }
    let mut runner = TestRunner::deterministic();
    for _ in 0..WORLDS {
        let world = worlds().new_tree(&mut runner).expect("a world").current();
        let found = changed(&world, &|trial| silent.contains(&trial.what));
        silent.retain(|what| !found.contains(what));
        if silent.is_empty() {
            return;
        }
    }
    panic!("in {WORLDS} worlds these values of options changed no table: {silent:?}");
}

/// The tables of two stages of a kind in a world.
fn same_in(world: &World, kind: &str, left: &str, right: &str) -> bool {
    let text = format!("{}[stages.left]\nkind = {kind:?}\n{left}[stages.right]\nkind = {kind:?}\n{right}", head(world));
    let pipeline = parse(&text).unwrap_or_else(|problems| panic!("{problems:?}\nof\n{text}"));
    let plan = job::run_plan(&pipeline, None).expect("a plan");
    let outcome = on(2, || outcome(&plan, &gather(world, &pipeline, PLAIN, plan.plan.needs())));
    let kind = KINDS.iter().find(|k| k.name == kind).expect("a kind");
    written(&outcome, "left", kind) == written(&outcome, "right", kind)
}

/// Says that in every world an option that is not set means `like`, and in some world not `unlike`.
fn unset_means(kind: &str, context: &str, like: &str, unlike: &str) {
    let mut runner = TestRunner::deterministic();
    let mut differed = false;
    for _ in 0..WORLDS {
        let mut world = worlds().new_tree(&mut runner).expect("a world").current();
        world.rule = Rule::Days(45);
        let unset = context.to_owned();
        assert!(same_in(&world, kind, &unset, &format!("{context}{like}\n")), "{kind}: not set is {like}");
        differed |= !same_in(&world, kind, &unset, &format!("{context}{unlike}\n"));
        if differed {
            return;
        }
    }
    panic!("{kind}: in {WORLDS} worlds {unlike} was the same as not set");
}

#[test]
fn cohorts_by_day_go_to_age_90_unless_told() {
    unset_means("cohort", "period = \"day\"\n", "max_age = 90", "max_age = 60");
}

#[test]
fn cohorts_by_age_unit_go_to_age_60_unless_told() {
    unset_means("cohort", "period = \"week\"\nage_unit = \"1 days\"\n", "max_age = 60", "max_age = 90");
}

#[test]
fn models_are_tested_on_the_last_third_unless_told() {
    let context = "period = \"month\"\nmodels = [\"bgnbd\"]\n";
    unset_means("ltv", context, "calibrate_share = 0.6666666666666666", "calibrate_share = 0.5");
}

#[test]
fn seasons_follow_from_the_period_unless_told() {
    let mut world = worlds().new_tree(&mut TestRunner::deterministic()).expect("a world").current();
    world.rule = Rule::Days(45);
    for (period, season) in [("day", 7), ("week", 52), ("month", 12), ("quarter", 4), ("year", 0)] {
        let context = format!("period = {period:?}\n");
        assert!(same_in(&world, "forecast", &context, &format!("{context}season = {season}\n")), "{period}");
    }
}
