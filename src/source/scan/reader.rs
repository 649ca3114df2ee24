//! One row group, batch by batch, or passed over.

use std::fs::File;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::batch::{Place, Scanner};
use super::{Part, ScanObserver};
use crate::error::{Error, Result};
use crate::source::SourceReport;
use crate::source::canonical::Sink;
use crate::source::files::{constant, unreadable};
use crate::source::footer::is_called_text;
use crate::source::guard::guarded;
use crate::source::inspect::{InspectedFile, Origin};
use crate::source::integrity::checksummed;

pub(super) fn read_group(
    place: &Place<'_>,
    group: usize,
    batch_rows: usize,
    sink: &dyn Sink,
    observer: &dyn ScanObserver,
) -> Result<Part> {
    let file = &place.source.files[place.file];
    let types = &place.source.layouts[file.layout].types;
    let mut first_row: u64 = (0..group).map(|g| file.rows_of(g)).sum();
    let expected = file.rows_of(group);

    let mut roots: Vec<usize> =
        file.origins.iter().filter_map(|o| if let Origin::File(i) = o { Some(*i) } else { None }).collect();
    roots.sort_unstable();
    roots.dedup();

    let handle = File::open(&file.input.path).map_err(|e| unreadable(&file.input.path, &e))?;
    let mut rows = guarded(|| open(handle, file, group, &roots, batch_rows))
        .unwrap_or_else(Err)
        .map_err(|what| broken(file, &what))?;

    let mut scanner = Scanner::new(place);
    let mut part = Part::default();
    let mut read = 0;
    loop {
        if let Some(stop) = observer.stopped() {
            return Err(stop);
        }
        let batch = match guarded(|| rows.next()) {
            Ok(None) => break,
            Ok(Some(Ok(batch))) => batch,
            Ok(Some(Err(e))) => return Err(broken(file, &e.to_string())),
            Err(panic) => return Err(broken(file, &panic)),
        };
        let n = batch.num_rows() as u64;
        read += n;
        if read > expected {
            return Err(broken(file, "it holds more rows than its footer says"));
        }
        let columns = columns(&batch, file, types, &roots);
        check_text(&batch, file, &roots)?;
        scanner.scan(&columns, batch.num_rows(), first_row, &mut part, sink)?;
        first_row += n;
        observer.rows(n);
    }
    if read < expected {
        return Err(broken(file, "it holds fewer rows than its footer says"));
    }
    part.verified = Some(verified(file, group, &roots));
    Ok(part)
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

fn open(
    handle: File,
    file: &InspectedFile,
    group: usize,
    roots: &[usize],
    batch_rows: usize,
) -> Result<ParquetRecordBatchReader, String> {
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(handle, file.footer.metadata.clone());
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots.iter().copied());
    let builder = builder.with_row_groups(vec![group]).with_projection(mask).with_batch_size(batch_rows);
    builder.build().map_err(|e| e.to_string())
}

/// Bytes that the writer did not call text come as texts too, unchecked by the reader.
fn check_text(batch: &RecordBatch, file: &InspectedFile, roots: &[usize]) -> Result<()> {
    let metadata = file.footer.metadata.metadata();
    for (column, root) in batch.columns().iter().zip(roots) {
        let Some(texts) = column.as_string_view_opt() else { continue };
        if !is_called_text(metadata, *root) && texts.clone().to_binary_view().to_string_view().is_err() {
            let name = batch.schema().field(roots.binary_search(root).unwrap_or(0)).name().clone();
            return Err(Error::input(format!(
                "column {name} of {} holds bytes that are not UTF-8 text",
                file.input.shown
            ))
            .help("export it as text (a STRING column), or map another column"));
        }
    }
    Ok(())
}

/// The columns of the layout: from the batch, or the constant that a folder's name says.
fn columns(batch: &RecordBatch, file: &InspectedFile, types: &[DataType], roots: &[usize]) -> Vec<ArrayRef> {
    let of = |(origin, kind): (&Origin, &DataType)| match origin {
        Origin::File(root) => batch.column(roots.binary_search(root).unwrap_or(0)).clone(),
        Origin::Folder(value) => constant(value.as_deref(), kind, batch.num_rows()),
    };
    file.origins.iter().zip(types).map(of).collect()
}

fn broken(file: &InspectedFile, what: &str) -> Error {
    let shown = &file.input.shown;
    if what.contains("CRC checksum mismatch") {
        return Error::input(format!("{shown} is damaged: a page does not match its checksum"))
            .help("the file was altered after it was written: copy or export it again");
    }
    Error::input(format!("{shown} cannot be read: {what}"))
        .help("have the export written again, and delivered under its name only when it is complete")
}

/// Whether every page that was read carries a checksum (which the reader then verified).
fn verified(file: &InspectedFile, group: usize, roots: &[usize]) -> bool {
    let metadata = file.footer.metadata.metadata();
    let schema = metadata.file_metadata().schema_descr();
    let Ok(mut handle) = File::open(&file.input.path) else { return false };
    let leaves: Vec<usize> = (0..schema.num_columns())
        .filter(|leaf| roots.binary_search(&schema.get_column_root_idx(*leaf)).is_ok())
        .collect();
    let all = leaves.iter().all(|leaf| {
        guarded(|| metadata.row_group(group).column(*leaf).byte_range())
            .is_ok_and(|(start, length)| checksummed(&mut handle, start, length))
    });
    all && !leaves.is_empty()
}
