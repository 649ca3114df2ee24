//! From counted answers to table `voice`.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::VoiceKind;
use super::Voiced;
use crate::engine::step_outputs::StepOutputs;
use crate::error::Result;
use crate::stage::rows::{ratio, segment_cells};
use crate::stage::{Finished, MetricValue, Stage, StageKind, SummaryMetric};
use crate::stats::proportion::wilson;
use crate::stats::student::mean_interval;
use crate::table::Table;
use crate::tally::voice::{AnswerColumn, AnswerMeasure, Answers, SCORED};
use crate::timeline::rows::AnswerKind;
use crate::timeline::segments::{ALL, CellId};
use crate::timeline::shape::Maturity;

/// Hundredths of a point in a point.
const POINT: f64 = 100.0;

impl Stage for Voiced {
    fn finish(&self, known: &StepOutputs) -> Result<Finished> {
        let (answers, index) = (known.get(self.answers)?, known.get(self.common.index)?);
        let frame = known.shape.frame(self.spec.period);
        let mut table = Table::empty(Arc::new(VoiceKind::tables(&self.spec).swap_remove(0)), false);
        let mut headlines = vec![];
        let everybody = answers.sums(ALL);
        let keeps_invitations =
            SCORED.map(|kind| frame.periods().any(|p| AnswerCounts::of(&everybody[p], kind).unanswered > 0));
        let cells: BTreeSet<CellId> = answers.cells().collect();
        for cell in cells {
            let sums = answers.sums(cell);
            for period in frame.periods() {
                for kind in SCORED {
                    let counts = AnswerCounts::of(&sums[period], kind);
                    let asked = counts.answers + counts.unanswered;
                    if asked == 0 {
                        continue;
                    }
                    let (score, interval) = (counts.score(kind), counts.interval(kind));
                    let response = ratio(counts.answers, asked).filter(|_| keeps_invitations[kind as usize]);
                    table.push(segment_cells(&index, cell).into_iter().chain([
                        frame.grid.start(period).into(),
                        kind.name().into(),
                        (counts.answers as i64).into(),
                        (counts.promoters as i64).into(),
                        ((counts.answers - counts.promoters - counts.detractors) as i64).into(),
                        (counts.detractors as i64).into(),
                        score.into(),
                        interval.map(|i| i.0).into(),
                        interval.map(|i| i.1).into(),
                        response.into(),
                        frame.maturity(period).name().into(),
                    ]));
                    if cell == ALL && kind == AnswerKind::Nps && frame.maturity(period) == Maturity::Complete {
                        let figures = [("net promoter score", score.map(MetricValue::Points))];
                        headlines = SummaryMetric::of_stage(&self.spec.name, frame.grid.start(period), figures);
                    }
                }
            }
        }
        Ok(Finished { tables: vec![table], headlines, ..Finished::default() })
    }
}

/// The counts of a cell, a period and a kind.
struct AnswerCounts {
    answers: i128,
    promoters: i128,
    detractors: i128,
    sum: i128,
    squares: i128,
    unanswered: i128,
}

impl AnswerCounts {
    fn of(row: &[i128], kind: AnswerKind) -> AnswerCounts {
        let of = |voice: AnswerColumn| row[kind as usize * Answers::WIDTH + voice as usize];
        AnswerCounts {
            answers: of(AnswerColumn::Answers),
            promoters: of(AnswerColumn::Promoters),
            detractors: of(AnswerColumn::Detractors),
            sum: of(AnswerColumn::Sum),
            squares: of(AnswerColumn::Squares),
            unanswered: of(AnswerColumn::Unanswered),
        }
    }

    fn score(&self, kind: AnswerKind) -> Option<f64> {
        match kind {
            AnswerKind::Nps => ratio(100 * (self.promoters - self.detractors), self.answers),
            AnswerKind::Csat | AnswerKind::Exit => ratio(self.promoters, self.answers),
            AnswerKind::Ces => ratio(self.sum, self.answers).map(|mean| mean / POINT),
        }
    }

    fn interval(&self, kind: AnswerKind) -> Option<(f64, f64)> {
        match kind {
            AnswerKind::Nps => {
                let (p, d) = (ratio(self.promoters, self.answers)?, ratio(self.detractors, self.answers)?);
                let variance = (p + d - (p - d) * (p - d)).max(0.0);
                let half = 1.96 * 100.0 * libm::sqrt(variance / self.answers as f64);
                let score = self.score(kind)?;
                Some((score - half, score + half))
            }
            AnswerKind::Csat | AnswerKind::Exit => wilson(self.promoters as f64, self.answers as f64),
            AnswerKind::Ces => {
                mean_interval(self.answers, self.sum, self.squares).map(|(low, high)| (low / POINT, high / POINT))
            }
        }
    }
}
