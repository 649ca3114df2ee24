//! Which row groups the filter rules out, type by type, and what becomes of them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::*;
use arrow::compute::cast;
use arrow::datatypes::DataType::*;
use jiff::tz::TimeZone;

use super::broken_files::CHECKSUMMED;
use super::scan;
use crate::config::Pipeline;
use crate::config::SourceKind::*;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::rows::{Batch, Sink};
use crate::source::ReadLimits;
use crate::source::testing::*;

const MAPPED: &[(&str, &str)] = &[("customer_id", "id"), ("occurred_at", "at"), ("amount", "amount")];

/// Rows beside a column `x`, two a row group.
fn export(path: &Path, x: ArrayRef) {
    let n = x.len();
    let columns = vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..n as i64)) as ArrayRef),
        ("at", Arc::new(Date32Array::from(vec![15_000; n]))),
        ("amount", Arc::new(Float64Array::from(vec![1.0; n]))),
        ("x", x),
    ];
    write(path, columns, 2);
}

fn filtered(base: &Path, path: &str, sql: &str) -> Pipeline {
    let mut p = pipeline(base);
    p.calendar.timezone = TimeZone::UTC;
    add_source(&mut p, Transactions, path, MAPPED);
    add_filter(&mut p, Transactions, sql);
    p
}

/// `#` for a row group that is read, `.` for one that is ruled out.
fn groups(p: &Pipeline) -> String {
    let inspected = look(p).unwrap();
    let source = &inspected.sources[&Transactions];
    let files = source.files.iter().enumerate();
    let ruled_out = files.flat_map(|(file, about)| source.rules_out(file, 0..about.group_count()));
    let shown: String = ruled_out.map(|out| if out { '.' } else { '#' }).collect();
    assert_eq!(source.ruled_out().groups, shown.matches('.').count());
    shown
}

/// Each case: a filter and the groups that it leaves. Pruned or not, the rows and their report are the same.
fn check(x: impl Array + 'static, cases: &[(&str, &str)]) {
    let dir = tempfile::tempdir().unwrap();
    let kind = x.data_type().clone();
    export(&dir.path().join("tx.parquet"), Arc::new(x));
    for (sql, left) in cases {
        let p = filtered(dir.path(), "tx.parquet", sql);
        assert_eq!(groups(&p), *left, "{kind}: {sql}");
        assert_eq!(run(&p, 10).1, run_unpruned(&p, 10).unwrap().1, "{kind}: {sql}");
    }
}

#[test]
fn whole_numbers_of_every_width() {
    let cases = [
        ("x < 3", "#..."),
        ("x <= 3", "##.."),
        ("3 > x", "#..."),
        ("x > 4", "..#."),
        ("x >= 4", ".##."),
        ("x = 4", ".#.."),
        ("4 = x", ".#.."),
        ("(x) = (+4)", ".#.."),
        ("x BETWEEN 2 AND 3", "##.."),
        ("x IN (1, 100, 50)", "#.#."),
        ("x IS NULL", "...#"),
        ("x IS NOT NULL", "###."),
        ("x < 2.5", "#..."),
        ("x < 25e-1", "#..."),
        ("x = 3.5", ".#.."),
        ("x > NULL", "###."),
        ("x <> 3", "####"),
        ("NOT x < 3", "####"),
        ("x + 0 < 3", "####"),
        ("x < 3 AND x + 0 > 0", "#..."),
        ("x < 3 OR x > 100", "#..."),
        ("x < 3 OR x + 0 > 100", "####"),
        ("x < 3 AND x > 4", "...."),
        ("TRUE", "####"),
    ];
    let values = Int64Array::from(vec![Some(1), Some(2), Some(3), Some(4), Some(5), Some(100), None, None]);
    for kind in [Int8, UInt8, Int16, UInt16, Int32, UInt32, Int64, UInt64] {
        check(cast(&values, &kind).unwrap(), &cases);
    }
    check(Int64Array::from(vec![i64::MIN, -1, 0, i64::MAX]), &[("x < -1", "#."), ("x > 9223372036854775806", ".#")]);
    check(UInt32Array::from(vec![1, 2, 1 << 31, u32::MAX]), &[("x > 2147483648", ".#"), ("x < 3", "#.")]);
    check(UInt64Array::from(vec![1, 2, 1 << 63, u64::MAX]), &[("x > 9223372036854775807", ".#"), ("x < 3", "#.")]);
}

#[test]
fn decimals_are_compared_exactly() {
    let cases = [
        ("x <= 1.995", "##.."),
        ("x < 1.985", "#..."),
        ("x = 2.001", "...."),
        ("x = 2", ".#.."),
        ("x > 2.00", "..#."),
        ("x >= 1.99", ".##."),
        ("x < 199e-2", "#..."),
        ("x < -1.005", "#..."),
        ("x IS NULL", "...#"),
    ];
    let values = Decimal128Array::from(
        [-101, -1, 199, 200, 201, 99_999].map(Some).into_iter().chain([None, None]).collect::<Vec<_>>(),
    );
    let values = values.with_precision_and_scale(38, 2).unwrap();
    for kind in
        [Decimal32(9, 2), Decimal64(18, 2), Decimal128(9, 2), Decimal128(18, 2), Decimal128(38, 2), Decimal256(60, 2)]
    {
        check(cast(&values, &kind).unwrap(), &cases);
    }
}

#[test]
fn floats_are_trusted_where_no_nan_hides() {
    let nan = f64::NAN;
    let cases = [
        ("x > 4", ".##."),
        ("x >= 7", ".#.."),
        ("x < 3", "#..."),
        ("x = 2", "#..."),
        // NaN is no part of the bounds, so that of its group only the least value counts.
        ("x = 4", ".#.."),
        ("x BETWEEN 5 AND 9", ".##."),
        ("x = CAST('NaN' AS DOUBLE)", ".#.."),
        ("x IS NOT NULL", "###."),
    ];
    let values = [Some(1.0), Some(2.0), Some(3.0), Some(nan), Some(5.0), Some(6.0), None, None];
    check(Float64Array::from_iter(values), &cases);
    check(Float32Array::from_iter(values.map(|v| v.map(|v| v as f32))), &cases);
    let zeros = [("x < 0", "#..."), ("x = 0", ".##."), ("x > 0", "...#"), ("x <= -0.0", "###."), ("x >= 0e0", ".###")];
    check(Float64Array::from(vec![-1.0, -1.0, -0.0, -0.0, 0.0, 0.0, 1.0, f64::INFINITY]), &zeros);
    check(Float32Array::from(vec![0.1, 0.2, 0.3, 0.4]), &[("x <= 0.1", "#."), ("x > 0.2", ".#"), ("x = 0.3", ".#")]);
}

#[test]
fn dates_and_timestamps_of_each_unit() {
    let cases = [
        ("x >= '2011-12-09'", ".##."),
        ("x < '2011-12-09'", "#..."),
        ("x = DATE '2011-12-10'", ".#.."),
        ("x > CAST('2011-12-10' AS DATE)", "..#."),
        ("x > TIMESTAMP '2011-12-10 00:00:00'", "..#."),
        ("x <= TIMESTAMP '2011-12-08 23:59:59'", "#..."),
        ("x BETWEEN '1969-12-01' AND '1969-12-31'", "#..."),
        ("'2011-12-11' <= x", "..#."),
        ("x IS NULL", "...#"),
    ];
    let days = [Some(-1), Some(0), Some(15_317), Some(15_318), Some(15_319), Some(20_000), None, None];
    check(Date32Array::from_iter(days), &cases);
    let seconds = days.map(|d| d.map(|d| i64::from(d) * 86_400));
    let times = |a_second: i64| seconds.map(|s| s.map(|s| s * a_second));
    check(Date64Array::from_iter(times(1000)), &cases);
    check(TimestampSecondArray::from_iter(times(1)), &cases);
    check(TimestampMillisecondArray::from_iter(times(1000)), &cases);
    check(TimestampMicrosecondArray::from_iter(times(1_000_000)), &cases);
    check(TimestampNanosecondArray::from_iter(times(1_000_000_000)), &cases);
    check(TimestampMicrosecondArray::from_iter(times(1_000_000)).with_timezone("UTC"), &cases);
    check(TimestampNanosecondArray::from_iter(times(1_000_000_000)).with_timezone("Asia/Tokyo"), &cases);
    let fine = TimestampNanosecondArray::from(vec![1_000, 1_999, 2_000, 2_001]);
    check(fine, &[("x <= '1970-01-01 00:00:00.000001'", "#."), ("x > '1970-01-01 00:00:00.000001'", ".#")]);
}

#[test]
fn instants_are_bounded_on_any_wall_clock() {
    // An hour at the end of summer comes twice in London: of 00:30Z to 01:15Z, the first is the later on the clock.
    let end = 1_319_936_400; // 2011-10-30T01:00Z
    let instants = [end - 1800, end + 900, end + 86_400 * 4, end + 86_400 * 5];
    let dir = tempfile::tempdir().unwrap();
    let seconds = TimestampSecondArray::from(instants.to_vec()).with_timezone("UTC");
    export(&dir.path().join("tx.parquet"), Arc::new(seconds));
    for (sql, left, rows) in [
        ("x >= '2011-10-30 01:25:00'", "##", 3),
        ("x < '2011-10-30 01:20:00'", "#.", 1),
        ("x > '2011-11-02 00:00:00'", ".#", 2),
    ] {
        let mut p = filtered(dir.path(), "tx.parquet", sql);
        p.sources.get_mut(&Transactions).unwrap().timezone = TimeZone::get("Europe/London").unwrap();
        assert_eq!(groups(&p), left, "{sql}");
        let got = run(&p, 10).1;
        assert_eq!(got, run_unpruned(&p, 10).unwrap().1);
        assert_eq!(got.rows.len(), rows, "{sql}");
    }
}

#[test]
fn texts_and_truth_values() {
    let long = |c: &str| c.repeat(200);
    let (ae, zz) = (long("ä"), long("z"));
    let texts = [Some(""), Some("B"), Some(&*zz), Some(&*ae), Some("ö"), Some("😀"), None, None];
    let within = format!("x = '{}'", long("z"));
    let cases = [
        ("x < 'a'", "#..."),
        ("x = ''", "#..."),
        ("x >= 'z'", ".##."),
        ("x > 'ä'", ".##."),
        ("x > 'äö'", "..#."),
        (&*within, ".#.."),
        ("x = 'é'", "...."),
        ("x IN ('B', '😀')", "#.#."),
        ("x IS NOT NULL AND x < 'ö'", "##.."),
    ];
    check(StringArray::from_iter(texts), &cases);
    check(LargeStringArray::from_iter(texts), &cases);
    check(StringViewArray::from_iter(texts), &cases);
    check(BinaryArray::from_iter(texts.map(|t| t.map(str::as_bytes))), &cases);
    let truth = [false, false, false, true, true, true].map(Some);
    check(
        BooleanArray::from_iter(truth.into_iter().chain([None, None])),
        &[
            ("x", ".##."),
            ("NOT x", "##.."),
            ("x = TRUE", ".##."),
            ("x = FALSE", "##.."),
            ("x IS TRUE", ".##."),
            ("x < TRUE", "##.."),
            ("x IS NOT TRUE", "####"),
            ("x IS NULL", "...#"),
        ],
    );
}

#[test]
fn folders_rule_out_all_that_lies_in_them() {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["year=2010/country=DE", "year=2011/country=UK", "year=2012/country=__HIVE_DEFAULT_PARTITION__"] {
        export(&dir.path().join(format!("tx/{folder}/part.parquet")), Arc::new(Int64Array::from(vec![1, 2, 3, 4])));
    }
    for (sql, left) in [
        ("year >= 2011", "..####"),
        ("year = 2011 AND x > 2", "...#.."),
        ("country > 'DE'", "..##.."),
        ("country IS NULL", "....##"),
    ] {
        let p = filtered(dir.path(), "tx", sql);
        assert_eq!(groups(&p), left, "{sql}");
        assert_eq!(run(&p, 10).1, run_unpruned(&p, 10).unwrap().1, "{sql}");
    }
}

#[test]
fn what_is_ruled_out_is_neither_read_nor_verified() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tx.parquet");
    export(&file, Arc::new(Int64Array::from(vec![1, 2, 3, 4, 5, 6])));
    let p = filtered(dir.path(), "tx.parquet", "x BETWEEN 3 AND 4");
    let (scan, expected) = run(&p, 10);
    assert_eq!(expected.rows.len(), 2);
    let report = &scan.reports[&Transactions];
    assert_eq!((report.rows, report.filtered), (6, 4));

    let whole = std::fs::read(&file).unwrap();
    let source = &look(&p).unwrap().sources[&Transactions];
    let metadata = source.files[0].footer.metadata.metadata().clone();
    for (group, noticed) in [(0, false), (1, true), (2, false)] {
        let mut bytes = whole.clone();
        let (start, length) = metadata.row_group(group).column(0).byte_range();
        bytes[start as usize..(start + length) as usize].fill(0xFF);
        std::fs::write(&file, &bytes).unwrap();
        assert!(run_unpruned(&p, 10).is_err());
        match try_run(&p, 10) {
            Ok((_, got)) => assert!(!noticed && got == expected),
            Err(error) => assert!(noticed && error.what.contains("tx.parquet"), "{}", error.what),
        }
    }
}

#[test]
fn a_file_of_which_nothing_is_read_is_not_called_verified() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("tx.parquet"), CHECKSUMMED).unwrap();
    for (sql, left, verified) in [("id >= 99", ".#", true), ("id >= 100", "..", false)] {
        let (scan, got) = run(&filtered(dir.path(), "tx.parquet", sql), 10);
        assert_eq!(groups(&filtered(dir.path(), "tx.parquet", sql)), left);
        assert_eq!((scan.files[0].verified, scan.files[0].rows, got.rows.len()), (verified, 100, verified.into()));
        assert_eq!(scan.reports[&Transactions].rows, 100);
    }
}

#[test]
fn a_cast_that_would_fail_in_a_group_ruled_out_is_spared_it() {
    let dir = tempfile::tempdir().unwrap();
    export(&dir.path().join("tx.parquet"), Arc::new(StringArray::from(vec!["a", "b", "3", "4"])));
    // The CAST comes first: behind the comparison it would not be looked at where that is false.
    let p = filtered(dir.path(), "tx.parquet", "CAST(x AS BIGINT) > 3 AND x < '9'");
    assert!(run_unpruned(&p, 10).unwrap_err().what.contains("fails on a value"));
    assert_eq!(run(&p, 10).1.rows.len(), 1);
}

#[derive(Default)]
struct Counting(AtomicU64);

impl Progress for Counting {
    fn advance(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }
    fn stopped(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) > 100 { Err(Error::internal("stopped")) } else { Ok(()) }
    }
}

struct Drain;

impl Sink for Drain {
    fn accept(&self, _: Batch) -> Result<()> {
        Ok(())
    }
}

#[test]
fn progress_and_interruption_know_no_difference() {
    let dir = tempfile::tempdir().unwrap();
    export(&dir.path().join("tx.parquet"), Arc::new(Int64Array::from(vec![1, 2, 3, 4, 5])));
    let p = filtered(dir.path(), "tx.parquet", "x > 4");
    let inspected = look(&p).unwrap();
    let observer = Counting::default();
    let limits = ReadLimits { batch_rows: 10, ..ReadLimits::default() };
    scan(&inspected, &p, &Drain, &observer, limits).unwrap();
    assert_eq!(observer.0.load(Ordering::Relaxed), 5);
    let observer = Counting(AtomicU64::new(101));
    assert_eq!(scan(&inspected, &p, &Drain, &observer, limits).unwrap_err().what, "stopped");
}
