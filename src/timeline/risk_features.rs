//! What may be seen of a customer on a day that tells whether he will leave (DEFINITIONS §10): nothing that was not known
//! then.

use serde::{Deserialize, Serialize};

use super::lens::LiveRule;
use super::purchase_frequency::{FrequencyClasses, PurchaseRhythm};
use super::rows::{AnswerKind, AnswerRow, DayRow, UseRow};
use super::shape::Shape;
use super::spells::Spell;
use super::subscription_periods::{RunningSubscription, running};
use super::view::View;
use crate::calendar::{Day, Period};

/// How far ahead something is looked for.
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

/// A sign; each has so many levels, by fixed cut points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Feature {
    /// Silence ÷ own churn window.
    Silence,
    /// Silence ÷ own usual gap.
    PurchaseRhythm,
    /// What was bought or used in the last days ÷ own earlier level.
    Level,
    /// Days of purchase so far.
    Purchases,
    /// Days of purchase in the last window.
    Lately,
    /// Days since the first purchase a day of purchase ÷ own churn window.
    Pace,
    /// Days since the first subscription became live.
    Tenure,
    /// A term that ends soon.
    Renewal,
    /// A cancellation.
    Notice,
    /// The last answer to a survey.
    Survey,
}

impl Feature {
    pub fn name(self) -> &'static str {
        ["silence", "rhythm", "level", "purchases", "lately", "pace", "tenure", "renewal", "notice", "survey"]
            [self as usize]
    }

    /// How many levels it has.
    pub const fn levels(self) -> usize {
        match self {
            Feature::Silence => SILENCE.len() + 1,
            // Of who has no habit yet, and the others'.
            Feature::PurchaseRhythm => RHYTHM.len() + 2,
            // Of who has no earlier level, of who did nothing, and the others'.
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

/// A level above the first begins at each of these: fractions of the window, of the usual gap, of the usual level …
const SILENCE: [(i64, i64); 4] = [(1, 4), (1, 2), (3, 4), (1, 1)];
const RHYTHM: [(i64, i64); 5] = [(1, 1), (3, 2), (2, 1), (3, 1), (5, 1)];
const LEVEL: [(i64, i64); 3] = [(1, 2), (3, 4), (5, 4)];
const PACE: [(i64, i64); 5] = [(1, 8), (1, 4), (1, 2), (1, 1), (2, 1)];
/// … days of purchase, where more than a few only say how long the data is, and of them in the last window; days since the
/// beginning.
const PURCHASES: [u32; 4] = [2, 3, 5, 9];
const LATELY: [u32; 4] = PURCHASES;
const TENURE: [i32; 4] = [90, 180, 365, 730];

/// The levels of a customer who is not due, of one whose term ends too late to matter, and of one whose term ends soon.
pub const ALWAYS_DUE: usize = 0;
pub const NOT_DUE: usize = 1;
pub const DUE: usize = 2;

/// Answers count for a year.
const ANSWERS_LAST: i32 = 365;
/// An earlier level is the mean of up to so many windows.
const EARLIER_WINDOWS: i32 = 6;
/// Silence ÷ window in thousandths is told apart up to here.
pub const LONGEST_SILENCE: u16 = 2000;

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureSpec {
    /// In the order in which they are told apart.
    pub features: Vec<Feature>,
    /// Days of the last window.
    pub window: i32,
    /// The period by which customers are live under `1 period`.
    pub calendar: Period,
    /// The period of the horizon, and by which past dates lie apart.
    pub period: Period,
    pub horizon: Horizon,
    /// Source `usage` shows what customers do; else what they buy.
    pub by_use: bool,
    /// The lowest and the highest points of nps and of csat.
    pub scales: [(i32, i32); 2],
}

impl FeatureSpec {
    /// How many levels come before those of each sign.
    pub fn offsets(&self) -> Vec<usize> {
        let before = |i: usize| self.features[..i].iter().map(|feature| feature.levels()).sum();
        (0..self.features.len()).map(before).collect()
    }

    /// How many combinations of levels there are.
    pub fn kinds(&self) -> u64 {
        self.features.iter().map(|feature| feature.levels() as u64).product()
    }

    /// How many of them can occur: nobody has more days of purchase in the last window than in all, or a gap without two.
    pub fn possible(&self) -> u64 {
        let (purchases, rhythm) = (Feature::Purchases.levels() as u64, Feature::PurchaseRhythm.levels() as u64);
        let together = purchases * rhythm * Feature::Lately.levels() as u64;
        if !self.features.contains(&Feature::Lately) {
            return self.kinds();
        }
        let gaps = |level: u64| if level == 0 { 1 } else { rhythm - 1 };
        self.kinds() / together * (0..purchases).map(|level| gaps(level) * (level + 1)).sum::<u64>()
    }

    /// The levels of a standing as one number, and back.
    pub fn kind(&self, values: &FeatureValues) -> u32 {
        let level = |kind: u32, feature: &Feature| kind * feature.levels() as u32 + values.level(*feature, self) as u32;
        self.features.iter().fold(0, level)
    }

    /// The level of each sign.
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

/// A date at which customers are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cutoff {
    /// Nothing dated from here on is seen.
    pub day: Day,
    /// From here on it is known who left.
    pub ends: Day,
    /// First day of the last whole calendar period before it.
    pub last_period: Day,
}

/// Something done, day by day, up to a date.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    /// Days looked at.
    seen: usize,
    days: u32,
    first: Option<Day>,
    last: Option<Day>,
}

impl Pace {
    fn go_on<T>(&mut self, rows: &[T], until: Day, day: impl Fn(&T) -> Option<Day>, dated: impl Fn(&T) -> Day) {
        while let Some(row) = rows.get(self.seen).filter(|row| dated(row) < until) {
            self.seen += 1;
            if let Some(day) = day(row) {
                self.days += 1;
                self.first.get_or_insert(day);
                self.last = Some(day);
            }
        }
    }

    fn rhythm(&self) -> Option<PurchaseRhythm> {
        Some(PurchaseRhythm { first: self.first?, last: self.last?, gaps: self.days - 1 })
    }
}

/// What was done in the last window and, in all, in so many days before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    pub recent: i128,
    pub earlier: i128,
    pub earlier_days: i32,
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sentiment {
    Low = 1,
    Middle = 2,
    High = 3,
}

/// A live customer on a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureValues {
    /// Days since something was done; of who never did anything, since the first subscription became live.
    pub silence: i32,
    /// Days after which silence is churn; on subscriptions the last window.
    pub window: i32,
    /// Of what is done: days of it, the first and the last.
    pub rhythm: Option<PurchaseRhythm>,
    /// Days of purchase in the last window.
    pub lately: u32,
    /// `None` without an earlier level.
    pub level: Option<Level>,
    /// Days since the first subscription became live.
    pub tenure: i32,
    /// [`ALWAYS_DUE`], [`NOT_DUE`] or [`DUE`], and the day on which the paid term ends.
    pub renewal: (usize, Day),
    /// The day on which the last of the subscriptions was called off, if all are.
    pub notice: Option<Day>,
    pub answer: Option<(Sentiment, AnswerRow)>,
}

impl FeatureValues {
    /// Silence ÷ window in thousandths.
    pub fn silence_share(&self) -> u16 {
        let share = i64::from(self.silence.max(0)) * 1000 / i64::from(self.window.max(1));
        u16::try_from(share).unwrap_or(u16::MAX).min(LONGEST_SILENCE)
    }

    /// The level of a sign, from 0.
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

/// Churn windows at past dates.
#[derive(Clone, Copy)]
pub enum Windows<'a> {
    /// As the run has them.
    Now,
    /// As they were learned before all dates; the customer is of the class that his purchases before the date say.
    Past(&'a FrequencyClasses),
}

/// Looks at a customer on one date after the other, in order of time.
pub struct FeatureReader<'a> {
    view: View<'a>,
    spec: &'a FeatureSpec,
    windows: Windows<'a>,
    days: &'a [DayRow],
    usage: &'a [UseRow],
    bought: Pace,
    used: Pace,
}

impl<'a> FeatureReader<'a> {
    pub fn new(view: View<'a>, spec: &'a FeatureSpec, windows: Windows<'a>) -> FeatureReader<'a> {
        let usage = if spec.by_use { view.usage() } else { &[] };
        FeatureReader { view, spec, windows, days: view.days(), usage, bought: Pace::default(), used: Pace::default() }
    }

    /// The customer on a date, not before the last; `None` for who is not live.
    pub fn at(&mut self, cut: &Cutoff) -> Option<FeatureValues> {
        self.bought.go_on(self.days, cut.day, |d| (d.active > 0).then_some(d.day), |d| d.day);
        self.used.go_on(self.usage, cut.day, |u| (u.quantity > 0).then_some(u.day), |u| u.day);
        let yesterday = cut.day.plus(-1);
        let values = match self.view.rule() {
            LiveRule::Subscriptions(rule) => {
                let mut live = LiveSubscriptions::default();
                running(self.view.subscriptions(), rule, cut.day, |row| live.add(&row, cut));
                let done = if self.spec.by_use { &self.used } else { &self.bought };
                let since = live.since?;
                FeatureValues {
                    silence: yesterday.0 - done.last.unwrap_or(since).0,
                    window: self.spec.window,
                    rhythm: done.rhythm(),
                    tenure: cut.day.0 - since.0,
                    renewal: live.renewal?,
                    notice: live.called_off.filter(|_| !live.goes_on),
                    ..UNSEEN
                }
            }
            rule => {
                let last = self.bought.last?;
                let window = self.window(cut, rule)?;
                let is_live = match rule {
                    LiveRule::Period => last >= cut.last_period,
                    _ => last.plus(window) >= cut.day,
                };
                if !is_live {
                    return None;
                }
                let rhythm = self.bought.rhythm();
                FeatureValues { silence: yesterday.0 - last.0, window, rhythm, lately: self.lately(cut.day), ..UNSEEN }
            }
        };
        Some(FeatureValues { level: self.level(cut.day), answer: self.answer(cut.day), ..values })
    }

    /// The days of silence after which this customer has left.
    fn window(&self, cut: &Cutoff, rule: &LiveRule) -> Option<i32> {
        match (rule, self.windows) {
            (LiveRule::Period, _) => Some(self.spec.calendar.whole_days()),
            (LiveRule::Learned, Windows::Past(frequency_classes)) if cut.day < self.view.shape().as_of => {
                Some(frequency_classes.classes[frequency_classes.cuts.class(self.bought.rhythm())].window)
            }
            _ => self.view.window_days(),
        }
    }

    /// Whether who was live at the date left: bought nothing within the window after it, or had an end within the horizon.
    pub fn left(&self, cut: &Cutoff, values: &FeatureValues) -> bool {
        match self.view.rule() {
            LiveRule::Subscriptions(_) => {
                let yesterday = cut.day.plus(-1);
                let spells = self.view.spells();
                let spell: Option<&Spell> = spells.iter().rev().find(|s| s.start <= yesterday);
                spell.is_none_or(|s| s.end < cut.ends)
            }
            rule => {
                let ends = if *rule == LiveRule::Period { cut.ends } else { cut.day.plus(values.window) };
                let later = &self.days[self.bought.seen..];
                !later.iter().take_while(|d| d.day < ends).any(|d| d.active > 0)
            }
        }
    }

    /// Days of purchase in the last window.
    fn lately(&self, cut: Day) -> u32 {
        let from = cut.plus(-self.spec.window);
        let days = self.days[..self.bought.seen].iter().rev().take_while(|d| d.day >= from);
        days.map(|d| u32::from(d.active > 0)).sum()
    }

    fn level(&self, cut: Day) -> Option<Level> {
        let (recent_from, window) = (cut.plus(-self.spec.window), self.spec.window);
        let first = if self.spec.by_use { self.used.first } else { self.bought.first }?;
        let from = first.max(recent_from.plus(window.saturating_mul(-EARLIER_WINDOWS)));
        let earlier_days = recent_from.0 - from.0;
        if earlier_days < window {
            return None;
        }
        let (earlier, recent) = if self.spec.by_use {
            sums(&self.usage[..self.used.seen], (from, recent_from), |u| u.day, |u| u.quantity.into())
        } else {
            sums(&self.days[..self.bought.seen], (from, recent_from), |d| d.day, |d| (d.active > 0).into())
        };
        (earlier > 0).then_some(Level { recent, earlier, earlier_days })
    }

    /// The last answer that says whether the customer is content.
    fn answer(&self, cut: Day) -> Option<(Sentiment, AnswerRow)> {
        if !self.spec.features.contains(&Feature::Survey) {
            return None;
        }
        let answers = self.view.answers();
        let known = &answers[..answers.partition_point(|a| a.day < cut)];
        let fresh = known.iter().rev().take_while(|a| a.day >= cut.plus(-ANSWERS_LAST));
        fresh.filter_map(|a| Some((mark(a, self.spec.scales)?, *a))).next()
    }
}

const UNSEEN: FeatureValues = FeatureValues {
    silence: 0,
    window: 1,
    rhythm: None,
    lately: 0,
    level: None,
    tenure: 0,
    renewal: (ALWAYS_DUE, Day::NEVER),
    notice: None,
    answer: None,
};

/// Sums over [from, middle) and from there on.
fn sums<T>(
    rows: &[T],
    (from, middle): (Day, Day),
    day: impl Fn(&T) -> Day,
    amount: impl Fn(&T) -> i128,
) -> (i128, i128) {
    let at = |from: Day| rows.partition_point(|row| day(row) < from);
    let sum = |rows: &[T]| rows.iter().map(&amount).sum();
    (sum(&rows[at(from)..at(middle)]), sum(&rows[at(middle)..]))
}

/// Promoters and who is satisfied, the passive, and detractors and who is not; ces has no side that is good in every
/// survey, and exit surveys ask who has left.
fn mark(answer: &AnswerRow, [nps, csat]: [(i32, i32); 2]) -> Option<Sentiment> {
    let score = answer.score?;
    let (high, low) = match answer.kind {
        AnswerKind::Nps => (nps.1 - 1, nps.1 - 4),
        AnswerKind::Csat => (csat.1 - 1, csat.1 - 3),
        AnswerKind::Ces | AnswerKind::Exit => return None,
    };
    Some(match score {
        score if score >= 100 * high => Sentiment::High,
        score if score <= 100 * low => Sentiment::Low,
        _ => Sentiment::Middle,
    })
}

/// The live subscriptions of a customer on a date.
#[derive(Clone, Copy, Debug, Default)]
struct LiveSubscriptions {
    since: Option<Day>,
    /// Of the one that keeps the customer longest.
    renewal: Option<(usize, Day)>,
    /// Days on which they were called off.
    called_off: Option<Day>,
    /// One was not.
    goes_on: bool,
}

impl LiveSubscriptions {
    /// Who has several leaves with the last of them: one that is not due keeps him, then one that is due, then the rest.
    fn add(&mut self, row: &RunningSubscription, cut: &Cutoff) {
        self.since = Some(row.since);
        let term_ends = if row.months > 0 { cut.day.plus_months(row.months) } else { cut.day.plus(row.days) };
        let this = match row.renews {
            None => (NOT_DUE, Day::NEVER),
            Some(day) if term_ends <= cut.ends => (ALWAYS_DUE, day),
            Some(day) if day < cut.ends => (DUE, day),
            Some(day) => (NOT_DUE, day),
        };
        let keeps = |(level, day): (usize, Day)| ([0, 2, 1][level], day);
        if self.renewal.is_none_or(|other| keeps(this) > keeps(other)) {
            self.renewal = Some(this);
        }
        if row.cancelled == Day::NEVER {
            self.goes_on = true;
        } else {
            self.called_off = self.called_off.max(Some(row.cancelled));
        }
    }
}
