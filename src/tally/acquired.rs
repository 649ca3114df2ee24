//! New customers by the channel that acquired them, and trials by whether they converted (DEFINITIONS §8).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::engine::plan::{Fold, FoldSpec, Needs, Plan};
use crate::engine::step_outputs::{Ref, StepOutputs};
use crate::error::Result;
use crate::tally::labels::LabelIndex;
use crate::tally::segment_cells::SegmentCells;
use crate::timeline::lens::{Lens, LiveRule};
use crate::timeline::segments::{CellId, SegmentIndex};
use crate::timeline::shape::Shape;
use crate::timeline::trials::trials;
use crate::timeline::view::View;

/// The channel of customers who were referred by other customers.
pub const REFERRAL: &str = "referral";

/// The counts of a channel in a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcquisitionCounts {
    /// New customers.
    pub new: i64,
    /// Of these, those whom another customer referred, or who came by channel `referral`.
    pub referred: i64,
    /// Trials that ended.
    pub trials: i64,
    /// Of these, those that became paid.
    pub converted: i64,
}

impl AcquisitionCounts {
    /// Adds other counts to these.
    pub fn add(&mut self, other: AcquisitionCounts) {
        self.new += other.new;
        self.referred += other.referred;
        self.trials += other.trials;
        self.converted += other.converted;
    }
}

/// Counts by cell, period and slot of the channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcquiredTally(pub BTreeMap<(CellId, u32, u32), AcquisitionCounts>);

struct AcquiredFold {
    segment_cells: SegmentCells,
    labels: Arc<LabelIndex>,
    /// Ranks of the channels named `referral`, in any capitalisation.
    referral: Vec<u32>,
    cap: usize,
    window: usize,
    periods: usize,
}

/// Registers the count under a lens, by a stage's segments. `labels` are the channels that keep their names, and the cap on
/// their number.
pub fn plan(
    plan: &mut Plan,
    index: Ref<SegmentIndex>,
    lens: Lens,
    segments: &[usize],
    (labels, cap): (Ref<LabelIndex>, usize),
) -> Ref<AcquiredTally> {
    let spec = FoldSpec {
        kind: "acquired",
        params: format!("{segments:?} cap {cap}"),
        lens,
        needs: Needs { channels: true, ..Needs::default() },
        after: vec![index.id(), labels.id()],
        reach: 0,
    };
    let segments = segments.to_vec();
    plan.fold(spec, move |known: &StepOutputs| -> Result<AcquiredFold> {
        let frame = known.shape.frame(lens.period);
        let channels = (0..).zip(known.shape.labels.channels.values());
        Ok(AcquiredFold {
            segment_cells: SegmentCells::new(known, index, &segments)?,
            labels: known.get(labels)?,
            referral: channels.filter(|(_, c)| c.eq_ignore_ascii_case(REFERRAL)).map(|(rank, _)| rank).collect(),
            cap,
            window: frame.window,
            periods: frame.len(),
        })
    })
}

/// What an entry of the tally takes, in cells of 16 bytes.
const WIDTH: u64 = 4;

impl Fold for AcquiredFold {
    type Tally = AcquiredTally;

    fn cells(&self, _: &Shape) -> u64 {
        self.segment_cells.cells() * (self.periods - self.window) as u64 * LabelIndex::bound(self.cap) * WIDTH
    }

    fn start(&self) -> AcquiredTally {
        AcquiredTally::default()
    }

    fn observe(&self, tally: &mut AcquiredTally, view: &View<'_>) {
        let channel = view.channel();
        let slot = self.labels.slot(channel);
        let mut add = |cell: CellId, period: usize, counts: AcquisitionCounts| {
            if period >= self.window {
                tally.0.entry((cell, period as u32, slot)).or_default().add(counts);
            }
        };
        let referred = i64::from(view.referred() || self.referral.contains(&channel));
        for run in view.runs().iter().filter(|r| r.state.is_of_a_new_customer()) {
            self.segment_cells.pieces(view, run, |piece| {
                (piece.from..piece.to).for_each(|p| {
                    add(piece.open, p, AcquisitionCounts { new: 1, referred, ..AcquisitionCounts::default() });
                });
            });
        }
        let LiveRule::Subscriptions(rule) = view.rule() else { return };
        for trial in trials(view.subscriptions(), view.ranges(), rule, view.until()) {
            let period = view.frame().grid.at(trial.ended);
            let counts =
                AcquisitionCounts { trials: 1, converted: trial.converted.into(), ..AcquisitionCounts::default() };
            self.segment_cells.within(view, period, |cell| add(cell, period, counts));
        }
    }

    fn merge(&self, into: &mut AcquiredTally, from: AcquiredTally) {
        from.0.into_iter().for_each(|(key, counts)| into.0.entry(key).or_default().add(counts));
    }

    fn size(&self, tally: &AcquiredTally) -> u64 {
        tally.0.len() as u64 * WIDTH
    }
}
