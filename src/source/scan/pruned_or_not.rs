//! The law of pruning: whatever the filter, the data and the row groups, nothing tells a run that rules out row groups
//! from one that reads them all.

use std::cell::Cell;
use std::sync::Arc;

use arrow::array::*;
use parquet::file::properties::WriterProperties;
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::subsequence;
use proptest::test_runner::{TestCaseError, TestRunner};

use crate::config::SourceKind::*;
use crate::source::testing::*;

/// A type: its least, its greatest and some values between, in order, and literals to compare them with.
struct Kind {
    name: &'static str,
    array: fn(&[Option<u8>]) -> ArrayRef,
    literals: &'static [&'static str],
}

fn pick<T: Copy>(values: &[T], cells: &[Option<u8>]) -> Vec<Option<T>> {
    cells.iter().map(|cell| cell.map(|n| *nth(values, n))).collect()
}

/// In order: a greater `n` is no lesser value.
fn nth<T>(values: &[T], n: u8) -> &T {
    &values[usize::from(n) * values.len() / 256]
}

/// 2011-10-30T01:00Z, when the clocks of London went back an hour.
const BACK: i64 = 1_319_936_400;
const WHOLE: &[&str] = &["-129", "-1", "0", "1.5", "2", "127", "128", "25e-1", "4294967295", "NULL"];
const FLOATS: &[&str] = &["0", "-0.0", "0.1", "2.5", "1e0", "-1e300", "CAST('NaN' AS DOUBLE)", "CAST('inf' AS DOUBLE)"];
const TIMES: &[&str] = &[
    "'1970-01-01'",
    "'2011-10-30 01:20:00'",
    "TIMESTAMP '2011-10-30 00:59:59.999999'",
    "DATE '2011-10-31'",
    "CAST('2011-10-30' AS DATE)",
    "NULL",
];

const KINDS: &[Kind] = &[
    Kind { name: "i8", array: |c| Arc::new(Int8Array::from(pick(&[-128, -1, 0, 1, 2, 127], c))), literals: WHOLE },
    Kind { name: "u8", array: |c| Arc::new(UInt8Array::from(pick(&[0, 1, 2, 127, 128, 255], c))), literals: WHOLE },
    Kind { name: "i16", array: |c| Arc::new(Int16Array::from(pick(&[i16::MIN, -1, 0, 2, 128], c))), literals: WHOLE },
    Kind { name: "u16", array: |c| Arc::new(UInt16Array::from(pick(&[0, 1, 2, 128, 65_535], c))), literals: WHOLE },
    Kind { name: "i32", array: |c| Arc::new(Int32Array::from(pick(&[i32::MIN, -1, 0, 2, 128], c))), literals: WHOLE },
    Kind { name: "u32", array: |c| Arc::new(UInt32Array::from(pick(&[0, 2, 128, u32::MAX], c))), literals: WHOLE },
    Kind {
        name: "i64",
        array: |c| Arc::new(Int64Array::from(pick(&[i64::MIN, -1, 0, 2, (1 << 53) + 1, i64::MAX], c))),
        literals: &["0", "-1", "2", "0.5", "9007199254740992e0", "9223372036854775807", "-9223372036854775807", "NULL"],
    },
    Kind {
        name: "u64",
        array: |c| Arc::new(UInt64Array::from(pick(&[0, 1, i64::MAX as u64, 1 << 63, u64::MAX], c))),
        literals: &["0", "1", "0.5", "-1", "9223372036854775807", "18446744073709551615.0", "1e19"],
    },
    Kind {
        name: "f32",
        array: |c| Arc::new(Float32Array::from(pick(&[f32::NEG_INFINITY, -0.0, 0.0, 0.1, 2.5, f32::MAX, f32::NAN], c))),
        literals: FLOATS,
    },
    Kind {
        name: "f64",
        array: |c| Arc::new(Float64Array::from(pick(&[-f64::NAN, -1e300, -0.0, 0.0, 2.5, f64::INFINITY, f64::NAN], c))),
        literals: FLOATS,
    },
    Kind {
        name: "small",
        array: |c| decimal(&[-999_999_999, -1, 0, 1, 199, 200, 999_999_999], c, 9, 2),
        literals: &["0", "-0.01", "1.995", "2", "2.00000", "1e0", "-9999999.99", "NULL"],
    },
    Kind {
        name: "large",
        array: |c| decimal(&[-10i128.pow(37), -1, 0, 1, 20_000, 10i128.pow(37)], c, 38, 4),
        // Bringing the largest to the scale of the last fails, and with it the run.
        literals: &["0", "-0.0001", "2", "1e0", "1e33", "0.00001"],
    },
    Kind {
        name: "text",
        array: |c| {
            let long = [60, 63, 64, 65].map(|n| "\u{10FFFF}".repeat(n));
            let mut texts = vec!["", "A", "a", "ab", "ä", "äöü", "€", "😀"];
            texts.extend(long.iter().map(String::as_str));
            Arc::new(StringArray::from(pick(&texts, c)))
        },
        literals: &["''", "'a'", "'aa'", "'ä'", "'äö'", "'😀'", "'\u{10FFFF}'", "NULL"],
    },
    Kind {
        name: "flag",
        array: |c| Arc::new(BooleanArray::from(pick(&[false, true], c))),
        literals: &["TRUE", "FALSE", "NULL"],
    },
    Kind {
        name: "day",
        array: |c| Arc::new(Date32Array::from(pick(&[i32::MIN, -1, 0, 15_277, 15_278, 20_000, i32::MAX], c))),
        literals: TIMES_OF_DATES,
    },
    Kind {
        name: "seconds",
        array: |c| Arc::new(TimestampSecondArray::from(pick(&[-1, 0, BACK - 1, BACK, BACK + 1200], c))),
        literals: TIMES,
    },
    Kind {
        name: "millis",
        array: |c| Arc::new(TimestampMillisecondArray::from(pick(&[-1, 0, BACK * 1000, BACK * 1000 + 1], c))),
        literals: TIMES,
    },
    Kind {
        name: "micros",
        array: |c| Arc::new(TimestampMicrosecondArray::from(pick(&[i64::MIN, -1, 0, BACK * 1_000_000, i64::MAX], c))),
        literals: TIMES,
    },
    Kind {
        name: "nanos",
        array: |c| {
            let back = BACK * 1_000_000_000;
            let values = [i64::MIN, -1, 0, 999, back - 1, back, back + 1_200_000_000_000, i64::MAX];
            Arc::new(TimestampNanosecondArray::from(pick(&values, c)))
        },
        literals: TIMES,
    },
    Kind {
        name: "zoned",
        array: |c| {
            let values = [0, BACK - 3600, BACK - 2400, BACK - 1, BACK, BACK + 1199, BACK + 86_400 * 9];
            Arc::new(TimestampSecondArray::from(pick(&values, c)).with_timezone("UTC"))
        },
        literals: TIMES,
    },
];

const TIMES_OF_DATES: &[&str] = &[
    "'1970-01-01'",
    "'2011-10-30'",
    "DATE '2011-10-31'",
    "TIMESTAMP '2011-10-30 12:00:00'",
    "CAST('2011-10-30' AS DATE)",
    "NULL",
];

fn decimal(values: &[i128], cells: &[Option<u8>], precision: u8, scale: i8) -> ArrayRef {
    let array = Decimal128Array::from(pick(values, cells));
    Arc::new(array.with_precision_and_scale(precision, scale).unwrap())
}

/// A file: some kinds of columns, rows in the order of the first column or in none, and how they are written.
#[derive(Clone, Debug)]
struct Export {
    kinds: Vec<usize>,
    rows: Vec<[Option<u8>; 3]>,
    rows_a_group: usize,
    truncated_to: Option<usize>,
}

fn exports() -> impl Strategy<Value = Export> {
    let kinds = subsequence((0..KINDS.len()).collect::<Vec<_>>(), 3).prop_shuffle();
    let cell = || weighted(0.8, any::<u8>());
    let rows = vec([cell(), cell(), cell()], 0..24);
    let shape = (any::<bool>(), 1usize..6, weighted(0.5, 1usize..8));
    (kinds, rows, shape).prop_map(|(kinds, mut rows, (sorted, rows_a_group, truncated_to))| {
        if sorted {
            rows.sort_by_key(|row| row[0]);
        }
        Export { kinds, rows, rows_a_group, truncated_to }
    })
}

/// A filter over three columns: most of its parts can rule out row groups, and some cannot.
#[derive(Clone, Debug)]
enum Filter {
    Leaf { column: usize, form: usize, literals: [u8; 3] },
    Joined(&'static str, Vec<Filter>),
    Not(Box<Filter>),
    Is(Box<Filter>, &'static str),
}

fn filters() -> impl Strategy<Value = Filter> {
    let literals = any::<[u8; 3]>();
    // The first column, by which rows are sorted, is asked for most.
    let column = prop_oneof![3 => Just(0usize), 1 => Just(1), 1 => Just(2)];
    let leaf = (column, 0..FORMS.len(), literals);
    let leaf = leaf.prop_map(|(column, form, literals)| Filter::Leaf { column, form, literals });
    let tests = prop_oneof![Just("IS TRUE"), Just("IS NOT TRUE"), Just("IS NOT FALSE"), Just("IS NULL")];
    let nested = leaf.prop_recursive(3, 12, 3, move |inner| {
        prop_oneof![
            4 => vec(inner.clone(), 2..4).prop_map(|parts| Filter::Joined("AND", parts)),
            3 => vec(inner.clone(), 2..4).prop_map(|parts| Filter::Joined("OR", parts)),
            1 => inner.clone().prop_map(|part| Filter::Not(part.into())),
            1 => (inner, tests.clone()).prop_map(|(part, test)| Filter::Is(part.into(), test)),
        ]
    });
    vec(nested, 1..4).prop_map(|parts| Filter::Joined("AND", parts))
}

/// `C` is the column, `L`, `M` and `N` are literals.
const FORMS: &[&str] = &[
    "C = L",
    "C < L",
    "C <= L",
    "C > L",
    "C >= L",
    "L = C",
    "L < (C)",
    "L <= C",
    "(L) > C",
    "L >= C",
    "C BETWEEN L AND M",
    "C IN (L, M, N)",
    "C IS NULL",
    "C IS NOT NULL",
    "C <> L",
    "C NOT BETWEEN L AND M",
    "C NOT IN (L, M)",
    "(C IS DISTINCT FROM L)",
    "C = C",
];

impl Filter {
    fn sql(&self, columns: &[&Kind]) -> String {
        match self {
            Filter::Leaf { column, form, literals } => {
                let kind = columns[*column];
                let literal = |i: usize| nth(kind.literals, literals[i]);
                let word = |c: char| match c {
                    'C' => kind.name.to_string(),
                    'L' => literal(0).to_string(),
                    'M' => literal(1).to_string(),
                    'N' => literal(2).to_string(),
                    other => other.to_string(),
                };
                // Only letters that stand alone are places.
                let words = FORMS[*form].split_inclusive([' ', '(', ')', ',']).map(|part| {
                    let name = part.trim_end_matches([' ', '(', ')', ',']);
                    if name.len() == 1 { part.chars().map(word).collect() } else { part.to_string() }
                });
                words.collect()
            }
            Filter::Joined(with, parts) => {
                let parts = parts.iter().map(|part| match part {
                    Filter::Leaf { .. } => part.sql(columns),
                    _ => format!("({})", part.sql(columns)),
                });
                parts.collect::<Vec<_>>().join(&format!(" {with} "))
            }
            Filter::Not(part) => format!("NOT ({})", part.sql(columns)),
            Filter::Is(part, test) => format!("({}) {test}", part.sql(columns)),
        }
    }
}

/// How many row groups were ruled out.
fn nothing_tells(export: &Export, filter: &Filter) -> Result<usize, TestCaseError> {
    let dir = tempfile::tempdir().unwrap();
    let n = export.rows.len();
    let amounts = (0..n).map(|i| if i % 7 == 3 { f64::NAN } else { i as f64 });
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..n as i64))),
        ("at", Arc::new(Date32Array::from_iter_values((0..n).map(|i| 15_000 + i as i32)))),
        ("amount", Arc::new(Float64Array::from_iter_values(amounts))),
    ];
    let kinds: Vec<&Kind> = export.kinds.iter().map(|i| &KINDS[*i]).collect();
    for (i, kind) in kinds.iter().enumerate() {
        let cells: Vec<Option<u8>> = export.rows.iter().map(|row| row[i]).collect();
        columns.push((kind.name, (kind.array)(&cells)));
    }
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(export.rows_a_group))
        .set_statistics_truncate_length(export.truncated_to);
    write_as(&dir.path().join("tx.parquet"), columns, properties.build());
    let mut p = pipeline(dir.path());
    add_source(
        &mut p,
        Transactions,
        "tx.parquet",
        &[("customer_id", "id"), ("occurred_at", "at"), ("amount", "amount")],
    );
    let sql = filter.sql(&kinds);
    add_filter(&mut p, Transactions, &sql);
    let ruled_out =
        look(&p).map_err(|e| TestCaseError::fail(format!("{sql}: {e:?}")))?.sources[&Transactions].ruled_out();
    // A filter that fails on a value that pruning spares it may succeed.
    if let Ok((scan, delivered)) = run_unpruned(&p, 5) {
        let (pruned_scan, pruned) = try_run(&p, 5).map_err(|e| TestCaseError::fail(format!("{sql}: {}", e.what)))?;
        prop_assert_eq!(pruned, delivered, "{}", sql);
        prop_assert_eq!(pruned_scan.columns, scan.columns);
        prop_assert!(scan.reports[&Transactions].filtered >= ruled_out.rows, "{}", sql);
    }
    Ok(ruled_out.groups)
}

#[test]
fn nothing_tells_whether_row_groups_were_ruled_out() {
    let config = ProptestConfig { source_file: Some(file!()), ..crate::properties::cases(256) };
    let cases = config.cases as usize;
    let ruled_out = Cell::new(0);
    let outcome = TestRunner::new(config).run(&(exports(), filters()), |(export, filter)| {
        ruled_out.set(ruled_out.get() + nothing_tells(&export, &filter)?);
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(ruled_out.get() > cases, "only {} groups were ruled out in {cases} cases", ruled_out.get());
}
