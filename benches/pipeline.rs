//! How fast the spine is, step by step: scan, scatter, fold, publish. See `benches/README.md`.

mod fixture;

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use fixture::Purchases;
use tenure::config::{self, Pipeline};
use tenure::engine::score::{PartSink, Score};
use tenure::error::Result;
use tenure::job::{self, LoadedData, RunPlan, RunResult};
use tenure::progress::NoProgress;
use tenure::publish::{Publication, PublishOptions, RowGroupWriter, RunId, TableFormat, TableWriter};
use tenure::rows::{Batch, Sink};
use tenure::source::{self, Inspected, ReadLimits};
use tenure::table::Table;
use tenure::timeline::identity::CustomerHasher;
use tenure::timeline::scatter::Scatter;
use tenure::timeline::store::Store;

/// `cargo bench` measures, `cargo test` only tries whether everything runs.
fn measuring() -> bool {
    let given = |wanted: &str| std::env::args().any(|arg| arg == wanted);
    given("--bench") && !given("--test")
}

/// Rows of the export: `TENURE_BENCH_ROWS`, a million, or few where nothing is measured.
fn rows() -> u64 {
    let wanted = std::env::var("TENURE_BENCH_ROWS").ok();
    let parsed = |text: String| text.parse().expect("TENURE_BENCH_ROWS is a whole number");
    wanted.map_or(if measuring() { 1_000_000 } else { 10_000 }, parsed)
}

/// Takes rows and forgets them.
struct Nowhere;

impl Sink for Nowhere {
    fn accept(&self, batch: Batch) -> Result<()> {
        std::hint::black_box(batch);
        Ok(())
    }
}

/// Keeps what a scan delivers.
#[derive(Default)]
struct Kept(Mutex<Vec<Batch>>);

impl Sink for Kept {
    fn accept(&self, batch: Batch) -> Result<()> {
        self.0.lock().expect("no thread failed").push(batch);
        Ok(())
    }
}

/// A shop's nightly job: all four stages by the month, one segment; `amount` is how its amount is written.
fn pipeline(folder: &Path, amount: &str) -> Pipeline {
    let text = format!(
        r#"
        name = "bench"
        [money]
        currency = "EUR"
        gross_margin = 0.4
        [customers]
        basis = "transactions"
        churn_after = "1 period"
        [sources.transactions]
        path = "{}/*.parquet"
        columns = {{ customer_id = "customer_id", occurred_at = "occurred_at", amount = {amount}, order_id = "order_id" }}
        [segments]
        country = {{ column = "transactions.country", at = "first" }}
        [stages.churn]
        [stages.cohort]
        [stages.revenue_churn]
        [stages.ltv]
        "#,
        folder.display()
    );
    config::parse(Path::new("bench.toml"), &text, &[], &|_| None, tenure::stage::KINDS)
        .unwrap_or_else(|e| panic!("{e:?}"))
}

fn inspected(pipeline: &Pipeline) -> Inspected {
    source::inspect(pipeline, source::Needs::ALL).unwrap_or_else(|e| panic!("{e:?}"))
}

/// A group of benches, of which every iteration handles the whole export.
fn group<'a>(c: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(rows()));
    group.sampling_mode(SamplingMode::Flat).sample_size(10).measurement_time(Duration::from_secs(10));
    group
}

fn scan(c: &mut Criterion, export: &Path) {
    let mut group = group(c, "scan");
    for (name, amount) in [("columns", "\"amount\""), ("sql", "{ sql = \"amount * 2\" }")] {
        let pipeline = pipeline(export, amount);
        let inspected = inspected(&pipeline);
        group.bench_function(name, |b| {
            b.iter(|| {
                source::scan(&inspected, &pipeline, &Nowhere, &NoProgress, ReadLimits::default())
                    .expect("the export reads")
            });
        });
    }
    group.finish();
}

fn scatter(c: &mut Criterion, export: &Path) {
    let pipeline = pipeline(export, "\"amount\"");
    let inspected = inspected(&pipeline);
    let kept = Kept::default();
    source::scan(&inspected, &pipeline, &kept, &NoProgress, ReadLimits::default()).expect("the export reads");
    let batches = kept.0.into_inner().expect("no thread failed");

    let mut group = group(c, "scatter");
    group.bench_function("batches", |b| {
        let routine = |batches: Vec<Batch>| {
            use rayon::prelude::*;
            let store = Store::unlimited();
            let scatter = Scatter::new(CustomerHasher::default(), &store);
            batches.into_par_iter().for_each(|batch| scatter.accept(batch).expect("rows fit"));
            scatter.finish().expect("rows fit");
            store
        };
        b.iter_batched(|| batches.clone(), routine, BatchSize::PerIteration);
    });
    group.bench_function("with_scan", |b| b.iter(|| gather(&pipeline, &inspected)));
    group.finish();
}

fn gather(pipeline: &Pipeline, inspected: &Inspected) -> LoadedData {
    job::gather(pipeline, inspected, ReadLimits::default(), Store::unlimited(), &NoProgress).expect("the export reads")
}

fn fold(c: &mut Criterion, export: &Path) {
    let pipeline = pipeline(export, "\"amount\"");
    let loaded = gather(&pipeline, &inspected(&pipeline));
    let run_plan = job::run_plan(&pipeline, None).expect("a plan");
    let mut group = group(c, "fold");
    group.bench_function("all_stages", |b| {
        b.iter(|| job::compute(&run_plan, &loaded, &NoProgress).expect("money fits"));
    });
    for stage in &pipeline.stages {
        let alone = job::run_plan(&pipeline, Some(std::slice::from_ref(&stage.name))).expect("a plan");
        group.bench_function(&*stage.name, |b| {
            b.iter(|| job::compute(&alone, &loaded, &NoProgress).expect("money fits"));
        });
    }
    group.finish();
}

/// One file a table: the bench's customers fit one part.
struct Files(Vec<Mutex<Option<TableWriter>>>);

impl Files {
    fn with<T>(&self, table: usize, to: impl FnOnce(&mut Option<TableWriter>) -> T) -> T {
        to(&mut self.0[table].lock().expect("no thread failed"))
    }
}

const OPEN: &str = "a part is closed once";

impl PartSink for Files {
    type Block = RowGroupWriter;

    fn block(&self, table: usize, _: usize) -> Result<RowGroupWriter> {
        Ok(self.with(table, |writer| writer.as_ref().expect(OPEN).row_group_writers().begin()))
    }

    fn write(&self, block: &mut RowGroupWriter, piece: &Table) -> Result<()> {
        block.write(piece)
    }

    fn complete(&self, block: &mut RowGroupWriter) -> Result<()> {
        block.complete()
    }

    fn append(&self, table: usize, _: usize, block: RowGroupWriter) -> Result<()> {
        self.with(table, |writer| writer.as_mut().expect(OPEN).append(block))
    }

    fn close(&self, table: usize, _: usize) -> Result<()> {
        self.with(table, Option::take).expect(OPEN).finish().map(drop)
    }
}

/// Per-customer rows and every table, written, synced and dropped again.
fn write(out: &Path, run_plan: &RunPlan, loaded: &LoadedData, computed: &RunResult) -> Result<()> {
    let started = jiff::Timestamp::UNIX_EPOCH;
    let options = PublishOptions { started, wait: Duration::ZERO, switch_latest: true, mode: None };
    let publication = Publication::begin(out, RunId::new(started, &"0".repeat(64)), options)?;
    let format = TableFormat { digits: run_plan.setting.digits, integer_ids: loaded.shape.integer_ids };
    let tables = &computed.per_customer;
    let files = tables.iter().map(|t| Ok(Mutex::new(Some(publication.writer(t.schema(), format)?))));
    let files = Files(files.collect::<Result<_>>()?);
    let (lenses, customers) = (run_plan.plan.lenses().into(), computed.customers.min(1_000_000));
    let (known, store, observer) = (&computed.known, &loaded.store, &NoProgress);
    Score { tables, lenses, outputs: known, store, customers, observer }.write(&files)?;
    computed.tables.iter().try_for_each(|table| publication.write(table, format).map(drop))
}

fn publish(c: &mut Criterion, export: &Path) {
    let pipeline = pipeline(export, "\"amount\"");
    let loaded = gather(&pipeline, &inspected(&pipeline));
    let run_plan = job::run_plan(&pipeline, None).expect("a plan");
    let computed = job::compute(&run_plan, &loaded, &NoProgress).expect("money fits");
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("published");
    let mut group = group(c, "publish");
    group.bench_function("all_tables", |b| {
        b.iter(|| write(&out, &run_plan, &loaded, &computed).expect("a writable folder"));
    });
    group.finish();
}

fn benches(c: &mut Criterion) {
    let rows = rows();
    // As many rows a customer as a large shop has.
    let customers = u32::try_from(rows / 9).unwrap_or(u32::MAX).max(1);
    let export = fixture::folder(&Purchases { rows, customers, ..Purchases::default() }).expect("an export");
    scan(c, &export);
    scatter(c, &export);
    fold(c, &export);
    publish(c, &export);
}

criterion_group!(pipeline_group, benches);
criterion_main!(pipeline_group);
