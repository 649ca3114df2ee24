//! From who left for what reason to table `exit_reasons`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ExitReasons;
use super::ExitReasonsKind;
use crate::check::{Check, Status};
use crate::engine::step_outputs::StepOutputs;
use crate::error::Result;
use crate::stage::rows::{Identity, Windowed, ratio, segment_cells};
use crate::stage::{Finished, MetricValue, Stage, StageKind, SummaryMetric};
use crate::table::Table;
use crate::tally::customer_movements::MovementColumn;
use crate::tally::exits::LeaverCounts;
use crate::tally::labels::LabelIndex;
use crate::tally::money::MoneyColumn;
use crate::timeline::labels::NO_VALUE;
use crate::timeline::segments::{ALL, CellId};
use crate::timeline::subscription_periods::CancelKind;

impl Stage for ExitReasons {
    fn finish(&self, known: &StepOutputs) -> Result<Finished> {
        let (exits, reasons) = (known.get(self.exits)?, known.get(self.reasons)?);
        let (heads, money) = (known.get(self.headcount)?, known.get(self.money)?);
        let index = known.get(self.common.index)?;
        let frame = known.shape.frame(self.spec.period);
        let windowed = Windowed { frame, shape: &known.shape, rule: self.spec.setting.rule };
        let mut table = Table::empty(Arc::new(ExitReasonsKind::tables(&self.spec).swap_remove(0)), false);
        let mut heads_are = Identity::new("reasons_add_up", "Σ customers over the reasons = churn's churned customers");
        let mut money_is =
            Identity::new("lost_money_adds_up", "Σ revenue_lost = −churned of revenue_churn, in minor units");
        let mut left: BTreeMap<(CellId, u32), BTreeMap<(u32, CancelKind), LeaverCounts>> = BTreeMap::new();
        for ((cell, period, slot, kind), of) in &exits.0 {
            left.entry((*cell, *period)).or_default().insert((*slot, *kind), *of);
        }
        let (mut churned_ever, mut silent_ever) = (0, 0);
        let mut headlines = vec![];
        let cells: BTreeSet<CellId> = heads.cells().chain(exits.0.keys().map(|k| k.0)).chain([ALL]).collect();
        for cell in cells {
            let (counts, sums) = (heads.sums(cell), money.sums(cell));
            for period in frame.periods() {
                let nobody = BTreeMap::new();
                let of_reasons = left.get(&(cell, period as u32)).unwrap_or(&nobody);
                let churned = counts[period][MovementColumn::Churned as usize];
                let place = || format!("{} {}", index.cells[cell as usize].value, frame.grid.start(period));
                heads_are.see(of_reasons.values().map(|l| i128::from(l.customers)).sum(), churned, place);
                money_is.see(
                    of_reasons.values().map(|l| l.money).sum(),
                    -sums[period][MoneyColumn::Churned as usize],
                    place,
                );
                let share = |n: i64| ratio(n.into(), churned).filter(|_| windowed.complete(period));
                for ((slot, kind), of) in of_reasons {
                    table.push(segment_cells(&index, cell).into_iter().chain([
                        frame.grid.start(period).into(),
                        reasons.name(*slot).into(),
                        name(*kind).into(),
                        of.customers.into(),
                        share(of.customers).into(),
                        of.money.into(),
                        frame.maturity(period).name().into(),
                    ]));
                }
                if cell == ALL {
                    let silent: i64 =
                        of_reasons.iter().filter(|(k, _)| k.0 == NO_VALUE).map(|(_, l)| l.customers).sum();
                    churned_ever += churned;
                    silent_ever += i128::from(silent);
                    if windowed.complete(period) {
                        let figures = [("left without a reason", share(silent).map(MetricValue::Rate))];
                        headlines = SummaryMetric::of_stage(&self.spec.name, frame.grid.start(period), figures);
                    }
                }
            }
        }
        let mut checks: Vec<Check> = [heads_are, money_is].map(|i| i.check(&self.spec.name)).into();
        checks.push(self.silent(silent_ever, churned_ever));
        checks.extend(self.beyond(&reasons));
        Ok(Finished { tables: vec![table], checks, headlines })
    }
}

fn name(kind: CancelKind) -> &'static str {
    match kind {
        CancelKind::Voluntary => "voluntary",
        CancelKind::Involuntary => "involuntary",
        CancelKind::Unknown => "unknown",
    }
}

impl ExitReasons {
    /// Reasons of which few are known are those of the talkative.
    fn silent(&self, silent: i128, churned: i128) -> Check {
        let most = 2 * silent > churned;
        let status = if most { Status::Warn } else { Status::Pass };
        let detail =
            "times that a customer left and no reason is known, over all periods: the more there are, the less the \
                      others say of them"
                .into();
        let (check, subject) = ("without_reason".into(), self.spec.name.clone());
        let expected = Some(format!("at most half of {churned}"));
        Check { check, subject, status, expected, actual: Some(silent.to_string()), detail }
    }

    fn beyond(&self, reasons: &LabelIndex) -> Option<Check> {
        let cap = self.spec.options.cap;
        (reasons.beyond > 0).then(|| Check {
            check: "reasons_cap".into(),
            subject: self.spec.name.clone(),
            status: Status::Warn,
            expected: Some("0".into()),
            actual: Some(reasons.beyond.to_string()),
            detail: format!("reasons beyond the stage's cap of {cap} are gathered in `other`"),
        })
    }
}
