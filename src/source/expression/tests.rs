//! What is allowed gives the value that a reader of SQL expects; everything else is refused by name.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::DataType;
use jiff::tz::TimeZone;

use super::*;
use crate::source::columns::faults::shown;

/// Two rows: ordinary values, and NULLs (`t` apart).
fn row() -> Vec<(&'static str, ArrayRef)> {
    vec![
        ("i", Arc::new(Int64Array::from(vec![Some(7), None]))),
        ("small", Arc::new(Int32Array::from(vec![Some(2_000_000_000), None]))),
        ("big", Arc::new(Int64Array::from(vec![Some(5_000_000_000), None]))),
        ("u", Arc::new(UInt64Array::from(vec![Some(u64::MAX), None]))),
        ("f", Arc::new(Float64Array::from(vec![Some(2.55), None]))),
        ("zero", Arc::new(Float64Array::from(vec![Some(0.0), None]))),
        ("d", Arc::new(Decimal128Array::from(vec![Some(1999), None]).with_precision_and_scale(12, 2).unwrap())),
        ("r", Arc::new(Decimal128Array::from(vec![Some(125), None]).with_precision_and_scale(9, 3).unwrap())),
        ("t", Arc::new(StringViewArray::from(vec![Some("  Österreich_5%  "), None]))),
        ("s", Arc::new(StringViewArray::from(vec![Some("C536379"), None]))),
        ("n", Arc::new(StringViewArray::from(vec![Some("12.50"), None]))),
        ("bad", Arc::new(StringViewArray::from(vec![Some("x"), None]))),
        ("b", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("day", Arc::new(Date32Array::from(vec![Some(15_317), None]))), // 2011-12-09, a Friday
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![Some(1_323_435_000_000_000), None]))), // 12:50
        ("iso", Arc::new(StringViewArray::from(vec![Some("2011-12-09"), None]))),
        ("uk", Arc::new(StringViewArray::from(vec![Some("09/12/2011 12:50"), None]))),
        ("^.*$", Arc::new(Int64Array::from(vec![Some(1), None]))),
        ("Unit Price", Arc::new(Float64Array::from(vec![Some(1.5), None]))),
        ("nested", Arc::new(new_null_array(&DataType::new_list(DataType::Int8, true), 2))),
    ]
}

fn available() -> Vec<(String, Option<Type>)> {
    row().iter().map(|(n, a)| (n.to_string(), Type::of_column(a.data_type()))).collect()
}

fn compile(sql: &str) -> Result<Compiled, Refusal> {
    Compiled::new(&Parsed::new(sql)?, &available(), &TimeZone::UTC)
}

fn inputs(sql: &str) -> Vec<ArrayRef> {
    let parsed = Parsed::new(sql).unwrap();
    row().into_iter().filter(|(n, _)| parsed.columns().any(|c| c == *n)).map(|(_, a)| a).collect()
}

fn values(sql: &str) -> Result<(String, String), String> {
    let compiled = compile(sql).map_err(|r| r.what)?;
    let array = compiled.evaluate(&inputs(sql), 2)?;
    assert_eq!(array.len(), 2, "{sql}");
    let text = |row| shown(&array, row).unwrap_or_else(|| "NULL".into());
    Ok((text(0), text(1)))
}

#[test]
fn every_allowed_form_gives_the_expected_value() {
    let mut wrong = vec![];
    for (sql, first, second) in [
        // literals, which are the same in every row
        ("TRUE", "true", "true"),
        ("42", "42", "42"),
        ("-42", "-42", "-42"),
        ("0.85", "0.85", "0.85"),
        ("-0.85", "-0.85", "-0.85"),
        ("1e3", "1000.0", "1000.0"),
        ("'GBP'", "GBP", "GBP"),
        ("'it''s'", "it's", "it's"),
        ("NULL", "NULL", "NULL"),
        ("DATE '2011-12-09'", "2011-12-09", "2011-12-09"),
        ("TIMESTAMP '2011-12-09 12:50:00'", "2011-12-09T12:50:00", "2011-12-09T12:50:00"),
        // columns, quoted or not, whatever their names
        ("i", "7", "NULL"),
        ("\"Unit Price\" * 2", "3.0", "NULL"),
        ("\"^.*$\" + 1", "2", "NULL"),
        // arithmetic
        ("i + 1 - 2 * 3", "2", "NULL"),
        ("-(i)", "-7", "NULL"),
        ("+i", "7", "NULL"),
        ("i / 2", "3.5", "NULL"),
        ("i / 0", "NULL", "NULL"),
        ("f / zero", "NULL", "NULL"),
        ("i * f", "17.849999999999998", "NULL"),
        ("small * 2", "4000000000", "NULL"),
        ("small * small", "4000000000000000000", "NULL"),
        ("big * big", "NULL", "NULL"),
        ("big * 1000000000", "5000000000000000000", "NULL"),
        ("big * 2000000000", "NULL", "NULL"),
        ("9223372036854775807 + i", "NULL", "NULL"),
        ("u + 1", "18446744073709551616", "NULL"),
        ("d * r", "2.49875", "NULL"),
        ("d * i", "139.93", "NULL"),
        ("d * 0.85", "16.9915", "NULL"),
        ("d * -0.5", "-9.995", "NULL"),
        ("d + r", "20.115", "NULL"),
        ("d - 20", "-0.01", "NULL"),
        ("d / 2", "9.995", "NULL"),
        ("CAST(d AS DOUBLE)", "19.99", "NULL"),
        ("d * f", "50.97449999999999", "NULL"),
        ("day + 1", "2011-12-10", "NULL"),
        ("day - 9", "2011-11-30", "NULL"),
        ("day - DATE '2011-12-01'", "8", "NULL"),
        // comparison
        ("i = 7", "true", "NULL"),
        ("i <> 7", "false", "NULL"),
        ("i != 7", "false", "NULL"),
        ("i < 7.5", "true", "NULL"),
        ("i >= f", "true", "NULL"),
        ("d = 19.99", "true", "NULL"),
        ("f = 2.55", "true", "NULL"),
        ("u > 9223372036854775807", "true", "NULL"),
        ("s = 'C536379'", "true", "NULL"),
        ("s < 'D'", "true", "NULL"),
        ("day >= '2011-12-09'", "true", "NULL"),
        ("'2011-12-09' > day", "false", "NULL"),
        ("at >= '2011-12-09'", "true", "NULL"),
        ("at < '2011-12-09 12:50:01'", "true", "NULL"),
        ("at > day", "true", "NULL"),
        ("b = TRUE", "true", "NULL"),
        ("i = NULL", "NULL", "NULL"),
        ("i BETWEEN 7 AND 8", "true", "NULL"),
        ("i NOT BETWEEN 7 AND 8", "false", "NULL"),
        ("day BETWEEN '2011-12-01' AND '2011-12-31'", "true", "NULL"),
        ("i IN (1, 7, 9)", "true", "NULL"),
        ("i NOT IN (1, 7, 9)", "false", "NULL"),
        ("i IN (1, NULL)", "NULL", "NULL"),
        ("s IN ('a', 'C536379')", "true", "NULL"),
        ("day IN ('2011-12-09')", "true", "NULL"),
        ("i IN (small, f, 7)", "true", "NULL"),
        ("i IS NULL", "false", "true"),
        ("i IS NOT NULL", "true", "false"),
        ("b IS TRUE", "true", "false"),
        ("b IS NOT TRUE", "false", "true"),
        ("b IS FALSE", "false", "false"),
        ("b IS NOT FALSE", "true", "true"),
        ("i IS DISTINCT FROM 7", "false", "true"),
        ("i IS NOT DISTINCT FROM NULL", "false", "true"),
        // logic, of three values
        ("NOT b", "false", "NULL"),
        ("b AND FALSE", "false", "false"),
        ("b OR TRUE", "true", "true"),
        ("b AND i = 7 AND s LIKE 'C%' OR FALSE", "true", "NULL"),
        // texts
        ("s LIKE 'C%'", "true", "NULL"),
        ("s LIKE 'c%'", "false", "NULL"),
        ("s NOT LIKE 'C%'", "false", "NULL"),
        ("s ILIKE 'c______'", "true", "NULL"),
        ("t LIKE '%\\_5\\%  '", "true", "NULL"),
        ("s LIKE 'C.*'", "false", "NULL"),
        ("s || '-' || i", "C536379-7", "NULL"),
        ("CONCAT(s, '-', i)", "C536379-7", "-"),
        ("UPPER('é') || LOWER(s)", "Éc536379", "NULL"),
        ("TRIM(t)", "Österreich_5%", "NULL"),
        ("LTRIM(s, 'C')", "536379", "NULL"),
        ("RTRIM(s, '9')", "C53637", "NULL"),
        ("TRIM(BOTH 'C' FROM s)", "536379", "NULL"),
        ("LTRIM(t)", "Österreich_5%  ", "NULL"),
        ("LENGTH(TRIM(t))", "13", "NULL"),
        ("SUBSTR(s, 2)", "536379", "NULL"),
        ("SUBSTR(s, 2, 3)", "536", "NULL"),
        ("SUBSTR(s, 0, 3)", "C5", "NULL"),
        ("SUBSTRING(s FROM 2 FOR 2)", "53", "NULL"),
        ("LEFT(s, 1)", "C", "NULL"),
        ("LEFT(s, 100)", "C536379", "NULL"),
        ("LEFT(s, 0)", "", "NULL"),
        ("RIGHT(s, 3)", "379", "NULL"),
        ("RIGHT(s, 100)", "C536379", "NULL"),
        ("RIGHT(s, 0)", "", "NULL"),
        ("REPLACE(s, '3', 'x.')", "C5x.6x.79", "NULL"),
        ("STARTS_WITH(s, 'C5')", "true", "NULL"),
        ("ENDS_WITH(s, '79')", "true", "NULL"),
        ("CONTAINS(s, '.')", "false", "NULL"),
        // numbers
        ("ABS(-7)", "7", "7"),
        ("ABS(0 - d)", "19.99", "NULL"),
        ("ROUND(f, 1)", "2.6", "NULL"),
        ("ROUND(-2.5)", "-3.0", "-3.0"),
        ("ROUND(d, 1)", "20.00", "NULL"),
        ("ROUND(i, 1)", "7", "NULL"),
        ("FLOOR(f)", "2.0", "NULL"),
        ("CEIL(f)", "3.0", "NULL"),
        ("CEILING(f)", "3.0", "NULL"),
        ("GREATEST(i, 9, NULL)", "9", "9"),
        ("LEAST(i, 9, f)", "2.55", "9.0"),
        ("GREATEST('a', s)", "a", "a"),
        // conditions
        ("COALESCE(i, 0)", "7", "0"),
        ("COALESCE(NULL, s, 'none')", "C536379", "none"),
        ("IFNULL(i, 0.5)", "7.0", "0.5"),
        ("NULLIF(i, 7)", "NULL", "NULL"),
        ("NULLIF(i, 8)", "7", "NULL"),
        ("CASE WHEN i > 5 THEN 'many' WHEN i IS NULL THEN 'none' ELSE 'few' END", "many", "none"),
        ("CASE i WHEN 7 THEN d END", "19.99", "NULL"),
        ("CASE WHEN b THEN 1 ELSE 0.5 END", "1.0", "0.5"),
        // casts
        ("CAST(n AS DOUBLE) * 2", "25.0", "NULL"),
        ("CAST(n AS DECIMAL(12, 2)) * 3", "37.50", "NULL"),
        ("n::DECIMAL(12,2)", "12.50", "NULL"),
        ("CAST(f AS BIGINT)", "3", "NULL"),
        ("CAST(12345.0 AS BIGINT)", "12345", "12345"),
        ("CAST(i AS VARCHAR)", "7", "NULL"),
        ("CAST(b AS INTEGER)", "1", "NULL"),
        ("CAST(day AS VARCHAR)", "2011-12-09", "NULL"),
        ("CAST(iso AS DATE)", "2011-12-09", "NULL"),
        ("CAST(at AS DATE)", "2011-12-09", "NULL"),
        ("CAST(day AS TIMESTAMP)", "2011-12-09T00:00:00", "NULL"),
        ("TRY_CAST(bad AS BIGINT)", "NULL", "NULL"),
        ("TRY_CAST(bad AS DATE)", "NULL", "NULL"),
        ("STRPTIME(uk, '%d/%m/%Y %H:%M')", "2011-12-09T12:50:00", "NULL"),
        ("STRPTIME(iso, '%Y-%m-%d')", "2011-12-09T00:00:00", "NULL"),
        ("TO_TIMESTAMP(1323435000)", "2011-12-09T12:50:00Z", "2011-12-09T12:50:00Z"),
        ("TO_TIMESTAMP(1323435000500 / 1000)", "2011-12-09T12:50:00.500Z", "2011-12-09T12:50:00.500Z"),
        // parts of dates
        ("EXTRACT(YEAR FROM at)", "2011", "NULL"),
        ("EXTRACT(HOUR FROM at)", "12", "NULL"),
        ("DATE_PART('month', day)", "12", "NULL"),
        ("DATE_PART('DOW', day)", "5", "NULL"),
        ("EXTRACT(DOW FROM DATE '2011-12-11')", "0", "0"),
        ("EXTRACT(ISODOW FROM DATE '2011-12-11')", "7", "7"),
        ("EXTRACT(WEEK FROM day)", "49", "NULL"),
        ("EXTRACT(QUARTER FROM day)", "4", "NULL"),
        ("EXTRACT(DOY FROM day)", "343", "NULL"),
        ("EXTRACT(MINUTE FROM at) + EXTRACT(SECOND FROM at)", "50", "NULL"),
    ] {
        let got = values(sql);
        if got != Ok((first.to_string(), second.to_string())) {
            wrong.push(format!("{sql}: {got:?}, not {first}, {second}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn everything_else_is_refused_with_a_reason() {
    for (sql, says) in [
        ("", "empty"),
        ("   ", "empty"),
        ("i +", "not a SQL expression"),
        ("i i", "nothing is expected"),
        ("i; DROP TABLE x", "nothing is expected"),
        ("SELECT 1", "nothing is expected"),
        ("(SELECT 1)", "subquery"),
        ("i IN (SELECT 1)", "subquery"),
        ("EXISTS (SELECT 1)", "subquery"),
        ("*", "not"),
        ("COUNT(*)", "several rows"),
        ("SUM(i)", "several rows"),
        ("MAX(i)", "several rows"),
        ("AVG(i) > 3", "several rows"),
        ("ROW_NUMBER() OVER ()", "several rows"),
        ("LAG(i)", "several rows"),
        ("ABS(i) OVER (PARTITION BY s)", "several rows"),
        ("RANDOM()", "RANDOM is not allowed"),
        ("NOW()", "NOW is not allowed"),
        ("CURRENT_DATE", "CURRENT_DATE is not allowed"),
        ("read_parquet('/etc/passwd')", "READ_PARQUET is not allowed"),
        ("READ_CSV('x')", "not allowed"),
        ("COLUMNS('.*')", "not allowed"),
        ("UPER(s)", "did you mean UPPER"),
        ("SQRT(f)", "not allowed"),
        ("i % 2", "operator %"),
        ("i // 2", "operator"),
        ("i & 1", "operator"),
        ("s ~ 'C.*'", "operator"),
        ("s REGEXP 'C.*'", "not allowed"),
        ("s -> 'a'", "not allowed"),
        ("nested[1]", "not allowed"),
        ("nested", "cannot be used"),
        ("x.i", "names a table"),
        ("Quantity", "no column `Quantity`"),
        ("I", "no column `I`"),
        ("\"unit price\"", "did you mean \"Unit Price\""),
        ("ARRAY[1, 2]", "not allowed"),
        ("at + INTERVAL '1 day'", "INTERVAL"),
        ("at AT TIME ZONE 'UTC'", "not allowed"),
        ("i AND b", "condition is expected"),
        ("NOT i", "condition is expected"),
        ("CASE WHEN i THEN 1 END", "condition is expected"),
        ("s + 1", "cannot combine"),
        ("s > 1", "cannot put"),
        ("s = day", "cannot put"),
        ("day = '09/12/2011'", "is not a date"),
        ("day > '2011-12-09 10:00'", "is not a date"),
        ("at > 'yesterday'", "is not a timestamp"),
        ("at > '2011-12-09T00:00Z'", "without zone"),
        ("DATE '2011-02-30'", "is not a date"),
        ("COALESCE(i, 'x')", "cannot put"),
        ("UPPER(i)", "works on text"),
        ("ABS(s)", "works on a number"),
        ("LEFT(s, i)", "written out"),
        ("LEFT(s, -1)", "written out"),
        ("SUBSTR(s, i)", "written out"),
        ("ROUND(f, i)", "written out"),
        ("s LIKE n", "single quotes"),
        ("s LIKE 'x' ESCAPE '!'", "not allowed"),
        ("LENGTH()", "called with 0"),
        ("NULLIF(i)", "called with 1"),
        ("CONCAT(DISTINCT s)", "this form"),
        ("EXTRACT(EPOCH FROM at)", "date part"),
        ("EXTRACT(HOUR FROM day)", "date part"),
        ("EXTRACT(YEAR FROM s)", "date part"),
        ("CAST(i AS DECIMAL)", "precision"),
        ("CAST(i AS DATE)", "CAST from"),
        ("CAST(iso AS TIMESTAMP)", "CAST from text to TIMESTAMP"),
        ("CAST(i AS INTERVAL)", "CAST to"),
        ("CAST(s AS BYTEA)", "CAST to"),
        ("STRPTIME(s, n)", "single quotes"),
        ("STRPTIME(s, '%Y %z')", "without a zone"),
        ("99999999999999999999", "too large"),
        ("1e999", "too large"),
        ("X'00'", "literal"),
        ("? + 1", "not"),
        ("$1", "not"),
    ] {
        match compile(sql) {
            Err(refusal) => assert!(refusal.what.contains(says), "{sql}: {}", refusal.what),
            Ok(c) => panic!("{sql} is allowed: {c:?}"),
        }
    }
}

#[test]
fn values_that_cannot_be_cast_stop_with_a_sentence() {
    for sql in ["CAST(bad AS BIGINT)", "CAST(bad AS DOUBLE)", "CAST(bad AS DATE)", "STRPTIME(bad, '%Y')"] {
        assert!(values(sql).is_err(), "{sql}");
    }
}

#[test]
fn long_and_deep_expressions_are_refused_not_overflowed() {
    let chain = vec!["i = 1"; 800].join(" OR ");
    assert_eq!(values(&chain).unwrap().0, "false");
    for deep in ["(".repeat(3000), "NOT ".repeat(1500), "-".repeat(3000)] {
        assert!(compile(&format!("{deep}i")).is_err());
    }
    assert!(compile(&format!("i{}", " + i".repeat(1500))).unwrap_err().what.contains("nests deeper"));
    assert!(compile(&format!("1{}", "+1".repeat(3_990))).unwrap_err().what.contains("nests deeper"));
    assert!(compile(&format!("i{}", "=i".repeat(3_990))).is_err());
    assert!(compile(&format!("s{}", "||s".repeat(2_600))).is_err());
    assert!(compile(&"i + ".repeat(10_000)).unwrap_err().what.contains("longer than"));
}

#[test]
fn a_filter_keeps_only_rows_that_are_true() {
    let sql = "i = 7";
    let holds = compile(sql).unwrap().holds(&inputs(sql), 2).unwrap();
    assert_eq!(holds, BooleanArray::from(vec![true, false]));
    assert_eq!(compile("NULL").unwrap().holds(&[], 2).unwrap(), BooleanArray::from(vec![false, false]));
    assert_eq!(compile("TRUE").unwrap().holds(&[], 0).unwrap().len(), 0);
}

#[test]
fn the_help_lists_functions_in_order_and_each_once() {
    let names: Vec<&str> = allowed_functions().map(|f| f.split('(').next().unwrap()).collect();
    assert!(names.is_sorted() && names.windows(2).all(|w| w[0] != w[1]));
}
