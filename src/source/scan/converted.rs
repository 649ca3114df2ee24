//! Amounts in several currencies, and rates that no export should have.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::i256;
use tempfile::TempDir;

use crate::config::Pipeline;
use crate::config::SourceKind::*;
use crate::error::Error;
use crate::progress::NoProgress;
use crate::source::Reason::*;
use crate::source::testing::*;
use crate::source::{ReadLimits, inspect, scan};
use crate::source_kind::Needs;

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn dates(values: &[&str]) -> ArrayRef {
    Arc::new(Date32Array::from(values.iter().map(|d| day(d).0).collect::<Vec<_>>()))
}

/// Currency, date and rate, each as text.
type ExchangeRates<'a> = &'a [(Option<&'a str>, Option<&'a str>, Option<&'a str>)];

fn write_rates(dir: &TempDir, rates: ExchangeRates<'_>) {
    write(
        &dir.path().join("rates.parquet"),
        vec![
            ("cur", texts(&rates.iter().map(|r| r.0).collect::<Vec<_>>())),
            ("on", texts(&rates.iter().map(|r| r.1).collect::<Vec<_>>())),
            ("rate", texts(&rates.iter().map(|r| r.2).collect::<Vec<_>>())),
        ],
        3,
    );
}

fn with_rates(p: &mut Pipeline) {
    add_source(p, ExchangeRates, "rates.parquet", &[("currency", "cur"), ("date", "on"), ("rate", "rate")]);
}

/// Purchases of one customer: date, amount, currency.
fn shop(purchases: &[(&str, ArrayRef, Option<&str>)]) -> (TempDir, Pipeline) {
    let dir = tempfile::tempdir().unwrap();
    let n = purchases.len();
    let amounts: Vec<&dyn Array> = purchases.iter().map(|p| &*p.1 as &dyn Array).collect();
    write(
        &dir.path().join("tx.parquet"),
        vec![
            ("id", Arc::new(Int64Array::from(vec![1; n])) as ArrayRef),
            ("at", dates(&purchases.iter().map(|p| p.0).collect::<Vec<_>>())),
            ("amount", arrow::compute::concat(&amounts).unwrap()),
            ("cur", texts(&purchases.iter().map(|p| p.2).collect::<Vec<_>>())),
        ],
        2,
    );
    let mut p = pipeline(dir.path());
    let columns = [("customer_id", "id"), ("occurred_at", "at"), ("amount", "amount"), ("currency", "cur")];
    add_source(&mut p, Transactions, "tx.parquet", &columns);
    (dir, p)
}

fn float(x: f64) -> ArrayRef {
    Arc::new(Float64Array::from(vec![x]))
}

/// Units of each purchase, by date.
fn units(p: &Pipeline) -> Result<Vec<i64>, Error> {
    let mut rows = try_run(p, 2)?.1.rows;
    rows.sort_by_key(|r| r.split(' ').nth(1).unwrap().to_owned());
    Ok(rows.iter().map(|r| r.split(' ').nth(3).unwrap().parse().unwrap()).collect())
}

const USD: Option<&str> = Some("USD");

#[test]
fn each_amount_is_converted_at_its_own_date_and_rounded_once() {
    let rates: ExchangeRates<'_> = &[
        (USD, Some("2011-03-01"), Some("0.50")),
        (USD, Some("2011-03-06"), Some("0.505")),
        (Some("KWD"), Some("2011-03-01"), Some("2.5678")),
        (Some("JPY"), Some("2011-03-01 09:30:00"), Some("62e-4")),
        (Some("GBP"), Some("2011-03-01"), Some("1.000")),
    ];
    let (dir, mut p) = shop(&[
        // Half to even: 0.025, 0.075; and with the rate's own third digit 0.0757…
        ("2011-03-01", float(0.05), USD),
        ("2011-03-02", float(0.15), USD),
        ("2011-03-06", float(0.15), USD),
        // Seven days old.
        ("2011-03-07", float(-10.0), Some("KWD")),
        // More digits than a penny has.
        ("2011-03-08", float(1.234), Some("KWD")),
        ("2011-03-03", float(1000.0), Some("JPY")),
        ("2011-03-04", float(9.99), Some("GBP")),
        ("2011-03-05", float(0.615), None),
        // Nothing is nothing in every currency, and needs no rate.
        ("2011-05-01", float(0.0), Some("XYZ")),
    ]);
    write_rates(&dir, rates);
    with_rates(&mut p);
    assert_eq!(units(&p).unwrap(), [2, 8, 620, 999, 62, 8, -2568, 317, 0]);
    let (scan, got) = run(&p, 3);
    let report = &scan.reports[&Transactions];
    assert_eq!((report.converted, report.amounts_rounded, report.rejected), (7, 1, 0));
    // What makes a customer live is judged in the run's own currency.
    assert_eq!(got.rows.iter().filter(|r| r.contains("true")).count(), 7);
    let rates = &scan.reports[&ExchangeRates];
    assert_eq!((rates.rows, rates.rejected, rates.read), (5, 0, true));
    assert_eq!((rates.first, rates.last), (Some(day("2011-03-01")), Some(day("2011-03-06"))));

    // The same in yen, which have no minor unit.
    p.money.currency = "JPY".into();
    p.money.digits = 0;
    write_rates(&dir, &[(USD, Some("2011-03-01"), Some("149.5")), (Some("KWD"), Some("2011-03-01"), Some("487.123"))]);
    add_filter(&mut p, Transactions, "cur IN ('USD', 'KWD', 'JPY')");
    assert_eq!(units(&p).unwrap(), [7, 22, 1000, 22, -4871, 601]);
}

#[test]
fn every_type_of_amount_is_converted_alike() {
    let of = |array: ArrayRef| {
        let (dir, mut p) = shop(&[("2011-03-01", array, USD)]);
        write_rates(&dir, &[(USD, Some("2011-02-27"), Some("0.123456789"))]);
        with_rates(&mut p);
        units(&p).unwrap()
    };
    let decimal =
        |v: i128, scale| Arc::new(Decimal128Array::from(vec![v]).with_precision_and_scale(38, scale).unwrap());
    for array in [
        float(125.0),
        Arc::new(Float32Array::from(vec![125.0])),
        Arc::new(Int16Array::from(vec![125])),
        Arc::new(UInt64Array::from(vec![125])),
        decimal(125, 0),
        decimal(12_500_000_000_000_000_000_000, 20),
        Arc::new(Decimal256Array::from(vec![i256::from(1250)]).with_precision_and_scale(76, 1).unwrap()),
        texts(&[Some("1.25e2")]),
    ] {
        let kind = array.data_type().clone();
        assert_eq!(of(array), [1543], "{kind}");
    }
}

#[test]
fn rates_that_are_none_are_set_aside_with_their_place() {
    let (dir, mut p) = shop(&[("2011-03-01", float(10.0), USD)]);
    let on = Some("2011-03-01");
    write_rates(
        &dir,
        &[
            (USD, Some("2011-02-22"), Some("0.8")),
            (USD, on, Some("0")),
            (USD, on, Some("-0.8")),
            (USD, on, None),
            (USD, on, Some("")),
            (USD, on, Some("a lot")),
            (USD, on, Some("NaN")),
            (USD, on, Some("1e18")),
            (USD, on, Some("1e-30")),
            (USD, None, Some("0.9")),
            (USD, Some("1 March 2011"), Some("0.9")),
            (None, on, Some("0.9")),
            (Some(""), on, Some("0.9")),
        ],
    );
    with_rates(&mut p);
    assert_eq!(units(&p).unwrap(), [800]);
    let (scan, got) = run(&p, 5);
    let found: Vec<_> = got.rejected.iter().map(|r| (r.row, r.reason, &*r.column, r.value.as_deref())).collect();
    assert_eq!(
        found,
        [
            (2, RateNotPositive, "rate", Some("0")),
            (3, RateNotPositive, "rate", Some("-0.8")),
            (4, NoRate, "rate", None),
            (5, NoRate, "rate", Some("")),
            (6, RateNotNumeric, "rate", Some("a lot")),
            (7, RateNotNumeric, "rate", Some("NaN")),
            (8, RateOverflow, "rate", Some("1e18")),
            (9, RateNotPositive, "rate", Some("1e-30")),
            (10, NoTime, "on", None),
            (11, TimeNotIso, "on", Some("1 March 2011")),
            (12, NoCurrency, "cur", None),
            (13, NoCurrency, "cur", Some("")),
        ]
    );
    assert_eq!((scan.reports[&ExchangeRates].rejected, scan.reports[&ExchangeRates].rows), (12, 13));
    // As floats, too.
    let floats = Float64Array::from(vec![f64::NAN, f64::INFINITY, -0.0, 1e300, 0.8]);
    let n = floats.len();
    write(
        &dir.path().join("rates.parquet"),
        vec![("cur", texts(&vec![USD; n])), ("on", dates(&vec!["2011-03-01"; n])), ("rate", Arc::new(floats))],
        9,
    );
    let (_, got) = run(&p, 5);
    let found: Vec<_> = got.rejected.iter().map(|r| r.reason).collect();
    assert_eq!(found, [RateNotNumeric, RateOverflow, RateNotPositive, RateOverflow]);
}

#[test]
fn a_long_rate_is_kept_to_eighteen_digits_and_said() {
    let (dir, mut p) = shop(&[("2011-03-01", float(9e12), USD)]);
    write_rates(&dir, &[(USD, Some("2011-03-01"), Some("0.1234567890123456785000000000000000001"))]);
    with_rates(&mut p);
    let (scan, _) = run(&p, 5);
    assert_eq!(scan.reports[&ExchangeRates].rates_rounded, 1);
    // 9 × 10¹² × 0.123456789012345679
    assert_eq!(units(&p).unwrap(), [111_111_110_111_111]);
}

#[test]
fn what_has_no_rate_is_named_with_its_row_and_date() {
    let says = |purchase: &str, currency: &str, rates: ExchangeRates<'_>| {
        let (dir, mut p) = shop(&[("2011-01-01", float(1.0), None), (purchase, float(1.0), Some(currency))]);
        write_rates(&dir, rates);
        with_rates(&mut p);
        match units(&p) {
            Ok(units) => format!("{units:?}"),
            Err(error) => {
                assert_eq!(error.kind, crate::error::ErrorKind::Input);
                format!("{} [{}]", error.what, error.help.unwrap())
            }
        }
    };
    let rates: ExchangeRates<'_> = &[(USD, Some("2011-03-01"), Some("0.8")), (USD, Some("2011-03-20"), Some("0.9"))];
    assert_eq!(says("2011-03-08", "USD", rates), "[100, 80]");
    let late = says("2011-03-09", "USD", rates);
    let expected = "row 2 of tx.parquet: there is no exchange rate of USD on 2011-03-09, nor of the 7 days before; \
                    the latest before is of 2011-03-01";
    assert!(late.starts_with(expected) && late.contains("filter"), "{late}");
    let early = says("2011-02-28", "USD", rates);
    assert!(early.contains("USD on 2011-02-28") && early.contains("the first is of 2011-03-01"), "{early}");
    let none = says("2011-03-01", "CHF", rates);
    assert!(none.contains("CHF on 2011-03-01") && none.contains("none of it at all"), "{none}");
    let small = says("2011-03-01", "usd", rates);
    assert!(small.contains("usd on 2011-03-01") && small.contains("UPPER"), "{small}");
    // The run's own currency alone needs none.
    assert_eq!(says("2011-03-01", "GBP", &[]), "[100, 100]");
}

#[test]
fn rows_that_are_not_used_need_no_rate() {
    let (dir, mut p) = shop(&[
        ("2011-03-01", float(1.0), USD),
        ("2011-04-01", float(1.0), USD),
        ("2011-03-02", float(f64::NAN), Some("CHF")),
        ("2011-03-03", float(1.0), Some("SEK")),
    ]);
    write_rates(&dir, &[(USD, Some("2011-03-01"), Some("0.8"))]);
    with_rates(&mut p);
    add_filter(&mut p, Transactions, "cur <> 'SEK'");
    p.calendar.as_of = Some(day("2011-04-01"));
    let (scan, _) = run(&p, 3);
    let report = &scan.reports[&Transactions];
    assert_eq!((report.converted, report.rejected, report.after_as_of), (1, 1, 1));
}

#[test]
fn without_rates_a_foreign_amount_is_refused_by_name_and_row() {
    let currencies = [Some("GBP"), None, Some(""), USD, Some("GBP")];
    let rows = currencies.map(|currency| ("2011-03-01", float(1.0), currency));
    let (_dir, mut p) = shop(&rows);
    let error = units(&p).unwrap_err();
    assert_eq!(error.kind, crate::error::ErrorKind::Input);
    assert_eq!(error.what, "row 4 of tx.parquet: there are amounts in USD, and money.currency is GBP");
    assert!(error.help.unwrap().contains("exchange_rates"));
    add_filter(&mut p, Transactions, "COALESCE(cur, 'GBP') <> 'USD'");
    assert_eq!(units(&p).unwrap(), [100; 4]);
}

#[test]
fn what_a_rate_makes_too_large_is_set_aside() {
    let (dir, mut p) = shop(&[("2011-03-01", float(9e15), USD), ("2011-03-02", float(9e15), Some("GBP"))]);
    write_rates(&dir, &[(USD, Some("2011-03-01"), Some("2"))]);
    with_rates(&mut p);
    let (scan, got) = run(&p, 3);
    assert_eq!(got.rejected.iter().map(|r| (r.row, r.reason)).collect::<Vec<_>>(), [(1, AmountOverflow)]);
    assert_eq!(scan.reports[&Transactions].converted, 0);
}

#[test]
fn rates_that_contradict_each_other_are_refused() {
    let refused = |rates: ExchangeRates<'_>| {
        let (dir, mut p) = shop(&[("2011-03-01", float(1.0), USD)]);
        write_rates(&dir, rates);
        with_rates(&mut p);
        units(&p).map_err(|e| e.what)
    };
    let on = Some("2011-03-01");
    assert_eq!(refused(&[(USD, on, Some("0.8")), (USD, on, Some("0.80"))]), Ok(vec![80]));
    let twice = refused(&[(USD, on, Some("0.8")), (USD, Some("2011-03-01T12:00:00"), Some("0.81"))]).unwrap_err();
    assert_eq!(twice, "source exchange_rates has two rates of USD on 2011-03-01: 0.8 and 0.81");
    let other = refused(&[(USD, on, Some("1")), (Some("GBP"), on, Some("1.25"))]).unwrap_err();
    assert_eq!(other, "source exchange_rates says that 1 GBP was 1.25 GBP on 2011-03-01");
}

/// A contract keeps its own currency, in the minor unit of that: what it is worth depends on when one looks.
#[test]
fn subscriptions_keep_their_currency_and_its_minor_unit() {
    let dir = tempfile::tempdir().unwrap();
    let rows: [(&str, f64, Option<&str>); 8] = [
        ("2011-03-01", 9.99, USD),
        ("2011-03-02", 1.2345, Some("KWD")),
        ("2011-03-03", 1000.0, Some("JPY")),
        ("2011-03-04", 5.0, None),
        ("2011-03-05", 0.0, Some("XYZ")),
        ("2011-03-06", -0.001, Some("KWD")),
        ("2011-03-07", -1.0, USD),
        ("2011-05-07", 1.0, Some("XYZ")),
    ];
    write(
        &dir.path().join("subs.parquet"),
        vec![
            ("id", Arc::new(Int64Array::from(vec![1; 8])) as ArrayRef),
            ("from", dates(&rows.map(|r| r.0))),
            ("amount", Arc::new(Float64Array::from(rows.map(|r| r.1).to_vec()))),
            ("cur", texts(&rows.map(|r| r.2))),
        ],
        3,
    );
    let on = Some("2011-03-01");
    write_rates(&dir, &[(USD, on, Some("0.8")), (Some("KWD"), on, Some("2.5")), (Some("JPY"), on, Some("0.006"))]);
    let mut p = pipeline(dir.path());
    with_rates(&mut p);
    let columns = [("customer_id", "id"), ("started_at", "from"), ("amount", "amount"), ("currency", "cur")];
    add_source(&mut p, Subscriptions, "subs.parquet", &columns);
    p.calendar.as_of = Some(day("2011-05-01"));
    let (scan, got) = run(&p, 4);
    let said: Vec<String> = got.rows.iter().map(|r| r.split("1m0d ").nth(1).unwrap().replace("  ", " ")).collect();
    // In order of the currencies' names: JPY 1, KWD 2, USD 3.
    assert_eq!(said, ["999 currency 3", "1234 currency 2", "100000 currency 1", "500 ", "0 "]);
    let report = &scan.reports[&Subscriptions];
    assert_eq!((report.converted, report.amounts_rounded, report.rejected, report.after_as_of), (3, 1, 2, 1));
    assert!(got.rejected.iter().all(|r| r.reason == AmountNegative), "{:?}", got.rejected);
    p.calendar.as_of = None;
    let error = try_run(&p, 4).unwrap_err();
    let expected = "row 8 of subs.parquet: there is no exchange rate of XYZ on 2011-05-07";
    assert!(error.what.starts_with(expected), "{}", error.what);
}

/// Where no source names a currency, not a page of the rates is read.
#[test]
fn rates_are_read_where_something_may_need_them() {
    let (dir, mut p) = shop(&[("2011-03-01", float(1.0), USD)]);
    write_rates(&dir, &[(USD, Some("2011-03-01"), Some("0.8"))]);
    with_rates(&mut p);
    let read = |p: &Pipeline| {
        let inspected = inspect(p, Needs::default()).unwrap();
        struct Nowhere;
        impl crate::rows::Sink for Nowhere {
            fn accept(&self, _: crate::rows::Batch) -> crate::error::Result<()> {
                Ok(())
            }
        }
        let scan = scan(&inspected, p, &Nowhere, &NoProgress, ReadLimits::default()).unwrap();
        (scan.reports[&ExchangeRates].read, scan.columns[&ExchangeRates].clone())
    };
    assert_eq!(read(&p), (true, ["cur", "on", "rate"].map(String::from).into()));
    p.sources.get_mut(&Transactions).unwrap().columns.remove("currency");
    assert_eq!(read(&p), (false, vec![]));
    p.sources.get_mut(&ExchangeRates).unwrap().freshness = Some(60);
    assert!(read(&p).0);
    assert_eq!(run(&p, 5).0.reports[&ExchangeRates].newest_instant, Some(i64::from(day("2011-03-01").0) * 86_400));
}
