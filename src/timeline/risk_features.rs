//! The features by which the risk that a customer leaves is estimated (DEFINITIONS §10). A feature at a date uses
//! nothing that was not known by then.

use serde::{Deserialize, Serialize};

use super::lens::LiveRule;
use super::purchase_frequency::PurchaseRhythm;
use super::rows::AnswerRow;
use super::shape::Shape;
use crate::calendar::{Day, Period};

/// How far ahead of a date churn is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Horizon {
    Periods(i32),
    Days(i32),
}

impl Horizon {
    /// The first day beyond it.
    pub fn from(self, day: Day, period: Period) -> Day {
        match self {
            Horizon::Periods(n) => period.shift(day, n),
            Horizon::Days(n) => day.plus(n),
        }
    }
}

/// A feature. Its values are grouped into levels by fixed cut points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Feature {
    /// Days of silence ÷ the customer's churn window.
    Silence,
    /// Days of silence ÷ the customer's mean gap.
    PurchaseRhythm,
    /// Purchases or usage a day in the last window ÷ the customer's earlier level.
    Level,
    /// Days of purchase so far.
    Purchases,
    /// Days of purchase in the last window.
    Lately,
    /// Days since the first purchase, for each day of purchase ÷ the customer's churn window.
    Pace,
    /// Days since the first subscription became live.
    Tenure,
    /// Whether a paid term ends within the horizon.
    Renewal,
    /// Whether all subscriptions were cancelled.
    Notice,
    /// The sentiment of the last answer to a survey.
    Survey,
}

impl Feature {
    /// As tables and options name it.
    pub fn name(self) -> &'static str {
        ["silence", "rhythm", "level", "purchases", "lately", "pace", "tenure", "renewal", "notice", "survey"]
            [self as usize]
    }

    /// The number of its levels.
    pub const fn levels(self) -> usize {
        match self {
            Feature::Silence => SILENCE.len() + 1,
            // One for customers without a gap yet.
            Feature::PurchaseRhythm => RHYTHM.len() + 2,
            // One for customers without an earlier level, one for those who did nothing in the last window.
            Feature::Level => LEVEL.len() + 3,
            Feature::Purchases => PURCHASES.len() + 1,
            Feature::Lately => LATELY.len() + 1,
            Feature::Pace => PACE.len() + 1,
            Feature::Tenure => TENURE.len() + 1,
            Feature::Renewal | Feature::Notice => 3,
            Feature::Survey => 4,
        }
    }
}

/// The cut points, at which a level above the first begins: fractions (numerator, denominator) of the churn window, of
/// the mean gap, of the earlier level …
const SILENCE: [(i64, i64); 4] = [(1, 4), (1, 2), (3, 4), (1, 1)];
const RHYTHM: [(i64, i64); 5] = [(1, 1), (3, 2), (2, 1), (3, 1), (5, 1)];
const LEVEL: [(i64, i64); 3] = [(1, 2), (3, 4), (5, 4)];
const PACE: [(i64, i64); 5] = [(1, 8), (1, 4), (1, 2), (1, 1), (2, 1)];
/// … days of purchase (of more than a few the number depends on how long the data is), those in the last window, and
/// days since the first subscription became live.
const PURCHASES: [u32; 4] = [2, 3, 5, 9];
const LATELY: [u32; 4] = PURCHASES;
const TENURE: [i32; 4] = [90, 180, 365, 730];

/// The levels of [`Feature::Renewal`]: terms so short that one always ends within the horizon; the term ends after the
/// horizon; the term ends within it.
pub const ALWAYS_DUE: usize = 0;
pub const NOT_DUE: usize = 1;
pub const DUE: usize = 2;

/// A survey answer counts for so many days.
pub(super) const ANSWERS_LAST: i32 = 365;
/// The earlier level is the mean of up to so many windows.
pub(super) const EARLIER_WINDOWS: i32 = 6;
/// The greatest value of [`FeatureValues::silence_share`].
pub const LONGEST_SILENCE: u16 = 2000;

/// Which features are read, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureSpec {
    /// The features, in the order in which their levels are combined.
    pub features: Vec<Feature>,
    /// The length of the last window in days.
    pub window: i32,
    /// The period by which customers are live under `1 period`.
    pub calendar: Period,
    /// The period of the horizon, and the distance between past dates.
    pub period: Period,
    pub horizon: Horizon,
    /// True if activity is usage (source `usage`), false if it is purchases.
    pub by_use: bool,
    /// The lowest and the highest score of nps and of csat.
    pub scales: [(i32, i32); 2],
}

impl FeatureSpec {
    /// For each feature, the number of levels of all features before it.
    pub fn offsets(&self) -> Vec<usize> {
        let before = |i: usize| self.features[..i].iter().map(|feature| feature.levels()).sum();
        (0..self.features.len()).map(before).collect()
    }

    /// The number of combinations of levels.
    pub fn kinds(&self) -> u64 {
        self.features.iter().map(|feature| feature.levels() as u64).product()
    }

    /// The number of combinations that can occur: a customer has no more days of purchase in the last window than in
    /// all, and no gap with fewer than two days of purchase.
    pub fn possible(&self) -> u64 {
        let (purchases, rhythm) = (Feature::Purchases.levels() as u64, Feature::PurchaseRhythm.levels() as u64);
        let together = purchases * rhythm * Feature::Lately.levels() as u64;
        if !self.features.contains(&Feature::Lately) {
            return self.kinds();
        }
        let gaps = |level: u64| if level == 0 { 1 } else { rhythm - 1 };
        self.kinds() / together * (0..purchases).map(|level| gaps(level) * (level + 1)).sum::<u64>()
    }

    /// The combination of levels as a number below [`kinds`](FeatureSpec::kinds). [`levels`](FeatureSpec::levels) is
    /// the inverse.
    pub fn kind(&self, values: &FeatureValues) -> u32 {
        let level = |kind: u32, feature: &Feature| kind * feature.levels() as u32 + values.level(*feature, self) as u32;
        self.features.iter().fold(0, level)
    }

    /// The level of each feature in a combination.
    pub fn levels(&self, mut kind: u32) -> Vec<usize> {
        let mut levels: Vec<usize> = self
            .features
            .iter()
            .rev()
            .map(|feature| {
                let (n, of) = (kind, feature.levels() as u32);
                kind /= of;
                (n % of) as usize
            })
            .collect();
        levels.reverse();
        levels
    }

    /// The cutoff at `day`. `longest`: the longest churn window of any class, in days.
    pub fn cut(&self, shape: &Shape, rule: &LiveRule, day: Day, longest: i32) -> Cutoff {
        let ends = match rule {
            LiveRule::Period => self.calendar.shift(day, 1),
            LiveRule::Window(days) => day.plus(*days),
            LiveRule::Learned => day.plus(longest),
            LiveRule::Subscriptions(_) => self.horizon.from(day, self.period),
        };
        Cutoff { day, ends, last_period: self.calendar.shift(self.calendar.start(day, shape.week_start), -1) }
    }
}

/// A date at which features are read, as a prediction would have been made then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cutoff {
    /// Exclusive: rows dated from here on are not used.
    pub day: Day,
    /// From here on it is known which customers left.
    pub ends: Day,
    /// The first day of the last whole calendar period before `day`.
    pub last_period: Day,
}

/// Activity in the last window, and in the `earlier_days` days before it. Days of purchase, or thousandths of usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    pub recent: i128,
    pub earlier: i128,
    pub earlier_days: i32,
}

/// The sentiment of a survey answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sentiment {
    Low = 1,
    Middle = 2,
    High = 3,
}

/// The values of all features of a live customer at a cutoff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureValues {
    /// Days since the last activity; without any, since the first subscription became live.
    pub silence: i32,
    /// The customer's churn window in days; on subscriptions the last window.
    pub window: i32,
    /// The days of activity.
    pub rhythm: Option<PurchaseRhythm>,
    /// Days of purchase in the last window.
    pub lately: u32,
    /// `None` if the customer was active for less than a window before the last one.
    pub level: Option<Level>,
    /// Days since the first subscription became live.
    pub tenure: i32,
    /// [`ALWAYS_DUE`], [`NOT_DUE`] or [`DUE`], and the day on which the paid term ends.
    pub renewal: (usize, Day),
    /// The day of the last cancellation, if all subscriptions are cancelled.
    pub notice: Option<Day>,
    pub answer: Option<(Sentiment, AnswerRow)>,
}

impl FeatureValues {
    /// Silence ÷ window in thousandths, at most [`LONGEST_SILENCE`].
    pub fn silence_share(&self) -> u16 {
        let share = i64::from(self.silence.max(0)) * 1000 / i64::from(self.window.max(1));
        u16::try_from(share).unwrap_or(u16::MAX).min(LONGEST_SILENCE)
    }

    /// The level of a feature, from 0.
    pub fn level(&self, feature: Feature, spec: &FeatureSpec) -> usize {
        // numerator / denominator ≥ cut
        let beyond = |cuts: &[(i64, i64)], numerator: i128, denominator: i128| {
            cuts.iter().filter(|(n, d)| numerator * i128::from(*d) >= denominator * i128::from(*n)).count()
        };
        match feature {
            Feature::Silence => beyond(&SILENCE, self.silence.into(), self.window.into()),
            Feature::PurchaseRhythm => match self.rhythm.filter(|r| r.gaps > 0) {
                None => 0,
                Some(r) => {
                    let (gaps, span) = (i128::from(r.gaps), i128::from(r.last.0 - r.first.0));
                    1 + beyond(&RHYTHM, i128::from(self.silence) * gaps, span)
                }
            },
            Feature::Level => match self.level {
                None => 0,
                Some(level) if level.recent == 0 => 1,
                Some(l) => {
                    let window = i128::from(spec.window);
                    2 + beyond(&LEVEL, l.recent.saturating_mul(l.earlier_days.into()), l.earlier.saturating_mul(window))
                }
            },
            Feature::Purchases => {
                let days = self.rhythm.map_or(0, |r| r.gaps + 1);
                PURCHASES.iter().filter(|cut| days >= **cut).count()
            }
            Feature::Lately => LATELY.iter().filter(|cut| self.lately >= **cut).count(),
            Feature::Pace => self.rhythm.map_or(0, |r| {
                let since = i128::from(r.last.0 - r.first.0) + i128::from(self.silence) + 1;
                beyond(&PACE, since, i128::from(r.gaps + 1) * i128::from(self.window))
            }),
            Feature::Tenure => TENURE.iter().filter(|cut| self.tenure >= **cut).count(),
            Feature::Renewal => self.renewal.0,
            Feature::Notice => match self.notice {
                None => 0,
                Some(_) if self.renewal.0 == NOT_DUE => 1,
                Some(_) => 2,
            },
            Feature::Survey => self.answer.map_or(0, |(mark, _)| mark as usize),
        }
    }
}
