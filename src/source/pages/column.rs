//! Reads one column of a row group as Arrow arrays, batch by batch. The crate decodes the pages that it gets from here.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowGroups};
use parquet::arrow::{FieldLevels, ProjectionMask, parquet_to_arrow_field_levels};
use parquet::column::page::{Page as CratePage, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result as CrateResult};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};

use super::chunk::{ColumnChunk, Page, PagePosition};
use super::decompress::Decompressor;
use super::header::PageKind;
use super::{ChunkFault, Survey, in_words};
use crate::source::footer::Footer;
use crate::source::guard::guarded;

/// A flat column of a file, and how the crate reads it from each row group.
#[derive(Clone, Debug)]
pub struct FileColumn {
    /// Index among the file's top-level columns.
    pub root: usize,
    /// Index among the columns that hold values.
    pub leaf: usize,
    pub name: String,
    /// Whether the crate copies a text for each row instead of pointing to it.
    pub copies: bool,
    levels: FieldLevels,
}

impl FileColumn {
    /// # Errors
    /// The column is nested, or the crate cannot read it.
    pub fn new(footer: &Footer, root: usize) -> Result<FileColumn, String> {
        let schema = footer.metadata.metadata().file_metadata().schema_descr();
        let field = schema.root_schema().get_fields().get(root).ok_or("there is no such column")?;
        let leaf = (0..schema.num_columns()).find(|leaf| schema.get_column_root_idx(*leaf) == root);
        let leaf = leaf.ok_or("there is no such column")?;
        if !field.is_primitive() || schema.column(leaf).max_rep_level() > 0 {
            return Err("it holds nested values".into());
        }
        let mask = ProjectionMask::roots(schema, [root]);
        let levels = guarded(|| parquet_to_arrow_field_levels(schema, mask, Some(footer.schema().fields())))?;
        let kind = footer.schema().field(root).data_type();
        let copies = matches!(
            kind,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary | DataType::Dictionary(..)
        );
        let levels = levels.map_err(|e| in_words(&e.to_string()).to_owned())?;
        Ok(FileColumn { root, leaf, name: field.name().to_owned(), copies, levels })
    }
}

/// Reads a column chunk.
pub(crate) struct ColumnReader {
    batches: ParquetRecordBatchReader,
    fault: FaultSlot,
}

/// Carries what went wrong in a page past the crate, whose errors are texts.
type FaultSlot = Arc<Mutex<Option<ChunkFault>>>;

impl ColumnReader {
    /// Reads `batch_rows` rows at a time.
    ///
    /// # Errors
    /// The crate cannot read such a column.
    pub(crate) fn new(
        metadata: &ParquetMetaData,
        group: usize,
        column: &FileColumn,
        chunk: ColumnChunk,
        survey: &Survey,
        batch_rows: usize,
    ) -> Result<ColumnReader, ChunkFault> {
        let fault = FaultSlot::default();
        let largest = (survey.largest_compressed, survey.largest_held);
        let groups = OneChunk { metadata, group, leaf: column.leaf, chunk, largest, fault: fault.clone() };
        let batches =
            guarded(|| ParquetRecordBatchReader::try_new_with_row_groups(&column.levels, &groups, batch_rows, None));
        let batches = batches.map_err(ChunkFault::Broken)?.map_err(|e| fault_of(&fault, &e.to_string()))?;
        Ok(ColumnReader { batches, fault })
    }

    /// The next values; `None` behind the last.
    pub(crate) fn next(&mut self) -> Result<Option<ArrayRef>, ChunkFault> {
        match guarded(|| self.batches.next()) {
            Ok(None) => Ok(None),
            Ok(Some(Ok(batch))) => Ok(batch.columns().first().cloned()),
            Ok(Some(Err(e))) => Err(fault_of(&self.fault, &e.to_string())),
            Err(panic) => Err(ChunkFault::Broken(panic)),
        }
    }
}

/// The fault behind an error of the crate: ours if we raised it, else the crate's words.
fn fault_of(slot: &FaultSlot, text: &str) -> ChunkFault {
    if let Some(fault) = slot.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return fault;
    }
    ChunkFault::broken(in_words(text))
}

/// What the crate sees of a file: a column chunk.
struct OneChunk<'a> {
    metadata: &'a ParquetMetaData,
    group: usize,
    leaf: usize,
    chunk: ColumnChunk,
    largest: (u64, u64),
    fault: FaultSlot,
}

impl RowGroups for OneChunk<'_> {
    fn num_rows(&self) -> usize {
        self.chunk.rows as usize
    }

    fn column_chunks(&self, leaf: usize) -> CrateResult<Box<dyn PageIterator>> {
        if leaf != self.leaf {
            return Err(ParquetError::General(format!("column {leaf} is not the one to be read")));
        }
        let pages = ChunkPages {
            position: self.chunk.begin(),
            decompressor: None,
            chunk: self.chunk.clone(),
            largest: self.largest,
            fault: self.fault.clone(),
        };
        Ok(Box::new(Once(Some(pages))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.metadata.row_group(self.group)))
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.metadata
    }
}

struct Once(Option<ChunkPages>);

impl Iterator for Once {
    type Item = CrateResult<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(|pages| Ok(Box::new(pages) as Box<dyn PageReader>))
    }
}

impl PageIterator for Once {}

/// The pages of a chunk, checked and decompressed one by one.
struct ChunkPages {
    chunk: ColumnChunk,
    position: PagePosition,
    decompressor: Option<Decompressor>,
    /// The greatest sizes that the survey met, in the file and in memory.
    largest: (u64, u64),
    fault: FaultSlot,
}

impl ChunkPages {
    fn load_next(&mut self) -> Result<Option<CratePage>, ChunkFault> {
        while let Some(page) = self.chunk.next_page(&mut self.position)? {
            // The budget was reckoned with other sizes.
            if page.compressed() > self.largest.0 || page.held > self.largest.1 {
                return Err(ChunkFault::broken("it changed while it was read"));
            }
            let decompressor = match &mut self.decompressor {
                Some(decompressor) => decompressor,
                empty => empty.insert(self.chunk.decompressor()?),
            };
            let held = self.chunk.load(&page, decompressor)?;
            self.chunk.texts_beside(&page, &held)?;
            if let Some(page) = as_crate(&page, held) {
                return Ok(Some(page));
            }
        }
        Ok(None)
    }
}

/// `None` for an index page, which no column reader knows.
fn as_crate(page: &Page, buf: bytes::Bytes) -> Option<CratePage> {
    Some(match page.header.kind {
        PageKind::Data { values, encoding, definition_levels, repetition_levels } => CratePage::DataPage {
            buf,
            num_values: values,
            encoding,
            def_level_encoding: definition_levels,
            rep_level_encoding: repetition_levels,
            statistics: None,
        },
        PageKind::DataV2 { values, nulls, rows, encoding, definition_levels, repetition_levels, is_compressed } => {
            CratePage::DataPageV2 {
                buf,
                num_values: values,
                encoding,
                num_nulls: nulls,
                num_rows: rows,
                def_levels_byte_len: definition_levels,
                rep_levels_byte_len: repetition_levels,
                is_compressed,
                statistics: None,
            }
        }
        PageKind::Dictionary { entries, encoding, is_sorted } => {
            CratePage::DictionaryPage { buf, num_values: entries, encoding, is_sorted }
        }
        PageKind::Index => return None,
    })
}

impl Iterator for ChunkPages {
    type Item = CrateResult<CratePage>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for ChunkPages {
    fn get_next_page(&mut self) -> CrateResult<Option<CratePage>> {
        self.load_next().map_err(|fault| {
            *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
            ParquetError::General("a page cannot be used".into())
        })
    }

    /// Asked for only where rows are skipped or lists are read, which is never done here.
    fn peek_next_page(&mut self) -> CrateResult<Option<PageMetadata>> {
        Err(ParquetError::NYI("looking ahead at a page".into()))
    }

    fn skip_next_page(&mut self) -> CrateResult<()> {
        Err(ParquetError::NYI("skipping a page".into()))
    }
}
