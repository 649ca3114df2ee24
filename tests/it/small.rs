//! A business small enough to read: exports and what its tables show, both written as text.
//!
//! ```text
//! customer_id | started_at | ended_at   | amount
//! Ann         | 2020-01-10 | 2020-03-05 | 10.00
//! Bob         | 2020-02-01 |            | 20.00
//! ```
//!
//! An empty cell is NULL. In what a table shows, the columns left of the colon are the key:
//!
//! ```text
//! period     : opening | churned | churn_rate
//! 2020-03-01 : 2       | 1       | 1/2
//! ```
//!
//! A rate may be a fraction or a decimal, both to nine digits; `~0.333` means as many digits as are written.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};

use crate::export;
use crate::support::{Outcome, Row, Table, Value, Workspace};

/// Exports and the pipeline over them.
#[derive(Clone, Debug)]
pub struct Business {
    period: &'static str,
    as_of: String,
    calendar: String,
    money: String,
    customers: String,
    sources: Vec<Source>,
    segments: String,
    stages: String,
    output: String,
}

#[derive(Clone, Debug)]
struct Source {
    name: &'static str,
    rows: Rows,
    /// Further lines of its table in the pipeline file.
    lines: &'static str,
}

/// A text table: names of columns, and rows of cells.
#[derive(Clone, Debug)]
pub struct Rows {
    pub names: Vec<String>,
    pub cells: Vec<Vec<String>>,
}

impl Rows {
    pub fn read(text: &str) -> Rows {
        let split = |line: &str| line.split('|').map(|cell| cell.trim().to_string()).collect::<Vec<String>>();
        let mut lines = text.lines().filter(|l| !l.trim().is_empty()).map(split);
        let names = lines.next().expect("a line of names");
        let cells: Vec<Vec<String>> = lines.collect();
        for row in &cells {
            assert_eq!(row.len(), names.len(), "{row:?} under {names:?}");
        }
        Rows { names, cells }
    }

    fn columns(&self) -> Vec<(&str, ArrayRef)> {
        let column = |i: usize| {
            let cells = || self.cells.iter().map(move |row| row[i].as_str()).map(|c| (!c.is_empty()).then_some(c));
            let array: ArrayRef = match self.names[i].as_str() {
                "amount" | "rate" | "quantity" => {
                    Arc::new(cells().map(|c| c.map(|c| c.parse().expect("a number"))).collect::<Float64Array>())
                }
                "score" => {
                    Arc::new(cells().map(|c| c.map(|c| c.parse().expect("a whole number"))).collect::<Int64Array>())
                }
                _ => Arc::new(cells().collect::<StringArray>()),
            };
            (self.names[i].as_str(), array)
        };
        (0..self.names.len()).map(column).collect()
    }
}

/// What may be mapped; other columns of an export are attributes for segments.
const CANONICAL: &[(&str, &[&str])] = &[
    ("customers", &["customer_id", "signed_up_at", "acquired_by", "referred_by"]),
    ("transactions", &["customer_id", "occurred_at", "amount", "currency", "order_id", "product"]),
    (
        "subscriptions",
        &[
            "customer_id",
            "started_at",
            "amount",
            "ended_at",
            "interval",
            "subscription_id",
            "plan",
            "currency",
            "trial_ends_at",
            "cancelled_at",
            "paid_until",
            "paused_from",
            "paused_until",
            "past_due_since",
            "cancel_reason",
            "cancel_kind",
        ],
    ),
    ("usage", &["customer_id", "occurred_at", "quantity", "feature"]),
    ("surveys", &["customer_id", "answered_at", "kind", "score", "reason"]),
    ("acquisition_costs", &["period_start", "amount", "channel"]),
    ("exchange_rates", &["currency", "date", "rate"]),
];

impl Business {
    fn of(basis: &str, as_of: &str) -> Business {
        Business {
            period: "month",
            as_of: as_of.to_string(),
            calendar: String::new(),
            money: String::new(),
            customers: format!("basis = \"{basis}\"\n"),
            sources: vec![],
            segments: String::new(),
            stages: String::new(),
            output: String::new(),
        }
    }

    /// What is known up to this day, exclusively; by month.
    pub fn of_subscriptions(as_of: &str) -> Business {
        Business::of("subscriptions", as_of)
    }

    pub fn of_transactions(as_of: &str) -> Business {
        Business::of("transactions", as_of)
    }

    pub fn period(mut self, period: &'static str) -> Business {
        self.period = period;
        self
    }

    /// Further lines of `[calendar]`.
    pub fn calendar(mut self, lines: &str) -> Business {
        self.calendar += lines;
        self.calendar += "\n";
        self
    }

    /// Further lines of `[money]`.
    pub fn money(mut self, lines: &str) -> Business {
        self.money += lines;
        self.money += "\n";
        self
    }

    /// Further lines of `[customers]`.
    pub fn customers(mut self, lines: &str) -> Business {
        self.customers += lines;
        self.customers += "\n";
        self
    }

    pub fn source(self, name: &'static str, rows: &str) -> Business {
        self.source_of(name, Rows::read(rows), "")
    }

    pub fn source_of(mut self, name: &'static str, rows: Rows, lines: &'static str) -> Business {
        self.sources.push(Source { name, rows, lines });
        self
    }

    /// A line of `[segments]`.
    pub fn segment(mut self, line: &str) -> Business {
        self.segments += line;
        self.segments += "\n";
        self
    }

    /// A stage of the name of its kind, with further lines.
    pub fn stage(mut self, name: &str, lines: &str) -> Business {
        write!(self.stages, "\n[stages.{name}]\n{lines}\n").expect("strings grow");
        self
    }

    /// A line of `[output]`.
    pub fn output(mut self, line: &str) -> Business {
        self.output += line;
        self.output += "\n";
        self
    }

    pub fn toml(&self) -> String {
        let Business { period, as_of, calendar, money, customers, segments, stages, output, .. } = self;
        let mut t = format!(
            "name = \"small\"\n\n[calendar]\nperiod = \"{period}\"\nas_of = \"{as_of}\"\n{calendar}\n\
             [money]\ncurrency = \"GBP\"\n{money}\n[customers]\n{customers}"
        );
        for Source { name, rows, lines } in &self.sources {
            let (_, known) = CANONICAL.iter().find(|(source, _)| source == name).expect("a source of the contract");
            let mapped: Vec<String> =
                rows.names.iter().filter(|n| known.contains(&n.as_str())).map(|n| format!("{n} = \"{n}\"")).collect();
            let mapped = mapped.join(", ");
            writeln!(t, "\n[sources.{name}]\npath = \"exports/{name}.parquet\"\ncolumns = {{ {mapped} }}\n{lines}")
                .expect("strings grow");
        }
        t + &format!("\n[segments]\n{segments}{stages}\n[output]\ndir = \"out\"\n{output}")
    }

    pub fn workspace(&self) -> Workspace {
        let here = Workspace::new();
        here.write("pipeline.toml", &self.toml());
        for Source { name, rows, .. } in &self.sources {
            export::write(&here.join(&format!("exports/{name}.parquet")), rows.columns(), 1 << 20);
        }
        here
    }

    /// Runs and publishes.
    #[track_caller]
    pub fn runs(&self) -> Workspace {
        let here = self.workspace();
        let outcome = here.run();
        assert!(outcome.code == Some(0), "{outcome}\n{}", self.toml());
        here
    }

    pub fn outcome(&self) -> (Workspace, Outcome) {
        let here = self.workspace();
        let outcome = here.run();
        (here, outcome)
    }
}

/// In the table stand these rows with these cells; without a segment in the key, those of all customers.
#[track_caller]
pub fn shows(here: &Workspace, table: &str, text: &str) {
    let found = differences(&here.table(table), text, false);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The same, and the table has no other row of these segments.
#[track_caller]
pub fn shows_only(here: &Workspace, table: &str, text: &str) {
    let found = differences(&here.table(table), text, true);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn differences(table: &Table, text: &str, only: bool) -> Vec<String> {
    let mut lines = text.lines().filter(|l| !l.trim().is_empty());
    let split = |part: &str| part.split('|').map(|c| c.trim().to_string()).collect::<Vec<String>>();
    let halves = |line: &str| {
        let (key, cells) = line.split_once(" : ").unwrap_or_else(|| panic!("no ` : ` in {line:?}"));
        (split(key), split(cells))
    };
    let (keys, columns) = halves(lines.next().expect("a line of names"));
    let segmented =
        !keys.iter().any(|k| k.starts_with("segment")) && table.rows.first().is_some_and(|r| r.contains_key("segment"));
    let mut found = vec![];
    let mut seen = 0;
    for line in lines {
        let (key, cells) = halves(line);
        assert_eq!((key.len(), cells.len()), (keys.len(), columns.len()), "{line}");
        let mut at: Vec<(&str, &str)> = keys.iter().map(String::as_str).zip(key.iter().map(String::as_str)).collect();
        if segmented {
            at.push(("segment", "all"));
        }
        let rows = table.filter(&at);
        let [row] = rows.as_slice() else {
            let there: Vec<String> = table.rows.iter().take(40).map(|r| short(r, &keys)).collect();
            found.push(format!("{}: {} rows {at:?}; there are {there:?}", table.name, rows.len()));
            continue;
        };
        seen += 1;
        for (column, want) in columns.iter().zip(&cells) {
            let value = table.cell(row, column);
            if !is(want, value) {
                found.push(format!("{} {key:?} {column}: expected {want}, found {value}", table.name));
            }
        }
    }
    if only {
        let all = table.rows.iter().filter(|r| !segmented || r["segment"].to_string() == "all").count();
        if all != seen {
            let there: Vec<String> = table.rows.iter().map(|r| short(r, &keys)).collect();
            found.push(format!("{}: {seen} rows expected, {all} are there: {there:?}", table.name));
        }
    }
    found
}

fn short(row: &Row, keys: &[String]) -> String {
    keys.iter().map(|k| row.get(k).map_or("?".to_string(), ToString::to_string)).collect::<Vec<String>>().join(" ")
}

/// Whether a cell is what the text says.
fn is(want: &str, value: &Value) -> bool {
    let Value::Float(x) = value else {
        return value.to_string() == if want.is_empty() { "NULL" } else { want };
    };
    let number = |text: &str| text.parse::<f64>().unwrap_or_else(|_| panic!("{text:?} is not a number"));
    if let Some(rounded) = want.strip_prefix('~') {
        let digits = rounded.split_once('.').map_or(0, |(_, after)| after.len());
        return (x - number(rounded)).abs() <= 0.5001 * 10f64.powi(-(digits as i32));
    }
    if want.is_empty() || want == "NULL" {
        return false;
    }
    let exact = want.split_once('/').map_or_else(|| number(want), |(a, b)| number(a) / number(b));
    (x - exact).abs() <= 1e-9 * exact.abs().max(1e-3)
}

/// The cells of a column by another one, as a person writes them.
pub fn column(table: &Table, key: &str, column: &str) -> BTreeMap<String, String> {
    table.rows.iter().map(|r| (table.cell(r, key).to_string(), table.cell(r, column).to_string())).collect()
}

#[test]
fn a_text_says_what_a_table_shows() {
    let business = Business::of_subscriptions("2020-05-01")
        .source(
            "subscriptions",
            "customer_id | started_at | ended_at   | amount
             Ann         | 2020-01-10 | 2020-03-05 | 10.00
             Bob         | 2020-02-01 |            | 20.00",
        )
        .stage("churn", "")
        .stage("revenue_churn", "");
    let here = business.runs();
    shows(
        &here,
        "churn",
        "period     : opening | new | churned | closing | churn_rate | crr_strict | churn_rate_annual
         2020-02-01 : 1       | 1   | 0       | 2       | 0          | 1          |
         2020-03-01 : 2       | 0   | 1       | 1       | 1/2        | ~0.5       | NULL",
    );
    shows(
        &here,
        "revenue_churn",
        "period     : opening | churned | closing
         2020-03-01 : 30.00   | -10.00  | 20.00",
    );
    let wrong = |text: &str| differences(&here.table("churn"), text, false).join("\n");
    assert!(wrong("period : opening\n 2020-03-01 : 3").contains("opening: expected 3, found 2"));
    assert!(wrong("period : opening\n 2019-03-01 : 3").contains("0 rows"));
    assert!(wrong("period : churn_rate\n 2020-03-01 : ~0.49").contains("expected ~0.49"));
    assert!(wrong("period : churn_rate\n 2020-03-01 : NULL").contains("expected NULL"));
    assert!(!differences(&here.table("churn"), "period : opening\n 2020-03-01 : 2", true).is_empty());
}
