//! What a run will read: files, columns and expressions, checked against the exports' footers before any row is decoded.
//!
//! Every problem is found in one go and placed where the pipeline file says it; `check`, `--dry-run` and the scan itself
//! all begin here.

mod activity;
mod bind;
mod fields;
mod footprint;
mod prune;

use std::collections::BTreeMap;

use rayon::prelude::*;

pub use activity::{Activity, Canonical};
pub use bind::{Input, Layout, Origin, SqlInput};
pub use fields::{Field, Role};
pub use prune::RuledOut;

use super::InputFile;
use super::canonical::Needs;
use super::columns::ids::IdKind;
use super::files::{self, Found};
use super::footer::{self, Footer, FooterMemory};
use super::pages::FileColumn;
use crate::config::{Pipeline, Source, SourceKind};
use crate::error::{Error, Errors};

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

    pub fn group_count(&self) -> usize {
        self.footer.metadata.metadata().num_row_groups()
    }
}

/// A file with its footer, not yet matched with anything.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub found: Found,
    pub footer: Footer,
}

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
    for (kind, source) in &pipeline.sources {
        let opened = open(pipeline, *kind, source, &memory, &mut errors);
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
pub fn mapped(pipeline: &Pipeline, source: &Source, needs: Needs) -> Vec<Field> {
    fields::of(pipeline, source, needs, &activity::names(pipeline))
}

fn open(
    pipeline: &Pipeline,
    kind: SourceKind,
    source: &Source,
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
    let footers: Vec<_> = found.par_iter().map(|f| footer::open(&f.path, &f.shown, memory)).collect();
    let mut opened = vec![];
    for (found, footer) in found.into_iter().zip(footers) {
        match footer {
            Ok(footer) => opened.push(Opened { found, footer }),
            // That the footers take too much memory is said once, not of every file.
            Err(e) if errors.iter().any(|known| known.what == e.what) => {}
            Err(e) => errors.push(e.at(&pipeline.file, Some(place.clone()))),
        }
    }
    opened
}

#[cfg(test)]
mod tests;
