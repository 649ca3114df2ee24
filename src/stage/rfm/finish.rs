//! From counts by R and F to table `rfm`, and the scores of each customer.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{RfmKind, RfmStage, scored};
use crate::engine::plan::Needs;
use crate::engine::step_outputs::StepOutputs;
use crate::error::Result;
use crate::money::minor_per_major;
use crate::stage::rows::{ratio, segment_cells};
use crate::stage::{Finished, MetricValue, Scorer, Stage, StageKind, SummaryMetric};
use crate::table::{Cell, ColumnSpec, Table};
use crate::tally::rfm::{QUINTILES, RfmCounts};
use crate::timeline::scores::{RFM_NAMES, Rfm, RfmMeasures, Scores, rfm_name};
use crate::timeline::segments::{ALL, CellId};
use crate::timeline::view::CustomerContext;

/// The name of scores, where there are five.
fn name_of(rfm: Rfm, most: u32) -> Option<&'static str> {
    (most == QUINTILES).then(|| RFM_NAMES[rfm_name(rfm)])
}

impl Stage for RfmStage {
    fn finish(&self, known: &StepOutputs) -> Result<Finished> {
        let (kinds, index) = (known.get(self.kinds)?, known.get(self.common.index)?);
        let mut named: BTreeMap<(CellId, Option<&str>), RfmCounts> = BTreeMap::new();
        let mut whole: BTreeMap<CellId, RfmCounts> = BTreeMap::new();
        for ((cell, r, f), kind) in kinds.iter() {
            let rfm = Rfm { r: i64::from(*r), f: i64::from(*f), m: 1 };
            *named.entry((*cell, name_of(rfm, self.most))).or_default() += *kind;
            *whole.entry(*cell).or_default() += *kind;
        }
        let major = minor_per_major(self.spec.setting.digits);
        let mut table = Table::empty(Arc::new(RfmKind::tables(&self.spec).swap_remove(0)), false);
        for ((cell, name), kind) in &named {
            let (n, all) = (i128::from(kind.customers), whole[cell]);
            table.push(segment_cells(&index, *cell).into_iter().chain([
                (*name).into(),
                kind.customers.into(),
                ratio(n, all.customers.into()).into(),
                kind.revenue.into(),
                ratio(kind.revenue, all.revenue).into(),
                ratio(kind.days_since_last, n).into(),
                ratio(kind.orders, n).into(),
                ratio(kind.revenue, n).map(|minor| minor / major).into(),
                ratio(kind.repeaters.into(), n).into(),
            ]));
        }
        let of = |name: &str| named.get(&(ALL, Some(name))).map(|kind| MetricValue::Count(kind.customers as i64));
        let repeat = whole.get(&ALL).and_then(|all| ratio(all.repeaters.into(), all.customers.into()));
        let figures = [
            ("champions", of("champions")),
            ("at risk", of("at risk")),
            ("bought more than once", repeat.map(MetricValue::Rate)),
        ];
        let frame = known.shape.frame(self.spec.setting.period);
        let last = frame.grid.start(frame.len() - 1);
        Ok(Finished {
            tables: vec![table],
            checks: vec![],
            headlines: SummaryMetric::of_stage(&self.spec.name, last, figures),
        })
    }

    fn scorer(&self, known: &StepOutputs) -> Result<Option<Box<dyn Scorer>>> {
        let scores = Scores::clone(&*known.get(self.scores)?);
        Ok(Some(Box::new(RfmScorer { columns: scored(&self.spec), lens: self.lens, most: self.most, scores })))
    }
}

struct RfmScorer {
    columns: Vec<ColumnSpec>,
    lens: usize,
    most: u32,
    scores: Scores,
}

impl Scorer for RfmScorer {
    fn columns(&self) -> Vec<ColumnSpec> {
        self.columns.clone()
    }

    fn lenses(&self) -> Vec<usize> {
        vec![self.lens]
    }

    fn score<'a>(&'a self, person: &CustomerContext<'_>, push: &mut dyn FnMut(Cell<'a>)) {
        let view = person.through(self.lens, Needs { orders: true, ..Needs::default() });
        let scored = RfmMeasures::of(view.days(), view.shape().as_of).map(|bought| self.scores.of(&bought));
        push(scored.map(|s| s.r).into());
        push(scored.map(|s| s.f).into());
        push(scored.map(|s| s.m).into());
        push(scored.and_then(|s| name_of(s, self.most)).into());
    }
}
