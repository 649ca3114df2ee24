//! Reads the risk features of a customer at one date after the other.

use super::lens::LiveRule;
use super::purchase_frequency::{FrequencyClasses, PurchaseRhythm};
use super::risk_features::{
    ALWAYS_DUE, ANSWERS_LAST, Cutoff, DUE, EARLIER_WINDOWS, Feature, FeatureSpec, FeatureValues, Level, NOT_DUE,
    Sentiment,
};
use super::rows::{AnswerKind, AnswerRow, DayRow, UseRow};
use super::spells::Spell;
use super::subscription_periods::{RunningSubscription, running};
use super::view::View;
use crate::calendar::Day;

/// The days of activity up to a date, counted incrementally.
#[derive(Clone, Copy, Debug, Default)]
struct ActivityDays {
    /// The number of rows that were read.
    read: usize,
    days: u32,
    first: Option<Day>,
    last: Option<Day>,
}

impl ActivityDays {
    /// Reads the rows dated before `until`. `day`: the day of a row that is activity.
    fn read_until<T>(&mut self, rows: &[T], until: Day, day: impl Fn(&T) -> Option<Day>, dated: impl Fn(&T) -> Day) {
        while let Some(row) = rows.get(self.read).filter(|row| dated(row) < until) {
            self.read += 1;
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

/// Which churn windows count at past dates.
#[derive(Clone, Copy)]
pub enum Windows<'a> {
    /// Those of the run.
    Now,
    /// Those learned before all dates. The customer is in the class that their purchases before the date say.
    Past(&'a FrequencyClasses),
}

/// Reads the features of a customer at one date after the other, in order of time.
pub struct FeatureReader<'a> {
    view: View<'a>,
    spec: &'a FeatureSpec,
    windows: Windows<'a>,
    days: &'a [DayRow],
    usage: &'a [UseRow],
    bought: ActivityDays,
    used: ActivityDays,
}

impl<'a> FeatureReader<'a> {
    pub fn new(view: View<'a>, spec: &'a FeatureSpec, windows: Windows<'a>) -> FeatureReader<'a> {
        let usage = if spec.by_use { view.usage() } else { &[] };
        FeatureReader {
            view,
            spec,
            windows,
            days: view.days(),
            usage,
            bought: ActivityDays::default(),
            used: ActivityDays::default(),
        }
    }

    /// The features at a cutoff, which is not before that of the last call; `None` if the customer is not live then.
    pub fn at(&mut self, cut: &Cutoff) -> Option<FeatureValues> {
        self.bought.read_until(self.days, cut.day, |d| (d.active > 0).then_some(d.day), |d| d.day);
        self.used.read_until(self.usage, cut.day, |u| (u.quantity > 0).then_some(u.day), |u| u.day);
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
                    notice: live.cancelled.filter(|_| !live.any_uncancelled),
                    ..NO_VALUES
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
                FeatureValues {
                    silence: yesterday.0 - last.0,
                    window,
                    rhythm,
                    lately: self.lately(cut.day),
                    ..NO_VALUES
                }
            }
        };
        Some(FeatureValues { level: self.level(cut.day), answer: self.answer(cut.day), ..values })
    }

    /// The customer's churn window at the cutoff, in days.
    fn window(&self, cut: &Cutoff, rule: &LiveRule) -> Option<i32> {
        match (rule, self.windows) {
            (LiveRule::Period, _) => Some(self.spec.calendar.whole_days()),
            (LiveRule::Learned, Windows::Past(frequency_classes)) if cut.day < self.view.shape().as_of => {
                Some(frequency_classes.classes[frequency_classes.cuts.class(self.bought.rhythm())].window)
            }
            _ => self.view.window_days(),
        }
    }

    /// True if the customer, who was live at the cutoff, left after it: they bought nothing within the window, or their
    /// spell ended within the horizon. `cut`: that of the last call of [`at`](FeatureReader::at).
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
                let later = &self.days[self.bought.read..];
                !later.iter().take_while(|d| d.day < ends).any(|d| d.active > 0)
            }
        }
    }

    /// The number of days of purchase in the last window.
    fn lately(&self, cut: Day) -> u32 {
        let from = cut.plus(-self.spec.window);
        let days = self.days[..self.bought.read].iter().rev().take_while(|d| d.day >= from);
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
            sums(&self.usage[..self.used.read], (from, recent_from), |u| u.day, |u| u.quantity.into())
        } else {
            sums(&self.days[..self.bought.read], (from, recent_from), |d| d.day, |d| (d.active > 0).into())
        };
        (earlier > 0).then_some(Level { recent, earlier, earlier_days })
    }

    /// The last survey answer with a sentiment, if it is at most a year old.
    fn answer(&self, cut: Day) -> Option<(Sentiment, AnswerRow)> {
        if !self.spec.features.contains(&Feature::Survey) {
            return None;
        }
        let answers = self.view.answers();
        let known = &answers[..answers.partition_point(|a| a.day < cut)];
        let fresh = known.iter().rev().take_while(|a| a.day >= cut.plus(-ANSWERS_LAST));
        fresh.filter_map(|a| Some((sentiment(a, self.spec.scales)?, *a))).next()
    }
}

/// The defaults of features that do not apply.
const NO_VALUES: FeatureValues = FeatureValues {
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

/// The sums over the days of `[from, middle)`, and of those from `middle` on.
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

/// Maps NPS and CSAT scores to High, Middle or Low. CES gives `None`, since surveys differ in which end of it is good,
/// and so do exit surveys, which ask customers who have left. `[nps, csat]`: their lowest and highest score.
fn sentiment(answer: &AnswerRow, [nps, csat]: [(i32, i32); 2]) -> Option<Sentiment> {
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

/// The live subscriptions of a customer at a cutoff, summarised.
#[derive(Clone, Copy, Debug, Default)]
struct LiveSubscriptions {
    since: Option<Day>,
    /// That of the subscription that keeps the customer longest.
    renewal: Option<(usize, Day)>,
    /// The last day on which one was cancelled.
    cancelled: Option<Day>,
    /// True if one was not cancelled.
    any_uncancelled: bool,
}

impl LiveSubscriptions {
    /// A customer with several subscriptions leaves with the last of them: one that is not due keeps them longest, then
    /// one that is due within the horizon, then one that is always due.
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
            self.any_uncancelled = true;
        } else {
            self.cancelled = self.cancelled.max(Some(row.cancelled));
        }
    }
}
