//! A customer as folds and scorers see them.

use super::history::{CustomerHistory, CustomerId};
use super::identity::CustomerHasher;
use super::lens::{Lens, LiveRule};
use super::lens_evaluator::{LensEvaluator, LensResult};
use super::movements::MovementRun;
use super::renewals_due::RenewalDue;
use super::rows::{AnswerRow, DayRow, UseRow};
use super::segment_timeline::SegmentTimeline;
use super::shape::{Frame, Shape};
use super::spells::{Spell, begins_anew};
use super::subscription_periods::LiveRange;
use super::subscription_spans::SubscriptionCounts;
use crate::calendar::Day;
use crate::exchange::OWN_CURRENCY;
use crate::rows::{NO_VALUE, Subscription, ValueCode};
pub use crate::source_kind::Needs;

/// A customer, evaluated under every lens.
pub struct CustomerContext<'a> {
    pub(super) evaluator: &'a LensEvaluator,
    pub(super) history: &'a CustomerHistory<'a>,
    /// Those before as_of.
    pub(super) days: &'a [DayRow],
    pub(super) signed_up: Option<Day>,
    pub(super) in_basis: bool,
}

impl<'a> CustomerContext<'a> {
    pub fn id(&self) -> CustomerId<'a> {
        self.history.id
    }

    /// The customer under one lens, by the lens' number in the plan. `needs`: what the caller declared to read.
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

/// A customer under one lens. It shows what the fold declared as its [`Needs`], and nothing dated at or after the lens'
/// end.
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

    /// A hash by which samples are drawn. It depends on the id alone and never changes between versions.
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

    /// The lens' end, exclusive: nothing dated from here on is seen.
    pub fn until(&self) -> Day {
        self.lens.until.unwrap_or(self.shape().as_of)
    }

    /// # Panics
    /// If the fold did not declare that it reads spells (`Fold::spells`).
    fn results(&self) -> &'a LensResult {
        self.results.expect("a fold that reads spells declares it")
    }

    /// True if the customer has rows in the basis source, not in `customers` alone.
    pub fn in_basis(&self) -> bool {
        self.customer.in_basis
    }

    /// True if source `customers` has a row of the customer.
    pub fn is_member(&self) -> bool {
        self.customer.history.member.is_some()
    }

    /// The number of differing rows of `customers` that lost against the one that counts.
    pub fn conflicts(&self) -> u32 {
        self.customer.history.member.map_or(0, |m| m.conflicts)
    }

    /// Days with transactions before the lens' end, in order.
    pub fn days(&self) -> &'a [DayRow] {
        let until = self.until();
        &self.customer.days[..self.customer.days.partition_point(|d| d.day < until)]
    }

    /// The number of days with transactions at or after as_of, which are ignored.
    pub fn days_after(&self) -> usize {
        self.customer.history.days.len() - self.customer.days.len()
    }

    /// The numbers of days of usage and of survey answers at or after as_of, which are ignored.
    pub fn usage_and_surveys_after(&self) -> (usize, usize) {
        let (CustomerHistory { usage, answers, .. }, as_of) = (self.customer.history, self.shape().as_of);
        let answered = answers.partition_point(|a| a.day < as_of);
        (usage.len() - usage.partition_point(|u| u.day < as_of), answers.len() - answered)
    }

    /// The orders of a day; 0 if the fold did not declare that it needs orders.
    pub fn orders(&self, day: &DayRow) -> i64 {
        if self.needs.orders { i64::from(day.orders) } else { 0 }
    }

    /// The live ranges of the customer's subscriptions, in order.
    pub fn ranges(&self) -> &'a [LiveRange] {
        &self.results().ranges
    }

    /// The subscription rows as they were exported, sorted.
    pub fn subscriptions(&self) -> &'a [Subscription] {
        self.customer.evaluator.ordered.subscriptions(self.customer.history)
    }

    /// The price of a live subscription per billing interval, in minor units of `money.currency`, at the exchange rate
    /// of as_of or at the one that the subscription keeps.
    pub fn price(&self, range: &LiveRange) -> i64 {
        let Subscription { amount, currency, .. } = self.subscriptions()[range.row as usize];
        let worth = match range.rated {
            _ if currency == OWN_CURRENCY => return amount,
            Day::NEVER => self.frame.worth(currency, amount, self.frame.len()),
            day => self.shape().rates.worth_on(currency, amount, day),
        };
        // A missing rate ends the walk with an error: see `LensEvaluator::missing`.
        worth.unwrap_or(0)
    }

    /// The ends of paid terms, in order.
    pub fn renewals_due(&self) -> &'a [RenewalDue] {
        &self.results().renewals_due
    }

    /// The spells, in order.
    pub fn spells(&self) -> &'a [Spell] {
        &self.results().spells
    }

    /// True if spell number `which` is that of a new customer, false if it is a return.
    pub fn begins_anew(&self, which: usize) -> bool {
        begins_anew(self.spells(), which, self.results().seen_before, self.lens.rule.reactivation())
    }

    /// The movements, in order.
    pub fn runs(&self) -> &'a [MovementRun] {
        &self.results().runs
    }

    /// Counts of unusual subscription rows.
    pub fn subscription_counts(&self) -> &'a SubscriptionCounts {
        &self.results().counts
    }

    /// Usage before the lens' end, one row a day, in order; empty if the fold did not declare that it needs usage.
    pub fn usage(&self) -> &'a [UseRow] {
        let usage = if self.needs.usage { self.customer.history.usage } else { &[] };
        &usage[..usage.partition_point(|u| u.day < self.until())]
    }

    /// Survey answers before the lens' end, with invitations that were not answered, in order; empty if the fold did
    /// not declare that it needs surveys.
    pub fn answers(&self) -> &'a [AnswerRow] {
        let answers =
            if self.needs.surveys { self.customer.evaluator.ordered.answers(self.customer.history) } else { &[] };
        &answers[..answers.partition_point(|a| a.day < self.until())]
    }

    /// The rank of the reason of a subscription's cancellation or of an answer; [`NO_VALUE`] if there is none, or if
    /// the fold did not declare that it needs reasons.
    pub fn reason(&self, code: ValueCode) -> u32 {
        if self.needs.reasons { self.shape().labels.reasons.rank(code) } else { NO_VALUE }
    }

    /// The rank of the channel by which the customer was acquired; [`NO_VALUE`] if it is unknown, or if the fold did
    /// not declare that it needs channels.
    pub fn channel(&self) -> u32 {
        let code = self.customer.history.member.filter(|_| self.needs.channels).map_or(NO_VALUE, |m| m.channel);
        self.shape().labels.channels.rank(code)
    }

    /// True if another customer referred this one; false if the fold did not declare that it needs channels.
    pub fn referred(&self) -> bool {
        self.needs.channels && self.customer.history.member.is_some_and(|m| m.referred)
    }

    /// The days of silence after which the customer has churned; `None` on subscriptions, where they churn at an end.
    pub fn window_days(&self) -> Option<i32> {
        match self.lens.rule {
            LiveRule::Window(days) => Some(days),
            LiveRule::Period => Some(self.lens.period.whole_days()),
            LiveRule::Learned => self.shape().learned.frequency_classes.as_ref().map(|h| h.window(self.customer.days)),
            LiveRule::Subscriptions(_) => None,
        }
    }

    /// The first day of activity, or of the first spell on subscriptions.
    pub fn first_day(&self) -> Option<Day> {
        match self.lens.rule {
            LiveRule::Subscriptions(_) => self.results().spells.first().map(|s| s.start),
            LiveRule::Period | LiveRule::Window(_) | LiveRule::Learned => {
                self.days().iter().find(|d| d.active > 0).map(|d| d.day)
            }
        }
    }

    /// `signed_up_at`, if it is known and lies before as_of.
    pub fn signed_up(&self) -> Option<Day> {
        self.customer.signed_up
    }

    /// The values of a segment over time.
    pub fn segment(&self, segment: usize) -> &'a SegmentTimeline {
        &self.customer.evaluator.segments[segment]
    }
}
