//! Interrupted, terminated, killed, and two at once: the last good run stays readable and nothing is left behind.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::scenario::{Scenario, Transaction};
use crate::support::{Outcome, Table, Workspace};

/// A run that lasts: a few million purchases of many customers with names, in several files.
fn long_run() -> Workspace {
    const ROWS: usize = 3_000_000;
    let mut dice = Dice::new(42);
    let first = crate::days::day("2015-01-01");
    let purchase = |_| Transaction::new(dice.below(700_000), first + dice.below(1_800), dice.between(100, 99_999));
    let mut scenario = Scenario::purchases((0..ROWS).map(purchase).collect());
    scenario.shape.files = 4;
    Workspace::of(&scenario)
}

/// A good small run first, whose tables must still be there afterwards; what it left in the folder.
fn with_a_good_run(here: &Workspace) -> Vec<String> {
    let pipeline = std::fs::read_to_string(here.join("pipeline.toml")).expect("our own pipeline");
    let one_file = pipeline.replace("transactions/*.parquet", "transactions/part-3.parquet");
    here.write("pipeline.toml", &one_file);
    here.run().exits(0);
    here.write("pipeline.toml", &pipeline);
    here.left_behind()
}

fn start(here: &Workspace) -> Child {
    let mut command = here.command(&["run", "pipeline.toml", "--quiet"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
}

/// Sends a signal after the delay; the outcome, and how long it took from the signal on. `None`: it was over before.
fn stopped_by(signal: &str, mut child: Child, delay: Duration) -> Option<(Outcome, Duration)> {
    std::thread::sleep(delay);
    if child.try_wait().expect("our own child").is_some() {
        return None;
    }
    let sent = Instant::now();
    let status = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
    assert!(status.expect("kill is a program").success());
    let output = child.wait_with_output().expect("our own child");
    Some((Outcome::from(output), sent.elapsed()))
}

/// At several moments of a run, until it is over before the signal comes.
fn moments() -> impl Iterator<Item = Duration> {
    [5, 40, 120, 250, 450, 800, 1_500].into_iter().map(Duration::from_millis)
}

#[test]
fn a_signal_stops_the_run_within_two_seconds_and_leaves_nothing() {
    let here = long_run();
    with_a_good_run(&here);
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let before = here.left_behind();
        let mut stopped = 0;
        for delay in moments() {
            let child = start(&here);
            listens(&child);
            // Over before the signal came, or while it came: a run as good as any.
            let Some((outcome, took)) = stopped_by(signal, child, delay) else { break };
            if outcome.code == Some(0) {
                break;
            }
            outcome.exits(code);
            stopped += 1;
            assert!(took < Duration::from_secs(2), "{signal} after {delay:?} took {took:?}");
            assert_eq!(here.left_behind(), before, "{signal} after {delay:?}\n{outcome}");
        }
        assert!(stopped > 0, "the run was never long enough to be stopped by {signal}");
    }
    assert!(!Table::read(&here.join("out/latest"), "churn").rows.is_empty());
}

/// Waits until the process has its listener, which it starts before anything else: while the operating system loads the
/// program, a signal is its end.
fn listens(child: &Child) {
    let caught = |status: String| {
        let mask = status.lines().find_map(|l| l.strip_prefix("SigCgt:")).map(|m| u64::from_str_radix(m.trim(), 16));
        matches!(mask, Some(Ok(mask)) if mask & (1 << 14) != 0)
    };
    let began = Instant::now();
    while !std::fs::read_to_string(format!("/proc/{}/status", child.id())).is_ok_and(caught) {
        assert!(began.elapsed() < Duration::from_secs(10), "the program does not listen for SIGTERM");
        std::thread::yield_now();
    }
}

#[test]
fn at_any_moment_from_the_first_on_a_signal_ends_the_run_or_the_run_is_published() {
    let here = Workspace::of(&Scenario::purchases(
        (0..2_000).map(|n| Transaction::new(n % 40, crate::days::day("2020-01-03") + n % 180, 10_00 + n)).collect(),
    ));
    here.run().exits(0);
    let began = Instant::now();
    here.run().exits(0);
    let whole = began.elapsed().as_micros() as i64;
    let mut dice = Dice::new(7);
    let mut ends = std::collections::BTreeMap::new();
    for turn in 0..60 {
        let before = here.left_behind();
        let child = start(&here);
        listens(&child);
        // Every other one as early as can be.
        let delay = if turn % 2 == 0 { turn * 50 } else { dice.below(whole + whole / 4) };
        std::thread::sleep(Duration::from_micros(delay as u64));
        let pid = child.id().to_string();
        let _ =
            Command::new("kill").args(["-s", "TERM", &pid]).stderr(Stdio::null()).status().expect("kill is a program");
        let outcome = Outcome::from(child.wait_with_output().expect("our own child"));
        *ends.entry(outcome.code).or_insert(0) += 1;
        match outcome.code {
            Some(0) => assert!(here.left_behind().len() > before.len(), "{delay} µs: published\n{outcome}"),
            Some(143) => {
                outcome.says(&["terminated; nothing was published"]);
                assert_eq!(here.left_behind(), before, "{delay} µs: {outcome}");
            }
            _ => panic!("{delay} µs: {outcome}"),
        }
        // Nothing to tell the next run, which an unclean end would leave.
        assert_eq!(std::fs::read_to_string(here.join("out/.lock")).expect("the lock"), "", "{delay} µs: {outcome}");
    }
    assert!(ends.get(&Some(143)).is_some_and(|n| *n >= 10), "{ends:?}");
}

#[test]
fn a_killed_run_is_cleaned_up_by_the_next() {
    let here = long_run();
    let before = with_a_good_run(&here);
    let latest = |files: &[String]| files.iter().find(|f| f.starts_with("out/latest ->")).cloned();
    let mut killed = 0;
    for delay in moments() {
        let Some((outcome, _)) = stopped_by("KILL", start(&here), delay) else { break };
        if outcome.code == Some(0) {
            break;
        }
        killed += 1;
        let now = here.left_behind();
        if latest(&now) == latest(&before) {
            assert!(before.iter().all(|f| now.contains(f)), "killed after {delay:?}: the good run has changed");
        }
        assert!(!Table::read(&here.join("out/latest"), "churn").rows.is_empty(), "killed after {delay:?}");
    }
    assert!(killed > 0, "the run was never long enough to be killed");
    here.run().exits(0);
    // Whole runs, `latest` and nothing else.
    let whole_run = |f: &str| here.join(f).join("manifest.json").is_file();
    for left in here.left_behind() {
        let depth = left.trim_end_matches('/').matches('/').count();
        let known = match left.strip_prefix("out/runs/") {
            Some(_) if depth == 2 => whole_run(&left),
            Some(_) => true,
            None => left.starts_with("out/latest ->"),
        };
        assert!(known, "{left} is left over");
    }
}

#[test]
fn two_runs_at_once_wait_or_say_who_is_there() {
    let here = long_run();
    let children = [start(&here), start(&here)];
    let outcomes = children.map(|c| Outcome::from(c.wait_with_output().expect("our own child")));
    let done = outcomes.iter().filter(|o| o.code == Some(0)).count();
    assert!(done >= 1, "one of two runs succeeds\n{}\n{}", outcomes[0], outcomes[1]);
    for outcome in &outcomes {
        if outcome.code != Some(0) {
            outcome.exits(3).says_one_of(&["another run", "already", "holds", "lock"]);
        }
    }
    let runs = std::fs::read_dir(here.join("out/runs")).expect("runs").flatten().count();
    assert_eq!(runs, done, "as many runs as were published: {:?}", here.left_behind());
    assert!(!Table::read(&here.join("out/latest"), "churn").rows.is_empty());
}
