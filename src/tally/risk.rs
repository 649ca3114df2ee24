//! Risk features of customers at past dates, and which of these customers left afterwards (DEFINITIONS §10).

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::calendar::Day;
use crate::engine::plan::{Fold, FoldSpec, Needs, Plan};
use crate::engine::step_outputs::{Ref, StepOutputs};
use crate::error::Result;
use crate::tally::interpurchase_gaps::{self, Learning};
use crate::timeline::feature_reader::{FeatureReader, Windows};
use crate::timeline::lens::{Lens, LiveRule};
use crate::timeline::purchase_frequency::FrequencyClasses;
use crate::timeline::purchases::Until;
use crate::timeline::risk_features::{Cutoff, Feature, FeatureSpec, LONGEST_SILENCE};
use crate::timeline::segments::SegmentIndex;
use crate::timeline::shape::{Basis, Shape};
use crate::timeline::view::View;

/// The greatest number of past dates.
pub const MOST_CUTS: usize = 24;
/// Churn windows for past dates are estimated from this share of the span, in millionths, before all of these dates.
const LEARNED_FROM: u32 = 333_333;

/// A number of customers, and how many of them left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChurnOutcome {
    /// Customers.
    pub customers: u64,
    /// Of these, those who left.
    pub left: u64,
}

impl AddAssign for ChurnOutcome {
    fn add_assign(&mut self, other: ChurnOutcome) {
        self.customers += other.customers;
        self.left += other.left;
    }
}

/// Outcomes by the number of the past date (the cut).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskTally {
    /// By cut and the levels of all features as one number ([`FeatureSpec::kind`]).
    pub kinds: BTreeMap<(u8, u32), ChurnOutcome>,
    /// By cut and silence ÷ own window in thousandths, if silence is a feature.
    pub silence: BTreeMap<(u8, u16), ChurnOutcome>,
}

/// References to the past dates and their outcomes.
#[derive(Clone, Copy)]
pub struct PastOutcomes {
    /// The past dates, in order of time.
    pub cuts: Ref<Vec<Cutoff>>,
    /// The outcomes.
    pub tally: Ref<RiskTally>,
}

/// Registers the choice of past dates, and the count of outcomes at them.
pub fn plan(
    plan: &mut Plan,
    index: Ref<SegmentIndex>,
    lens: Lens,
    features: &FeatureSpec,
    learning: Option<Learning>,
) -> PastOutcomes {
    let needs = needs(features);
    let frequency_classes = learning.filter(|_| lens.rule == LiveRule::Learned).map(|learning| {
        interpurchase_gaps::plan_before(plan, lens, learning, Until::Share(LEARNED_FROM, features.period))
    });
    let first = plan.fold(
        FoldSpec {
            kind: "first trace",
            params: if features.by_use { "usage" } else { "transactions" }.into(),
            lens,
            needs: Needs { surveys: false, ..needs },
            after: vec![],
            reach: 0,
        },
        {
            let by_use = features.by_use;
            move |_: &StepOutputs| Ok(FirstEventFold { by_use })
        },
    );
    let after: Vec<_> = frequency_classes.iter().map(Ref::id).chain([index.id(), first.id()]).collect();
    let cuts = plan.derive(&after, {
        let features = features.clone();
        move |known| {
            let first = known.get(first)?.map(Day);
            let frequency_classes =
                frequency_classes.map(|frequency_classes| known.get(frequency_classes)).transpose()?;
            Ok(cuts(&known.shape, &features, &lens.rule, first, frequency_classes.as_deref()))
        }
    });
    let spec = FoldSpec {
        kind: "risk",
        params: format!("{features:?}"),
        lens,
        needs,
        after: after.iter().copied().chain([cuts.id()]).collect(),
        reach: 0,
    };
    let features = features.clone();
    let tally = plan.fold(spec, move |known: &StepOutputs| -> Result<RiskFold> {
        let frequency_classes = frequency_classes.map(|frequency_classes| known.get(frequency_classes)).transpose()?;
        Ok(RiskFold { features: features.clone(), cuts: known.get(cuts)?, frequency_classes })
    });
    PastOutcomes { cuts, tally }
}

/// What has to be read of customers to know these features.
pub fn needs(features: &FeatureSpec) -> Needs {
    Needs { usage: features.by_use, surveys: features.features.contains(&Feature::Survey), ..Needs::default() }
}

/// The past dates: as_of less whole periods, so that they lie in a month, or a week, where as_of does. A date qualifies if
/// it is known who left after it, and if there was enough observed before it. The last [`MOST_CUTS`] are taken.
fn cuts(
    shape: &Shape,
    features: &FeatureSpec,
    rule: &LiveRule,
    first: Option<Day>,
    frequency_classes: Option<&FrequencyClasses>,
) -> Vec<Cutoff> {
    let from = shape.observed_from;
    let longest = frequency_classes.map_or(1, FrequencyClasses::longest);
    let mut earliest =
        from.plus(features.window).max(features.period.shift(from, 1)).max(features.calendar.shift(from, 1));
    match rule {
        LiveRule::Window(days) => earliest = earliest.max(from.plus(*days)),
        LiveRule::Learned => {
            earliest = earliest.max(from.plus(longest)).max(frequency_classes.map_or(from, |h| h.until));
        }
        LiveRule::Period | LiveRule::Subscriptions(_) => {}
    }
    if shape.basis == Basis::Subscriptions
        && let Some(first) = first
    {
        // Before the first row of a source silence means nothing.
        earliest = earliest.max(first.plus(features.window));
    }
    let before = (1..).map(|n| features.period.shift(shape.as_of, -n)).take_while(|day| *day >= earliest);
    let known = before.map(|day| features.cut(shape, rule, day, longest)).filter(|cut| cut.ends <= shape.as_of);
    let mut cuts: Vec<Cutoff> = known.take(MOST_CUTS).collect();
    cuts.reverse();
    cuts
}

/// Finds the first day on which any customer used or bought something.
pub struct FirstEventFold {
    by_use: bool,
}

impl Fold for FirstEventFold {
    type Tally = Option<i32>;

    fn spells(&self) -> bool {
        false
    }

    fn cells(&self, _: &Shape) -> u64 {
        1
    }

    fn start(&self) -> Option<i32> {
        None
    }

    fn observe(&self, tally: &mut Option<i32>, view: &View<'_>) {
        let first = if self.by_use { view.usage().first().map(|u| u.day) } else { view.days().first().map(|d| d.day) };
        self.merge(tally, first.map(|day| day.0));
    }

    fn merge(&self, into: &mut Option<i32>, from: Option<i32>) {
        *into = into.iter().copied().chain(from).min();
    }

    fn size(&self, tally: &Option<i32>) -> u64 {
        tally.is_some().into()
    }
}

pub struct RiskFold {
    features: FeatureSpec,
    cuts: Arc<Vec<Cutoff>>,
    frequency_classes: Option<Arc<FrequencyClasses>>,
}

/// What an outcome and its key take, in cells of 16 bytes.
const OUTCOME_CELLS: u64 = 2;

impl Fold for RiskFold {
    type Tally = RiskTally;

    fn cells(&self, _: &Shape) -> u64 {
        MOST_CUTS as u64 * OUTCOME_CELLS * (self.features.possible() + u64::from(LONGEST_SILENCE) + 1)
    }

    fn start(&self) -> RiskTally {
        RiskTally::default()
    }

    fn observe(&self, tally: &mut RiskTally, view: &View<'_>) {
        let windows = self.frequency_classes.as_deref().map_or(Windows::Now, Windows::Past);
        let mut reader = FeatureReader::new(*view, &self.features, windows);
        for (number, cut) in (0u8..).zip(&*self.cuts) {
            let Some(feature_values) = reader.at(cut) else { continue };
            let outcome = ChurnOutcome { customers: 1, left: reader.left(cut, &feature_values).into() };
            *tally.kinds.entry((number, self.features.kind(&feature_values))).or_default() += outcome;
            if self.features.features.contains(&Feature::Silence) {
                *tally.silence.entry((number, feature_values.silence_share())).or_default() += outcome;
            }
        }
    }

    fn merge(&self, into: &mut RiskTally, from: RiskTally) {
        from.kinds.into_iter().for_each(|(key, outcome)| *into.kinds.entry(key).or_default() += outcome);
        from.silence.into_iter().for_each(|(key, outcome)| *into.silence.entry(key).or_default() += outcome);
    }

    fn size(&self, tally: &RiskTally) -> u64 {
        OUTCOME_CELLS * (tally.kinds.len() + tally.silence.len()) as u64
    }
}
