//! From the movements of money to table `revenue_churn`.

use std::sync::Arc;

use super::RevenueChurn;
use super::RevenueChurnKind;
use crate::engine::step_outputs::StepOutputs;
use crate::error::Result;
use crate::stage::rows::{Identity, Windowed, ratio, segment_cells};
use crate::stage::{Finished, MetricValue, PerCustomer, Stage, StageKind, SummaryMetric};
use crate::table::{Cell, Table};
use crate::tally::customer_movements::MovementColumn;
use crate::tally::money::MoneyColumn;
use crate::timeline::lens::LiveRule;
use crate::timeline::segments::ALL;

impl Stage for RevenueChurn {
    fn finish(&self, known: &StepOutputs) -> Result<Finished> {
        let (money, heads) = (known.get(self.money)?, known.get(self.headcount)?);
        let index = known.get(self.common.index)?;
        let frame = known.shape.frame(self.spec.period);
        let windowed = Windowed { frame, shape: &known.shape, rule: self.spec.setting.rule };
        let has_terms = matches!(windowed.rule, LiveRule::Subscriptions(_));
        let schema = RevenueChurnKind::tables(&self.spec).swap_remove(0);
        let mut table = Table::empty(Arc::new(schema), false);
        let mut balance_is = Identity::new("movements_add_up", "opening + movements = closing, in minor units");
        let kept = match windowed.rule.passing_counts() {
            false => "Σ min(m0, m1) = opening + churned + contraction",
            true => "Σ min(m0, m1) = opening + churned + contraction + what came and went within the period",
        };
        let mut kept_is = Identity::new("grr_is_gross_churn", kept);
        let mut held_is = Identity::new("nrr_is_net_churn", "Σ m1 of the opening = its kept money + expansion");
        let mut headlines = vec![];
        for cell in std::iter::once(ALL).chain(money.cells().filter(|c| *c != ALL)) {
            let (sums, counts) = (money.sums(cell), heads.sums(cell));
            for period in frame.periods() {
                let of = |flow: MoneyColumn| sums[period][flow as usize];
                let amount = |flow: MoneyColumn| Cell::from(of(flow));
                let (complete, undecided) = (windowed.complete(period), windowed.undecided(period));
                let place = || format!("{} {}", index.cells[cell as usize].value, frame.grid.start(period));
                if complete {
                    let came = of(MoneyColumn::New)
                        + of(MoneyColumn::Expansion)
                        + of(MoneyColumn::Reactivation)
                        + of(MoneyColumn::MovedIn);
                    let went = of(MoneyColumn::CurrencyEffect)
                        + of(MoneyColumn::Contraction)
                        + of(MoneyColumn::Churned)
                        + of(MoneyColumn::MovedOut);
                    balance_is.see(of(MoneyColumn::Opening) + came + went, of(MoneyColumn::Closing), place);
                    let kept = of(MoneyColumn::Opening)
                        + of(MoneyColumn::Churned)
                        + of(MoneyColumn::Passing)
                        + of(MoneyColumn::Contraction);
                    kept_is.see(of(MoneyColumn::Kept), kept, place);
                    held_is.see(of(MoneyColumn::Held), kept + of(MoneyColumn::Expansion), place);
                }
                let rate = |n: i128, d: i128| ratio(n, d).filter(|_| complete);
                let decided = |cell: Cell<'static>| if undecided { Cell::Null } else { cell };
                let customers = counts[period][MovementColumn::Closing as usize] as i64;
                let major = crate::money::minor_per_major(self.spec.setting.digits);
                let arpa =
                    ratio(of(MoneyColumn::Closing), customers.into()).filter(|_| !undecided).map(|minor| minor / major);
                let lost = -(of(MoneyColumn::Churned) + of(MoneyColumn::Contraction));
                let won_back = of(MoneyColumn::Expansion) + of(MoneyColumn::Reactivation);
                let committed = if has_terms { amount_less(&sums[period]) } else { Cell::Null };
                let (grr, nrr) = (
                    rate(of(MoneyColumn::Kept), of(MoneyColumn::Opening)),
                    rate(of(MoneyColumn::Held), of(MoneyColumn::Opening)),
                );
                table.push(segment_cells(&index, cell).into_iter().chain([
                    frame.grid.start(period).into(),
                    amount(MoneyColumn::Opening),
                    amount(MoneyColumn::New),
                    amount(MoneyColumn::Expansion),
                    decided(amount(MoneyColumn::Contraction)),
                    decided(amount(MoneyColumn::Churned)),
                    amount(MoneyColumn::Reactivation),
                    amount(MoneyColumn::CurrencyEffect),
                    amount(MoneyColumn::MovedIn),
                    amount(MoneyColumn::MovedOut),
                    decided(amount(MoneyColumn::Closing)),
                    amount(MoneyColumn::Unallocated),
                    decided(committed),
                    decided(customers.into()),
                    arpa.into(),
                    rate(lost, of(MoneyColumn::Opening)).into(),
                    rate(lost - won_back, of(MoneyColumn::Opening)).into(),
                    grr.into(),
                    nrr.into(),
                    rate(of(MoneyColumn::New) + won_back, lost).into(),
                    frame.maturity(period).name().into(),
                    windowed.left_truncated(period).into(),
                ]));
                if cell == ALL && complete {
                    let what = if has_terms { "MRR" } else { "revenue of live customers" };
                    let figures = [
                        (what, Some(MetricValue::Money(of(MoneyColumn::Closing)))),
                        ("churned money", Some(MetricValue::Money(of(MoneyColumn::Churned)))),
                        ("GRR", grr.map(MetricValue::Rate)),
                        ("NRR", nrr.map(MetricValue::Rate)),
                    ];
                    headlines = SummaryMetric::of_stage(&self.spec.name, frame.grid.start(period), figures);
                }
            }
        }
        let mut checks: Vec<_> = [balance_is, kept_is, held_is].map(|i| i.check(&self.spec.name)).into();
        // Revenue before the window is in no period of the tables.
        if windowed.rule == LiveRule::Period && frame.window == 0 {
            let mut revenue_is = Identity::new("revenue_adds_up", "Σ closing + unallocated = the revenue of all rows");
            let all = money.sums(ALL);
            let allocated =
                all.iter().map(|p| p[MoneyColumn::Closing as usize] + p[MoneyColumn::Unallocated as usize]).sum();
            revenue_is.see(allocated, known.get(self.common.census)?.revenue, || "all periods".into());
            checks.push(revenue_is.check(&self.spec.name));
        }
        Ok(Finished { tables: vec![table], checks, headlines })
    }

    fn per_customer(&self, _: &StepOutputs) -> Result<Option<Box<dyn PerCustomer>>> {
        Ok(crate::stage::ledger_option::requested(&self.spec, self.spec.options.ledger, self.lens))
    }
}

/// The closing less what is already cancelled.
fn amount_less(flows: &[i128]) -> Cell<'static> {
    (flows[MoneyColumn::Closing as usize] - flows[MoneyColumn::Scheduled as usize]).into()
}
