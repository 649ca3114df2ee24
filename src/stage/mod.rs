//! Stages: what a pipeline can compute, as a registry of data.
//!
//! A kind of stage is one folder: its definition (the text that `tenure explain` prints), its options, what it requires of the
//! pipeline, its tables, what it folds and how it finishes. It implements [`StageKind`] and has a line in [`KINDS`]; nothing
//! outside its folder knows it by name.

pub mod acquisition;
pub mod churn;
pub mod cohort;
pub mod concentration;
pub mod exit_reasons;
pub mod forecast;
pub mod kind;
mod ledger_option;
pub mod ltv;
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

use crate::calendar::Day;
use crate::check::Check;
pub use crate::engine::per_customer::{PerCustomer, Scorer};
use crate::engine::step_outputs::{Ref, StepOutputs};
use crate::error::Result;
pub use crate::run_settings::{MONTH_DAYS, RunSettings, TimeUnit};
use crate::table::Table;
use crate::tally::data_quality_counts::DataQualityCounts;
pub use crate::timeline::policy::Policy;
use crate::timeline::segments::SegmentIndex;

pub use kind::{AnySpec, Inputs, Kind, Refusal, StageCheck, StageKind, StageSpec};

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
    /// The metrics of a stage, without those that are not known.
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

/// Every kind of stage that this version runs, in order of name.
pub static KINDS: &[Kind] = &[
    Kind::of::<acquisition::AcquisitionKind>(),
    Kind::of::<churn::ChurnKind>(),
    Kind::of::<cohort::CohortKind>(),
    Kind::of::<concentration::ConcentrationKind>(),
    Kind::of::<exit_reasons::ExitReasonsKind>(),
    Kind::of::<forecast::ForecastKind>(),
    Kind::of::<ltv::LtvKind>(),
    Kind::of::<reconcile::ReconcileKind>(),
    Kind::of::<revenue_churn::RevenueChurnKind>(),
    Kind::of::<rfm::RfmKind>(),
    Kind::of::<risk::RiskKind>(),
    Kind::of::<survival::SurvivalKind>(),
    Kind::of::<voice::VoiceKind>(),
    Kind::of::<voice_outcome::VoiceOutcomeKind>(),
];
