//! The exports of a run as their footers describe them.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::activity::Activity;
use super::fields::Field;
use super::layout::{ColumnOrigin, FileLayout};
use crate::config::SourceKind;
use crate::error::Result;
use crate::source::InputFile;
use crate::source::columns::ids::IdKind;
use crate::source::footer::Footer;
use crate::source::handle::{FileState, InputHandle};
use crate::source::pages::FileColumn;

/// The exports of a run, found, opened and matched with the pipeline file.
#[derive(Clone, Debug)]
pub struct Inspected {
    pub sources: BTreeMap<SourceKind, InspectedSource>,
    /// What customer ids are in every source.
    pub ids: IdKind,
}

#[derive(Clone, Debug)]
pub struct InspectedSource {
    /// In order of path.
    pub files: Vec<InspectedFile>,
    /// Columns of the export that are read, in order of name.
    pub columns: Vec<String>,
    /// The same columns as the pipeline file names them: how to show them.
    pub written: Vec<String>,
    pub fields: Vec<Field>,
    pub layouts: Vec<FileLayout>,
    /// Which transactions make a customer live.
    pub activity: Activity,
}

#[derive(Clone, Debug)]
pub struct InspectedFile {
    pub input: InputFile,
    pub footer: Footer,
    /// The state that the footer describes.
    pub(crate) state: FileState,
    /// Open since the footer was read, where there are few files.
    pub(crate) kept: Option<InputHandle>,
    /// Index into [`InspectedSource::layouts`].
    pub layout: usize,
    /// Where each column of the layout comes from.
    pub origins: Vec<ColumnOrigin>,
    /// The columns that are read of it, in order of [`FileColumn::root`].
    pub columns: Vec<FileColumn>,
}

impl InspectedSource {
    /// Whether anything of it is: of what the run's stages do not ask for, the schemas alone are looked at.
    pub fn is_read(&self) -> bool {
        self.fields.iter().any(|f| f.read)
    }

    /// Rows by the footers.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|f| f.input.rows).fold(0, u64::saturating_add)
    }
}

impl InspectedFile {
    /// Rows of a row group by the footer.
    pub fn rows_of(&self, group: usize) -> u64 {
        u64::try_from(self.footer.metadata.metadata().row_group(group).num_rows()).unwrap_or(0)
    }

    /// Bytes of the columns that are read of a row group, after decompression, by the footer.
    pub(crate) fn bytes_of(&self, group: usize) -> u64 {
        let group = self.footer.metadata.metadata().row_group(group);
        let bytes = self.columns.iter().map(|c| u64::try_from(group.column(c.leaf).uncompressed_size()).unwrap_or(0));
        bytes.fold(0, u64::saturating_add)
    }

    pub fn group_count(&self) -> usize {
        self.footer.metadata.metadata().num_row_groups()
    }

    /// A handle on the file that the footer describes.
    ///
    /// # Errors
    /// If its path leads to no such file any more, or the file has changed since.
    pub(crate) fn open(&self) -> Result<InputHandle> {
        match &self.kept {
            Some(handle) => handle.unchanged(&self.input.shown).map(|()| handle.clone()),
            None => self.reopen(),
        }
    }

    fn reopen(&self) -> Result<InputHandle> {
        InputHandle::reopen(&self.input.path, &self.input.shown, &self.state)
    }
}

impl Inspected {
    /// To be called after the last read: makes sure that every file is what it was when its footer was read. Then no row
    /// came from another file or another version of it, also if nothing of a file had to be read. Paths are opened
    /// again, because network file systems look at the server then.
    ///
    /// # Errors
    /// The first file that was replaced, changed or deleted.
    pub fn confirm(&self) -> Result<()> {
        let files: Vec<&InspectedFile> = self.sources.values().flat_map(|source| &source.files).collect();
        files.par_iter().find_map_first(|file| file.reopen().err()).map_or(Ok(()), Err)
    }
}
