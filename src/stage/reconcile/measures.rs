//! What policies are compared by.

use super::PolicyCounts;
use crate::engine::step_outputs::StepOutputs;
use crate::error::Result;
use crate::money::minor_per_major;
use crate::options::NoOptions;
use crate::stage::StageSpec;
use crate::stage::ltv::ratio::ratio as lifetime_value;
use crate::stage::rates::{ChurnShare, ForLife, in_periods, period_of};
use crate::stage::rows::{Windowed, arpa, ratio};
use crate::stats::churn_rate::rate;
use crate::table::Cell;
use crate::tally::customer_movements::MovementColumn;
use crate::tally::money::MoneyColumn;
use crate::timeline::segments::ALL;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    Customers(MovementColumn),
    Money(MoneyColumn),
    ChurnRate,
    GrossChurnRate,
    Ltv,
}

pub(super) const MEASURES: &[(&str, Measure)] = &[
    ("opening", Measure::Customers(MovementColumn::Opening)),
    ("new", Measure::Customers(MovementColumn::New)),
    ("returned", Measure::Customers(MovementColumn::Returned)),
    ("churned", Measure::Customers(MovementColumn::Churned)),
    ("closing", Measure::Customers(MovementColumn::Closing)),
    ("mrr_opening", Measure::Money(MoneyColumn::Opening)),
    ("mrr_new", Measure::Money(MoneyColumn::New)),
    ("mrr_expansion", Measure::Money(MoneyColumn::Expansion)),
    ("mrr_contraction", Measure::Money(MoneyColumn::Contraction)),
    ("mrr_churned", Measure::Money(MoneyColumn::Churned)),
    ("mrr_reactivation", Measure::Money(MoneyColumn::Reactivation)),
    ("mrr_currency_effect", Measure::Money(MoneyColumn::CurrencyEffect)),
    ("mrr_closing", Measure::Money(MoneyColumn::Closing)),
    ("churn_rate", Measure::ChurnRate),
    ("gross_churn_rate", Measure::GrossChurnRate),
    ("ltv", Measure::Ltv),
];

/// A figure, or a difference of two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Amount {
    Count(i128),
    /// Minor units.
    Minor(i128),
    Real(Option<f64>),
}

impl Amount {
    /// How much more than `before`.
    pub(super) fn less(self, before: Amount) -> Amount {
        match (self, before) {
            (Amount::Count(a), Amount::Count(b)) => Amount::Count(a - b),
            (Amount::Minor(a), Amount::Minor(b)) => Amount::Minor(a - b),
            (Amount::Real(a), Amount::Real(b)) => Amount::Real(a.zip(b).map(|(a, b)| a - b)),
            _ => Amount::Real(None),
        }
    }

    /// The whole number that adds up.
    pub(super) fn exact(self) -> Option<i128> {
        match self {
            Amount::Count(n) | Amount::Minor(n) => Some(n),
            Amount::Real(_) => None,
        }
    }

    /// Columns `amount` and `exact`.
    pub(super) fn cells(self, digits: u8) -> [Cell<'static>; 2] {
        let amount = match self {
            Amount::Count(n) => Some(n as f64),
            Amount::Minor(n) => Some(n as f64 / minor_per_major(digits)),
            Amount::Real(x) => x,
        };
        [amount.into(), self.exact().and_then(|n| i64::try_from(n).ok()).into()]
    }
}

/// The number of periods of the trailing churn rate: the default of stage `ltv`.
const TRAILING: usize = 6;

/// Every measure of every complete period by one policy, in the order of [`MEASURES`].
pub(super) fn figures(
    spec: &StageSpec<NoOptions>,
    known: &StepOutputs,
    seen: &PolicyCounts,
    windowed: &Windowed<'_>,
) -> Result<Vec<Vec<Amount>>> {
    let (heads, money) = (known.get(seen.counts.heads)?.sums(ALL), known.get(seen.money)?.sums(ALL));
    let shares = ChurnShare::by_period(known, seen.counts, windowed, ALL)?;
    let of_rates = period_of(seen.policy, spec.period);
    let mut past = vec![];
    let complete = windowed.frame.periods().filter(|p| windowed.complete(*p));
    let by_period = complete.map(|period| {
        let customers = |head: MovementColumn| heads[period][head as usize];
        let flow = |flow: MoneyColumn| money[period][flow as usize];
        past.extend(shares[period]);
        let of = |measure: Measure| match measure {
            Measure::Customers(head) => Amount::Count(customers(head)),
            Measure::Money(which) => Amount::Minor(flow(which)),
            Measure::ChurnRate => Amount::Real(shares[period].and_then(|share| rate(share.of))),
            Measure::GrossChurnRate => Amount::Real(ratio(
                -(flow(MoneyColumn::Churned) + flow(MoneyColumn::Contraction)),
                flow(MoneyColumn::Opening),
            )),
            Measure::Ltv => {
                let arpa = arpa(
                    &spec.setting,
                    spec.period,
                    customers(MovementColumn::Closing) as i64,
                    flow(MoneyColumn::Closing),
                );
                let margin = arpa.map(|arpa| arpa * spec.setting.gross_margin.unwrap_or(1.0));
                // As in stage `ltv`: margin in the time that the rate is for.
                let earned = margin.map(|margin| margin * in_periods(1.0, of_rates, spec.period));
                let churn = ForLife::of(&past, TRAILING, seen.policy).and_then(|life| life.rate);
                let value = earned.zip(churn).and_then(|(earned, churn)| lifetime_value(earned, churn, None));
                Amount::Real(value.map(|value| value.ltv))
            }
        };
        MEASURES.iter().map(|(_, measure)| of(*measure)).collect()
    });
    Ok(by_period.collect())
}
