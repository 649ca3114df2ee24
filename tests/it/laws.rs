//! However the same input is cut up, and however many threads read it, the tables are the same to the byte.

use std::collections::BTreeMap;
use std::path::Path;

use crate::dice::Dice;
use crate::generate;
use crate::scenario::{Scenario, Stage};
use crate::support::Workspace;

/// Every table's bytes, except `quarantine`, which names files and rows.
fn bytes(here: &Workspace) -> BTreeMap<String, Vec<u8>> {
    fn collect(folder: &Path, top: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).expect("a readable run").flatten() {
            let path = entry.path();
            let name = path.strip_prefix(top).expect("below the run").display().to_string();
            if path.is_dir() {
                collect(&path, top, found);
            } else if name.ends_with(".parquet") && !name.starts_with("quarantine") {
                found.insert(name, std::fs::read(&path).expect("a readable table"));
            }
        }
    }
    let run = here.join("out/latest");
    let mut found = BTreeMap::new();
    collect(&run, &run, &mut found);
    assert!(found.contains_key("churn.parquet"), "a run holds churn.parquet, found {:?}", found.keys());
    found
}

#[track_caller]
fn same(expected: &BTreeMap<String, Vec<u8>>, here: &Workspace, what: &str) {
    let found = bytes(here);
    assert_eq!(expected.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>(), "{what} changes which tables");
    for (name, bytes) in expected {
        assert!(found[name] == *bytes, "{what} changes {name}");
    }
}

/// Enough customers that every thread and bucket has some.
fn crowd(mut histories: impl FnMut(u64) -> Scenario) -> Scenario {
    let mut crowd = histories(0);
    for seed in (5..400).step_by(5) {
        let more = histories(seed);
        let apart = 100 * seed as i64;
        crowd.transactions.extend(more.transactions.into_iter().map(|mut t| {
            t.customer += apart;
            t
        }));
        crowd.subscriptions.extend(more.subscriptions.into_iter().map(|mut s| {
            s.customer += apart;
            s.number += 1000 * apart;
            // One column for all of them.
            s.interval = s.interval.or(Some("month"));
            s
        }));
        crowd.customers.extend(more.customers.into_iter().map(|mut c| {
            c.customer += apart;
            c
        }));
    }
    for s in &mut crowd.subscriptions {
        s.interval = s.interval.or(Some("month"));
    }
    crowd.period = crate::days::Period::Month;
    crowd.as_of = None;
    crowd.observed_from = None;
    crowd.stages = ["churn", "cohort", "revenue_churn", "ltv"].map(Stage::plain).to_vec();
    crowd.stages.push(Stage {
        name: "weekly",
        kind: "churn",
        period: Some(crate::days::Period::Week),
        options: "ledger = true",
    });
    crowd
}

fn hold(scenario: Scenario, seed: u64) {
    let here = Workspace::of(&scenario);
    here.run().exits(0);
    let expected = bytes(&here);

    here.run().exits(0);
    same(&expected, &here, "a second run");
    for threads in ["1", "2"] {
        here.tenure(&["run", "pipeline.toml", "--quiet", "--threads", threads]).exits(0);
        same(&expected, &here, &format!("--threads {threads}"));
    }

    // Other files, other row groups, another order of rows, and the last file's name first.
    let mut dice = Dice::new(seed);
    for (files, row_group) in [(1, 7), (7, 1_000), (3, 64)] {
        let mut cut = scenario.clone();
        dice.shuffle(&mut cut.transactions);
        dice.shuffle(&mut cut.subscriptions);
        dice.shuffle(&mut cut.customers);
        cut.shape.files = files;
        cut.shape.row_group = row_group;
        let there = Workspace::of(&cut);
        for source in ["transactions", "subscriptions", "customers"] {
            let first = there.join(&format!("exports/{source}/part-0.parquet"));
            if first.exists() {
                let renamed = there.join(&format!("exports/{source}/z {source} of ünïcode.parquet"));
                std::fs::rename(first, renamed).expect("a writable folder");
            }
        }
        there.run().exits(0);
        same(&expected, &there, &format!("shuffled rows in {files} files by {row_group}"));
    }
}

#[test]
fn purchases_by_period_however_they_are_cut() {
    hold(crowd(|seed| generate::purchases(seed, false)), 1);
}

#[test]
fn purchases_by_days_however_they_are_cut() {
    hold(crowd(|seed| generate::purchases(seed, true)), 2);
}

#[test]
fn subscriptions_however_they_are_cut() {
    hold(crowd(generate::subscribers), 3);
}
