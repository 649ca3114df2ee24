//! Running a pipeline from Rust, with Polars data frames at both ends.

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema};
use jiff::Timestamp;
use parquet::arrow::ArrowWriter;
use polars::prelude::DataFrame;

use crate::calendar::Day;
use crate::check::Check;
use crate::config::{self, Pipeline};
use crate::engine::memory_sink::MemorySink;
use crate::engine::per_customer::PerCustomer;
use crate::engine::score::Score;
use crate::error::{Error, Errors, Result};
use crate::job::{self, LoadedData, RunPlan, RunResult};
use crate::nearest::suggestion;
use crate::progress::{NoProgress, Progress};
use crate::source::from_polars;
use crate::source_kind::SourceKind;
use crate::stage::KINDS;
use crate::table::Table;
use crate::text::{Located, Text};
use crate::timeline::store::Store;

impl Pipeline {
    /// Reads a pipeline from the text of a pipeline file. Relative paths in it start from `folder`.
    ///
    /// # Errors
    /// Every problem of the text, each with its place.
    pub fn from_toml(text: &str, folder: &Path) -> Result<Pipeline, Errors> {
        config::parse(&folder.join("pipeline.toml"), text, &[], &|name| std::env::var(name).ok(), KINDS)
    }

    /// Takes the rows of a source from a data frame in memory instead of files.
    ///
    /// The pipeline file maps the frame's columns as it would an export's; its `path` is not read. Frames take the same way
    /// through the program as exports: types are checked, rows that cannot be used go to table `quarantine`, and what does
    /// not fit memory is in temporary files. Hence the frame is written to a temporary Parquet file (in `output.temp_dir`),
    /// which is removed with the pipeline.
    ///
    /// # Errors
    /// Pipeline: the pipeline has no such source. Output: the temporary file cannot be written, or has no room.
    pub fn with_frame(mut self, source: &str, frame: &DataFrame) -> Result<Pipeline> {
        let kind = SourceKind::ALL.into_iter().find(|kind| kind.name() == source);
        let folder = job::temporary(&self)?;
        let Some(settings) = kind.and_then(|kind| self.sources.get_mut(&kind)) else {
            let names: Vec<&str> = self.sources.keys().map(|kind| kind.name()).collect();
            return Err(Error::pipeline(format!("the pipeline has no source `{source}`")).help(suggestion(
                source,
                &names,
                "its sources are",
            )));
        };
        let failed = |e: Box<dyn std::error::Error + Send + Sync>| {
            Error::output(format!("the data frame of source {source} cannot be written to {}", folder.display()))
                .help("choose another folder with output.temp_dir, or free some room")
                .because(e)
        };
        let file = written(frame, &folder).map_err(failed)?;
        let path = Located { value: Text::plain(file.to_string_lossy()), span: settings.span.clone() };
        settings.paths = vec![path];
        self.temporary_files.push(Arc::new(file));
        Ok(self)
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Rows of a frame that are encoded together.
const ROWS: usize = 1 << 20;

/// A temporary Parquet file with the rows of a frame.
fn written(frame: &DataFrame, folder: &Path) -> Result<tempfile::TempPath, BoxError> {
    let file = tempfile::Builder::new().prefix("tenure-").suffix(".parquet").tempfile_in(folder)?;
    let mut writer = None;
    let mut from = 0;
    // An empty frame has a schema all the same.
    while from < frame.height() || writer.is_none() {
        let piece = frame.slice(from as i64, ROWS);
        let columns = piece.columns().iter().map(|column| from_polars(column.as_materialized_series()));
        let arrays = columns.collect::<Result<Vec<_>, _>>()?;
        let field = |(name, array): (&str, &arrow::array::ArrayRef)| Field::new(name, array.data_type().clone(), true);
        let names = piece.columns().iter().map(|column| column.name().as_str());
        let schema = Arc::new(Schema::new(names.zip(&arrays).map(field).collect::<Vec<_>>()));
        let batch = RecordBatch::try_new(schema.clone(), arrays)?;
        let open = match writer.take() {
            Some(open) => open,
            None => ArrowWriter::try_new(file.as_file().try_clone()?, schema, None)?,
        };
        writer.insert(open).write(&batch)?;
        from += ROWS;
    }
    if let Some(writer) = writer {
        writer.close()?;
    }
    Ok(file.into_temp_path())
}

/// How a library's caller wants a run.
pub struct RunOptions<'a> {
    /// Only these stages; `None`: all, and with them tables `customers` and `ledger`.
    pub only: Option<Vec<String>>,
    /// Bytes that rows may take in memory; what is beyond goes to a temporary file. `None`: no limit.
    pub row_memory: Option<usize>,
    /// The present time, by which `freshness` is judged.
    pub now: Timestamp,
    pub progress: &'a dyn Progress,
}

impl Default for RunOptions<'_> {
    fn default() -> Self {
        RunOptions { only: None, row_memory: None, now: Timestamp::now(), progress: &NoProgress }
    }
}

/// What a run found, as data frames.
pub struct RunFrames<'a> {
    pipeline: &'a Pipeline,
    plan: RunPlan,
    loaded: LoadedData,
    result: RunResult,
    progress: &'a dyn Progress,
}

/// Runs a pipeline in rayon's current thread pool and gives its tables as data frames. Nothing is published.
///
/// # Errors
/// When an export cannot be read, a stage in `options.only` does not exist, a check fails, or `options.progress` stops the run.
///
/// # Example
/// ```
/// use polars::prelude::{Column, DataFrame};
/// use tenure::{Pipeline, RunOptions};
///
/// let pipeline = Pipeline::from_toml(
///     r#"
///         name = "shop"
///         [money]
///         currency = "EUR"
///         [sources.transactions]
///         path    = "given as a frame"
///         columns = { customer_id = "who", occurred_at = "day", amount = "paid" }
///         [stages.churn]
///     "#,
///     ".".as_ref(),
/// )?;
/// let rows = [("ada", "2024-01-05", 20.0), ("bob", "2024-01-20", 10.0), ("ada", "2024-02-02", 25.0), ("eve", "2024-03-31", 5.0)];
/// let orders = DataFrame::new(
///     rows.len(),
///     vec![
///         Column::new("who".into(), rows.map(|r| r.0)),
///         Column::new("day".into(), rows.map(|r| r.1)),
///         Column::new("paid".into(), rows.map(|r| r.2)),
///     ],
/// )?;
/// let pipeline = pipeline.with_frame("transactions", &orders)?;
/// let run = tenure::run(&pipeline, RunOptions::default())?;
///
/// let churn = run.table("churn")?;
/// assert_eq!(churn.column("opening")?.get(1)?.to_string(), "2");
/// let customers: Vec<DataFrame> = run.per_customer("customers")?.collect::<Result<_, _>>()?;
/// assert_eq!(customers[0].height(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn run<'a>(pipeline: &'a Pipeline, options: RunOptions<'a>) -> Result<RunFrames<'a>, Errors> {
    let plan = job::run_plan(pipeline, options.only.as_deref())?;
    let inspected = job::exports(pipeline, &plan)?;
    let store = Store::new(options.row_memory, &job::temporary(pipeline)?);
    let now = options.now.as_second();
    let (loaded, mut result) = job::compute_checked(pipeline, &plan, &inspected, store, now, options.progress)?;
    let of_every_run = job::tables_of_every_run(pipeline, &loaded, &result);
    result.tables.extend(of_every_run);
    Ok(RunFrames { pipeline, plan, loaded, result, progress: options.progress })
}

impl RunFrames<'_> {
    /// First day that is no longer observed.
    pub fn as_of(&self) -> Day {
        self.loaded.shape.as_of
    }

    /// The checks of the run; none of them failed.
    pub fn checks(&self) -> &[Check] {
        &self.result.checks
    }

    /// Names of the tables that [`table`](RunFrames::table) gives.
    pub fn table_names(&self) -> Vec<String> {
        self.result.tables.iter().map(|table| table.schema.name.clone()).collect()
    }

    /// Names of the tables that [`per_customer`](RunFrames::per_customer) gives.
    pub fn per_customer_names(&self) -> Vec<String> {
        self.result.per_customer.iter().map(|table| table.schema().name.clone()).collect()
    }

    /// A table of the run, its rows in the order in which they would be published.
    ///
    /// # Errors
    /// Pipeline: the run has no such table. Input: an amount is beyond DECIMAL(18).
    pub fn table(&self, name: &str) -> Result<DataFrame> {
        let found = self.result.tables.iter().find(|table| table.schema.name == name);
        found.ok_or_else(|| no_table(name, &self.table_names()))?.sorted().to_polars(self.pipeline.money.digits)
    }

    /// A table of single customers: a frame for each part, of at most about a million customers, computed when it is asked
    /// for.
    ///
    /// # Errors
    /// Pipeline: the run has no such table.
    pub fn per_customer(&self, name: &str) -> Result<impl Iterator<Item = Result<DataFrame>> + '_> {
        let found = self.result.per_customer.iter().find(|table| table.schema().name == name);
        let table = found.ok_or_else(|| no_table(name, &self.per_customer_names()))?;
        let score = Score {
            tables: std::slice::from_ref(table),
            lenses: self.plan.plan.lenses().into(),
            outputs: &self.result.known,
            store: &self.loaded.store,
            customers: self.result.customers,
            observer: self.progress,
        };
        Ok((0..score.parts()).map(move |part| self.part(&score, &**table, part)))
    }

    fn part(&self, score: &Score<'_>, table: &dyn PerCustomer, part: usize) -> Result<DataFrame> {
        let sink = MemorySink::default();
        score.write_part(part, &sink)?;
        let rows = sink.into_parts()?.into_values().next();
        // A part without customers has the columns of the table all the same.
        let rows = rows.unwrap_or_else(|| Table::empty(table.schema(), self.loaded.shape.integer_ids));
        rows.to_polars(self.pipeline.money.digits)
    }
}

fn no_table(name: &str, names: &[String]) -> Error {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Error::pipeline(format!("the run has no table `{name}`")).help(suggestion(name, &names, "its tables are"))
}
