//! The pages of a column of a row group, compressed, with what a file's metadata says of them.

use bytes::Bytes;
use parquet::basic::{BoundaryOrder, Compression, Encoding, EncodingMask, PageType, ZstdLevel};
use parquet::bloom_filter::Sbbf;
use parquet::column::page::{CompressedPage, Page, PageWriteSpec, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use zstd::bulk::Compressor;

use crate::error::Error;

/// The level of compression.
const LEVEL: i32 = 1;

/// Compresses pages.
pub(super) struct Zstd {
    compressor: Compressor<'static>,
    compression: Compression,
}

impl Zstd {
    pub fn new() -> crate::error::Result<Zstd> {
        let compression = Compression::ZSTD(ZstdLevel::try_new(LEVEL).map_err(unusable)?);
        Ok(Zstd { compressor: Compressor::new(LEVEL).map_err(unusable)?, compression })
    }
}

fn unusable(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::internal("compression is not to be had").because(cause)
}

/// A column of a row group on its way into a file.
pub(super) struct Chunk {
    pub bytes: Bytes,
    pub close: ColumnCloseResult,
}

/// Pages of a chunk: first the dictionary, if there is one, then the rows.
pub(super) struct Pages<'z> {
    zstd: &'z mut Zstd,
    sink: TrackedWrite<Vec<u8>>,
    has_dictionary: bool,
    data_at: Option<u64>,
    uncompressed: usize,
    rows: usize,
    encoding: Encoding,
    data_pages: i32,
    offsets: OffsetIndexBuilder,
}

/// What is known of a chunk's values.
pub(super) struct Summary {
    pub statistics: Statistics,
    pub bounds: Option<ColumnIndexBuilder>,
    pub bloom: Option<Sbbf>,
}

impl<'z> Pages<'z> {
    pub fn new(zstd: &'z mut Zstd, encoding: Encoding) -> Pages<'z> {
        Pages {
            zstd,
            sink: TrackedWrite::new(vec![]),
            has_dictionary: false,
            data_at: None,
            uncompressed: 0,
            rows: 0,
            encoding,
            data_pages: 0,
            offsets: OffsetIndexBuilder::new(),
        }
    }

    /// The dictionary, each of its values plain.
    pub fn dictionary(&mut self, values: &[u8], count: usize) -> Result<()> {
        let buf = self.compress(values)?;
        self.has_dictionary = true;
        let page = Page::DictionaryPage {
            buf,
            num_values: u32::try_from(count)?,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        self.write(page, values.len()).map(drop)
    }

    /// A page of rows: levels and values.
    pub fn data(&mut self, content: &[u8], rows: usize) -> Result<()> {
        let page = Page::DataPage {
            buf: self.compress(content)?,
            num_values: u32::try_from(rows)?,
            encoding: self.encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let spec = self.write(page, content.len())?;
        self.data_at.get_or_insert(spec.offset);
        self.data_pages += 1;
        self.rows += rows;
        self.offsets.append_row_count(rows as i64);
        self.offsets.append_offset_and_size(spec.offset as i64, i32::try_from(spec.compressed_size)?);
        Ok(())
    }

    fn compress(&mut self, bytes: &[u8]) -> Result<Bytes> {
        self.zstd.compressor.compress(bytes).map(Bytes::from).map_err(|e| ParquetError::External(Box::new(e)))
    }

    fn write(&mut self, page: Page, uncompressed: usize) -> Result<PageWriteSpec> {
        let page = CompressedPage::new(page, uncompressed);
        let spec = SerializedPageWriter::new(&mut self.sink).write_page(page)?;
        self.uncompressed += spec.uncompressed_size;
        Ok(spec)
    }

    pub fn finish(self, descr: ColumnDescPtr, summary: Summary) -> Result<Chunk> {
        let mut encodings = vec![Encoding::RLE, self.encoding];
        let mut stats = vec![];
        if self.has_dictionary {
            encodings.push(Encoding::PLAIN);
            stats.push(PageEncodingStats { page_type: PageType::DICTIONARY_PAGE, encoding: Encoding::PLAIN, count: 1 });
        }
        let count = self.data_pages;
        stats.push(PageEncodingStats { page_type: PageType::DATA_PAGE, encoding: self.encoding, count });
        let bytes = self.sink.into_inner()?;
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
        Ok(Chunk { bytes: bytes.into(), close })
    }
}

/// The order of the bounds of pages, given whether those of neighbours ascend.
pub(super) fn boundary_order(ascending: bool) -> BoundaryOrder {
    if ascending { BoundaryOrder::ASCENDING } else { BoundaryOrder::UNORDERED }
}
