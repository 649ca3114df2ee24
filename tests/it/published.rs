//! Published figures, from the data they were published with.
//!
//! The data is not part of the repository; see [`crate::reference`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::compare::{WantRow, differences};
use crate::days::{Day, day, half_even, plus_months, show};
use crate::export::{Amounts, Ids, Shape};
use crate::ledger::{Ledger, complete};
use crate::naive;
use crate::oracle::differences_of;
use crate::reference::reference;
use crate::scenario::{At, Attribute, Rule, Scenario, Segment, Subscription, Transaction};
use crate::support::{Row, Table, Value, Workspace, read_rows, whole};

pub fn rows_of(path: &std::path::Path) -> Vec<Row> {
    let mut rows = vec![];
    read_rows(path, &mut rows);
    rows
}

/// Lines of a CSV file without quotes, by column name.
fn csv(path: &std::path::Path) -> Vec<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(path).expect("a readable file");
    let mut lines = text.lines().map(|l| l.split(',').map(str::to_string).collect::<Vec<_>>());
    let header = lines.next().expect("a header");
    lines.map(|cells| header.iter().cloned().zip(cells).collect()).collect()
}

pub fn int(row: &Row, column: &str) -> i64 {
    i64::try_from(whole(&row[column])).expect("a small number")
}

fn date(row: &Row, column: &str) -> Day {
    if let Value::Date(d) = row[column] { d } else { panic!("{column} of {row:?} is not a date") }
}

pub fn float(row: &Row, column: &str) -> f64 {
    if let Value::Float(x) = row[column] { x } else { panic!("{column} of {row:?} is not a float") }
}

/// The shortest decimal of a float, half-even to the cent: what DEFINITIONS mean by reading a float as money.
pub fn cents(x: f64) -> i64 {
    let text = format!("{x}");
    let (units, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let digits: i128 = format!("{units}{fraction}").parse().expect("a plain decimal");
    let exact = digits * 100;
    half_even(exact, 10i128.pow(fraction.len() as u32)) as i64
}

/// A path inside a TOML string.
pub fn path_text(path: &std::path::Path) -> String {
    path.display().to_string().replace('\\', "\\\\")
}

const STAGES: &str = r#"
[stages.churn]
[stages.cohort]
[stages.revenue_churn]

[output]
dir = "out"
"#;

/// REFERENCES §2: the whole published triangle, 91 cells, and nothing beyond it.
#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn online_retail_triangle() {
    let export = reference("online_retail/online_retail.parquet");
    let published = reference("online_retail/online_retail_cohort_customers_published.csv");
    let here = Workspace::new();
    let pipeline = format!(
        r#"
name = "online_retail"
[calendar]
period = "month"
timezone = "Europe/London"
[money]
currency = "GBP"
[customers]
basis = "transactions"
churn_after = "1 period"
activity = "TRUE"
[sources.transactions]
path = "{}"
filter = "\"CustomerID\" IS NOT NULL"
columns = {{ customer_id = "CustomerID", occurred_at = "InvoiceDate", amount = {{ sql = "Quantity * UnitPrice" }} }}
{STAGES}"#,
        path_text(&export)
    );
    here.write("pipeline.toml", &pipeline);
    here.run().exits(0);

    let cohort = here.table("cohort");
    let published = csv(&published);
    assert_eq!(published.len(), 91);
    let mut cells = BTreeMap::new();
    for cell in &published {
        let key = [("segment", "all"), ("cohort", &cell["cohort_month"]), ("age", &cell["month_offset"])];
        let row = cohort.row(&key);
        assert_eq!(cohort.cell(row, "customers").to_string(), cell["n"], "{key:?}");
        // December 2011 is observed to the 9th only, so the last diagonal is provisional.
        let december = cohort.cell(row, "period").to_string() == "2011-12-01";
        let maturity = if december { "partial" } else { "complete" };
        assert_eq!(cohort.cell(row, "maturity").to_string(), maturity, "{key:?}");
        cells.insert((cell["cohort_month"].clone(), cell["month_offset"].clone()), ());
    }
    for row in cohort.filter(&[("segment", "all")]).into_iter().filter(|r| r["cohort"] != Value::Null) {
        let key = (row["cohort"].to_string(), row["age"].to_string());
        if !cells.contains_key(&key) {
            assert_eq!(row["maturity"].to_string(), "not_observable", "{key:?}");
            for figure in ["customers", "retention_rate", "revenue", "orders", "cumulative_revenue"] {
                assert_eq!(row[figure], Value::Null, "{figure} of {key:?}");
            }
        }
    }

    // The other tables of the same run, by the naive definition on 406,829 real rows.
    let scenario = retail(&export);
    for (name, want) in naive::tables(&scenario) {
        let found = differences(&want, &here.table(&name));
        assert!(found.is_empty(), "{} cells differ:\n{}", found.len(), found[..found.len().min(20)].join("\n"));
    }
}

fn retail(export: &std::path::Path) -> Scenario {
    let mut scenario = Scenario::purchases(vec![]);
    scenario.rule = Rule::Transactions { window: None, every_row_counts: true };
    for row in rows_of(export).iter().filter(|r| r["CustomerID"] != Value::Null) {
        let on = day(&row["InvoiceDate"].to_string()[..10]);
        let amount = int(row, "Quantity") as f64 * float(row, "UnitPrice");
        scenario.transactions.push(Transaction::new(int(row, "CustomerID"), on, cents(amount)));
    }
    assert_eq!(scenario.transactions.len(), 406_829);
    scenario
}

/// REFERENCES §2: without cancellations, to the tenth of a penny.
#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn online_retail_totals() {
    let export = reference("online_retail/online_retail.parquet");
    let here = Workspace::new();
    let pipeline = format!(
        r#"
name = "online_retail"
[calendar]
timezone = "Europe/London"
[money]
currency = "GBP"
digits = 3
[customers]
basis = "transactions"
activity = "TRUE"
[sources.transactions]
path = "{}"
filter = "\"CustomerID\" IS NOT NULL AND Quantity > 0"
columns = {{ customer_id = "CustomerID", occurred_at = "InvoiceDate", amount = {{ sql = "Quantity * UnitPrice" }}, order_id = "InvoiceNo" }}
{STAGES}"#,
        path_text(&export)
    );
    here.write("pipeline.toml", &pipeline);
    here.run().exits(0);
    let customers = here.table("customers");
    let sum = |column: &str| customers.rows.iter().map(|r| whole(&r[column])).sum::<i128>();
    assert_eq!(customers.rows.len(), 4_339);
    assert_eq!(sum("orders"), 18_536);
    assert_eq!(sum("revenue"), 8_911_407_904, "revenue in tenths of a penny");
}

fn playbook() -> Scenario {
    let rows = rows_of(&reference("dbt_mrr_playbook/subscription_periods.parquet"));
    let subscription = |r: &Row| Subscription {
        number: int(r, "subscription_id"),
        ..Subscription::new(
            int(r, "customer_id"),
            date(r, "start_date"),
            Some(date(r, "end_date")),
            int(r, "monthly_amount") * 100,
        )
    };
    // The last subscriptions end on 1 February 2020 and churn in February: it must be over. By default the window
    // would close on 2 January, a day after the newest start, and the last ends would not be known.
    let mut scenario = Scenario::subscribers(rows.iter().map(subscription).collect()).known_until("2020-03-01");
    scenario.shape = Shape { ids: Ids::Integer, ..Shape::default() };
    scenario
}

/// REFERENCES §6: every month per movement, and every customer in every month.
#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn mrr_playbook_full_history() {
    let scenario = playbook();
    let export = reference("dbt_mrr_playbook/subscription_periods.parquet");
    let by_month = reference("dbt_mrr_playbook/expected_monthly_movements_full_history.csv");
    let by_customer = reference("dbt_mrr_playbook/expected_mrr_full_history.parquet");
    let here = Workspace::new();
    let pipeline = format!(
        r#"
name = "playbook"
[calendar]
as_of = "2020-03-01"
timezone = "UTC"
[money]
currency = "USD"
[customers]
basis = "subscriptions"
[sources.subscriptions]
path = "{}"
columns = {{ customer_id = "customer_id", started_at = "start_date", ended_at = "end_date", amount = "monthly_amount", subscription_id = "subscription_id" }}
{STAGES}"#,
        path_text(&export)
    );
    here.write("pipeline.toml", &pipeline);
    here.run().exits(0);

    let revenue = here.table("revenue_churn");
    let expected = csv(&by_month);
    let mut total = 0;
    for month in &expected {
        let row = revenue.row(&[("segment", "all"), ("period", &month["date_month"])]);
        let told = |column: &str| whole(revenue.cell(row, column));
        let published = |column: &str| (month[column].parse::<f64>().expect("a number") * 100.0) as i128;
        for (ours, theirs) in [
            ("closing", "mrr"),
            ("new", "new_mrr"),
            ("reactivation", "reactivation_mrr"),
            ("expansion", "upgrade_mrr"),
            ("contraction", "downgrade_mrr"),
            ("churned", "churn_mrr"),
        ] {
            assert_eq!(told(ours), published(theirs), "{ours} of {}", month["date_month"]);
        }
        assert_eq!(told("customers") * 100, published("active_customers"), "customers of {}", month["date_month"]);
        total += told("closing");
    }
    assert_eq!(total, 17_145_00, "Σ MRR");
    // Where they have no row there is nothing: December 2017, between two customers.
    let listed = |row: &&&Row| expected.iter().any(|m| m["date_month"] == row["period"].to_string());
    for row in complete(&revenue).iter().filter(|r| !listed(r)) {
        assert_eq!(whole(&row["closing"]), 0, "{row:?}");
    }

    let starts: Vec<Day> = complete(&revenue).iter().map(|r| date(r, "period")).collect();
    let mut ledger = Ledger::unroll(&here.table("ledger"), &starts);
    let found = ledger.sums_differ(&here.table("churn"), &revenue);
    assert!(found.is_empty(), "{found:#?}");
    let count = |is: fn(&crate::ledger::Booked) -> bool| ledger.0.values().filter(|b| is(b)).count();
    assert_eq!(count(|b| b.state == "new"), 55);
    assert_eq!(count(|b| b.state == "returned"), 3);
    assert_eq!(count(|b| b.money.expansion > 0), 30);
    assert_eq!(count(|b| b.money.contraction < 0), 27);
    assert_eq!(count(|b| b.state == "churned"), 58);
    for row in rows_of(&by_customer) {
        let key = (row["customer_id"].to_string(), date(&row, "date_month"));
        let booked = ledger.0.remove(&key).unwrap_or_default();
        let cents = |column: &str| (float(&row, column) * 100.0) as i128;
        let change = cents("mrr_change");
        let (state, movement) = match row["change_category"].to_string().as_str() {
            "new" => ("new", booked.money.new),
            "reactivation" => ("returned", booked.money.reactivation),
            "upgrade" => ("retained", booked.money.expansion),
            "downgrade" => ("retained", booked.money.contraction),
            "churn" => ("churned", booked.money.churned),
            _ if cents("mrr") > 0 => ("retained", 0),
            _ => ("", 0),
        };
        assert_eq!((booked.state.as_str(), movement), (state, change), "{} in {}", key.0, show(key.1));
        assert_eq!(booked.money.closing, cents("mrr"), "MRR of {} in {}", key.0, show(key.1));
    }
    assert!(ledger.0.is_empty(), "the ledger tells of months that the playbook does not know: {:?}", ledger.0.keys());
    for (name, want) in naive::tables(&scenario) {
        let found = differences(&want, &here.table(&name));
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

/// The naive model against the same published figures: it may judge the program only if it passes itself.
#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn the_naive_model_reproduces_the_playbook() {
    let scenario = playbook();
    let by_month = reference("dbt_mrr_playbook/expected_monthly_movements_full_history.csv");
    let tables = naive::tables(&scenario);
    for month in csv(&by_month) {
        for (ours, theirs) in [
            ("closing", "mrr"),
            ("new", "new_mrr"),
            ("reactivation", "reactivation_mrr"),
            ("expansion", "upgrade_mrr"),
            ("contraction", "downgrade_mrr"),
            ("churned", "churn_mrr"),
        ] {
            let told = cell(&tables["revenue_churn"], &[("period", &month["date_month"])], ours);
            let published = (month[theirs].parse::<f64>().expect("a number") * 100.0) as i128;
            assert_eq!(whole(&told), published, "{ours} of {}", month["date_month"]);
        }
    }
}

#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn the_naive_model_reproduces_the_triangle() {
    let export = reference("online_retail/online_retail.parquet");
    let published = reference("online_retail/online_retail_cohort_customers_published.csv");
    let tables = naive::tables(&retail(&export));
    for published in csv(&published) {
        let key = [("cohort", published["cohort_month"].as_str()), ("age", &published["month_offset"])];
        assert_eq!(cell(&tables["cohort"], &key, "customers").to_string(), published["n"], "{key:?}");
    }
}

fn cell(rows: &[WantRow], key: &[(&str, &str)], column: &str) -> Value {
    let is_it = |row: &&WantRow| key.iter().all(|(c, v)| row.get(c).is_some_and(|want| want.to_string() == *v));
    let row = rows.iter().find(is_it).unwrap_or_else(|| panic!("no row {key:?}"));
    row.get(column).unwrap_or_else(|| panic!("no column {column}")).value()
}

/// REFERENCES §5: a snapshot told as subscriptions.
#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn telco_churn_rates() {
    let snapshot = reference("telco_churn/telco_churn.parquet");
    let contracts = ["Month-to-month", "One year", "Two year"];
    let rows = rows_of(&snapshot);
    let mut scenario = Scenario::subscribers(vec![]).known_until("2020-02-01");
    for (customer, row) in (0..).zip(&rows) {
        let started = plus_months(day("2019-12-31"), -int(row, "tenure"));
        let ended = (row["Churn"].to_string() == "Yes").then(|| day("2020-01-15"));
        let plan = contracts.iter().copied().find(|c| row["Contract"].to_string() == *c);
        let subscription = Subscription::new(customer, started, ended, cents(float(row, "MonthlyCharges")));
        scenario.subscriptions.push(Subscription { plan, ..subscription });
    }
    scenario.segments = vec![Segment { name: "contract", attribute: Attribute::Plan, at: At::Opening }];
    scenario.shape = Shape { amounts: Amounts::Float, ..Shape::default() };
    let here = Workspace::of(&scenario);
    here.run().exits(0);

    let churn = here.table("churn");
    let january = |value: &str| churn.row(&[("period", "2020-01-01"), ("value", value)]);
    for (value, churned, opening) in
        [("all", 1869, 7043), ("Month-to-month", 1655, 3875), ("One year", 166, 1473), ("Two year", 48, 1695)]
    {
        let row = january(value);
        assert_eq!((int(row, "opening"), int(row, "churned")), (opening, churned), "{value}");
        assert!((float(row, "churn_rate") - churned as f64 / opening as f64).abs() < 1e-12, "{value}");
    }
    assert!((float(january("all"), "churn_rate") - 0.26537).abs() < 5e-6);
    let revenue = here.table("revenue_churn");
    let row = revenue.row(&[("period", "2020-01-01"), ("segment", "all")]);
    assert_eq!(row["opening"].to_string(), "456116.60");
    assert_eq!(row["churned"].to_string(), "-139130.85");
    assert!((float(row, "gross_churn_rate") - 0.30503).abs() < 5e-6);
}

/// CDNOW's tenth: duplicates are purchases, zero amounts are activity; then every cell by the naive definition.
#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn cdnow_sample() {
    let export = reference("cdnow/cdnow_sample.parquet");
    for window in [None, Some(90)] {
        let mut scenario = Scenario::purchases(vec![]);
        scenario.rule = Rule::Transactions { window, every_row_counts: true };
        scenario.shape = Shape { ids: Ids::Integer, amounts: Amounts::Float, ..Shape::default() };
        for row in rows_of(&export) {
            let purchase = Transaction::new(int(&row, "customer_id"), date(&row, "date"), cents(float(&row, "amount")));
            scenario.transactions.push(purchase);
        }
        let here = Workspace::of(&scenario);
        here.run().exits(0);
        let customers = here.table("customers");
        let sum = |column: &str| customers.rows.iter().map(|r| whole(&r[column])).sum::<i128>();
        assert_eq!((customers.rows.len(), sum("orders"), sum("revenue")), (2_357, 6_919, 244_091_94));
        let found = differences_of(&scenario, &|name| here.table(name));
        assert!(
            found.is_empty(),
            "{window:?}: {} cells differ:\n{}",
            found.len(),
            found[..found.len().min(20)].join("\n")
        );
    }
}

/// The pipeline that ships: 69,659 purchases of 23,570 customers for 2,500,315.63, first bought January to March 1997.
#[test]
fn cdnow_as_shipped() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let pipeline = root.join("pipelines/cdnow.toml");
    assert!(pipeline.is_file(), "pipelines/cdnow.toml ships with the program");
    let here = Workspace::new();
    let out = here.join("out");
    here.tenure(&["run", &path_text(&pipeline), "--quiet", "--out", &path_text(&out)]).exits(0);
    let customers = here.table("customers");
    let sum = |column: &str| customers.rows.iter().map(|r| whole(&r[column])).sum::<i128>();
    assert_eq!((customers.rows.len(), sum("revenue")), (23_570, 2_500_315_63));
    let cohort: Table = here.table("cohort");
    let sizes = cohort.filter(&[("segment", "all"), ("age", "0")]);
    let whole_company: i128 =
        sizes.iter().filter(|r| r["cohort"] != Value::Null).map(|r| whole(&r["cohort_size"])).sum();
    assert_eq!(whole_company, 23_570);
}
