//! Column chunks: the compressed pages of a column of a row group, and their metadata.

use std::io::Write;
use std::ops::Range;

use bytes::Bytes;
use parquet::arrow::arrow_writer::ArrowColumnChunk;
use parquet::basic::{BoundaryOrder, Compression, Encoding, EncodingMask, PageType, ZstdLevel};
use parquet::bloom_filter::Sbbf;
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats};
use parquet::file::statistics::Statistics;
use parquet::file::writer::SerializedRowGroupWriter;
use parquet::schema::types::ColumnDescPtr;
use zstd::bulk::Compressor;

use super::page_header::{PageContent, page_header};
use crate::error::Error;

/// Compression level of zstd.
pub(super) const LEVEL: i32 = 1;

/// Compresses pages.
pub(super) struct PageCompressor {
    compressor: Compressor<'static>,
    compression: Compression,
}

impl PageCompressor {
    pub(super) fn new() -> crate::error::Result<PageCompressor> {
        let compression = Compression::ZSTD(ZstdLevel::try_new(LEVEL).map_err(unusable)?);
        Ok(PageCompressor { compressor: Compressor::new(LEVEL).map_err(unusable)?, compression })
    }
}

fn unusable(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::internal("the compression of tables is not available").because(cause)
}

/// A column of a row group, encoded: what goes into the file.
pub(super) enum EncodedChunk {
    /// Encoded here.
    Ours { bytes: Bytes, close: ColumnCloseResult },
    /// Encoded by the crate's own writer.
    Crate(ArrowColumnChunk),
}

impl EncodedChunk {
    pub(super) fn append_to<W: Write + Send>(self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<()> {
        match self {
            EncodedChunk::Ours { bytes, close } => group.append_column(&bytes, close),
            EncodedChunk::Crate(chunk) => chunk.append_to_row_group(group),
        }
    }
}

/// Builds a chunk page by page: first the dictionary, if there is one, then the rows.
pub(super) struct ChunkBuilder<'z> {
    zstd: &'z mut PageCompressor,
    sink: Vec<u8>,
    has_dictionary: bool,
    /// Where the first page of rows begins.
    data_at: Option<usize>,
    /// Bytes of all pages before compression, headers included.
    uncompressed: usize,
    rows: usize,
    encoding: Encoding,
    data_pages: i32,
    offsets: OffsetIndexBuilder,
}

/// What the metadata says of a chunk's values.
pub(super) struct ChunkSummary {
    pub statistics: Statistics,
    pub bounds: Option<ColumnIndexBuilder>,
    pub bloom: Option<Sbbf>,
}

impl<'z> ChunkBuilder<'z> {
    pub(super) fn new(zstd: &'z mut PageCompressor, encoding: Encoding) -> ChunkBuilder<'z> {
        ChunkBuilder {
            zstd,
            sink: vec![],
            has_dictionary: false,
            data_at: None,
            uncompressed: 0,
            rows: 0,
            encoding,
            data_pages: 0,
            offsets: OffsetIndexBuilder::new(),
        }
    }

    /// Appends the dictionary page: its values in encoding PLAIN.
    pub(super) fn dictionary(&mut self, values: &[u8], count: usize) -> Result<()> {
        self.has_dictionary = true;
        self.write(PageContent::Dictionary, count, values).map(drop)
    }

    /// Appends a data page: levels and values.
    pub(super) fn data(&mut self, content: &[u8], rows: usize) -> Result<()> {
        let page = self.write(PageContent::Rows(self.encoding), rows, content)?;
        self.data_at.get_or_insert(page.start);
        self.data_pages += 1;
        self.rows += rows;
        self.offsets.append_row_count(rows as i64);
        self.offsets.append_offset_and_size(page.start as i64, i32::try_from(page.len())?);
        Ok(())
    }

    /// Appends a page. Returns the byte range of its header and content.
    fn write(&mut self, content: PageContent, values: usize, uncompressed: &[u8]) -> Result<Range<usize>> {
        let compress = self.zstd.compressor.compress(uncompressed);
        let compressed = compress.map_err(|e| ParquetError::External(Box::new(e)))?;
        let header = page_header(content, values, uncompressed.len(), &compressed)?;
        let start = self.sink.len();
        self.sink.extend_from_slice(&header);
        self.sink.extend_from_slice(&compressed);
        self.uncompressed += header.len() + uncompressed.len();
        Ok(start..self.sink.len())
    }

    pub(super) fn finish(self, descr: ColumnDescPtr, summary: ChunkSummary) -> Result<EncodedChunk> {
        let mut encodings = vec![Encoding::RLE, self.encoding];
        let mut stats = vec![];
        if self.has_dictionary {
            encodings.push(Encoding::PLAIN);
            stats.push(PageEncodingStats { page_type: PageType::DICTIONARY_PAGE, encoding: Encoding::PLAIN, count: 1 });
        }
        let count = self.data_pages;
        stats.push(PageEncodingStats { page_type: PageType::DATA_PAGE, encoding: self.encoding, count });
        let bytes = self.sink;
        let metadata = ColumnChunkMetaData::builder(descr)
            .set_compression(self.zstd.compression)
            .set_encodings_mask(EncodingMask::new_from_encodings(encodings.iter()))
            .set_page_encoding_stats(stats)
            .set_total_compressed_size(bytes.len() as i64)
            .set_total_uncompressed_size(self.uncompressed as i64)
            .set_num_values(self.rows as i64)
            .set_data_page_offset(self.data_at.unwrap_or(0) as i64)
            .set_dictionary_page_offset(self.has_dictionary.then_some(0))
            .set_statistics(summary.statistics)
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: self.rows as u64,
            metadata,
            bloom_filter: summary.bloom,
            column_index: summary.bounds.map(ColumnIndexBuilder::build).transpose()?,
            offset_index: Some(self.offsets.build()),
        };
        Ok(EncodedChunk::Ours { bytes: bytes.into(), close })
    }
}

/// The `boundary_order` of page bounds.
pub(super) fn boundary_order(ascending: bool) -> BoundaryOrder {
    if ascending { BoundaryOrder::ASCENDING } else { BoundaryOrder::UNORDERED }
}
