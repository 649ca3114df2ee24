//! A column chunk (one column of one row group), read page by page from the file.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, Type};
use parquet::file::metadata::ParquetMetaData;
use parquet::schema::types::ColumnDescPtr;

use super::decompress::{Decompressor, RATIO_SLACK, greatest_ratio};
use super::header::{BadHeader, PageHeader, PageKind};
use super::{ChunkFault, delta, size};

/// A page header is read in steps of this many bytes. Statistics can make it larger than one step.
const HEADER_STEP: u64 = 256;
const LARGEST_HEADER: u64 = 16 << 20;

#[derive(Clone, Debug)]
pub(crate) struct ColumnChunk {
    file: Arc<File>,
    start: u64,
    end: u64,
    codec: Compression,
    pub(super) column: ColumnDescPtr,
    /// Rows of the row group.
    pub(super) rows: u64,
}

/// The state of a walk over the pages of a chunk.
#[derive(Clone, Debug)]
pub(super) struct PagePosition {
    at: u64,
    /// Rows in the data pages so far.
    rows: u64,
    has_dictionary: bool,
    /// Bytes of the last header; kept so that it is allocated once.
    bytes: Vec<u8>,
}

/// A page whose header has been checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    pub header: PageHeader,
    /// Offset of its bytes in the file.
    start: u64,
    /// Bytes of the page after decompression.
    pub held: u64,
}

impl Page {
    /// Bytes of the page in the file. While it is decompressed they are in memory beside the decompressed ones.
    pub(super) fn compressed(&self) -> u64 {
        u64::from(self.header.compressed)
    }

    /// Rows of a data page, by its header.
    pub(super) fn rows(&self) -> u64 {
        match self.header.kind {
            PageKind::Data { values, .. } | PageKind::DataV2 { values, .. } => u64::from(values),
            PageKind::Dictionary { .. } | PageKind::Index => 0,
        }
    }

    pub(super) fn encoding(&self) -> Option<Encoding> {
        match self.header.kind {
            PageKind::Data { encoding, .. } | PageKind::DataV2 { encoding, .. } => Some(encoding),
            PageKind::Dictionary { .. } | PageKind::Index => None,
        }
    }
}

impl ColumnChunk {
    /// The chunk of a flat column in a row group. `leaf`: the column's index in the file. `length`: bytes of the file.
    ///
    /// # Errors
    /// The footer gives it a place outside of the file.
    pub(crate) fn new(
        metadata: &ParquetMetaData,
        group: usize,
        leaf: usize,
        file: Arc<File>,
        length: u64,
    ) -> Result<ColumnChunk, ChunkFault> {
        let group = metadata.row_group(group);
        let chunk = group.column(leaf);
        let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
        let place = u64::try_from(start).ok().zip(u64::try_from(chunk.compressed_size()).ok());
        let (start, bytes) = place.ok_or_else(|| ChunkFault::broken("its place in the file is negative"))?;
        let end = start.checked_add(bytes).filter(|end| *end <= length);
        let end = end.ok_or_else(|| ChunkFault::broken("its pages would lie beyond the end of the file"))?;
        Ok(ColumnChunk {
            file,
            start,
            end,
            codec: chunk.compression(),
            column: chunk.column_descr_ptr(),
            rows: u64::try_from(group.num_rows()).unwrap_or(0),
        })
    }

    pub(super) fn decompressor(&self) -> Result<Decompressor, ChunkFault> {
        Decompressor::new(self.codec).map_err(ChunkFault::Broken)
    }

    pub(super) fn begin(&self) -> PagePosition {
        PagePosition { at: self.start, rows: 0, has_dictionary: false, bytes: vec![] }
    }

    /// The next page, its header checked; `None` after the last one.
    pub(super) fn next_page(&self, position: &mut PagePosition) -> Result<Option<Page>, ChunkFault> {
        if position.at >= self.end {
            if position.rows < self.rows {
                return Err(ChunkFault::broken("it holds fewer rows than its footer says"));
            }
            return Ok(None);
        }
        let (header, length) = self.header(position)?;
        let start = position.at + length;
        let left = self.end.saturating_sub(start);
        if u64::from(header.compressed) > left {
            let claimed = size(u64::from(header.compressed));
            return Err(ChunkFault::broken(format!(
                "a page claims {claimed}, and {} are left of the column",
                size(left)
            )));
        }
        position.at = start + u64::from(header.compressed);
        let page = Page { header, start, held: self.held(&header)? };
        self.check_contents(&page, position)?;
        Ok(Some(page))
    }

    fn header(&self, position: &mut PagePosition) -> Result<(PageHeader, u64), ChunkFault> {
        let left = self.end - position.at;
        let mut length = HEADER_STEP.min(left);
        loop {
            position.bytes.resize(length as usize, 0);
            self.file.read_exact_at(&mut position.bytes, position.at).map_err(ChunkFault::Unreadable)?;
            match PageHeader::parse(&position.bytes) {
                Ok((header, length)) => return Ok((header, length as u64)),
                Err(BadHeader::Negative) => {
                    return Err(ChunkFault::broken(
                        "a page header claims a size or a count that is negative or too large",
                    ));
                }
                Err(BadHeader::Unreadable) if length < left.min(LARGEST_HEADER) => {
                    length = (length * 4).min(left).min(LARGEST_HEADER);
                }
                Err(BadHeader::Unreadable) => return Err(ChunkFault::broken("a page header cannot be understood")),
            }
        }
    }

    /// Bytes of a page after decompression, if the codec can pack them into the bytes that the file has of it.
    fn held(&self, header: &PageHeader) -> Result<u64, ChunkFault> {
        let (compressed, uncompressed) = (u64::from(header.compressed), u64::from(header.uncompressed));
        let levels = match header.kind {
            PageKind::DataV2 { definition_levels, repetition_levels, .. } => {
                u64::from(definition_levels) + u64::from(repetition_levels)
            }
            _ => 0,
        };
        let held = if self.is_compressed(header) { uncompressed } else { compressed };
        if levels > compressed || levels > held {
            return Err(ChunkFault::broken("a page claims more levels than it has bytes"));
        }
        let possible = (compressed - levels).saturating_mul(greatest_ratio(self.codec)).saturating_add(RATIO_SLACK);
        if held - levels > possible {
            let (held, codec) = (size(held), codec_name(self.codec));
            return Err(ChunkFault::broken(format!(
                "a page claims to hold {held}, which {codec} cannot pack into {compressed} bytes"
            )));
        }
        Ok(held)
    }

    fn is_compressed(&self, header: &PageHeader) -> bool {
        let flagged = !matches!(header.kind, PageKind::DataV2 { is_compressed: false, .. });
        flagged && self.codec != Compression::UNCOMPRESSED
    }

    fn check_contents(&self, page: &Page, position: &mut PagePosition) -> Result<(), ChunkFault> {
        match page.header.kind {
            PageKind::Dictionary { entries, .. } => {
                if std::mem::replace(&mut position.has_dictionary, true) {
                    return Err(ChunkFault::broken("it has two dictionaries"));
                }
                // Zero entries fit everywhere; an entry has at least one bit.
                let (entries, bits) = (u64::from(entries), self.least_bits());
                if entries.saturating_mul(bits) > page.held.saturating_mul(8) {
                    let held = size(page.held);
                    return Err(ChunkFault::broken(format!("its dictionary claims {entries} entries in {held}")));
                }
            }
            PageKind::Data { .. } | PageKind::DataV2 { .. } => {
                position.rows += page.rows();
                if position.rows > self.rows {
                    return Err(ChunkFault::broken("it holds more rows than its footer says"));
                }
                if let PageKind::DataV2 { values, nulls, .. } = page.header.kind
                    && nulls > values
                {
                    return Err(ChunkFault::broken(format!("a page claims {nulls} NULLs among {values} values")));
                }
            }
            PageKind::Index => {}
        }
        Ok(())
    }

    /// The fewest bits of a dictionary entry of this column.
    fn least_bits(&self) -> u64 {
        match self.column.physical_type() {
            Type::BOOLEAN => 1,
            // The length in front of a text.
            Type::INT32 | Type::FLOAT | Type::BYTE_ARRAY => 32,
            Type::INT64 | Type::DOUBLE => 64,
            Type::INT96 => 96,
            Type::FIXED_LEN_BYTE_ARRAY => u64::try_from(self.column.type_length()).unwrap_or(0).max(1) * 8,
        }
    }

    /// The bytes of a page, verified against its checksum and decompressed.
    pub(super) fn load(&self, page: &Page, decompressor: &mut Decompressor) -> Result<Bytes, ChunkFault> {
        let mut bytes = vec![0; page.header.compressed as usize];
        self.file.read_exact_at(&mut bytes, page.start).map_err(ChunkFault::Unreadable)?;
        if page.header.checksum.is_some_and(|expected| crc32fast::hash(&bytes) != expected) {
            return Err(ChunkFault::Damaged);
        }
        if !self.is_compressed(&page.header) {
            return Ok(bytes.into());
        }
        let levels = match page.header.kind {
            PageKind::DataV2 { definition_levels, repetition_levels, .. } => {
                definition_levels as usize + repetition_levels as usize
            }
            _ => 0,
        };
        let (plain, packed) = bytes.split_at(levels);
        let held = decompressor.decompress(plain, packed, page.held as usize - levels).map_err(ChunkFault::Broken)?;
        Ok(held.into())
    }

    /// How many bytes the texts of a loaded page take in memory beyond the page itself. Only the DELTA encodings, whose
    /// pages say by themselves how many texts they hold, take any.
    pub(super) fn texts_beside(&self, page: &Page, held: &[u8]) -> Result<u64, ChunkFault> {
        let of_texts = self.column.physical_type() == Type::BYTE_ARRAY;
        let values =
            || self.values(page, held).ok_or_else(|| ChunkFault::broken("the levels of a page cannot be understood"));
        match page.encoding() {
            Some(Encoding::DELTA_LENGTH_BYTE_ARRAY) if of_texts => match delta::claimed(values()?) {
                Some(count) if count <= page.rows() => Ok(0),
                Some(count) => {
                    Err(ChunkFault::broken(format!("a page of {} rows claims {count} lengths of texts", page.rows())))
                }
                None => Err(ChunkFault::broken("the lengths of a page's texts cannot be understood")),
            },
            Some(Encoding::DELTA_BYTE_ARRAY) => delta::written_out(values()?, page.rows())
                .ok_or_else(|| ChunkFault::broken("the lengths of a page's texts cannot be understood")),
            _ => Ok(0),
        }
    }

    /// The values of a data page, which begin behind its levels.
    fn values<'a>(&self, page: &Page, held: &'a [u8]) -> Option<&'a [u8]> {
        let start = match page.header.kind {
            PageKind::DataV2 { definition_levels, repetition_levels, .. } => {
                definition_levels as usize + repetition_levels as usize
            }
            PageKind::Data { .. } if self.column.max_def_level() == 0 => 0,
            PageKind::Data { definition_levels: Encoding::RLE, .. } => {
                let length = held.first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes))?;
                4 + length as usize
            }
            // Bits, one a value.
            PageKind::Data { values, .. } => (values as usize).div_ceil(8),
            PageKind::Dictionary { .. } | PageKind::Index => return None,
        };
        held.get(start..)
    }
}

fn codec_name(codec: Compression) -> &'static str {
    match codec {
        Compression::UNCOMPRESSED => "no codec",
        Compression::SNAPPY => "snappy",
        Compression::GZIP(_) => "gzip",
        Compression::LZO => "LZO",
        Compression::BROTLI(_) => "brotli",
        Compression::LZ4 | Compression::LZ4_RAW => "LZ4",
        Compression::ZSTD(_) => "zstd",
    }
}
