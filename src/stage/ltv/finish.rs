//! From headcount, money and cohorts to table `ltv`.

use std::sync::Arc;

use super::Ltv;
use super::ratio::{per_period, ratio};
use super::realised::realised;
use crate::engine::step_outputs::StepOutputs;
use crate::error::Result;
use crate::money::minor_per_major;
use crate::stage::rates::{ChurnShare, ForLife, in_periods, period_of};
use crate::stage::rows::{Windowed, arpa, segment_cells};
use crate::stage::spend::{costs, payback, per_new_customer, sum};
use crate::stage::{Finished, MetricValue, Scorer, Stage, SummaryMetric};
use crate::stats::churn_rate::expected_lifetime;
use crate::table::Table;
use crate::tally::cohorts::CohortColumn;
use crate::tally::customer_movements::MovementColumn;
use crate::tally::money::MoneyColumn;
use crate::timeline::segments::{ALL, CellId};
use crate::timeline::shape::Maturity;

/// The figures of one row, before they become cells.
#[derive(Default)]
pub(super) struct MethodRow {
    pub customers: i64,
    pub arpa: Option<f64>,
    pub churn_rate: Option<f64>,
    pub lifetime: Option<f64>,
    pub ltv: Option<f64>,
    pub discounted: Option<f64>,
    pub interval: (Option<f64>, Option<f64>),
    pub cac: Option<f64>,
    pub payback: Option<f64>,
    pub holdout_error: Option<f64>,
    pub note: Vec<String>,
}

/// Takes a row by cell, period and method.
pub(super) type Push<'a> = dyn FnMut(CellId, usize, &str, MethodRow) + 'a;

impl Stage for Ltv {
    fn finish(&self, known: &StepOutputs) -> Result<Finished> {
        let index = known.get(self.common.index)?;
        let frame = known.shape.frame(self.spec.period);
        let mut table = Table::empty(Arc::new(self.schema()), false);
        let mut headlines = vec![];
        let mut push = |cell: CellId, period: usize, method: &str, row: MethodRow| {
            let start = frame.grid.start(period);
            if cell == ALL && method == "ratio" {
                let figures = [("lifetime value (ratio)", row.ltv), ("acquisition cost", row.cac)];
                let amounts = figures.map(|(label, x)| (label, x.map(MetricValue::Amount)));
                headlines = SummaryMetric::of_stage(&self.spec.name, start, amounts);
            }
            let to_cac = row.ltv.zip(row.cac).filter(|(_, cac)| *cac > 0.0).map(|(ltv, cac)| ltv / cac);
            let note = (!row.note.is_empty()).then(|| row.note.join("; "));
            table.push(segment_cells(&index, cell).into_iter().chain([
                start.into(),
                method.into(),
                row.customers.into(),
                row.arpa.into(),
                self.spec.setting.gross_margin.into(),
                row.churn_rate.into(),
                row.lifetime.into(),
                row.ltv.into(),
                row.discounted.into(),
                row.interval.0.into(),
                row.interval.1.into(),
                row.cac.into(),
                to_cac.into(),
                row.payback.into(),
                row.holdout_error.into(),
                note.into(),
            ]));
        };
        if self.has("ratio") {
            self.ratios(known, |cell, period, row| push(cell, period, "ratio", row))?;
        }
        let renewals = self.renewal_fits(known)?;
        let tested = self.backtest(known, &renewals)?;
        if let Some(buying) = &self.buying {
            self.buying(buying, known, &tested, &mut push)?;
        }
        if self.has("realised") || self.falls_back(known)? {
            self.cohorts(known, |cell, period, row| push(cell, period, "realised", row))?;
        }
        self.survival(known, &mut push)?;
        self.renewals(known, &renewals, &tested, &mut push)?;
        let mut tables = tested.tables;
        tables.extend(self.fits(known, &renewals)?);
        tables.push(table);
        Ok(Finished { tables, checks: vec![], headlines })
    }

    fn scorer(&self, known: &StepOutputs) -> Result<Option<Box<dyn Scorer>>> {
        self.buying.as_ref().map(|buying| self.scorer_of(buying, known)).transpose()
    }
}

impl Ltv {
    pub(super) fn margin(&self) -> f64 {
        self.spec.setting.gross_margin.unwrap_or(1.0)
    }

    pub(super) fn discount(&self) -> Option<f64> {
        self.spec.setting.discount_rate.map(|d| per_period(d, self.spec.period.per_year()))
    }

    /// Acquisition cost of each new customer, by period: spend booked to the period that holds its `period_start`.
    pub(super) fn cac(&self, known: &StepOutputs, period: usize, new: i64) -> Option<f64> {
        let spend = sum(costs(&known.shape, known.shape.frame(self.spec.period), period))?;
        per_new_customer(spend, new, self.spec.setting.digits)
    }

    pub(super) fn revenue_note(&self) -> Vec<String> {
        let of_revenue = self.spec.setting.gross_margin.is_none();
        of_revenue.then(|| "of revenue: no gross_margin is configured".to_owned()).into_iter().collect()
    }

    /// Money of a customer in a period, in major units, from customers and money at its closing.
    pub(super) fn arpa(&self, customers: i64, closing: i128) -> Option<f64> {
        arpa(&self.spec.setting, self.spec.period, customers, closing)
    }

    /// One row a complete period: arpa × margin / trailing churn rate.
    fn ratios(&self, known: &StepOutputs, mut push: impl FnMut(CellId, usize, MethodRow)) -> Result<()> {
        let (heads, money) = (known.get(self.counts.heads)?, known.get(self.money)?);
        let frame = known.shape.frame(self.spec.period);
        let windowed = Windowed { frame, shape: &known.shape, rule: self.spec.setting.rule };
        let of_rates = period_of(self.spec.setting.policy, self.spec.period);
        for cell in heads.cells() {
            let (counts, sums) = (heads.sums(cell), money.sums(cell));
            let all = ChurnShare::by_period(known, self.counts, &windowed, cell)?;
            let mut shares = vec![];
            for period in frame.periods().filter(|p| windowed.complete(*p)) {
                let customers = counts[period][MovementColumn::Closing as usize] as i64;
                let arpa = self.arpa(customers, sums[period][MoneyColumn::Closing as usize]);
                shares.extend(all[period]);
                let over = ForLife::of(&shares, self.spec.options.trailing, self.spec.setting.policy);
                let churn_rate = over.and_then(|life| life.rate);
                let margin = arpa.map(|arpa| arpa * self.margin());
                // Margin in the time that the rate is for: a month's of thirty-day rates, and a month has 52/12 weeks.
                let earned = margin.map(|m| m * in_periods(1.0, of_rates, self.spec.period));
                let discount = self.spec.setting.discount_rate.map(|d| per_period(d, of_rates.per_year()));
                let value = earned.zip(churn_rate).and_then(|(m, r)| ratio(m, r, discount));
                let bounds = over.and_then(|life| life.interval);
                let at = |rate: Option<f64>| earned.zip(rate).filter(|(_, r)| *r > 0.0).map(|(m, r)| m / r);
                let interval = (at(bounds.map(|b| b.1)), at(bounds.map(|b| b.0)));
                let new = counts[period][MovementColumn::New as usize] as i64;
                let cac = (cell == ALL).then(|| self.cac(known, period, new)).flatten();
                let payback = cac.zip(margin).and_then(|(cac, margin)| payback(cac, margin));
                let mut note = self.revenue_note();
                match (over, churn_rate) {
                    (None, _) => note.push("too few complete periods".into()),
                    (Some(_), None) => note.push("nobody was live at an opening of the trailing periods".into()),
                    (_, Some(0.0)) => note.push("nobody left in the trailing periods".into()),
                    (_, Some(_)) if customers == 0 => note.push("nobody is live at the closing".into()),
                    _ => {}
                }
                let first = (frame.window..=period)
                    .filter(|p| windowed.complete(*p))
                    .rev()
                    .take(self.spec.options.trailing)
                    .last();
                if first.is_some_and(|p| windowed.left_truncated(p)) {
                    note.push("left-truncated: the first periods tell new from returned badly".into());
                }
                let (ltv, discounted) = (value.map(|v| v.ltv), value.and_then(|v| v.discounted));
                let lifetime =
                    churn_rate.and_then(expected_lifetime).map(|n| in_periods(n, of_rates, self.spec.period));
                push(
                    cell,
                    period,
                    MethodRow {
                        customers,
                        arpa,
                        churn_rate,
                        lifetime,
                        ltv,
                        discounted,
                        interval,
                        cac,
                        payback,
                        note,
                        ..MethodRow::default()
                    },
                );
            }
        }
        Ok(())
    }

    /// One row a cohort: the margin that its customers brought to date.
    fn cohorts(&self, known: &StepOutputs, mut push: impl FnMut(CellId, usize, MethodRow)) -> Result<()> {
        let (tally, heads) = (known.get(self.cohorts)?, known.get(self.counts.heads)?);
        let frame = known.shape.frame(self.spec.period);
        let windowed = Windowed { frame, shape: &known.shape, rule: self.spec.setting.rule };
        let everybody = heads.sums(ALL);
        let major = minor_per_major(self.spec.setting.digits);
        for ((cell, number), cohort) in &tally.cohorts {
            let number = *number as usize;
            if cohort.size == 0 || number < frame.window {
                continue;
            }
            let per_customer = |revenue: i128| revenue as f64 / major * self.margin() / cohort.size as f64;
            let margins: Vec<f64> =
                cohort.ages().iter().map(|a| per_customer(a[CohortColumn::Revenue as usize])).collect();
            let new = everybody[number][MovementColumn::New as usize] as i64;
            // Costs of a whole period say nothing of the customers of a part of it.
            let whole = *cell == ALL && windowed.complete(number);
            let cac = whole.then(|| self.cac(known, number, new)).flatten();
            let got = realised(&margins, self.discount(), cac);
            let mut note = self.revenue_note();
            let partial = frame.maturity(frame.len() - 1) == Maturity::Partial;
            let last = if partial { ", the last of them partial" } else { "" };
            let s = if margins.len() == 1 { "" } else { "s" };
            note.push(format!("{} period{s} to date{last}", margins.len()));
            if windowed.left_truncated(number) {
                note.push("left-truncated: the cohort holds older customers".into());
            }
            let row = MethodRow {
                customers: cohort.size,
                ltv: Some(got.ltv),
                discounted: got.discounted,
                cac,
                payback: got.payback,
                note,
                ..MethodRow::default()
            };
            push(*cell, number, row);
        }
        Ok(())
    }
}
