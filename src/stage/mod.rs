//! Stages: what a pipeline can compute, as a registry of data.
//!
//! A kind of stage is one folder: its definition (the doc text that `tenure explain` prints), its options, its tables,
//! what it folds and how it finishes. Adding one is adding a folder and a line to [`KINDS`].

pub mod acquisition;
pub mod churn;
pub mod cohort;
pub mod concentration;
pub mod exit_reasons;
pub mod forecast;
mod ledger_option;
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
pub use crate::engine::per_customer::{PerCustomer, Scorer};
use crate::engine::plan::Plan;
use crate::engine::step_outputs::{Ref, StepOutputs};
use crate::error::Result;
pub use crate::run_settings::{MONTH_DAYS, RunSettings, TimeUnit};
use crate::table::{ColumnSpec, Table, TableSchema};
use crate::tally::data_quality_counts::DataQualityCounts;
pub use crate::timeline::builtin::Builtin;
pub use crate::timeline::policy::{Dated, FreeAfterPaid, LtvRate, Passing, Policy, RateMoves, RateOf, Switch};
use crate::timeline::segments::SegmentIndex;

/// A stage as configured, ready to be built.
#[derive(Clone, Debug)]
pub struct Spec {
    pub name: String,
    pub period: Period,
    /// Numbers of its segments in the dictionary: those of [`RunSettings::segments`], then the pair that it crosses.
    pub segments: Vec<usize>,
    pub options: Options,
    pub setting: Arc<RunSettings>,
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
