//! Opens and creates files and folders of an output folder without following links.
//!
//! Somebody who may write into an output folder could put a link where we are about to write, and so make us empty or fill
//! another file of the account. Files that we write are therefore created anew, which follows no link; files that exist
//! already are opened only if they are regular files with one name. Permissions are set here too: the modes below, less
//! the process' umask.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::error::{Error, Result};

/// Mode of files that only their owner may read: tables with customer ids, and rejected rows.
pub(super) const PRIVATE: u32 = 0o600;
/// Mode of files that everybody may read: the other tables and the manifest.
pub(super) const PUBLIC: u32 = 0o644;
/// Mode of folders that everybody may list.
const PUBLIC_FOLDER: u32 = 0o755;

/// Creates a file for writing. If something has its name already, even a link, that is an error.
pub(super) fn create(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

/// Creates one folder. If something has its name already, even a link, that is an error.
pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(PUBLIC_FOLDER).create(path)
}

/// Creates an output folder and the missing folders above it. It may be a link: the user chose its name.
pub(super) fn create_output(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(PUBLIC_FOLDER).create(path)
}

/// Creates a folder unless it exists; true if it was created. A link with its name is an error, even if it leads to a
/// folder.
pub(super) fn create_or_find_folder(path: &Path) -> io::Result<bool> {
    match create_folder(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            if fs::symlink_metadata(path)?.is_dir() {
                Ok(false)
            } else {
                Err(e)
            }
        }
        made => made.map(|()| true),
    }
}

/// True for a folder; false for a link to one.
pub(super) fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
}

/// Opens a regular file for reading. Pipes, devices, folders and links are errors.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    expect_regular(options.read(true), path)
}

/// Opens the file of a lock for reading and writing, or creates it. Links are errors, and so is a file with a second name:
/// that name may be another file of the user.
pub(super) fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = expect_regular(options.read(true).write(true).create(true).truncate(false).mode(PUBLIC), path)?;
    if file.metadata()?.nlink() > 1 {
        return Err(io::Error::other("it is another file's second name (a hard link)"));
    }
    Ok(file)
}

fn expect_regular(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    // Without O_NONBLOCK opening a pipe would wait for its other end.
    let file = options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path).map_err(|e| {
        if e.raw_os_error() == Some(libc::ELOOP) { io::Error::other("it is a link, which is not followed") } else { e }
    })?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok(file)
}

/// Refuses a link where a folder of ours should be: the folder that it leads to was not created by us.
///
/// # Errors
/// Output: it is a link or a file.
pub(super) fn expect_no_link(folder: &Path) -> Result<()> {
    match fs::symlink_metadata(folder) {
        Ok(found) if found.is_symlink() => {
            let to = fs::read_link(folder).map(|to| format!(" to {}", to.display())).unwrap_or_default();
            Err(Error::output(format!("{} is a link{to}, which is not followed", folder.display()))
                .help("put a folder in its place; for another disk, make the whole output folder (`--out`) a link"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    #[test]
    fn only_regular_files_with_one_name_are_opened() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("victim"), "precious").unwrap();
        symlink("victim", path("soft")).unwrap();
        symlink("nowhere", path("dangling")).unwrap();
        fs::hard_link(path("victim"), path("hard")).unwrap();
        fs::create_dir(path("folder")).unwrap();
        assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
        for name in ["soft", "dangling", "hard", "folder", "pipe"] {
            assert!(open_lock(&path(name)).is_err(), "{name}");
            assert!(create(&path(name), PUBLIC).is_err(), "{name}");
            assert!(create_folder(&path(name)).is_err(), "{name}");
        }
        for name in ["soft", "dangling", "folder", "pipe"] {
            assert!(open(&path(name)).is_err(), "{name}");
        }
        assert!(!path("nowhere").exists());
        symlink("folder", path("to-folder")).unwrap();
        create_or_find_folder(&path("folder")).unwrap();
        assert!(create_or_find_folder(&path("to-folder")).is_err() && create_or_find_folder(&path("victim")).is_err());
        assert!(expect_no_link(&path("to-folder")).unwrap_err().what.contains("is a link to folder"));
        expect_no_link(&path("folder")).unwrap();
        open_lock(&path("new")).unwrap();
        open_lock(&path("new")).unwrap();
        assert_eq!(fs::read_to_string(path("victim")).unwrap(), "precious");
    }
}
