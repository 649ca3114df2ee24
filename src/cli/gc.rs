//! `tenure gc DIR --keep N`: deletes old runs, never the one that `latest` names.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::builder::{RangedU64ValueParser, TypedValueParser};
use jiff::Timestamp;

use super::stdout;
use crate::error::{Errors, ExitStatus};
use crate::numbers::{count, size};
use crate::publish::gc::{Removed, collect};
use crate::publish::runs::RUNS;
use crate::terminal::escaped;

/// Delete old runs of a pipeline, never the latest
#[derive(clap::Args, Clone, Debug)]
pub struct GcArgs {
    /// Output folder of a pipeline, such as out/retail
    pub dir: PathBuf,
    /// How many of the newest runs to keep; the one that `latest` names is kept in any case
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<u64>::from(1..).map(|n| n as usize))]
    pub keep: usize,
    /// Print what would be removed; remove nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Prints a line for each run removed, then how many are left.
///
/// # Errors
/// Pipeline: `dir` is no output folder. Output: another process holds it, or a run cannot be removed.
pub fn run(args: &GcArgs, out: &mut dyn Write) -> Result<ExitStatus, Errors> {
    let verb = if args.dry_run { "would remove" } else { "removed" };
    let mut printed: io::Result<()> = Ok(());
    let (mut removed, mut bytes) = (0, 0);
    // Runs are removed even if standard output is closed.
    let mut each = |r: &Removed| {
        (removed, bytes) = (removed + 1, bytes + r.bytes);
        if printed.is_ok() {
            let path = args.dir.join(RUNS).join(r.run_id.to_string());
            printed = writeln!(out, "{verb} {} ({})", escaped(&path.display().to_string()), size(r.bytes));
        }
    };
    let collected = collect(&args.dir, args.keep, args.dry_run, Timestamp::now(), &mut each)?;
    let outcome = printed.and_then(|()| {
        let runs = |n: usize| count(n as u64, "run");
        let stay = if collected.kept == 1 { "is kept" } else { "are kept" };
        writeln!(out, "{verb} {} ({}); {} {stay}", runs(removed), size(bytes), runs(collected.kept))?;
        out.flush()
    });
    stdout::exit(outcome.map_err(Into::into))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::publish::manifest;

    #[test]
    fn it_says_what_it_removes() {
        let dir = tempfile::tempdir().unwrap();
        for day in 1..=3 {
            let run = dir.path().join(RUNS).join(format!("2026110{day}T000000Z-00000000"));
            fs::create_dir_all(&run).unwrap();
            fs::write(run.join(manifest::FILE), vec![b' '; 700 * day]).unwrap();
        }
        let text = |keep: usize, dry_run: bool| {
            let mut out = Vec::new();
            let exit = run(&GcArgs { dir: dir.path().into(), keep, dry_run }, &mut out).unwrap();
            assert_eq!(exit, ExitStatus::Done);
            String::from_utf8(out).unwrap().replace(&dir.path().display().to_string(), "out")
        };
        insta::assert_snapshot!(text(1, true), @"
        would remove out/runs/20261101T000000Z-00000000 (700 B)
        would remove out/runs/20261102T000000Z-00000000 (1.4 KiB)
        would remove 2 runs (2.1 KiB); 1 run is kept
        ");
        insta::assert_snapshot!(text(2, false), @"
        removed out/runs/20261101T000000Z-00000000 (700 B)
        removed 1 run (700 B); 2 runs are kept
        ");
        insta::assert_snapshot!(text(2, false), @"removed 0 runs (0 B); 2 runs are kept");
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let args = GcArgs { dir: dir.path().into(), keep: 1, dry_run: false };
        assert_eq!(run(&args, &mut Closed).unwrap(), ExitStatus::Done);
        assert_eq!(fs::read_dir(dir.path().join(RUNS)).unwrap().count(), 1, "removed although nobody listened");
    }

    #[test]
    fn nobody_keeps_nothing() {
        #[derive(Debug, clap::Parser)]
        struct GcCli {
            #[command(flatten)]
            args: GcArgs,
        }
        let parse = |words: &[&str]| <GcCli as clap::Parser>::try_parse_from(words).map(|c| c.args.keep);
        assert_eq!(parse(&["gc", "out", "--keep", "7"]).unwrap(), 7);
        assert!(parse(&["gc", "out", "--keep", "0"]).is_err());
        assert!(parse(&["gc", "out"]).is_err());
    }
}
