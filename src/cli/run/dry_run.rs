//! What a run would read, need and write, said within a second and from the files' footers alone.

use std::io::Write;

use crate::calendar::Day;
use crate::cli::numbers::{count, grouped, size};
use crate::cli::pipeline::shown_output;
use crate::cli::schemas::columns;
use crate::cli::stdout;
use crate::config::Pipeline;
use crate::error::{Errors, ExitStatus};
use crate::job::RunPlan;
use crate::source::{Inspected, InspectedSource, RuledOut};
use crate::terminal::escaped;

/// A rule of thumb for memory and time, measured with the stages churn, cohort, revenue_churn and ltv by month on two
/// cores: 1.5 million rows of 2,500 customers (least), 20 million rows of 2.2 million customers with text ids and order
/// ids (most). The footers do not say how many customers there are, so it gives both.
struct Thumb {
    /// Of any run.
    base_bytes: u64,
    /// A row, from few customers to many.
    row_bytes: (u64, u64),
    /// Thread-time a row, in nanoseconds.
    row_nanoseconds: (u64, u64),
}

/// Runs of the whole pipeline write the rows of every customer; those with `--only` mostly do not.
const WHOLE: Thumb = Thumb { base_bytes: 60 << 20, row_bytes: (4, 16), row_nanoseconds: (150, 470) };
const ONLY: Thumb = Thumb { base_bytes: 50 << 20, row_bytes: (3, 14), row_nanoseconds: (80, 210) };

/// Least and most.
struct Expected {
    bytes: (u64, u64),
    seconds: (f64, f64),
}

impl Thumb {
    fn expect(&self, rows: u64, threads: usize) -> Expected {
        let bytes = |a_row: u64| rows.saturating_mul(a_row).saturating_add(self.base_bytes);
        let seconds = |a_row: u64| rows as f64 * a_row as f64 / 1e9 / threads.max(1) as f64;
        Expected {
            bytes: (bytes(self.row_bytes.0), bytes(self.row_bytes.1)),
            seconds: (seconds(self.row_nanoseconds.0), seconds(self.row_nanoseconds.1)),
        }
    }
}

/// Prints it. `limit`: of memory, as asked for.
pub fn print(
    pipeline: &Pipeline,
    blueprint: &RunPlan,
    inspected: &Inspected,
    limit: Option<u64>,
    out: &mut dyn Write,
) -> Result<ExitStatus, Errors> {
    stdout::text(out, text(pipeline, blueprint, inspected, limit, rayon::current_num_threads()))
}

fn text(pipeline: &Pipeline, blueprint: &RunPlan, inspected: &Inspected, limit: Option<u64>, threads: usize) -> String {
    let mut text =
        format!("{}: this is what a run would do; nothing was read but the files' footers\n\nread\n", pipeline.name);
    let mut rows = 0u64;
    for (kind, source) in &inspected.sources {
        let files: u64 = source.files.iter().map(|f| f.input.bytes).sum();
        text += &format!(
            "  {}: {} in {}, {}\n    columns {}\n",
            kind.name(),
            count(source.rows(), "row"),
            count(source.files.len() as u64, "file"),
            size(files),
            if source.is_read() {
                escaped(&source.written.join(", ")).into_owned()
            } else {
                "none: no stage and no segment asks for them".into()
            }
        );
        text += &listed(source);
        let RuledOut { groups, rows: left_out } = source.ruled_out();
        if groups > 0 && source.is_read() {
            text += &format!(
                "    by the footers the filter leaves nothing of {} of {}: {} are not read\n",
                grouped(groups as u64),
                count(source.files.iter().map(|f| f.group_count() as u64).sum(), "row group"),
                count(left_out, "row")
            );
        }
        let read = if source.is_read() { source.rows().saturating_sub(left_out) } else { 0 };
        rows = rows.saturating_add(read);
    }
    let thumb = if blueprint.whole { WHOLE } else { ONLY };
    let Expected { bytes, seconds } = thumb.expect(rows, threads);
    text += &format!(
        "\ncompute\n  {}\n  memory {} to {}, time {} to {} with {}: a rule of thumb, from few customers to\n  one for every \
         ten rows\n",
        window(pipeline),
        size(bytes.0),
        size(bytes.1),
        duration(seconds.0),
        duration(seconds.1),
        count(threads as u64, "thread"),
    );
    if let Some(limit) = limit.filter(|limit| *limit < bytes.1) {
        text += &format!("  what is more than --memory-limit, {}, goes to temporary files\n", size(limit));
    }
    text += "\nwrite\n";
    text += &columns(blueprint.tables().into_iter().map(|t| [t.name, t.doc]), 2);
    let latest = if blueprint.whole { "then `latest` names it" } else { "and `latest` stays as it is (--only)" };
    text + &format!("  into a new folder of {}/runs, {latest}\n", shown_output(pipeline))
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
        Some(as_of) => format!("observed from {from} up to {} (as_of {as_of})", as_of.plus(-1)),
        None => format!("observed from {from} up to the newest record"),
    }
}

fn duration(seconds: f64) -> String {
    if seconds < 1.0 {
        "under a second".into()
    } else if seconds < 100.0 {
        format!("{seconds:.0} s")
    } else {
        format!("{:.0} min", seconds / 60.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_of_thumb_grows_with_rows_and_shrinks_with_threads() {
        let few = WHOLE.expect(1_000_000, 2);
        assert_eq!(few.bytes, ((60 << 20) + 4_000_000, (60 << 20) + 16_000_000));
        assert_eq!(few.seconds, (0.075, 0.235));
        let most = WHOLE.expect(u64::MAX, 0);
        assert_eq!(most.bytes, (u64::MAX, u64::MAX));
        assert!(most.seconds.0 > 1e9 && most.seconds.0.is_finite());
        assert_eq!(
            [0.3, 1.2, 99.4, 150.0, 7200.0].map(duration),
            ["under a second", "1 s", "99 s", "2 min", "120 min"]
        );
    }
}
