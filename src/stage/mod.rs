//! Stages: what a pipeline can compute, as a registry of data.
//!
//! A kind of stage is one folder: its definition (the doc text that `tenure explain` prints), its options, its tables,
//! what it folds and how it finishes. Adding one is adding a folder and a line to [`KINDS`].

pub mod acquisition;
pub mod churn;
pub mod churn_windows;
pub mod cohort;
pub mod concentration;
pub mod customers;
pub mod exit_reasons;
pub mod forecast;
pub mod ledger;
pub mod ltv;
mod options;
mod rates;
pub mod reconcile;
pub mod revenue_churn;
pub mod rfm;
pub mod risk;
mod rows;
mod spend;
pub mod survival;
pub mod voice;
pub mod voice_outcome;

use std::sync::Arc;

pub use options::{Horizon, OptionSpec, OptionType, OptionValue, Options};

use crate::calendar::{Day, Period};
use crate::check::Check;
use crate::engine::plan::Plan;
use crate::engine::step_outputs::{Ref, StepOutputs};
use crate::error::Result;
use crate::table::{Cell, ColumnSpec, Table, TableSchema};
use crate::tally::data_quality_counts::DataQualityCounts;
use crate::tally::interpurchase_gaps::Learning;
pub use crate::timeline::builtin::Builtin;
use crate::timeline::lens::{Lens, LiveRule};
pub use crate::timeline::policy::{Dated, FreeAfterPaid, LtvRate, Passing, Policy, RateMoves, RateOf, Switch};
use crate::timeline::purchases::Transactions;
use crate::timeline::segments::SegmentIndex;
use crate::timeline::shape::Basis;
use crate::timeline::view::CustomerContext;

/// The unit of the models' time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    Day,
    Week,
    Month,
}

/// Mean days of a month.
pub const MONTH_DAYS: f64 = 365.25 / 12.0;

impl TimeUnit {
    pub const ALL: [(&'static str, TimeUnit); 3] =
        [("day", TimeUnit::Day), ("week", TimeUnit::Week), ("month", TimeUnit::Month)];

    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }

    pub fn days(self) -> f64 {
        [1.0, 7.0, MONTH_DAYS][self as usize]
    }
}

/// What all stages of a run share.
#[derive(Clone, Debug)]
pub struct Setting {
    pub basis: Basis,
    pub rule: LiveRule,
    /// Whose definitions of subscription churn hold; what of it decides who is live is part of the rule.
    pub policy: Policy,
    /// `calendar.period`: of customers, of the ledger, and of stages that name none.
    pub period: Period,
    /// Minor-unit digits.
    pub digits: u8,
    pub gross_margin: Option<f64>,
    /// A year.
    pub discount_rate: Option<f64>,
    /// Names of the segments, in the order of the dictionary.
    pub segments: Vec<String>,
    /// Those of them that the program computes.
    pub builtins: Vec<Builtin>,
    /// Pairs of them that stages cross, which follow them in the dictionary.
    pub crossed: Vec<(usize, usize)>,
    /// How the gaps between purchases are learned, where something depends on them.
    pub learning: Option<Learning>,
    /// Source `transactions` is mapped.
    pub has_transactions: bool,
    /// Orders that make a live customer loyal.
    pub loyal_orders: i64,
    /// Source `acquisition_costs` is mapped.
    pub has_costs: bool,
    /// `customers.acquired_by` is mapped.
    pub has_channels: bool,
    /// That, or `customers.referred_by`.
    pub has_referrals: bool,
    /// `subscriptions.trial_ends_at` is mapped, and subscriptions are what makes a customer live.
    pub has_trials: bool,
    /// Source `usage` is mapped.
    pub has_usage: bool,
    /// Source `surveys` is mapped.
    pub has_surveys: bool,
    /// The lowest and the highest points of nps, csat and ces.
    pub scales: [(i32, i32); 3],
    /// A high score of ces is an easy time, not a hard one.
    pub ces_high_is_ease: bool,
    /// What the models of buying count, and in what: of the first stage `ltv`, for table `customers` shows it too.
    pub time_unit: TimeUnit,
    pub transactions_by: Transactions,
}

impl Setting {
    /// Everything before as_of, by a period.
    pub fn lens(&self, period: Period) -> Lens {
        Lens { period, rule: self.rule, until: None }
    }

    pub fn builtin(&self, builtin: Builtin) -> bool {
        self.builtins.contains(&builtin)
    }

    /// The numbers of a stage's segments in the dictionary, the pair that it crosses among them.
    pub fn with_crossed(&self, segments: &[usize], by: Option<(usize, usize)>) -> Vec<usize> {
        let pair = by.and_then(|by| self.crossed.iter().position(|pair| *pair == by));
        segments.iter().copied().chain(pair.map(|at| self.segments.len() + at)).collect()
    }

    /// The name of a segment of the dictionary.
    pub fn segment_name(&self, segment: usize) -> String {
        match segment.checked_sub(self.segments.len()) {
            None => self.segments[segment].clone(),
            Some(pair) => {
                let (a, b) = self.crossed[pair];
                format!("{} × {}", self.segments[a], self.segments[b])
            }
        }
    }
}

/// A stage as configured, ready to be built.
#[derive(Clone, Debug)]
pub struct Spec {
    pub name: String,
    pub period: Period,
    /// Numbers of its segments in the dictionary: those of [`Setting::segments`], then the pair that it crosses.
    pub segments: Vec<usize>,
    pub options: Options,
    pub setting: Arc<Setting>,
}

/// Nodes of the plan that exist in every run.
#[derive(Clone, Copy)]
pub struct Common {
    pub index: Ref<SegmentIndex>,
    pub census: Ref<DataQualityCounts>,
}

/// A figure worth telling at the end of a run, of the last complete period.
#[derive(Clone, Debug, PartialEq)]
pub struct SummaryMetric {
    pub stage: String,
    pub period: Day,
    pub label: &'static str,
    pub figure: MetricValue,
}

impl SummaryMetric {
    /// Those of a stage's figures that are known.
    fn of_stage(
        stage: &str,
        period: Day,
        figures: impl IntoIterator<Item = (&'static str, Option<MetricValue>)>,
    ) -> Vec<SummaryMetric> {
        let known = figures.into_iter().filter_map(|(label, figure)| Some((label, figure?)));
        known.map(|(label, figure)| SummaryMetric { stage: stage.into(), period, label, figure }).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricValue {
    Count(i64),
    Rate(f64),
    /// Minor units.
    Money(i128),
    /// Major units, as models and means give them.
    Amount(f64),
    /// A score on a scale of its own.
    Points(f64),
    /// So many units of time, with the unit's name.
    Span(f64, &'static str),
}

#[derive(Default)]
pub struct Finished {
    pub tables: Vec<Table>,
    pub checks: Vec<Check>,
    pub headlines: Vec<SummaryMetric>,
}

/// A stage in a run: holds the handles on what it folds.
pub trait Stage: Send + Sync {
    /// Small data in, tables out; pure.
    fn finish(&self, known: &StepOutputs) -> Result<Finished>;

    /// What the stage has to say of each customer, as columns of table `customers`.
    fn scorer(&self, _known: &StepOutputs) -> Result<Option<Box<dyn Scorer>>> {
        Ok(None)
    }

    /// A per-customer table of the stage's own.
    fn per_customer(&self, _known: &StepOutputs) -> Result<Option<Box<dyn PerCustomer>>> {
        Ok(None)
    }
}

/// Columns of table `customers` that a stage adds.
pub trait Scorer: Send + Sync {
    fn columns(&self) -> Vec<ColumnSpec>;
    /// Numbers of the lenses that it looks through.
    fn lenses(&self) -> Vec<usize>;
    /// A cell for each of its columns.
    fn score<'a>(&'a self, person: &CustomerContext<'_>, push: &mut dyn FnMut(Cell<'a>));
}

/// A table with rows of each customer, sorted by customer_id.
pub trait PerCustomer: Send + Sync {
    fn schema(&self) -> Arc<TableSchema>;
    /// Numbers of the lenses that it looks through.
    fn lenses(&self) -> Vec<usize>;
    /// Appends the rows of a customer, in the order of the key's other columns.
    fn rows(&self, person: &CustomerContext<'_>, table: &mut Table);
}

/// An entry of the registry: everything the rest of the program knows about a kind of stage.
pub struct Kind {
    pub name: &'static str,
    /// What it measures, formulas, edge cases, when it misleads, source: what `tenure explain` prints.
    pub doc: &'static str,
    pub options: &'static [OptionSpec],
    /// The tables that a stage of this kind writes.
    pub tables: fn(&Spec) -> Vec<TableSchema>,
    /// The columns of table `customers` that a stage of this kind adds.
    pub scores: fn(&Spec) -> Vec<ColumnSpec>,
    pub build: fn(&Spec, Common, &mut Plan) -> Result<Box<dyn Stage>>,
}

/// Of kinds that say nothing of single customers.
fn no_scores(_: &Spec) -> Vec<ColumnSpec> {
    vec![]
}

/// Every kind of stage that this version runs, in order of name.
pub static KINDS: &[Kind] = &[
    acquisition::KIND,
    churn::KIND,
    cohort::KIND,
    concentration::KIND,
    exit_reasons::KIND,
    forecast::KIND,
    ltv::KIND,
    reconcile::KIND,
    revenue_churn::KIND,
    rfm::KIND,
    risk::KIND,
    survival::KIND,
    voice::KIND,
    voice_outcome::KIND,
];

/// The kind of that name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|k| k.name == name)
}

/// Kinds whose per-customer rows can also be had for the stage's own period.
pub(crate) const LEDGER_OPTION: OptionSpec = OptionSpec {
    name: "ledger",
    doc: "also write the customers' movements by this stage's own period, as table `ledger_STAGE`",
    accepts: OptionType::Flag,
    later: &[],
    default: "false",
};
