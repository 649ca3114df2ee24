//! From the ranking to table `concentration`.

use std::sync::Arc;

use super::{Concentration, ConcentrationKind, DECILES, first, top};
use crate::engine::step_outputs::StepOutputs;
use crate::error::Result;
use crate::stage::rows::{ratio, segment_cells};
use crate::stage::{Finished, MetricValue, Stage, StageKind, SummaryMetric};
use crate::table::Table;
use crate::timeline::segments::ALL;

impl Stage for Concentration {
    fn finish(&self, known: &StepOutputs) -> Result<Finished> {
        let (ranking, index) = (known.get(self.ranking)?, known.get(self.common.index)?);
        let mut table = Table::empty(Arc::new(ConcentrationKind::tables(&self.spec).swap_remove(0)), false);
        let mut headlines = vec![];
        for (cell, customers) in ranking.iter() {
            let (n, all) = (customers.customers(), customers.sum());
            // What the first so many bring.
            let highest = |k: u64| all - customers.lowest(n - k);
            let top_share = ratio(highest(top(n, self.top)), all);
            for decile in 1..=DECILES {
                let (from, to) = (first(n, decile - 1), first(n, decile));
                if from == to {
                    continue;
                }
                let revenue = highest(to) - highest(from);
                table.push(segment_cells(&index, *cell).into_iter().chain([
                    decile.into(),
                    (to - from).into(),
                    revenue.into(),
                    ratio(revenue, all).into(),
                    ratio(highest(to), all).into(),
                    (f64::from(self.top) / 1e6).into(),
                    top_share.into(),
                ]));
            }
            if *cell == ALL {
                let frame = known.shape.frame(self.spec.setting.period);
                let figures = [("share of the top customers", top_share.map(MetricValue::Rate))];
                headlines = SummaryMetric::of_stage(&self.spec.name, frame.grid.start(frame.len() - 1), figures);
            }
        }
        Ok(Finished { tables: vec![table], checks: vec![], headlines })
    }
}
