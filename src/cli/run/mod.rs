//! `tenure run PIPELINE.toml`: reads the exports, computes the tables, checks them, publishes them.

mod dry_run;
mod memory;
mod progress;
mod summary;

use std::io::Write;
use std::path::PathBuf;

use jiff::Timestamp;

pub(super) use self::memory::limit_to_available;
use self::progress::RunReport;
pub(super) use self::progress::emit_errors;
use super::interrupt::Interrupt;
use super::panics;
use super::pipeline::PipelineArgs;
use super::secrets;
use crate::config::Pipeline;
use crate::error::{Error, Errors, ExitStatus, Result};
use crate::job::{self, PublishedRun, Publishing, RunPlan};
use crate::publish::{Publication, PublishOptions, Reservation, RunId};
use crate::source;
use crate::timeline::store::Store;

/// Read the exports, compute the tables of a pipeline and publish them
#[derive(clap::Args, Clone, Debug)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub pipeline: PipelineArgs,
    /// Compute only these stages; such a run does not become `latest`
    #[arg(long, value_name = "STAGE,…", value_delimiter = ',')]
    pub only: Option<Vec<String>>,
    /// Output folder, instead of output.dir; relative to the current folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Threads to use [default: one per processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Memory to use, such as 4GiB; rows that do not fit go to a temporary file [default: four fifths of what the
    /// machine, the container and `ulimit -v` allow]
    #[arg(long, value_name = "SIZE", value_parser = memory::bytes)]
    pub memory_limit: Option<u64>,
    /// Print what would be read, how much time and memory it takes, and what would be written; then stop
    #[arg(long)]
    pub dry_run: bool,
    /// Print no progress and no summary, only errors and warnings about the output folder
    #[arg(long, short)]
    pub quiet: bool,
    /// How to report progress, warnings and errors on standard error
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogFormat {
    /// A progress bar on a terminal, and sentences
    Text,
    /// One JSON object per event and line; no summary on standard output
    Json,
}

impl RunArgs {
    /// True if standard error is to consist of JSON objects, one a line, errors included.
    pub(super) fn wants_events(&self) -> bool {
        self.log_format == LogFormat::Json
    }

    /// The pipeline file with the command line's overrides applied.
    fn load(&self) -> Result<Pipeline, Errors> {
        let mut pipeline = self.pipeline.load()?;
        if let Some(out) = &self.out {
            pipeline.output.dir = out.clone();
            pipeline.output.dir_text = out.display().to_string().into();
        }
        Ok(pipeline)
    }
}

pub(super) fn run(args: &RunArgs, out: &mut (dyn Write + Send)) -> Result<ExitStatus, Errors> {
    let interrupt = Interrupt::listen()?;
    if args.wants_events() {
        interrupt.report_as_event();
    }
    let pipeline = args.load()?;
    memory::limit(args.memory_limit, args.log_format)?;
    let run_plan = job::run_plan(&pipeline, args.only.as_deref())?;
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    let allowed = args.threads.map_or_else(processors, usize::from);
    let all = pool(allowed)?;
    let inspected = all.install(|| job::exports(&pipeline, &run_plan))?;
    let started = all.current_num_threads();
    let fitting = job::reading_threads(started, inspected.bytes_a_thread(source::BATCH_ROWS));
    let used = if fitting < started { pool(fitting)? } else { all };
    used.install(|| run_pipeline(args, &pipeline, &run_plan, &inspected, allowed, &interrupt, out))
}

/// A pool of `threads` threads, or of fewer if the operating system does not start that many.
fn pool(threads: usize) -> Result<rayon::ThreadPool> {
    let mut wanted = threads;
    loop {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(wanted).thread_name(|i| format!("tenure-{i}")).build();
        match pool {
            Err(_) if wanted > 1 => wanted /= 2,
            Err(e) => {
                return Err(Error::output("threads cannot be started").help("try --threads 1").because(e));
            }
            Ok(pool) => return Ok(pool),
        }
    }
}

fn run_pipeline(
    args: &RunArgs,
    pipeline: &Pipeline,
    run_plan: &RunPlan,
    inspected: &source::Inspected,
    allowed: usize,
    interrupt: &Interrupt,
    out: &mut (dyn Write + Send),
) -> Result<ExitStatus, Errors> {
    let started = Timestamp::now();
    let a_thread = inspected.bytes_a_thread(source::BATCH_ROWS);
    let threads = rayon::current_num_threads();
    let limit = job::for_rows(threads, a_thread);
    let store = Store::new(limit, &job::temporary(pipeline)?);
    if args.dry_run {
        let report = dry_run::DryRun::new(pipeline, run_plan, inspected, args.memory_limit);
        return if args.wants_events() { report.emit() } else { report.print(out) };
    }
    let options = PublishOptions {
        started,
        wait: std::time::Duration::ZERO,
        switch_latest: run_plan.whole,
        mode: pipeline.output.mode,
    };
    let run_id = RunId::new(started, &pipeline.sha256);
    let mut reservation = interrupt.reserve(|| Reservation::take(&pipeline.output.dir, run_id, options))?;
    let unended = reservation.unended().map(str::to_owned);
    let leftovers = reservation.clean()?;
    let publication = interrupt.begin(reservation)?;
    let progress = RunReport::new(args, run_plan.plan.rounds(), interrupt.clone());
    progress.begun(pipeline, publication.run_id());
    progress.last_run(pipeline, unended.as_deref(), &leftovers);
    if threads < allowed {
        progress.fewer_threads("run", threads, allowed);
    }
    let outcome = compute_and_publish(args, (pipeline, run_plan, inspected), store, publication, started, &progress);
    interrupt.ended();
    progress.finish();
    let finished = outcome?;
    // The run is published: an error from here on is only a warning.
    progress.published(&finished);
    if !args.quiet && args.log_format == LogFormat::Text {
        let printed = panics::guarded(|| summary::print(&finished, pipeline, out));
        if let Err(errors) = printed {
            progress.summary_failed(&finished, &errors);
        }
    }
    Ok(ExitStatus::Done)
}

fn compute_and_publish(
    args: &RunArgs,
    (pipeline, plan, inspected): (&Pipeline, &RunPlan, &source::Inspected),
    store: Store,
    publication: Publication,
    started: Timestamp,
    progress: &RunReport,
) -> Result<PublishedRun, Errors> {
    let (loaded, mut result) = job::compute_checked(pipeline, plan, inspected, store, started.as_second(), progress)?;
    secrets::hide_checks(&mut result.checks);
    let publishing = Publishing {
        pipeline,
        plan,
        only: args.only.clone(),
        started,
        now: &Timestamp::now,
        timings: &|| progress.timings(),
        progress,
    };
    Ok(job::publish(&publishing, &loaded, result, publication)?)
}
