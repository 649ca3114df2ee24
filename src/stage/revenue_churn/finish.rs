//! From the movements of money to table `revenue_churn`.

use std::sync::Arc;

use super::RevenueChurn;
use super::RevenueChurnKind;
use crate::engine::step_outputs::StepOutputs;
use crate::error::Result;
use crate::stage::rows::{Identity, Windowed, ratio, segment_cells};
use crate::stage::{Finished, MetricValue, PerCustomer, Stage, StageKind, SummaryMetric};
use crate::table::{Cell, Table};
use crate::tally::customer_movements::Head;
use crate::tally::money::Flow;
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
                let of = |flow: Flow| sums[period][flow as usize];
                let amount = |flow: Flow| Cell::from(of(flow));
                let (complete, undecided) = (windowed.complete(period), windowed.undecided(period));
                let place = || format!("{} {}", index.cells[cell as usize].value, frame.grid.start(period));
                if complete {
                    let came = of(Flow::New) + of(Flow::Expansion) + of(Flow::Reactivation) + of(Flow::MovedIn);
                    let went =
                        of(Flow::CurrencyEffect) + of(Flow::Contraction) + of(Flow::Churned) + of(Flow::MovedOut);
                    balance_is.see(of(Flow::Opening) + came + went, of(Flow::Closing), place);
                    let kept = of(Flow::Opening) + of(Flow::Churned) + of(Flow::Passing) + of(Flow::Contraction);
                    kept_is.see(of(Flow::Kept), kept, place);
                    held_is.see(of(Flow::Held), kept + of(Flow::Expansion), place);
                }
                let rate = |n: i128, d: i128| ratio(n, d).filter(|_| complete);
                let decided = |cell: Cell<'static>| if undecided { Cell::Null } else { cell };
                let customers = counts[period][Head::Closing as usize] as i64;
                let major = crate::money::minor_per_major(self.spec.setting.digits);
                let arpa = ratio(of(Flow::Closing), customers.into()).filter(|_| !undecided).map(|minor| minor / major);
                let lost = -(of(Flow::Churned) + of(Flow::Contraction));
                let won_back = of(Flow::Expansion) + of(Flow::Reactivation);
                let committed = if has_terms { amount_less(&sums[period]) } else { Cell::Null };
                let (grr, nrr) = (rate(of(Flow::Kept), of(Flow::Opening)), rate(of(Flow::Held), of(Flow::Opening)));
                table.push(segment_cells(&index, cell).into_iter().chain([
                    frame.grid.start(period).into(),
                    amount(Flow::Opening),
                    amount(Flow::New),
                    amount(Flow::Expansion),
                    decided(amount(Flow::Contraction)),
                    decided(amount(Flow::Churned)),
                    amount(Flow::Reactivation),
                    amount(Flow::CurrencyEffect),
                    amount(Flow::MovedIn),
                    amount(Flow::MovedOut),
                    decided(amount(Flow::Closing)),
                    amount(Flow::Unallocated),
                    decided(committed),
                    decided(customers.into()),
                    arpa.into(),
                    rate(lost, of(Flow::Opening)).into(),
                    rate(lost - won_back, of(Flow::Opening)).into(),
                    grr.into(),
                    nrr.into(),
                    rate(of(Flow::New) + won_back, lost).into(),
                    frame.maturity(period).name().into(),
                    windowed.left_truncated(period).into(),
                ]));
                if cell == ALL && complete {
                    let what = if has_terms { "MRR" } else { "revenue of live customers" };
                    let figures = [
                        (what, Some(MetricValue::Money(of(Flow::Closing)))),
                        ("churned money", Some(MetricValue::Money(of(Flow::Churned)))),
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
            let allocated = all.iter().map(|p| p[Flow::Closing as usize] + p[Flow::Unallocated as usize]).sum();
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
    (flows[Flow::Closing as usize] - flows[Flow::Scheduled as usize]).into()
}
