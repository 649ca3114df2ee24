//! What folds and scorers see of a customer.

use std::sync::Arc;

use super::foreign_currency::keep_rates;
use super::history::{CustomerHistory, CustomerId};
use super::identity::CustomerHasher;
use super::lens::{Lens, LiveRule};
use super::movements::{MovementInputs, MovementRun, Scratch, movements};
use super::ordered::Ordered;
use super::rows::{AnswerRow, DayRow, UseRow};
use super::segments::{SegmentAt, SegmentOrigin};
use super::shape::{Basis, Frame, Shape};
use super::spells::{Spell, begins_anew, spells};
use super::subscription_periods::{LiveRange, RenewalDue, SubscriptionCounts, live_ranges, paid_from};
use crate::calendar::Day;
use crate::error::Result;
use crate::exchange::{ConversionError, OWN_CURRENCY};
use crate::rows::{NO_VALUE, Subscription, ValueCode};
pub use crate::source_kind::Needs;

/// A segment's values of one customer over time, as ranks of the dictionary.
#[derive(Clone, Debug, Default)]
pub struct SegmentTimeline {
    first: u32,
    /// From that day's end on the customer has this value.
    steps: Vec<(Day, u32)>,
}

impl SegmentTimeline {
    /// One value for good.
    fn constant(rank: u32) -> SegmentTimeline {
        let steps = if rank == NO_VALUE { vec![] } else { vec![(Day(i32::MIN), rank)] };
        SegmentTimeline { first: rank, steps }
    }

    /// The values of two segments together, each as it counts in its own; known from the beginning, for to have none is a
    /// value of a pair.
    fn crossed(
        (a, at_a): (&SegmentTimeline, SegmentAt),
        (b, at_b): (&SegmentTimeline, SegmentAt),
        pair: impl Fn(u32, u32) -> u32,
    ) -> SegmentTimeline {
        let on = |steps: &SegmentTimeline, at: SegmentAt, day: Day| match at {
            SegmentAt::Opening => steps.on(day),
            SegmentAt::First => steps.first(),
            SegmentAt::Latest => steps.latest(),
        };
        let first = |steps: &SegmentTimeline, at: SegmentAt| {
            if at == SegmentAt::Latest { steps.latest() } else { steps.first() }
        };
        let changes = |steps: &SegmentTimeline, at: SegmentAt| {
            if at == SegmentAt::Opening { steps.steps.clone() } else { vec![] }
        };
        let mut days: Vec<Day> = changes(a, at_a).into_iter().chain(changes(b, at_b)).map(|(day, _)| day).collect();
        days.push(Day(i32::MIN));
        days.sort_unstable();
        days.dedup();
        let mut steps: Vec<(Day, u32)> = days.into_iter().map(|d| (d, pair(on(a, at_a, d), on(b, at_b, d)))).collect();
        steps.dedup_by_key(|(_, rank)| *rank);
        SegmentTimeline { first: pair(first(a, at_a), first(b, at_b)), steps }
    }

    /// The value known at the end of `day`, [`NO_VALUE`] before the first.
    pub fn on(&self, day: Day) -> u32 {
        match self.steps.partition_point(|(from, _)| *from <= day) {
            0 => NO_VALUE,
            n => self.steps[n - 1].1,
        }
    }

    /// The value of the earliest row.
    pub fn first(&self) -> u32 {
        if self.steps.is_empty() { NO_VALUE } else { self.first }
    }

    pub fn latest(&self) -> u32 {
        self.steps.last().map_or(NO_VALUE, |s| s.1)
    }

    /// Every value that the customer ever had, with repetitions.
    pub fn all(&self) -> impl Iterator<Item = u32> {
        self.steps.iter().map(|s| s.1)
    }

    /// Each day on which the value changes, and what it is from then on.
    pub fn each(&self) -> impl Iterator<Item = (Day, u32)> {
        self.steps.iter().copied()
    }

    /// Days on which the value changes.
    pub fn changes(&self) -> impl Iterator<Item = Day> {
        self.steps.iter().map(|s| s.0)
    }
}

/// The first day of activity, or of paid time.
fn first_day(shape: &Shape, subscriptions: &[Subscription], days: &[DayRow]) -> Option<Day> {
    match shape.basis {
        Basis::Transactions => days.iter().find(|d| d.active > 0).map(|d| d.day),
        Basis::Subscriptions => {
            subscriptions.iter().filter(|t| t.amount > 0).map(paid_from).filter(|day| *day < shape.as_of).min()
        }
    }
}

#[derive(Default)]
struct LensResult {
    ranges: Vec<LiveRange>,
    renewals_due: Vec<RenewalDue>,
    spells: Vec<Spell>,
    runs: Vec<MovementRun>,
    subscriptions: SubscriptionCounts,
    /// The first spell is none of a new customer.
    before: bool,
}

/// A worker's eyes: looks at one customer after the other through every lens of the run, reusing its buffers.
pub struct LensEvaluator {
    shape: Arc<Shape>,
    lenses: Arc<[Lens]>,
    frames: Vec<Arc<Frame>>,
    /// By lens; `None`: nobody looks through it.
    results: Vec<Option<LensResult>>,
    segments: Vec<SegmentTimeline>,
    scratch: Scratch,
    ordered: Ordered,
    /// The first day on which a currency had no rate that somebody needed.
    missing: Option<ConversionError>,
}

impl LensEvaluator {
    /// `through`: numbers of the lenses through which spells and movements are looked at.
    pub fn new(shape: Arc<Shape>, lenses: Arc<[Lens]>, through: &[usize]) -> LensEvaluator {
        let frames = lenses.iter().map(|lens| shape.frame(lens.period).clone()).collect();
        let segments = vec![SegmentTimeline::default(); shape.dictionary.segments.len()];
        let results = (0..lenses.len()).map(|lens| through.contains(&lens).then(LensResult::default)).collect();
        LensEvaluator {
            shape,
            lenses,
            frames,
            results,
            segments,
            scratch: Scratch::default(),
            ordered: Ordered::default(),
            missing: None,
        }
    }

    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The first rate that was missing so far: whoever walks asks at the end, so that it does not matter who was looked at
    /// first.
    pub fn missing(&self) -> Option<ConversionError> {
        self.missing
    }

    /// Looks at a customer; `None` if the customer does not exist: known neither to the basis source nor to
    /// `customers` before as_of.
    ///
    /// # Errors
    /// When the customer's money is beyond what a table can hold.
    pub fn evaluate<'a>(&'a mut self, history: &'a CustomerHistory<'a>) -> Result<Option<CustomerContext<'a>>> {
        let as_of = self.shape.as_of;
        let days = &history.days[..history.days.partition_point(|d| d.day < as_of)];
        let signed_up = history.member.map(|m| m.signed_up).filter(|day| *day < as_of);
        let in_basis = match self.shape.basis {
            Basis::Transactions => !days.is_empty(),
            Basis::Subscriptions => history.subscriptions.iter().any(|t| t.started < as_of),
        };
        let is_member = history.member.is_some_and(|m| m.signed_up == Day::NEVER || m.signed_up < as_of);
        if !in_basis && !is_member {
            return Ok(None);
        }
        self.ordered.read(history, &self.shape.labels);
        self.read_segments(history, days, as_of);
        let subscriptions = self.ordered.subscriptions(history);
        for ((lens, frame), results) in self.lenses.iter().zip(&self.frames).zip(&mut self.results) {
            let Some(results) = results else { continue };
            let until = lens.until.unwrap_or(as_of);
            let days = &days[..days.partition_point(|d| d.day < until)];
            results.ranges.clear();
            results.renewals_due.clear();
            results.subscriptions = SubscriptionCounts::default();
            if let LiveRule::Subscriptions(rule) = &lens.rule {
                live_ranges(
                    subscriptions,
                    rule,
                    until,
                    &mut results.ranges,
                    &mut results.renewals_due,
                    &mut results.subscriptions,
                )?;
                if !rule.rates_move {
                    keep_rates(
                        subscriptions,
                        &mut results.ranges,
                        rule.gap_days,
                        &self.shape.rates,
                        &mut self.scratch.fault,
                    );
                }
            }
            let rule = match (&lens.rule, &self.shape.learned.frequency_classes) {
                (LiveRule::Learned, Some(frequency_classes)) => LiveRule::Window(frequency_classes.window(days)),
                (rule, _) => *rule,
            };
            spells(&rule, frame, days, &results.ranges, until, &mut results.spells);
            results.before = signed_up.is_some_and(|day| day < self.shape.observed_from)
                && results.spells.first().is_some_and(|s| s.end > self.shape.observed_from);
            let seen_before = results.before;
            let of = MovementInputs {
                rule: &rule,
                frame,
                days,
                ranges: &results.ranges,
                spells: &results.spells,
                seen_before,
                until,
            };
            movements(&of, &mut self.scratch, &mut results.runs);
            match self.scratch.fault.take() {
                Some(ConversionError::Beyond) => return Err(self.shape.rates.error(ConversionError::Beyond)),
                Some(missing) => self.missing = Some(self.missing.map_or(missing, |known| known.min(missing))),
                None => {}
            }
        }
        Ok(Some(CustomerContext { evaluator: self, history, days, signed_up, in_basis }))
    }

    fn read_segments(&mut self, history: &CustomerHistory<'_>, days: &[DayRow], as_of: Day) {
        let dictionary = &self.shape.dictionary;
        self.segments.iter_mut().for_each(|s| s.steps.clear());
        for (segment, code) in history.member.into_iter().flat_map(|m| &m.values) {
            let rank = dictionary.segments[usize::from(*segment)].rank(*code);
            if rank != NO_VALUE {
                self.segments[usize::from(*segment)] =
                    SegmentTimeline { first: rank, steps: vec![(Day(i32::MIN), rank)] };
            }
        }
        // Of the rows of a day the one of the latest instant counts, of those at one instant the greatest value; for
        // the first value likewise the earliest and the least.
        for group in history.values.chunk_by(|a, b| (a.segment, a.day) == (b.segment, b.day)) {
            let (head, tail) = (group[0], group[group.len() - 1]);
            if head.day >= as_of {
                continue;
            }
            let (steps, column) =
                (&mut self.segments[usize::from(head.segment)], &dictionary.segments[usize::from(head.segment)]);
            let ranks = |instant: i64| group.iter().filter(move |r| r.instant == instant).map(|r| column.rank(r.code));
            if steps.steps.is_empty() {
                steps.first = ranks(head.instant).min().unwrap_or(NO_VALUE);
            }
            // NO_VALUE is the greatest code: a row without a value does not outrank one with.
            let known = |instant| ranks(instant).filter(|r| *r != NO_VALUE).max();
            let rank = known(tail.instant).unwrap_or(NO_VALUE);
            if steps.steps.last().is_none_or(|(_, last)| *last != rank) {
                steps.steps.push((head.day, rank));
            }
        }
        for (i, column) in dictionary.segments.iter().enumerate() {
            match column.origin {
                SegmentOrigin::Column => {}
                SegmentOrigin::Builtin(builtin) => {
                    let rank = builtin.rank(&self.shape, days, first_day(&self.shape, history.subscriptions, days));
                    self.segments[i] = SegmentTimeline::constant(rank);
                }
                SegmentOrigin::Crossed(a, b) => {
                    let of = |segment: usize| (&self.segments[segment], dictionary.segments[segment].at);
                    self.segments[i] = SegmentTimeline::crossed(of(a), of(b), |x, y| dictionary.pair((a, b), (x, y)));
                }
            }
        }
    }
}

/// One customer, seen through every lens.
pub struct CustomerContext<'a> {
    evaluator: &'a LensEvaluator,
    history: &'a CustomerHistory<'a>,
    days: &'a [DayRow],
    signed_up: Option<Day>,
    in_basis: bool,
}

impl<'a> CustomerContext<'a> {
    pub fn id(&self) -> CustomerId<'a> {
        self.history.id
    }

    /// Through one lens, by its number in the run's list.
    pub fn through(&'a self, lens: usize, needs: Needs) -> View<'a> {
        View {
            customer: self,
            lens: &self.evaluator.lenses[lens],
            frame: &self.evaluator.frames[lens],
            results: self.evaluator.results[lens].as_ref(),
            needs,
        }
    }
}

/// One customer through one lens.
#[derive(Clone, Copy)]
pub struct View<'a> {
    customer: &'a CustomerContext<'a>,
    lens: &'a Lens,
    frame: &'a Frame,
    results: Option<&'a LensResult>,
    needs: Needs,
}

impl<'a> View<'a> {
    pub fn id(&self) -> CustomerId<'a> {
        self.customer.history.id
    }

    /// What tells the customer from others where a sample is drawn: of the id alone, and fixed for ever.
    pub fn hash(&self) -> u64 {
        match self.id() {
            CustomerId::Integer(id) => CustomerHasher::default().integer(id),
            CustomerId::Text(id) => CustomerHasher::default().text(id.as_bytes()),
        }
    }

    pub fn shape(&self) -> &'a Shape {
        &self.customer.evaluator.shape
    }

    pub fn frame(&self) -> &'a Frame {
        self.frame
    }

    pub fn rule(&self) -> &'a LiveRule {
        &self.lens.rule
    }

    /// Nothing dated from here on is seen.
    pub fn until(&self) -> Day {
        self.lens.until.unwrap_or(self.shape().as_of)
    }

    /// What the lens shows.
    fn results(&self) -> &'a LensResult {
        self.results.expect("who looks through a lens has said so")
    }

    /// Known to the basis source, not to `customers` alone.
    pub fn in_basis(&self) -> bool {
        self.customer.in_basis
    }

    /// Known to source `customers`.
    pub fn is_member(&self) -> bool {
        self.customer.history.member.is_some()
    }

    /// How many differing rows of `customers` lost against the one that counts.
    pub fn conflicts(&self) -> u32 {
        self.customer.history.member.map_or(0, |m| m.conflicts)
    }

    /// Days with transactions before the lens' end, in order.
    pub fn days(&self) -> &'a [DayRow] {
        let until = self.until();
        &self.customer.days[..self.customer.days.partition_point(|d| d.day < until)]
    }

    /// Days with transactions at or after as_of, which nothing else sees.
    pub fn days_after(&self) -> usize {
        self.customer.history.days.len() - self.customer.days.len()
    }

    /// Days of use, and answers, at or after as_of, which nothing else sees.
    pub fn usage_and_surveys_after(&self) -> (usize, usize) {
        let (CustomerHistory { usage, answers, .. }, as_of) = (self.customer.history, self.shape().as_of);
        let answered = answers.partition_point(|a| a.day < as_of);
        (usage.len() - usage.partition_point(|u| u.day < as_of), answers.len() - answered)
    }

    /// Orders of a day; 0 for who did not declare the need.
    pub fn orders(&self, day: &DayRow) -> i64 {
        if self.needs.orders { i64::from(day.orders) } else { 0 }
    }

    pub fn ranges(&self) -> &'a [LiveRange] {
        &self.results().ranges
    }

    /// Subscription rows, as they were exported.
    pub fn subscriptions(&self) -> &'a [Subscription] {
        self.customer.evaluator.ordered.subscriptions(self.customer.history)
    }

    /// What a live subscription costs an interval, in minor units of `money.currency`: at the rate of as_of, or at the one
    /// that it keeps.
    pub fn price(&self, range: &LiveRange) -> i64 {
        let Subscription { amount, currency, .. } = self.subscriptions()[range.row as usize];
        let worth = match range.rated {
            _ if currency == OWN_CURRENCY => return amount,
            Day::NEVER => self.frame.worth(currency, amount, self.frame.len()),
            day => self.shape().rates.worth_on(currency, amount, day),
        };
        // Without a rate the walk ends with that.
        worth.unwrap_or(0)
    }

    pub fn renewals_due(&self) -> &'a [RenewalDue] {
        &self.results().renewals_due
    }

    pub fn spells(&self) -> &'a [Spell] {
        &self.results().spells
    }

    /// Whether a spell is of a new customer, and not a return.
    pub fn begins_anew(&self, which: usize) -> bool {
        begins_anew(self.spells(), which, self.results().before, self.lens.rule.reactivation())
    }

    pub fn runs(&self) -> &'a [MovementRun] {
        &self.results().runs
    }

    pub fn subscription_counts(&self) -> &'a SubscriptionCounts {
        &self.results().subscriptions
    }

    /// What the customer used before the lens' end, day by day in order; nothing for who did not declare the need.
    pub fn usage(&self) -> &'a [UseRow] {
        let usage = if self.needs.usage { self.customer.history.usage } else { &[] };
        &usage[..usage.partition_point(|u| u.day < self.until())]
    }

    /// Answers to surveys before the lens' end, unanswered invitations among them, in order of time; nothing for who did
    /// not declare the need.
    pub fn answers(&self) -> &'a [AnswerRow] {
        let answers =
            if self.needs.surveys { self.customer.evaluator.ordered.answers(self.customer.history) } else { &[] };
        &answers[..answers.partition_point(|a| a.day < self.until())]
    }

    /// The rank of a term's or an answer's reason; [`NO_VALUE`] if there is none, and for who did not declare the need.
    pub fn reason(&self, code: ValueCode) -> u32 {
        if self.needs.reasons { self.shape().labels.reasons.rank(code) } else { NO_VALUE }
    }

    /// The rank of the channel that won the customer; [`NO_VALUE`] if none is known, and for who did not declare the
    /// need.
    pub fn channel(&self) -> u32 {
        let code = self.customer.history.member.filter(|_| self.needs.channels).map_or(NO_VALUE, |m| m.channel);
        self.shape().labels.channels.rank(code)
    }

    /// Whether another customer referred this one; declared as channels are.
    pub fn referred(&self) -> bool {
        self.needs.channels && self.customer.history.member.is_some_and(|m| m.referred)
    }

    /// Days after which silence is churn; `None` where it is the end of a subscription.
    pub fn window_days(&self) -> Option<i32> {
        match self.lens.rule {
            LiveRule::Window(days) => Some(days),
            LiveRule::Period => Some(self.lens.period.whole_days()),
            LiveRule::Learned => self.shape().learned.frequency_classes.as_ref().map(|h| h.window(self.customer.days)),
            LiveRule::Subscriptions(_) => None,
        }
    }

    /// First day of activity, or of the first spell.
    pub fn first_day(&self) -> Option<Day> {
        match self.lens.rule {
            LiveRule::Subscriptions(_) => self.results().spells.first().map(|s| s.start),
            LiveRule::Period | LiveRule::Window(_) | LiveRule::Learned => {
                self.days().iter().find(|d| d.active > 0).map(|d| d.day)
            }
        }
    }

    /// `signed_up_at`, if it is known and before as_of.
    pub fn signed_up(&self) -> Option<Day> {
        self.customer.signed_up
    }

    /// The values of a segment over time.
    pub fn segment(&self, segment: usize) -> &'a SegmentTimeline {
        &self.customer.evaluator.segments[segment]
    }
}
