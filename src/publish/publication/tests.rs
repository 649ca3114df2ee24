use std::process::Command;

use super::*;
use crate::error::ErrorKind;
use crate::publish::manifest::TableEntry;
use crate::publish::manifest::tests::example;
use crate::publish::runs;
use crate::table::{Type, Values, column};

const FORMAT: TableFormat = TableFormat { digits: 2, integer_ids: true };

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_293_901 + second).unwrap()
}

fn options() -> PublishOptions {
    PublishOptions { started: at(0), wait: Duration::ZERO, switch_latest: true, mode: None }
}

fn begin(out: &Path, second: i64) -> Result<Publication> {
    Publication::begin(out, RunId::new(at(second), "1a2b3c4d"), options())
}

fn table(name: &str, kind: Type, rows: i64) -> Table {
    let columns = vec![column("n", kind, "a number")];
    let schema = Arc::new(TableSchema { name: name.into(), doc: String::new(), key: 1, columns });
    Table { schema, columns: vec![Values::Int((0..rows).map(Some).collect())] }
}

/// Writes a table in one file and one in two parts, from two threads.
fn fill(p: &Publication) -> Manifest {
    let churn = table("churn", Type::Int, 5);
    let ledger = table("ledger", Type::CustomerId, 20_000);
    let one = p.write(&churn, FORMAT).unwrap();
    let part = |i| {
        let mut w = p.part(ledger.schema.clone(), FORMAT, i).unwrap();
        w.write(&ledger).unwrap();
        w.finish().unwrap()
    };
    let parts = std::thread::scope(|s| [s.spawn(|| part(0)), s.spawn(|| part(1))].map(|t| t.join().unwrap()));
    let tables = vec![TableEntry::new(&churn.schema, FORMAT, &[one]), TableEntry::new(&ledger.schema, FORMAT, &parts)];
    example(&p.run_id().to_string(), tables)
}

fn publish(out: &Path, second: i64) -> Published {
    let p = begin(out, second).unwrap();
    let manifest = fill(&p);
    p.commit(&manifest).unwrap()
}

/// The run behind `latest`, every file of it there and as the manifest says.
fn latest_is_complete(out: &Path) -> Option<String> {
    let run = runs::resolve(out)?;
    let manifest = Manifest::read(&run).unwrap();
    assert_eq!(run.file_name().unwrap().to_str().unwrap(), manifest.run_id);
    for table in &manifest.tables {
        let mut reader = crate::publish::read::TableReader::open(&run, table).unwrap();
        let mut rows = 0;
        while let Some(batch) = reader.next_batch().unwrap() {
            rows += batch.num_rows() as u64;
        }
        assert_eq!(rows, table.rows);
    }
    assert_eq!(manifest.tables.len(), 2);
    Some(manifest.run_id)
}

/// Names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_run_appears_whole_and_becomes_latest() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out/retail");
    let p = begin(&out, 0).unwrap();
    let manifest = fill(&p);
    assert!(runs::resolve(&out).is_none() && runs::list(&out).unwrap().is_empty(), "nothing shows before the commit");
    let first = p.commit(&manifest).unwrap();
    assert_eq!(names(&out), [".lock", "latest", "runs"]);
    assert_eq!(names(&out.join("runs")), [first.run_id.to_string()]);
    assert_eq!(names(&first.folder), ["churn.parquet", "ledger", "manifest.json"]);
    assert_eq!(names(&first.folder.join("ledger")), ["part-00000.parquet", "part-00001.parquet"]);
    assert_eq!(fs::read_link(out.join("latest")).unwrap(), Path::new("runs").join(first.run_id.to_string()));
    assert_eq!(latest_is_complete(&out), Some(first.run_id.to_string()));

    let again = publish(&out, 0);
    assert_eq!(again.run_id, first.run_id.next(), "the same second and configuration");
    assert_eq!(latest_is_complete(&out), Some(again.run_id.to_string()));
    assert_eq!(runs::list(&out).unwrap(), [first.run_id, again.run_id]);
}

#[test]
fn parts_and_their_folder_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let run = publish(dir.path(), 0).folder;
    let mode = |name: &str| fs::metadata(run.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("ledger"), mode("ledger/part-00001.parquet")), (0o700, 0o600));
    assert_eq!(mode("churn.parquet"), mode("manifest.json"), "by umask");
}

#[test]
fn a_dropped_run_leaves_nothing_and_frees_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let good = publish(dir.path(), 0);
    let p = begin(dir.path(), 60).unwrap();
    fill(&p);
    drop(p);
    assert_eq!(names(&dir.path().join("runs")), [good.run_id.to_string()]);
    assert_eq!(latest_is_complete(dir.path()), Some(good.run_id.to_string()));
    publish(dir.path(), 60);
}

#[test]
fn of_two_runs_at_once_the_second_learns_who_holds_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let first = begin(dir.path(), 0).unwrap();
    let manifest = fill(&first);
    let e = begin(dir.path(), 1).unwrap_err();
    assert_eq!(e.kind, ErrorKind::Output);
    assert!(e.what.contains("is in use: pid"), "{}", e.what);
    assert!(first.folder().join("churn.parquet").is_file(), "the second run cleans nothing of a live one");
    first.commit(&manifest).unwrap();
    publish(dir.path(), 1);
}

#[test]
fn a_run_of_some_stages_does_not_become_latest() {
    let dir = tempfile::tempdir().unwrap();
    let good = publish(dir.path(), 0);
    let options = PublishOptions { switch_latest: false, ..options() };
    let p = Publication::begin(dir.path(), RunId::new(at(60), ""), options).unwrap();
    let manifest = fill(&p);
    let partial = p.commit(&manifest).unwrap();
    assert!(partial.folder.join("manifest.json").is_file());
    assert_eq!(latest_is_complete(dir.path()), Some(good.run_id.to_string()));
}

#[test]
fn a_manifest_must_list_what_the_folder_holds() {
    let dir = tempfile::tempdir().unwrap();
    let attempt = |change: &dyn Fn(&mut Manifest)| {
        let p = begin(dir.path(), 0).unwrap();
        let mut manifest = fill(&p);
        change(&mut manifest);
        let e = p.commit(&manifest).unwrap_err();
        assert_eq!(e.kind, ErrorKind::Internal);
        e.what
    };
    assert!(attempt(&|m| drop(m.tables.pop())).contains("does not list"));
    assert!(attempt(&|m| m.tables[0].files[0].bytes += 1).contains("churn.parquet should have"));
    assert!(attempt(&|m| m.tables.push(m.tables[0].clone())).contains("churn.parquet is listed twice"));
    assert!(attempt(&|m| m.run_id.push('x')).contains("names run"));
    assert!(names(&dir.path().join("runs")).is_empty());
}

#[test]
fn latest_that_is_no_link_and_a_file_as_folder_are_said_early() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("latest")).unwrap();
    let e = begin(dir.path(), 0).unwrap_err();
    assert!(e.what.ends_with("latest is not a link, so it cannot be switched to a new run"), "{}", e.what);
    assert!(names(&dir.path().join("runs")).is_empty());
    fs::write(dir.path().join("file"), "").unwrap();
    let e = begin(&dir.path().join("file"), 0).unwrap_err();
    assert!(e.what.contains("a file stands where a folder is needed"), "{}", e.what);
    let e = no_links(Path::new("out"), io::ErrorKind::PermissionDenied.into());
    assert!(e.what.contains("has no symbolic links") && e.help.is_some());
}

#[test]
fn what_fails_before_latest_has_moved_takes_the_run_back() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path();
    let good = publish(out, 0).run_id.to_string();
    let prepared = |second| {
        let p = begin(out, second).unwrap();
        let manifest = fill(&p);
        p.prepare(&manifest).unwrap()
    };
    // `latest` cannot be switched.
    let ready = prepared(60);
    let elsewhere = out.join("elsewhere");
    fs::rename(out.join("latest"), &elsewhere).unwrap();
    fs::create_dir(out.join("latest")).unwrap();
    let e = ready.publish().unwrap_err();
    assert!(e.kind == ErrorKind::Output && e.what.contains("cannot switch"), "{}", e.what);
    assert_eq!(names(&out.join("runs")), [good.as_str()]);
    fs::remove_dir(out.join("latest")).unwrap();
    fs::rename(&elsewhere, out.join("latest")).unwrap();
    assert_eq!(names(out), [".lock", "latest", "runs"]);
    // The run cannot get its name.
    let ready = prepared(60);
    let taken = out.join("runs").join(RunId::new(at(60), "1a2b3c4d").to_string());
    fs::write(&taken, "taken").unwrap();
    let e = ready.publish().unwrap_err();
    assert!(e.kind == ErrorKind::Output && e.what.contains("cannot rename"), "{}", e.what);
    fs::remove_file(&taken).unwrap();
    assert_eq!(names(&out.join("runs")), [good.as_str()]);
    assert_eq!(latest_is_complete(out), Some(good));
    publish(out, 60);
}

#[test]
fn folders_and_files_have_the_modes_they_should_have_at_any_moment() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("a/b");
    let p = begin(&out, 0).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(p.folder()), 0o700, "until the run is published");
    let manifest = fill(&p);
    let run = p.commit(&manifest).unwrap().folder;
    // By a usual umask; tests/it/links.rs has others.
    for folder in [&dir.path().join("a"), &out, &out.join("runs"), &run] {
        assert_eq!(mode(folder) & !0o755, 0, "{}", folder.display());
        assert_eq!(mode(folder) & 0o700, 0o700, "{}", folder.display());
    }
    for file in [run.join("churn.parquet"), run.join("manifest.json"), out.join(".lock")] {
        assert_eq!(mode(&file) & !0o644, 0, "{}", file.display());
    }
}

#[test]
fn planted_links_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (out, elsewhere) = (dir.path().join("out"), dir.path().join("elsewhere"));
    fs::create_dir_all(elsewhere.join("sub")).unwrap();
    fs::write(elsewhere.join("precious"), "precious").unwrap();
    let id = RunId::new(at(0), "1a2b3c4d");
    // In place of `runs`.
    fs::create_dir(&out).unwrap();
    symlink(&elsewhere, out.join("runs")).unwrap();
    let e = begin(&out, 0).unwrap_err();
    assert!(e.kind == ErrorKind::Output && e.what.contains("which is not followed"), "{}", e.what);
    fs::remove_file(out.join("runs")).unwrap();
    // At the temporary names, as files and folders; these are removed as leftovers.
    fs::create_dir(out.join("runs")).unwrap();
    symlink(&elsewhere, out.join(format!("runs/.tmp-{id}"))).unwrap();
    symlink(elsewhere.join("precious"), out.join(format!("runs/.tmp-gc-{id}"))).unwrap();
    fs::hard_link(elsewhere.join("precious"), out.join(format!(".latest-{id}"))).unwrap();
    // The run's own name, and `latest`.
    symlink(&elsewhere, out.join(format!("runs/{id}"))).unwrap();
    symlink(&elsewhere, out.join("latest")).unwrap();
    // What has names like ours, but not ours, stays.
    fs::create_dir(out.join("runs/.tmp-mine")).unwrap();
    let published = publish(&out, 0);
    assert_eq!(published.run_id, id.next(), "the name that a link has is taken");
    assert_eq!(names(&out.join("runs")), [".tmp-mine".to_owned(), id.to_string(), id.next().to_string()]);
    // Within the run's folder.
    let p = begin(&out, 60).unwrap();
    symlink(elsewhere.join("precious"), p.folder().join("churn.parquet")).unwrap();
    assert!(p.write(&table("churn", Type::Int, 5), FORMAT).is_err());
    symlink(elsewhere.join("sub"), p.folder().join("ledger")).unwrap();
    assert!(p.part(table("ledger", Type::CustomerId, 5).schema, FORMAT, 0).is_err());
    drop(p);
    let p = begin(&out, 60).unwrap();
    let manifest = fill(&p);
    symlink(elsewhere.join("precious"), p.folder().join("manifest.json")).unwrap();
    assert!(p.prepare(&manifest).is_err());
    assert_eq!(names(&elsewhere), ["precious", "sub"]);
    assert!(names(&elsewhere.join("sub")).is_empty());
    assert_eq!(fs::read_to_string(elsewhere.join("precious")).unwrap(), "precious");
}

#[test]
fn a_cleanup_removes_the_run_and_its_trace() {
    let dir = tempfile::tempdir().unwrap();
    let mut reservation = Reservation::take(dir.path(), RunId::new(at(0), ""), options()).unwrap();
    let given_back = reservation.cleanup();
    assert!(reservation.clean().unwrap().is_empty());
    let p = reservation.begin().unwrap();
    fill(&p);
    given_back.run();
    assert!(p.folder().exists(), "that was before it had a folder");
    p.cleanup().run();
    assert!(names(&dir.path().join("runs")).is_empty());
    assert_eq!(fs::read_to_string(dir.path().join(".lock")).unwrap(), "", "the next run has nothing to tell");
    drop(p);
    assert_eq!(Reservation::take(dir.path(), RunId::new(at(0), ""), options()).unwrap().unended(), None);
}

const OUT: &str = "TENURE_TEST_OUT";

/// The process that the next test kills; on its own it does nothing.
#[test]
fn crash_child() {
    if let Some(out) = std::env::var_os(OUT) {
        publish(Path::new(&out), 60);
    }
}

#[test]
fn a_kill_at_any_moment_leaves_a_complete_latest_and_the_next_run_cleans_up() {
    let binary = std::env::current_exe().unwrap();
    let name = concat!(module_path!(), "::crash_child").split_once("::").unwrap().1.to_owned();
    for (i, point) in crash::POINTS.iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path();
        let good = publish(out, 0).run_id.to_string();
        let mut child = Command::new(&binary);
        child.args([&name, "--exact", "--test-threads=1"]).env(OUT, out).env(crash::VARIABLE, point);
        let output = child.output().unwrap();
        assert!(!output.status.success(), "{point}: the process did not crash: {output:?}");
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&output.status), Some(6), "{point}: {output:?}");

        let killed = RunId::new(at(60), "1a2b3c4d").to_string();
        let expected = if *point == "after-latest" { &killed } else { &good };
        assert_eq!(latest_is_complete(out).as_ref(), Some(expected), "{point}");
        let complete: Vec<String> = runs::list(out).unwrap().iter().map(ToString::to_string).collect();
        let renamed = crash::POINTS.iter().position(|p| *p == "before-latest").unwrap();
        assert_eq!(complete, if i < renamed { vec![good.clone()] } else { vec![good.clone(), killed] }, "{point}");

        let unended = Reservation::take(out, RunId::new(at(120), ""), options()).unwrap().unended().map(str::to_owned);
        assert!(unended.is_some_and(|who| who.starts_with("pid ")), "{point}: the next run learns of it");
        let next = publish(out, 120).run_id.to_string();
        assert_eq!(latest_is_complete(out), Some(next.clone()), "{point}");
        assert_eq!(names(out), [".lock", "latest", "runs"], "{point}");
        assert_eq!(names(&out.join("runs")).len(), complete.len() + 1, "{point}: leftovers are gone");
    }
}

/// A small file system of its own, where the user may mount one.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new(options: &str) -> Option<Mount> {
        let dir = tempfile::tempdir().ok()?;
        let mount = ["-t", "tmpfs", "-o", options, "tmpfs"];
        let done = Command::new("mount").args(mount).arg(dir.path()).output().is_ok_and(|o| o.status.success());
        done.then_some(Mount(dir))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).output();
    }
}

#[test]
fn a_full_or_read_only_disk_keeps_the_last_run() {
    let Some(disk) = Mount::new("size=1m") else {
        eprintln!("skipped: this user cannot mount a small file system");
        return;
    };
    let out = disk.0.path().join("out");
    let good = publish(&out, 0).run_id.to_string();
    let p = begin(&out, 60).unwrap();
    let columns = vec![column("noise", Type::Text, "")];
    let schema = Arc::new(TableSchema { name: "noise".into(), doc: String::new(), key: 0, columns });
    let mut state = 1u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Some(Arc::from(format!("{state:016x}")))
    };
    let values = Values::Text((0..300_000).map(|_| noise()).collect());
    let e = p.write(&Table { schema, columns: vec![values] }, FORMAT).unwrap_err();
    assert_eq!(e.kind, ErrorKind::Output);
    assert!(e.what.contains("noise.parquet: the disk is full"), "{}", e.what);
    drop(p);
    assert_eq!(names(&out.join("runs")), [good.as_str()]);
    assert_eq!(latest_is_complete(&out).as_ref(), Some(&good));
    let remount = Command::new("mount").args(["-o", "remount,ro"]).arg(disk.0.path()).output();
    if remount.is_ok_and(|o| o.status.success()) {
        let e = begin(&out, 60).unwrap_err();
        assert!(e.what.contains("the file system is read-only"), "{}", e.what);
        assert_eq!(latest_is_complete(&out), Some(good));
    }
}
