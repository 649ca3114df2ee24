//! The program against the definitions: random histories, every cell of every table, and the identities between
//! tables.

use std::collections::BTreeMap;

use crate::compare::{WantRow, differences};
use crate::days::{Day, show};
use crate::dice::Dice;
use crate::generate;
use crate::ledger::{Ledger, complete};
use crate::naive::revenue::{Entry, ledger};
use crate::naive::{self, Book, State};
use crate::scenario::{Policy, Scenario};
use crate::support::{Row, Table, Value, Workspace, whole};

/// Runs the program on histories of these seeds; fails with the first differences of the first few that differ.
pub fn hold_against_the_definitions(seeds: std::ops::Range<u64>, history: impl Fn(u64) -> Scenario) {
    let mut report = vec![];
    for seed in seeds {
        let scenario = history(seed);
        let here = Workspace::of(&scenario);
        let outcome = here.run();
        let found = match outcome.code {
            Some(0) => differences_of(&scenario, &|name| here.table(name)),
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

/// Where the tables contradict the definitions, each other or themselves.
pub fn differences_of(scenario: &Scenario, table: &dyn Fn(&str) -> Table) -> Vec<String> {
    let mut found = vec![];
    for (name, want) in naive::tables(scenario) {
        found.extend(differences(&want, &table(&name)));
    }
    found.extend(ledger_differs(scenario, table));
    let policy = Book::new(scenario).switches().policy;
    for stage in &scenario.stages {
        match stage.kind {
            "churn" => found.extend(churn_identities(&table(stage.name), policy)),
            "revenue_churn" => found.extend(revenue_identities(&table(stage.name), policy)),
            _ => {}
        }
    }
    let checks = table("checks");
    found.extend(checks.filter(&[("status", "fail")]).iter().map(|row| format!("a check failed: {row:?}")));
    found
}

fn ledger_differs(scenario: &Scenario, table: &dyn Fn(&str) -> Table) -> Vec<String> {
    let book = Book::new(scenario);
    let lens = book.lens(scenario.period);
    let complete_starts: Vec<Day> = lens.ranges.iter().filter(|r| book.complete(**r)).map(|r| r.0).collect();
    let told = Ledger::unroll(&table("ledger"), &complete_starts);
    let mut found = told.sums_differ(&table("churn"), &table("revenue_churn"));
    let mut expected = ledger(&book, &lens);
    for ((customer, start), booked) in &told.0 {
        let Some(number) = customer.rsplit(' ').next().and_then(|n| n.parse().ok()) else {
            found.push(format!("ledger: nobody is called {customer}"));
            continue;
        };
        let entry =
            expected.remove(&(number, *start)).unwrap_or(Entry { state: None, money: Default::default(), orders: 0 });
        let state = entry.state.map_or("NULL", State::name);
        let orders_agree = booked.in_a_run || scenario.on_subscriptions() || booked.orders == i128::from(entry.orders);
        if booked.state != state || booked.money != entry.money || !orders_agree {
            found.push(format!("ledger {customer} {}: expected {entry:?}, found {booked:?}", show(*start)));
        }
    }
    found.extend(expected.keys().map(|(c, start)| format!("ledger: nothing about {c} in {}", show(*start))));
    found
}

/// DEFINITIONS §2, on the table alone.
fn churn_identities(table: &Table, policy: Policy) -> Vec<String> {
    let mut found = vec![];
    for row in table.filter(&[("maturity", "complete")]) {
        let n = |column| whole(table.cell(row, column));
        // Who came and went is in both, or in neither.
        let passed = if policy.passing_counts { n("intra") } else { 0 };
        let closing = n("retained") + n("new") + n("returned") - passed + n("moved_in") - n("moved_out");
        if n("closing") != closing || n("opening") != n("retained") + n("churned") - passed {
            found.push(format!("{}: the counts of {row:?} do not add up", table.name));
        }
        if let (Value::Float(lost), Value::Float(kept)) = (&row["churn_rate"], &row["crr_strict"])
            && !policy.of_thirty_days
            && (lost - passed as f64 / n("opening") as f64 + kept - 1.0).abs() > 1e-12
        {
            found.push(format!("{}: churn_rate + crr_strict is not 1 in {row:?}", table.name));
        }
    }
    found.extend(closings_are_openings(table));
    found
}

/// DEFINITIONS §5, in minor units.
fn revenue_identities(table: &Table, policy: Policy) -> Vec<String> {
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
        // Money that came and went was of nobody's opening: it is in the churn rates alone.
        if policy.passing_counts {
            if rate("grr") < 1.0 - rate("gross_churn_rate") - 1e-9 {
                found.push(format!("{}: grr loses more than gross churn in {row:?}", table.name));
            }
            continue;
        }
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

/// The same under the switches of policies, alone and together.
#[test]
fn subscribers_by_policy() {
    hold_against_the_definitions(7000..7060, generate::by_policy);
}

/// Spells that began before anybody looked.
#[test]
fn late_entries() {
    hold_against_the_definitions(0..24, |seed| {
        let history = match seed % 3 {
            0 => generate::purchases(5000 + seed, false),
            1 => generate::purchases(5000 + seed, true),
            _ => generate::subscribers(5000 + seed),
        };
        generate::entered_late(history, seed)
    });
}

/// The naive model in the place of the program: it keeps the identities between the tables, and agrees with itself.
#[test]
fn the_naive_model_adds_up() {
    let histories = (0..40).map(|n| generate::purchases(n, n % 2 == 0)).chain((0..30).map(generate::subscribers));
    for scenario in histories.chain((0..30).map(generate::by_policy)) {
        let tables = as_if_written(&scenario);
        assert_eq!(differences_of(&scenario, &|name| tables[name].clone()), Vec::<String>::new());
        // Every customer is in one cohort, and those live at a period's end are its closing, while none is too old.
        let all_ages = Book::new(&scenario).lens(scenario.period).ranges.len() <= 60;
        if let Some(cohorts) = tables.get("cohort_live").filter(|_| all_ages) {
            for row in complete(&tables["churn"]) {
                let period = row["period"].to_string();
                let cells = cohorts.filter(&[("segment", "all"), ("period", &period)]);
                let live: i128 = cells.iter().map(|c| whole(&c["customers"])).sum();
                assert_eq!(live, whole(&row["closing"]), "{period} of {row:?}");
            }
        }
    }
}

/// One cell off by the least there is, in any table: the comparison sees it.
#[test]
fn a_single_wrong_cell_is_found() {
    let mut dice = Dice::new(9);
    for scenario in (0..12).map(|n| generate::purchases(n, n % 2 == 0)).chain((0..12).map(generate::subscribers)) {
        let good = as_if_written(&scenario);
        for (name, table) in good.iter().filter(|(_, table)| !table.rows.is_empty()) {
            let mut wrong = table.clone();
            let row = dice.below(wrong.rows.len() as i64) as usize;
            let columns: Vec<String> = wrong.rows[row].keys().cloned().collect();
            let column = dice.pick(&columns);
            // Orders of a run or of subscriptions are left open; with dates that cannot be, unrolling panics at once.
            if name == "ledger" && ["orders", "period", "until"].contains(&column.as_str()) {
                continue;
            }
            let cell = wrong.rows[row].get_mut(&column).expect("a column of the row");
            *cell = match cell.clone() {
                Value::Null => Value::Int(0),
                Value::Int(n) => Value::Int(n + 1),
                Value::Money(m) => Value::Money(m - 1),
                Value::Float(x) => Value::Float(x + 1e-7),
                Value::Date(d) => Value::Date(d + 1),
                Value::Bool(b) => Value::Bool(!b),
                Value::Text(t) => Value::Text(t + "x"),
            };
            let tables = |n: &str| if n == name { wrong.clone() } else { good[n].clone() };
            let found = differences_of(&scenario, &tables);
            assert!(!found.is_empty(), "{name}.{column} of {:?} went unnoticed", table.rows[row]);
        }
    }
}

/// A figure that is NULL or 0 in every history would prove nothing.
#[test]
fn the_histories_reach_every_column() {
    let purchases = (0..30).map(|seed| generate::purchases(seed, seed % 2 == 0));
    let mut idle: Vec<String> = vec![];
    for (name, histories) in [
        ("purchases", purchases.collect::<Vec<_>>()),
        ("subscribers", (2000..2040).map(generate::subscribers).collect()),
    ] {
        let mut alive: BTreeMap<String, bool> = BTreeMap::new();
        for tables in histories.iter().map(as_if_written) {
            for table in
                ["churn", "cohort", "revenue_churn", "ledger", "survival", "survival_summary", "survival_tests"]
            {
                for row in tables.get(table).map_or(&[][..], |t| &t.rows) {
                    for (column, value) in row {
                        let nothing = matches!(value, Value::Null | Value::Int(0) | Value::Money(0));
                        *alive.entry(format!("{table}.{column} of {name}")).or_default() |= !nothing;
                    }
                }
            }
        }
        idle.extend(alive.into_iter().filter(|(_, alive)| !alive).map(|(column, _)| column));
    }
    // What the one basis does not know, and what needs a second currency.
    let unknown = [
        "churn.due of purchases",
        "churn.renewal_rate of purchases",
        "cohort.grr of purchases",
        "cohort.nrr of purchases",
        "cohort.orders of subscribers",
        "ledger.orders of subscribers",
        "ledger.unallocated of subscribers",
        "revenue_churn.committed of purchases",
        "revenue_churn.currency_effect of purchases",
        "revenue_churn.currency_effect of subscribers",
        "revenue_churn.unallocated of subscribers",
    ];
    idle.sort();
    assert_eq!(idle, unknown);
}

/// What the program should write, by the naive model: optional rows left out, as it may.
fn as_if_written(scenario: &Scenario) -> BTreeMap<String, Table> {
    let named = |cells: &[(&'static str, Value)]| cells.iter().map(|(c, v)| (c.to_string(), v.clone())).collect();
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    for (name, rows) in naive::tables(scenario) {
        let cells = |row: &WantRow| {
            let cells = row.key.iter().chain(&row.cells);
            named(&cells.map(|(column, want)| (*column, want.value())).collect::<Vec<_>>())
        };
        let rows = rows.iter().filter(|r| !r.optional).map(cells).collect();
        tables.insert(name.clone(), Table { name, rows });
    }
    let book = Book::new(scenario);
    let lens = book.lens(scenario.period);
    let entries = ledger(&book, &lens);
    let rows = entries.iter().map(|((customer, start), entry)| {
        let m = entry.money;
        named(&[
            ("customer_id", Value::Text(scenario.shape.id(*customer))),
            ("period", Value::Date(*start)),
            ("until", Value::Date(lens.period.after(*start, 1))),
            ("state", entry.state.map_or(Value::Null, |s| Value::Text(s.name().to_string()))),
            ("opening", Value::Money(m.opening)),
            ("new", Value::Money(m.new)),
            ("expansion", Value::Money(m.expansion)),
            ("contraction", Value::Money(m.contraction)),
            ("churned", Value::Money(m.churned)),
            ("reactivation", Value::Money(m.reactivation)),
            ("closing", Value::Money(m.closing)),
            ("unallocated", Value::Money(m.unallocated)),
            ("orders", Value::Int(entry.orders)),
        ])
    });
    tables.insert("ledger".to_string(), Table { name: "ledger".to_string(), rows: rows.collect() });
    tables.insert("checks".to_string(), Table { name: "checks".to_string(), rows: vec![] });
    tables
}
