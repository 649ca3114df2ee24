//! The pipeline file: a document with a place for every value, decoded into a validated [`Pipeline`].
//!
//! What the user wrote and what it resolves to are two types: the tree keeps places and knows every mistake,
//! [`Pipeline`] holds only values that make sense, with every default filled in. All problems are collected and
//! reported together, each with its place in the file and, for a misspelling, the nearest valid name.
//!
//! ```text
//! text ─toml─► tree ─overrides, environment─► tree ─section, value against the reference─► Pipeline, resolved
//! ```

mod decode;
mod diagnostics;
mod entries;
mod environment;
mod explain;
mod layout;
mod load;
mod overrides;
mod recovery;
mod redactor;
pub mod reference;
mod render;
mod schema;
mod section;
mod segments;
mod sources;
mod stages;
mod tree;
mod value;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod mutations;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use tempfile::TempPath;

use crate::calendar::{Day, Period};
use crate::options::AnyOptions;
pub use crate::options::{ChurnAfter, Reactivation};
pub use crate::source_kind::{Scale, SourceKind, SurveyScales};
use crate::stage::Kind;
pub use crate::text::{Expression, Located, Text};
use crate::timeline::builtin::Builtin;
use crate::timeline::policy::Policy;
pub use crate::timeline::shape::Basis;

pub use explain::{ExplainedSetting, explain_settings};
pub use layout::Override;
pub use load::{Flawed, examine, load, parse, read_text};
pub use redactor::Redactor;
pub use render::{Location, Style, locate, render};
pub use schema::json_schema;
pub use stages::{default_options, widest_options};

/// A validated pipeline: what a run is to do.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// The file as the user named it, and the folder that its relative paths start from.
    pub file: PathBuf,
    pub base: PathBuf,
    pub name: Text,
    /// SHA-256 of the file's bytes, hexadecimal.
    pub sha256: String,
    pub calendar: Calendar,
    pub money: MoneySettings,
    pub customers: CustomerSettings,
    pub sources: BTreeMap<SourceKind, SourceSettings>,
    /// In order of name.
    pub segments: Vec<SegmentSettings>,
    /// In order of name.
    pub stages: Vec<StageSettings>,
    pub output: Output,
    /// Every key with its value or default, as it goes into the manifest: environment references stay unexpanded.
    pub resolved: serde_json::Value,
    /// Temporary files that its sources name, which are removed with the pipeline.
    pub temporary_files: Vec<Arc<TempPath>>,
}

impl SegmentFrom {
    pub fn builtin(&self) -> Option<Builtin> {
        match self {
            SegmentFrom::Builtin(builtin) => Some(*builtin),
            SegmentFrom::Column(..) => None,
        }
    }
}

impl SegmentSettings {
    /// The column that gives its values, if it is of this source.
    pub fn column_of(&self, kind: SourceKind) -> Option<&Text> {
        match &self.from {
            SegmentFrom::Column(source, column) if *source == kind => Some(column),
            _ => None,
        }
    }
}

impl Pipeline {
    /// The pairs of segments that stages cross, each once: they follow the segments themselves by number.
    pub fn crossed(&self) -> Vec<(usize, usize)> {
        let mut pairs: Vec<_> = self.stages.iter().filter_map(|s| s.by).collect();
        pairs.sort_unstable();
        pairs.dedup();
        pairs
    }
}

#[derive(Clone, Debug)]
pub struct Calendar {
    pub period: Period,
    pub timezone: TimeZone,
    pub week_start: Weekday,
    /// Exclusive end of what is observed; `None`: found by the scan.
    pub as_of: Option<Day>,
    pub observed_from: Option<Day>,
    /// Month (1–12) in which the fiscal year begins, for table `dates`.
    pub fiscal_year_start: i8,
}

#[derive(Clone, Debug)]
pub struct MoneySettings {
    pub currency: Text,
    /// Minor-unit digits, 0 to 6.
    pub digits: u8,
    pub gross_margin: Option<f64>,
    pub discount_rate: Option<f64>,
}

#[derive(Clone, Debug)]
pub struct CustomerSettings {
    pub basis: Basis,
    pub churn_after: ChurnAfter,
    /// Exclusive end of what windows are learned from; `None`: as_of.
    pub learned_until: Option<Located<Day>>,
    /// A live customer with at least this many orders is loyal.
    pub loyal_orders: i64,
    /// SQL over canonical transaction columns; `None` is the default, `amount > 0`.
    pub activity: Option<Expression>,
    pub ended_at_inclusive: bool,
    pub gap_days: i32,
    /// A subscription of amount 0 makes its customer live.
    pub free_is_live: bool,
    pub paused_is_live: bool,
    pub past_due_is_live: bool,
    /// The preset with every switch that is set beside it.
    pub policy: Policy,
}

#[derive(Clone, Debug)]
pub struct SourceSettings {
    pub kind: SourceKind,
    /// Files, globs and folders, relative to [`Pipeline::base`].
    pub paths: Vec<Located<Text>>,
    pub filter: Option<Expression>,
    /// Canonical column → where it comes from. Required ones are present.
    pub columns: BTreeMap<String, Located<Mapping>>,
    /// Zone of timestamps without one.
    pub timezone: TimeZone,
    /// Newest record must not be older than this many seconds at run time.
    pub freshness: Option<i64>,
    /// The scales of source `surveys`; `None` for other sources.
    pub scales: Option<SurveyScales>,
    /// Place of the source's table in the pipeline file.
    pub span: std::ops::Range<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mapping {
    Column(Text),
    Sql(Text),
}

/// Which of a customer's values counts where a column changes over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The value at each period's opening (customers may move between values).
    Opening,
    First,
    Latest,
}

/// Where a segment's values come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SegmentFrom {
    /// A canonical column that the source maps, else a column of the export itself.
    Column(SourceKind, Text),
    Builtin(Builtin),
}

#[derive(Clone, Debug)]
pub struct SegmentSettings {
    pub name: String,
    pub from: SegmentFrom,
    pub at: At,
    /// At most this many values, the most frequent; the rest are `other`.
    pub cap: usize,
    pub span: std::ops::Range<usize>,
}

/// A stage as configured: a kind of the registry under a name.
#[derive(Clone, Debug)]
pub struct StageSettings {
    /// Also the name of its table.
    pub name: String,
    pub kind: &'static Kind,
    pub period: Period,
    /// Indices into [`Pipeline::segments`].
    pub segments: Vec<usize>,
    /// Two of them, crossed with each other.
    pub by: Option<(usize, usize)>,
    pub options: AnyOptions,
    pub span: std::ops::Range<usize>,
}

#[derive(Clone, Debug)]
pub struct Output {
    /// Absolute, or relative to the working directory: already joined to [`Pipeline::base`].
    pub dir: PathBuf,
    /// The same as the file has it: how to show it.
    pub dir_text: Text,
    /// Share of rejected rows above which the run fails.
    pub quarantine_limit: f64,
    /// Unix mode of per-customer tables; `None`: readable by their owner alone.
    pub mode: Option<u32>,
    /// Where temporary files go; `None`: the system's.
    pub temp_dir: Option<PathBuf>,
    pub temp_dir_text: Option<Text>,
}
