//! Stage `ltv`: what a customer is worth.

mod backtest;
mod buying;
mod finish;
mod fits;
pub(super) mod ratio;
mod realised;
mod renewals;
mod score;
mod survival;
mod tables;

use super::rates::{self, Counts};
use super::rows::Windowed;
use super::{Common, Kind, OptionSpec, OptionType, Options, Spec, Stage, TimeUnit};
use crate::engine::plan::Plan;
use crate::engine::step_outputs::{Ref, StepOutputs};
use crate::error::Result;
use crate::tally::buyers;
use crate::tally::cohorts::{self, CohortSpec, CohortTally, From, Mode};
use crate::tally::holdout::{self, HoldoutTally};
use crate::tally::live_at_close::LiveAtClose;
use crate::tally::money::Money;
use crate::tally::period_series::PeriodSeries;
use crate::tally::renewals::RenewalsTally;
use crate::tally::spell_durations::{self, Spells};
use crate::tally::{self, series};
use crate::timeline::purchases::{Transactions, Until};

pub const KIND: Kind = Kind {
    name: "ltv",
    doc: include_str!("definition.md"),
    options: OPTIONS,
    tables: tables::of,
    scores: score::columns,
    build,
};

/// Methods that fit how customers buy, each with the value model `gammagamma`.
pub const BUYING: [&str; 3] = ["bgnbd", "mbgnbd", "paretonbd"];
/// Methods that fit renewals.
pub const RENEWING: [&str; 2] = ["bdw", "sbg"];

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "models",
        doc: "methods, each adding its rows; the first of bgnbd, mbgnbd, paretonbd that converged scores the customers",
        accepts: OptionType::Words(&[
            "ratio",
            "realised",
            "survival",
            "sbg",
            "bdw",
            "bgnbd",
            "mbgnbd",
            "paretonbd",
            "gammagamma",
        ]),
        later: &[],
        default: "[\"ratio\", \"realised\"]",
    },
    OptionSpec {
        name: "trailing",
        doc: "complete periods of the trailing churn rate that `ratio` divides by",
        accepts: OptionType::Int { min: 1, max: 1000 },
        later: &[],
        default: "6",
    },
    OptionSpec {
        name: "time_unit",
        doc: "unit of the buying models' time, of their parameters and of frequency, recency, age in `customers`",
        accepts: OptionType::Word(&["day", "week", "month"]),
        later: &[],
        default: "\"week\"",
    },
    OptionSpec {
        name: "horizon",
        doc: "how far the fitted methods look ahead",
        accepts: OptionType::Months,
        later: &[],
        default: "\"3 years\"",
    },
    OptionSpec {
        name: "transactions_by",
        doc: "what the buying models count as one transaction: a day with activity, or an order",
        accepts: OptionType::Word(&["day", "order_id"]),
        later: &[],
        default: "\"day\"",
    },
    OptionSpec {
        name: "calibrate_until",
        doc: "last day that the backtest of fitted methods learns from; not set: by `calibrate_share`",
        accepts: OptionType::Date,
        later: &[],
        default: "",
    },
    OptionSpec {
        name: "calibrate_share",
        doc: "share of the window that the backtest learns from, down to the end of a period; not set: two thirds",
        accepts: OptionType::Float { min: 0.01, max: 0.99 },
        later: &[],
        default: "",
    },
];

pub fn time_unit(options: &Options) -> TimeUnit {
    let word = options.word("time_unit");
    TimeUnit::ALL.iter().find(|(name, _)| Some(*name) == word).map_or(TimeUnit::Week, |(_, unit)| *unit)
}

pub fn transactions_by(options: &Options) -> Transactions {
    if options.word("transactions_by") == Some("order_id") { Transactions::ByOrder } else { Transactions::ByDay }
}

struct Ltv {
    spec: Spec,
    common: Common,
    /// As written, without repetition.
    models: Vec<&'static str>,
    trailing: usize,
    /// Months that the fitted methods look ahead.
    horizon: u32,
    counts: Counts,
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
    transactions: Transactions,
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

fn build(spec: &Spec, common: Common, plan: &mut Plan) -> Result<Box<dyn Stage>> {
    let lens = spec.setting.lens(spec.period);
    let fold = CohortSpec { from: From::FirstActivity, mode: Mode::Active, max_age: None, unit: None };
    let models = spec.options.words("models").to_vec();
    let any_of = |some: &[&str]| models.iter().any(|m| some.contains(m));
    let cut = match spec.options.date("calibrate_until") {
        Some(last) => Until::Day(last.plus(1)),
        None => {
            let share = spec.options.float("calibrate_share").unwrap_or(2.0 / 3.0);
            // Up, so that two thirds of nine months are six of them.
            Until::Share((share * 1e6).ceil() as u32, spec.period)
        }
    };
    let buying = any_of(&BUYING).then(|| {
        let (unit, transactions) = (time_unit(&spec.options), transactions_by(&spec.options));
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
        trailing: spec.options.int("trailing").unwrap_or(6) as usize,
        horizon: spec.options.months("horizon").and_then(|m| u32::try_from(m).ok()).unwrap_or(36),
        counts: rates::plan(plan, common.index, lens, &spec.segments, spec.setting.policy),
        money: series::plan::<Money>(plan, common.index, lens, &spec.segments),
        cohorts: cohorts::plan(plan, common.index, lens, &spec.segments, fold),
        lives: any_of(&["survival"]).then(|| {
            let lives = spell_durations::plan(plan, common.index, lens, &spec.segments, spec.period, Spells::First);
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
