//! Use, answers to surveys, and the words of contracts and customers, as the scan delivers them.

use std::sync::Arc;

use arrow::array::*;

use crate::config::SourceKind::*;
use crate::source::Reason::*;
use crate::source::testing::*;

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn floats(values: &[Option<f64>]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

#[test]
fn use_is_counted_in_thousandths_and_never_below_zero() {
    let dir = tempfile::tempdir().unwrap();
    let days = [
        "2011-03-01",
        "2011-03-01",
        "2011-03-02",
        "2011-03-02",
        "2011-03-03",
        "2011-03-03",
        "2011-03-04",
        "2012-01-01",
    ];
    let quantities = [Some(2.0), Some(0.5), Some(-1.0), None, Some(f64::NAN), Some(1e300), Some(0.0), Some(1.0)];
    write(
        &dir.path().join("usage.parquet"),
        vec![
            ("id", Arc::new(Int64Array::from(vec![7; 8])) as ArrayRef),
            ("on", texts(&days.map(Some))),
            ("n", floats(&quantities)),
        ],
        3,
    );
    let mut p = pipeline(dir.path());
    let columns = [("customer_id", "id"), ("occurred_at", "on"), ("quantity", "n")];
    add_source(&mut p, Usage, "usage.parquet", &columns);
    p.calendar.as_of = Some(day("2011-06-01"));
    let (scan, got) = run(&p, 2);
    let at = |text: &str| i64::from(day(text).0) * 86_400_000_000;
    let expected = [("2011-03-01", 2000), ("2011-03-01", 500), ("2011-03-04", 0)];
    let mut expected = expected.map(|(on, n)| format!("7 {on} {} used {n} ", at(on)));
    expected.sort();
    assert_eq!(got.rows, expected);
    let found: Vec<_> = scan.rejected.rows().map(|r| (r.row, r.reason)).collect();
    assert_eq!(found, [(3, QuantityNegative), (4, NoQuantity), (5, QuantityNotNumeric), (6, QuantityNotNumeric)]);
    let report = &scan.reports[&Usage];
    assert_eq!((report.rows, report.rejected, report.after_as_of, report.read), (8, 4, 1, true));
    // Without quantities each row counts one.
    p.sources.get_mut(&Usage).unwrap().columns.remove("quantity");
    assert!(run(&p, 10).1.rows.iter().all(|row| row.ends_with(" used 1000 ")));
}

/// A score of 11 and a survey that nobody knows are set aside with their place and value; NULL is no answer.
#[test]
fn scores_lie_on_their_scale_or_are_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let rows: [(Option<&str>, Option<&str>); 16] = [
        (Some("nps"), Some("10")),
        (Some(" NPS "), Some("0")),
        (Some("nps"), Some("11")),
        (Some("nps"), Some("-1")),
        (Some("nps"), Some("10.000001")),
        (Some("nps"), None),
        (Some("csat"), Some("0")),
        (Some("Csat"), Some("4.5")),
        (Some("csat"), Some("")),
        (Some("ces"), Some("7")),
        (Some("ces"), Some("8")),
        (Some("ces"), Some("good")),
        (Some("exit"), Some("whatever")),
        (Some("happiness"), Some("3")),
        (None, Some("3")),
        (Some("ces"), Some("3.335")),
    ];
    write(
        &dir.path().join("surveys.parquet"),
        vec![
            ("id", Arc::new(Int64Array::from(vec![7; 16])) as ArrayRef),
            ("on", Arc::new(Date32Array::from((0..16).collect::<Vec<_>>()))),
            ("survey", texts(&rows.map(|r| r.0))),
            ("score", texts(&rows.map(|r| r.1))),
            ("why", texts(&(0..16).map(|i| (i == 12).then_some("price")).collect::<Vec<_>>())),
        ],
        5,
    );
    let mut p = pipeline(dir.path());
    let columns =
        [("customer_id", "id"), ("answered_at", "on"), ("kind", "survey"), ("score", "score"), ("reason", "why")];
    add_source(&mut p, Surveys, "surveys.parquet", &columns);
    let (scan, got) = run(&p, 4);
    let said: Vec<_> = got.rows.iter().map(|row| row.split(' ').skip(3).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        said,
        [
            "nps Some(1000) ",
            "nps Some(0) ",
            "nps None ",
            "csat Some(450) ",
            "csat None ",
            "ces Some(700) ",
            "exit None price ",
            "ces Some(334) ",
        ]
    );
    let found: Vec<_> = scan.rejected.rows().map(|r| (r.row, r.reason, &*r.column, r.value.as_deref())).collect();
    assert_eq!(
        found,
        [
            (3, ScoreOutOfScale, "score", Some("11")),
            (4, ScoreOutOfScale, "score", Some("-1")),
            (5, ScoreOutOfScale, "score", Some("10.000001")),
            (7, ScoreOutOfScale, "score", Some("0")),
            (11, ScoreOutOfScale, "score", Some("8")),
            (12, ScoreNotNumeric, "score", Some("good")),
            (14, SurveyKindUnknown, "survey", Some("happiness")),
            (15, SurveyKindUnknown, "survey", None),
        ]
    );
    let scales = p.sources.get_mut(&Surveys).unwrap().scales.as_mut().unwrap();
    (scales.nps.highest, scales.csat.lowest) = (11, 0);
    assert_eq!(run(&p, 4).0.rejected.rows().count(), 5);
}

#[test]
fn contracts_say_why_they_ended_and_customers_who_won_them() {
    let dir = tempfile::tempdir().unwrap();
    write(
        &dir.path().join("subs.parquet"),
        vec![
            ("id", texts(&[Some("a"), Some("b"), Some("c"), Some("d"), Some("e")])),
            ("s", Arc::new(Date32Array::from(vec![0; 5]))),
            ("amount", floats(&[Some(1.0); 5])),
            ("why", texts(&[Some("price"), Some("bugs"), None, Some(""), Some("price")])),
            ("who", texts(&[Some("voluntary"), Some("Involuntary "), Some("by mistake"), None, Some("")])),
        ],
        2,
    );
    write(
        &dir.path().join("c.parquet"),
        vec![
            ("id", texts(&[Some("a"), Some("b"), Some("c"), Some("d")])),
            ("by", texts(&[Some("ads"), None, Some("friend"), Some("ads")])),
            ("from", texts(&[None, Some("b"), Some("a"), Some(" ")])),
        ],
        2,
    );
    write(
        &dir.path().join("costs.parquet"),
        vec![
            ("month", Arc::new(Date32Array::from(vec![0; 2])) as ArrayRef),
            ("spend", floats(&[Some(1.0); 2])),
            ("channel", texts(&[Some("friend"), Some("radio")])),
        ],
        2,
    );
    let mut p = pipeline(dir.path());
    let columns = [("customer_id", "id"), ("started_at", "s"), ("amount", "amount")];
    let why = [("cancel_reason", "why"), ("cancel_kind", "who")];
    add_source(&mut p, Subscriptions, "subs.parquet", &[&columns[..], &why].concat());
    let columns = [("customer_id", "id"), ("acquired_by", "by"), ("referred_by", "from")];
    add_source(&mut p, Customers, "c.parquet", &columns);
    let columns = [("period_start", "month"), ("amount", "spend"), ("channel", "channel")];
    add_source(&mut p, AcquisitionCosts, "costs.parquet", &columns);
    let (scan, got) = run(&p, 1);
    let ends = ["Voluntary price", "Involuntary bugs", "1m0d 100 ", "1m0d 100  ", "1m0d 100  price"];
    for (row, end) in got.rows.iter().filter(|r| r.contains("1m0d")).zip(ends) {
        assert!(row.ends_with(end), "{row:?} does not end with {end:?}");
    }
    let won: Vec<_> = got.rows.iter().filter(|r| !r.contains("1m0d")).map(|r| r.contains(" referred")).collect();
    assert_eq!(won, [false, false, true, false]);
    assert_eq!(scan.reports[&Subscriptions].cancel_kinds_unknown, 1);
    assert_eq!(scan.reports[&Customers].referred_to_self, 1);
    let sorted = |mut texts: Vec<Arc<str>>| {
        texts.sort();
        texts.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(sorted(scan.channels), ["ads", "friend", "radio"]);
    assert_eq!(sorted(scan.reasons), ["", "bugs", "price"]);
}
