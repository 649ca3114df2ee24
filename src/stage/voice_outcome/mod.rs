//! Stage `voice_outcome`: what customers did after they had answered.

use std::sync::Arc;

use super::rows::{ratio, segment_cells, segment_columns};
use super::voice::scales;
use super::{Common, Finished, MetricValue, Refusal, Stage, StageCheck, StageKind, StageSpec, SummaryMetric};
use crate::calendar::Day;
use crate::engine::plan::Plan;
use crate::engine::step_outputs::{Ref, StepOutputs};
use crate::error::Result;
use crate::options::NoOptions;
use crate::table::{Table, TableSchema, Type, column};
use crate::tally::period_series::PeriodSeries;
use crate::tally::voice::{self, AfterColumn, Afterwards, AnswerGroup, AnswerMeasure, SCORED};
use crate::timeline::rows::AnswerKind;
use crate::timeline::segments::ALL;
use crate::timeline::shape::Maturity;

/// See `definition.md`.
pub struct VoiceOutcomeKind;

impl StageKind for VoiceOutcomeKind {
    type Options = NoOptions;

    const NAME: &'static str = "voice_outcome";
    const DEFINITION: &'static str = include_str!("definition.md");

    fn check(stage: &StageCheck<'_, NoOptions>) -> Vec<Refusal> {
        super::voice::needs_scores(stage.inputs)
    }

    fn tables(spec: &StageSpec<NoOptions>) -> Vec<TableSchema> {
        let mut columns = segment_columns();
        columns.extend([
            column("period", Type::Date, "first day of the period of the answer"),
            column("kind", Type::Text, "nps, csat or ces"),
            column("group", Type::Text, "promoters, passives or detractors, as stage `voice` counts them"),
            column("customers", Type::Int, "customers who answered so while live"),
            column(
                "churn_rate_after",
                Type::Double,
                "share of them not live at the end of the following period; NULL until that is complete",
            ),
            column(
                "revenue_change_after",
                Type::Double,
                "their money at the end of the following period, less that before the answer, as a share of it; NULL until complete",
            ),
        ]);
        let doc = "Who left and what became of the revenue after answers, by group".into();
        vec![TableSchema { name: spec.name.clone(), doc, key: 6, columns }]
    }

    fn build(spec: &StageSpec<NoOptions>, common: Common, plan: &mut Plan) -> Result<Box<dyn Stage>> {
        let lens = spec.setting.lens(spec.period);
        let afterwards = voice::plan::<Afterwards>(plan, common.index, lens, &spec.segments, scales(spec));
        Ok(Box::new(VoiceOutcome { afterwards, spec: spec.clone(), common }))
    }
}

struct VoiceOutcome {
    spec: StageSpec<NoOptions>,
    common: Common,
    afterwards: Ref<PeriodSeries>,
}

impl Stage for VoiceOutcome {
    fn finish(&self, known: &StepOutputs) -> Result<Finished> {
        let (afterwards, index) = (known.get(self.afterwards)?, known.get(self.common.index)?);
        let frame = known.shape.frame(self.spec.period);
        let mut table = Table::empty(Arc::new(VoiceOutcomeKind::tables(&self.spec).swap_remove(0)), false);
        let mut headlines = vec![];
        for cell in afterwards.cells() {
            let sums = afterwards.sums(cell);
            for period in frame.periods() {
                let observed = frame.maturity(period + 1) == Maturity::Complete;
                if cell == ALL && observed {
                    headlines = self.headlines(frame.grid.start(period), &sums[period], headlines);
                }
                for (kind, group) in SCORED.into_iter().flat_map(|kind| AnswerGroup::ALL.map(|group| (kind, group))) {
                    let of = |after: AfterColumn| sums[period][at(kind, group, after)];
                    let customers = of(AfterColumn::Customers);
                    if customers == 0 {
                        continue;
                    }
                    let known = |share: Option<f64>| share.filter(|_| observed);
                    let before = of(AfterColumn::Before);
                    table.push(segment_cells(&index, cell).into_iter().chain([
                        frame.grid.start(period).into(),
                        kind.name().into(),
                        group.name().into(),
                        (customers as i64).into(),
                        known(ratio(of(AfterColumn::Churned), customers)).into(),
                        known(ratio(of(AfterColumn::Later) - before, before)).into(),
                    ]));
                }
            }
        }
        Ok(Finished { tables: vec![table], headlines, ..Finished::default() })
    }
}

impl VoiceOutcome {
    /// The churn rates of promoters and of detractors, of the latest period with answers.
    fn headlines(&self, start: Day, sums: &[i128], earlier: Vec<SummaryMetric>) -> Vec<SummaryMetric> {
        let left = |label, group: AnswerGroup| {
            let of = |after: AfterColumn| sums[at(AnswerKind::Nps, group, after)];
            (label, ratio(of(AfterColumn::Churned), of(AfterColumn::Customers)).map(MetricValue::Rate))
        };
        let figures = [
            left("promoters gone a period later", AnswerGroup::Promoters),
            left("detractors gone a period later", AnswerGroup::Detractors),
        ];
        let of_period = SummaryMetric::of_stage(&self.spec.name, start, figures);
        if of_period.is_empty() { earlier } else { of_period }
    }
}

/// Where a series of a kind and a group stands.
fn at(kind: AnswerKind, group: AnswerGroup, after: AfterColumn) -> usize {
    kind as usize * Afterwards::WIDTH + group as usize * AfterColumn::WIDTH + after as usize
}
