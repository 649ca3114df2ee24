//! From the lengths of spells to tables `survival`, `survival_tests`, `survival_summary`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Survival;
use super::SurvivalKind;
use crate::engine::step_outputs::StepOutputs;
use crate::error::Result;
use crate::stage::rows::segment_cells;
use crate::stage::{Finished, MetricValue, Stage, StageKind, SummaryMetric};
use crate::stats::survival::EventTable;
use crate::stats::survival::compare::{Weights, compare};
use crate::stats::survival::kaplan_meier::{Curve, QuantileTime};
use crate::table::{Cell, Table};
use crate::tally::period_series::PeriodSeries;
use crate::tally::spell_durations::event_table_of;
use crate::timeline::lens::LiveRule;
use crate::timeline::segments::{ALL, CellId, SegmentIndex};

const TESTS: [(&str, Weights); 4] = [
    ("log-rank", Weights::LogRank),
    ("wilcoxon", Weights::Wilcoxon),
    ("tarone-ware", Weights::TaroneWare),
    ("peto", Weights::Peto),
];

impl Stage for Survival {
    fn finish(&self, known: &StepOutputs) -> Result<Finished> {
        let (tally, index) = (known.get(self.lives)?, known.get(self.common.index)?);
        let mut tables: Vec<Table> =
            SurvivalKind::tables(&self.spec).into_iter().map(|s| Table::empty(Arc::new(s), false)).collect();
        let mut headlines = vec![];
        let everybody = std::iter::once(ALL);
        for cell in everybody.chain(tally.cells().filter(|c| *c != ALL)) {
            let life = event_table_of(&tally, cell)?;
            let curve = Curve::new(&life, self.confidence);
            write_curve(&mut tables[0], &index, cell, &curve);
            // Else the curve is of those who got so far, and says nothing of how long all stay.
            let whole = life.counts().first().is_none_or(|m| m.time == 0);
            self.write_summary(&mut tables[2], &index, cell, &curve, whole);
            if cell == ALL {
                let unit = super::unit(&self.spec).name();
                let median = curve.median().time.filter(|_| whole).map(|time| MetricValue::Span(time, unit));
                let last = known.shape.frame(self.spec.period);
                let label = "median lifetime";
                headlines =
                    SummaryMetric::of_stage(&self.spec.name, last.grid.start(last.len() - 1), [(label, median)]);
            }
        }
        self.write_tests(&mut tables[1], &tally, &index)?;
        Ok(Finished { tables, checks: vec![], headlines })
    }
}

fn write_curve(table: &mut Table, index: &SegmentIndex, cell: CellId, curve: &Curve) {
    for row in &curve.rows {
        table.push(segment_cells(index, cell).into_iter().chain([
            Cell::Int(row.time.into()),
            row.at_risk.into(),
            row.events.into(),
            row.censored.into(),
            row.survival.into(),
            row.std_error.into(),
            row.ci_low.into(),
            row.ci_high.into(),
            row.hazard.into(),
        ]));
    }
}

impl Survival {
    fn write_summary(&self, table: &mut Table, index: &SegmentIndex, cell: CellId, curve: &Curve, whole: bool) {
        let median = if whole { curve.median() } else { QuantileTime::default() };
        let mean = curve.restricted_mean(self.horizon).filter(|_| whole);
        let mut note = curve.notes.clone();
        if curve.rows.is_empty() {
            note.push("nobody was ever at risk".into());
        } else if curve.events == 0 {
            note.push("nobody left: the curve stays at 1".into());
        } else if whole && median.time.is_none() {
            note.push("the curve stays above ½ as far as anybody was seen: no median".into());
        }
        match self.spec.setting.rule {
            LiveRule::Window(days) => note.push(format!(
                "lengths include the {days} days of silence after the last activity: nobody leaves before"
            )),
            LiveRule::Learned => note.push("lengths include the learned window after the last activity".into()),
            LiveRule::Period | LiveRule::Subscriptions(_) => {}
        }
        if matches!(self.spec.setting.rule, LiveRule::Period | LiveRule::Window(_) | LiveRule::Learned) {
            note.push("a customer's first activity in the data counts as the first ever".into());
        }
        if let (Some(asked), Some(mean)) = (self.horizon, mean)
            && mean.to < asked
        {
            note.push(format!("nobody was seen longer than {}, short of the horizon", mean.to));
        }
        table.push(segment_cells(index, cell).into_iter().chain([
            curve.customers.into(),
            curve.events.into(),
            curve.never_at_risk.into(),
            median.time.into(),
            median.ci_low.into(),
            median.ci_high.into(),
            mean.map(|m| m.mean).into(),
            mean.map(|m| m.std_error).into(),
            mean.map(|m| i64::from(m.to)).into(),
            (!note.is_empty()).then(|| note.join("; ")).into(),
        ]));
    }

    /// The values of each segment against each other.
    fn write_tests(&self, table: &mut Table, tally: &PeriodSeries, index: &SegmentIndex) -> Result<()> {
        let mut groups: BTreeMap<&str, (Vec<EventTable>, Vec<&str>)> = BTreeMap::new();
        for cell in tally.cells().filter(|c| *c != ALL) {
            let of = &index.cells[cell as usize];
            let (lives, left_out) = groups.entry(&of.segment).or_default();
            // What is not known, and what was too rare to be told apart, is no value to compare.
            if of.is_other || &*of.value == "(none)" {
                left_out.push(&of.value);
            } else {
                lives.push(event_table_of(tally, cell)?);
            }
        }
        for (segment, (lives, left_out)) in groups {
            let count = lives.len();
            let compared = compare(&[lives]);
            let without = (!left_out.is_empty()).then(|| format!("without {}", left_out.join(" and ")));
            for (name, weights) in TESTS {
                let test = compared.as_ref().map(|c| c.test(weights));
                let why = match test {
                    None => Some(format!("{count} values are too many to compare")),
                    Some(_) if count < 2 => Some("there are no two values to compare".into()),
                    Some(test) if test.df == 0 => Some("no two values were at risk side by side".into()),
                    Some(_) => None,
                };
                let note: Vec<String> = why.into_iter().chain(without.clone()).collect();
                table.push([
                    segment.into(),
                    name.into(),
                    count.into(),
                    test.and_then(|t| t.statistic).into(),
                    test.map(|t| t.df).into(),
                    test.and_then(|t| t.p_value).into(),
                    (!note.is_empty()).then(|| note.join("; ")).into(),
                ]);
            }
        }
        Ok(())
    }
}
