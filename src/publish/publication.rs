//! A run's output on its way: a temporary folder that becomes a run at once, or leaves nothing.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::format::Format;
use super::lock::Lock;
use super::manifest::{self, Manifest};
use super::run_id::RunId;
use super::runs::{LATEST, RUNS};
use super::writer::{TableWriter, WrittenFile, is_per_customer, restrict_folder};
use super::{crash, failure};
use crate::error::{Error, Result};
use crate::table::{Table, TableSchema};

/// Begins the name of a run under way, or of one being removed, in [`RUNS`].
pub(super) const TEMPORARY: &str = ".tmp-";
/// Begins the name of a link that is to become `latest`.
const NEXT_LATEST: &str = ".latest-";

#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// When the run began, for the lock's text.
    pub started: Timestamp,
    /// How long to wait for another run's lock.
    pub wait: Duration,
    /// Whether the run is to become `latest`; never with `--only`.
    pub switch_latest: bool,
    /// Unix mode of per-customer tables; `None`: readable by their owner alone.
    pub mode: Option<u32>,
}

/// A run's output under way. Dropped without [`Publication::commit`], it leaves nothing behind.
#[derive(Debug)]
pub struct Publication {
    out: PathBuf,
    run_id: RunId,
    folder: PathBuf,
    options: Options,
    leftovers: Vec<Leftover>,
    committed: bool,
    /// Released last: fields drop after [`Drop::drop`] has removed the folder.
    _lock: Lock,
}

/// What a killed run left, and whether it could be removed.
#[derive(Debug)]
pub struct Leftover {
    pub path: PathBuf,
    pub removed: io::Result<()>,
}

/// A run as published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    pub run_id: RunId,
    pub folder: PathBuf,
}

impl Publication {
    /// Takes the lock of output folder `out`, cleans what killed runs left and makes the temporary folder. If
    /// `run_id` is taken, the run gets the next one.
    ///
    /// # Errors
    /// Output: another run holds the folder; it cannot be written; its file system has no symbolic links.
    pub fn begin(out: &Path, run_id: RunId, options: Options) -> Result<Publication> {
        let runs = out.join(RUNS);
        let create = |e| failure::output(format_args!("create {}", runs.display()), e);
        fs::create_dir_all(&runs).map_err(create)?;
        let lock = Lock::take(out, options.started, options.wait)?;
        crash::point("after-lock");
        // Whoever holds the lock is the only run here: every temporary name is a leftover.
        let mut leftovers = remove_leftovers(&runs, TEMPORARY)?;
        leftovers.extend(remove_leftovers(out, NEXT_LATEST)?);
        let mut run_id = run_id;
        while fs::symlink_metadata(runs.join(run_id.to_string())).is_ok() {
            run_id = run_id.next();
        }
        if options.switch_latest {
            expect_links(out, &run_id)?;
        }
        let folder = runs.join(format!("{TEMPORARY}{run_id}"));
        fs::create_dir(&folder).map_err(|e| failure::output(format_args!("create {}", folder.display()), e))?;
        crash::point("after-folder");
        Ok(Publication { out: out.into(), run_id, folder, options, leftovers, committed: false, _lock: lock })
    }

    pub fn run_id(&self) -> &RunId {
        &self.run_id
    }

    /// The temporary folder, for files beside the tables, such as `report.html`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What killed runs had left, for the log.
    pub fn leftovers(&self) -> &[Leftover] {
        &self.leftovers
    }

    /// Writes a whole table as one file, sorted by its key.
    ///
    /// # Errors
    /// As [`TableWriter::write`].
    pub fn write(&self, table: &Table, format: Format) -> Result<WrittenFile> {
        let mut writer = self.writer(table.schema.clone(), format)?;
        writer.write_sorted(table)?;
        writer.finish()
    }

    /// A writer of a table in one file, `NAME.parquet`.
    ///
    /// # Errors
    /// Output: the file cannot be created.
    pub fn writer(&self, schema: Arc<TableSchema>, format: Format) -> Result<TableWriter> {
        let name = format!("{}.parquet", schema.name);
        TableWriter::create(&self.folder, &name, schema, format, self.options.mode)
    }

    /// A writer of part `index` of a table in several files, `NAME/part-00000.parquet`. Parts may be written from
    /// several threads at once.
    ///
    /// # Errors
    /// Output: the file cannot be created.
    pub fn part(&self, schema: Arc<TableSchema>, format: Format, index: usize) -> Result<TableWriter> {
        let folder = self.folder.join(&schema.name);
        let create = |e| failure::output(format_args!("create {}", folder.display()), e);
        match fs::create_dir(&folder) {
            Ok(()) if is_per_customer(&schema) => restrict_folder(&folder, self.options.mode).map_err(create)?,
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
            Err(e) => return Err(create(e)),
        }
        let name = format!("{}/part-{index:05}.parquet", schema.name);
        TableWriter::create(&self.folder, &name, schema, format, self.options.mode)
    }

    /// Makes the run appear: manifest last, everything synced, one rename, then `latest`.
    ///
    /// # Errors
    /// Output: something cannot be written; the last published run is then as it was. Internal: the manifest does not
    /// list the files of the folder.
    pub fn commit(mut self, manifest: &Manifest) -> Result<Published> {
        self.expect_listed(manifest)?;
        crash::point("before-manifest");
        let path = self.folder.join(manifest::FILE);
        let text = manifest.to_text()?;
        File::create_new(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .map_err(|e| failure::output(format_args!("write {}", path.display()), e))?;
        crash::point("before-sync");
        sync_tree(&self.folder)?;
        crash::point("before-rename");
        let (runs, folder) = (self.out.join(RUNS), self.out.join(RUNS).join(self.run_id.to_string()));
        fs::rename(&self.folder, &folder)
            .map_err(|e| failure::output(format_args!("rename {} to {}", self.folder.display(), self.run_id), e))?;
        self.committed = true;
        sync(&runs)?;
        crash::point("before-latest");
        if self.options.switch_latest {
            self.switch_latest().map_err(|e| {
                let doing = format!("switch {} (the run is complete in {})", self.latest().display(), folder.display());
                failure::output(doing, e)
            })?;
        }
        crash::point("after-latest");
        Ok(Published { run_id: self.run_id.clone(), folder })
    }

    fn latest(&self) -> PathBuf {
        self.out.join(LATEST)
    }

    fn switch_latest(&self) -> io::Result<()> {
        let next = self.out.join(format!("{NEXT_LATEST}{}", self.run_id));
        symlink(Path::new(RUNS).join(self.run_id.to_string()), &next)?;
        crash::point("within-latest");
        fs::rename(&next, self.latest())?;
        File::open(&self.out)?.sync_all()
    }

    /// A file that the manifest forgets, or one that it invents, would make a run that cannot be trusted.
    fn expect_listed(&self, manifest: &Manifest) -> Result<()> {
        let defect = |what: String| Err(Error::internal(format!("the manifest does not match the run: {what}")));
        if manifest.run_id != self.run_id.to_string() {
            return defect(format!("it names run {} instead of {}", manifest.run_id, self.run_id));
        }
        let mut listed = BTreeSet::new();
        for file in manifest.tables.iter().flat_map(|t| &t.files) {
            let path = self.folder.join(&file.path);
            if !listed.insert(path.clone()) {
                return defect(format!("{} is listed twice", file.path));
            }
            let found = fs::metadata(&path).map(|m| m.len());
            if !matches!(&found, Ok(bytes) if *bytes == file.bytes) {
                return defect(format!("{} should have {} bytes", file.path, file.bytes));
            }
        }
        let mut found = Vec::new();
        walk(&self.folder, &mut found)
            .map_err(|e| failure::output(format_args!("list {}", self.folder.display()), e))?;
        let tables = found.iter().filter(|p| p.extension().is_some_and(|x| x == "parquet"));
        match tables.into_iter().find(|p| !listed.contains(*p)) {
            Some(forgotten) => defect(format!("it does not list {}", forgotten.display())),
            None => Ok(()),
        }
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        if !self.committed {
            // What cannot be removed now is a leftover to the next run.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Says early, not after an hour's work, that `latest` could not be switched.
fn expect_links(out: &Path, run_id: &RunId) -> Result<()> {
    let latest = out.join(LATEST);
    if fs::symlink_metadata(&latest).is_ok_and(|m| !m.is_symlink()) {
        return Err(Error::output(format!(
            "{} is not a link, so it cannot be switched to a new run",
            latest.display()
        ))
        .help("move it away (a copy of the folder may have turned the link into files), then run again"));
    }
    let probe = out.join(format!("{NEXT_LATEST}{run_id}"));
    symlink(Path::new(RUNS).join(run_id.to_string()), &probe)
        .and_then(|()| fs::remove_file(&probe))
        .map_err(|e| no_links(out, e))
}

fn no_links(out: &Path, cause: io::Error) -> Error {
    match cause.kind() {
        // EPERM of a file system without links arrives as `PermissionDenied`, although files can be made there.
        io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported | io::ErrorKind::Other => {
            Error::output(format!("the file system of {} has no symbolic links, which `latest` needs", out.display()))
                .help("choose a folder on another file system with `--out`, and copy the finished run from there")
                .because(cause)
        }
        _ => failure::output(format_args!("make a link in {}", out.display()), cause),
    }
}

fn remove_leftovers(folder: &Path, prefix: &str) -> Result<Vec<Leftover>> {
    let list = |e| failure::output(format_args!("list {}", folder.display()), e);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(list)? {
        let path = entry.map_err(list)?.path();
        if path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(prefix)) {
            let is_folder = fs::symlink_metadata(&path).is_ok_and(|m| m.is_dir());
            let removed = if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            found.push(Leftover { path, removed });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Files below `folder`.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), found)?;
        } else {
            found.push(entry.path());
        }
    }
    Ok(())
}

/// Syncs all files below `folder`, then the folders themselves, so that names and contents survive a power failure.
fn sync_tree(folder: &Path) -> Result<()> {
    let mut files = Vec::new();
    walk(folder, &mut files).map_err(|e| failure::output(format_args!("list {}", folder.display()), e))?;
    let folders: BTreeSet<PathBuf> = files.iter().filter_map(|f| f.parent().map(Path::to_path_buf)).collect();
    // Folders sort before what lies in them; the innermost are synced first.
    files.iter().chain(folders.iter().rev()).try_for_each(|p| sync(p))
}

fn sync(path: &Path) -> Result<()> {
    let synced = File::open(path).and_then(|f| f.sync_all());
    synced.map_err(|e| failure::output(format_args!("sync {}", path.display()), e))
}

#[cfg(test)]
mod tests;
