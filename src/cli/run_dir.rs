//! Finds the finished run that a path on the command line names.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::nearest::nearest;
use crate::publish::manifest;
use crate::publish::runs::{self, LATEST, RUNS};

/// The most runs that a message lists.
const NAMED: usize = 5;

/// The folder of a finished run. `path` is an output folder such as `out/retail` (for its latest run),
/// `out/retail/latest`, or `out/retail/runs/<run id>`.
///
/// # Errors
/// Pipeline: there is no such run; the message lists the runs that there are.
pub fn resolve(path: &Path) -> Result<PathBuf> {
    runs::resolve(path).ok_or_else(|| missing(path))
}

fn missing(path: &Path) -> Error {
    let shown = path.display();
    let Ok(found) = fs::metadata(path) else {
        let what = if fs::symlink_metadata(path).is_ok() {
            format!("{shown} is a link to a run that no longer exists")
        } else {
            format!("there is no folder {shown}")
        };
        return Error::pipeline(what).help(remedy_for_missing(path));
    };
    if !found.is_dir() {
        return Error::pipeline(format!("{shown} is a file, not the folder of a run"))
            .help("name the folder that holds manifest.json, or the output folder that holds `latest`");
    }
    if let Some(listed) = listed(path) {
        let what = if fs::symlink_metadata(path.join(LATEST)).is_ok() {
            format!("{shown}/{LATEST} names a run that no longer exists")
        } else {
            format!("{shown} has no `{LATEST}`: no run of the whole pipeline was published there")
        };
        return Error::pipeline(what).help(listed);
    }
    let what = format!("{shown} is not a finished run: it has neither {} nor `{LATEST}`", manifest::FILE);
    let up = path.parent().filter(|_| path.file_name().is_some_and(|n| n == RUNS)).and_then(listed);
    Error::pipeline(what)
        .help(up.unwrap_or_else(|| "name an output folder such as out/retail, or a folder under its `runs`".into()))
}

fn remedy_for_missing(path: &Path) -> String {
    let parent = match path.parent() {
        Some(p) if p.as_os_str().is_empty() => Path::new("."),
        Some(p) => p,
        None => return "name the output folder of a pipeline".into(),
    };
    // out/retail/runs/<misspelt>, and out/retail/latest before the first run.
    let out = if parent.file_name().is_some_and(|n| n == RUNS) { parent.parent() } else { Some(parent) };
    if let Some(listed) = out.and_then(listed) {
        return listed;
    }
    let siblings: Vec<String> = fs::read_dir(parent)
        .map(|list| {
            list.flatten().filter(|e| e.path().is_dir()).filter_map(|e| e.file_name().into_string().ok()).collect()
        })
        .unwrap_or_default();
    let written = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    match nearest(&written, siblings.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {}?", path.with_file_name(near).display()),
        None => "name the output folder of a pipeline (`dir` in [output]); `tenure run` creates it".into(),
    }
}

/// A list of the newest runs of an output folder; `None` if it has none.
fn listed(out: &Path) -> Option<String> {
    let all = runs::list(out).ok()?;
    let newest: Vec<String> = all.iter().rev().take(NAMED).map(ToString::to_string).collect();
    let more = all.len() - newest.len();
    let more = if more > 0 { format!(" and {more} older ones") } else { String::new() };
    (!newest.is_empty()).then(|| format!("runs in {}: {}{more}", out.join(RUNS).display(), newest.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const RUN: &str = "20261121T204501Z-1a2b3c4d";

    #[test]
    fn paths_mean_runs_and_messages_say_which_there_are() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("retail");
        let run = out.join(RUNS).join(RUN);
        fs::create_dir_all(&run).unwrap();
        let problem = |path: &Path| {
            let e = resolve(path).unwrap_err();
            let text = format!("{}\n{}", e.what, e.help.unwrap());
            text.replace(&dir.path().display().to_string(), "")
        };
        assert!(problem(&run).contains("is not a finished run"));
        fs::write(run.join(manifest::FILE), "{}").unwrap();
        assert!(problem(&out).starts_with("/retail has no `latest`") && problem(&out).contains(RUN));
        symlink(Path::new(RUNS).join(RUN), out.join(LATEST)).unwrap();
        let canonical = run.canonicalize().unwrap();
        for path in [&out, &out.join(LATEST), &run] {
            assert_eq!(resolve(path).unwrap(), canonical, "{}", path.display());
        }
        assert!(problem(&out.join(RUNS)).contains(&format!("runs in /retail/runs: {RUN}")));
        assert!(problem(&out.join("runs/20261121")).contains(&format!("runs in /retail/runs: {RUN}")));
        assert!(problem(&dir.path().join("retial")).contains("did you mean /retail?"));
        assert!(problem(&run.join(manifest::FILE)).contains("is a file"));
        fs::rename(&run, out.join(RUNS).join("20261121T204501Z-00000000")).unwrap();
        assert!(problem(&out).starts_with("/retail/latest names a run that no longer exists"));
        assert!(problem(&out.join(LATEST)).starts_with("/retail/latest is a link to a run that no longer exists"));
    }
}
