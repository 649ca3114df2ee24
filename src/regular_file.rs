//! Opens files whose paths come from the user, without blocking on pipes and devices.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Why a path is not opened.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// A folder, pipe, socket or device.
    NotRegular,
    Io(io::Error),
}

impl From<io::Error> for OpenError {
    fn from(e: io::Error) -> OpenError {
        OpenError::Io(e)
    }
}

/// Opens a regular file for reading. Never blocks: pipes and devices are recognised by their type.
///
/// # Errors
/// The path does not lead to a regular file, does not exist or may not be read.
pub(crate) fn open(path: &Path) -> Result<File, OpenError> {
    let regular = |about: &Metadata| if about.is_file() { Ok(()) } else { Err(OpenError::NotRegular) };
    // Opening some devices has an effect, so the type is checked before; and again after, since the path may have changed.
    regular(&std::fs::metadata(path)?)?;
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    regular(&file.metadata()?)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_not_opened() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let socket = dir.path().join("socket");
        let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        for path in [pipe, socket, link, "/dev/zero".into(), dir.path().into()] {
            assert!(matches!(open(&path), Err(OpenError::NotRegular)), "{}", path.display());
        }
        assert!(matches!(open(&dir.path().join("nothing")), Err(OpenError::Io(_))));
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert!(open(&dir.path().join("file")).is_ok());
    }
}
