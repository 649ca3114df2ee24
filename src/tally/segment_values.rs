//! How many customers have each value of each segment. The counts decide which values are shown under a cap, and which share
//! `other`.

use crate::engine::plan::{Fold, FoldSpec, Needs, Plan};
use crate::engine::step_outputs::{NodeId, Ref, StepOutputs};
use crate::timeline::lens::Lens;
use crate::timeline::segments::{SegmentAt, SegmentColumn, SegmentIndex, SegmentOrigin, ValueCounts};
use crate::timeline::shape::Shape;
use crate::timeline::view::View;

pub struct SegmentValuesFold {
    at: Vec<SegmentAt>,
}

/// Registers the count and the index that follows from it, which takes a walk of its own; without segments there is none.
/// `after` are the steps that come first. Whatever waits for the index waits for these too.
pub fn plan(plan: &mut Plan, lens: Lens, segments: usize, after: &[NodeId]) -> Ref<SegmentIndex> {
    if segments == 0 {
        return plan.derive(after, |known| Ok(SegmentIndex::learn(&known.shape.dictionary, &ValueCounts::default())));
    }
    let spec = FoldSpec {
        kind: "segment values",
        params: String::new(),
        lens,
        needs: Needs::default(),
        after: after.to_vec(),
        reach: 0,
    };
    let counts = plan.fold(spec, |known: &StepOutputs| {
        Ok(SegmentValuesFold { at: known.shape.dictionary.segments.iter().map(|s| s.at).collect() })
    });
    plan.derive(&[counts.id()], move |known| Ok(SegmentIndex::learn(&known.shape.dictionary, &*known.get(counts)?)))
}

impl Fold for SegmentValuesFold {
    type Tally = ValueCounts;

    fn spells(&self) -> bool {
        false
    }

    fn cells(&self, shape: &Shape) -> u64 {
        (0..shape.dictionary.segments.len()).map(|s| shape.dictionary.ranks(s) as u64 + 1).sum()
    }

    fn start(&self) -> ValueCounts {
        ValueCounts { values: vec![Default::default(); self.at.len()] }
    }

    fn max_tally(&self, shape: &Shape) -> ValueCounts {
        let ranks = |n: usize| (0..n as u32).map(|rank| (rank, (1, 1))).collect();
        // As many values as fill the cap, and one more. It does not matter which.
        let most = |s: &SegmentColumn| match s.origin {
            SegmentOrigin::Crossed(..) => s.cap + 1,
            SegmentOrigin::Column | SegmentOrigin::Builtin(_) => s.values().len().min(s.cap.saturating_add(1)),
        };
        ValueCounts { values: shape.dictionary.segments.iter().map(|s| ranks(most(s))).collect() }
    }

    fn observe(&self, tally: &mut ValueCounts, view: &View<'_>) {
        for (segment, at) in self.at.iter().enumerate() {
            let (steps, counts) = (view.segment(segment), &mut tally.values[segment]);
            let now = if *at == SegmentAt::First { steps.first() } else { steps.latest() };
            counts.entry(now).or_default().1 += 1;
            if *at == SegmentAt::Opening {
                let mut ever: Vec<u32> = steps.all().chain([steps.first(), now]).collect();
                ever.sort_unstable();
                ever.dedup();
                ever.into_iter().for_each(|rank| counts.entry(rank).or_default().0 += 1);
            } else {
                counts.entry(now).or_default().0 += 1;
            }
        }
    }

    fn merge(&self, into: &mut ValueCounts, from: ValueCounts) {
        for (into, from) in into.values.iter_mut().zip(from.values) {
            for (rank, (ever, now)) in from {
                let count = into.entry(rank).or_default();
                *count = (count.0 + ever, count.1 + now);
            }
        }
    }

    fn size(&self, tally: &ValueCounts) -> u64 {
        tally.values.iter().map(|m| m.len() as u64).sum()
    }
}
