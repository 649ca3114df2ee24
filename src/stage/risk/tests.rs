//! What is told of a customer, and what past dates may know.

use std::collections::BTreeMap;

use super::finish::{together, verdict};
use super::outlook::{RiskModel, known_before};
use super::{Horizon, words};
use crate::calendar::{Day, Period};
use crate::tally::risk::{ChurnOutcome, RiskTally};
use crate::timeline::purchase_frequency::PurchaseRhythm;
use crate::timeline::risk_features::{
    ALWAYS_DUE, Cutoff, DUE, Feature, FeatureSpec, FeatureValues, Level, NOT_DUE, Sentiment,
};
use crate::timeline::rows::{AnswerKind, AnswerRow};

fn watch(features: &[Feature], by_use: bool) -> FeatureSpec {
    FeatureSpec {
        features: features.to_vec(),
        window: 30,
        calendar: Period::Month,
        period: Period::Month,
        horizon: Horizon::Periods(1),
        by_use,
        scales: [(0, 10), (1, 5)],
    }
}

fn cut(day: i32, ends: i32) -> Cutoff {
    Cutoff { day: Day(day), ends: Day(ends), last_period: Day(day - 30) }
}

#[test]
fn a_date_learns_from_the_last_twelve_that_were_over() {
    let cuts: Vec<Cutoff> = (0..20).map(|n| cut(30 * n, 30 * n + 60)).collect();
    assert_eq!(known_before(&cuts, Day(119)), [0usize; 0]);
    // Those of day 0, 30 and 60 ended on 60, 90 and 120.
    assert_eq!(known_before(&cuts, Day(120)), [0, 1, 2]);
    assert_eq!(known_before(&cuts, Day(600)), (7..=18).collect::<Vec<_>>());
}

/// Feature `survey` alone. At each of four dates 80 customers have no answer, and 8 of them leave; 20 have a low answer,
/// and 10 of them leave.
fn four_dates() -> (FeatureSpec, Vec<Cutoff>, RiskTally) {
    let watch = watch(&[Feature::Silence, Feature::Survey], false);
    let cuts = (0..4).map(|n| cut(30 * n, 30 * n + 30)).collect();
    let mut tally = RiskTally::default();
    for n in 0..4 {
        tally.kinds.insert((n, 0), ChurnOutcome { customers: 80, left: 8 });
        tally.kinds.insert((n, 1), ChurnOutcome { customers: 20, left: 10 });
        tally.silence.insert((n, 0), ChurnOutcome { customers: 100, left: 18 });
    }
    (watch, cuts, tally)
}

#[test]
fn a_date_is_judged_by_hand() {
    let (watch, cuts, tally) = four_dates();
    assert!((0..3).all(|n| verdict(&watch, &cuts, &tally, n)["risk_score"].is_none()));
    let last = verdict(&watch, &cuts, &tally, 3);
    let score = last["risk_score"].unwrap().ranked;
    // Ten of the twenty who gave low points, whoever they are: half of those who left among them.
    assert_eq!((score.customers, score.events, score.events_in_top), (100, 18, 5.0));
    // Won: 10 × 72, lost: 8 × 10, even: 10 × 10 and 8 × 72.
    assert_eq!(score.auc(), Some((720.0 + 0.5 * (100.0 + 576.0)) / (18.0 * 82.0)));
    assert_eq!(last["survey"].unwrap().ranked, score);
    assert_eq!(last["silence"].unwrap().ranked.auc(), Some(0.5));
    assert_eq!(last["chance"].unwrap().ranked.lift(), Some(1.0));
    let squared = last["chance"].unwrap().squared.unwrap();
    assert!((squared - (18.0 * 0.82 * 0.82 + 82.0 * 0.18 * 0.18)).abs() < 1e-12);
    let all: Vec<_> = (0..4).map(|n| verdict(&watch, &cuts, &tally, n)).collect();
    assert_eq!(together(&all), Some(last));
    assert_eq!(together(&all[..3]), None);
    // Three hundred seen: of no answer a tenth left, of low points half, each drawn a little to the middle.
    let outlook = RiskModel::at(Day(120), &watch, &cuts, &tally).unwrap();
    let probability = |level: usize| outlook.model.probability([0, 5 + level]);
    assert!((probability(0) - 0.1).abs() < 0.01 && (probability(1) - 0.5).abs() < 0.03);
    assert!((outlook.rate - 0.18).abs() < 1e-15);
}

/// What came of a date, and of later ones, changes nothing at it.
#[test]
fn outcomes_teach_later_dates_alone() {
    let (watch, cuts, tally) = four_dates();
    let outlook = RiskModel::at(cuts[3].day, &watch, &cuts, &tally);
    let mut other = tally.clone();
    other.kinds.insert((3, 1), ChurnOutcome { customers: 20, left: 0 });
    assert_eq!(RiskModel::at(cuts[3].day, &watch, &cuts, &other), outlook);
    assert_ne!(RiskModel::at(Day(120), &watch, &cuts, &other), RiskModel::at(Day(120), &watch, &cuts, &tally));
}

#[test]
fn kinds_are_numbers_of_levels_and_back() {
    let watch = watch(&[Feature::Silence, Feature::PurchaseRhythm, Feature::Survey], false);
    let all: BTreeMap<Vec<usize>, u32> = (0..watch.kinds() as u32).map(|kind| (watch.levels(kind), kind)).collect();
    assert_eq!(all.len(), 5 * 7 * 4);
    assert_eq!((all[&vec![0, 0, 1]], all[&vec![4, 6, 3]]), (1, 139));
    assert_eq!(watch.offsets(), [0, 5, 12]);
    assert_eq!(watch.possible(), watch.kinds());
    // One day has no gap and no two lately; of two to nine and more, six levels of rhythm and so many lately.
    let buyers = self::watch(&[Feature::PurchaseRhythm, Feature::Purchases, Feature::Lately, Feature::Survey], false);
    assert_eq!(buyers.possible(), 4 * (1 + 6 * (2 + 3 + 4 + 5)));
}

fn standing() -> FeatureValues {
    FeatureValues {
        silence: 41,
        window: 90,
        rhythm: Some(PurchaseRhythm { first: Day(0), last: Day(91), gaps: 10 }),
        lately: 0,
        level: None,
        tenure: 25,
        renewal: (ALWAYS_DUE, Day(19_000)),
        notice: None,
        answer: None,
    }
}

#[test]
fn levels_begin_at_their_cuts() {
    let watch = watch(&[Feature::Silence], false);
    let of = |sign, standing: FeatureValues| standing.level(sign, &watch);
    let silent = |silence| FeatureValues { silence, window: 60, ..standing() };
    assert_eq!([0, 14, 15, 30, 45, 59, 60, 900].map(|s| of(Feature::Silence, silent(s))), [0, 0, 1, 2, 3, 3, 4, 4]);
    // A mean gap of 9.1 days: 9.1, 13.65, 18.2, 27.3, 45.5.
    assert_eq!([9, 10, 14, 19, 28, 45, 46].map(|s| of(Feature::PurchaseRhythm, silent(s))), [1, 2, 3, 4, 5, 5, 6]);
    assert_eq!(of(Feature::PurchaseRhythm, FeatureValues { rhythm: None, ..standing() }), 0);
    let level = |recent| FeatureValues { level: Some(Level { recent, earlier: 12, earlier_days: 90 }), ..standing() };
    // Four a window are usual.
    assert_eq!([0, 1, 2, 3, 4, 5].map(|n| of(Feature::Level, level(n))), [1, 2, 3, 4, 4, 5]);
    let bought =
        |gaps| FeatureValues { rhythm: Some(PurchaseRhythm { first: Day(0), last: Day(91), gaps }), ..standing() };
    assert_eq!([0, 1, 2, 4, 7, 8, 16].map(|g| of(Feature::Purchases, bought(g))), [0, 1, 2, 3, 3, 4, 4]);
    let lately = |lately| of(Feature::Lately, FeatureValues { lately, ..standing() });
    assert_eq!([0, 1, 2, 4, 5, 8, 9].map(lately), [0, 0, 1, 2, 3, 3, 4]);
    // 133 days since the first: of a window of 90.
    assert_eq!([0, 1, 2, 5, 9, 19].map(|g| of(Feature::Pace, bought(g))), [4, 3, 2, 1, 1, 0]);
    let tenure = |tenure| of(Feature::Tenure, FeatureValues { tenure, ..standing() });
    assert_eq!([89, 90, 364, 365, 730].map(tenure), [0, 1, 2, 3, 4]);
    let notice = |level| FeatureValues { notice: Some(Day(0)), renewal: (level, Day(9)), ..standing() };
    assert_eq!([ALWAYS_DUE, NOT_DUE, DUE].map(|l| of(Feature::Notice, notice(l))), [2, 1, 2]);
    assert_eq!(of(Feature::Notice, standing()), 0);
    assert_eq!((silent(20).silence_share(), silent(10_000).silence_share()), (333, 2000));
}

#[test]
fn signs_are_told_in_plain_words() {
    let (buys, uses) = (watch(&[Feature::Purchases], false), watch(&[Feature::Tenure], true));
    let said = |sign, level, standing: FeatureValues, watch: &FeatureSpec| words::of(sign, level, &standing, watch);
    let of = |sign, level| said(sign, level, standing(), &buys).unwrap();
    assert_eq!(of(Feature::Silence, 2), "silent for 41 days, usually buys every 9");
    assert_eq!(of(Feature::PurchaseRhythm, 5), "silent for 41 days, usually buys every 9");
    assert_eq!(said(Feature::PurchaseRhythm, 3, standing(), &uses).unwrap(), "not used for 41 days, usually every 9");
    let once = FeatureValues {
        rhythm: Some(PurchaseRhythm { first: Day(0), last: Day(0), gaps: 0 }),
        silence: 1,
        ..standing()
    };
    assert_eq!(said(Feature::Purchases, 0, once, &buys).unwrap(), "has bought only once, 1 day ago");
    assert_eq!(said(Feature::PurchaseRhythm, 0, once, &uses).unwrap(), "used only once, 1 day ago");
    let never = FeatureValues { rhythm: None, ..standing() };
    assert_eq!(said(Feature::Silence, 1, never, &uses).unwrap(), "not used in 41 days as a customer");
    let daily = FeatureValues { rhythm: Some(PurchaseRhythm { first: Day(0), last: Day(12), gaps: 10 }), ..standing() };
    assert_eq!(said(Feature::PurchaseRhythm, 6, daily, &buys).unwrap(), "silent for 41 days, usually buys every day");
    assert_eq!(of(Feature::Purchases, 2), "has bought only 11 times");
    assert_eq!(of(Feature::Pace, 4), "buys only about every 12 days");
    assert_eq!(of(Feature::Lately, 0), "bought nothing in the last 30 days");
    let one = FeatureValues { lately: 1, ..standing() };
    assert_eq!(said(Feature::Lately, 0, one, &buys).unwrap(), "bought only once in the last 30 days");
    let often = FeatureValues {
        rhythm: Some(PurchaseRhythm { first: Day(0), last: Day(91), gaps: 30 }),
        silence: 2,
        ..standing()
    };
    assert_eq!(said(Feature::Pace, 4, often, &buys), None);
    let level =
        |recent, earlier| FeatureValues { level: Some(Level { recent, earlier, earlier_days: 60 }), ..standing() };
    assert_eq!(
        said(Feature::Level, 2, level(1, 9), &buys).unwrap(),
        "bought once in the last 30 days, usually 4.5 times"
    );
    assert_eq!(
        said(Feature::Level, 3, level(4, 12), &buys).unwrap(),
        "bought 4 times in the last 30 days, usually 6 times"
    );
    assert_eq!(
        said(Feature::Level, 1, level(0, 2), &buys).unwrap(),
        "bought nothing in the last 30 days, usually once"
    );
    assert_eq!(
        said(Feature::Level, 2, level(1000, 8000), &uses).unwrap(),
        "used 75 % less than usual in the last 30 days"
    );
    assert_eq!(said(Feature::Level, 1, level(0, 8000), &uses).unwrap(), "not used in the last 30 days");
    assert_eq!(said(Feature::Tenure, 0, standing(), &uses).unwrap(), "customer for only 25 days");
    let term = |level, notice| FeatureValues { renewal: (level, Day(19_000)), notice, ..standing() };
    assert_eq!(said(Feature::Renewal, DUE, term(DUE, None), &uses).unwrap(), "term ends on 2022-01-08: up for renewal");
    let cancelled = said(Feature::Notice, 2, term(DUE, Some(Day(18_990))), &uses).unwrap();
    assert_eq!(cancelled, "cancelled on 2021-12-29, paid until 2022-01-08");
    let answer = |kind, score| {
        let row = AnswerRow { day: Day(18_990), instant: 0, kind, score: Some(score), reason: u32::MAX };
        said(Feature::Survey, 1, FeatureValues { answer: Some((Sentiment::Low, row)), ..standing() }, &buys).unwrap()
    };
    assert_eq!(answer(AnswerKind::Nps, 300), "gave 3 of 10 points in the survey of 2021-12-29");
    assert_eq!(answer(AnswerKind::Csat, 150), "gave 1.5 of 5 points in the survey of 2021-12-29");
    // What is as usual, or better, worries nobody.
    for (sign, level) in [
        (Feature::Silence, 0),
        (Feature::PurchaseRhythm, 1),
        (Feature::Level, 5),
        (Feature::Purchases, 4),
        (Feature::Lately, 1),
        (Feature::Renewal, NOT_DUE),
        (Feature::Survey, 3),
    ] {
        assert_eq!(words::of(sign, level, &standing(), &buys), None, "{sign:?} {level}");
    }
}
