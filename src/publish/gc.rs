//! Removes old runs from an output folder.

use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::lock::Lock;
use super::publication::{REMOVED, TEMPORARY};
use super::run_id::RunId;
use super::runs::{self, LATEST, RUNS};
use super::{failure, files};
use crate::error::{Error, Result};

/// The runs that were removed, or would be with `dry_run`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collected {
    /// Oldest first.
    pub removed: Vec<Removed>,
    pub kept: usize,
}

/// A run that was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    pub run_id: RunId,
    /// Size of its files.
    pub bytes: u64,
}

/// Removes the runs of output folder `out` beyond the `keep` newest, but never the one that `latest` names, and nothing
/// that is not a complete run. Calls `each` after every removal.
///
/// A run is renamed to a temporary name first, so that a half removed run never looks like a complete one; the next run into
/// the folder would finish the removal. Links are never followed.
///
/// # Errors
/// Pipeline: `out` is no output folder. Output: another process holds it, or a run cannot be removed.
pub fn collect(
    out: &Path,
    keep: usize,
    dry_run: bool,
    now: Timestamp,
    each: &mut dyn FnMut(&Removed),
) -> Result<Collected> {
    let folder = out.join(RUNS);
    files::expect_no_link(&folder)?;
    if !folder.is_dir() {
        return Err(Error::pipeline(format!("{} is not an output folder: it has no folder `{RUNS}`", out.display()))
            .help("name the `dir` of a pipeline's [output], such as out/retail"));
    }
    let _lock = (!dry_run).then(|| Lock::take(out, now, Duration::from_secs(2))).transpose()?;
    let all = runs::list(out).map_err(|e| failure::output(format_args!("list {}", folder.display()), e))?;
    let latest = runs::latest(out);
    if latest.is_none() && fs::symlink_metadata(out.join(LATEST)).is_ok() {
        return Err(Error::output(format!("{} does not name a run", out.join(LATEST).display()))
            .help("it tells which run must stay: move it away or let the next run switch it, then try again"));
    }
    let old = &all[..all.len().saturating_sub(keep)];
    let mut removed = Vec::new();
    for run_id in old.iter().filter(|id| latest.as_ref() != Some(id)) {
        let path = folder.join(run_id.to_string());
        let gone = Removed { run_id: run_id.clone(), bytes: runs::size(&path) };
        if !dry_run {
            let doing = || format!("remove {}", path.display());
            let aside = folder.join(format!("{TEMPORARY}{REMOVED}{run_id}"));
            fs::rename(&path, &aside).map_err(|e| failure::output(doing(), e))?;
            fs::remove_dir_all(&aside).map_err(|e| failure::output(doing(), e))?;
        }
        each(&gone);
        removed.push(gone);
    }
    Ok(Collected { kept: all.len() - removed.len(), removed })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::error::ErrorKind;
    use crate::publish::manifest;

    fn now() -> Timestamp {
        "2026-11-21T20:45:01Z".parse().unwrap()
    }

    fn id(day: usize) -> String {
        format!("202611{day:02}T000000Z-00000000")
    }

    /// An output folder with runs of days 1 to `n`.
    fn folder(n: usize) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for day in 1..=n {
            let run = dir.path().join(RUNS).join(id(day));
            fs::create_dir_all(run.join("ledger")).unwrap();
            fs::write(run.join(manifest::FILE), "{}").unwrap();
            fs::write(run.join("ledger/part-00000.parquet"), [0; 98]).unwrap();
        }
        dir
    }

    fn collect_days(dir: &Path, keep: usize, dry_run: bool) -> Vec<String> {
        let mut said = Vec::new();
        let mut each = |r: &Removed| said.push(r.run_id.to_string());
        let got = collect(dir, keep, dry_run, now(), &mut each).unwrap();
        let ids: Vec<String> = got.removed.iter().map(|r| r.run_id.to_string()).collect();
        assert_eq!(ids, said);
        assert!(got.removed.iter().all(|r| r.bytes == 100));
        ids
    }

    #[test]
    fn the_newest_and_latest_stay() {
        let dir = folder(6);
        symlink(Path::new(RUNS).join(id(2)), dir.path().join(LATEST)).unwrap();
        assert_eq!(collect_days(dir.path(), 3, true), [id(1), id(3)]);
        assert_eq!(runs::list(dir.path()).unwrap().len(), 6, "a dry run removes nothing");
        assert_eq!(collect_days(dir.path(), 3, false), [id(1), id(3)]);
        let left: Vec<String> = runs::list(dir.path()).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(left, [id(2), id(4), id(5), id(6)]);
        assert!(collect_days(dir.path(), 3, false).is_empty());
        assert!(collect_days(dir.path(), 99, false).is_empty());
        assert_eq!(collect_days(dir.path(), 0, false), [id(4), id(5), id(6)]);
    }

    #[test]
    fn what_is_not_a_complete_run_is_left_alone() {
        let dir = folder(2);
        let runs = dir.path().join(RUNS);
        let others = ["notes", ".tmp-20261101T000000Z-00000000", "20261031T000000Z-00000000"];
        for name in others {
            fs::create_dir(runs.join(name)).unwrap();
        }
        collect_days(dir.path(), 1, false);
        assert!(others.iter().all(|n| runs.join(n).is_dir()));
        assert!(!runs.join(id(1)).exists());
    }

    #[test]
    fn nothing_behind_a_link_is_removed() {
        let (dir, elsewhere) = (folder(2), folder(2));
        let run = elsewhere.path().join(RUNS).join(id(1));
        // A run that is a link, and a link within a run.
        symlink(&run, dir.path().join(RUNS).join("20261030T000000Z-00000000")).unwrap();
        symlink(&run, dir.path().join(RUNS).join(id(1)).join("more")).unwrap();
        let mut each = |_: &Removed| ();
        let got = collect(dir.path(), 1, false, now(), &mut each).unwrap();
        assert_eq!((got.removed.len(), got.kept), (1, 1), "a link is no run");
        assert!(!dir.path().join(RUNS).join(id(1)).exists());
        // All runs behind a link.
        fs::remove_dir_all(dir.path().join(RUNS)).unwrap();
        symlink(elsewhere.path().join(RUNS), dir.path().join(RUNS)).unwrap();
        let e = collect(dir.path(), 1, false, now(), &mut each).unwrap_err();
        assert!(e.kind == ErrorKind::Output && e.what.contains("which is not followed"), "{}", e.what);
        assert!(run.join("ledger/part-00000.parquet").is_file());
        assert_eq!(runs::list(elsewhere.path()).unwrap().len(), 2);
    }

    #[test]
    fn a_folder_in_use_or_of_another_kind_is_refused() {
        let dir = folder(2);
        let held = Lock::take(dir.path(), now(), Duration::ZERO).unwrap();
        let attempt = |out: &Path| collect(out, 1, false, now(), &mut |_| ()).unwrap_err();
        assert_eq!(attempt(dir.path()).kind, ErrorKind::Output);
        assert_eq!(runs::list(dir.path()).unwrap().len(), 2);
        drop(held);
        assert_eq!(attempt(&dir.path().join(RUNS)).kind, ErrorKind::Pipeline);
        fs::create_dir(dir.path().join(LATEST)).unwrap();
        assert!(attempt(dir.path()).what.ends_with("latest does not name a run"));
    }
}
