//! Evaluates one customer after the other under every lens of a walk.

use std::sync::Arc;

use super::boundary_states::{MovementInputs, Scratch};
use super::foreign_currency::keep_rates;
use super::history::CustomerHistory;
use super::lens::{Lens, LiveRule};
use super::movements::{MovementRun, movements};
use super::ordered::Ordered;
use super::renewals_due::RenewalDue;
use super::segment_timeline::{self, SegmentTimeline};
use super::shape::{Basis, Frame, Shape};
use super::spells::{Spell, spells};
use super::subscription_periods::{LiveRange, live_ranges};
use super::subscription_spans::SubscriptionCounts;
use super::view::CustomerContext;
use crate::calendar::Day;
use crate::error::Result;
use crate::exchange::ConversionError;

/// What a customer is under one lens.
#[derive(Default)]
pub(super) struct LensResult {
    pub ranges: Vec<LiveRange>,
    pub renewals_due: Vec<RenewalDue>,
    pub spells: Vec<Spell>,
    pub runs: Vec<MovementRun>,
    pub counts: SubscriptionCounts,
    /// The company knew the customer before the window began, so that the first spell is a return.
    pub seen_before: bool,
}

/// Evaluates one customer after the other under every lens of a walk, reusing its buffers. Each worker has one.
pub struct LensEvaluator {
    pub(super) shape: Arc<Shape>,
    pub(super) lenses: Arc<[Lens]>,
    /// Indexed by lens.
    pub(super) frames: Vec<Arc<Frame>>,
    /// Indexed by lens; `None` if no fold uses that lens in this walk.
    pub(super) results: Vec<Option<LensResult>>,
    /// Indexed by segment.
    pub(super) segments: Vec<SegmentTimeline>,
    scratch: Scratch,
    pub(super) ordered: Ordered,
    /// The earliest exchange rate that was needed and missing.
    missing: Option<ConversionError>,
}

impl LensEvaluator {
    /// `through`: the numbers of the lenses under which spells and movements are computed.
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

    /// The shape of the data that customers are evaluated with.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Earliest missing exchange rate seen. Checked once after the walk, so the error is deterministic.
    pub fn missing(&self) -> Option<ConversionError> {
        self.missing
    }

    /// Evaluates a customer. `None` if no figure counts them: they have no row in the basis source before as_of, and
    /// none in `customers`.
    ///
    /// # Errors
    /// Input: the customer's money is beyond what a table can hold.
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
        segment_timeline::read(&mut self.segments, &self.shape, history, days);
        let subscriptions = self.ordered.subscriptions(history);
        for ((lens, frame), results) in self.lenses.iter().zip(&self.frames).zip(&mut self.results) {
            let Some(results) = results else { continue };
            let until = lens.until.unwrap_or(as_of);
            let days = &days[..days.partition_point(|d| d.day < until)];
            results.ranges.clear();
            results.renewals_due.clear();
            results.counts = SubscriptionCounts::default();
            if let LiveRule::Subscriptions(rule) = &lens.rule {
                live_ranges(
                    subscriptions,
                    rule,
                    until,
                    &mut results.ranges,
                    &mut results.renewals_due,
                    &mut results.counts,
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
            results.seen_before = signed_up.is_some_and(|day| day < self.shape.observed_from)
                && results.spells.first().is_some_and(|s| s.end > self.shape.observed_from);
            let inputs = MovementInputs {
                rule: &rule,
                frame,
                days,
                ranges: &results.ranges,
                spells: &results.spells,
                seen_before: results.seen_before,
                until,
            };
            movements(&inputs, &mut self.scratch, &mut results.runs);
            match self.scratch.fault.take() {
                Some(ConversionError::Beyond) => return Err(self.shape.rates.error(ConversionError::Beyond)),
                Some(missing) => self.missing = Some(self.missing.map_or(missing, |known| known.min(missing))),
                None => {}
            }
        }
        Ok(Some(CustomerContext { evaluator: self, history, days, signed_up, in_basis }))
    }
}
