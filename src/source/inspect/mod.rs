//! Finds what a run will read: files, columns and expressions, checked against the footers before any row is decoded.
//!
//! All problems are found together, each with its place in the pipeline file. `check`, `--dry-run` and the scan begin here.

mod activity;
mod bind;
mod fields;
mod footprint;
mod inspected;
mod layout;
mod open;
mod prune;
mod ruled_out;

use std::collections::BTreeMap;

pub(super) use activity::{Activity, ActivityInput};
pub(super) use fields::Field;
pub use inspected::{Inspected, InspectedFile, InspectedSource};
pub(super) use layout::{ColumnOrigin, FieldInput, FileLayout, SqlInput};
pub use ruled_out::RuledOut;

use self::open::Opened;
use super::columns::ids::IdKind;
use super::files;
use super::footer::FooterMemory;
use crate::config::{Pipeline, SourceKind, SourceSettings};
use crate::error::{Error, Errors, Result};
use crate::source_kind::Needs;

/// At most so many files stay open from their inspection to the end: a system may allow a process as few as 256.
const MOST_KEPT_OPEN: usize = 128;

/// Bytes that the footers of all exports may take where the caller gives no limit.
pub const FOOTER_MEMORY: u64 = 1 << 30;

/// Finds and opens every file of every source and matches them with the pipeline file, without decoding any data.
///
/// # Errors
/// All problems at once, each with its place in the pipeline file.
pub fn inspect(pipeline: &Pipeline, needs: Needs) -> Result<Inspected, Errors> {
    inspect_within(pipeline, needs, FOOTER_MEMORY)
}

/// As [`inspect`]; the decoded footers of all files may take about `memory` bytes.
///
/// # Errors
/// As [`inspect`], and one if the footers take more.
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

/// The fields of a source and which of them a run reads. This follows from the pipeline file alone.
pub fn mapped(pipeline: &Pipeline, source: &SourceSettings, needs: Needs) -> Vec<Field> {
    fields::of(pipeline, source, needs, &activity::names(pipeline))
}

/// Opens the files of a source, of which `keep` stay open. Adds what goes wrong to `errors`.
fn open(
    pipeline: &Pipeline,
    kind: SourceKind,
    source: &SourceSettings,
    keep: usize,
    memory: &FooterMemory,
    errors: &mut Vec<Error>,
) -> Vec<Opened> {
    let (mut found, mut lost) = files::resolve(&source.paths, &pipeline.base, &pipeline.file);
    // A file below a folder may have a name that a variable of the environment also holds, and which may be secret.
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
            // That the footers take too much memory is reported once, not for every file.
            Err(e) if errors.iter().any(|known| known.what == e.what) => {}
            Err(e) => errors.push(e.at(&pipeline.file, Some(place.clone()))),
        }
    }
    opened
}

#[cfg(test)]
mod tests;
