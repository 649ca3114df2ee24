//! From the headcount to table `churn`.

use std::sync::Arc;

use super::{Churn, ChurnKind, ChurnOptions};
use crate::check::{Check, Status};
use crate::engine::step_outputs::StepOutputs;
use crate::error::Result;
use crate::stage::rates::{ChurnShare, in_periods, period_of};
use crate::stage::rows::{Identity, Windowed, ratio, segment_cells};
use crate::stage::{Finished, MetricValue, PerCustomer, Stage, StageKind, SummaryMetric};
use crate::stats::churn_rate::{annual, expected_lifetime, rate as rate_of, trailing, window};
use crate::table::{Cell, Table};
use crate::tally::customer_movements::MovementColumn;
use crate::timeline::lens::LiveRule;
use crate::timeline::segments::ALL;

impl Stage for Churn {
    fn finish(&self, known: &StepOutputs) -> Result<Finished> {
        let (tally, index) = (known.get(self.counts.heads)?, known.get(self.common.index)?);
        let frame = known.shape.frame(self.spec.period);
        let windowed = Windowed { frame, shape: &known.shape, rule: self.spec.setting.rule };
        let schema = ChurnKind::tables(&self.spec).swap_remove(0);
        let mut table = Table::empty(Arc::new(schema), false);
        let passing_counts = windowed.rule.passing_counts();
        let (opening, closing) = match passing_counts {
            false => ("opening = retained + churned", "closing = retained + new + returned + moved_in − moved_out"),
            true => (
                "opening = retained + churned − intra",
                "closing = retained + new + returned − intra + moved_in − moved_out",
            ),
        };
        let mut opening_is = Identity::new("opening_adds_up", opening);
        let mut closing_is = Identity::new("closing_adds_up", closing);
        let mut next_is = Identity::new("boundaries_meet", "closing of a period = opening of the next");
        let mut headlines = vec![];
        let of_rates = period_of(self.spec.setting.policy, self.spec.period);
        let has_terms = matches!(windowed.rule, LiveRule::Subscriptions(_));
        for cell in self.counts.cells(known)? {
            let sums = tally.sums(cell);
            let shares = ChurnShare::by_period(known, self.counts, &windowed, cell)?;
            let mut observed = vec![];
            for period in frame.periods() {
                let of = |head: MovementColumn| sums[period][head as usize];
                let count = |head: MovementColumn| Cell::from(of(head) as i64);
                let (complete, undecided) = (windowed.complete(period), windowed.undecided(period));
                let place = || format!("{} {}", index.cells[cell as usize].value, frame.grid.start(period));
                if complete {
                    let passed = if passing_counts { of(MovementColumn::Intra) } else { 0 };
                    opening_is.see(
                        of(MovementColumn::Opening),
                        of(MovementColumn::Retained) + of(MovementColumn::Churned) - passed,
                        place,
                    );
                    let came = of(MovementColumn::New) + of(MovementColumn::Returned) - passed
                        + of(MovementColumn::MovedIn)
                        - of(MovementColumn::MovedOut);
                    closing_is.see(of(MovementColumn::Closing), of(MovementColumn::Retained) + came, place);
                    if period + 1 < frame.len() {
                        next_is.see(
                            of(MovementColumn::Closing),
                            sums[period + 1][MovementColumn::Opening as usize],
                            place,
                        );
                    }
                }
                let rate = |n: i128, d: i128| ratio(n, d).filter(|_| complete);
                let share = shares[period];
                let churn_rate = share.and_then(|share| rate_of(share.of));
                observed.extend(share.map(|share| share.of));
                let over = window(&observed, self.spec.options.trailing).filter(|_| complete);
                let trailing = over.and_then(|w| trailing(w, self.spec.options.trailing_method));
                let yearly = trailing.map(|r| annual(r, of_rates.per_year()));
                let interval = share.and_then(ChurnShare::interval);
                let decided = |head: MovementColumn| if undecided { Cell::Null } else { count(head) };
                let termly = |cell: Cell<'static>| if has_terms { cell } else { Cell::Null };
                table.push(segment_cells(&index, cell).into_iter().chain([
                    frame.grid.start(period).into(),
                    count(MovementColumn::Opening),
                    count(MovementColumn::New),
                    count(MovementColumn::Retained),
                    count(MovementColumn::Returned),
                    decided(MovementColumn::Churned),
                    decided(MovementColumn::Closing),
                    count(MovementColumn::Intra),
                    count(MovementColumn::MovedIn),
                    count(MovementColumn::MovedOut),
                    termly(count(MovementColumn::RenewalDue)),
                    termly(rate(of(MovementColumn::Renewed), of(MovementColumn::RenewalDue)).into()),
                    churn_rate.into(),
                    rate(of(MovementColumn::Closing) - of(MovementColumn::New), of(MovementColumn::Opening)).into(),
                    rate(of(MovementColumn::Retained), of(MovementColumn::Opening)).into(),
                    trailing.into(),
                    yearly.into(),
                    trailing.and_then(expected_lifetime).map(|n| in_periods(n, of_rates, self.spec.period)).into(),
                    yearly.map(|r| benchmark(&self.spec.options, r)).into(),
                    interval.map(|i| i.0).into(),
                    interval.map(|i| i.1).into(),
                    frame.maturity(period).name().into(),
                    windowed.left_truncated(period).into(),
                ]));
                if cell == ALL && complete {
                    let figures = [
                        ("customers", Some(MetricValue::Count(of(MovementColumn::Closing) as i64))),
                        ("new", Some(MetricValue::Count(of(MovementColumn::New) as i64))),
                        ("returned", Some(MetricValue::Count(of(MovementColumn::Returned) as i64))),
                        ("churned", Some(MetricValue::Count(of(MovementColumn::Churned) as i64))),
                        ("churn rate", churn_rate.map(MetricValue::Rate)),
                        ("churn rate a year, trailing", yearly.map(MetricValue::Rate)),
                    ];
                    headlines = SummaryMetric::of_stage(&self.spec.name, frame.grid.start(period), figures);
                }
            }
        }
        let mut checks: Vec<Check> = [opening_is, closing_is, next_is].map(|i| i.check(&self.spec.name)).into();
        checks.push(self.intra(tally.sums(ALL).iter().map(|s| s[MovementColumn::Intra as usize]).sum()));
        Ok(Finished { tables: vec![table], checks, headlines })
    }

    fn per_customer(&self, _: &StepOutputs) -> Result<Option<Box<dyn PerCustomer>>> {
        Ok(crate::stage::ledger_option::requested(&self.spec, self.spec.options.ledger, self.lens))
    }
}

/// The word for an annual churn rate, by the stage's cut points.
fn benchmark(options: &ChurnOptions, annual: f64) -> &'static str {
    match annual {
        r if r < options.excellent => "excellent",
        r if r <= options.acceptable => "acceptable",
        _ => "high",
    }
}

impl Churn {
    fn intra(&self, count: i128) -> Check {
        Check {
            check: "intra".into(),
            subject: self.spec.name.clone(),
            status: Status::Pass,
            expected: None,
            actual: Some(count.to_string()),
            detail: "times that a customer was live within a period but at neither boundary, over all periods".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::default_options;
    use crate::stage::Kind;

    #[test]
    fn cut_points_of_the_benchmark_are_options() {
        let defaults = default_options(&Kind::of::<ChurnKind>()).unwrap().of::<ChurnOptions>().unwrap();
        let words = |options: &ChurnOptions| [0.0299, 0.03, 0.06, 0.0601].map(|rate| benchmark(options, rate));
        assert_eq!(words(&defaults), ["excellent", "acceptable", "acceptable", "high"]);
        let strict = ChurnOptions { excellent: 0.01, acceptable: 0.02, ..(*defaults).clone() };
        assert_eq!(words(&strict), ["high"; 4]);
        let lax = ChurnOptions { excellent: 0.0301, acceptable: 0.07, ..(*defaults).clone() };
        assert_eq!(words(&lax), ["excellent", "excellent", "acceptable", "acceptable"]);
    }
}
