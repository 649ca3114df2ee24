//! From who was won, and what was spent, to table `acquisition`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Acquisition;
use super::AcquisitionKind;
use crate::check::{Check, Status};
use crate::engine::step_outputs::StepOutputs;
use crate::error::Result;
use crate::stage::rows::{Identity, Windowed, arpa, ratio, segment_cells};
use crate::stage::spend::{costs, payback, per_new_customer, sum};
use crate::stage::{Finished, MetricValue, Stage, StageKind, SummaryMetric};
use crate::table::{Cell, Table};
use crate::tally::acquired::AcquisitionCounts;
use crate::tally::customer_movements::MovementColumn;
use crate::tally::labels::{ALL_CHANNELS, LabelIndex};
use crate::tally::money::MoneyColumn;
use crate::timeline::labels::NO_VALUE;
use crate::timeline::segments::{ALL, CellId};
use crate::timeline::shape::Frame;

/// What was spent in a period, by slot of the channel; `None`: on all of them and on no channel.
type ChannelSpend = BTreeMap<Option<u32>, i128>;

impl Stage for Acquisition {
    fn finish(&self, known: &StepOutputs) -> Result<Finished> {
        let (acquired, heads) = (known.get(self.acquired)?, known.get(self.headcount)?);
        let (channels, index) = (known.get(self.channels)?, known.get(self.common.index)?);
        let frame = known.shape.frame(self.spec.period);
        let windowed = Windowed { frame, shape: &known.shape, rule: self.spec.setting.rule };
        let margins = self.margins(known)?;
        let mut won: BTreeMap<(CellId, u32), BTreeMap<u32, AcquisitionCounts>> = BTreeMap::new();
        for ((cell, period, slot), of) in &acquired.0 {
            won.entry((*cell, *period)).or_default().insert(*slot, *of);
        }
        let mut table = Table::empty(Arc::new(AcquisitionKind::tables(&self.spec).swap_remove(0)), false);
        let mut channels_are = Identity::new("channels_add_up", "Σ new over the channels = churn's new customers");
        let mut headlines = vec![];
        let cells: BTreeSet<CellId> = heads.cells().chain(acquired.0.keys().map(|k| k.0)).chain([ALL]).collect();
        for cell in cells {
            let counts = heads.sums(cell);
            for period in frame.periods() {
                let nobody = BTreeMap::new();
                let of_channels = won.get(&(cell, period as u32)).unwrap_or(&nobody);
                let spent = if cell == ALL { self.spent(known, frame, &channels, period) } else { ChannelSpend::new() };
                let mut all = AcquisitionCounts::default();
                of_channels.values().for_each(|of| all.add(*of));
                let new = counts[period][MovementColumn::New as usize];
                channels_are.see(i128::from(all.new), new, || {
                    format!("{} {}", index.cells[cell as usize].value, frame.grid.start(period))
                });
                let mut row = |channel: &str, won: Option<AcquisitionCounts>, spend: Option<i128>| {
                    let figures = Figures::of(self, &windowed, period, won, spend, margins.get(&period).copied());
                    let place = [channel.to_owned().into(), frame.grid.start(period).into()];
                    let end = [windowed.frame.maturity(period).name().into(), windowed.left_truncated(period).into()];
                    table.push(segment_cells(&index, cell).into_iter().chain(place).chain(figures.cells()).chain(end));
                    figures
                };
                let figures = row(ALL_CHANNELS, Some(all), spent.get(&None).copied());
                if cell == ALL && windowed.complete(period) {
                    headlines = self.headlines(frame, period, &figures);
                }
                let by_channel = channels.slots().chain([NO_VALUE]);
                for slot in by_channel {
                    let spend = spent.get(&Some(slot)).copied();
                    let won = of_channels.get(&slot).copied();
                    if self.spec.setting.has_channels {
                        if won.is_some() || spend.is_some() {
                            row(channels.name(slot), Some(won.unwrap_or_default()), spend);
                        }
                    } else if spend.is_some() {
                        row(channels.name(slot), None, spend);
                    }
                }
            }
        }
        let mut checks = vec![channels_are.check(&self.spec.name)];
        checks.extend(self.beyond(&channels));
        checks.extend(self.unplaced(known, frame));
        Ok(Finished { tables: vec![table], checks, headlines })
    }
}

/// The figures of a row.
struct Figures {
    won: Option<AcquisitionCounts>,
    referrals_known: bool,
    trials_known: bool,
    referral_share: Option<f64>,
    spend: Option<i128>,
    cac: Option<f64>,
    payback: Option<f64>,
    conversion: Option<f64>,
}

impl Figures {
    /// `margin`: of a customer in the period, in major units.
    fn of(
        stage: &Acquisition,
        windowed: &Windowed<'_>,
        period: usize,
        won: Option<AcquisitionCounts>,
        spend: Option<i128>,
        margin: Option<f64>,
    ) -> Figures {
        let setting = &stage.spec.setting;
        let complete = windowed.complete(period);
        let share = |n: i64, d: i64| ratio(n.into(), d.into()).filter(|_| complete);
        let cac = won.zip(spend).and_then(|(won, spend)| per_new_customer(spend, won.new, setting.digits));
        let cac = cac.filter(|_| complete);
        let (referrals_known, trials_known) = (setting.has_referrals, setting.has_trials);
        Figures {
            referral_share: won.filter(|_| referrals_known).and_then(|w| share(w.referred, w.new)),
            conversion: won.filter(|_| trials_known).and_then(|w| share(w.converted, w.trials)),
            payback: cac.zip(margin).and_then(|(cac, margin)| payback(cac, margin)),
            won,
            referrals_known,
            trials_known,
            spend,
            cac,
        }
    }

    fn cells(&self) -> [Cell<'static>; 8] {
        let referred = self.won.filter(|_| self.referrals_known).map(|w| w.referred);
        let trials = self.won.filter(|_| self.trials_known).map(|w| w.trials);
        [
            self.won.map(|w| w.new).into(),
            referred.into(),
            self.referral_share.into(),
            self.spend.into(),
            self.cac.into(),
            self.payback.into(),
            trials.into(),
            self.conversion.into(),
        ]
    }
}

impl Acquisition {
    /// What was spent in a period, by channel and in all.
    fn spent(&self, known: &StepOutputs, frame: &Frame, channels: &LabelIndex, period: usize) -> ChannelSpend {
        let costs = costs(&known.shape, frame, period);
        let mut spent: ChannelSpend = sum(costs).map(|all| (None, all)).into_iter().collect();
        for cost in costs.iter().filter(|cost| cost.channel != NO_VALUE) {
            *spent.entry(Some(channels.slot(cost.channel))).or_default() += i128::from(cost.amount);
        }
        spent
    }

    /// The margin of a customer in each complete period, in major units.
    fn margins(&self, known: &StepOutputs) -> Result<BTreeMap<usize, f64>> {
        let setting = &self.spec.setting;
        let (heads, money) = (known.get(self.headcount)?.sums(ALL), known.get(self.money)?.sums(ALL));
        let frame = known.shape.frame(self.spec.period);
        let windowed = Windowed { frame, shape: &known.shape, rule: setting.rule };
        let margin = |period: usize| {
            let customers = heads[period][MovementColumn::Closing as usize] as i64;
            let arpa = arpa(setting, self.spec.period, customers, money[period][MoneyColumn::Closing as usize])?;
            Some((period, arpa * setting.gross_margin.unwrap_or(1.0)))
        };
        Ok(frame.periods().filter(|p| windowed.complete(*p)).filter_map(margin).collect())
    }

    fn headlines(&self, frame: &Frame, period: usize, figures: &Figures) -> Vec<SummaryMetric> {
        let known = [
            ("acquisition cost", figures.cac.map(MetricValue::Amount)),
            ("referred", figures.referral_share.map(MetricValue::Rate)),
            ("trials that became paid", figures.conversion.map(MetricValue::Rate)),
        ];
        SummaryMetric::of_stage(&self.spec.name, frame.grid.start(period), known)
    }

    fn beyond(&self, channels: &LabelIndex) -> Option<Check> {
        let cap = self.spec.options.cap;
        (channels.beyond > 0).then(|| Check {
            check: "channels_cap".into(),
            subject: self.spec.name.clone(),
            status: Status::Warn,
            expected: Some("0".into()),
            actual: Some(channels.beyond.to_string()),
            detail: format!("channels beyond the stage's cap of {cap} are gathered in `other`"),
        })
    }

    /// Costs that no period of the table holds.
    fn unplaced(&self, known: &StepOutputs, frame: &Frame) -> Option<Check> {
        let observed = frame.boundary(frame.window)..known.shape.as_of;
        let outside: u64 =
            known.shape.costs.iter().filter(|cost| !observed.contains(&cost.day)).map(|cost| cost.rows).sum();
        (outside > 0).then(|| Check {
            check: "costs_outside".into(),
            subject: self.spec.name.clone(),
            status: Status::Warn,
            expected: Some("0".into()),
            actual: Some(outside.to_string()),
            detail:
                "rows of acquisition_costs stand for days before the first period or from as_of on, and are in no row"
                    .into(),
        })
    }
}
