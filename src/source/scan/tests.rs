//! What the scan delivers, whatever the types, the batches, the order and the state of the files.

use std::sync::Arc;

use arrow::array::*;
use jiff::tz::TimeZone;

use super::*;
use crate::config::Pipeline;
use crate::config::SourceKind::*;
use crate::error::Error;
use crate::progress::{NoProgress, Progress};
use crate::source::testing::*;
use crate::source::{Needs, Reason, inspect};

fn strings(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn floats(values: &[f64]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

const MAPPED: &[(&str, &str)] = &[("customer_id", "id"), ("occurred_at", "at"), ("amount", "amount")];

/// A deterministic export with every kind of fault, in several files and row groups.
fn hostile(base: &std::path::Path, order: &[usize]) -> Pipeline {
    for file in order {
        one_file(base, *file);
    }
    let mut p = pipeline(base);
    let columns = [
        ("customer_id", "id"),
        ("occurred_at", "at"),
        ("amount", "=CASE WHEN q IS NULL THEN price ELSE q * price END"),
        ("order_id", "order"),
        ("product", "product"),
    ];
    add_source(&mut p, Transactions, "tx", &columns);
    add_filter(&mut p, Transactions, "product <> 'postage'");
    add_segment(&mut p, Transactions, "product");
    add_segment(&mut p, Transactions, "country");
    p.calendar.as_of = Some(day("2011-06-01"));
    p.customers.activity = Some(crate::config::Expression {
        sql: "amount >= 1.5 AND product LIKE 'p%' AND EXTRACT(HOUR FROM occurred_at) < 20".into(),
        span: 0..1,
    });
    p
}

fn one_file(base: &std::path::Path, file: usize) {
    // Each file is made from its own number, so that the order of making does not matter.
    let mut seed = file as u64 * 977 + 1;
    let mut next = |n: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % n
    };
    let n = 200 + file * 37;
    let (mut ids, mut at, mut q, mut price, mut order, mut product) = (vec![], vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..n {
        ids.push(match next(20) {
            0 => None,
            1 => Some(String::new()),
            c => Some(format!("customer-{c}-with-a-long-name")),
        });
        at.push(match next(25) {
            0 => None,
            1 => Some("31/12/2010".to_string()),
            2 => Some("0001-01-01".to_string()),
            3 => Some("2011-03-01".to_string()),
            4 => Some(format!("2011-03-27T0{}:30:00Z", next(4))),
            d => Some(format!("2011-0{}-{:02} 2{}:15:00", 1 + next(8), d, next(4))),
        });
        q.push((next(10) > 0).then(|| next(5) as i64 - 1));
        price.push(match next(30) {
            0 => f64::NAN,
            1 => f64::INFINITY,
            2 => 1e18,
            c => c as f64 / 8.0,
        });
        order.push((next(9) > 0).then(|| format!("{}", 536_365 + next(40))));
        product.push(match next(6) {
            0 => None,
            1 => Some("postage".to_string()),
            c => Some(format!("p{c} a product with quite a long name")),
        });
    }
    let country = ["DE", "UK", "FR"][file % 3];
    let path = base.join(format!("tx/country={country}/part-{file}.parquet"));
    write(
        &path,
        vec![
            ("id", Arc::new(StringArray::from(ids)) as ArrayRef),
            ("at", Arc::new(StringArray::from(at))),
            ("q", Arc::new(Int64Array::from(q))),
            ("price", Arc::new(Float64Array::from(price))),
            ("order", Arc::new(StringArray::from(order))),
            ("product", Arc::new(StringArray::from(product))),
        ],
        64,
    );
}

#[test]
fn batches_threads_and_order_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let p = hostile(dir.path(), &[0, 1, 2, 3, 4]);
    let (scan, expected) = run(&p, BATCH_ROWS);
    assert!(expected.rows.len() > 200 && expected.rejected.len() > 50, "{}", expected.rows.len());
    let report = &scan.reports[&Transactions];
    let kept = expected.rows.len() as u64;
    assert_eq!(report.rows, kept + report.filtered + report.rejected + report.after_as_of);
    assert!(report.filtered > 0 && report.after_as_of > 0 && report.amounts_rounded > 0);
    for (threads, batch) in [(1, 1), (2, 7), (3, 64), (4, 1000)] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| run(&p, batch).1), expected, "{threads} threads, batches of {batch}");
    }
    let other = tempfile::tempdir().unwrap();
    let mut shuffled = hostile(other.path(), &[4, 2, 0, 3, 1]);
    let source = shuffled.sources.get_mut(&Transactions).unwrap();
    let mut paths: Vec<_> = ["UK", "FR", "DE"].iter().map(|c| format!("tx/country={c}/*.parquet")).collect();
    paths.push("tx/**/*.parquet".into());
    let place = source.paths[0].clone();
    source.paths =
        paths.into_iter().map(|value| crate::config::Located { value: value.into(), ..place.clone() }).collect();
    assert_eq!(run(&shuffled, 7).1, expected);
}

#[test]
fn a_row_is_what_the_export_says() {
    let dir = tempfile::tempdir().unwrap();
    let stamps = TimestampMicrosecondArray::from(vec![1_323_435_000_000_000, 1_301_268_600_000_000, 5]);
    write(
        &dir.path().join("tx.parquet"),
        vec![
            ("id", Arc::new(Int64Array::from(vec![17_850, 13_047, 5])) as ArrayRef),
            ("at", Arc::new(stamps.with_timezone("UTC"))),
            ("amount", floats(&[15.299999999999999, -2.55, 0.0])),
            ("order", strings(&[Some("536365"), None, Some("C536379")])),
            ("country", strings(&[Some("United Kingdom of Great Britain"), None, Some("")])),
        ],
        10,
    );
    let mut p = pipeline(dir.path());
    add_source(&mut p, Transactions, "tx.parquet", &[MAPPED, &[("order_id", "order")]].concat());
    add_segment(&mut p, Transactions, "country");
    let (scan, got) = run(&p, BATCH_ROWS);
    assert_eq!(
        got.rows,
        [
            // 23:30 UTC on 27 March 2011 is half past midnight of the 28th in London's summer time.
            "13047 2011-03-28 1301268600000000 -255 false 0 -",
            "17850 2011-12-09 1323435000000000 1530 true 6000000000000000000353336333635 United Kingdom of Great Britain",
            "5 1970-01-01 5 0 false 7000000000000000043353336333739 ",
        ]
    );
    let report = &scan.reports[&Transactions];
    assert_eq!((report.rows, report.rejected, report.amounts_rounded), (3, 0, 1));
    assert_eq!((report.first, report.last), (Some(day("1970-01-01")), Some(day("2011-12-09"))));
    assert_eq!((report.newest_known, report.newest_instant), (Some(day("2011-12-09")), Some(1_323_435_000)));
    assert!(!scan.files[0].verified);
}

#[test]
fn naive_times_are_moved_from_the_sources_zone_to_the_calendars() {
    let dir = tempfile::tempdir().unwrap();
    let wall = 1_309_552_200_000_000; // 2011-07-01 20:30 on a clock
    write(
        &dir.path().join("tx.parquet"),
        vec![
            ("id", Arc::new(Int64Array::from(vec![1])) as ArrayRef),
            ("at", Arc::new(TimestampMicrosecondArray::from(vec![wall]))),
            ("amount", floats(&[1.0])),
        ],
        10,
    );
    let mut p = pipeline(dir.path());
    add_source(&mut p, Transactions, "tx.parquet", MAPPED);
    let (scan, got) = run(&p, 10);
    assert_eq!(got.rows, [format!("1 2011-07-01 {wall} 100 true 0 ")]);
    assert_eq!(scan.reports[&Transactions].newest_instant, Some(1_309_552_200 - 3600));
    p.sources.get_mut(&Transactions).unwrap().timezone = TimeZone::get("America/New_York").unwrap();
    for sql in ["at", "=at", "=COALESCE(at, TIMESTAMP '2000-01-01 00:00:00')"] {
        let zone = p.sources[&Transactions].timezone.clone();
        add_source(&mut p, Transactions, "tx.parquet", &[MAPPED[0], ("occurred_at", sql), MAPPED[2]]);
        p.sources.get_mut(&Transactions).unwrap().timezone = zone;
        let (_, got) = run(&p, 10);
        assert_eq!(got.rows, [format!("1 2011-07-02 {} 100 true 0 ", wall + 4 * 3_600_000_000)]);
    }
}

#[test]
fn every_faulty_row_is_quarantined_with_its_first_fault() {
    let dir = tempfile::tempdir().unwrap();
    let row = |id: &'static str, at: &'static str, amount: &'static str| {
        [id, at, amount].map(|t| (!t.is_empty()).then_some(t))
    };
    let rows = [
        row("a", "2011-01-01", "1.50"),
        row("", "2011-01-01", "1.50"),
        row("", "nonsense", "nonsense"),
        row("b", "", "1"),
        row("b", "01.02.2011", "1"),
        row("b", "1753-01-01", "1"),
        row("b", "9999-12-31", "1"),
        row("b", "2011-01-01", ""),
        row("b", "2011-01-01", "1,50"),
        row("b", "2011-01-01", "1e30"),
        row("c", "2011-01-02", "-1.005"),
    ];
    let column = |i: usize| strings(&rows.iter().map(|r| r[i]).collect::<Vec<_>>());
    write(&dir.path().join("x/tx.parquet"), vec![("id", column(0)), ("at", column(1)), ("amount", column(2))], 4);
    let mut p = pipeline(dir.path());
    add_source(&mut p, Transactions, "x", MAPPED);
    for batch in [1, 3, 100] {
        let (scan, got) = run(&p, batch);
        assert_eq!(got.rows.len(), 2);
        let found: Vec<_> = scan.rejected.rows().map(|r| (r.row, r.reason, &*r.column, r.value.as_deref())).collect();
        use Reason::*;
        assert_eq!(
            found,
            [
                (2, NoCustomer, "id", None),
                (3, NoCustomer, "id", None),
                (4, NoTime, "at", None),
                (5, TimeNotIso, "at", Some("01.02.2011")),
                (6, TimeOutOfRange, "at", Some("1753-01-01")),
                (7, TimeOutOfRange, "at", Some("9999-12-31")),
                (8, NoAmount, "amount", None),
                (9, AmountNotNumeric, "amount", Some("1,50")),
                (10, AmountOverflow, "amount", Some("1e30")),
            ]
        );
        assert!(scan.rejected.rows().all(|r| &*r.file == "x/tx.parquet" && r.source == Transactions));
        assert_eq!(scan.reports[&Transactions].rejected, 9);
    }
}

#[test]
fn subscriptions_are_judged_by_their_dates() {
    let dir = tempfile::tempdir().unwrap();
    type Row = (&'static str, [&'static str; 6], f64, &'static str);
    // started, ended, cancelled, trial_ends, paused_from, paused_until
    let rows: Vec<Row> = vec![
        ("ok", ["2024-01-31", "", "", "", "", ""], 120.0, "year"),
        ("far", ["2024-01-01", "9999-12-31", "9999-12-31", "9999-12-31", "", ""], 10.0, "month"),
        ("called off", ["2024-03-01", "", "2024-02-01", "", "", ""], 10.0, "3 months"),
        ("same day", ["2024-03-01", "2024-03-01", "", "2024-02-01", "2024-03-05", "2024-03-05"], 0.0, "week"),
        ("end", ["2024-03-01", "2024-02-29", "", "", "", ""], 10.0, "month"),
        ("old end", ["2024-03-01", "1753-01-01", "", "", "", ""], 10.0, "month"),
        ("pause", ["2024-03-01", "", "", "", "2024-04-02", "2024-04-01"], 10.0, "month"),
        ("negative", ["2024-03-01", "", "", "", "", ""], -10.0, "month"),
        ("interval", ["2024-03-01", "", "", "", "", ""], 10.0, "once"),
        ("none", ["2024-03-01", "", "", "", "", ""], 10.0, ""),
        ("late", ["2025-01-01", "", "", "", "", ""], 10.0, "month"),
    ];
    let date = |i: usize| strings(&rows.iter().map(|r| (!r.1[i].is_empty()).then_some(r.1[i])).collect::<Vec<_>>());
    write(
        &dir.path().join("subs.parquet"),
        vec![
            ("id", strings(&rows.iter().map(|r| Some(r.0)).collect::<Vec<_>>())),
            ("s", date(0)),
            ("e", date(1)),
            ("c", date(2)),
            ("t", date(3)),
            ("pf", date(4)),
            ("pu", date(5)),
            ("amount", floats(&rows.iter().map(|r| r.2).collect::<Vec<_>>())),
            ("every", strings(&rows.iter().map(|r| (!r.3.is_empty()).then_some(r.3)).collect::<Vec<_>>())),
        ],
        3,
    );
    let mut p = pipeline(dir.path());
    let columns = [
        ("customer_id", "id"),
        ("started_at", "s"),
        ("ended_at", "e"),
        ("cancelled_at", "c"),
        ("trial_ends_at", "t"),
        ("paused_from", "pf"),
        ("paused_until", "pu"),
        ("amount", "amount"),
        ("interval", "every"),
    ];
    add_source(&mut p, Subscriptions, "subs.parquet", &columns);
    p.calendar.as_of = Some(day("2025-01-01"));
    let (scan, got) = run(&p, 2);
    assert_eq!(
        got.rows,
        [
            "'called off' 2024-03-01 - - 2024-02-01 - - - - 3m0d 1000 ",
            "'far' 2024-01-01 2299-12-31 - - - - - - 1m0d 1000 ",
            "'ok' 2024-01-31 - - - - - - - 12m0d 12000 ",
            "'same day' 2024-03-01 2024-02-01 2024-03-01 - - 2024-03-05 2024-03-05 - 0m7d 0 ",
        ]
    );
    use Reason::*;
    let found: Vec<_> = scan.rejected.rows().map(|r| (r.row, r.reason, &*r.column, r.value.as_deref())).collect();
    assert_eq!(
        found,
        [
            (5, EndBeforeStart, "e", Some("2024-02-29")),
            (6, TimeOutOfRange, "e", Some("1753-01-01")),
            (7, PauseEndBeforeStart, "pu", Some("2024-04-01")),
            (8, AmountNegative, "amount", Some("-10.0")),
            (9, IntervalUnknown, "every", Some("once")),
            (10, IntervalUnknown, "every", None),
        ]
    );
    let report = &scan.reports[&Subscriptions];
    assert_eq!((report.after_as_of, report.newest_known), (1, Some(day("2024-03-01"))));
}

#[test]
fn customers_carry_everything_mapped_and_costs_are_sorted() {
    let dir = tempfile::tempdir().unwrap();
    write(
        &dir.path().join("c.parquet"),
        vec![
            ("id", Arc::new(Int32Array::from(vec![Some(2), None, Some(1)])) as ArrayRef),
            ("since", Arc::new(Date32Array::from(vec![Some(15_000), Some(1), None]))),
            ("channel", strings(&[None, Some("x"), Some("ads")])),
            ("age", Arc::new(Float64Array::from(vec![Some(41.0), None, None]))),
        ],
        10,
    );
    let euros = Decimal128Array::from(vec![1000, 500, 1]).with_precision_and_scale(9, 2).unwrap();
    write(
        &dir.path().join("costs.parquet"),
        vec![
            ("month", strings(&[Some("2011-02-01"), Some("2011-01-01"), None])),
            ("spend", Arc::new(euros)),
            ("channel", strings(&[Some("ads"), None, None])),
        ],
        1,
    );
    let mut p = pipeline(dir.path());
    let columns = [("customer_id", "id"), ("signed_up_at", "since"), ("acquired_by", "channel"), ("age", "age")];
    add_source(&mut p, Customers, "c.parquet", &columns);
    add_source(
        &mut p,
        AcquisitionCosts,
        "costs.parquet",
        &[("period_start", "month"), ("amount", "spend"), ("channel", "channel")],
    );
    add_segment(&mut p, Customers, "age");
    let (scan, got) = run(&p, 2);
    assert_eq!(got.rows.len(), 2);
    assert!(got.rows[0].starts_with("1 - - ") && got.rows[0].contains("ads"), "{:?}", got.rows);
    assert!(got.rows[1].starts_with("2 2011-01-26 41 "), "{:?}", got.rows);
    let costs: Vec<_> = scan.costs.iter().map(|c| (c.period_start, c.amount)).collect();
    assert_eq!(costs, [(day("2011-01-01"), 500), (day("2011-02-01"), 1000)]);
    assert_eq!(scan.reports[&AcquisitionCosts].rejected, 1);
    assert_eq!(scan.columns[&Customers], ["age", "channel", "id", "since"]);
}

#[test]
fn activity_is_sql_over_canonical_columns() {
    let dir = tempfile::tempdir().unwrap();
    write(
        &dir.path().join("tx.parquet"),
        vec![
            ("id", Arc::new(Int64Array::from(vec![1, 2, 3, 4])) as ArrayRef),
            ("at", Arc::new(Date32Array::from(vec![15_000, 15_001, 15_002, 15_003]))),
            ("amount", floats(&[10.0, 0.0, -5.0, 0.005])),
            ("what", strings(&[Some("a"), Some("refund"), Some("b"), None])),
        ],
        2,
    );
    let mut p = pipeline(dir.path());
    add_source(&mut p, Transactions, "tx.parquet", &[MAPPED, &[("product", "what")]].concat());
    let mut active = |sql: Option<&str>| {
        p.customers.activity = sql.map(|s| crate::config::Expression { sql: s.into(), span: 0..1 });
        let rows = run(&p, 3).1.rows;
        rows.iter().map(|r| r.contains("true")).collect::<Vec<_>>()
    };
    assert_eq!(active(None), [true, false, false, false]);
    assert_eq!(active(Some("amount > 0")), [true, false, false, false]);
    assert_eq!(active(Some("TRUE")), [true; 4]);
    assert_eq!(active(Some("amount >= 0")), [true, true, false, true]);
    assert_eq!(active(Some("product <> 'refund'")), [true, false, true, false]);
    assert_eq!(active(Some("occurred_at > '2011-01-27' AND customer_id < 4")), [false, false, true, false]);
    assert_eq!(active(Some("NULL")), [false; 4]);
}

#[test]
fn a_cast_that_fails_in_the_data_says_where_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    write(
        &dir.path().join("tx.parquet"),
        vec![
            ("id", strings(&[Some("1"), Some("x")])),
            ("at", Arc::new(Date32Array::from(vec![1, 1]))),
            ("amount", floats(&[1.0, 1.0])),
        ],
        10,
    );
    let mut p = pipeline(dir.path());
    add_source(&mut p, Transactions, "tx.parquet", &[("customer_id", "=CAST(id AS BIGINT)"), MAPPED[1], MAPPED[2]]);
    let error = try_run(&p, 10).unwrap_err();
    assert!(
        error.what.starts_with("sources.transactions.customer_id: `CAST(id AS BIGINT)` fails on a value in tx.parquet"),
        "{}",
        error.what
    );
    assert!(!error.what.contains('\n') && error.help.unwrap().contains("TRY_CAST"));
    add_source(&mut p, Transactions, "tx.parquet", &[("customer_id", "=TRY_CAST(id AS BIGINT)"), MAPPED[1], MAPPED[2]]);
    let (scan, got) = run(&p, 10);
    assert_eq!((got.rows.len(), &*scan.rejected.rows().next().unwrap().column), (1, "TRY_CAST(id AS BIGINT)"));
}

struct Impatient;

impl Progress for Impatient {
    fn stopped(&self) -> Result<()> {
        Err(Error::new(crate::error::ErrorKind::Interrupted, "interrupted"))
    }
}

#[test]
fn an_observer_can_stop_the_scan_and_a_sink_fail_it() {
    let dir = tempfile::tempdir().unwrap();
    let p = hostile(dir.path(), &[0]);
    let inspected = inspect(&p, Needs::ALL).unwrap();
    struct Full;
    impl Sink for Full {
        fn accept(&self, _: crate::rows::Batch) -> Result<()> {
            Err(Error::output("the disk is full"))
        }
    }
    let limits = ReadLimits { batch_rows: 10, ..ReadLimits::default() };
    assert_eq!(scan(&inspected, &p, &Full, &Impatient, limits).unwrap_err().what, "interrupted");
    assert_eq!(scan(&inspected, &p, &Full, &NoProgress, limits).unwrap_err().what, "the disk is full");
}
