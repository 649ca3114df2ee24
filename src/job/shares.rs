//! What each part of a run may take of the memory limit: footers, reading, rows.

use std::path::{Path, PathBuf};

use crate::config::Pipeline;
use crate::error::{Error, Result};
use crate::memory;
use crate::source::{self, ReadLimits};

/// Less than this for rows would mean more reading and writing of temporary files than computing.
pub const FEWEST_ROW_BYTES: u64 = 8 << 20;
/// What a run needs beside its rows and threads: footers, dictionaries, small tallies.
pub const BESIDE_ROWS: u64 = 8 << 20;

/// What the footers of the exports may take: half of what is left, for they stay in memory while the exports are read.
pub fn for_footers() -> u64 {
    match memory::room() {
        u64::MAX => source::FOOTER_MEMORY,
        room => room / 2,
    }
}

/// What reading may take: half of what is left, for rows have the other half; without a limit, as much as the library
/// takes by itself.
pub fn for_reading() -> ReadLimits {
    let limits = ReadLimits::default();
    match memory::room() {
        u64::MAX => limits,
        room => ReadLimits { memory: room / 2, ..limits },
    }
}

/// Threads that can read exports at a time, `a_thread` bytes each, such that half of the limit is left for rows.
pub fn reading_threads(threads: usize, a_thread: u64) -> usize {
    let fit = memory::room() / 2 / a_thread.max(1);
    usize::try_from(fit).unwrap_or(usize::MAX).clamp(1, threads)
}

/// Bytes that rows may take in memory while so many threads read; `None` without any limit.
pub fn for_rows(threads: usize, a_thread: u64) -> Option<usize> {
    let room = memory::room();
    if room == u64::MAX {
        return None;
    }
    let left = room.saturating_sub((threads as u64).saturating_mul(a_thread)).saturating_sub(BESIDE_ROWS);
    // As much again goes to bringing rows together, and to what the allocator does not give back.
    usize::try_from((left / 2).max(FEWEST_ROW_BYTES)).ok()
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
    let written = pipeline.output.temp_dir_text.as_ref().map(ToString::to_string).unwrap_or_default();
    Err(Error::output(format!("output.temp_dir is {written}, which is no folder"))
        .help("make it, or leave the key out: then TMPDIR says where temporary files go"))
}
