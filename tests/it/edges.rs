//! What a stranger and a reviewer stumbled over once: each with the figures by hand.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, Date32Array, Int64Array};

use crate::days::day;
use crate::export;
use crate::scenario::{Attribute, Customer, Scenario, Segment, Transaction};
use crate::support::{Table, Workspace};

fn add(here: &Workspace, toml: &str) {
    let text = std::fs::read_to_string(here.join("pipeline.toml")).expect("our own pipeline");
    here.write("pipeline.toml", &(text + toml));
}

fn bought(purchases: &[(i64, &str)]) -> Scenario {
    Scenario::purchases(purchases.iter().map(|(who, when)| Transaction::new(*who, day(when), 10_00)).collect())
}

/// The named columns of the rows of everybody, as a person writes them.
fn figures(table: &Table, columns: &[&str]) -> Vec<String> {
    let rows = table.filter(&[("segment", "all")]);
    let figure = |row: &_| columns.iter().map(|c| table.cell(row, c).to_string()).collect::<Vec<_>>().join(" ");
    rows.into_iter().map(figure).collect()
}

#[test]
fn a_segment_and_a_condition_pick_rows_together() {
    let mut scenario = bought(&[(1, "2020-01-03"), (2, "2020-01-04"), (2, "2020-02-04")]).known_until("2020-03-01");
    scenario.customers = vec![
        Customer { customer: 1, region: Some("north"), signed_up: None },
        Customer { customer: 2, region: Some("south"), signed_up: None },
    ];
    let region = Segment { name: "region", attribute: Attribute::Region, at: crate::scenario::At::Latest };
    scenario.segments = vec![region];
    let here = Workspace::of(&scenario);
    here.run().exits(0);
    let show = ["show", "out", "churn", "--segment", "region=south", "--where", "closing > 0", "--format", "csv"];
    let shown = here.tenure(&show);
    shown.exits(0);
    assert_eq!(shown.stdout.lines().count(), 3, "a header and two months: {shown}");
}

#[test]
fn bytes_that_are_no_text_are_no_ids() {
    let here = Workspace::of(&bought(&[(1, "2020-01-03")]).known_until("2020-02-01"));
    let ids = BinaryArray::from_vec(vec![b"a", b"\xff"]);
    let amounts = Int64Array::from(vec![5, 5]);
    let columns: Vec<(&'static str, ArrayRef)> = vec![
        ("id", Arc::new(ids)),
        ("at", Arc::new(Date32Array::from(vec![18_262, 18_263]))),
        ("paid", Arc::new(amounts)),
    ];
    export::write(&here.join("exports/bytes.parquet"), columns, 10);
    here.write(
        "pipeline.toml",
        "[money]\ncurrency = \"GBP\"\n[sources.transactions]\npath = \"exports/bytes.parquet\"\n\
         columns = { customer_id = \"id\", occurred_at = \"at\", amount = \"paid\" }\n[output]\ndir = \"out\"\n",
    );
    here.run().exits(3).says(&["column id", "UTF-8"]);
    assert_eq!(here.left_behind(), Vec::<String>::new());
}

#[test]
fn errors_are_events_where_events_are_asked_for() {
    let here = Workspace::of(&bought(&[(1, "2020-01-03")]).known_until("2020-02-01"));
    add(&here, "\n[stages.chrun]\n");
    let told = here.tenure(&["run", "pipeline.toml", "--log-format", "json"]);
    told.exits(2);
    for line in told.stderr.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        assert_eq!((&event["event"], &event["status"]), (&"error".into(), &2.into()), "{line}");
    }
    assert!(told.stderr.contains("chrun"));
}

#[test]
fn rows_that_fail_a_run_are_named() {
    let mut scenario = bought(&[(1, "2020-01-03"), (2, "2020-01-04")]).known_until("2020-02-01");
    scenario.transactions[1].cents = i64::MAX;
    let here = Workspace::of(&scenario);
    here.run().exits(1).says(&["row 2 of", "amount_overflow"]);
}

#[test]
fn ages_in_days_follow_each_customer() {
    // January's two begin on the 10th and the 25th and come back 35 and 31 days later; the second once more after 62.
    let mut scenario =
        bought(&[(1, "2020-01-10"), (1, "2020-02-14"), (2, "2020-01-25"), (2, "2020-02-25"), (2, "2020-03-27")])
            .known_until("2020-04-01");
    scenario.stages.clear();
    let here = Workspace::of(&scenario);
    add(&here, "\n[stages.aged]\nkind = \"cohort\"\nage_unit = \"30 days\"\n");
    here.run().exits(0);
    let seen =
        figures(&here.table("aged"), &["cohort", "age", "cohort_size", "customers", "retention_rate", "maturity"]);
    // January is observed from the 10th, so its age 0 is partial. The last who can be of it (the 31st) passes age 1 on
    // 31 March and age 2 only on 30 April; the first (the 1st) has begun age 3 on 31 March.
    let expected = [
        "2020-01-01 0 2 2 NULL partial",
        "2020-01-01 1 2 2 1 complete",
        "2020-01-01 2 2 1 NULL partial",
        "2020-01-01 3 2 0 NULL partial",
        "NULL 1 2 2 1 complete",
    ];
    assert_eq!(
        seen.iter().filter(|r| !r.contains("not_observable")).collect::<Vec<_>>(),
        expected.iter().collect::<Vec<_>>()
    );
}

#[test]
fn who_signed_up_before_anybody_looked_has_no_sums_from_then() {
    let mut scenario = bought(&[(1, "2020-01-03"), (1, "2020-02-03"), (2, "2020-01-20")]).known_until("2020-03-01");
    scenario.customers = vec![
        Customer { customer: 1, region: None, signed_up: Some(day("2019-12-05")) },
        Customer { customer: 2, region: None, signed_up: Some(day("2020-01-19")) },
    ];
    scenario.stages.clear();
    let here = Workspace::of(&scenario);
    add(&here, "\n[stages.signed]\nkind = \"cohort\"\nfrom = \"signed_up_at\"\n");
    here.run().exits(0);
    let columns = ["cohort", "age", "customers", "revenue", "cumulative_revenue", "maturity"];
    let seen = figures(&here.table("signed"), &columns);
    let old: Vec<_> = seen.iter().filter(|r| r.starts_with("2019-12-01")).cloned().collect();
    // January is observed from the 3rd only: nobody may say what December brought, and January is partial.
    let expected = [
        "2019-12-01 0 NULL NULL NULL not_observable",
        "2019-12-01 1 1 10.00 NULL partial",
        "2019-12-01 2 1 10.00 NULL complete",
    ];
    assert_eq!(old, expected);
    let new: Vec<_> = seen.iter().filter(|r| r.starts_with("2020-01-01")).cloned().collect();
    assert_eq!(new[..2], ["2020-01-01 0 1 10.00 10.00 partial", "2020-01-01 1 0 0.00 10.00 complete"]);
}
