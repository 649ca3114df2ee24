//! What a kind of stage says of itself: the trait that its folder implements, and the entry of the registry made of it.

use std::fmt::{self, Debug};
use std::sync::Arc;

use super::{Common, RunSettings, Stage};
use crate::calendar::Period;
use crate::engine::plan::Plan;
use crate::error::{Error, Result};
use crate::options::{AnyOptions, Key, Setting, StageOptions};
use crate::run_settings::CustomerMeasures;
use crate::source_kind::SourceKind;
use crate::table::{ColumnSpec, TableSchema};
use crate::timeline::shape::Basis;

/// A kind of stage.
///
/// ```text
/// pipeline file ─► Options ─► check ─► tables, customer_columns (schemas, before any data is read)
///                                  └─► build: registers folds and derivations in the plan ─► Stage::finish: tables
/// ```
pub trait StageKind: 'static {
    /// Declared by [`options!`](crate::options); [`NoOptions`](crate::options::NoOptions) where there are none.
    type Options: StageOptions;

    const NAME: &'static str;

    /// What it measures, formulas, edge cases, when it misleads, source: what `tenure explain` prints.
    const DEFINITION: &'static str;

    /// True if its tables have rows by segment. A kind whose tables are about all customers refuses `segments` and `by`.
    const BY_SEGMENT: bool = true;

    /// Tables beside the stage's own, as suffixes of its name: `summary` for `survival_summary`.
    const FURTHER_TABLES: &'static [&'static str] = &[];

    /// Tables that stages of any name share, with a column `stage`: `model_fits`. No stage may take such a name.
    const SHARED_TABLES: &'static [&'static str] = &[];

    /// What is missing from the pipeline, or contradictory in the options: an empty list for a stage that can run.
    fn check(_stage: &StageCheck<'_, Self::Options>) -> Vec<Refusal> {
        vec![]
    }

    /// The tables that the stage writes.
    fn tables(spec: &StageSpec<Self::Options>) -> Vec<TableSchema>;

    /// The columns that the stage adds to table `customers`; its [`Scorer`](super::Scorer) fills them.
    fn customer_columns(_spec: &StageSpec<Self::Options>) -> Vec<ColumnSpec> {
        vec![]
    }

    /// How table `customers` counts time and transactions, if the stage decides that.
    fn customer_measures(_options: &Self::Options) -> Option<CustomerMeasures> {
        None
    }

    /// True if its periods begin with the first sign-up where that is earlier than the first activity.
    fn starts_at_sign_up(_options: &Self::Options) -> bool {
        false
    }

    /// True if the stage writes a table of single customers, which takes a walk of its own.
    fn writes_per_customer(_options: &Self::Options) -> bool {
        false
    }

    /// Registers what the stage folds and derives.
    ///
    /// # Errors
    /// When the settings contradict what [`check`](StageKind::check) let pass: a defect.
    fn build(spec: &StageSpec<Self::Options>, common: Common, plan: &mut Plan) -> Result<Box<dyn Stage>>;
}

/// A stage as configured, ready to be built.
pub struct StageSpec<O: ?Sized> {
    pub name: String,
    pub period: Period,
    /// Numbers of its segments in the dictionary: those of [`RunSettings::segments`], then the pair that it crosses.
    pub segments: Vec<usize>,
    pub options: Arc<O>,
    pub setting: Arc<RunSettings>,
}

impl<O: ?Sized> Clone for StageSpec<O> {
    fn clone(&self) -> Self {
        StageSpec {
            name: self.name.clone(),
            period: self.period,
            segments: self.segments.clone(),
            options: self.options.clone(),
            setting: self.setting.clone(),
        }
    }
}

/// A stage of some kind.
pub type AnySpec = StageSpec<AnyOptions>;

impl AnySpec {
    fn of<O: StageOptions>(&self) -> StageSpec<O> {
        StageSpec {
            name: self.name.clone(),
            period: self.period,
            segments: self.segments.clone(),
            options: typed(&self.options),
            setting: self.setting.clone(),
        }
    }
}

/// The options of a kind's stage. Those of a stage were read by its own kind, so the type fits.
fn typed<O: StageOptions>(options: &AnyOptions) -> Arc<O> {
    options.of().expect("a stage's options were read by its own kind")
}

/// What a pipeline gives its stages to work with. What is not known to be right counts as given: its own mistake is reported
/// already.
pub struct Inputs<'a> {
    /// `None` where it cannot be told.
    pub basis: Option<Basis>,
    pub has_source: &'a dyn Fn(SourceKind) -> bool,
    pub has_column: &'a dyn Fn(SourceKind, &str) -> bool,
}

impl Inputs<'_> {
    /// The source is configured.
    pub fn has(&self, source: SourceKind) -> bool {
        (self.has_source)(source)
    }

    /// The source maps this canonical column.
    pub fn maps(&self, source: SourceKind, column: &str) -> bool {
        (self.has_column)(source, column)
    }

    /// Subscriptions make customers live, or may do so: true where the basis cannot be told. Rows of subscriptions say
    /// nothing of customers who are live by what they buy.
    pub fn on_subscriptions(&self) -> bool {
        self.basis != Some(Basis::Transactions)
    }

    /// Transactions make customers live, or may do so: true where the basis cannot be told.
    pub fn on_transactions(&self) -> bool {
        self.basis != Some(Basis::Subscriptions)
    }
}

/// A stage that is to be checked against the rest of its pipeline.
pub struct StageCheck<'a, O> {
    pub options: &'a O,
    pub inputs: &'a Inputs<'a>,
    /// True if the file sets this option.
    pub is_set: &'a dyn Fn(&str) -> bool,
}

/// Why a stage cannot run, with the remedy.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The option that is at fault; `None`: the stage as a whole.
    pub key: Option<&'static str>,
    /// What follows the option's or the stage's name.
    pub what: String,
    pub help: String,
}

impl Refusal {
    /// `what` follows "a stage of kind `NAME`".
    pub fn of_stage(what: impl Into<String>, help: impl Into<String>) -> Refusal {
        Refusal { key: None, what: what.into(), help: help.into() }
    }

    /// `what` follows the whole name of the option.
    pub fn of_option(key: &'static str, what: impl Into<String>, help: impl Into<String>) -> Refusal {
        Refusal { key: Some(key), what: what.into(), help: help.into() }
    }

    /// One refusal unless `enough` holds.
    pub fn unless(enough: bool, refusal: Refusal) -> Vec<Refusal> {
        if enough { vec![] } else { vec![refusal] }
    }
}

/// Values of options by their name, `None` where one is not set and has no default.
pub type OptionValues<'a> = &'a mut dyn FnMut(&'static str) -> Option<Setting>;

type CheckOptions = fn(&AnyOptions, &Inputs<'_>, &dyn Fn(&str) -> bool) -> Vec<Refusal>;

/// An entry of the registry: all that the rest of the program knows of a kind of stage. See [`StageKind`].
pub struct Kind {
    pub name: &'static str,
    pub definition: &'static str,
    pub keys: &'static [Key],
    pub by_segment: bool,
    pub further_tables: &'static [&'static str],
    pub shared_tables: &'static [&'static str],
    read: fn(OptionValues<'_>) -> std::result::Result<AnyOptions, &'static str>,
    check: CheckOptions,
    tables: fn(&AnySpec) -> Vec<TableSchema>,
    customer_columns: fn(&AnySpec) -> Vec<ColumnSpec>,
    customer_measures: fn(&AnyOptions) -> Option<CustomerMeasures>,
    starts_at_sign_up: fn(&AnyOptions) -> bool,
    writes_per_customer: fn(&AnyOptions) -> bool,
    build: fn(&AnySpec, Common, &mut Plan) -> Result<Box<dyn Stage>>,
}

impl Kind {
    pub const fn of<K: StageKind>() -> Kind {
        Kind {
            name: K::NAME,
            definition: K::DEFINITION,
            keys: K::Options::KEYS,
            by_segment: K::BY_SEGMENT,
            further_tables: K::FURTHER_TABLES,
            shared_tables: K::SHARED_TABLES,
            read: |values| K::Options::read(values).map(AnyOptions::new),
            check: |options, inputs, is_set| {
                K::check(&StageCheck { options: &*typed::<K::Options>(options), inputs, is_set })
            },
            tables: |spec| K::tables(&spec.of()),
            customer_columns: |spec| K::customer_columns(&spec.of()),
            customer_measures: |options| K::customer_measures(&typed::<K::Options>(options)),
            starts_at_sign_up: |options| K::starts_at_sign_up(&typed::<K::Options>(options)),
            writes_per_customer: |options| K::writes_per_customer(&typed::<K::Options>(options)),
            build: |spec, common, plan| K::build(&spec.of(), common, plan),
        }
    }

    /// Reads the options of a stage.
    ///
    /// # Errors
    /// When an option's declared type does not fit what its key takes: a defect of the declaration.
    pub fn read(&self, values: OptionValues<'_>) -> Result<AnyOptions> {
        (self.read)(values).map_err(|key| {
            Error::internal(format!("option `{key}` of kind `{}` has another type than its key takes", self.name))
        })
    }

    pub fn check(&self, options: &AnyOptions, inputs: &Inputs<'_>, is_set: &dyn Fn(&str) -> bool) -> Vec<Refusal> {
        (self.check)(options, inputs, is_set)
    }

    pub fn tables(&self, spec: &AnySpec) -> Vec<TableSchema> {
        (self.tables)(spec)
    }

    pub fn customer_columns(&self, spec: &AnySpec) -> Vec<ColumnSpec> {
        (self.customer_columns)(spec)
    }

    pub fn customer_measures(&self, options: &AnyOptions) -> Option<CustomerMeasures> {
        (self.customer_measures)(options)
    }

    pub fn starts_at_sign_up(&self, options: &AnyOptions) -> bool {
        (self.starts_at_sign_up)(options)
    }

    pub fn writes_per_customer(&self, options: &AnyOptions) -> bool {
        (self.writes_per_customer)(options)
    }

    /// # Errors
    /// The errors of [`StageKind::build`].
    pub fn build(&self, spec: &AnySpec, common: Common, plan: &mut Plan) -> Result<Box<dyn Stage>> {
        (self.build)(spec, common, plan)
    }
}

impl Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
