//! SQL of a pipeline file, over a few rows of every type that a column may have.
//!
//! An expression is refused with a sentence, or has a value for each row. It is elementwise: its value for a row is the same
//! whether the row is alone or among others.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, StringViewArray,
    TimestampMicrosecondArray,
};
use arrow::util::display::array_value_to_string;
use jiff::tz::TimeZone;
use tenure::source::expression::{Compiled, ParsedSql, SqlType};

const ROWS: usize = 4;

/// Columns by name; the values are the edges of their types, and NULL.
static COLUMNS: LazyLock<Vec<(&'static str, ArrayRef)>> = LazyLock::new(|| {
    let decimals = Decimal128Array::from(vec![Some(0), Some(-999_999_999_999_999_999), None, Some(12_345)]);
    vec![
        ("b", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, Some(true)]))),
        ("d", Arc::new(Date32Array::from(vec![Some(0), Some(-36_525), None, Some(120_529)]))),
        ("f", Arc::new(Float64Array::from(vec![Some(-0.0), Some(f64::NAN), None, Some(f64::INFINITY)]))),
        ("i", Arc::new(Int64Array::from(vec![Some(0), Some(i64::MIN), None, Some(i64::MAX)]))),
        ("m", Arc::new(decimals.with_precision_and_scale(18, 2).expect("18 digits hold these"))),
        (
            "s",
            Arc::new(StringViewArray::from(vec![
                Some(""),
                Some("2020-02-29"),
                None,
                Some("ä%_\\ longer than twelve bytes"),
            ])),
        ),
        ("t", Arc::new(TimestampMicrosecondArray::from(vec![Some(0), Some(-1), None, Some(1_600_000_000_000_000)]))),
    ]
});

pub fn run(bytes: &[u8]) {
    let Ok(sql) = std::str::from_utf8(bytes) else { return };
    let Ok(parsed) = ParsedSql::new(sql) else { return };
    let available: Vec<_> =
        COLUMNS.iter().map(|(name, array)| ((*name).to_string(), SqlType::of_column(array.data_type()))).collect();
    let compiled = match Compiled::new(&parsed, &available, &TimeZone::UTC) {
        Ok(compiled) => compiled,
        Err(refusal) => {
            assert!(!refusal.what.is_empty());
            return;
        }
    };
    let named: Vec<&ArrayRef> =
        COLUMNS.iter().filter(|(name, _)| parsed.columns().any(|c| c == *name)).map(|(_, array)| array).collect();
    let value_of = |from: usize, rows: usize| {
        let inputs: Vec<ArrayRef> = named.iter().map(|array| array.slice(from, rows)).collect();
        compiled.evaluate(&inputs, rows)
    };
    let alone: Vec<_> = (0..ROWS).map(|row| value_of(row, 1)).collect();
    match value_of(0, ROWS) {
        Ok(all) => {
            assert_eq!(all.len(), ROWS, "`{sql}` has not one value a row");
            for (row, value) in alone.iter().enumerate() {
                let value = value.as_ref().unwrap_or_else(|e| panic!("`{sql}` fails for row {row} alone: {e}"));
                let text = |array: &dyn Array, i| array_value_to_string(array, i).unwrap_or_default();
                assert_eq!(text(value, 0), text(&all, row), "`{sql}` depends on the rows beside row {row}");
            }
        }
        Err(_) => assert!(alone.iter().any(Result::is_err), "`{sql}` fails for rows none of which fails alone"),
    }
}
