//! Published figures of survival analysis and of contracts, from the data they were published with.
//!
//! The data is not part of the repository; see [`crate::reference`].

use std::collections::BTreeMap;

use crate::reference::reference;
use crate::support::{Row, Value, read_rows, whole};

use tenure::stats::renewals::Renewal;
use tenure::stats::renewals::bdw::Bdw;
use tenure::stats::renewals::sbg::Sbg;
use tenure::stats::survival::compare::{Comparison, Weights, compare};
use tenure::stats::survival::kaplan_meier::{Confidence, Curve};
use tenure::stats::survival::{EventTable, ObservedSpell};

fn rows_of(name: &str) -> Vec<Row> {
    let mut rows = vec![];
    read_rows(&reference(name), &mut rows);
    rows
}

/// A whole number, however it is stored.
fn number(row: &Row, column: &str) -> u32 {
    let value = match row[column] {
        Value::Float(x) if x == x.trunc() => x as i128,
        Value::Bool(b) => i128::from(b),
        ref value => whole(value),
    };
    u32::try_from(value).expect("a small number")
}

/// By the values of `by` in order, everybody seen from 0 on.
fn lives(rows: &[Row], by: &str, time: &str, event: impl Fn(&Row) -> bool) -> BTreeMap<String, EventTable> {
    let mut spells: BTreeMap<String, Vec<ObservedSpell>> = BTreeMap::new();
    for row in rows {
        let spell = ObservedSpell { entry: 0, end: number(row, time), event: event(row), customers: 1 };
        let group = if by.is_empty() { "all".to_string() } else { row[by].to_string() };
        spells.entry(group).or_default().push(spell);
    }
    spells.into_iter().map(|(group, s)| (group, EventTable::from_spells(s).expect("few"))).collect()
}

fn tested(lives: &BTreeMap<String, EventTable>) -> Comparison {
    compare(&[lives.values().cloned().collect()]).expect("few groups")
}

fn curve(life: &EventTable) -> Curve {
    Curve::new(life, Confidence::LogLog)
}

#[track_caller]
fn near(got: f64, expected: f64, tolerance: f64) {
    assert!((got - expected).abs() <= tolerance, "{got} is not {expected}");
}

#[track_caller]
fn statistic(comparison: &Comparison, weights: Weights, expected: f64, tolerance: f64) {
    near(comparison.test(weights).statistic.expect("a test"), expected, tolerance);
}

#[track_caller]
fn survives(curve: &Curve, points: &[(u32, f64)], tolerance: f64) {
    for (time, expected) in points {
        near(curve.survival(*time).expect("within what was seen"), *expected, tolerance);
    }
}

#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn leukaemia_by_treatment() {
    let rows = rows_of("survival/leukemia_anderson.parquet");
    let arms = lives(&rows, "Rx", "t", |r| number(r, "status") == 1);
    let found = tested(&arms);
    statistic(&found, Weights::LogRank, 16.792941, 1e-6);
    statistic(&found, Weights::Wilcoxon, 13.457852, 1e-6);
    statistic(&found, Weights::TaroneWare, 15.123575, 1e-6);
    statistic(&found, Weights::Peto, 14.084139, 1e-6);
    near(found.test(Weights::LogRank).p_value.expect("a test"), 4.17e-5, 5e-8);
    let treated = curve(&arms["0"]);
    let printed = [(6, 0.8571), (7, 0.8067), (10, 0.7529), (13, 0.6902), (16, 0.6275), (22, 0.5378), (23, 0.4482)];
    survives(&treated, &printed, 5e-5);
    assert_eq!(treated.median().time, Some(23.0));
    assert_eq!(curve(&arms["1"]).median().time, Some(8.0));
}

#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn lymphoma_by_stage() {
    let rows = rows_of("survival/lymphoma.parquet");
    let found = tested(&lives(&rows, "Stage_group", "Time", |r| number(r, "Censor") == 1));
    statistic(&found, Weights::LogRank, 6.70971, 5e-6);
    near(found.test(Weights::LogRank).p_value.expect("a test"), 0.0096, 5e-5);
}

#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn governments_by_regime() {
    let rows = rows_of("survival/dd.parquet");
    let event = |r: &Row| number(r, "observed") == 1;
    let found = tested(&lives(&rows, "regime", "duration", event));
    statistic(&found, Weights::LogRank, 322.5991, 5e-5);
    assert_eq!(found.test(Weights::LogRank).df, 5);
    assert_eq!(curve(&lives(&rows, "", "duration", event)["all"]).median().time, Some(4.0));
}

#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn glioma_by_therapy() {
    let rows = rows_of("survival/g3.parquet");
    // Of the grade III patients in the file.
    let found = tested(&lives(&rows, "group", "time", |r| number(r, "event") == 1));
    near(found.test(Weights::LogRank).p_value.expect("a test"), 0.0138, 5e-5);
}

#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn aml_by_maintenance() {
    let rows = rows_of("survival/aml.parquet");
    let arms = lives(&rows, "x", "time", |r| number(r, "status") == 1);
    let found = tested(&arms);
    statistic(&found, Weights::LogRank, 3.396389, 1e-6);
    let [maintained, not] = [&arms["Maintained"], &arms["Nonmaintained"]];
    let points = [(9, 0.909), (13, 0.818), (18, 0.716), (23, 0.614), (31, 0.491), (34, 0.368), (48, 0.184)];
    survives(&curve(maintained), &points, 5e-4);
    let median = |life| Curve::new(life, Confidence::Log).median();
    let (a, b) = (median(maintained), median(not));
    assert_eq!((a.time, a.ci_low, a.ci_high), (Some(31.0), Some(18.0), None));
    assert_eq!((b.time, b.ci_low, b.ci_high), (Some(23.0), Some(8.0), None));
    assert_eq!(found.groups.iter().map(|g| g.observed).collect::<Vec<_>>(), [7, 11]);
    near(found.groups[0].expected, 10.69, 5e-3);
    near(found.groups[1].expected, 7.31, 5e-3);
    let first = |kind| Curve::new(maintained, kind).rows[0];
    near(first(Confidence::Log).ci_low.expect("an interval"), 0.7541, 5e-5);
    near(first(Confidence::Log).ci_high.expect("an interval"), 1.0, 0.0);
    near(first(Confidence::LogLog).ci_low.expect("an interval"), 0.508, 5e-4);
    near(first(Confidence::LogLog).ci_high.expect("an interval"), 0.987, 5e-4);
}

#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn fruit_flies_by_micro_rna() {
    let rows = rows_of("survival/waltons.parquet");
    let event = |r: &Row| number(r, "E") == 1;
    let groups = lives(&rows, "group", "T", event);
    statistic(&tested(&groups), Weights::LogRank, 122.249126, 1e-6);
    let median = |life: &EventTable| curve(life).median().time;
    assert_eq!(median(&lives(&rows, "", "T", event)["all"]), Some(56.0));
    assert_eq!((median(&groups["control"]), median(&groups["miR-137"])), (Some(58.0), Some(26.0)));
}

#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn recidivism_by_financial_aid() {
    let rows = rows_of("survival/rossi.parquet");
    let event = |r: &Row| number(r, "arrest") == 1;
    statistic(&tested(&lives(&rows, "fin", "week", event)), Weights::LogRank, 3.837570, 1e-6);
    let all = curve(&lives(&rows, "", "week", event)["all"]);
    survives(&all, &[(52, 0.736111)], 1e-6);
    let last = all.rows.last().expect("some");
    assert_eq!(last.time, 52);
    near(last.std_error.expect("some left"), 0.021205, 1e-6);
}

#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn telephone_customers_by_contract() {
    let rows = rows_of("telco_churn/telco_churn.parquet");
    let event = |r: &Row| r["Churn"].to_string() == "Yes";
    let contracts = lives(&rows, "Contract", "tenure", event);
    let found = tested(&contracts);
    statistic(&found, Weights::LogRank, 2352.872538, 1e-6);
    assert_eq!((found.test(Weights::LogRank).df, found.test(Weights::LogRank).p_value), (2, Some(0.0)));
    let all = curve(&lives(&rows, "", "tenure", event)["all"]);
    let points = [(1, 0.945961), (12, 0.843200), (24, 0.788736), (48, 0.708840), (72, 0.592790)];
    survives(&all, &points, 1e-6);
    assert_eq!((all.median().time, curve(&contracts["Month-to-month"]).median().time), (None, Some(35.0)));
    // Eleven have no month yet: never at risk.
    assert_eq!((all.customers, all.never_at_risk, all.rows[0].time, all.rows[0].at_risk), (7_043, 11, 1, 7_032));
}

/// REFERENCES §3: the customers of Fader & Hardie 2007, one by one, over seven renewals.
#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn subscribers_by_segment() {
    let rows = rows_of("sbg_fader_hardie/individuals_n1000_7years.parquet");
    for (segment, alpha, beta, ll, bdw) in [
        ("High End", 0.668, 3.806, -1611.158, ([0.214253, 1.426575, 1.723565], -1605.314)),
        ("Regular", 0.704, 1.182, -1680.265, ([0.455614, 0.779326, 1.283451], -1679.603)),
    ] {
        let mut renewals = vec![Renewal::default(); 7];
        for row in rows.iter().filter(|r| r["segment"].to_string() == segment) {
            let years = number(row, "duration_years") as usize;
            renewals[..years].iter_mut().for_each(|r| r.due += 1);
            renewals[years - 1].lost += u64::from(number(row, "churned"));
        }
        let fit = Sbg::fit(&renewals);
        let model = fit.model.expect("a fit");
        assert_eq!(fit.customers, 1000);
        near(model.alpha / alpha, 1.0, 1e-3);
        near(model.beta / beta, 1.0, 1e-3);
        near(fit.log_likelihood.expect("a fit"), ll, 1e-3);
        let fit = Bdw::fit(&renewals);
        let estimates: Vec<f64> = fit.parameters.iter().map(|p| p.estimate).collect();
        estimates.iter().zip(bdw.0).for_each(|(got, expected)| near(*got, expected, 1e-6));
        near(fit.log_likelihood.expect("a fit"), bdw.1, 1e-3);
    }
}
