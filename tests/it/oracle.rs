//! The program against the definitions: random histories, every cell of every table, and the identities between
//! tables.

use crate::compare::{WantRow, differences};
use crate::days::{Day, show};
use crate::generate;
use crate::ledger::{Ledger, complete};
use crate::naive::revenue::{Entry, ledger};
use crate::naive::{self, Book, State};
use crate::scenario::Scenario;
use crate::support::{Row, Table, Value, Workspace, whole};

/// Runs the program on histories of these seeds; fails with the first differences of the first few that differ.
fn hold_against_the_definitions(seeds: std::ops::Range<u64>, history: impl Fn(u64) -> Scenario) {
    let mut report = vec![];
    for seed in seeds {
        let scenario = history(seed);
        let here = Workspace::of(&scenario);
        let outcome = here.run();
        let found = match outcome.code {
            Some(0) => differences_of(&scenario, &here),
            _ => vec![format!("the run failed: {outcome}")],
        };
        if !found.is_empty() {
            let more = found.len().saturating_sub(12);
            let lines = found.into_iter().take(12).collect::<Vec<_>>().join("\n  ");
            let kept = here.keep();
            let rows = if scenario.on_subscriptions() {
                scenario.subscriptions.iter().map(|r| format!("{r:?}")).collect::<Vec<_>>()
            } else {
                scenario.transactions.iter().map(|r| format!("{r:?}")).collect::<Vec<_>>()
            };
            std::fs::write(kept.join("rows.txt"), rows.join("\n")).expect("a writable folder");
            report.push(format!("seed {seed}, kept in {}\n  {lines}\n  … and {more} more", kept.display()));
        }
        if report.len() == 4 {
            break;
        }
    }
    assert!(report.is_empty(), "the program and the definitions differ:\n{}", report.join("\n\n"));
}

pub fn differences_of(scenario: &Scenario, here: &Workspace) -> Vec<String> {
    let mut found = vec![];
    for (name, want) in naive::tables(scenario) {
        found.extend(differences(&want, &here.table(&name)));
    }
    found.extend(ledger_differs(scenario, here));
    for stage in &scenario.stages {
        match stage.kind {
            "churn" => found.extend(churn_identities(&here.table(stage.name))),
            "revenue_churn" => found.extend(revenue_identities(&here.table(stage.name))),
            _ => {}
        }
    }
    let checks = here.table("checks");
    found.extend(checks.filter(&[("status", "fail")]).iter().map(|row| format!("a check failed: {row:?}")));
    found
}

fn ledger_differs(scenario: &Scenario, here: &Workspace) -> Vec<String> {
    let book = Book::new(scenario);
    let lens = book.lens(scenario.period);
    let complete_starts: Vec<Day> = lens.ranges.iter().filter(|r| book.complete(**r)).map(|r| r.0).collect();
    let told = Ledger::unroll(&here.table("ledger"), &complete_starts);
    let mut found = told.sums_differ(&here.table("churn"), &here.table("revenue_churn"));
    let mut expected = ledger(&book, &lens);
    for ((customer, start), booked) in &told.0 {
        let number = customer.rsplit(' ').next().and_then(|n| n.parse().ok()).expect("an id that we wrote");
        let entry =
            expected.remove(&(number, *start)).unwrap_or(Entry { state: None, money: Default::default(), orders: 0 });
        let state = match entry.state {
            Some(State::New) => "new",
            Some(State::Retained) => "retained",
            Some(State::Returned) => "returned",
            Some(State::Churned) => "churned",
            Some(State::Intra) => "intra",
            None => "NULL",
        };
        let orders_agree = booked.in_a_run || scenario.on_subscriptions() || booked.orders == i128::from(entry.orders);
        if booked.state != state || booked.money != entry.money || !orders_agree {
            found.push(format!("ledger {customer} {}: expected {entry:?}, found {booked:?}", show(*start)));
        }
    }
    found.extend(expected.keys().map(|(c, start)| format!("ledger: nothing about {c} in {}", show(*start))));
    found
}

/// DEFINITIONS §2, on the table alone.
fn churn_identities(table: &Table) -> Vec<String> {
    let mut found = vec![];
    for row in table.filter(&[("maturity", "complete")]) {
        let n = |column| whole(table.cell(row, column));
        let closing = n("retained") + n("new") + n("returned") + n("moved_in") - n("moved_out");
        if n("closing") != closing || n("opening") != n("retained") + n("churned") {
            found.push(format!("{}: the counts of {row:?} do not add up", table.name));
        }
        if let (Value::Float(lost), Value::Float(kept)) = (&row["churn_rate"], &row["crr_strict"])
            && (lost + kept - 1.0).abs() > 1e-12
        {
            found.push(format!("{}: churn_rate + crr_strict is not 1 in {row:?}", table.name));
        }
    }
    found.extend(closings_are_openings(table));
    found
}

/// DEFINITIONS §5, in minor units.
fn revenue_identities(table: &Table) -> Vec<String> {
    const PARTS: [&str; 9] = [
        "opening",
        "new",
        "expansion",
        "contraction",
        "churned",
        "reactivation",
        "currency_effect",
        "moved_in",
        "moved_out",
    ];
    let mut found = vec![];
    for row in table.filter(&[("maturity", "complete")]) {
        let sum: i128 = PARTS.iter().map(|column| whole(table.cell(row, column))).sum();
        if sum != whole(table.cell(row, "closing")) {
            found.push(format!("{}: the movements of {row:?} do not add up", table.name));
        }
        let rate = |column: &str| if let Value::Float(x) = row[column] { x } else { f64::NAN };
        let opening = whole(&row["opening"]) as f64;
        let off = (rate("grr") - (1.0 - rate("gross_churn_rate")))
            .abs()
            .max((rate("nrr") - (1.0 - rate("net_churn_rate") - whole(&row["reactivation"]) as f64 / opening)).abs());
        if off > 1e-9 {
            found.push(format!("{}: grr or nrr contradicts the churn rates in {row:?}", table.name));
        }
    }
    found.extend(closings_are_openings(table));
    found
}

/// closing(p) = opening(p + 1), value by value, as long as both are wholly observed.
fn closings_are_openings(table: &Table) -> Vec<String> {
    let mut rows: Vec<&Row> = table.filter(&[("maturity", "complete")]);
    rows.sort_by_key(|r| (r["segment"].to_string(), r["value"].to_string(), r["period"].to_string()));
    let broken = |pair: &&[&Row]| {
        let same = |column: &str| pair[0][column] == pair[1][column];
        same("segment") && same("value") && pair[0]["closing"] != pair[1]["opening"]
    };
    let consecutive = rows.windows(2).filter(broken);
    consecutive.map(|p| format!("{}: closing of {:?} is not the next opening", table.name, p[0])).collect()
}

#[test]
fn purchases_by_period() {
    hold_against_the_definitions(0..30, |seed| generate::purchases(seed, false));
}

#[test]
fn purchases_by_days() {
    hold_against_the_definitions(1000..1030, |seed| generate::purchases(seed, true));
}

#[test]
fn subscribers() {
    hold_against_the_definitions(2000..2040, generate::subscribers);
}

/// The naive model keeps its own identities, so that a difference is never a slip of the oracle alone.
#[test]
fn the_naive_model_adds_up() {
    let table = |name: &str, rows: &[WantRow]| {
        let cells = |row: &WantRow| {
            row.key.iter().chain(&row.cells).map(|(column, want)| (column.to_string(), want.value())).collect()
        };
        Table { name: name.to_string(), rows: rows.iter().map(cells).collect() }
    };
    let histories = (0..40).map(|n| generate::purchases(n, n % 2 == 0)).chain((0..30).map(generate::subscribers));
    for scenario in histories {
        let tables = naive::tables(&scenario);
        for stage in &scenario.stages {
            let told = table(stage.name, &tables[stage.name]);
            let found = match stage.kind {
                "churn" => churn_identities(&told),
                "revenue_churn" => revenue_identities(&told),
                _ => vec![],
            };
            assert_eq!(found, Vec::<String>::new());
        }
        // Every customer is in one cohort, and those live at a period's end are its closing, while none is too old.
        let all_ages = Book::new(&scenario).lens(scenario.period).ranges.len() <= 60;
        if let Some(cohorts) = tables.get("cohort_live").filter(|_| all_ages) {
            let cohorts = table("cohort_live", cohorts);
            for row in complete(&table("churn", &tables["churn"])) {
                let period = row["period"].to_string();
                let cells = cohorts.filter(&[("segment", "all"), ("period", &period)]);
                let live: i128 = cells.iter().map(|c| whole(&c["customers"])).sum();
                assert_eq!(live, whole(&row["closing"]), "{period} of {row:?}");
            }
        }
    }
}
