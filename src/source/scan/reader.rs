//! One row group, batch by batch, or passed over.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, new_null_array};
use arrow::datatypes::DataType;

use super::batch::{Place, Scanner};
use super::pieces::pieces;
use super::{Outcome, Part, ScanObserver, Share};
use crate::error::{Error, Result};
use crate::source::SourceReport;
use crate::source::canonical::Sink;
use crate::source::files::{constant, unreadable};
use crate::source::footer::is_called_text;
use crate::source::inspect::{InspectedFile, Origin};
use crate::source::pages::{Chunk, ColumnReader, Fault, FileColumn, Survey, batch_rows, size};

/// Of a task's memory, the part that the texts of a batch may take when expressions write them out row by row.
const TEXTS: u64 = 4;
/// Fewer rows at a time cost more for each batch than for its rows; while others read, such a row group waits.
const FEW_ROWS: u64 = 2048;

pub(super) fn read_group(
    place: &Place<'_>,
    group: usize,
    most_rows: usize,
    share: Share,
    sink: &dyn Sink,
    observer: &dyn ScanObserver,
) -> Result<Outcome> {
    let file = &place.source.files[place.file];
    let types = &place.source.layouts[file.layout].types;
    let mut first_row: u64 = (0..group).map(|g| file.rows_of(g)).sum();
    let expected = file.rows_of(group);

    let handle = File::open(&file.input.path).map_err(|e| unreadable(&file.input.shown, &e))?;
    let opened = match open(file, group, &Arc::new(handle), most_rows as u64, share) {
        Err(Refused { fault: Fault::TooLarge(bytes), .. }) if !share.is_whole => {
            return Ok(Outcome::NeedsMemory(bytes));
        }
        Err(refused) => return Err(refused.error(file, group, share)),
        Ok(opened) => opened,
    };
    let Opened { mut columns, rows_at_once, checksummed } = opened;

    let mut scanner = Scanner::new(place);
    let mut part = Part::default();
    let mut read = 0;
    while read < expected {
        if let Some(stop) = observer.stopped() {
            return Err(stop);
        }
        let rows = rows_at_once.min(expected - read) as usize;
        let mut arrays = Vec::with_capacity(columns.len());
        for (column, reader) in &mut columns {
            let array = match reader.next() {
                Ok(Some(array)) if array.len() == rows => array,
                Ok(_) => {
                    let fault = Fault::broken("its pages hold another number of rows than their headers say");
                    return Err(Refused { column: Some(column), fault }.error(file, group, share));
                }
                Err(fault) => return Err(Refused { column: Some(column), fault }.error(file, group, share)),
            };
            check_text(&array, column, file)?;
            arrays.push(array);
        }
        for piece in pieces(&arrays, rows, share.bytes / TEXTS) {
            let arrays: Vec<ArrayRef> = arrays.iter().map(|a| a.slice(piece.start, piece.len())).collect();
            let columns = layout_columns(&arrays, piece.len(), file, types);
            scanner.scan(&columns, piece.len(), first_row + piece.start as u64, &mut part, sink)?;
        }
        read += rows as u64;
        first_row += rows as u64;
        observer.rows(rows as u64);
    }
    part.verified = Some(checksummed);
    Ok(Outcome::Read(Box::new(part)))
}

/// A row group that the filter rules out: its rows count as if they had been read and left out.
pub(super) fn skip_group(place: &Place<'_>, group: usize, observer: &dyn ScanObserver) -> Result<Part> {
    if let Some(stop) = observer.stopped() {
        return Err(stop);
    }
    let rows = place.source.files[place.file].rows_of(group);
    observer.rows(rows);
    let report = SourceReport { rows, filtered: rows, ..SourceReport::default() };
    Ok(Part { report, ..Part::default() })
}

struct Opened<'a> {
    columns: Vec<(&'a FileColumn, ColumnReader)>,
    rows_at_once: u64,
    /// There are pages, and each carries a checksum, which is verified when the page is read.
    checksummed: bool,
}

/// Looks at the headers of all pages, and prepares to read them in batches that fit the memory.
fn open<'a>(
    file: &'a InspectedFile,
    group: usize,
    handle: &Arc<File>,
    most_rows: u64,
    share: Share,
) -> Result<Opened<'a>, Refused<'a>> {
    let metadata = file.footer.metadata.metadata();
    let mut chunks = vec![];
    let mut surveys: Vec<Survey> = vec![];
    for column in &file.columns {
        let refused = |fault| Refused { column: Some(column), fault };
        let chunk = Chunk::new(metadata, group, column.leaf, handle.clone(), file.input.bytes).map_err(refused)?;
        surveys.push(chunk.survey(column.copies, share.bytes).map_err(refused)?);
        chunks.push(chunk);
    }
    if file.columns.is_empty() {
        count_rows(file, group, handle, share)?;
    }
    let most_rows = most_rows.min(file.rows_of(group)).max(1);
    let all_columns = |fault| Refused { column: None, fault };
    let rows_at_once = batch_rows(&surveys, most_rows, share.bytes).map_err(all_columns)?;
    if !share.is_whole && rows_at_once < most_rows.min(FEW_ROWS) {
        let bytes = surveys.iter().map(|s| s.memory(most_rows.min(FEW_ROWS))).fold(0, u64::saturating_add);
        return Err(all_columns(Fault::TooLarge(bytes)));
    }
    let mut columns = vec![];
    for ((column, chunk), survey) in file.columns.iter().zip(chunks).zip(&surveys) {
        let reader = ColumnReader::new(metadata, group, column, chunk, survey, rows_at_once as usize);
        columns.push((column, reader.map_err(|fault| Refused { column: Some(column), fault })?));
    }
    let checksummed = !surveys.is_empty() && surveys.iter().all(|survey| survey.checksummed);
    Ok(Opened { columns, rows_at_once, checksummed })
}

/// Where no column is read, because folders and expressions say everything, the rows are those of the footer: so the page
/// headers of one column are asked whether there are so many.
fn count_rows(file: &InspectedFile, group: usize, handle: &Arc<File>, share: Share) -> Result<(), Refused<'static>> {
    let metadata = file.footer.metadata.metadata();
    let schema = metadata.file_metadata().schema_descr();
    let Some(leaf) = (0..schema.num_columns()).find(|leaf| schema.column(*leaf).max_rep_level() == 0) else {
        return Ok(());
    };
    let chunk = Chunk::new(metadata, group, leaf, handle.clone(), file.input.bytes);
    let counted = chunk.and_then(|chunk| chunk.survey(false, share.bytes));
    counted.map(|_| ()).map_err(|fault| Refused { column: None, fault })
}

/// Bytes that the writer did not call text come as texts too, unchecked by the reader.
fn check_text(array: &ArrayRef, column: &FileColumn, file: &InspectedFile) -> Result<()> {
    let Some(texts) = array.as_string_view_opt() else { return Ok(()) };
    let metadata = file.footer.metadata.metadata();
    if !is_called_text(metadata, column.root) && texts.clone().to_binary_view().to_string_view().is_err() {
        let (name, shown) = (&column.name, &file.input.shown);
        return Err(Error::input(format!("column {name} of {shown} holds bytes that are not UTF-8 text"))
            .help("export it as text (a STRING column), or map another column"));
    }
    Ok(())
}

/// The columns of the layout: from the file, or the constant that a folder's name says.
fn layout_columns(arrays: &[ArrayRef], rows: usize, file: &InspectedFile, types: &[DataType]) -> Vec<ArrayRef> {
    let of = |(origin, kind): (&Origin, &DataType)| match origin {
        Origin::File(root) => arrays[file.columns.binary_search_by_key(root, |c| c.root).unwrap_or(0)].clone(),
        Origin::Folder(value) => constant(value.as_deref(), kind, rows),
        Origin::TooDeep => new_null_array(kind, rows),
    };
    file.origins.iter().zip(types).map(of).collect()
}

/// A row group that cannot be read.
struct Refused<'a> {
    /// `None`: all columns together.
    column: Option<&'a FileColumn>,
    fault: Fault,
}

impl Refused<'_> {
    fn error(&self, file: &InspectedFile, group: usize, share: Share) -> Error {
        let shown = &file.input.shown;
        let column = self.column.map_or(String::new(), |column| format!(", column {}", column.name));
        let place = format!("row group {}{column}", group + 1);
        match &self.fault {
            Fault::Broken(what) => Error::input(format!("{shown} cannot be read: {place}: {what}"))
                .help("have the export written again, and delivered under its name only when it is complete"),
            Fault::Damaged => Error::input(format!("{shown} is damaged: {place}: a page does not match its checksum"))
                .help("the file was altered after it was written: copy or export it again"),
            Fault::Unreadable(e) => Error::input(format!("{shown} cannot be read: {place}: {e}"))
                .help("is the disk or network share in order?"),
            Fault::TooLarge(bytes) => Error::input(format!(
                "{shown} cannot be read: {place}: that takes {}, and this run has {} for reading",
                size(*bytes),
                size(share.bytes)
            ))
            .help("raise --memory-limit, or have the export written with smaller pages"),
        }
    }
}
