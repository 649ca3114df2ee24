//! Random expressions over random rows: what SQL does not evaluate in a row cannot fail there, and what it does has the
//! value that a model finds that evaluates row by row.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::*;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::naive::{COLUMNS, Fails, Part, Row, Value};
use super::{Compiled, ParsedSql, SqlType};

/// Random parts of each type, at most so deep.
#[derive(Clone)]
struct Parts {
    bool: BoxedStrategy<Part>,
    date: BoxedStrategy<Part>,
    float: BoxedStrategy<Part>,
    int: BoxedStrategy<Part>,
    decimal: BoxedStrategy<Part>,
    text: BoxedStrategy<Part>,
}

fn column(name: &str) -> Part {
    Part::Column(COLUMNS.iter().position(|c| *c == name).unwrap())
}

fn literals<const N: usize>(literals: [(&'static str, Value); N]) -> BoxedStrategy<Part> {
    prop::sample::select(literals.map(|(text, value)| Part::Literal(text, value)).to_vec()).boxed()
}

fn leaves() -> Parts {
    let or_column = |name: &str, rest: BoxedStrategy<Part>| prop_oneof![2 => Just(column(name)), 1 => rest].boxed();
    Parts {
        bool: or_column("b", literals([("TRUE", Value::Bool(true)), ("FALSE", Value::Bool(false))])),
        date: or_column("day", literals([("DATE '2020-02-29'", Value::Date(18_321))])),
        float: or_column("f", literals([("0e0", Value::Float(0.0)), ("1.5e0", Value::Float(1.5))])),
        int: or_column(
            "i",
            literals([
                ("0", Value::Int(0)),
                ("5", Value::Int(5)),
                ("-7", Value::Int(-7)),
                ("9223372036854775807", Value::Int(i64::MAX)),
            ]),
        ),
        decimal: or_column("m", literals([("1.50", Value::Decimal(150, 2)), ("-0.25", Value::Decimal(-25, 2))])),
        text: or_column("q", literals([("'x'", Value::Text("x")), ("''", Value::Text(""))])),
    }
}

/// What is made of a part of any type, with conditions.
fn conditional(of: &BoxedStrategy<Part>, condition: &BoxedStrategy<Part>) -> BoxedStrategy<Part> {
    let some = |most| prop::collection::vec(of.clone(), 1..=most);
    let last = prop::option::of(of.clone().prop_map(Box::new));
    let branches = |test: &BoxedStrategy<Part>| prop::collection::vec((test.clone(), of.clone()), 1..=3);
    prop_oneof![
        (branches(condition), last.clone()).prop_map(|(all, last)| Part::Case(all, last)),
        (of.clone(), branches(of), last).prop_map(|(x, all, last)| Part::CaseOf(x.into(), all, last)),
        some(3).prop_map(Part::Coalesce),
        some(3).prop_map(Part::Greatest),
        (of.clone(), of.clone()).prop_map(|(a, b)| Part::NullIf(a.into(), b.into())),
    ]
    .boxed()
}

/// What can be asked of a part of any type.
fn questions(of: &BoxedStrategy<Part>) -> BoxedStrategy<Part> {
    let ops = prop::sample::select(vec!["=", "<>", "<", ">="]);
    let some = prop::collection::vec(of.clone(), 1..=3);
    prop_oneof![
        3 => (ops, of.clone(), of.clone()).prop_map(|(op, a, b)| Part::Compare(op, a.into(), b.into())),
        1 => of.clone().prop_map(|x| Part::IsNull(x.into())),
        1 => (of.clone(), some, any::<bool>()).prop_map(|(x, list, not)| Part::In(x.into(), list, not)),
        1 => (of.clone(), of.clone(), of.clone(), any::<bool>())
            .prop_map(|(x, low, high, not)| Part::Between(x.into(), low.into(), high.into(), not)),
    ]
    .boxed()
}

fn arithmetic(ops: &'static str, a: &BoxedStrategy<Part>, b: &BoxedStrategy<Part>) -> BoxedStrategy<Part> {
    let op = prop::sample::select(ops.chars().collect::<Vec<_>>());
    (op, a.clone(), b.clone()).prop_map(|(op, a, b)| Part::Arithmetic(op, a.into(), b.into())).boxed()
}

/// Whether a part is written out: where it cannot be cast, the expression is refused at once, whatever guards it.
fn is_written_out(part: &Part) -> bool {
    matches!(part, Part::Literal(..))
}

fn deeper(parts: &Parts) -> Parts {
    let Parts { bool, date, float, int, decimal, text } = parts;
    let castable = text.clone().prop_filter("no literal", |part| !is_written_out(part)).boxed();
    let computed = int.clone().prop_filter("no literal", |part| !is_written_out(part)).boxed();
    let some = prop::collection::vec(bool.clone(), 2..=4);
    let cast = |of: &BoxedStrategy<Part>, to: fn(Box<Part>, bool) -> Part| {
        (of.clone(), prop::bool::weighted(0.8)).prop_map(move |(part, strict)| to(part.into(), strict)).boxed()
    };
    let whole = Just(column("m")).boxed();
    Parts {
        bool: prop_oneof![
            1 => bool.clone(),
            3 => some.clone().prop_map(Part::All),
            3 => some.prop_map(Part::Any),
            1 => bool.clone().prop_map(|x| Part::Not(x.into())),
            1 => bool.clone().prop_map(|x| Part::IsTrue(x.into())),
            2 => conditional(bool, bool),
            1 => questions(date),
            1 => questions(float),
            3 => questions(int),
            2 => questions(decimal),
            1 => questions(text),
            1 => castable.clone().prop_map(|x| Part::ParsedAfter2020(x.into())),
        ]
        .boxed(),
        date: prop_oneof![
            1 => date.clone(),
            2 => conditional(date, bool),
            2 => arithmetic("+-", date, int),
            2 => cast(&castable, Part::ToDate),
        ]
        .boxed(),
        float: prop_oneof![
            1 => float.clone(),
            2 => conditional(float, bool),
            2 => arithmetic("+-/", float, float),
            1 => arithmetic("+-/", int, float),
            1 => arithmetic("+-/", float, int),
            1 => arithmetic("/", int, int),
        ]
        .boxed(),
        int: prop_oneof![
            1 => int.clone(),
            3 => conditional(int, bool),
            2 => arithmetic("+-*", int, int),
            3 => cast(&castable, Part::ToInt),
            1 => cast(&whole, Part::ToInt),
        ]
        .boxed(),
        decimal: prop_oneof![
            1 => decimal.clone(),
            3 => conditional(decimal, bool),
            2 => arithmetic("+-", decimal, decimal),
            1 => arithmetic("*", &whole, &whole),
            1 => computed.prop_map(|x| Part::ToLongDecimal(x.into())),
        ]
        .boxed(),
        text: prop_oneof![2 => text.clone(), 1 => conditional(text, bool)].boxed(),
    }
}

fn expressions() -> BoxedStrategy<Part> {
    let Parts { bool, date, float, int, decimal, text } = deeper(&deeper(&deeper(&leaves())));
    prop_oneof![4 => bool, 1 => date, 1 => float, 2 => int, 2 => decimal, 1 => text].boxed()
}

fn rows() -> impl Strategy<Value = Row> {
    let or_null = |values: Vec<Value>| prop_oneof![1 => Just(Value::Null), 4 => prop::sample::select(values)];
    let texts = ["", "x", "12", "-7", "99999999999999999999", "2020-02-29", "2020-13-01", "2019-01-31"];
    [
        or_null(vec![Value::Bool(true), Value::Bool(false)]),
        or_null(vec![Value::Date(15_317), Value::Date(18_321)]),
        or_null([0.0, -0.0, 1.5, -0.1, 3.0].map(Value::Float).to_vec()),
        or_null([0, 7, -3, 5_000_000_000, i64::MAX, i64::MIN].map(Value::Int).to_vec()),
        or_null(
            [0, 12, 10i128.pow(14), 9 * 10i128.pow(37), -9 * 10i128.pow(36)].map(|v| Value::Decimal(v, 0)).to_vec(),
        ),
        or_null(texts.map(Value::Text).to_vec()),
    ]
    .prop_map(|row| row)
}

/// The columns of some rows.
fn arrays(rows: &[&Row]) -> Vec<ArrayRef> {
    fn values<'a, T>(
        rows: &'a [&Row],
        column: usize,
        of: fn(&Value) -> Option<T>,
    ) -> impl Iterator<Item = Option<T>> + 'a
    where
        T: 'a,
    {
        rows.iter().map(move |row| of(&row[column]))
    }
    let decimals: Decimal128Array =
        values(rows, 4, |v| if let Value::Decimal(d, _) = v { Some(*d) } else { None }).collect();
    vec![
        Arc::new(values(rows, 0, |v| if let Value::Bool(b) = v { Some(*b) } else { None }).collect::<BooleanArray>()),
        Arc::new(values(rows, 1, |v| if let Value::Date(d) = v { Some(*d) } else { None }).collect::<Date32Array>()),
        Arc::new(values(rows, 2, |v| if let Value::Float(f) = v { Some(*f) } else { None }).collect::<Float64Array>()),
        Arc::new(values(rows, 3, |v| if let Value::Int(i) = v { Some(*i) } else { None }).collect::<Int64Array>()),
        Arc::new(decimals.with_precision_and_scale(38, 0).unwrap()),
        Arc::new(
            values(rows, 5, |v| if let Value::Text(t) = v { Some(*t) } else { None }).collect::<StringViewArray>(),
        ),
    ]
}

/// A value as text that tells apart what is not equal, such as the two zeros.
fn shown(array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) {
        return "NULL".into();
    }
    match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Utf8View => format!("'{}'", array.as_string_view().value(row)),
        DataType::Date32 => format!("day {}", array.as_primitive::<Date32Type>().value(row)),
        DataType::Float64 => format!("{:?}", array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(38, scale) => format!("{}e-{scale}", array.as_primitive::<Decimal128Type>().value(row)),
        other => panic!("{other}"),
    }
}

fn shown_value(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Bool(b) => b.to_string(),
        Value::Int(i) => i.to_string(),
        Value::Text(t) => format!("'{t}'"),
        Value::Date(d) => format!("day {d}"),
        Value::Float(f) => format!("{f:?}"),
        Value::Decimal(d, scale) => format!("{d}e-{scale}"),
    }
}

/// The value of each row, or the sentence with which they fail.
fn evaluated(compiled: &Compiled, parsed: &ParsedSql, rows: &[&Row]) -> Result<Vec<String>, String> {
    let named = COLUMNS.iter().zip(arrays(rows)).filter(|(name, _)| parsed.columns().any(|c| c == **name));
    let inputs: Vec<ArrayRef> = named.map(|(_, array)| array).collect();
    let value = compiled.evaluate(&inputs, rows.len())?;
    Ok((0..rows.len()).map(|row| shown(&value, row)).collect())
}

fn check(part: &Part, rows: &[Row]) -> Result<(), TestCaseError> {
    let sql = part.sql();
    let expected: Vec<Result<String, Fails>> =
        rows.iter().map(|row| part.value(row).map(|value| shown_value(&value))).collect();
    let parsed = ParsedSql::new(sql.as_str()).map_err(|r| TestCaseError::fail(format!("{sql}: {}", r.what)))?;
    let all: Vec<&Row> = rows.iter().collect();
    let available: Vec<_> =
        COLUMNS.iter().zip(arrays(&all)).map(|(n, a)| (n.to_string(), SqlType::of_column(a.data_type()))).collect();
    let compiled = match Compiled::new(&parsed, &available, &TimeZone::UTC) {
        Ok(compiled) => compiled,
        // A constant that fails does so without a row.
        Err(refusal) if refusal.what.contains("cannot be computed") => {
            prop_assert!(expected.iter().all(Result::is_err), "{}: {}", sql, refusal.what);
            return Ok(());
        }
        Err(refusal) => return Err(TestCaseError::fail(format!("{sql}: {}", refusal.what))),
    };
    let batch = evaluated(&compiled, &parsed, &all);
    match (&batch, expected.iter().cloned().collect::<Result<Vec<_>, _>>()) {
        (Ok(got), Ok(expected)) => prop_assert_eq!(got, &expected, "{}", sql),
        (Err(_), Err(Fails)) => {}
        (got, expected) => return Err(TestCaseError::fail(format!("{sql}: {got:?}, not {expected:?}"))),
    }
    let sound: Vec<&Row> = all.iter().zip(&expected).filter(|(_, e)| e.is_ok()).map(|(row, _)| *row).collect();
    let values: Vec<String> = expected.iter().filter_map(|e| e.clone().ok()).collect();
    prop_assert_eq!(evaluated(&compiled, &parsed, &sound), Ok(values), "{} without the rows that fail", sql);
    for (row, expected) in rows.iter().zip(expected) {
        let alone = evaluated(&compiled, &parsed, &[row]).map(|values| values[0].clone());
        prop_assert_eq!(alone.map_err(|_| Fails), expected, "{} in a batch of one", sql);
    }
    Ok(())
}

proptest! {
    #![proptest_config(crate::properties::cases(2_000))]

    #[test]
    fn rows_fail_and_have_values_as_if_each_were_computed_alone(
        part in expressions(),
        rows in prop::collection::vec(rows(), 1..6),
    ) {
        check(&part, &rows)?;
    }
}
