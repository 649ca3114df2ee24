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
    /// The type of customer ids, which is the same in every source.
    pub ids: IdKind,
}

/// A source: its files, its fields and how they match.
#[derive(Clone, Debug)]
pub struct InspectedSource {
    /// In order of path.
    pub files: Vec<InspectedFile>,
    /// Columns of the export that are read, in order of name.
    pub columns: Vec<String>,
    /// The same columns as the pipeline file writes them, for messages.
    pub written: Vec<String>,
    pub fields: Vec<Field>,
    pub layouts: Vec<FileLayout>,
    /// Which transactions make a customer live.
    pub activity: Activity,
}

/// A file of a source.
#[derive(Clone, Debug)]
pub struct InspectedFile {
    pub input: InputFile,
    pub footer: Footer,
    /// The state in which the footer was read.
    pub(crate) state: FileState,
    /// Kept open since the footer was read, where there are few files.
    pub(crate) kept: Option<InputHandle>,
    /// Index into [`InspectedSource::layouts`].
    pub layout: usize,
    /// Where the file has each column of the layout.
    pub origins: Vec<ColumnOrigin>,
    /// The columns that are read, in order of [`FileColumn::root`].
    pub columns: Vec<FileColumn>,
}

impl InspectedSource {
    /// True if the run reads its rows. A source that no stage needs is only checked for its schema.
    pub fn is_read(&self) -> bool {
        self.fields.iter().any(|f| f.read)
    }

    /// The number of rows, by the footers.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|f| f.input.rows).fold(0, u64::saturating_add)
    }
}

impl InspectedFile {
    /// The number of rows of a row group, by the footer.
    pub fn rows_of(&self, group: usize) -> u64 {
        u64::try_from(self.footer.metadata.metadata().row_group(group).num_rows()).unwrap_or(0)
    }

    /// Bytes of a row group's columns that are read, after decompression, by the footer.
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
    /// Input: the path no longer leads to the file, or the file has changed since.
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
    /// Makes sure, after the last read, that every file is what it was when its footer was read. Then no row came from
    /// another file or another version of it. Paths are opened again, because network file systems ask the server only then.
    ///
    /// # Errors
    /// The first file that was replaced, changed or deleted.
    pub fn confirm(&self) -> Result<()> {
        let files: Vec<&InspectedFile> = self.sources.values().flat_map(|source| &source.files).collect();
        files.par_iter().find_map_first(|file| file.reopen().err()).map_or(Ok(()), Err)
    }
}
