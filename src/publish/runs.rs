//! Finds the runs in an output folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::manifest;
use super::run_id::RunId;

/// The folder of the runs in an output folder.
pub const RUNS: &str = "runs";
/// The link in an output folder to the last published run.
pub const LATEST: &str = "latest";

/// The complete runs in output folder `out`, oldest first; none if there is no such folder. Links to runs do not count.
///
/// # Errors
/// The folder exists and cannot be listed.
pub fn list(out: &Path) -> io::Result<Vec<RunId>> {
    let entries = match fs::read_dir(out.join(RUNS)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound || e.kind() == io::ErrorKind::NotADirectory => return Ok(vec![]),
        other => other?,
    };
    let mut runs = Vec::new();
    for entry in entries {
        let entry = entry?;
        let id = entry.file_name().to_str().and_then(RunId::parse);
        let is_run = || entry.file_type().is_ok_and(|t| t.is_dir()) && entry.path().join(manifest::FILE).is_file();
        runs.extend(id.filter(|_| is_run()));
    }
    runs.sort();
    Ok(runs)
}

/// The run that `latest` names, even if that run no longer exists.
pub fn latest(out: &Path) -> Option<RunId> {
    RunId::parse(fs::read_link(out.join(LATEST)).ok()?.file_name()?.to_str()?)
}

/// The folder of the run that `path` means: a run's folder itself, or the last published run of an output folder. Links are
/// resolved once, so that a reader stays with one run while `latest` is switched.
pub fn resolve(path: &Path) -> Option<PathBuf> {
    let is_run = |p: &Path| p.join(manifest::FILE).is_file();
    let found = [path.to_path_buf(), path.join(LATEST)].into_iter().find(|p| is_run(p))?;
    Some(found.canonicalize().unwrap_or(found))
}

/// Bytes of all files below `path`; files that cannot be read count as 0.
pub(super) fn size(path: &Path) -> u64 {
    let Ok(meta) = fs::symlink_metadata(path) else { return 0 };
    if !meta.is_dir() {
        return meta.len();
    }
    fs::read_dir(path).map_or(0, |list| list.flatten().map(|e| size(&e.path())).sum())
}
