//! From what each policy saw to table `reconcile`.

use std::sync::Arc;

use super::measures::{Amount, MEASURES, figures};
use super::{Reconcile, ReconcileKind, Way};
use crate::engine::step_outputs::StepOutputs;
use crate::error::Result;
use crate::stage::rows::{Identity, Windowed};
use crate::stage::{Finished, MetricValue, Stage, StageKind, SummaryMetric};
use crate::table::{Cell, Table};

impl Stage for Reconcile {
    fn finish(&self, known: &StepOutputs) -> Result<Finished> {
        let frame = known.shape.frame(self.spec.period);
        let windowed = Windowed { frame, shape: &known.shape, rule: self.spec.setting.rule };
        let complete: Vec<usize> = frame.periods().filter(|p| windowed.complete(*p)).collect();
        let seen = self.seen.iter().map(|seen| figures(&self.spec, known, seen, &windowed));
        let seen: Vec<Vec<Vec<Amount>>> = seen.collect::<Result<_>>()?;
        let mut table = Table::empty(Arc::new(ReconcileKind::tables(&self.spec).swap_remove(0)), false);
        let mut parts_are =
            Identity::new("parts_add_up", "the standard figure and the parts of its switches = the policy's");
        for Way { name, from, steps } in &self.ways {
            for (i, period) in complete.iter().enumerate() {
                let start = frame.grid.start(*period);
                for (m, (measure, _)) in MEASURES.iter().enumerate() {
                    let figure = |which: usize| seen[which][i][m];
                    let mut push = |switch: Cell<'static>, amount: Amount| {
                        let key = [(*name).into(), start.into(), (*measure).into(), switch];
                        table.push(key.into_iter().chain(amount.cells(self.spec.setting.digits)));
                    };
                    let own = figure(steps.last().map_or(*from, |step| step.1));
                    push(Cell::Null, own);
                    let mut before = figure(*from);
                    let mut sum = before.exact();
                    for (switch, which) in steps {
                        let part = figure(*which).less(before);
                        push((*switch).into(), part);
                        sum = sum.zip(part.exact()).map(|(sum, part)| sum + part);
                        before = figure(*which);
                    }
                    if let Some((own, sum)) = own.exact().zip(sum) {
                        parts_are.see(own, sum, || format!("{name} {start} {measure}"));
                    }
                }
            }
        }
        Ok(Finished {
            tables: vec![table],
            checks: vec![parts_are.check(&self.spec.name)],
            headlines: self.headlines(&seen, complete.last().map(|period| frame.grid.start(*period))),
        })
    }
}

impl Reconcile {
    /// The churn rate of the last complete period by each policy that has another than the standard one.
    fn headlines(&self, seen: &[Vec<Vec<Amount>>], period: Option<crate::calendar::Day>) -> Vec<SummaryMetric> {
        let rate = |which: usize| {
            let place = MEASURES.iter().position(|(name, _)| *name == "churn_rate")?;
            match seen[which].last()?.get(place)? {
                Amount::Real(x) => *x,
                _ => None,
            }
        };
        let labels = [
            ("standard", "churn rate by standard"),
            ("chartmogul", "churn rate by chartmogul"),
            ("stripe", "churn rate by stripe"),
            ("maxio", "churn rate by maxio"),
            (super::AS_CONFIGURED, "churn rate by the pipeline's own policy"),
        ];
        let of = |way: &Way| {
            let (_, label) = labels.iter().find(|(name, _)| *name == way.name)?;
            let own = rate(way.steps.last().map_or(way.from, |step| step.1));
            let differs = way.steps.is_empty() || own != rate(way.from);
            Some((*label, own.filter(|_| differs).map(MetricValue::Rate)))
        };
        let figures = self.ways.iter().filter_map(of);
        period.map_or(vec![], |start| SummaryMetric::of_stage(&self.spec.name, start, figures))
    }
}
