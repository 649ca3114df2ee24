//! What is allowed gives the value that a reader of SQL expects; everything else is refused by name.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::DataType;
use jiff::tz::TimeZone;

use super::*;
use crate::source::columns::faults::shown;

mod guards;
mod naive;

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

fn available() -> Vec<(String, Option<SqlType>)> {
    row().iter().map(|(n, a)| (n.to_string(), SqlType::of_column(a.data_type()))).collect()
}

fn compile(sql: &str) -> Result<Compiled, SqlRefusal> {
    Compiled::new(&ParsedSql::new(sql)?, &available(), &TimeZone::UTC)
}

fn inputs(sql: &str) -> Vec<ArrayRef> {
    let parsed = ParsedSql::new(sql).unwrap();
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
        ("SELECT 1", "subquery"),
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
fn what_a_condition_excludes_cannot_fail() {
    for (sql, first, second) in [
        ("CASE WHEN bad <> 'x' THEN CAST(bad AS INTEGER) ELSE 0 END", "0", "0"),
        ("CASE bad WHEN 'x' THEN 1 ELSE CAST(bad AS INTEGER) END", "1", "NULL"),
        ("CASE WHEN bad = 'x' THEN 1 WHEN CAST(bad AS INTEGER) > 5 THEN 2 END", "1", "NULL"),
        ("bad <> 'x' AND CAST(bad AS INTEGER) > 5", "false", "NULL"),
        ("bad = 'x' OR CAST(bad AS INTEGER) > 5", "true", "NULL"),
        ("bad <> 'x' AND i = 7 AND (CAST(bad AS INTEGER) > 5 OR CAST(bad AS DATE) > '2020-01-01')", "false", "NULL"),
        ("bad <> 'x' AND STRPTIME(bad, '%Y-%m-%d') > '2020-01-01'", "false", "NULL"),
        ("CASE WHEN i > 5 THEN CASE WHEN bad <> 'x' THEN CAST(bad AS DOUBLE) ELSE 2.5 END END", "2.5", "NULL"),
        ("CASE WHEN TRY_CAST(bad AS INTEGER) > 0 THEN CAST(bad AS INTEGER) ELSE -1 END", "-1", "-1"),
        ("COALESCE(i, CAST(s AS INTEGER))", "7", "NULL"),
        ("IFNULL(bad, CAST(bad AS INTEGER) || '')", "x", "NULL"),
        ("7 IN (i, CAST(bad AS INTEGER))", "true", "NULL"),
        ("i BETWEEN 8 AND CAST(bad AS INTEGER)", "false", "NULL"),
        ("i NOT BETWEEN 8 AND CAST(bad AS INTEGER)", "true", "NULL"),
        ("CASE WHEN i < 5 THEN day + 9223372036854775807 ELSE day END", "2011-12-09", "NULL"),
        ("CASE WHEN i < 5 THEN CAST(big * 100000 AS DECIMAL(38, 24)) > 0 END", "NULL", "NULL"),
        ("CASE WHEN i < 5 THEN CAST(f * 1e37 AS DECIMAL(38, 0)) * 90 > 0 END", "NULL", "NULL"),
        (
            "CASE WHEN i < 5 THEN TO_TIMESTAMP(f * 1e300) ELSE TO_TIMESTAMP(0) END",
            "1970-01-01T00:00:00Z",
            "1970-01-01T00:00:00Z",
        ),
        // A result beyond 64 bits is NULL, wherever it stands.
        ("COALESCE(big * big, 0)", "0", "0"),
        ("big * big IS NULL", "true", "true"),
        ("CASE WHEN big * big > 0 THEN 1 ELSE 0 END", "0", "0"),
        ("CASE WHEN big < 1000000000 THEN big * big ELSE 0 END", "0", "0"),
        ("big > 1000000000 OR big * big > 0", "true", "NULL"),
        ("CASE WHEN big > 1000000000 THEN big * big ELSE 0 END", "NULL", "0"),
    ] {
        assert_eq!(values(sql), Ok((first.into(), second.into())), "{sql}");
    }
    for sql in [
        "CASE WHEN bad = 'x' THEN CAST(bad AS INTEGER) ELSE 0 END",
        "bad = 'x' AND CAST(bad AS INTEGER) > 5",
        "bad <> 'x' OR CAST(bad AS INTEGER) > 5",
        // Written the other way round, it is looked at first.
        "CAST(bad AS INTEGER) > 5 AND bad <> 'x'",
        "CASE WHEN CAST(bad AS INTEGER) > 5 THEN 1 ELSE 0 END",
        "COALESCE(CAST(bad AS INTEGER), i)",
        "8 IN (i, CAST(bad AS INTEGER))",
        "i BETWEEN 6 AND CAST(bad AS INTEGER)",
        "NULLIF(i, CAST(bad AS INTEGER))",
    ] {
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

/// What may stand within itself: how it begins, what is innermost, how it ends.
const NESTING: [(&str, &str, &str); 41] = [
    ("(", "i", ")"),
    ("CAST(", "i", " AS BIGINT)"),
    ("TRY_CAST(", "i", " AS BIGINT)"),
    ("CONVERT(", "i", ", INT)"),
    ("ARRAY[", "1", "]"),
    ("ARRAY(", "1", ")"),
    ("[", "1", "]"),
    ("STRUCT(", "1", ")"),
    ("MAP {'a': ", "1", "}"),
    ("{'a': ", "1", "}"),
    ("{fn ABS(", "1", ")}"),
    ("CAST(i AS ARRAY<", "INT", ">)"),
    ("ARRAY<", "INT", ">"),
    ("STRUCT<a ", "INT", ">"),
    ("Nullable(", "INT", ")"),
    ("TUPLE(a ", "INT", ")"),
    ("CASE WHEN TRUE THEN ", "1", " END"),
    ("CASE WHEN ", "TRUE", " THEN TRUE END"),
    ("CASE ", "i", " WHEN 1 THEN 1 WHEN 2 THEN 2 END"),
    ("CASE i WHEN ", "1", " THEN 1 END"),
    ("-", "i", ""),
    ("- ", "i", ""),
    ("+", "i", ""),
    ("- + ~ ", "i", ""),
    ("NOT ", "b", ""),
    ("INTERVAL ", "'1'", " DAY"),
    ("ABS(", "i", ")"),
    ("CEIL(", "f", ")"),
    ("EXTRACT(YEAR FROM ", "at", ")"),
    ("TRIM(", "s", ")"),
    ("SUBSTRING(", "s", " FROM 1)"),
    ("OVERLAY(", "s", " PLACING 'x' FROM 1)"),
    ("POSITION('a' IN ", "s", ")"),
    ("EXISTS (", "1", ")"),
    ("i IN (", "1", ")"),
    ("COALESCE(i, ", "1", ")"),
    ("NULLIF(", "i", ", 1)"),
    ("i BETWEEN 0 AND (", "1", ")"),
    ("1 / (", "i", ")"),
    ("GREATEST(i, i, ", "1", ")"),
    ("(a) -> (", "1", ")"),
];

/// Compiles it, and says how long that took.
fn timed(sql: &str) -> (Result<Compiled, SqlRefusal>, std::time::Duration) {
    let started = std::time::Instant::now();
    (compile(sql), started.elapsed())
}

#[test]
fn nesting_of_every_kind_is_answered_at_once() {
    for (open, inner, close) in NESTING {
        for n in [1, 5, 12, 20, 24, 25, 30, 48, 49, 50, 51, 60, 120, 400] {
            for fault in ["", " +", ")", " x y"] {
                let sql = format!("{}{inner}{fault}{}", open.repeat(n), close.repeat(n));
                let (outcome, took) = timed(&sql);
                // A thousand times what it takes.
                assert!(took.as_secs() < 5, "{took:?} for {n} times {open}…{fault}…{close}");
                assert!(n <= 24 || outcome.is_err(), "{n} times {open}…{close} is allowed");
            }
        }
    }
}

#[test]
fn nesting_of_mixed_kinds_is_answered_at_once() {
    // Some of them within some others, by a fixed sequence without a pattern.
    let mut state = 1u64;
    let mut pick = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for _ in 0..3_000 {
        let (mut sql, mut ends) = (String::new(), String::new());
        let mut inner = "i";
        for _ in 0..1 + pick(30) {
            let (open, innermost, close) = NESTING[pick(NESTING.len())];
            sql += open;
            ends = format!("{close}{ends}");
            inner = innermost;
        }
        sql += inner;
        sql += ["", " +", ")", "'", " AND b", " :: "][pick(6)];
        sql += &ends;
        let (_, took) = timed(&sql);
        assert!(took.as_secs() < 5, "{took:?} for {sql}");
    }
}

#[test]
fn moderate_nesting_is_allowed() {
    assert_eq!(values(&format!("{}i{}", "(".repeat(24), ")".repeat(24))).unwrap().0, "7");
    assert_eq!(values(&format!("{}i{}", "ABS(".repeat(20), ")".repeat(20))).unwrap().0, "7");
    assert_eq!(values(&format!("{}i{}", "CAST(".repeat(20), " AS BIGINT)".repeat(20))).unwrap().0, "7");
    assert_eq!(values(&format!("{}NOT b", "NOT NOT ".repeat(10))).unwrap().0, "false");
    let tens = format!("{}'few'{}", "CASE WHEN i > 9 THEN 'many' ELSE ".repeat(20), " END".repeat(20));
    assert_eq!(values(&tens).unwrap().0, "few");
}

#[test]
fn what_is_written_once_is_computed_once() {
    for (times, open, close, value) in [
        (20, "NULLIF(", ", 1)", "7"),
        (20, "1 / (", ")", "7.0"),
        (20, "GREATEST(i, ", ")", "7"),
        (20, "LEAST(i, i, ", ")", "7"),
        (10, "CASE WHEN (", ") BETWEEN 0 AND 1 THEN 1 ELSE 0 END", "1"),
        (10, "CASE (", ") WHEN 1 THEN 2 ELSE 1 END", "2"),
        (10, "(big - big + ", ")", "7"),
        (20, "CASE WHEN CAST(n AS DOUBLE) > 12 THEN ", " ELSE 0 END", "7"),
        (10, "CASE WHEN CAST(", " AS VARCHAR) = '7' THEN 7 ELSE 0 END", "7"),
    ] {
        let sql = format!("{}i{}", open.repeat(times), close.repeat(times));
        let started = std::time::Instant::now();
        let (first, _) = values(&sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        let took = started.elapsed();
        assert_eq!(first, value, "{sql}");
        // A thousand times what it takes.
        assert!(took.as_secs() < 5, "{took:?} for {sql}");
    }
    let twenty = (0..20).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    assert_eq!(values(&format!("GREATEST(i, {twenty})")).unwrap(), ("19".into(), "19".into()));
    assert_eq!(values(&format!("LEAST({twenty}, i, NULL)")).unwrap(), ("0".into(), "0".into()));
}

#[test]
fn long_texts_and_lists_are_refused_by_their_length() {
    let list = vec!["1"; 100_000].join(",");
    let (outcome, took) = timed(&format!("i IN ({list})"));
    assert!(outcome.unwrap_err().what.contains("longer than"));
    assert!(took.as_secs() < 5, "{took:?}");
    let (outcome, _) = timed(&"x".repeat(10 << 20));
    assert!(outcome.unwrap_err().what.contains("longer than"));
    // A list that is as long as a text may be.
    let (outcome, took) = timed(&format!("i IN ({})", vec!["1"; 3_990].join(",")));
    assert!(outcome.is_ok() && took.as_secs() < 10, "{took:?}");
    // Chains that nest to the left, printed and walked: none of them takes the stack with it.
    for tail in ["", " AT TIME ZONE 'UTC'", " COLLATE x", " IS UNKNOWN", "[1]", " :: BIGINT"] {
        for chain in ["+i", "||s", "=i", "%i", "::BIGINT", "[1]", " IS TRUE", ".x"] {
            let sql = format!("i{}{tail}", chain.repeat((7_900 - tail.len()) / chain.len()));
            let (outcome, took) = timed(&sql);
            assert!(outcome.is_err() && took.as_secs() < 5, "{took:?} {chain} {tail}");
        }
    }
}

/// One value of one column, for the edges of a type.
fn edge(column: ArrayRef, sql: &str) -> Result<String, String> {
    let kind = SqlType::of_column(column.data_type());
    let parsed = ParsedSql::new(sql).map_err(|r| r.what)?;
    let compiled = Compiled::new(&parsed, &[("x".into(), kind)], &TimeZone::UTC).map_err(|r| r.what)?;
    let value = compiled.evaluate(&[column], 1)?;
    Ok(shown(&value, 0).unwrap_or_else(|| "NULL".into()))
}

#[test]
fn results_beyond_their_type_are_never_other_numbers() {
    let long = |v: i64| -> ArrayRef { Arc::new(Int64Array::from(vec![v])) };
    let int = |v: i32| -> ArrayRef { Arc::new(Int32Array::from(vec![v])) };
    let tiny = |v: i8| -> ArrayRef { Arc::new(Int8Array::from(vec![v])) };
    let unsigned = |v: u32| -> ArrayRef { Arc::new(UInt32Array::from(vec![v])) };
    let double = |v: f64| -> ArrayRef { Arc::new(Float64Array::from(vec![v])) };
    let decimal =
        |v: i128| -> ArrayRef { Arc::new(Decimal128Array::from(vec![v]).with_precision_and_scale(38, 0).unwrap()) };
    let text = |v: &str| -> ArrayRef { Arc::new(StringViewArray::from(vec![v])) };
    let (least, most) = (i64::MIN, i64::MAX);
    let mut wrong = vec![];
    for (column, sql, expected) in [
        (long(least), "ABS(x)", "NULL"),
        (long(least + 1), "ABS(x)", "9223372036854775807"),
        (long(least), "-x", "NULL"),
        (long(least), "0 - x", "NULL"),
        (long(most), "-x", "-9223372036854775807"),
        (long(least), "- -x", "NULL"),
        (long(least), "x * -1", "NULL"),
        (long(least), "x * 1", "-9223372036854775808"),
        (long(least), "x + 0", "-9223372036854775808"),
        (long(most), "x + 0", "9223372036854775807"),
        (long(most), "x + 1", "NULL"),
        (long(most), "x - -1", "NULL"),
        (long(most), "x + 1 - 1", "NULL"),
        (long(most), "GREATEST(x + 1, 5)", "5"),
        (long(least), "x - 1", "NULL"),
        (long(least), "x + -1", "NULL"),
        (long(most), "x + x", "NULL"),
        (long(least), "x + x", "NULL"),
        (long(least), "x - x", "0"),
        (long(3_037_000_499), "x * x", "9223372030926249001"),
        (long(3_037_000_500), "x * x", "NULL"),
        (long(1 << 32), "x * 2147483648", "NULL"),
        (long(-(1 << 32)), "x * 2147483648", "-9223372036854775808"),
        (long(most), "TO_TIMESTAMP(x)", "NULL"),
        (long(most), "ROUND(x, 2)", "9223372036854775807"),
        (int(i32::MIN), "ABS(x)", "2147483648"),
        (int(i32::MIN), "-x", "2147483648"),
        (int(i32::MIN), "x * x", "4611686018427387904"),
        (int(i32::MIN), "x * x + x * x", "NULL"),
        (int(i32::MIN), "x * x * x", "NULL"),
        (int(i32::MAX), "x * x + x * x", "9223372028264841218"),
        (tiny(i8::MIN), "ABS(x)", "128"),
        (tiny(i8::MIN), "-x", "128"),
        (tiny(i8::MIN), "x * x", "16384"),
        (unsigned(u32::MAX), "x * x", "NULL"),
        (unsigned(u32::MAX), "-x", "-4294967295"),
        (text("-9223372036854775808"), "ABS(CAST(x AS BIGINT))", "NULL"),
        (double(9_223_372_036_854_774_784.0), "CAST(x AS BIGINT)", "9223372036854774784"),
    ] {
        let got = edge(column, sql);
        if got.as_deref() != Ok(expected) {
            wrong.push(format!("{sql}: {got:?}, not {expected}"));
        }
    }
    // What cannot be cast, or is beyond a decimal, stops with a sentence or is NULL.
    for (column, sql) in [
        (double(9_223_372_036_854_775_808.0), "CAST(x AS BIGINT)"),
        (double(-1e300), "CAST(x AS BIGINT)"),
        (double(f64::NAN), "CAST(x AS BIGINT)"),
        (double(f64::INFINITY), "CAST(x AS BIGINT)"),
        (double(1e39), "CAST(x AS DECIMAL(38, 0))"),
        (decimal(10i128.pow(37)), "CAST(x AS BIGINT)"),
        (decimal(9 * 10i128.pow(37)), "x + x"),
        (decimal(9 * 10i128.pow(37)), "x * 2"),
        (decimal(10i128.pow(20)), "x * x"),
        (decimal(9 * 10i128.pow(37)), "CAST(x AS DECIMAL(38, 2))"),
        (text("9223372036854775808"), "CAST(x AS BIGINT)"),
        (text("1e400"), "CAST(x AS BIGINT)"),
        (long(i64::MAX), "DATE '2020-01-01' + x"),
        (long(i64::MIN), "DATE '2020-01-01' - x"),
        (long(i64::MAX), "CAST(x AS DECIMAL(38, 24)) * 10.5"),
    ] {
        if let Ok(value) = edge(column, sql)
            && value != "NULL"
        {
            wrong.push(format!("{sql} gives {value}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_the_environment_gave_is_in_no_refusal() {
    let secret = |before: &str, behind: &str| {
        let mut text = Text::unfilled(&format!("{before}${{S}}{behind}"));
        text.push(before);
        text.fill(before.len()..before.len() + 4, "s3cr3t", true);
        text.push(behind);
        text
    };
    for (before, behind) in [
        ("i = ", ""),
        ("i = '", ""),
        ("i = '", "' AND"),
        ("", "(1)"),
        ("x.", " = 1"),
        ("day = '", "'"),
        ("CAST(i AS ", ")"),
        ("EXTRACT(", " FROM day)"),
        ("i ", " 1"),
    ] {
        let text = secret(before, behind);
        let refusal = ParsedSql::new(&text).and_then(|parsed| Compiled::new(&parsed, &available(), &TimeZone::UTC));
        let SqlRefusal { what, help } = refusal.expect_err(text.value());
        assert!(!format!("{what} {help:?}").to_lowercase().contains("s3cr3t"), "{what} {help:?}");
    }
    let text = secret("CAST(UPPER('", "') AS BIGINT)");
    let failed = ParsedSql::new(&text).and_then(|parsed| Compiled::new(&parsed, &available(), &TimeZone::UTC));
    let failed = failed.map_err(|r| r.what).and_then(|compiled| compiled.evaluate(&[], 2));
    assert!(!failed.unwrap_err().to_lowercase().contains("s3cr3t"));
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
fn a_quotient_is_the_nearest_double_in_batches_of_any_size() {
    let parsed = ParsedSql::new("n / 100").unwrap();
    let n = ("n".to_string(), SqlType::of_column(&DataType::Int64));
    let compiled = Compiled::new(&parsed, &[n], &TimeZone::UTC).unwrap();
    for rows in [1, 2, 1_000] {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
        let got = compiled.evaluate(&[numbers], rows as usize).unwrap();
        let expected: Float64Array = (0..rows).map(|n| Some(n as f64 / 100.0)).collect();
        assert_eq!(got.as_any().downcast_ref::<Float64Array>(), Some(&expected), "{rows} rows");
    }
}

#[test]
fn zeros_have_one_sign_in_batches_of_any_size() {
    let x = ("x".to_string(), SqlType::of_column(&DataType::Float64));
    for (sql, expected) in [
        ("0 - x", [0.0, 0.0, -1.5]),
        ("0.0 - x", [0.0, 0.0, -1.5]),
        ("-x", [0.0, 0.0, -1.5]),
        ("(1e0 - 1e0) - x", [0.0, 0.0, -1.5]),
        ("x - 0", [0.0, -0.0, 1.5]),
        ("x - (-0e0)", [0.0, 0.0, 1.5]),
        ("x + 0", [0.0, 0.0, 1.5]),
        ("0 + x", [0.0, 0.0, 1.5]),
        ("x * 1", [0.0, -0.0, 1.5]),
        ("x * -1", [-0.0, 0.0, -1.5]),
        ("x / -1", [-0.0, 0.0, -1.5]),
    ] {
        let parsed = ParsedSql::new(sql).unwrap();
        let compiled = Compiled::new(&parsed, std::slice::from_ref(&x), &TimeZone::UTC).unwrap();
        let value = |inputs: &[f64]| -> Vec<u64> {
            let array: ArrayRef = Arc::new(Float64Array::from(inputs.to_vec()));
            let got = compiled.evaluate(&[array], inputs.len()).unwrap();
            got.as_primitive::<arrow::datatypes::Float64Type>().values().iter().map(|v| v.to_bits()).collect()
        };
        let inputs = [0.0, -0.0, 1.5];
        let expected = expected.map(f64::to_bits);
        assert_eq!(value(&inputs), expected, "{sql}");
        for (input, expected) in inputs.into_iter().zip(expected) {
            assert_eq!(value(&[input]), [expected], "{sql} of {input}");
        }
    }
}

#[test]
fn a_failure_names_the_column_of_the_export_and_the_values() {
    for sql in [
        "CAST(bad AS INTEGER)",
        "CAST(bad AS DATE)",
        "STRPTIME(TRIM(bad), '%Y')",
        "CAST(COALESCE(NULL, bad) AS INTEGER)",
        "CASE WHEN i > 5 THEN CAST(NULLIF(TRIM(bad), '') AS INTEGER) ELSE 0 END",
    ] {
        let message = values(sql).unwrap_err();
        for part in [" in column `bad` for 1 out of 2 values", "[\"x\"]"] {
            assert!(message.contains(part), "{sql}: {message}");
        }
    }
    // Of several columns none can be named.
    let message = values("CAST(s || bad AS INTEGER)").unwrap_err();
    assert_eq!(message, "conversion from `str` to `i64` failed for 1 out of 2 values: [\"C536379x\"]");
}

#[test]
fn the_help_lists_functions_in_order_and_each_once() {
    let names: Vec<&str> = allowed_functions().map(|f| f.split('(').next().unwrap()).collect();
    assert!(names.is_sorted() && names.windows(2).all(|w| w[0] != w[1]));
}
