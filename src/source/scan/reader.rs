//! Reads the row groups of a task and has their rows scanned, batch by batch.

use arrow::array::{Array, ArrayRef, AsArray, new_null_array};
use arrow::compute::concat;
use arrow::datatypes::DataType;

use super::pieces::pieces;
use super::scanner::{Scanner, TaskContext};
use super::steps::scan_batch;
use super::tasks::ReadTask;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Progress;
use crate::rows::Sink;
use crate::source::SourceReport;
use crate::source::files::constant;
use crate::source::footer::is_called_text;
use crate::source::handle::InputHandle;
use crate::source::inspect::{ColumnOrigin, InspectedFile};
use crate::source::pages::{ChunkFault, ColumnChunk, ColumnReader, FileColumn, Survey, batch_rows, size};

/// The texts of a batch may take one part in so many of a task's memory when expressions write them out row by row.
const TEXTS: u64 = 4;
/// Below so many rows at a time, a batch costs more than its rows. A row group that would need such batches waits until
/// fewer threads read.
const FEW_ROWS: u64 = 2048;

/// The memory that a task may take.
#[derive(Clone, Copy)]
pub(super) struct MemoryShare {
    pub bytes: u64,
    /// True if no other thread reads meanwhile, so that waiting would not give more.
    pub is_whole: bool,
}

/// What became of a task.
pub(super) enum TaskOutcome {
    Read(Box<TaskReport>),
    /// Nothing was read or delivered: reading takes so many bytes, which is more than the share.
    NeedsMemory(u64),
}

/// What the row groups of one task gave.
#[derive(Debug, Default)]
pub(super) struct TaskReport {
    pub report: SourceReport,
    /// True if every page carried a checksum; `None` if no page was read.
    pub verified: Option<bool>,
}

/// Reads the row groups of a task. Those that the filter rules out are not read: their rows count as if they had been read
/// and left out.
///
/// # Errors
/// Input: a row group cannot be read, or the file has changed. What `sink` and `observer` return.
pub(super) fn read(
    context: &TaskContext<'_>,
    task: &ReadTask,
    most_rows: usize,
    share: MemoryShare,
    sink: &dyn Sink,
    observer: &dyn Progress,
) -> Result<TaskOutcome> {
    let file = &context.source.files[context.file];
    let ruled_out = context.source.rules_out(task.file, task.groups.clone());
    let mut delivery = Delivery::new(context, task, most_rows, share, sink, observer);
    if ruled_out.iter().all(|out| *out) {
        task.groups.clone().try_for_each(|group| delivery.pass_over(file.rows_of(group)))?;
        return Ok(TaskOutcome::Read(Box::new(delivery.finish()?)));
    }
    let input = file.open()?;
    let outcome = read_groups(&input, task, &ruled_out, delivery);
    if !outcome.as_ref().is_err_and(|e| matches!(e.kind, ErrorKind::Interrupted | ErrorKind::Terminated)) {
        // An error in a file that changes meanwhile is reported as the change, which is its cause.
        input.unchanged(&file.input.shown)?;
    }
    outcome
}

fn read_groups(
    input: &InputHandle,
    task: &ReadTask,
    ruled_out: &[bool],
    mut delivery: Delivery<'_>,
) -> Result<TaskOutcome> {
    let (file, share) = (delivery.file, delivery.share);
    // The task may be read again with more memory, so nothing is delivered before every row group is known to fit.
    let mut groups = vec![];
    for (group, out) in task.groups.clone().zip(ruled_out) {
        if *out {
            groups.push((group, None));
            continue;
        }
        match SurveyedRowGroup::new(file, group, input, delivery.most_rows, share) {
            Ok(surveyed) => groups.push((group, Some(surveyed))),
            Err(RowGroupError { fault: ChunkFault::TooLarge(bytes), .. }) if !share.is_whole => {
                return Ok(TaskOutcome::NeedsMemory(bytes));
            }
            Err(refused) => return Err(refused.error(file, group, share)),
        }
    }
    let mut verified = true;
    for (group, surveyed) in groups {
        match surveyed {
            None => delivery.pass_over(file.rows_of(group))?,
            Some(surveyed) => {
                verified &= surveyed.checksummed;
                decode(group, surveyed, &mut delivery)?;
            }
        }
    }
    Ok(TaskOutcome::Read(Box::new(TaskReport { verified: Some(verified), ..delivery.finish()? })))
}

/// Decodes a row group in parts that fit the memory.
fn decode(group: usize, surveyed: SurveyedRowGroup<'_>, delivery: &mut Delivery<'_>) -> Result<()> {
    let (file, share, expected) = (delivery.file, delivery.share, delivery.file.rows_of(group));
    let SurveyedRowGroup { rows_at_once, memory, .. } = surveyed;
    let mut columns = surveyed.readers(file, group).map_err(|refused| refused.error(file, group, share))?;
    let mut read = 0;
    while read < expected {
        let rows = rows_at_once.min(expected - read) as usize;
        delivery.make_room(rows, memory)?;
        let mut arrays = Vec::with_capacity(columns.len());
        for (column, reader) in &mut columns {
            let array = match reader.next() {
                Ok(Some(array)) if array.len() == rows => array,
                Ok(_) => {
                    let fault = ChunkFault::broken("its pages hold another number of rows than their headers say");
                    return Err(RowGroupError { column: Some(column), fault }.error(file, group, share));
                }
                Err(fault) => return Err(RowGroupError { column: Some(column), fault }.error(file, group, share)),
            };
            check_text(&array, column, file)?;
            arrays.push(array);
        }
        delivery.push(arrays, rows, memory);
        read += rows as u64;
    }
    Ok(())
}

/// Collects decoded rows until they fill a batch, and then scans it.
struct Delivery<'a> {
    file: &'a InspectedFile,
    types: &'a [DataType],
    scanner: Scanner<'a>,
    most_rows: usize,
    share: MemoryShare,
    sink: &'a dyn Sink,
    observer: &'a dyn Progress,
    part: TaskReport,
    /// For each column, the decoded arrays of the next batch.
    waiting: Vec<Vec<ArrayRef>>,
    rows_waiting: usize,
    /// An upper bound of the bytes that decoding them took.
    bytes_waiting: u64,
    /// Rows of the file before those that wait.
    first_row: u64,
}

impl<'a> Delivery<'a> {
    fn new(
        context: &'a TaskContext<'a>,
        task: &ReadTask,
        most_rows: usize,
        share: MemoryShare,
        sink: &'a dyn Sink,
        observer: &'a dyn Progress,
    ) -> Self {
        let file = &context.source.files[context.file];
        Delivery {
            file,
            types: &context.source.layouts[file.layout].types,
            scanner: Scanner::new(context),
            most_rows,
            share,
            sink,
            observer,
            part: TaskReport::default(),
            waiting: vec![vec![]; file.columns.len()],
            rows_waiting: 0,
            bytes_waiting: 0,
            first_row: task.first_row,
        }
    }

    /// Makes room for so many more rows, whose decoding takes so many bytes.
    fn make_room(&mut self, rows: usize, bytes: u64) -> Result<()> {
        let too_many = self.rows_waiting + rows > self.most_rows;
        let too_large = self.bytes_waiting.saturating_add(bytes) > self.share.bytes;
        if too_many || too_large { self.flush() } else { self.stop_if_asked() }
    }

    fn push(&mut self, arrays: Vec<ArrayRef>, rows: usize, bytes: u64) {
        self.waiting.iter_mut().zip(arrays).for_each(|(waiting, array)| waiting.push(array));
        self.rows_waiting += rows;
        self.bytes_waiting = self.bytes_waiting.saturating_add(bytes);
    }

    /// Counts rows that the filter rules out, without reading them.
    fn pass_over(&mut self, rows: u64) -> Result<()> {
        self.flush()?;
        self.part.report.rows += rows;
        self.part.report.filtered += rows;
        self.first_row += rows;
        self.observer.advance(rows);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.stop_if_asked()?;
        let rows = std::mem::take(&mut self.rows_waiting);
        self.bytes_waiting = 0;
        if rows == 0 {
            self.waiting.iter_mut().for_each(Vec::clear);
            return Ok(());
        }
        let arrays: Vec<ArrayRef> =
            self.waiting.iter_mut().map(|w| together(std::mem::take(w))).collect::<Result<_>>()?;
        for piece in pieces(&arrays, rows, self.share.bytes / TEXTS) {
            let arrays: Vec<ArrayRef> = arrays.iter().map(|a| a.slice(piece.start, piece.len())).collect();
            let columns = layout_columns(&arrays, piece.len(), self.file, self.types);
            let first_row = self.first_row + piece.start as u64;
            scan_batch(&mut self.scanner, &columns, piece.len(), first_row, &mut self.part.report, self.sink)?;
        }
        self.first_row += rows as u64;
        self.observer.advance(rows as u64);
        Ok(())
    }

    fn stop_if_asked(&self) -> Result<()> {
        self.observer.stopped()
    }

    fn finish(mut self) -> Result<TaskReport> {
        self.flush()?;
        Ok(self.part)
    }
}

/// Puts arrays of one type together to one.
fn together(mut arrays: Vec<ArrayRef>) -> Result<ArrayRef> {
    if arrays.len() == 1 {
        return Ok(arrays.remove(0));
    }
    let parts: Vec<&dyn Array> = arrays.iter().map(|array| &**array).collect();
    concat(&parts).map_err(|e| Error::internal("decoded row groups cannot be put together").because(e))
}

/// A row group whose page headers were read.
struct SurveyedRowGroup<'a> {
    /// The columns that are read.
    columns: Vec<(&'a FileColumn, ColumnChunk, Survey)>,
    rows_at_once: u64,
    /// Bytes that reading `rows_at_once` rows takes.
    memory: u64,
    /// True if there are pages and each carries a checksum, which is verified when the page is read.
    checksummed: bool,
}

impl<'a> SurveyedRowGroup<'a> {
    /// Reads the headers of all pages, and finds how many rows at a time fit the memory.
    fn new(
        file: &'a InspectedFile,
        group: usize,
        input: &InputHandle,
        most_rows: usize,
        share: MemoryShare,
    ) -> Result<Self, RowGroupError<'a>> {
        let metadata = file.footer.metadata.metadata();
        let mut columns = vec![];
        let mut surveys: Vec<Survey> = vec![];
        for column in &file.columns {
            let refused = |fault| RowGroupError { column: Some(column), fault };
            let handle = input.file().clone();
            let chunk = ColumnChunk::new(metadata, group, column.leaf, handle, file.input.bytes).map_err(refused)?;
            surveys.push(chunk.survey(column.copies, share.bytes).map_err(refused)?);
            columns.push((column, chunk));
        }
        if file.columns.is_empty() {
            count_rows(file, group, input, share)?;
        }
        let most_rows = (most_rows as u64).min(file.rows_of(group)).max(1);
        let all_columns = |fault| RowGroupError { column: None, fault };
        let rows_at_once = batch_rows(&surveys, most_rows, share.bytes).map_err(all_columns)?;
        let memory = |rows| surveys.iter().map(|s| s.memory(rows)).fold(0, u64::saturating_add);
        if !share.is_whole && rows_at_once < most_rows.min(FEW_ROWS) {
            return Err(all_columns(ChunkFault::TooLarge(memory(most_rows.min(FEW_ROWS)))));
        }
        let memory = memory(rows_at_once);
        let checksummed = !surveys.is_empty() && surveys.iter().all(|survey| survey.checksummed);
        let columns = columns.into_iter().zip(surveys).map(|((column, chunk), survey)| (column, chunk, survey));
        Ok(SurveyedRowGroup { columns: columns.collect(), rows_at_once, memory, checksummed })
    }

    /// A decoder for each column.
    fn readers(
        self,
        file: &InspectedFile,
        group: usize,
    ) -> Result<Vec<(&'a FileColumn, ColumnReader)>, RowGroupError<'a>> {
        let metadata = file.footer.metadata.metadata();
        let rows = self.rows_at_once as usize;
        let reader = |(column, chunk, survey): (&'a FileColumn, ColumnChunk, Survey)| {
            let reader = ColumnReader::new(metadata, group, column, chunk, &survey, rows);
            Ok((column, reader.map_err(|fault| RowGroupError { column: Some(column), fault })?))
        };
        self.columns.into_iter().map(reader).collect()
    }
}

/// Checks the number of rows where no column is read, because folders and expressions give all values. The footer's number
/// is then compared with the page headers of one column.
fn count_rows(
    file: &InspectedFile,
    group: usize,
    input: &InputHandle,
    share: MemoryShare,
) -> Result<(), RowGroupError<'static>> {
    let metadata = file.footer.metadata.metadata();
    let schema = metadata.file_metadata().schema_descr();
    let Some(leaf) = (0..schema.num_columns()).find(|leaf| schema.column(*leaf).max_rep_level() == 0) else {
        return Ok(());
    };
    let chunk = ColumnChunk::new(metadata, group, leaf, input.file().clone(), file.input.bytes);
    let counted = chunk.and_then(|chunk| chunk.survey(false, share.bytes));
    counted.map(|_| ()).map_err(|fault| RowGroupError { column: None, fault })
}

/// Checks columns of bytes that the writer did not declare as text: the decoder gives them as text without checking UTF-8.
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

/// The columns of the layout: those of the file, and constants for values in folder names.
fn layout_columns(arrays: &[ArrayRef], rows: usize, file: &InspectedFile, types: &[DataType]) -> Vec<ArrayRef> {
    let of = |(origin, kind): (&ColumnOrigin, &DataType)| match origin {
        ColumnOrigin::File(root) => arrays[file.columns.binary_search_by_key(root, |c| c.root).unwrap_or(0)].clone(),
        ColumnOrigin::Folder(value) => constant(value.as_deref(), kind, rows),
        ColumnOrigin::TooDeep => new_null_array(kind, rows),
    };
    file.origins.iter().zip(types).map(of).collect()
}

/// A row group that cannot be read.
struct RowGroupError<'a> {
    /// `None` if no single column is at fault.
    column: Option<&'a FileColumn>,
    fault: ChunkFault,
}

impl RowGroupError<'_> {
    fn error(&self, file: &InspectedFile, group: usize, share: MemoryShare) -> Error {
        let shown = &file.input.shown;
        let column = self.column.map_or(String::new(), |column| format!(", column {}", column.name));
        let place = format!("row group {}{column}", group + 1);
        match &self.fault {
            ChunkFault::Broken(what) => Error::input(format!("{shown} cannot be read: {place}: {what}"))
                .help("have the export written again, and delivered under its name only when it is complete"),
            ChunkFault::Damaged => {
                Error::input(format!("{shown} is damaged: {place}: a page does not match its checksum"))
                    .help("the file was altered after it was written: copy or export it again")
            }
            ChunkFault::Unreadable(e) => Error::input(format!("{shown} cannot be read: {place}: {e}"))
                .help("is the disk or network share in order?"),
            ChunkFault::TooLarge(bytes) => Error::input(format!(
                "{shown} cannot be read: {place}: that takes {}, and this run has {} for reading",
                size(*bytes),
                size(share.bytes)
            ))
            .help("raise --memory-limit, or have the export written with smaller pages"),
        }
    }
}
