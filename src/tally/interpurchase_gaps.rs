//! Gaps between purchases. Frequency classes are cut by customers' mean gaps, and the churn window of each class is estimated
//! from the gaps of its customers (DEFINITIONS §2).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::calendar::Day;
use crate::engine::plan::{Fold, FoldSpec, Needs, Plan};
use crate::engine::step_outputs::{Ref, StepOutputs};
use crate::error::{Error, Result};
use crate::stats::churn_window::churn_window;
use crate::stats::survival::{EventCounts, EventTable};
use crate::tally::ranking::order_statistics;
use crate::timeline::lens::Lens;
use crate::timeline::purchase_frequency::{
    FrequencyClass, FrequencyClasses, FrequencyCuts, MeanGap, PurchaseRhythm, QUINTILES,
};
use crate::timeline::purchases::Until;
use crate::timeline::shape::Shape;
use crate::timeline::view::View;

/// How churn windows are estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Learning {
    /// q in millionths: of the customers who buy again, the share who do so within the window.
    pub quantile_millionths: u32,
    /// Only days before this one are used; `None` for as_of.
    pub until: Option<Day>,
}

impl Learning {
    fn until(&self, shape: &Shape) -> Day {
        self.until.unwrap_or(shape.as_of).min(shape.as_of)
    }
}

/// Registers the estimation, which takes two rounds: the cuts between the classes, then the gaps of each class.
pub fn plan(plan: &mut Plan, lens: Lens, learning: Learning) -> Ref<FrequencyClasses> {
    plan_before(plan, lens, learning, Until::AsOf)
}

/// The same with only days before `until`, for figures as they were known at a past date.
pub fn plan_before(plan: &mut Plan, lens: Lens, learning: Learning, until: Until) -> Ref<FrequencyClasses> {
    let end = move |shape: &Shape| learning.until(shape).min(until.day(shape));
    let said = learning.until.map_or("as_of".into(), |day| day.to_string());
    let said = if until == Until::AsOf { said } else { format!("{said}, before {until:?}") };
    let spec = |kind, after| FoldSpec {
        kind,
        params: format!("learned until {said}"),
        lens,
        needs: Needs::default(),
        after,
        reach: 0,
    };
    let means =
        plan.fold(spec("mean gaps", vec![]), move |known: &StepOutputs| Ok(MeanGapsFold { until: end(&known.shape) }));
    let cuts = plan.derive(&[means.id()], move |known| {
        let cuts = order_statistics(&*known.get(means)?, QUINTILES as u64);
        Ok(FrequencyCuts(cuts))
    });
    let gaps = plan.fold(spec("gaps", vec![cuts.id()]), move |known: &StepOutputs| {
        Ok(GapsFold { until: end(&known.shape), cuts: FrequencyCuts::clone(&*known.get(cuts)?) })
    });
    plan.derive(&[gaps.id()], move |known| {
        let (cuts, gaps) = (known.get(cuts)?, known.get(gaps)?);
        learn(&known.shape, (learning.quantile_millionths, end(&known.shape)), FrequencyCuts::clone(&cuts), &gaps)
    })
}

/// Counts customers with at least two purchases by their mean gap.
pub struct MeanGapsFold {
    until: Day,
}

pub type MeansTally = BTreeMap<MeanGap, u64>;

impl Fold for MeanGapsFold {
    type Tally = MeansTally;

    fn spells(&self) -> bool {
        false
    }

    fn cells(&self, shape: &Shape) -> u64 {
        // Fractions of g gaps of up to n days, at least one each.
        let days = (shape.as_of.0 - shape.first_day.0).max(0) as u64;
        days.saturating_mul(days) / 2 + 1
    }

    fn cells_of_one(&self, _: &Shape) -> u64 {
        1
    }

    fn start(&self) -> MeansTally {
        BTreeMap::new()
    }

    fn observe(&self, tally: &mut MeansTally, view: &View<'_>) {
        if let Some(mean) = PurchaseRhythm::before(view.days(), self.until).and_then(|r| r.mean_gap()) {
            *tally.entry(mean).or_default() += 1;
        }
    }

    fn merge(&self, into: &mut MeansTally, from: MeansTally) {
        from.into_iter().for_each(|(mean, customers)| *into.entry(mean).or_default() += customers);
    }

    fn size(&self, tally: &MeansTally) -> u64 {
        tally.len() as u64
    }
}

/// The number of gaps of one length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapCounts {
    /// Gaps that ended in a purchase.
    pub bought: u64,
    /// Gaps that had not ended when last observed (censored).
    pub open: u64,
}

/// Gaps by class and length in days.
pub type GapsTally = BTreeMap<(u8, u32), GapCounts>;

pub struct GapsFold {
    until: Day,
    cuts: FrequencyCuts,
}

impl Fold for GapsFold {
    type Tally = GapsTally;

    fn spells(&self) -> bool {
        false
    }

    fn cells(&self, shape: &Shape) -> u64 {
        2 * (QUINTILES as u64 + 1) * ((shape.as_of.0 - shape.first_day.0).max(0) as u64 + 1)
    }

    fn start(&self) -> GapsTally {
        BTreeMap::new()
    }

    fn observe(&self, tally: &mut GapsTally, view: &View<'_>) {
        let rhythm = PurchaseRhythm::before(view.days(), self.until);
        let Some(PurchaseRhythm { last, .. }) = rhythm else { return };
        let class = self.cuts.class(rhythm) as u8;
        let mut active = view.days().iter().take_while(|d| d.day < self.until).filter(|d| d.active > 0).peekable();
        while let Some(day) = active.next() {
            if let Some(next) = active.peek() {
                tally.entry((class, (next.day.0 - day.day.0) as u32)).or_default().bought += 1;
            }
        }
        // The last gap was still open on the last observed day.
        tally.entry((class, (self.until.0 - 1 - last.0) as u32)).or_default().open += 1;
    }

    fn merge(&self, into: &mut GapsTally, from: GapsTally) {
        for (key, from) in from {
            let to = into.entry(key).or_default();
            to.bought += from.bought;
            to.open += from.open;
        }
    }

    fn size(&self, tally: &GapsTally) -> u64 {
        2 * tally.len() as u64
    }
}

fn learn(
    shape: &Shape,
    (quantile, until): (u32, Day),
    cuts: FrequencyCuts,
    gaps: &GapsTally,
) -> Result<FrequencyClasses> {
    let quantile = f64::from(quantile) / 1e6;
    // If nobody ever bought twice, the window is the whole span, so that nobody counts as gone.
    let span = (until.0 - shape.observed_from.0).max(1);
    let everybody = frequency_class(gaps.iter().map(|((_, days), ended)| (*days, *ended)), quantile, span)?;
    let mut classes = [everybody; QUINTILES + 1];
    for (number, class) in (0u8..).zip(&mut classes) {
        let of_class = gaps.range((number, 0)..=(number, u32::MAX)).map(|((_, days), ended)| (*days, *ended));
        *class = frequency_class(of_class, quantile, everybody.window)?;
        if usize::from(number) == QUINTILES {
            class.window = everybody.window;
        }
    }
    Ok(FrequencyClasses { until, quantile, cuts, classes, everybody })
}

/// The class of the customers with these gaps; its window is `otherwise` if no gap ever ended.
fn frequency_class(
    gaps: impl Iterator<Item = (u32, GapCounts)> + Clone,
    quantile: f64,
    otherwise: i32,
) -> Result<FrequencyClass> {
    let sum = |of: fn(&GapCounts) -> u64| gaps.clone().map(|(_, ended)| of(&ended)).sum::<u64>();
    let (intervals, censored) = (sum(|e| e.bought), sum(|e| e.open));
    let start = EventCounts { time: 0, entered: intervals + censored, ..EventCounts::default() };
    let moment = |(time, e): (u32, GapCounts)| EventCounts { time, entered: 0, events: e.bought, censored: e.open };
    let event_table = EventTable::from_counts(gaps.clone().map(moment).chain([start]))
        .ok_or_else(|| Error::internal("more gaps end than begin"))?;
    let window = churn_window(&event_table, quantile);
    Ok(FrequencyClass {
        customers: censored,
        intervals,
        censored,
        share_returning: window
            .map(|w| w.share_returning)
            .or((event_table.customers() > event_table.never_at_risk()).then_some(0.0)),
        window: window.map_or(otherwise, |w| w.days as i32),
    })
}
