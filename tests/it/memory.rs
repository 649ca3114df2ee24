//! Little memory: the same bytes, within the limit, and nothing left behind.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::support::{Outcome, Workspace};

#[path = "../../benches/fixture/mod.rs"]
mod fixture;

use fixture::Purchases;

/// More rows than a limit of 150 MiB leaves room for, of more customers than one block has, and of a bot.
static EXPORT: LazyLock<std::path::PathBuf> = LazyLock::new(|| {
    let wanted =
        Purchases { rows: 4_000_000, customers: 400_000, files: 4, bot: 1_500_000, lines: 1.0, ..Purchases::default() };
    fixture::folder(&wanted).expect("a writable folder for what is generated")
});

fn workspace(output: &str) -> Workspace {
    let here = Workspace::new();
    for folder in ["tmp", "spill"] {
        std::fs::create_dir_all(here.join(folder)).expect("a writable folder");
    }
    let text = format!(
        r#"
        name = "little"
        [money]
        currency = "EUR"
        [customers]
        basis = "transactions"
        [sources.transactions]
        path = "{}/*.parquet"
        columns = {{ customer_id = "customer_id", occurred_at = "occurred_at", amount = "amount", order_id = "order_id" }}
        [segments]
        country = {{ column = "transactions.country", at = "latest" }}
        [stages.churn]
        [stages.cohort]
        [output]
        dir = "out"
        {output}
        "#,
        EXPORT.display()
    );
    here.write("pipeline.toml", &text);
    here
}

fn manifest(run: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(run.join("manifest.json")).expect("a published run");
    serde_json::from_str(&text).expect("a manifest is JSON")
}

/// The digest of every file.
fn digests(manifest: &serde_json::Value) -> BTreeMap<String, String> {
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let tables = manifest["tables"].as_array().expect("tables").iter();
    let files = tables.flat_map(|t| t["files"].as_array().expect("files"));
    files.map(|f| (text(&f["path"]), text(&f["sha256"]))).collect()
}

#[test]
fn a_run_within_little_memory_gives_the_same_bytes() {
    let here = workspace(r#"temp_dir = "spill""#);
    here.tenure(&["run", "pipeline.toml", "--threads", "2"]).exits(0);
    let plenty = manifest(&here.join("out/latest"));
    assert_eq!(plenty["temporary_bytes"], 0, "there was room for everything");
    for (limit, mebibytes, threads) in [("210MiB", 210, "2"), ("150 MiB", 150, "1")] {
        let args = ["run", "pipeline.toml", "--threads", threads, "--memory-limit", limit];
        let outcome = here.tenure(&args);
        outcome.exits(0);
        assert!(outcome.stdout.contains("in temporary files"), "{outcome}");
        let little = manifest(&here.join("out/latest"));
        assert!(
            little["temporary_bytes"].as_u64().is_some_and(|bytes| bytes > 10 << 20),
            "{}",
            little["temporary_bytes"]
        );
        let peak = little["peak_memory_bytes"].as_u64().expect("this system says how much memory was used");
        assert!(peak < (mebibytes << 20) * 5 / 4, "{} MiB under a limit of {limit}", peak >> 20);
        assert_eq!(digests(&plenty), digests(&little), "--memory-limit {limit} changes a table");
    }
    assert_eq!(std::fs::read_dir(here.join("spill")).expect("our own folder").count(), 0);
}

#[test]
fn what_cannot_fit_is_refused_with_the_key_to_lower() {
    let here = workspace("");
    let outcome = here.tenure(&["run", "pipeline.toml", "--threads", "1", "--memory-limit", "10MiB"]);
    outcome.exits(2).says(&["--memory-limit is 10.0 MiB, and no run needs less than"]);
    // The cohorts of days and many values are what is too large here, as the scan finds out.
    let here = workspace("");
    let many =
        ["--set", "calendar.period=day", "--set", "stages.cohort.max_age=900", "--set", "segments.country.cap=200"];
    let outcome = here.tenure(&[&["run", "pipeline.toml", "--memory-limit", "300MiB"][..], &many[..]].concat());
    outcome.exits(2).says(&["the run needs about", "cohorts by day", "max_age", "cap", "period"]);
    here.tenure(&["run", "pipeline.toml", "--memory-limit", "much"]).exits(2).says(&["512MiB"]);
    assert_eq!(here.left_behind(), Vec::<String>::new());
}

/// Rows by day of customers with many values: the tallies of many threads do not fit, those of some do.
#[test]
fn a_run_uses_as_many_threads_as_memory_has_room_for() {
    let here = workspace("");
    let by_day = ["--set", "calendar.period=day", "--only", "churn", "--set", "segments.country.cap=200"];
    let run = |threads, limit: &[&str]| {
        here.tenure(&[&["run", "pipeline.toml", "--threads", threads][..], limit, &by_day[..]].concat())
    };
    run("2", &[]).exits(0);
    let outcome = run("16", &["--memory-limit", "200MiB"]);
    outcome.exits(0).says(&["of 16 threads, as many as the memory limit has room for"]);
    let runs = std::fs::read_dir(here.join("out/runs")).expect("two runs");
    let mut runs: Vec<_> = runs.map(|run| manifest(&run.expect("a run").path())).collect();
    runs.sort_by_key(|m| m["run_id"].to_string());
    assert_eq!(digests(&runs[0]), digests(&runs[1]), "the number of threads changes a table");
    let peak = runs[1]["peak_memory_bytes"].as_u64().expect("this system says how much memory was used");
    assert!(peak < (200 << 20) * 5 / 4, "{} MiB", peak >> 20);
}

/// The pipelines that ship need little, however many threads there are.
#[test]
fn shipped_pipelines_run_in_256_mebibytes_with_sixteen_threads() {
    let here = Workspace::new();
    for name in ["grocery", "saas", "cdnow"] {
        let pipeline = format!("{}/pipelines/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let out = here.join(name);
        let out = out.to_str().expect("a plain path");
        here.tenure(&["run", &pipeline, "--threads", "16", "--memory-limit", "256MiB", "--out", out]).exits(0);
        let peak = manifest(&here.join(name).join("latest"))["peak_memory_bytes"].as_u64();
        assert!(peak.is_some_and(|bytes| bytes < 256 << 20), "{name}: {peak:?}");
    }
}

/// `ulimit -v`: the default limit follows it, and where it is too little for that there is a sentence, never a signal.
#[test]
fn a_limit_of_the_address_space_is_heeded() {
    let here = Workspace::new();
    let pipeline = concat!(env!("CARGO_MANIFEST_DIR"), "/pipelines/grocery.toml");
    for (kibibytes, fits) in [(100_000, false), (600_000, true)] {
        let script =
            format!("ulimit -v {kibibytes}; exec \"$0\" run \"$1\" --quiet --threads 16 --only churn --out out");
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &script]).arg(assert_cmd::cargo::cargo_bin!("tenure")).arg(pipeline);
        let outcome = Outcome::from(command.current_dir(here.path()).output().expect("sh is there"));
        outcome.exits(if fits { 0 } else { 3 });
        if !fits {
            outcome.says(&["error: "]);
        }
    }
}

#[test]
fn temporary_files_are_gone_whatever_ends_the_run() {
    let here = workspace(r#"temp_dir = "spill""#);
    for signal in [Signal::Kill, Signal::Terminate] {
        let args = ["run", "pipeline.toml", "--quiet", "--threads", "1", "--memory-limit", "150MiB"];
        let mut child = here.command(&args).spawn().expect("the program starts");
        // Until it has one: a file without a name, which only its holder sees.
        let started = Instant::now();
        while !holds_temporary(child.id()) && started.elapsed() < Duration::from_secs(60) {
            assert!(child.try_wait().expect("our own child").is_none(), "it ended without a temporary file");
            std::thread::sleep(Duration::from_millis(2));
        }
        signal.send(child.id());
        let status = child.wait().expect("our own child");
        assert!(status.signal().is_some() || status.code() == Some(143), "{status}");
        assert_eq!(std::fs::read_dir(here.join("spill")).expect("our own folder").count(), 0);
    }
}

#[derive(Clone, Copy)]
enum Signal {
    Kill,
    Terminate,
}

impl Signal {
    fn send(self, process: u32) {
        let name = match self {
            Signal::Kill => "-KILL",
            Signal::Terminate => "-TERM",
        };
        std::process::Command::new("kill").args([name, &process.to_string()]).status().expect("kill is there");
    }
}

fn holds_temporary(process: u32) -> bool {
    let Ok(open) = std::fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    let target = |entry: std::fs::DirEntry| std::fs::read_link(entry.path()).ok();
    open.flatten().filter_map(target).any(|path| path.to_string_lossy().contains("/spill/"))
}

#[test]
fn a_folder_for_temporary_files_that_is_none() {
    let here = workspace(r#"temp_dir = "not/there""#);
    here.run().exits(3).says(&["output.temp_dir", "not/there"]);
    assert_eq!(here.left_behind(), Vec::<String>::new());
}

/// Temporary files on a file system of 4 MiB, in a mount namespace of its own.
#[test]
fn a_full_disk_for_temporary_files() {
    let here = workspace(r#"temp_dir = "spill""#);
    let script = "mount -t tmpfs -o size=4m none spill || exit 99
        \"$0\" run pipeline.toml --quiet --threads 1 --memory-limit 150MiB; status=$?
        ls -A spill
        exit $status";
    let program = assert_cmd::cargo::cargo_bin!("tenure");
    let run = |flags: &str| {
        let mut command = std::process::Command::new("unshare");
        command.args([flags, "sh", "-c", script]).arg(program).current_dir(here.path());
        command.output().map(Outcome::from)
    };
    let mounted = |o: &Outcome| o.code != Some(99) && !o.stderr.contains("unshare:");
    match ["-m", "-rm"].into_iter().filter_map(|flags| run(flags).ok()).find(mounted) {
        Some(outcome) => {
            outcome.exits(3).says(&["is full: temporary files have come to", "are needed in all", "output.temp_dir"]);
            assert_eq!(outcome.stdout, "", "left on the full disk");
            assert_eq!(here.left_behind(), Vec::<String>::new());
        }
        None => eprintln!("skipped: this machine lets nobody mount a file system"),
    }
}

/// No library has threads of its own beside those asked for: one for the work, one for signals, the first itself, and
/// one that is about to end the program.
#[test]
fn threads_are_those_asked_for() {
    let here = workspace("");
    let amount = r#"sources.transactions.columns.amount={ sql = "amount * 2" }"#;
    let filter = "sources.transactions.filter=amount < 1000000";
    let args = ["run", "pipeline.toml", "--quiet", "--threads", "1", "--set", amount, "--set", filter];
    let mut child = here.command(&args).spawn().expect("the program starts");
    let (mut most, tasks) = (0, format!("/proc/{}/task", child.id()));
    while child.try_wait().expect("our own child").is_none() {
        most = most.max(std::fs::read_dir(&tasks).map_or(0, Iterator::count));
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(child.wait().expect("our own child").success());
    assert!((1..=4).contains(&most), "{most} threads at once");
}
