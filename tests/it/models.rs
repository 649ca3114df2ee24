//! Models of buying against published figures, from the data they were published with.
//!
//! The data is not part of the repository; see [`crate::reference`].

use std::collections::BTreeMap;
use std::fs::File;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tenure::stats::buyers::{BgNbd, BuyerCell, BuyerHistories, BuyerModel, MbgNbd, ParetoNbd, PurchaseHistory};
use tenure::stats::fit::{Fit, Parametric};
use tenure::stats::gammagamma::{GammaGamma, SpendCell, Spends};

use crate::reference::reference;

/// The batches of a file of the reference data.
fn batches(name: &str) -> Vec<RecordBatch> {
    let file = File::open(reference(name)).expect("a file of the reference data");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet").build().expect("Parquet");
    reader.map(|batch| batch.expect("a readable batch")).collect()
}

fn ints(batches: &[RecordBatch], column: &str) -> Vec<i64> {
    let of =
        |b: &RecordBatch| b.column_by_name(column).expect("the column").as_primitive::<Int64Type>().values().to_vec();
    batches.iter().flat_map(of).collect()
}

fn floats(batches: &[RecordBatch], column: &str) -> Vec<f64> {
    let of =
        |b: &RecordBatch| b.column_by_name(column).expect("the column").as_primitive::<Float64Type>().values().to_vec();
    batches.iter().flat_map(of).collect()
}

fn dates(batches: &[RecordBatch], column: &str) -> Vec<i32> {
    let of =
        |b: &RecordBatch| b.column_by_name(column).expect("the column").as_primitive::<Date32Type>().values().to_vec();
    batches.iter().flat_map(of).collect()
}

fn counted(histories: impl Iterator<Item = (u32, u32, u32)>) -> Vec<BuyerCell> {
    let mut cells: BTreeMap<(u32, u32, u32), u32> = BTreeMap::new();
    histories.for_each(|h| *cells.entry(h).or_default() += 1);
    let cell = |((frequency, recency, age), customers)| BuyerCell { frequency, recency, age, customers };
    cells.into_iter().map(cell).collect()
}

/// REFERENCES' input A: weeks to two decimals.
fn by_weeks() -> BuyerHistories {
    let rows = batches("cdnow/cdnow_customers_summary.parquet");
    let hundredths = |weeks: f64| (weeks * 100.0).round() as u32;
    let (x, recency, age) = (ints(&rows, "frequency"), floats(&rows, "recency"), floats(&rows, "T"));
    let histories = (0..x.len()).map(|i| (x[i] as u32, hundredths(recency[i]), hundredths(age[i])));
    BuyerHistories { cells: counted(histories), per_unit: 100.0 }
}

/// 1997-09-30, the last day of the calibration, as days from 1970-01-01.
const CALIBRATED: i32 = 10_134;

/// Days on which each customer bought.
fn days() -> BTreeMap<i64, Vec<i32>> {
    let rows = batches("cdnow/cdnow_sample.parquet");
    let mut days: BTreeMap<i64, Vec<i32>> = BTreeMap::new();
    for (id, day) in ints(&rows, "customer_id").into_iter().zip(dates(&rows, "date")) {
        days.entry(id).or_default().push(day);
    }
    for of_one in days.values_mut() {
        of_one.sort_unstable();
        of_one.dedup();
    }
    days
}

/// REFERENCES' input B: purchases of one customer-day merged, days.
fn by_days() -> BuyerHistories {
    let history = |days: &Vec<i32>| {
        let seen: Vec<i32> = days.iter().copied().filter(|d| *d <= CALIBRATED).collect();
        let (first, last) = (seen[0], seen[seen.len() - 1]);
        (seen.len() as u32 - 1, (last - first) as u32, (CALIBRATED - first) as u32)
    };
    BuyerHistories { cells: counted(days().values().map(history)), per_unit: 7.0 }
}

fn estimates<M: Parametric>(fit: &Fit<M>) -> Vec<f64> {
    assert!(fit.converged, "{:?}", fit.notes);
    assert!(fit.gradient_norm.expect("a fit") < 1e-8);
    fit.parameters.iter().map(|p| p.estimate).collect()
}

fn errors<M>(fit: &Fit<M>) -> Vec<f64> {
    fit.parameters.iter().map(|p| p.std_error.expect("a standard error")).collect()
}

#[track_caller]
fn near(got: &[f64], want: &[f64], relative: f64) {
    assert_eq!(got.len(), want.len());
    for (g, w) in got.iter().zip(want) {
        assert!((g - w).abs() <= relative * w.abs(), "{got:?}, expected {want:?}");
    }
}

fn history(frequency: u32, recency: f64, age: f64) -> PurchaseHistory {
    PurchaseHistory::new(frequency, recency, age).expect("a possible history")
}

#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn bgnbd_of_cdnow() {
    let (a, b) = (by_weeks(), by_days());
    let fit = BgNbd::fit(&b);
    assert_eq!(fit.customers, 2357);
    // CLVTools test_correctness_bgnbd.R.
    near(&estimates(&fit), &[0.242_594_5, 4.413_601_9, 0.792_919_9, 2.425_888_1], 1e-4);
    assert!((fit.log_likelihood.expect("a fit") + 9_582.429).abs() < 1e-3);
    // Lifetimes' Quickstart.
    let fit = BgNbd::fit(&a);
    near(&estimates(&fit), &[0.242_593, 4.413_532, 0.792_886, 2.425_752], 1e-4);
    near(&errors(&fit), &[0.012_557, 0.378_221, 0.185_719, 0.705_345], 1e-3);
    let model = fit.model.expect("a model");
    assert!((model.conditional(&history(2, 30.43, 38.86), 39.0) - 1.226).abs() < 1e-3);
    for (x, recency, age, want) in
        [(26, 30.86, 31.00, 0.710_623), (29, 37.71, 38.00, 0.662_396), (17, 28.43, 28.86, 0.486_526)]
    {
        assert!((model.conditional(&history(x, recency, age), 1.0) - want).abs() < 1e-4);
    }
    for (t, want) in [(0.1429, 0.0078), (1.0, 0.0532), (3.0, 0.1506), (31.8571, 1.0405), (32.0, 1.0437), (78.0, 1.8576)]
    {
        assert!((model.expected(t) - want).abs() < 5e-4, "{t}: {}", model.expected(t));
    }
}

#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn mbgnbd_of_cdnow() {
    let a = by_weeks();
    let fit = MbgNbd::fit(&a);
    // BTYDplus, by way of Lifetimes' tests.
    let got = estimates(&fit);
    for (got, want) in got.iter().zip([0.525, 6.183, 0.891, 1.614]) {
        assert!((got - want).abs() < 5e-4 + 5e-4 * want, "{got} for {want}");
    }
    assert!((fit.log_likelihood.expect("a fit") + 9_582.132_7).abs() < 5e-4);
}

#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn paretonbd_of_cdnow() {
    let b = by_days();
    let fit = ParetoNbd::fit(&b);
    // CLVTools test_correctness_pnbd.R.
    assert!((fit.log_likelihood.expect("a fit") + 9_594.976).abs() < 0.01);
    near(&estimates(&fit), &[0.553_15, 10.576_33, 0.606_25, 11.671_50], 1e-3);
    near(&errors(&fit), &[0.047_626_4, 0.842_722_2, 0.187_259_4, 6.210_544_8], 1e-3);
    let model = fit.model.expect("a model");
    let frequent = history(26, 30.86, 31.0);
    assert!((model.conditional(&frequent, 52.0) - 25.46).abs() < 0.01);
    let published = ParetoNbd::of(&[0.5534, 10.5802, 0.6061, 11.6562]).expect("a model");
    assert!((published.p_alive(&frequent) - 0.9979).abs() < 1e-3);
}

/// Repeat spends as whole cents: the mean of a summary is exact to the cent once multiplied.
fn spends() -> Spends {
    let rows = batches("cdnow/cdnow_customers_summary_with_transactions.parquet");
    let (x, mean) = (ints(&rows, "x"), floats(&rows, "zbar"));
    let cell = |i: usize| SpendCell {
        frequency: x[i] as u32,
        total: (mean[i] * x[i] as f64 * 100.0).round() as i64,
        customers: 1,
    };
    Spends { cells: (0..x.len()).map(cell).collect(), minor_per_major: 100.0 }
}

#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn gammagamma_of_cdnow() {
    let spends = spends();
    let fit = GammaGamma::fit(&spends);
    assert_eq!(fit.customers, 946);
    let got = estimates(&fit);
    // Fader & Hardie, note 025, and CLVTools.
    assert!(
        (got[0] - 6.25).abs() < 0.01 && (got[1] - 3.74).abs() < 0.01 && (15.43..=15.46).contains(&got[2]),
        "{got:?}"
    );
    assert!((fit.log_likelihood.expect("a fit") + 4_055.92).abs() < 0.01);
    let published = GammaGamma::of(&[6.25, 3.74, 15.44]).expect("a model");
    let first = &spends.cells[..10];
    let wanted = [24.65, 18.91, 35.17, 35.17, 35.17, 71.46, 18.91, 35.17, 27.28, 35.17];
    for (cell, want) in first.iter().zip(wanted) {
        let mean = cell.total as f64 / 100.0 / f64::from(cell.frequency.max(1));
        let got = published.expected_spend(cell.frequency, mean).expect("a finite mean");
        assert!((got - want).abs() < 0.1, "{cell:?}: {got} for {want}");
    }
}

/// Lifetimes' tests: cumulative repeat transactions at the ends of weeks 20 to 25, whose days are counted from the first
/// purchase of all, 1997-01-01.
#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn weekly_tracking_of_cdnow() {
    let (b, days) = (by_days(), days());
    let model = ParetoNbd::fit(&b).model.expect("a model");
    let start = days.values().map(|d| d[0]).min().expect("a customer");
    let (actual, expected) = ([1359, 1414, 1484, 1517, 1573, 1672], [1309, 1385, 1460, 1533, 1604, 1674]);
    for (week, (actual, expected)) in (20..).zip(actual.into_iter().zip(expected)) {
        let end = start + 7 * week;
        let repeats = days.values().flat_map(|d| &d[1..]).filter(|d| **d < end).count();
        assert_eq!(repeats, actual, "week {week}");
        let sum: f64 = days.values().map(|d| model.expected(f64::from(end - d[0]) / 7.0)).sum();
        assert_eq!(sum.round() as u32, expected, "week {week}: {sum}");
    }
}

/// Twelve months of 30/7 weeks at 1 % a month.
#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn value_of_cdnow_customers() {
    let (a, spends) = (by_weeks(), spends());
    let (buying, spending) = (BgNbd::fit(&a).model.expect("a model"), GammaGamma::fit(&spends).model.expect("a model"));
    let rows = batches("cdnow/cdnow_customers_summary_with_transactions.parquet");
    let (x, recency, age, mean) = (ints(&rows, "x"), floats(&rows, "t_x"), floats(&rows, "T"), floats(&rows, "zbar"));
    for (i, want) in [35.8710, 4.5840, 8.2436, 8.2436, 8.2436, 280.4839].into_iter().enumerate() {
        let h = history(x[i] as u32, recency[i], age[i]);
        let orders =
            buying.p_alive(&h) * buying.discounted(h.frequency(), age[i], 30.0 / 7.0, 12, 0.01).expect("a rate");
        let value = orders * spending.expected_spend(h.frequency(), mean[i]).expect("a mean");
        assert!((value / want - 1.0).abs() < 1e-3, "customer {}: {value} for {want}", i + 1);
    }
}
