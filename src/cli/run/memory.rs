//! How much memory a run may take, and what of it is left for rows.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::numbers::size;
use crate::config::Pipeline;
use crate::engine::reckon::CELL_BYTES;
use crate::error::{Error, Result};
use crate::job::{Blueprint, Reckoning};
use crate::source::ReadLimits;

/// The program itself and the files' footers.
const BASE: u64 = 64 << 20;
/// A thread's batch and pages while it reads, its blocks of `customers` and `ledger` while it writes.
const A_THREAD: u64 = 40 << 20;
/// Its block of another ledger.
const A_LEDGER: u64 = 20 << 20;
/// Fewer rows in memory would mean more reading and writing of temporary files than computing.
const ROWS: u64 = 32 << 20;

/// `4GiB`, `512 MiB`, `2G`, `1500000000`: binary units with an i or without a B, else decimal ones.
pub fn bytes(text: &str) -> std::result::Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..digits], text[digits..].trim());
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(format!("`{unit}` is no unit of memory; write 512MiB or 4GiB")),
    };
    let amount = number.parse::<f64>().map_err(|_| "write an amount of memory such as 512MiB or 4GiB".to_owned())?;
    Ok((amount * factor as f64) as u64)
}

/// What this machine, or the container on it, lets a process have; nothing if it does not say.
fn available() -> Option<u64> {
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let total = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
    });
    let container = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    container.into_iter().filter_map(number).chain(total).min()
}

/// Bytes that rows may take in memory.
///
/// # Errors
/// Pipeline: what was asked for is not even enough for everything else.
pub fn for_rows(
    asked: Option<u64>,
    pipeline: &Pipeline,
    blueprint: &Blueprint,
    threads: usize,
) -> Result<Option<usize>> {
    let threads = threads as u64;
    let ledgers = blueprint.specs.iter().filter(|(_, spec)| spec.options.flag("ledger")).count() as u64;
    let fixed = BASE + threads * (A_THREAD + ledgers * A_LEDGER);
    let Some(limit) = asked else {
        // Nobody asked: as much as leaves the machine alive.
        return Ok(available().map(|all| (all / 5 * 4).saturating_sub(fixed).max(ROWS)).map(share));
    };
    let reckoning = blueprint.reckon(pipeline)?;
    let rounds = reckoning.folds.iter().map(|f| f.round).max().unwrap_or(0);
    // A fold that comes earlier than its round (of scores, by R and F) does so where others of that round have nothing to
    // count, which would have taken more.
    let cells = |round: usize| reckoning.folds.iter().filter(|f| f.round == round).map(|f| f.cells).sum::<u64>();
    let cells = (0..=rounds).map(cells).max().unwrap_or(0);
    let tallies = cells.saturating_mul(CELL_BYTES).saturating_mul(threads);
    let needed = fixed.saturating_add(tallies).saturating_add(ROWS);
    if limit < needed {
        return Err(too_little(limit, needed, tallies, threads, &reckoning));
    }
    Ok(Some(share(limit - fixed - tallies)))
}

/// What reading may take of a limit; without one, as much as the library takes by itself.
pub fn for_reading(asked: Option<u64>) -> ReadLimits {
    let limits = ReadLimits::default();
    ReadLimits { memory: asked.map_or(limits.memory, |limit| limit / 4), ..limits }
}

/// Of what is left: an eighth goes to bringing rows together, and to what the allocator does not give back.
fn share(left: u64) -> usize {
    (left / 8 * 7) as usize
}

fn too_little(limit: u64, needed: u64, tallies: u64, threads: u64, reckoning: &Reckoning<'_>) -> Error {
    let largest = reckoning.folds.iter().max_by_key(|fold| fold.cells);
    let remedy = match largest {
        Some(fold) if tallies > needed / 2 => {
            let lower = if fold.spec.kind == "cohorts" { "`max_age` of the cohort stages or " } else { "" };
            format!(
                "most of it is for the tallies of {} by {}: lower {lower}the `cap` of the segments, choose a longer \
                 period, or use fewer --threads",
                fold.spec.kind,
                fold.spec.lens.period.name()
            )
        }
        _ if threads > 1 => "raise it, or use fewer --threads".to_owned(),
        _ => "raise it".to_owned(),
    };
    Error::pipeline(format!("--memory-limit is {}, and this run needs at least {}", size(limit), size(needed)))
        .help(remedy)
}

/// Where temporary files go.
///
/// # Errors
/// Output: the folder that the pipeline names is none.
pub fn temporary(pipeline: &Pipeline) -> Result<PathBuf> {
    let Some(folder) = &pipeline.output.temp_dir else { return Ok(std::env::temp_dir()) };
    if Path::is_dir(folder) {
        return Ok(folder.clone());
    }
    Err(Error::output(format!("output.temp_dir is {}, which is no folder", folder.display()))
        .help("make it, or leave the key out: then TMPDIR says where temporary files go"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_of_memory_as_people_write_them() {
        let read = ["4GiB", "512 MiB", "2g", "1.5G", "1500000000", "3 kB", "7B", " 1 TiB "].map(bytes);
        let gib = 1u64 << 30;
        let expected = [4 * gib, gib / 2, 2 * gib, gib * 3 / 2, 1_500_000_000, 3_000, 7, 1024 * gib];
        assert_eq!(read, expected.map(Ok));
        assert!(bytes("4 gigs").is_err_and(|e| e.contains("`gigs` is no unit")));
        for wrong in ["", "GiB", "-1GiB", "1.2.3G", "x"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_machine_says_how_much_there_is() {
        assert!(!cfg!(target_os = "linux") || available().is_some_and(|bytes| bytes > 64 << 20));
    }
}
