//! Who stood how at past dates, and who of them left (DEFINITIONS §10).

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::calendar::Day;
use crate::engine::plan::{Fold, FoldSpec, Needs, Plan};
use crate::engine::step_outputs::{Ref, StepOutputs};
use crate::error::Result;
use crate::tally::interpurchase_gaps::{self, Learning};
use crate::timeline::lens::{Lens, LiveRule};
use crate::timeline::purchase_frequency::FrequencyClasses;
use crate::timeline::purchases::Until;
use crate::timeline::risk_features::{Cut, Feature, FeatureReader, FeatureSpec, LONGEST_SILENCE, Windows};
use crate::timeline::segments::SegmentIndex;
use crate::timeline::shape::{Basis, Shape};
use crate::timeline::view::View;

/// Dates that are looked at, at most.
pub const MOST_CUTS: usize = 24;
/// Windows that past dates need are learned from so much of the span, before all of these dates.
const LEARNED_FROM: u32 = 333_333;

/// Customers, and who of them left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub customers: u64,
    pub left: u64,
}

impl AddAssign for Outcome {
    fn add_assign(&mut self, other: Outcome) {
        self.customers += other.customers;
        self.left += other.left;
    }
}

/// By number of the cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskTally {
    /// By the levels of all signs as one number ([`FeatureSpec::kind`]).
    pub kinds: BTreeMap<(u8, u32), Outcome>,
    /// By silence ÷ own window in thousandths, where silence is a sign.
    pub silence: BTreeMap<(u8, u16), Outcome>,
}

/// What a stage's past dates and tallies are found with.
#[derive(Clone, Copy)]
pub struct Past {
    /// In order of time.
    pub cuts: Ref<Vec<Cut>>,
    pub tally: Ref<RiskTally>,
}

/// Registers what is counted at past dates.
pub fn plan(
    plan: &mut Plan,
    index: Ref<SegmentIndex>,
    lens: Lens,
    watch: &FeatureSpec,
    learning: Option<Learning>,
) -> Past {
    let needs = needs(watch);
    let habits = learning.filter(|_| lens.rule == LiveRule::Learned).map(|learning| {
        interpurchase_gaps::plan_before(plan, lens, learning, Until::Share(LEARNED_FROM, watch.period))
    });
    let first = plan.fold(
        FoldSpec {
            kind: "first trace",
            params: if watch.by_use { "usage" } else { "transactions" }.into(),
            lens,
            needs: Needs { surveys: false, ..needs },
            after: vec![],
            reach: 0,
        },
        {
            let by_use = watch.by_use;
            move |_: &StepOutputs| Ok(FirstTrace { by_use })
        },
    );
    let after: Vec<_> = habits.iter().map(Ref::id).chain([index.id(), first.id()]).collect();
    let cuts = plan.derive(&after, {
        let watch = watch.clone();
        move |known| {
            let first = known.get(first)?.map(Day);
            let habits = habits.map(|habits| known.get(habits)).transpose()?;
            Ok(cuts(&known.shape, &watch, &lens.rule, first, habits.as_deref()))
        }
    });
    let spec = FoldSpec {
        kind: "risk",
        params: format!("{watch:?}"),
        lens,
        needs,
        after: after.iter().copied().chain([cuts.id()]).collect(),
        reach: 0,
    };
    let watch = watch.clone();
    let tally = plan.fold(spec, move |known: &StepOutputs| -> Result<Risk> {
        let habits = habits.map(|habits| known.get(habits)).transpose()?;
        Ok(Risk { watch: watch.clone(), cuts: known.get(cuts)?, habits })
    });
    Past { cuts, tally }
}

/// What looking at customers so takes.
pub fn needs(watch: &FeatureSpec) -> Needs {
    Needs { usage: watch.by_use, surveys: watch.signs.contains(&Feature::Survey), ..Needs::default() }
}

/// As_of less whole periods, as far as it is known who left, and as before them there was something to see: the last
/// [`MOST_CUTS`] of them. So they lie in a month, or a week, where as_of does.
fn cuts(
    shape: &Shape,
    watch: &FeatureSpec,
    rule: &LiveRule,
    first: Option<Day>,
    habits: Option<&FrequencyClasses>,
) -> Vec<Cut> {
    let from = shape.observed_from;
    let longest = habits.map_or(1, FrequencyClasses::longest);
    let mut earliest = from.plus(watch.window).max(watch.period.shift(from, 1)).max(watch.calendar.shift(from, 1));
    match rule {
        LiveRule::Window(days) => earliest = earliest.max(from.plus(*days)),
        LiveRule::Learned => earliest = earliest.max(from.plus(longest)).max(habits.map_or(from, |h| h.until)),
        LiveRule::Period | LiveRule::Subscriptions(_) => {}
    }
    if shape.basis == Basis::Subscriptions
        && let Some(first) = first
    {
        // Before a source begins nobody can be said to be silent.
        earliest = earliest.max(first.plus(watch.window));
    }
    let before = (1..).map(|n| watch.period.shift(shape.as_of, -n)).take_while(|day| *day >= earliest);
    let known = before.map(|day| watch.cut(shape, rule, day, longest)).filter(|cut| cut.ends <= shape.as_of);
    let mut cuts: Vec<Cut> = known.take(MOST_CUTS).collect();
    cuts.reverse();
    cuts
}

/// The first day on which anybody used or bought anything.
pub struct FirstTrace {
    by_use: bool,
}

impl Fold for FirstTrace {
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
        let first = if self.by_use { view.uses().first().map(|u| u.day) } else { view.days().first().map(|d| d.day) };
        self.merge(tally, first.map(|day| day.0));
    }

    fn merge(&self, into: &mut Option<i32>, from: Option<i32>) {
        *into = into.iter().copied().chain(from).min();
    }

    fn size(&self, tally: &Option<i32>) -> u64 {
        tally.is_some().into()
    }
}

pub struct Risk {
    watch: FeatureSpec,
    cuts: Arc<Vec<Cut>>,
    habits: Option<Arc<FrequencyClasses>>,
}

/// An outcome and its key, in cells of 16 bytes.
const OUTCOME_CELLS: u64 = 2;

impl Fold for Risk {
    type Tally = RiskTally;

    fn cells(&self, _: &Shape) -> u64 {
        MOST_CUTS as u64 * OUTCOME_CELLS * (self.watch.possible() + u64::from(LONGEST_SILENCE) + 1)
    }

    fn start(&self) -> RiskTally {
        RiskTally::default()
    }

    fn observe(&self, tally: &mut RiskTally, view: &View<'_>) {
        let windows = self.habits.as_deref().map_or(Windows::Now, Windows::Past);
        let mut looking = FeatureReader::new(*view, &self.watch, windows);
        for (number, cut) in (0u8..).zip(&*self.cuts) {
            let Some(standing) = looking.at(cut) else { continue };
            let outcome = Outcome { customers: 1, left: looking.left(cut, &standing).into() };
            *tally.kinds.entry((number, self.watch.kind(&standing))).or_default() += outcome;
            if self.watch.signs.contains(&Feature::Silence) {
                *tally.silence.entry((number, standing.silence_share())).or_default() += outcome;
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
