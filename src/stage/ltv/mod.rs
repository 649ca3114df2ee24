//! Stage `ltv`: what a customer is worth.

mod backtest;
mod buying;
mod finish;
mod fits;
pub(super) mod ratio;
mod realised;
mod renewals;
mod requirements;
mod score;
mod survival;
mod tables;

use super::rates::{self, MovementCounts};
use super::rows::Windowed;
use super::{Common, Refusal, Stage, StageCheck, StageKind, StageSpec, TimeUnit};
use crate::calendar::Day;
use crate::engine::plan::Plan;
use crate::engine::step_outputs::{Ref, StepOutputs};
use crate::error::Result;
use crate::options::{Accepts, Default, Months, names, options, word, word_option, words};
use crate::run_settings::CustomerMeasures;
use crate::table::{ColumnSpec, TableSchema};
use crate::tally::buyers;
use crate::tally::cohorts::{self, CohortDate, CohortMode, CohortSpec, CohortTally};
use crate::tally::holdout::{self, HoldoutTally};
use crate::tally::live_at_close::LiveAtClose;
use crate::tally::money::MoneyMovements;
use crate::tally::period_series::PeriodSeries;
use crate::tally::renewals::RenewalsTally;
use crate::tally::spell_durations::{self, WhichSpells};
use crate::tally::{self, series};
use crate::timeline::purchases::{TransactionUnit, Until};

const TRANSACTIONS: [(&str, TransactionUnit); 2] =
    [("day", TransactionUnit::ByDay), ("order_id", TransactionUnit::ByOrder)];

word_option!(TimeUnit, TimeUnit::ALL);
word_option!(TransactionUnit, TRANSACTIONS);

options! {
    /// Options of kind `ltv`.
    pub struct LtvOptions {
        /// methods, each adding its rows; the first of bgnbd, mbgnbd, paretonbd that converged scores the customers
        models: Vec<&'static str> = words(&[
            "ratio",
            "realised",
            "survival",
            "sbg",
            "bdw",
            "bgnbd",
            "mbgnbd",
            "paretonbd",
            "gammagamma",
        ]), Default::Value("[\"ratio\", \"realised\"]");
        /// complete periods of the trailing churn rate that `ratio` divides by
        trailing: usize = Accepts::Int { min: 1, max: 1000 }, Default::Value("6");
        /// unit of the buying models' time, of their parameters and of frequency, recency, age in `customers`
        time_unit: TimeUnit = word(&names(&TimeUnit::ALL)), Default::Value("\"week\"");
        /// how far the fitted methods look ahead
        horizon: Months = Accepts::Months, Default::Value("\"3 years\"");
        /// what the buying models count as one transaction: a day with activity, or an order
        transactions_by: TransactionUnit = word(&names(&TRANSACTIONS)), Default::Value("\"day\"");
        /// last day that the backtest of fitted methods learns from
        calibrate_until: Option<Day> = Accepts::Date, Default::Unset("by `calibrate_share`");
        /// share of the window that the backtest learns from, down to the end of a period
        calibrate_share: Option<f64> = Accepts::number(0.01, 0.99), Default::Unset("two thirds");
    }
}

/// See `definition.md`.
pub struct LtvKind;

impl StageKind for LtvKind {
    type Options = LtvOptions;

    const NAME: &'static str = "ltv";
    const DEFINITION: &'static str = include_str!("definition.md");

    const SHARED_TABLES: &'static [&'static str] = &tables::SHARED;

    fn check(stage: &StageCheck<'_, LtvOptions>) -> Vec<Refusal> {
        requirements::check(stage)
    }

    fn customer_measures(options: &LtvOptions) -> Option<CustomerMeasures> {
        Some(CustomerMeasures { time_unit: options.time_unit, transactions_by: options.transactions_by })
    }

    fn tables(spec: &StageSpec<LtvOptions>) -> Vec<TableSchema> {
        tables::of(spec)
    }

    fn customer_columns(spec: &StageSpec<LtvOptions>) -> Vec<ColumnSpec> {
        score::columns(spec)
    }

    fn build(spec: &StageSpec<LtvOptions>, common: Common, plan: &mut Plan) -> Result<Box<dyn Stage>> {
        let lens = spec.setting.lens(spec.period);
        let fold = CohortSpec { from: CohortDate::FirstActivity, mode: CohortMode::Active, max_age: None, unit: None };
        let models = spec.options.models.clone();
        let any_of = |some: &[&str]| models.iter().any(|m| some.contains(m));
        let cut = match spec.options.calibrate_until {
            Some(last) => Until::Day(last.plus(1)),
            None => {
                let share = spec.options.calibrate_share.unwrap_or(2.0 / 3.0);
                // Up, so that two thirds of nine months are six of them.
                Until::Share((share * 1e6).ceil() as u32, spec.period)
            }
        };
        let buying = any_of(&BUYING).then(|| {
            let (unit, transactions) = (spec.options.time_unit, spec.options.transactions_by);
            let mut buyers = |until| buyers::plan(plan, common.index, lens, &spec.segments, transactions, until);
            let (full, calibration) = (buyers(Until::AsOf), buyers(cut));
            let asked = fits::Asked::new(&models, unit, spec.setting.digits);
            Buying {
                unit,
                transactions,
                full: fits::plan(plan, full, asked.clone()),
                calibrated: fits::plan(plan, calibration, asked),
                buyers: full,
                calibration,
                holdout: holdout::plan(plan, common.index, lens, &spec.segments, transactions, cut),
                lens: plan.lens(lens),
            }
        });
        Ok(Box::new(Ltv {
            horizon: spec.options.horizon.0,
            counts: rates::plan(plan, common.index, lens, &spec.segments, spec.setting.policy),
            money: series::plan::<MoneyMovements>(plan, common.index, lens, &spec.segments),
            cohorts: cohorts::plan(plan, common.index, lens, &spec.segments, fold),
            lives: any_of(&["survival"]).then(|| {
                let lives =
                    spell_durations::plan(plan, common.index, lens, &spec.segments, spec.period, WhichSpells::First);
                (lives, series::plan::<LiveAtClose>(plan, common.index, lens, &spec.segments))
            }),
            renewals: any_of(&RENEWING).then(|| tally::renewals::plan(plan, common.index, lens, &spec.segments, cut)),
            cut,
            buying,
            models,
            spec: spec.clone(),
            common,
        }))
    }
}

/// Methods that fit how customers buy, each with the value model `gammagamma`.
pub const BUYING: [&str; 3] = ["bgnbd", "mbgnbd", "paretonbd"];
/// Methods that fit renewals.
pub const RENEWING: [&str; 2] = ["bdw", "sbg"];

struct Ltv {
    spec: StageSpec<LtvOptions>,
    common: Common,
    /// In the order of the file, each once.
    models: Vec<&'static str>,
    /// Months that the fitted methods look ahead.
    horizon: u32,
    counts: MovementCounts,
    money: Ref<PeriodSeries>,
    cohorts: Ref<CohortTally>,
    /// Spells, and who is live of the same cells.
    lives: Option<(Ref<PeriodSeries>, Ref<PeriodSeries>)>,
    renewals: Option<Ref<RenewalsTally>>,
    /// Where the backtest's holdout begins.
    cut: Until,
    buying: Option<Buying>,
}

/// What the models of buying are fitted to, and the fits.
struct Buying {
    unit: TimeUnit,
    transactions: TransactionUnit,
    full: Ref<fits::BuyerFits>,
    calibrated: Ref<fits::BuyerFits>,
    buyers: Ref<buyers::BuyersTally>,
    calibration: Ref<buyers::BuyersTally>,
    holdout: Ref<HoldoutTally>,
    /// Number of the lens that scoring looks through.
    lens: usize,
}

impl Ltv {
    fn has(&self, model: &str) -> bool {
        self.models.contains(&model)
    }

    /// The last complete period, or the last.
    fn latest(&self, known: &StepOutputs) -> usize {
        let frame = known.shape.frame(self.spec.period);
        let windowed = Windowed { frame, shape: &known.shape, rule: self.spec.setting.rule };
        frame.periods().rev().find(|p| windowed.complete(*p)).unwrap_or(frame.len() - 1)
    }
}
