//! After `latest` has moved the exit status says so, whatever fails then; and before, nothing is half there.

use std::fs;
use std::process::{Command, Stdio};

use crate::days::day;
use crate::scenario::{Scenario, Transaction};
use crate::support::{Outcome, Workspace};

fn small() -> Workspace {
    let purchase = |n: i64| Transaction::new(n % 40, day("2020-01-03") + n % 180, 10_00 + n);
    Workspace::of(&Scenario::purchases((0..400).map(purchase).collect()))
}

#[test]
fn a_summary_that_cannot_be_printed_is_a_warning_of_a_published_run() {
    let here = small();
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has /dev/full");
    let run = |stdout: Stdio, stderr: Stdio| {
        let _ = fs::remove_dir_all(here.join("out"));
        let mut command = here.command(&["run", "pipeline.toml"]);
        let child = command.stdout(stdout).stderr(stderr).spawn().expect("the program starts");
        let outcome = Outcome::from(child.wait_with_output().expect("our own child"));
        outcome.exits(0);
        assert!(here.join("out/latest/manifest.json").is_file(), "{outcome}");
        outcome
    };
    run(full().into(), Stdio::piped()).says(&["warning: the run is published in", "standard output"]);
    // Nobody can be told at all.
    run(full().into(), full().into());
    // A reader that has gone.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    run(writer.into(), Stdio::piped());
}

/// A command in a shell that sets limits first.
fn limited(here: &Workspace, limit: &str, args: &str) -> Outcome {
    let tenure = here.command(&[]);
    let mut command = Command::new("sh");
    command.current_dir(here.path()).env("TMPDIR", here.join("tmp"));
    command.args(["-c", &format!("ulimit {limit}; exec \"$0\" {args}")]).arg(tenure.get_program());
    Outcome::from(command.output().expect("a shell"))
}

#[test]
fn a_limit_on_the_size_of_files_is_a_sentence() {
    let here = small();
    here.run().exits(0);
    let before = here.left_behind();
    // A table, then the smallest of limits: even the lock's text does not fit.
    for blocks in [4, 0] {
        let outcome = limited(&here, &format!("-f {blocks}"), "run pipeline.toml --quiet");
        outcome.exits(3).says(&["ulimit -f"]);
        assert_eq!(here.left_behind(), before, "{outcome}");
    }
    // Results that go to a file.
    limited(&here, "-f 0", "show out customers --format csv > shown").exits(3).says(&["standard output"]);
}

#[test]
fn a_killed_run_is_told_to_whoever_runs_next() {
    let here = small();
    here.run().exits(0);
    let killed_at = |point: &str| {
        let mut command = here.command(&["run", "pipeline.toml", "--quiet"]);
        let status = command.env("TENURE_CRASH_AT", point).stderr(Stdio::null()).status().expect("the program starts");
        assert_eq!(status.code(), None, "it dies of a signal");
    };
    for point in ["after-lock", "after-folder", "before-manifest", "before-latest", "within-latest"] {
        killed_at(point);
        let outcome = here.run();
        outcome.exits(0).says(&["warning: the previous `tenure run`", "did not end", "pid "]);
        killed_at(point);
        let events = here.tenure(&["run", "pipeline.toml", "--log-format", "json"]);
        assert!(events.stderr.contains(r#"{"event":"last_run_did_not_end","#), "{point}: {events}");
        let outcome = here.run();
        outcome.exits(0);
        assert_eq!(outcome.stderr, "", "{point}: it is told once");
        assert!(!here.left_behind().iter().any(|name| name.contains(".tmp-") || name.contains(".latest-")));
    }
}
