use super::*;
use crate::stats::survival::tests::{aml, event_table, leukaemia};
use crate::stats::survival::{EventCounts, ObservedSpell};

#[track_caller]
fn near(got: f64, expected: f64, tolerance: f64) {
    assert!((got - expected).abs() <= tolerance, "{got} is not {expected}");
}

/// What R's survfit prints of aml, and the same with all digits by exact fractions in Python.
#[test]
fn aml_as_r_prints_it() {
    let [maintained, not] = aml();
    let curve = Curve::new(&maintained, Confidence::Log);
    let printed = [(9, 0.909), (13, 0.818), (18, 0.716), (23, 0.614), (31, 0.491), (34, 0.368), (48, 0.184)];
    let errors = [0.0867, 0.1163, 0.1397, 0.1526, 0.1642, 0.1627, 0.1535];
    let rows: Vec<&CurveRow> = curve.rows.iter().filter(|r| r.events > 0).collect();
    assert_eq!(rows.len(), printed.len());
    for ((row, (time, survival)), error) in rows.iter().zip(printed).zip(errors) {
        assert_eq!(row.time, time);
        near(row.survival, survival, 5e-4);
        near(row.std_error.unwrap(), error, 5e-5);
        near(row.hazard, 1.0 / row.at_risk as f64, 1e-15);
    }
    assert_eq!((curve.customers, curve.events, curve.never_at_risk), (11, 7, 0));
    let last = &curve.rows[9];
    assert_eq!((last.time, last.at_risk, last.events, last.censored), (161, 1, 0, 1));
    assert!(curve.notes.is_empty());

    let intervals = |kind, event_table| {
        Curve::new(event_table, kind).rows.iter().map(|r| r.ci_low.zip(r.ci_high)).collect::<Vec<_>>()
    };
    for (kind, at_9, at_48) in [
        (
            Confidence::LogLog,
            (0.508_080_205_769_93, 0.986_673_822_667_823),
            (0.011_738_480_123_19, 0.525_014_842_726_642),
        ),
        (Confidence::Log, (0.754_133_845_081_525, 1.0), (0.035_917_898_489_185, 0.943_525_769_474_552)),
        (Confidence::Plain, (0.739_204_333_133_848, 1.0), (0.0, 0.484_931_162_720_207)),
    ] {
        let found = intervals(kind, &maintained);
        for (got, expected) in [(found[0], at_9), (found[8], at_48)] {
            near(got.unwrap().0, expected.0, 1e-12);
            near(got.unwrap().1, expected.1, 1e-12);
        }
        // At S = 0 there is no interval on any scale, and no standard error.
        assert_eq!(intervals(kind, &not).last(), Some(&None));
    }
    assert_eq!(Curve::new(&not, Confidence::Log).rows.last().unwrap().std_error, None);
    assert_eq!(Curve::new(&not, Confidence::Log).rows.last().unwrap().survival, 0.0);
}

#[test]
fn medians_with_their_intervals() {
    let [maintained, not] = aml();
    let reached = |time, ci_low, ci_high| QuantileTime { time, ci_low, ci_high };
    let median = |event_table, kind| Curve::new(event_table, kind).median();
    assert_eq!(median(&maintained, Confidence::Log), reached(Some(31.0), Some(18.0), None));
    assert_eq!(median(&not, Confidence::Log), reached(Some(23.0), Some(8.0), None));
    assert_eq!(median(&maintained, Confidence::LogLog), reached(Some(31.0), Some(13.0), None));
    assert_eq!(median(&not, Confidence::LogLog), reached(Some(23.0), Some(5.0), Some(33.0)));
    assert_eq!(median(&not, Confidence::Plain), reached(Some(23.0), Some(8.0), Some(33.0)));
    let [treated, placebo] = leukaemia();
    assert_eq!(median(&treated, Confidence::LogLog).time, Some(23.0));
    assert_eq!(median(&placebo, Confidence::LogLog).time, Some(8.0));
}

#[test]
fn a_curve_that_sits_on_the_level_gives_the_midpoint() {
    let spells = [2, 4, 7, 9].map(|t| (0, t, true));
    let curve = Curve::new(&event_table(&spells), Confidence::Plain);
    assert_eq!(curve.median().time, Some(5.5));
    assert_eq!(curve.quantile(0.25).time, Some(3.0));
    assert_eq!(curve.quantile(0.3).time, Some(4.0));
    assert_eq!(curve.quantile(1.0).time, Some(9.0));
    // S falls by thirds: 1/3 is no binary fraction, and the level still counts as reached.
    let thirds = Curve::new(&event_table(&[(0, 1, true), (0, 2, true), (0, 5, true)]), Confidence::Log);
    assert_eq!((thirds.quantile(1.0 / 3.0).time, thirds.quantile(2.0 / 3.0).time), (Some(1.5), Some(3.5)));
    // The curve stays on the level to its end: the first time counts, as in R.
    let half = Curve::new(&event_table(&[(0, 2, true), (0, 4, false)]), Confidence::Log);
    assert_eq!(half.median().time, Some(2.0));
    for gone in [0.0, -1.0, 1.1, f64::NAN, f64::INFINITY] {
        assert_eq!(curve.quantile(gone), QuantileTime::default());
    }
}

/// The area and its error by exact fractions in Python; the same code gives 376.3 and 19.7 for R's data set lung,
/// as R prints. At the last time R prints 52.6 (19.83) and 22.7 (4.18) for aml.
#[test]
fn restricted_means() {
    let [maintained, not] = aml();
    let mean = |event_table: &EventTable, horizon| {
        Curve::new(event_table, Confidence::LogLog).restricted_mean(horizon).unwrap()
    };
    for (event_table, horizon, to, expected, error) in [
        (&maintained, None, 161, 52.645_454_545_454_55, 19.828_602_795_562_585),
        (&maintained, Some(1_000), 161, 52.645_454_545_454_55, 19.828_602_795_562_585),
        (&maintained, Some(30), 30, 24.602_272_727_272_727, 2.313_149_377_319_131_6),
        (&maintained, Some(40), 40, 28.897_727_272_727_273, 3.467_577_678_891_6),
        (&not, None, 45, 22.708_333_333_333_332, 4.180_941_981_033_154),
        (&not, Some(30), 30, 19.694_444_444_444_443, 3.054_197_930_717_654),
        // Nobody is left at 45, so nothing is added after it and nothing has to be extrapolated.
        (&not, Some(200), 200, 22.708_333_333_333_332, 4.180_941_981_033_154),
        (&not, Some(3), 3, 3.0, 0.0),
        (&not, Some(0), 0, 0.0, 0.0),
    ] {
        let got = mean(event_table, horizon);
        assert_eq!(got.to, to);
        near(got.mean, expected, 1e-12);
        near(got.std_error, error, 1e-12);
    }
}

#[test]
fn steps_are_looked_up_and_not_extrapolated() {
    let [maintained, not] = aml().map(|l| Curve::new(&l, Confidence::LogLog));
    assert_eq!(maintained.survival(0), Some(1.0));
    assert_eq!(maintained.survival(8), Some(1.0));
    assert_eq!(maintained.survival(9), Some(10.0 / 11.0));
    assert_eq!(maintained.survival(161), Some(maintained.rows[9].survival));
    assert_eq!(maintained.survival(162), None);
    assert_eq!(not.survival(10_000), Some(0.0));
    assert_eq!(Curve::default().survival(0), None);
}

#[test]
fn a_window_covers_a_share_of_those_seen_to_go() {
    let [maintained, not] = aml().map(|l| Curve::new(&l, Confidence::LogLog));
    // F ends at .8159 for the maintained group; nine tenths of that, .7343, are reached at 48, half of it at 31.
    assert_eq!(
        (maintained.window(0.9), maintained.window(0.5), maintained.window(1.0)),
        (Some(48), Some(31), Some(48))
    );
    assert_eq!((not.window(0.95), not.window(0.9), not.window(1.5)), (Some(45), Some(43), Some(45)));
    assert_eq!(Curve::new(&event_table(&[(0, 5, false)]), Confidence::LogLog).window(0.9), None);
    assert_eq!(Curve::default().window(0.9), None);
}

/// The example of the Python package lifelines for late entry: everybody leaves.
#[test]
fn late_entry_as_published() {
    let late = event_table(&[(1, 2, true), (2, 10, true), (4, 5, true), (0, 4, true), (0, 3, true)]);
    let curve = Curve::new(&late, Confidence::LogLog);
    let s: Vec<Option<f64>> = [0, 1, 2, 3, 4, 5, 10].map(|t| curve.survival(t)).to_vec();
    for (got, expected) in s.iter().zip([1.0, 1.0, 0.667, 0.444, 0.222, 0.111, 0.0]) {
        near(got.unwrap(), expected, 5e-4);
    }
    assert_eq!(curve.rows.iter().map(|r| r.at_risk).collect::<Vec<_>>(), [3, 3, 2, 2, 1]);
    // Greenwood sums 1/6, 1/3, 5/6, 4/3.
    near(curve.rows[3].std_error.unwrap(), sqrt(4.0 / 3.0) / 9.0, 1e-15);
    assert!(curve.notes.is_empty());
}

#[test]
fn what_late_entry_does_is_said() {
    let notes = |spells: &[(u32, u32, bool)]| Curve::new(&event_table(spells), Confidence::LogLog).notes;
    assert_eq!(
        notes(&[(3, 5, true), (4, 9, false)]),
        ["no spell is observed before 3: the curve is of spells that lasted that long"]
    );
    assert_eq!(
        notes(&[(0, 5, false), (8, 9, true), (8, 12, false)]),
        ["nobody is at risk after 5 up to 8: the curve is constant there"]
    );
    assert_eq!(
        notes(&[(0, 5, true), (5, 9, true), (6, 12, false)]),
        ["all at risk at 5 left then, and the curve stays 0, although 2 entered later"]
    );
    assert!(notes(&[(0, 5, false), (5, 9, true)]).is_empty(), "one leaves as the next comes in");
    // The curve is constant over a gap. Once it is 0 it stays 0, although others enter later.
    let gap = Curve::new(&event_table(&[(0, 3, true), (0, 5, false), (8, 9, true), (8, 12, false)]), Confidence::Log);
    assert_eq!([4, 5, 8, 9].map(|t| gap.survival(t).unwrap()), [0.5, 0.5, 0.5, 0.25]);
    let zero = Curve::new(&event_table(&[(0, 5, true), (6, 9, true), (6, 12, false)]), Confidence::Log);
    assert_eq!(zero.rows.iter().map(|r| r.survival).collect::<Vec<_>>(), [0.0, 0.0, 0.0]);
    assert!(zero.rows.iter().all(|r| r.std_error.is_none() && r.ci_low.is_none()));
    assert_eq!(zero.rows[1].hazard, 0.5, "the hazard still tells of them");
    let mean = zero.restricted_mean(None).unwrap();
    assert_eq!((mean.to, mean.mean, mean.std_error), (12, 5.0, 0.0));
}

#[test]
fn little_data_is_no_trouble() {
    let curve = |spells| Curve::new(&event_table(spells), Confidence::LogLog);
    assert_eq!(curve(&[]), Curve::default());
    assert_eq!(curve(&[]).restricted_mean(Some(10)), None);
    let never = curve(&[(0, 0, true), (0, 0, false)]);
    assert!(never.rows.is_empty() && never.median() == QuantileTime::default());
    assert_eq!((never.customers, never.events, never.never_at_risk), (2, 0, 2));
    let one = curve(&[(0, 4, true)]);
    assert_eq!((one.rows.len(), one.rows[0].survival, one.median().time), (1, 0.0, Some(4.0)));
    assert_eq!(one.restricted_mean(None).unwrap().mean, 4.0);
    let running = curve(&[(0, 4, false), (0, 6, false)]);
    assert!(running.rows.iter().all(|r| r.survival == 1.0 && r.std_error == Some(0.0) && r.ci_low.is_none()));
    assert_eq!((running.median(), running.events), (QuantileTime::default(), 0));
    assert_eq!(running.restricted_mean(None).unwrap().mean, 6.0);
    let running = Curve::new(&event_table(&[(0, 4, false)]), Confidence::Log);
    assert_eq!((running.rows[0].ci_low, running.rows[0].ci_high), (Some(1.0), Some(1.0)), "as in R");
}

#[test]
fn counts_beyond_what_floats_hold_exactly() {
    let most = ObservedSpell { entry: 0, end: u32::MAX, event: true, customers: u64::MAX - 1 };
    let event_table = EventTable::from_spells([most, ObservedSpell { end: 7, customers: 1, ..most }]).unwrap();
    for kind in [Confidence::LogLog, Confidence::Log, Confidence::Plain] {
        let curve = Curve::new(&event_table, kind);
        let figures = curve.rows.iter().flat_map(|r| [Some(r.survival), r.std_error, r.ci_low, r.ci_high]);
        assert!(figures.flatten().all(|x| (0.0..=1.0).contains(&x)));
        assert_eq!(curve.median().time, Some(f64::from(u32::MAX)));
    }
    // One of two leaves each time: S falls below the smallest float, and not below 0.
    let halving = (0..3_000).map(|t| EventCounts {
        time: t,
        entered: 1 + u64::from(t == 0),
        events: u64::from(t > 0),
        censored: 0,
    });
    let curve = Curve::new(&EventTable::from_counts(halving).unwrap(), Confidence::LogLog);
    assert_eq!(curve.rows.last().unwrap().survival, 0.0);
    assert!(curve.rows.iter().all(|r| r.ci_low.is_none_or(f64::is_finite) && r.std_error.is_none_or(f64::is_finite)));
}
