//! What a run will read: files, columns and expressions, checked against the exports' footers before any row is decoded.
//!
//! Every problem is found in one go and placed where the pipeline file says it; `check`, `--dry-run` and the scan itself
//! all begin here.

mod activity;
mod bind;
mod fields;
mod footprint;
mod open;
mod prune;

use std::collections::BTreeMap;

use rayon::prelude::*;

pub use activity::{Activity, Canonical};
pub use bind::{Input, Layout, Origin, SqlInput};
pub use fields::{Field, Role};
pub(crate) use open::Opened;
pub use prune::RuledOut;

use super::InputFile;
use super::columns::ids::IdKind;
use super::files;
use super::footer::{Footer, FooterMemory};
use super::handle::{FileState, InputHandle};
use super::pages::FileColumn;
use crate::config::{Pipeline, SourceKind, SourceSettings};
use crate::error::{Error, Errors, Result};
use crate::rows::Needs;

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
    pub layouts: Vec<Layout>,
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
    pub origins: Vec<Origin>,
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

/// So many files at most stay open from their inspection to the end: a system may allow a process as few as 256.
const MOST_KEPT_OPEN: usize = 128;

/// The memory that the footers of all exports may take, unless the caller says otherwise.
pub const FOOTER_MEMORY: u64 = 1 << 30;

/// Finds and opens every file of every source and matches them with the pipeline file, without decoding any data.
///
/// # Errors
/// All problems at once, each with its place in the pipeline file.
pub fn inspect(pipeline: &Pipeline, needs: Needs) -> Result<Inspected, Errors> {
    inspect_within(pipeline, needs, FOOTER_MEMORY)
}

/// As [`inspect`]; the decoded footers of all files take at most about `memory` bytes.
///
/// # Errors
/// As [`inspect`]; and one if the footers take more.
pub fn inspect_within(pipeline: &Pipeline, needs: Needs, memory: u64) -> Result<Inspected, Errors> {
    let memory = FooterMemory::new(memory);
    let mut errors = vec![];
    let mut sources = BTreeMap::new();
    let mut keep = MOST_KEPT_OPEN;
    for (kind, source) in &pipeline.sources {
        let opened = open(pipeline, *kind, source, keep, &memory, &mut errors);
        keep -= opened.iter().filter(|file| file.kept.is_some()).count();
        if opened.is_empty() {
            continue;
        }
        if let Some(bound) = bind::bind(pipeline, source, opened, needs, &mut errors) {
            sources.insert(*kind, bound);
        }
    }
    let integer = sources.values().all(|s: &bind::Bound| s.integer_ids != Some(false));
    let ids = if integer { IdKind::Integer } else { IdKind::Text };
    let sources = sources.into_iter().map(|(kind, bound)| (kind, bound.source)).collect();
    Errors::unless_empty(errors, Inspected { sources, ids })
}

/// The canonical columns of a source and its segments' columns, and which of them a run reads: known without its files.
pub fn mapped(pipeline: &Pipeline, source: &SourceSettings, needs: Needs) -> Vec<Field> {
    fields::of(pipeline, source, needs, &activity::names(pipeline))
}

/// `keep`: how many of the files stay open.
fn open(
    pipeline: &Pipeline,
    kind: SourceKind,
    source: &SourceSettings,
    keep: usize,
    memory: &FooterMemory,
    errors: &mut Vec<Error>,
) -> Vec<Opened> {
    let (mut found, mut lost) = files::resolve(&source.paths, &pipeline.base, &pipeline.file);
    // What lies below a folder may bear a name that the environment holds for something else.
    let redactor = pipeline.redactor();
    for file in &mut found {
        file.shown = redactor.hide(&file.shown).into_owned();
    }
    errors.append(&mut lost);
    if source.paths.is_empty() {
        errors.push(
            Error::pipeline(format!("sources.{} has no path", kind.name()))
                .help("path = \"exports/*.parquet\" names its files")
                .at(&pipeline.file, Some(source.span.clone())),
        );
    }
    let place = source.paths.first().map_or(source.span.clone(), |p| p.span.clone());
    let mut opened = vec![];
    for result in open::open_all(&found, keep, memory) {
        match result {
            Ok(file) => opened.push(file),
            // That the footers take too much memory is said once, not of every file.
            Err(e) if errors.iter().any(|known| known.what == e.what) => {}
            Err(e) => errors.push(e.at(&pipeline.file, Some(place.clone()))),
        }
    }
    opened
}

#[cfg(test)]
mod tests;
