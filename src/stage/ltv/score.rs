//! What the fitted models say of each customer: `p_alive`, `expected_orders`, `clv`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use rayon::prelude::*;

use super::LtvOptions;
use super::fits::{Bought, CellFits, with};
use super::{BUYING, Buying, Ltv, LtvKind};
use crate::engine::step_outputs::StepOutputs;
use crate::error::Result;
use crate::money::minor_per_major;
use crate::stage::{Scorer, StageKind, StageSpec, TimeUnit};
use crate::stats::buyers::{self, AliveProbability, BgNbd, BuyerModel, FuturePurchases, discounted};
use crate::table::{Cell, ColumnSpec, Type, column};
use crate::tally::buyers::{HistoryKey, HistoryWeight};
use crate::timeline::purchases::{Purchases, TransactionUnit};
use crate::timeline::segments::ALL;
use crate::timeline::view::{CustomerContext, Needs};

/// Transactions to come of a customer who is alive: all within the horizon, and discounted.
#[derive(Clone, Copy, Debug, Default)]
struct ToCome {
    transactions: f64,
    discounted: f64,
}

/// Customers with more purchases than this are scored one by one.
const OFTEN: usize = 1 << 12;

/// What is said of customers of one x, of which there are many.
struct PreparedFit {
    /// By T in days.
    to_come: Vec<ToCome>,
    alive: AliveProbability,
}

struct BuyerScorer {
    columns: Vec<ColumnSpec>,
    lens: usize,
    unit: TimeUnit,
    transactions: TransactionUnit,
    major: f64,
    margin: f64,
    /// Months ahead, a month in units of time, and the discount rate of one.
    horizon: (u32, f64, f64),
    /// `None` where no model converged.
    model: Option<(&'static str, Bought, CellFits)>,
    /// By x: where the counts hold enough histories to be worth it.
    prepared: Vec<Option<PreparedFit>>,
    /// By x, for others.
    futures: Vec<OnceLock<FuturePurchases>>,
}

impl Ltv {
    pub(super) fn scorer_of(&self, buying: &Buying, known: &StepOutputs) -> Result<Box<dyn Scorer>> {
        let fits = known.get(buying.full)?;
        let model = fits.get(&ALL).and_then(|fits| {
            let (name, model) = fits.scoring(&self.buying_models())?;
            Some((name, model, fits.clone()))
        });
        let mut scorer = BuyerScorer {
            columns: columns(&self.spec),
            lens: buying.lens,
            unit: buying.unit,
            transactions: buying.transactions,
            major: minor_per_major(self.spec.setting.digits),
            margin: self.margin(),
            horizon: (self.horizon, buying.month(), self.monthly().unwrap_or(0.0)),
            model,
            prepared: vec![],
            futures: std::iter::repeat_with(OnceLock::new).take(OFTEN).collect(),
        };
        let tally = known.get(buying.buyers)?;
        let kinds = tally.get(&ALL).map(|group| group.histories.kinds()).unwrap_or_default();
        scorer.prepared = scorer.prepare(&kinds);
        Ok(Box::new(scorer))
    }
}

/// The columns of `customers` that the stage adds, if it fits a model of buying; a second stage of the kind puts its name
/// before them.
pub(super) fn columns(spec: &StageSpec<LtvOptions>) -> Vec<ColumnSpec> {
    if !spec.options.models.iter().any(|m| BUYING.contains(m)) {
        return vec![];
    }
    let stage = &spec.name;
    let name = |name: &str| if stage == LtvKind::NAME { name.to_owned() } else { format!("{stage}_{name}") };
    let horizon = format!("over {} months", spec.options.horizon.0);
    let value = if spec.setting.gross_margin.is_some() { "margin" } else { "revenue" };
    let discounted = if spec.setting.discount_rate.is_some() { "discounted" } else { "not discounted" };
    vec![
        column(
            name("p_alive"),
            Type::Double,
            format!("probability that the customer has not dropped out for good, by stage {stage}; NULL at x = 0 under bgnbd, and where no model converged"),
        )
        .distinct(),
        column(name("expected_orders"), Type::Double, format!("transactions expected {horizon}")).distinct(),
        column(
            name("clv"),
            Type::Double,
            format!("{value} expected {horizon}, {discounted}, in major units; NULL without a value model"),
        )
        .distinct(),
    ]
}

/// The ages that occur with each frequency.
pub(super) fn ages_by_frequency<'a>(kinds: impl Iterator<Item = &'a HistoryKey>) -> Vec<(u32, Vec<u32>)> {
    let mut ages: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    kinds.for_each(|kind| ages.entry(kind.frequency).or_default().push(kind.age));
    for ages in ages.values_mut() {
        ages.sort_unstable();
        ages.dedup();
    }
    ages.into_iter().collect()
}

impl BuyerScorer {
    /// `kinds` are in order of x.
    fn prepare(&self, kinds: &[(HistoryKey, HistoryWeight)]) -> Vec<Option<PreparedFit>> {
        let Some((_, model, _)) = &self.model else { return vec![] };
        let months_ahead = f64::from(self.horizon.0) * self.horizon.1;
        let of_frequency = |kinds: &&[(HistoryKey, HistoryWeight)]| {
            let x = kinds[0].0.frequency;
            let longest = kinds.iter().map(|(kind, _)| kind.age).max().unwrap_or(0);
            // A day's figures cost about what those of a few customers do.
            let worth_it = kinds.len() > longest as usize / 4 && (x as usize) < OFTEN;
            worth_it.then(|| {
                let future = with!(model, m => m.futures(x, months_ahead, usize::MAX));
                let to_come = (0..=longest).map(|age| self.to_come_by(age, &*future)).collect();
                let alive = with!(model, m => m.alive(x, longest, self.unit.days(), usize::MAX));
                (x as usize, PreparedFit { to_come, alive })
            })
        };
        let groups: Vec<_> = kinds.chunk_by(|a, b| a.0.frequency == b.0.frequency).collect();
        let worth_it: Vec<_> = groups.par_iter().filter_map(of_frequency).collect();
        let mut prepared = vec![];
        prepared.resize_with(worth_it.last().map_or(0, |(x, _)| x + 1), || None);
        worth_it.into_iter().for_each(|(x, of_x)| prepared[x] = Some(of_x));
        prepared
    }

    fn to_come_by(&self, age: u32, future: &dyn Fn(f64, f64) -> f64) -> ToCome {
        let (months, month, rate) = self.horizon;
        let age = f64::from(age) / self.unit.days();
        ToCome {
            transactions: future(age, month * f64::from(months)),
            discounted: discounted(|t| future(age, t), month, months, rate).unwrap_or(0.0),
        }
    }

    fn look_ahead(&self, x: u32, age: u32, model: &Bought) -> ToCome {
        let longest = f64::from(self.horizon.0) * self.horizon.1;
        let future = |wanted| with!(model, m => m.futures(x, longest, wanted));
        match self.futures.get(x as usize) {
            Some(prepared) => self.to_come_by(age, &**prepared.get_or_init(|| future(usize::MAX))),
            None => self.to_come_by(age, &*future(self.horizon.0 as usize)),
        }
    }

    /// p_alive and what is to come.
    fn outlook(&self, bought: &Purchases, model: &Bought) -> Option<(f64, ToCome)> {
        let Purchases { frequency: x, recency, age, .. } = *bought;
        if let Some(Some(of_x)) = self.prepared.get(x as usize)
            && let Some(to_come) = of_x.to_come.get(age as usize)
        {
            return Some(((of_x.alive)(recency, age)?, *to_come));
        }
        let units = |days: u32| f64::from(days) / self.unit.days();
        let history = buyers::PurchaseHistory::new(x, units(recency), units(age))?;
        Some((with!(model, m => m.p_alive(&history)), self.look_ahead(x, age, model)))
    }

    /// p_alive, expected transactions, value.
    fn figures(&self, bought: &Purchases) -> Option<(Option<f64>, f64, Option<f64>)> {
        let (name, model, fits) = self.model.as_ref()?;
        let (alive, to_come) = self.outlook(bought, model)?;
        let spend = fits.spend(bought.frequency, bought.spend as f64 / self.major);
        let certain = *name == BgNbd::NAME && bought.frequency == 0;
        let value = spend.map(|spend| alive * to_come.discounted * spend * self.margin);
        Some(((!certain).then_some(alive), alive * to_come.transactions, value))
    }
}

impl Scorer for BuyerScorer {
    fn columns(&self) -> Vec<ColumnSpec> {
        self.columns.clone()
    }

    fn lenses(&self) -> Vec<usize> {
        vec![self.lens]
    }

    fn score<'a>(&'a self, person: &CustomerContext<'_>, push: &mut dyn FnMut(Cell<'a>)) {
        let view = person.through(self.lens, Needs::ALL);
        let bought = self.transactions.before(&view, view.shape().as_of);
        let figures = bought.and_then(|b| self.figures(&b));
        let (alive, orders, value) = figures.map_or((None, None, None), |(a, o, v)| (a, Some(o), v));
        push(alive.into());
        push(orders.into());
        push(value.into());
    }
}
