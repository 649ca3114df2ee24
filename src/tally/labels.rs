//! How many customers have each channel, or each reason for leaving. The counts decide which labels keep their names under a
//! cap, and which share `other`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::engine::plan::{Fold, FoldSpec, Needs, Plan};
use crate::engine::step_outputs::{Ref, StepOutputs};
use crate::tally::leaving_reasons;
use crate::timeline::labels::{LabelColumn, NO_VALUE};
use crate::timeline::lens::Lens;
use crate::timeline::shape::Shape;
use crate::timeline::view::View;

/// The name in tables for all channels together.
pub const ALL_CHANNELS: &str = "all";

/// A kind of label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelKind {
    /// `customers.acquired_by`, and the channels of costs.
    Channels,
    /// `subscriptions.cancel_reason` and the reasons of exit surveys.
    Reasons,
}

impl LabelKind {
    fn column(self, shape: &Shape) -> &LabelColumn {
        match self {
            LabelKind::Channels => &shape.labels.channels,
            LabelKind::Reasons => &shape.labels.reasons,
        }
    }

    /// The label of customers who have none.
    pub fn none(self) -> &'static str {
        match self {
            LabelKind::Channels => "(none)",
            LabelKind::Reasons => "no answer",
        }
    }

    /// A name that tables use for something else, so that a label of this name is shown in parentheses.
    fn reserved(self) -> &'static str {
        match self {
            LabelKind::Channels => ALL_CHANNELS,
            LabelKind::Reasons => "",
        }
    }

    fn needs(self) -> Needs {
        match self {
            LabelKind::Channels => Needs { channels: true, ..Needs::default() },
            LabelKind::Reasons => leaving_reasons::NEEDS,
        }
    }
}

/// Maps labels to the few that a table shows.
///
/// A *slot* is the place of a shown label. [`NO_VALUE`] is the slot of customers who have no label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelIndex {
    /// The slot of each rank.
    slots: Vec<u32>,
    /// The shown name of each slot.
    names: Vec<Arc<str>>,
    /// The shown name of customers without a label.
    none: Arc<str>,
    /// How many labels share `other`.
    pub beyond: usize,
}

impl LabelIndex {
    /// The `cap` labels that most customers have keep their names (ties by text); the others share `other`. A label with the
    /// name of those who have none joins them, and one with the reserved name is shown in parentheses. `counts`: customers
    /// by rank.
    fn learn(labels: &LabelColumn, counts: &BTreeMap<u32, i64>, cap: usize, of: LabelKind) -> LabelIndex {
        let (values, none) = (labels.values(), of.none());
        let mut ranks: Vec<u32> = (0..values.len() as u32).filter(|r| *values[*r as usize] != *none).collect();
        ranks.sort_by_key(|r| (-counts.get(r).copied().unwrap_or_default(), *r));
        let beyond = ranks.split_off(ranks.len().min(cap));
        ranks.sort_unstable();
        let mut slots = vec![NO_VALUE; values.len()];
        let mut names: Vec<Arc<str>> = vec![];
        for rank in ranks {
            slots[rank as usize] = names.len() as u32;
            let name = values[rank as usize].clone();
            let taken: &[Arc<str>] = if *name == *of.reserved() { values } else { &[] };
            names.push(apart(&name, taken));
        }
        if !beyond.is_empty() {
            beyond.iter().for_each(|rank| slots[*rank as usize] = names.len() as u32);
            // A label whose own name is `other` keeps it; the shared slot gets parentheses.
            let other = apart("other", &names);
            names.push(other);
        }
        LabelIndex { slots, names, none: none.into(), beyond: beyond.len() }
    }

    /// The slot of a rank; [`NO_VALUE`] for [`NO_VALUE`].
    pub fn slot(&self, rank: u32) -> u32 {
        self.slots.get(rank as usize).copied().unwrap_or(NO_VALUE)
    }

    /// The shown name of a slot.
    pub fn name(&self, slot: u32) -> &Arc<str> {
        self.names.get(slot as usize).unwrap_or(&self.none)
    }

    /// All slots in order, without that of customers who have no label.
    pub fn slots(&self) -> impl Iterator<Item = u32> {
        0..self.names.len() as u32
    }

    /// The greatest number of slots under a cap: those with their own names, `other`, and that of customers without a label.
    pub fn bound(cap: usize) -> u64 {
        cap as u64 + 2
    }
}

/// `name`, in as many pairs of parentheses as it takes to differ from all of `taken`.
fn apart(name: &str, taken: &[Arc<str>]) -> Arc<str> {
    let mut name = name.to_owned();
    while taken.iter().any(|t| **t == *name) {
        name = format!("({name})");
    }
    name.into()
}

struct LabelsFold(LabelKind);

/// Registers the count of labels as they are known under `lens`, and the index that follows from it.
pub fn plan(plan: &mut Plan, lens: Lens, of: LabelKind, cap: usize) -> Ref<LabelIndex> {
    let spec = FoldSpec { kind: "labels", params: format!("{of:?}"), lens, needs: of.needs(), after: vec![], reach: 0 };
    let counts = plan.fold(spec, move |_: &StepOutputs| Ok(LabelsFold(of)));
    plan.derive(&[counts.id()], move |known| {
        Ok(LabelIndex::learn(of.column(&known.shape), &*known.get(counts)?, cap, of))
    })
}

impl Fold for LabelsFold {
    type Tally = BTreeMap<u32, i64>;

    fn spells(&self) -> bool {
        false
    }

    fn cells(&self, shape: &Shape) -> u64 {
        self.0.column(shape).values().len() as u64
    }

    fn start(&self) -> BTreeMap<u32, i64> {
        BTreeMap::new()
    }

    fn observe(&self, tally: &mut BTreeMap<u32, i64>, view: &View<'_>) {
        let mut ranks = match self.0 {
            LabelKind::Channels => vec![view.channel()],
            LabelKind::Reasons => leaving_reasons::reasons(view),
        };
        ranks.sort_unstable();
        ranks.dedup();
        for rank in ranks.into_iter().filter(|r| *r != NO_VALUE) {
            *tally.entry(rank).or_default() += 1;
        }
    }

    fn merge(&self, into: &mut BTreeMap<u32, i64>, from: BTreeMap<u32, i64>) {
        from.into_iter().for_each(|(rank, n)| *into.entry(rank).or_default() += n);
    }

    fn size(&self, tally: &BTreeMap<u32, i64>) -> u64 {
        tally.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(values: &[&str], counts: &[(u32, i64)], cap: usize) -> (LabelIndex, Vec<String>) {
        let labels = LabelColumn::new(&values.iter().map(|v| Arc::from(*v)).collect::<Vec<_>>());
        let index = LabelIndex::learn(&labels, &counts.iter().copied().collect(), cap, LabelKind::Channels);
        let shown = (0..values.len() as u32).map(|r| index.name(index.slot(r)).to_string()).collect();
        (index, shown)
    }

    #[test]
    fn the_cap_keeps_what_most_have_and_ties_go_by_text() {
        // Ranks: a 0, b 1, c 2, d 3.
        let (index, shown) = learnt(&["d", "b", "a", "c"], &[(3, 9), (0, 2), (2, 2)], 2);
        assert_eq!(shown, ["a", "other", "other", "d"]);
        assert_eq!((index.beyond, index.slots().count()), (2, 3));
        assert_eq!((&**index.name(NO_VALUE), index.slot(NO_VALUE)), ("(none)", NO_VALUE));
    }

    #[test]
    fn names_that_are_taken_are_set_apart() {
        let (index, shown) = learnt(&["(none)", "(other)", "all", "other", "x"], &[(1, 3), (2, 2), (3, 1)], 3);
        // In the order of their bytes: "(none)" has no value, and "x" is beyond the cap.
        assert_eq!(shown, ["(none)", "(other)", "(all)", "other", "((other))"]);
        assert_eq!(learnt(&["(all)", "all"], &[], 3).1, ["(all)", "((all))"]);
        assert_eq!(index.slot(0), NO_VALUE);
    }
}
