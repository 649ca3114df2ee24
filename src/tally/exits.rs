//! Customers who left and the money that left with them, by the reason they gave and by who ended the relation (DEFINITIONS
//! §9).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::calendar::Day;
use crate::engine::plan::{Fold, FoldSpec, Plan};
use crate::engine::step_outputs::{Ref, StepOutputs};
use crate::error::Result;
use crate::exchange::CurrencyCode;
use crate::tally::labels::LabelIndex;
use crate::tally::leaving_reasons::{NEEDS, is_known};
use crate::tally::segment_cells::SegmentCells;
use crate::timeline::labels::NO_VALUE;
use crate::timeline::lens::{Lens, LiveRule};
use crate::timeline::movements::MovementRun;
use crate::timeline::rows::AnswerKind;
use crate::timeline::segments::{CellId, SegmentIndex};
use crate::timeline::shape::Shape;
use crate::timeline::spells::Spell;
use crate::timeline::subscription_periods::CancelKind;
use crate::timeline::view::View;

/// An exit survey counts for an end if it was answered at most so many days before the last live day.
pub const BEFORE: i32 = 30;

/// Why a customer left, and who ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ExitReason {
    /// The rank of the reason; [`NO_VALUE`] if the customer gave none.
    reason: u32,
    kind: CancelKind,
}

/// Customers of a cell who left for a reason in a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaverCounts {
    /// How many left.
    pub customers: i64,
    /// What they paid at the opening of the period, in minor units.
    pub money: i128,
}

/// Cell, period, slot of the reason, and kind of cancellation.
pub type ExitKey = (CellId, u32, u32, CancelKind);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitsTally(pub BTreeMap<ExitKey, LeaverCounts>);

struct ExitsFold {
    segment_cells: SegmentCells,
    labels: Arc<LabelIndex>,
    cap: usize,
    window: usize,
    periods: usize,
}

/// Registers the count under a lens, by a stage's segments. `labels` are the reasons that keep their names, and the cap on
/// their number.
pub fn plan(
    plan: &mut Plan,
    index: Ref<SegmentIndex>,
    lens: Lens,
    segments: &[usize],
    (labels, cap): (Ref<LabelIndex>, usize),
) -> Ref<ExitsTally> {
    let params = format!("{segments:?} cap {cap}");
    let after = vec![index.id(), labels.id()];
    let spec = FoldSpec { kind: "exits", params, lens, needs: NEEDS, after, reach: 0 };
    let segments = segments.to_vec();
    plan.fold(spec, move |known: &StepOutputs| -> Result<ExitsFold> {
        let frame = known.shape.frame(lens.period);
        let segment_cells = SegmentCells::new(known, index, &segments)?;
        Ok(ExitsFold { segment_cells, labels: known.get(labels)?, cap, window: frame.window, periods: frame.len() })
    })
}

/// What an entry of the tally takes, in cells of 16 bytes: its key, a count and two of money.
const WIDTH: u64 = 4;
const KINDS: u64 = 3;

impl Fold for ExitsFold {
    type Tally = ExitsTally;

    fn cells(&self, _: &Shape) -> u64 {
        let periods = (self.periods - self.window) as u64;
        self.segment_cells.cells() * periods * LabelIndex::bound(self.cap) * KINDS * WIDTH
    }

    fn start(&self) -> ExitsTally {
        ExitsTally::default()
    }

    fn observe(&self, tally: &mut ExitsTally, view: &View<'_>) {
        let mut last = None;
        for run in view.runs().iter().filter(|r| r.state.is_of_one_who_left()) {
            let last = last.get_or_insert_with(|| LastRanges::of(view));
            for period in run.from.max(self.window)..run.to {
                let exit = exit(view, last, period);
                let slot = self.labels.slot(exit.reason);
                self.segment_cells.pieces(view, &MovementRun { from: period, to: period + 1, ..*run }, |piece| {
                    let left = tally.0.entry((piece.open, period as u32, slot, exit.kind)).or_default();
                    left.customers += 1;
                    left.money += i128::from(run.opening) + i128::from(run.passing);
                });
            }
        }
    }

    fn merge(&self, into: &mut ExitsTally, from: ExitsTally) {
        for (key, left) in from.0 {
            let sum = into.0.entry(key).or_default();
            sum.customers += left.customers;
            sum.money += left.money;
        }
    }

    fn size(&self, tally: &ExitsTally) -> u64 {
        tally.0.len() as u64 * WIDTH
    }
}

/// The last live range of each subscription row, ordered by its end. Earlier ranges of a row end in a pause and are left
/// out.
struct LastRanges(Vec<(Day, u32, Price)>);

/// MRR and its currency.
type Price = (CurrencyCode, i64);

impl LastRanges {
    fn of(view: &View<'_>) -> LastRanges {
        if !matches!(view.rule(), LiveRule::Subscriptions(_)) {
            return LastRanges(vec![]);
        }
        let mut ranges: Vec<_> = view.ranges().iter().map(|r| (r.row, r.start, r.end, (r.currency, r.mrr))).collect();
        ranges.sort_unstable_by_key(|r| std::cmp::Reverse((r.0, r.1)));
        ranges.dedup_by_key(|r| r.0);
        let mut ends: Vec<_> = ranges.into_iter().map(|(row, _, end, mrr)| (end, row, mrr)).collect();
        ends.sort_unstable();
        LastRanges(ends)
    }

    /// The rows whose last range ends on a day, with their MRR.
    fn ending(&self, day: Day) -> &[(Day, u32, Price)] {
        let from = self.0.partition_point(|e| e.0 < day);
        &self.0[from..from + self.0[from..].partition_point(|e| e.0 == day)]
    }
}

/// Why a customer who churned in a period left. The end is that of the spell which ended last before the period's closing.
fn exit(view: &View<'_>, last_ranges: &LastRanges, period: usize) -> ExitReason {
    let (frame, spells) = (view.frame(), view.spells());
    let over = spells.partition_point(|s| s.end < frame.boundary(period + 1));
    let none = ExitReason { reason: NO_VALUE, kind: CancelKind::Unknown };
    let Some(spell) = over.checked_sub(1).map(|last| spells[last]) else { return none };
    // If a rate is missing, the walk ends with an error that says so, and the 0 reaches no table.
    let worth = |(currency, mrr): Price| frame.worth(currency, mrr, period).unwrap_or(0);
    let ending =
        last_ranges.ending(spell.end).iter().map(|(_, row, mrr)| (&view.subscriptions()[*row as usize], worth(*mrr)));
    let said = ending.clone().map(|(term, mrr)| {
        let known = is_known(view, term);
        let kind = if known { term.kind } else { CancelKind::Unknown };
        (if known { view.reason(term.reason) } else { NO_VALUE }, kind, mrr)
    });
    // Of several rows that end together: one with a reason, else one that says who ended it, else the largest.
    let chosen = said.max_by_key(|(reason, kind, mrr)| {
        (*reason != NO_VALUE, *kind != CancelKind::Unknown, *mrr, std::cmp::Reverse(*reason), *kind)
    });
    let ExitReason { reason, kind } = chosen.map_or(none, |(reason, kind, _)| ExitReason { reason, kind });
    if reason != NO_VALUE {
        return ExitReason { reason, kind };
    }
    // A customer who cancelled before the end may have answered the survey then.
    let told = ending.map(|(term, _)| term.cancelled).min().unwrap_or(Day::NEVER).min(last_activity(view, spell));
    let from = spell.start.max(told.min(spell.end.plus(-1 - BEFORE)));
    let back = spells.get(over).map_or(Day::NEVER, |next| next.start);
    let until = back.min(frame.boundary((period + 2).min(frame.len())));
    ExitReason { reason: answered(view, from, until), kind }
}

/// The last day with a purchase in a spell; [`Day::NEVER`] for subscriptions.
fn last_activity(view: &View<'_>, spell: Spell) -> Day {
    if matches!(view.rule(), LiveRule::Subscriptions(_)) {
        return Day::NEVER;
    }
    let days = view.days();
    let before = &days[..days.partition_point(|d| d.day < spell.end)];
    before.iter().rev().find(|d| d.active > 0).map_or(Day::NEVER, |d| d.day)
}

/// The rank of the reason in the last exit survey that was answered in `[from, until)`; of several at one instant the first
/// in the order of texts.
fn answered(view: &View<'_>, from: Day, until: Day) -> u32 {
    let answers = view.answers();
    let within = answers.partition_point(|a| a.day < from)..answers.partition_point(|a| a.day < until);
    let reasons = answers.get(within).unwrap_or_default().iter().filter(|a| a.kind == AnswerKind::Exit);
    let said = reasons.map(|a| ((a.day, a.instant), view.reason(a.reason))).filter(|(_, reason)| *reason != NO_VALUE);
    said.max_by_key(|(at, reason)| (*at, std::cmp::Reverse(*reason))).map_or(NO_VALUE, |(_, reason)| reason)
}
