//! The output of a run under way: a temporary folder that either becomes a run in one step or is removed.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::format::TableFormat;
use super::lock::{Lock, LockText};
use super::manifest::{self, Manifest};
use super::run_id::RunId;
use super::runs::{self, LATEST, RUNS};
use super::writer::{TableWriter, WrittenFile, is_per_customer, restrict_folder};
use super::{crash, failure, files};
use crate::error::{Error, Result};
use crate::table::{Table, TableSchema};

/// Prefix of the name in [`RUNS`] of a run under way, or of one that is being removed.
pub(super) const TEMPORARY: &str = ".tmp-";
/// Follows [`TEMPORARY`] in the name of a run that `gc` is removing.
pub(super) const REMOVED: &str = "gc-";
/// Prefix of the name of a link that is to become `latest`.
const NEXT_LATEST: &str = ".latest-";
/// How long [`Cleanup::run`] retries while other threads still write.
const CLEANING: Duration = Duration::from_millis(400);

/// How a run is published.
#[derive(Clone, Copy, Debug)]
pub struct PublishOptions {
    /// When the run began, for the lock's text.
    pub started: Timestamp,
    /// How long to wait for another run's lock.
    pub wait: Duration,
    /// True if the run is to become `latest`; always false with `--only`.
    pub switch_latest: bool,
    /// Unix mode of per-customer tables; `None` for 0600, readable by their owner only.
    pub mode: Option<u32>,
}

/// An output folder whose lock this run holds.
#[derive(Debug)]
pub struct Reservation {
    out: PathBuf,
    run_id: RunId,
    options: PublishOptions,
    lock: Lock,
}

/// The output of a run under way. If it is dropped without [`Publication::commit`], its files are removed.
#[derive(Debug)]
pub struct Publication {
    out: PathBuf,
    run_id: RunId,
    /// The temporary folder; the folder of the run once it was renamed.
    folder: PathBuf,
    /// The folder's permissions once the run is published.
    mode: u32,
    options: PublishOptions,
    committed: bool,
    /// Released last: fields are dropped after [`Drop::drop`] has removed the folder.
    lock: Lock,
}

/// A run that is complete and synced but has its temporary name still.
#[derive(Debug)]
pub struct PreparedRun(Publication);

/// Removes the files that a run has written so far. For a thread that ends the process on a signal.
#[derive(Debug)]
pub struct Cleanup {
    /// The temporary folder, once there is one.
    folder: Option<PathBuf>,
    lock: LockText,
}

/// A file or folder that a killed run left, and whether it could be removed.
#[derive(Debug)]
pub struct Leftover {
    pub path: PathBuf,
    pub removed: io::Result<()>,
}

/// A published run.
#[derive(Debug)]
pub struct Published {
    pub run_id: RunId,
    pub folder: PathBuf,
    /// Set if the last sync failed: the run might not survive a power failure.
    pub unsynced: Option<Error>,
}

impl Reservation {
    /// Creates output folder `out` if it is missing, and takes its lock.
    ///
    /// # Errors
    /// Output: another run holds the folder; it cannot be written; something of it is a link.
    pub fn take(out: &Path, run_id: RunId, options: PublishOptions) -> Result<Reservation> {
        let runs = out.join(RUNS);
        let create = |e| failure::output(format_args!("create {}", runs.display()), e);
        create_output(out).map_err(create)?;
        files::expect_no_link(&runs)?;
        files::create_or_find_folder(&runs).map_err(create)?;
        let lock = Lock::take(out, options.started, options.wait)?;
        crash::point("after-lock");
        Ok(Reservation { out: out.into(), run_id, options, lock })
    }

    /// Removes the files that killed runs left, which may take a while.
    ///
    /// # Errors
    /// Output: the folder cannot be listed. Files that cannot be removed are no error.
    pub fn clean(&mut self) -> Result<Vec<Leftover>> {
        // No other run is under way while this one holds the lock, so every temporary name is a leftover.
        let mut leftovers = remove_leftovers(&self.out.join(RUNS), TEMPORARY)?;
        leftovers.extend(remove_leftovers(&self.out, NEXT_LATEST)?);
        Ok(leftovers)
    }

    /// The process that held the folder before, if it was killed.
    pub fn unended(&self) -> Option<&str> {
        self.lock.unended()
    }

    /// A handle by which another thread releases the folder.
    pub fn cleanup(&self) -> Cleanup {
        Cleanup { folder: None, lock: self.lock.text() }
    }

    /// Creates the temporary folder. If the run id is taken, the run gets the next one.
    ///
    /// # Errors
    /// Output: the folder cannot be written; its file system has no symbolic links.
    pub fn begin(self) -> Result<Publication> {
        let Reservation { out, mut run_id, options, lock } = self;
        let is_taken = |name: String| fs::symlink_metadata(out.join(RUNS).join(name)).is_ok();
        while is_taken(run_id.to_string()) || is_taken(format!("{TEMPORARY}{run_id}")) {
            run_id = run_id.next();
        }
        if options.switch_latest {
            expect_links(&out, &run_id)?;
        }
        let folder = out.join(RUNS).join(format!("{TEMPORARY}{run_id}"));
        let create = |e| failure::output(format_args!("create {}", folder.display()), e);
        files::create_folder(&folder).map_err(create)?;
        let mut publication = Publication { out, run_id, folder, mode: 0, options, committed: false, lock };
        publication
            .close_folder()
            .map_err(|e| failure::output(format_args!("restrict {}", publication.folder.display()), e))?;
        crash::point("after-folder");
        Ok(publication)
    }
}

impl Publication {
    /// Takes output folder `out`, cleans it and creates the temporary folder of the run.
    ///
    /// # Errors
    /// As [`Reservation::take`] and [`Reservation::begin`].
    pub fn begin(out: &Path, run_id: RunId, options: PublishOptions) -> Result<Publication> {
        let mut reservation = Reservation::take(out, run_id, options)?;
        reservation.clean()?;
        reservation.begin()
    }

    /// Lets only the owner read the folder until the run is published.
    fn close_folder(&mut self) -> io::Result<()> {
        self.mode = fs::symlink_metadata(&self.folder)?.permissions().mode();
        fs::set_permissions(&self.folder, Permissions::from_mode(self.mode & !0o077))
    }

    /// A handle by which another thread removes the run.
    pub fn cleanup(&self) -> Cleanup {
        Cleanup { folder: Some(self.folder.clone()), lock: self.lock.text() }
    }

    pub fn run_id(&self) -> &RunId {
        &self.run_id
    }

    /// The temporary folder, for files beside the tables, such as `report.html`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a whole table as one file, sorted by its key.
    ///
    /// # Errors
    /// As [`TableWriter::write`].
    pub fn write(&self, table: &Table, format: TableFormat) -> Result<WrittenFile> {
        let mut writer = self.writer(table.schema.clone(), format)?;
        writer.write_sorted(table)?;
        writer.finish()
    }

    /// A writer of a table in one file, `NAME.parquet`.
    ///
    /// # Errors
    /// Output: the file cannot be created.
    pub fn writer(&self, schema: Arc<TableSchema>, format: TableFormat) -> Result<TableWriter> {
        let name = format!("{}.parquet", schema.name);
        TableWriter::create(&self.folder, &name, schema, format, self.options.mode)
    }

    /// A writer of part `index` of a table in several files, `NAME/part-00000.parquet`. Parts may be written from
    /// several threads at once.
    ///
    /// # Errors
    /// Output: the file cannot be created.
    pub fn part(&self, schema: Arc<TableSchema>, format: TableFormat, index: usize) -> Result<TableWriter> {
        let folder = self.folder.join(&schema.name);
        let create = |e| failure::output(format_args!("create {}", folder.display()), e);
        if files::create_or_find_folder(&folder).map_err(create)? && is_per_customer(&schema) {
            restrict_folder(&folder, self.options.mode).map_err(create)?;
        }
        let name = format!("{}/part-{index:05}.parquet", schema.name);
        TableWriter::create(&self.folder, &name, schema, format, self.options.mode)
    }

    /// Publishes the run, whole or not at all.
    ///
    /// # Errors
    /// As [`Publication::prepare`] and [`PreparedRun::publish`].
    pub fn commit(self, manifest: &Manifest) -> Result<Published> {
        self.prepare(manifest)?.publish()
    }

    /// Completes the run in its temporary folder: writes the manifest and syncs all files.
    ///
    /// # Errors
    /// Output: something cannot be written; the last published run is unchanged. Internal: the manifest does not
    /// list the files of the folder.
    pub fn prepare(self, manifest: &Manifest) -> Result<PreparedRun> {
        self.expect_listed(manifest)?;
        crash::point("before-manifest");
        let path = self.folder.join(manifest::FILE);
        let text = manifest.to_text()?;
        files::create(&path, files::PUBLIC)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|e| failure::output(format_args!("write {}", path.display()), e))?;
        crash::point("before-sync");
        fs::set_permissions(&self.folder, Permissions::from_mode(self.mode))
            .map_err(|e| failure::output(format_args!("open {} to its readers", self.folder.display()), e))?;
        sync_tree(&self.folder)?;
        Ok(PreparedRun(self))
    }

    fn latest(&self) -> PathBuf {
        self.out.join(LATEST)
    }

    /// Renames the folder to the run's id, then switches `latest` to it. If that fails, the run is removed again.
    fn appear(&mut self) -> Result<Published> {
        let runs = self.out.join(RUNS);
        let folder = runs.join(self.run_id.to_string());
        fs::rename(&self.folder, &folder)
            .map_err(|e| failure::output(format_args!("rename {} to {}", self.folder.display(), self.run_id), e))?;
        self.folder.clone_from(&folder);
        // A run with `--only` is published by its name; `latest` stays.
        self.committed = !self.options.switch_latest;
        let synced = sync(&runs);
        crash::point("before-latest");
        let synced = if self.committed {
            synced
        } else {
            synced?;
            self.switch_latest().map_err(|e| failure::output(format_args!("switch {}", self.latest().display()), e))?;
            self.committed = true;
            Ok(())
        };
        let unsynced = synced.and_then(|()| sync(&self.out)).err();
        crash::point("after-latest");
        Ok(Published { run_id: self.run_id.clone(), folder, unsynced })
    }

    fn switch_latest(&self) -> io::Result<()> {
        let next = self.out.join(format!("{NEXT_LATEST}{}", self.run_id));
        symlink(Path::new(RUNS).join(self.run_id.to_string()), &next)?;
        crash::point("within-latest");
        match fs::rename(&next, self.latest()) {
            // On a network file system a call may succeed although its answer was lost.
            Err(_) if self.is_latest() => Ok(()),
            Err(e) => {
                // If it cannot be removed now, the next run removes it.
                let _ = fs::remove_file(&next);
                Err(e)
            }
            Ok(()) => Ok(()),
        }
    }

    fn is_latest(&self) -> bool {
        runs::latest(&self.out).as_ref() == Some(&self.run_id)
    }

    /// Expects that the manifest lists exactly the files of the folder.
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
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_file() && found.len() == file.bytes => {}
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    return Err(failure::output(format_args!("look at {}", path.display()), e));
                }
                _ => return defect(format!("{} should have {} bytes", file.path, file.bytes)),
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
        if self.committed {
            return;
        }
        // If it cannot be removed now, the next run removes it. Until then it must not look like a run.
        let temporary = self.out.join(RUNS).join(format!("{TEMPORARY}{}", self.run_id));
        if self.folder != temporary && fs::rename(&self.folder, &temporary).is_ok() {
            self.folder = temporary;
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl PreparedRun {
    /// Publishes the run: one rename, then `latest`.
    ///
    /// # Errors
    /// Output: something cannot be written or synced; the last published run is unchanged, and this one is removed. A
    /// sync that fails after that is no error, see [`Published::unsynced`].
    pub fn publish(mut self) -> Result<Published> {
        crash::point("before-rename");
        self.0.appear()
    }
}

impl Cleanup {
    /// Removes the folder, although other threads may still write into it, and clears the lock's text, so that the next
    /// run does not report this one as killed.
    pub fn run(&self) {
        let began = Instant::now();
        if let Some(folder) = &self.folder {
            while fs::remove_dir_all(folder).is_err() && folder.exists() && began.elapsed() < CLEANING {}
        }
        self.lock.clear();
    }
}

/// Creates an output folder and the missing folders above it, and syncs their names.
fn create_output(out: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = out.ancestors().take_while(|p| !p.as_os_str().is_empty() && !p.exists()).collect();
    files::create_output(out)?;
    for made in missing {
        let above = made.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match File::open(above) {
            Ok(folder) => folder.sync_all()?,
            // A folder that may be written but not read cannot be synced.
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Expects that `latest` can be switched: checked at the beginning, not after an hour's work.
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
        // A file system without links answers EPERM, which is `PermissionDenied`, although files can be created there.
        io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported | io::ErrorKind::Other => {
            Error::output(format!("the file system of {} has no symbolic links, which `latest` needs", out.display()))
                .help("choose a folder on another file system with `--out`, and copy the finished run from there")
                .because(cause)
        }
        _ => failure::output(format_args!("make a link in {}", out.display()), cause),
    }
}

/// Removes files and folders with temporary names of ours. Links are removed, never followed.
fn remove_leftovers(folder: &Path, prefix: &str) -> Result<Vec<Leftover>> {
    let list = |e| failure::output(format_args!("list {}", folder.display()), e);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(list)? {
        let entry = entry.map_err(list)?;
        let name = entry.file_name();
        let id = name.to_str().and_then(|name| name.strip_prefix(prefix));
        let is_ours = id.is_some_and(|id| RunId::parse(id.strip_prefix(REMOVED).unwrap_or(id)).is_some());
        if is_ours {
            let path = entry.path();
            let removed = if files::is_folder(&path) { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
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
    // A folder sorts before its contents; the innermost folders are synced first.
    files.iter().chain(folders.iter().rev()).try_for_each(|p| sync(p))
}

fn sync(path: &Path) -> Result<()> {
    let synced = File::open(path).and_then(|f| f.sync_all());
    synced.map_err(|e| failure::output(format_args!("sync {}", path.display()), e))
}

#[cfg(test)]
mod tests;
