//! What a condition excludes cannot fail: casts under CASE, AND, OR, COALESCE, IN and BETWEEN, in mappings and filters.

use std::sync::Arc;

use arrow::array::{Date32Array, Float64Array, Int64Array, StringArray};

use crate::export;
use crate::support::{Value, Workspace};

/// Sixty purchases of twelve customers, at 2.00 each. `q`, a text, is empty in every fifth row and elsewhere the row's
/// number, from 0.
fn shop(amount: &str, filter: &str) -> Workspace {
    let here = Workspace::new();
    let quantity = |n: i64| if n % 5 == 0 { String::new() } else { n.to_string() };
    export::write(
        &here.join("exports/part.parquet"),
        vec![
            ("who", Arc::new(Int64Array::from_iter_values((0..60).map(|n| n % 12)))),
            ("at", Arc::new(Date32Array::from_iter_values(18_262..18_322))),
            ("q", Arc::new(StringArray::from_iter_values((0..60).map(quantity)))),
            ("price", Arc::new(Float64Array::from_iter_values([2.0; 60]))),
        ],
        7,
    );
    here.write(
        "pipeline.toml",
        &format!(
            r#"name = "guards"
[calendar]
as_of = "2020-05-01"
[money]
currency = "EUR"
[customers]
churn_after = "1 period"
[sources.transactions]
path = "exports"
filter = "{filter}"
columns = {{ customer_id = "who", occurred_at = "at", amount = {{ sql = "{amount}" }} }}
[stages.churn]
[output]
dir = "out"
"#
        ),
    );
    here
}

/// Cents of all purchases that the run counts.
#[track_caller]
fn revenue(amount: &str, filter: &str) -> i128 {
    let here = shop(amount, filter);
    here.run().exits(0);
    let rows = here.table("customers").rows;
    rows.iter().map(|row| if let Value::Money(cents) = row["revenue"] { cents } else { 0 }).sum()
}

#[test]
fn a_mapping_casts_only_what_it_takes() {
    // Of the numbers below sixty, those that five does not divide.
    let sum: i128 = (0..60).filter(|n| n % 5 != 0).sum::<i128>() * 100;
    for sql in [
        "CASE WHEN q <> '' THEN CAST(q AS INTEGER) ELSE 0 END",
        "CASE q WHEN '' THEN 0 ELSE CAST(q AS INTEGER) END",
        "CASE WHEN q = '' THEN 0 WHEN CAST(q AS INTEGER) >= 0 THEN CAST(q AS DOUBLE) END",
        "COALESCE(CASE WHEN q = '' THEN 0 END, CAST(q AS INTEGER))",
        "IFNULL(CASE WHEN q = '' THEN 0e0 END, q::DOUBLE)",
        "CASE WHEN q = '' OR CAST(q AS INTEGER) < 0 THEN 0 ELSE CAST(q AS DECIMAL(38, 24)) END",
        "CASE WHEN q IN ('', CAST(q::INTEGER AS VARCHAR)) THEN COALESCE(TRY_CAST(q AS INTEGER), 0) END",
    ] {
        assert_eq!(revenue(sql, "TRUE"), sum, "{sql}");
    }
}

#[test]
fn a_filter_asks_a_later_condition_only_where_the_earlier_ones_hold() {
    for (filter, rows) in [
        ("q <> '' AND CAST(q AS INTEGER) > 5", 44),
        ("NOT (q = '' OR CAST(q AS INTEGER) <= 5)", 44),
        ("q = '' OR CAST(q AS INTEGER) > 5", 56),
        ("price > 1 AND (q <> '' AND (CAST(q AS INTEGER) > 5 AND CAST(q AS INTEGER) < 9))", 3),
        ("q <> '' AND 50 < CAST(q AS INTEGER) AND at < '2020-02-27'", 5),
        ("CASE WHEN q <> '' THEN q::INTEGER BETWEEN 1 AND 3 ELSE FALSE END", 3),
    ] {
        assert_eq!(revenue("price", filter), rows * 200, "{filter}");
    }
}

#[test]
fn a_cast_that_is_reached_says_the_column_the_values_and_a_remedy() {
    for (amount, filter, place) in [
        ("CASE WHEN q = '' THEN CAST(q AS INTEGER) ELSE 0 END", "TRUE", "sources.transactions.amount"),
        ("COALESCE(CAST(NULLIF(TRIM(q), '1') AS INTEGER), 0)", "TRUE", "sources.transactions.amount"),
        ("price", "CAST(q AS INTEGER) > 5 AND q <> ''", "sources.transactions.filter"),
        ("price", "q = '' AND CAST(q AS INTEGER) > 5", "sources.transactions.filter"),
    ] {
        let here = shop(amount, filter);
        here.run().exits(3).says(&[
            place,
            "exports/part.parquet",
            "column `q`",
            "for 12 out of",
            "[\"\", \"\"",
            "TRY_CAST",
        ]);
        assert!(!here.join("out/latest").exists());
    }
}
