//! Option `--memory-limit`: how it is written, and what is said when it is passed.

use serde_json::json;

use super::LogFormat;
use crate::error::{Error, ExitStatus, Result};
use crate::job::{BESIDE_ROWS, FEWEST_ROW_BYTES};
use crate::memory::{self, MemoryLimit, OutOfMemoryMessages, PROGRAM};
use crate::numbers::size;

/// No run is tried with less.
const LEAST: u64 = PROGRAM + FEWEST_ROW_BYTES + 2 * BESIDE_ROWS;

/// `4GiB`, `512 MiB`, `2G`, `1500000000`: binary units with an i or without a B, else decimal ones.
pub(super) fn bytes(text: &str) -> std::result::Result<u64, String> {
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

/// Limits this process to what was asked for, or to four fifths of what there is.
///
/// # Errors
/// Pipeline: what was asked for is less than any run needs.
pub(super) fn limit(asked: Option<u64>, format: LogFormat) -> Result<()> {
    if memory::own_address_space().is_some() {
        memory::share_address_space();
    }
    let Some(process) = asked.or_else(|| memory::available().map(|all| all / 5 * 4)) else { return Ok(()) };
    if let Some(asked) = asked.filter(|asked| *asked < LEAST) {
        return Err(Error::pipeline(format!(
            "--memory-limit is {}, and no run needs less than {}",
            size(asked),
            size(LEAST)
        ))
        .help(format!("raise it; what a run needs beyond {} goes to temporary files where it can", size(LEAST))));
    }
    memory::set_limit(
        MemoryLimit { process, program: memory::program() },
        last_words(process, asked.is_some(), format),
    );
    Ok(())
}

/// Limits a command without an option for it to four fifths of what there is.
pub(crate) fn limit_to_available() {
    let Some(process) = memory::available().map(|all| all / 5 * 4) else { return };
    let words = |what: &str| format!("error: {what}\nhelp: a file that it reads may be damaged or hostile\n");
    let words = OutOfMemoryMessages {
        passed_limit: words(&format!("this command needs more than the {} of memory that it may take", size(process))),
        refused: words("the operating system gives this command no more memory"),
    };
    memory::set_limit(MemoryLimit { process, program: memory::program() }, words);
}

fn last_words(process: u64, asked: bool, format: LogFormat) -> OutOfMemoryMessages {
    let limit = if asked { "--memory-limit" } else { "the default of --memory-limit" };
    let words = |what: String, help: &str| match format {
        LogFormat::Text => format!("error: {what}\nhelp: {help}\n"),
        LogFormat::Json => {
            format!("{}\n", json!({ "event": "error", "what": what, "help": help, "status": ExitStatus::Data as u8 }))
        }
    };
    OutOfMemoryMessages {
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
    fn last_words_are_lines_of_the_format_that_was_asked_for() {
        let text = last_words(1 << 30, true, LogFormat::Text).passed_limit;
        assert!(text.starts_with("error: ") && text.contains("\nhelp: raise --memory-limit"), "{text}");
        let json = last_words(1 << 30, false, LogFormat::Json).refused;
        let event: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((event["event"].as_str(), event["status"].as_u64()), (Some("error"), Some(3)));
    }
}
