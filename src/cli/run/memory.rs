//! How much memory a run may take, and what of it is for rows.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::LogFormat;
use crate::config::Pipeline;
use crate::error::{Error, Exit, Result};
use crate::memory::{self, LastWords, Limit};
use crate::numbers::size;
use crate::source::{self, ReadLimits};

/// The program's code, the stacks of its threads and what libraries keep, where the operating system does not say.
const PROGRAM: u64 = 40 << 20;
/// Less than this for rows would mean more reading and writing of temporary files than computing.
const FEWEST_ROW_BYTES: u64 = 8 << 20;
/// What a run needs beside its rows and threads: footers, dictionaries, small tallies.
const BESIDE_ROWS: u64 = 8 << 20;
/// No run is tried with less.
const LEAST: u64 = PROGRAM + FEWEST_ROW_BYTES + 2 * BESIDE_ROWS;

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

/// What the least of machine, container and `ulimit -v` lets this process have; nothing if none of them says.
fn available() -> Option<u64> {
    let total = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
    });
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let number = |path: PathBuf| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let container = container_files(&groups).into_iter().filter_map(number);
    total.into_iter().chain(container).chain(own_address_space()).min()
}

fn own_address_space() -> Option<u64> {
    address_space(&fs::read_to_string("/proc/self/limits").unwrap_or_default())
}

/// The files in which a container's memory limit may stand, from the text of `/proc/self/cgroup`: of the process' own
/// group and of every group above it, in both versions of the interface.
fn container_files(groups: &str) -> Vec<PathBuf> {
    let mut files = vec![];
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            list if list.split(',').any(|c| c == "memory") => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        let group = Path::new(group.trim_start_matches('/'));
        files.extend(group.ancestors().map(|above| Path::new(root).join(above).join(name)));
    }
    files
}

/// The limit of the process' address space, from the text of `/proc/self/limits`.
fn address_space(limits: &str) -> Option<u64> {
    limits.lines().find_map(|line| line.strip_prefix("Max address space"))?.split_whitespace().next()?.parse().ok()
}

/// What is resident already, beyond what has been allocated: the program itself.
fn program() -> u64 {
    let known = memory::resident().map_or(PROGRAM, |bytes| bytes.saturating_sub(memory::in_use()));
    // Its code becomes resident little by little.
    known.max(PROGRAM)
}

/// Limits this process to what was asked for, or to four fifths of what there is.
///
/// # Errors
/// Pipeline: what was asked for is less than any run needs.
pub fn limit(asked: Option<u64>, format: LogFormat) -> Result<()> {
    if own_address_space().is_some() {
        memory::share_address_space();
    }
    let Some(process) = asked.or_else(|| available().map(|all| all / 5 * 4)) else { return Ok(()) };
    if let Some(asked) = asked.filter(|asked| *asked < LEAST) {
        return Err(Error::pipeline(format!(
            "--memory-limit is {}, and no run needs less than {}",
            size(asked),
            size(LEAST)
        ))
        .help(format!("raise it; what a run needs beyond {} goes to temporary files where it can", size(LEAST))));
    }
    memory::set_limit(Limit { process, program: program() }, last_words(process, asked.is_some(), format));
    Ok(())
}

/// Limits a command without an option for it to four fifths of what there is.
pub fn limit_to_available() {
    let Some(process) = available().map(|all| all / 5 * 4) else { return };
    let words = |what: &str| format!("error: {what}\nhelp: a file that it reads may be damaged or hostile\n");
    let words = LastWords {
        passed_limit: words(&format!("this command needs more than the {} of memory that it may take", size(process))),
        refused: words("the operating system gives this command no more memory"),
    };
    memory::set_limit(Limit { process, program: program() }, words);
}

fn last_words(process: u64, asked: bool, format: LogFormat) -> LastWords {
    let limit = if asked { "--memory-limit" } else { "the default of --memory-limit" };
    let words = |what: String, help: &str| match format {
        LogFormat::Text => format!("error: {what}\nhelp: {help}\n"),
        LogFormat::Json => {
            format!("{}\n", json!({ "event": "error", "what": what, "help": help, "status": Exit::Data as u8 }))
        }
    };
    LastWords {
        passed_limit: words(
            format!(
                "the run needs more memory than {limit} allows ({} and a fifth); nothing was published",
                size(process)
            ),
            "raise --memory-limit, use fewer --threads, lower the `cap` of the segments, or choose a longer `period`",
        ),
        refused: words(
            format!(
                "the operating system gives no more memory, although {limit} is {}; nothing was published",
                size(process)
            ),
            "set --memory-limit below what the machine, the container and `ulimit -v` leave for this process",
        ),
    }
}

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

    #[test]
    fn limits_stand_where_the_system_says() {
        let limits = "Limit   Soft Limit  Hard Limit  Units\nMax address space         1048576000  unlimited  bytes\n";
        assert_eq!(address_space(limits), Some(1_048_576_000));
        assert_eq!(address_space("Max address space         unlimited            unlimited            bytes\n"), None);
        let files = container_files("12:cpu,memory:/a\n5:cpu:/b\n0::/x/y\n");
        let files: Vec<_> = files.iter().map(|f| f.display().to_string()).collect();
        let expected = [
            "/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/x/y/memory.max",
            "/sys/fs/cgroup/x/memory.max",
            "/sys/fs/cgroup/memory.max",
        ];
        assert_eq!(files, expected);
    }

    #[test]
    fn last_words_are_lines_of_the_format_that_was_asked_for() {
        let text = last_words(1 << 30, true, LogFormat::Text).passed_limit;
        assert!(text.starts_with("error: ") && text.contains("\nhelp: raise --memory-limit"), "{text}");
        let json = last_words(1 << 30, false, LogFormat::Json).refused;
        let event: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((event["event"].as_str(), event["status"].as_u64()), (Some("error"), Some(3)));
    }
}
