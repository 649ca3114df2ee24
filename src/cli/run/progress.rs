//! Progress of a run on standard error: a bar on a terminal, or JSON events, one object a line.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::RunArgs;
use crate::check::Status;
use crate::cli::interrupt::Interrupt;
use crate::cli::pipeline::{shown, shown_output};
use crate::cli::secrets;
use crate::config::Pipeline;
use crate::error::{Error, Errors, Result};
use crate::job::PublishedRun;
use crate::numbers::grouped;
use crate::progress::{Phase, Progress};
use crate::publish::RunId;
use crate::publish::manifest::Timing;
use crate::publish::publication::Leftover;
use crate::terminal::{escaped, escaped_json};

/// Prints one event: a JSON object on a line, with `event` and `at` first.
pub(super) fn emit(event: &str, fields: Value) {
    let mut line = json!({ "event": event, "at": Timestamp::now().to_string() });
    if let (Value::Object(line), Value::Object(fields)) = (&mut line, fields) {
        line.extend(fields);
    }
    secrets::hide_json(&mut line);
    // A failure is ignored: there is no other place to report that standard error is closed.
    let _ = writeln!(std::io::stderr().lock(), "{}", escaped_json(&line.to_string()));
}

/// Prints errors as events: the first fifty, and how many more there are.
pub(crate) fn emit_errors(errors: &Errors) {
    let (first, more) = errors.first();
    for error in first {
        let place = error.place.as_ref().map(|p| p.file.display().to_string());
        let status = error.kind.exit() as u8;
        emit("error", json!({ "what": error.what, "help": error.help, "file": place, "status": status }));
    }
    if more > 0 {
        emit("more_errors", json!({ "count": more }));
    }
}

/// An error and its causes, in one line.
fn reasons(error: &Error) -> String {
    let causes = std::iter::successors(error.source.as_deref().map(|e| e as &dyn std::error::Error), |e| e.source());
    causes.fold(error.what.clone(), |text, cause| format!("{text}: {cause}"))
}

pub(super) struct RunReport {
    interrupt: Interrupt,
    json: bool,
    quiet: bool,
    /// How often the fold goes over the customers, at most.
    walks: u64,
    bar: ProgressBar,
    /// What one unit shown on the bar is worth in the current phase.
    walks_now: AtomicU64,
    /// Rows, or customers times walks, that this phase has done.
    done: AtomicU64,
    current: Mutex<CurrentPhase>,
}

#[derive(Default)]
struct CurrentPhase {
    phase: Option<(Phase, Instant)>,
    timings: Vec<Timing>,
}

impl RunReport {
    /// `walks`: how often the fold goes over the customers, at most.
    pub(super) fn new(args: &RunArgs, walks: usize, interrupt: Interrupt) -> RunReport {
        let (quiet, json) = (args.quiet, args.wants_events());
        let shown = !quiet && !json && std::io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let walks = walks.max(1) as u64;
        RunReport {
            interrupt,
            json,
            quiet,
            walks,
            bar,
            walks_now: AtomicU64::new(1),
            done: AtomicU64::new(0),
            current: Mutex::default(),
        }
    }

    fn event(&self, event: &str, fields: Value) {
        if self.json {
            emit(event, fields);
        }
    }

    /// An event that `--quiet` leaves out.
    fn detail(&self, event: &str, fields: Value) {
        if !self.quiet {
            self.event(event, fields);
        }
    }

    /// Reports that a phase uses fewer threads than it may, because the memory limit has no room for more.
    pub(super) fn fewer_threads(&self, phase: &str, used: usize, threads: usize) {
        self.say(&format!("{phase}: {used} of {threads} threads, as many as the memory limit has room for"));
        self.event("fewer_threads", json!({ "phase": phase, "used": used, "threads": threads }));
    }

    fn say(&self, sentence: &str) {
        if !self.quiet && !self.json {
            self.bar.suspend(|| {
                let _ = writeln!(std::io::stderr().lock(), "{}", escaped(&secrets::hide(sentence)));
            });
        }
    }

    /// A warning, printed with `--quiet` too.
    fn warn(&self, sentence: &str) {
        if !self.json {
            self.bar.suspend(|| {
                let _ = writeln!(std::io::stderr().lock(), "warning: {}", escaped(&secrets::hide(sentence)));
            });
        }
    }

    pub(super) fn begun(&self, pipeline: &Pipeline, run_id: &RunId) {
        self.event("run_started", json!({ "pipeline": pipeline.name.written(), "run_id": run_id.to_string() }));
    }

    /// Reports a previous run that was killed, and which of its files were removed. `unended`: the process that held
    /// the output folder.
    pub(super) fn last_run(&self, pipeline: &Pipeline, unended: Option<&str>, leftovers: &[Leftover]) {
        if unended.is_none() && leftovers.is_empty() {
            return;
        }
        let holder = unended.map(|who| format!(" ({who})")).unwrap_or_default();
        self.warn(&format!(
            "the previous `tenure run` or `tenure gc` in {} did not end{holder}: it was killed, or the machine stopped",
            shown_output(pipeline)
        ));
        self.event("last_run_did_not_end", json!({ "folder": shown_output(pipeline), "process": unended }));
        for leftover in leftovers {
            let path = shown(&leftover.path);
            match &leftover.removed {
                Ok(()) => self.say(&format!("removed {path}, a leftover of that run")),
                Err(e) => self.warn(&format!("cannot remove {path}, a leftover of that run: {e}")),
            }
            let path = leftover.path.display().to_string();
            self.event("leftover", json!({ "path": path, "removed": leftover.removed.is_ok() }));
        }
    }

    /// Reports that the summary could not be printed although the run is published.
    pub(super) fn summary_failed(&self, finished: &PublishedRun, errors: &Errors) {
        let why: Vec<String> = errors.iter().map(reasons).collect();
        self.warn(&format!("the run is published in {}, but {}", shown(&finished.folder), why.join("; ")));
    }

    /// Ends the current phase and removes the bar.
    pub(super) fn finish(&self) {
        self.end_phase();
        self.bar.finish_and_clear();
    }

    pub(super) fn published(&self, finished: &PublishedRun) {
        if let Some(e) = &finished.unsynced {
            let why = reasons(e);
            self.warn(&format!("the run is published, but may not survive a power failure: {why}"));
            self.event("not_synced", json!({ "detail": why }));
        }
        for check in finished.checks.iter().filter(|c| c.status == Status::Warn) {
            self.event("warning", json!({ "check": check.check, "subject": check.subject, "expected": check.expected, "actual": check.actual, "detail": check.detail }));
        }
        for table in &finished.tables {
            self.detail("table", json!({ "table": table.name, "rows": table.rows, "bytes": table.bytes }));
        }
        self.event(
            "published",
            json!({
                "run_id": finished.run_id,
                "folder": finished.folder.display().to_string(),
                "latest": finished.is_latest,
                "seconds": finished.seconds,
                "peak_memory_bytes": finished.peak_memory,
                "temporary_bytes": finished.temporary,
            }),
        );
    }

    pub(super) fn timings(&self) -> Vec<Timing> {
        self.end_phase();
        self.current.lock().map(|c| c.timings.clone()).unwrap_or_default()
    }

    /// How often a phase goes over what it counts: progress is told in customers, not in customers times walks.
    fn walks_of(&self, phase: Phase) -> u64 {
        if phase == Phase::Fold { self.walks } else { 1 }
    }

    fn end_phase(&self) {
        let Ok(mut current) = self.current.lock() else { return };
        if let Some((phase, since)) = current.phase.take() {
            let (seconds, done) = (since.elapsed().as_secs_f64(), self.done.swap(0, Ordering::Relaxed));
            let done = done.div_ceil(self.walks_of(phase));
            let rows = (done > 0).then_some(done);
            self.detail("phase_finished", json!({ "phase": phase.name(), "rows": rows, "seconds": seconds }));
            current.timings.push(Timing { stage: phase.name().into(), seconds, rows });
        }
    }
}

impl Progress for RunReport {
    fn phase(&self, phase: Phase, total: Option<u64>) {
        self.end_phase();
        self.walks_now.store(self.walks_of(phase), Ordering::Relaxed);
        if let Ok(mut current) = self.current.lock() {
            current.phase = Some((phase, Instant::now()));
        }
        let unit = if phase == Phase::Scan { "rows" } else { "customers" };
        let total = total.map(|total| total / self.walks_of(phase));
        self.detail("phase_started", json!({ "phase": phase.name(), "unit": unit, "total": total }));
        self.bar.reset();
        self.bar.set_length(total.unwrap_or(0));
        let counted = format!("{{prefix:8}} {{wide_bar}} {{human_pos}}/{{human_len}} {unit}, {{rate}}, {{eta}} left");
        let template = if total.is_some() { counted.as_str() } else { "{prefix:8} {spinner}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.with_key("rate", |state: &ProgressState, to: &mut dyn std::fmt::Write| {
                // A bar that cannot be drawn must not stop the run.
                let _ = write!(to, "{}/s", grouped(state.per_sec() as i64));
            }));
        }
        self.bar.set_prefix(phase.name());
    }

    fn advance(&self, amount: u64) {
        let done = self.done.fetch_add(amount, Ordering::Relaxed) + amount;
        self.bar.set_position(done / self.walks_now.load(Ordering::Relaxed));
    }

    fn stopped(&self) -> Result<()> {
        self.interrupt.check()
    }

    fn about_to_publish(&self) -> Result<()> {
        self.interrupt.hold_off()
    }

    fn few_workers(&self, workers: usize, threads: usize) {
        let phase = self.current.lock().ok().and_then(|c| c.phase.as_ref().map(|(phase, _)| phase.name()));
        self.fewer_threads(phase.unwrap_or("run"), workers, threads);
    }
}
