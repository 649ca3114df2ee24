//! Writing what a run computed, and its manifest.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;

use super::parts::Parts;
use super::{LoadedData, RunPlan, RunResult};
use crate::calendar::Day;
use crate::check::Check;
use crate::config::{Pipeline, SourceKind};
use crate::engine::score::Score;
use crate::error::{Error, Result};
use crate::progress::{Phase, Progress};
use crate::publish::manifest::{self, Manifest, ManifestInput, PipelineFile, TableEntry, Timing};
use crate::publish::{self, Publication, TableFormat};
use crate::source::{Rejected, SourceReport};
use crate::stage::SummaryMetric;
use crate::table::Table;
use crate::tables;
use crate::tables::quarantine::QuarantineRow;

/// What there is to tell of a published run.
pub struct PublishedRun {
    pub run_id: String,
    pub folder: PathBuf,
    /// Why the run might not survive a power failure.
    pub unsynced: Option<Error>,
    pub is_latest: bool,
    pub reports: BTreeMap<SourceKind, SourceReport>,
    pub tables: Vec<TableEntry>,
    pub checks: Vec<Check>,
    pub headlines: Vec<SummaryMetric>,
    pub customers: u64,
    pub window: (Day, Day),
    pub seconds: f64,
    pub peak_memory: Option<u64>,
    pub temporary: u64,
}

/// A run that is to be published, beside what it computed.
pub struct Publishing<'a> {
    pub pipeline: &'a Pipeline,
    pub plan: &'a RunPlan,
    /// The stages that `--only` named.
    pub only: Option<Vec<String>>,
    pub started: Timestamp,
    pub now: &'a dyn Fn() -> Timestamp,
    /// What each phase took so far.
    pub timings: &'a dyn Fn() -> Vec<Timing>,
    pub progress: &'a dyn Progress,
}

/// Writes every table and the manifest, and publishes them as a whole.
///
/// # Errors
/// When a table cannot be written, or `progress` stops the run before it is published.
pub fn publish(
    run: &Publishing<'_>,
    loaded: &LoadedData,
    computed: RunResult,
    publication: Publication,
) -> Result<PublishedRun> {
    let (pipeline, shape) = (run.pipeline, &loaded.shape);
    let format = TableFormat { digits: pipeline.money.digits, integer_ids: shape.integer_ids };
    let mut entries = vec![];

    run.progress.phase(Phase::Score, Some(computed.customers));
    let parts = Parts::new(&publication, &computed.per_customer, format, computed.customers);
    let lenses = run.plan.plan.lenses().into();
    let score = Score {
        tables: &computed.per_customer,
        lenses,
        outputs: &computed.known,
        store: &loaded.store,
        customers: computed.customers,
        observer: run.progress,
    };
    score.write(&parts)?;
    for (table, files) in computed.per_customer.iter().zip(parts.finish()?) {
        entries.push(TableEntry::new(&table.schema(), format, &files));
    }

    run.progress.phase(Phase::Publish, None);
    let mut write = |table: &Table| -> Result<()> {
        run.progress.stopped()?;
        let file = publication.write(table, format)?;
        entries.push(TableEntry::new(&table.schema, format, &[file]));
        Ok(())
    };
    for table in &computed.tables {
        write(table)?;
    }
    for table in tables_of_every_run(pipeline, loaded, &computed) {
        write(&table)?;
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));

    let newest = loaded.scan.reports.values().filter_map(|r| r.newest_known).max();
    let finished_at = (run.now)();
    let manifest = Manifest {
        schema_version: publish::SCHEMA_VERSION,
        run_id: publication.run_id().to_string(),
        tenure_version: env!("CARGO_PKG_VERSION").into(),
        pipeline: PipelineFile {
            name: pipeline.name.to_string(),
            file: pipeline.file.display().to_string(),
            sha256: pipeline.sha256.clone(),
        },
        configuration: pipeline.resolved.clone(),
        time_zone_database: manifest::time_zone_database(),
        only: run.only.clone(),
        as_of: shape.as_of,
        observed_from: shape.observed_from,
        data_through: newest.unwrap_or(shape.observed_from).min(shape.as_of.plus(-1)),
        started_at: run.started,
        finished_at,
        inputs: loaded.scan.files.iter().map(ManifestInput::from).collect(),
        tables: entries,
        timings: (run.timings)(),
        peak_memory_bytes: manifest::peak_memory(),
        temporary_bytes: loaded.store.spilled(),
        checks: computed.checks,
    };
    run.progress.stopped()?;
    let prepared = publication.prepare(&manifest)?;
    run.progress.about_to_publish()?;
    let published = prepared.publish()?;
    Ok(PublishedRun {
        run_id: published.run_id.to_string(),
        folder: published.folder,
        unsynced: published.unsynced,
        is_latest: run.plan.whole,
        reports: loaded.scan.reports.clone(),
        tables: manifest.tables,
        checks: manifest.checks,
        headlines: computed.headlines,
        customers: computed.customers,
        window: (shape.observed_from, shape.as_of),
        seconds: finished_at.duration_since(run.started).as_secs_f64(),
        peak_memory: manifest.peak_memory_bytes,
        temporary: manifest.temporary_bytes,
    })
}

fn quarantine_row(rejected: &Rejected) -> QuarantineRow<'_> {
    QuarantineRow {
        source: rejected.source.name(),
        file: &rejected.file,
        row: rejected.row,
        reason: rejected.reason.name(),
        column: &rejected.column,
        value: rejected.value.as_deref(),
    }
}

/// The tables that no stage owns and that hold no single customers: segments, quarantine, checks and dates.
pub fn tables_of_every_run(pipeline: &Pipeline, loaded: &LoadedData, result: &RunResult) -> [Table; 4] {
    let (calendar, shape) = (&pipeline.calendar, &loaded.shape);
    [
        tables::segments::table(&result.segments),
        tables::quarantine::table(loaded.scan.rejected.rows().map(quarantine_row)),
        tables::checks::table(&result.checks),
        tables::dates::table(shape.observed_from, shape.as_of, calendar.week_start, calendar.fiscal_year_start),
    ]
}
