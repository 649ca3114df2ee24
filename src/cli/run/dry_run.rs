//! `--dry-run`: what a run would read, need and write, from the footers of the files alone.

use std::io::Write;

use serde_json::json;

use super::progress;
use crate::calendar::Day;
use crate::cli::pipeline::shown_output;
use crate::cli::schemas::columns;
use crate::cli::stdout;
use crate::config::Pipeline;
use crate::error::{Errors, ExitStatus};
use crate::job::RunPlan;
use crate::numbers::{count, grouped, size};
use crate::source::{Inspected, InspectedSource, RuledOut};
use crate::terminal::escaped;

/// An estimate of memory and time, measured with the stages churn, cohort, revenue_churn and ltv by month on two cores:
/// 1.5 million rows of 2,500 customers (least), 20 million rows of 2.2 million customers with text ids and order ids
/// (most). The footers do not say how many customers there are, so it gives both.
struct CostRule {
    /// Memory of any run.
    base_bytes: u64,
    /// Memory a row, least and most.
    row_bytes: (u64, u64),
    /// Time of one thread a row, in nanoseconds, least and most.
    row_nanoseconds: (u64, u64),
}

/// A run of the whole pipeline writes rows for every customer; with `--only` it mostly does not.
const WHOLE: CostRule = CostRule { base_bytes: 60 << 20, row_bytes: (4, 16), row_nanoseconds: (150, 470) };
const ONLY: CostRule = CostRule { base_bytes: 50 << 20, row_bytes: (3, 14), row_nanoseconds: (80, 210) };

/// Least and most.
struct ExpectedCost {
    bytes: (u64, u64),
    seconds: (f64, f64),
}

impl CostRule {
    fn expect(&self, rows: u64, threads: usize) -> ExpectedCost {
        let bytes = |a_row: u64| rows.saturating_mul(a_row).saturating_add(self.base_bytes);
        let seconds = |a_row: u64| rows as f64 * a_row as f64 / 1e9 / threads.max(1) as f64;
        ExpectedCost {
            bytes: (bytes(self.row_bytes.0), bytes(self.row_bytes.1)),
            seconds: (seconds(self.row_nanoseconds.0), seconds(self.row_nanoseconds.1)),
        }
    }
}

/// What a run would do, from the pipeline file and the footers of the exports.
pub(super) struct DryRun<'a> {
    pipeline: &'a Pipeline,
    run_plan: &'a RunPlan,
    inspected: &'a Inspected,
    /// The memory limit as asked for, in bytes.
    limit: Option<u64>,
    threads: usize,
}

impl<'a> DryRun<'a> {
    /// For the current thread pool. `limit`: `--memory-limit` in bytes, if given.
    pub(super) fn new(
        pipeline: &'a Pipeline,
        run_plan: &'a RunPlan,
        inspected: &'a Inspected,
        limit: Option<u64>,
    ) -> DryRun<'a> {
        DryRun { pipeline, run_plan, inspected, limit, threads: rayon::current_num_threads() }
    }

    /// Prints it for people.
    ///
    /// # Errors
    /// Output: standard output cannot be written to.
    pub(super) fn print(&self, out: &mut dyn Write) -> Result<ExitStatus, Errors> {
        stdout::text(out, self.text())
    }

    /// Prints it as an event on standard error.
    ///
    /// # Errors
    /// None; it returns what a command returns.
    pub(super) fn emit(&self) -> Result<ExitStatus, Errors> {
        let sources = self.inspected.sources.iter().map(|(kind, source)| {
            json!({
                "source": kind.name(),
                "files": source.files.len(),
                "rows": source.rows(),
                "rows_ruled_out": source.ruled_out().rows,
                "bytes": bytes_of(source),
                "read": source.is_read(),
                "columns": source.written,
            })
        });
        let ExpectedCost { bytes, seconds } = self.cost();
        let tables = self.run_plan.tables().into_iter().map(|table| table.name);
        progress::emit(
            "dry_run",
            json!({
                "pipeline": self.pipeline.name.written(),
                "sources": sources.collect::<Vec<_>>(),
                "threads": self.threads,
                "memory_bytes": { "least": bytes.0, "most": bytes.1 },
                "seconds": { "least": seconds.0, "most": seconds.1 },
                "tables": tables.collect::<Vec<_>>(),
                "output": shown_output(self.pipeline),
                "becomes_latest": self.run_plan.whole,
            }),
        );
        Ok(ExitStatus::Done)
    }

    fn cost(&self) -> ExpectedCost {
        let rows = self.inspected.sources.values().filter(|source| source.is_read());
        let rows =
            rows.map(|source| source.rows().saturating_sub(source.ruled_out().rows)).fold(0, u64::saturating_add);
        let rule = if self.run_plan.whole { WHOLE } else { ONLY };
        rule.expect(rows, self.threads)
    }

    fn text(&self) -> String {
        let DryRun { pipeline, run_plan, threads, .. } = *self;
        let mut text = format!("{}: a dry run; only the footers of the files were read\n\nread\n", pipeline.name);
        for (kind, source) in &self.inspected.sources {
            text += &format!(
                "  {}: {} in {}, {}\n    columns {}\n",
                kind.name(),
                count(source.rows(), "row"),
                count(source.files.len() as u64, "file"),
                size(bytes_of(source)),
                if source.is_read() {
                    escaped(&source.written.join(", ")).into_owned()
                } else {
                    "none: no stage and no segment uses this source".into()
                }
            );
            text += &listed(source);
            let RuledOut { groups, rows } = source.ruled_out();
            if groups > 0 && source.is_read() {
                text += &format!(
                    "    the filter rules out {} of {} by their footers: {} are not read\n",
                    grouped(groups as u64),
                    count(source.files.iter().map(|f| f.group_count() as u64).sum(), "row group"),
                    count(rows, "row")
                );
            }
        }
        let ExpectedCost { bytes, seconds } = self.cost();
        text += &format!(
            "\ncompute\n  {}\n  memory {}, time {} with {} (estimates:\n  the number of customers is not known yet)\n",
            window(pipeline),
            between(size(bytes.0), size(bytes.1)),
            between(duration(seconds.0), duration(seconds.1)),
            count(threads as u64, "thread"),
        );
        if let Some(limit) = self.limit.filter(|limit| *limit < bytes.1) {
            text += &format!("  rows that do not fit --memory-limit, {}, go to temporary files\n", size(limit));
        }
        text += "\nwrite\n";
        text += &columns(run_plan.tables().into_iter().map(|t| [t.name, t.doc]), 2);
        let latest = if run_plan.whole { "which becomes `latest`" } else { "and leave `latest` as it is (--only)" };
        text + &format!("  into a new folder of {}/runs, {latest}\n", shown_output(pipeline))
    }
}

fn bytes_of(source: &InspectedSource) -> u64 {
    source.files.iter().map(|f| f.input.bytes).sum()
}

/// A range of two texts, or one text where both are the same.
fn between(least: String, most: String) -> String {
    if least == most { least } else { format!("{least} to {most}") }
}

/// Files named before the rest is only counted.
const NAMED: usize = 12;

fn listed(source: &InspectedSource) -> String {
    let named = source.files.iter().take(NAMED);
    let mut text = columns(named.map(|f| [escaped(&f.input.shown).into_owned(), count(f.input.rows, "row")]), 4);
    if source.files.len() > NAMED {
        text += &format!("    and {}\n", count((source.files.len() - NAMED) as u64, "more file"));
    }
    text
}

fn window(pipeline: &Pipeline) -> String {
    let day = |day: Option<Day>| day.map(|d| d.to_string());
    let from = day(pipeline.calendar.observed_from).unwrap_or_else(|| "the first record".into());
    match pipeline.calendar.as_of {
        Some(as_of) => format!("from {from} up to {} (as_of {as_of})", as_of.plus(-1)),
        None => format!("from {from} up to the newest record"),
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => "under a second".into(),
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.0} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_grows_with_rows_and_shrinks_with_threads() {
        let few = WHOLE.expect(1_000_000, 2);
        assert_eq!(few.bytes, ((60 << 20) + 4_000_000, (60 << 20) + 16_000_000));
        assert_eq!(few.seconds, (0.075, 0.235));
        let most = WHOLE.expect(u64::MAX, 0);
        assert_eq!(most.bytes, (u64::MAX, u64::MAX));
        assert!(most.seconds.0 > 1e9 && most.seconds.0.is_finite());
        assert_eq!([0.3, 1.2, 99.4, 150.0, 7200.0].map(duration), ["under a second", "1 s", "99 s", "2 min", "2 h"]);
    }

    #[test]
    fn a_range_of_equal_ends_is_said_once() {
        let range = |least, most| between(duration(least), duration(most));
        assert_eq!(range(0.1, 0.9), "under a second");
        assert_eq!(range(0.1, 3.0), "under a second to 3 s");
    }
}
