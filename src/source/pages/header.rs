//! The header of a page: what the page is, and how large it says it is.
//!
//! Source: parquet.thrift of the Apache Parquet project.

use parquet::basic::Encoding;

use crate::source::thrift::{Thrift, kind};

/// A page header. Sizes are as the file claims them; nothing is checked but that the header makes sense by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageHeader {
    /// Bytes of the page in the file, without this header.
    pub compressed: u32,
    /// Bytes of the page after decompression.
    pub uncompressed: u32,
    /// CRC-32 of the page's bytes in the file.
    pub checksum: Option<u32>,
    pub kind: PageKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PageKind {
    Data {
        values: u32,
        encoding: Encoding,
        definition_levels: Encoding,
        repetition_levels: Encoding,
    },
    DataV2 {
        values: u32,
        nulls: u32,
        rows: u32,
        encoding: Encoding,
        /// Bytes of levels, which are never compressed.
        definition_levels: u32,
        repetition_levels: u32,
        is_compressed: bool,
    },
    Dictionary {
        entries: u32,
        encoding: Encoding,
        is_sorted: bool,
    },
    /// Not used by any writer; passed over.
    Index,
}

/// What is wrong with a page header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadHeader {
    /// The bytes end before the header does, or make no sense.
    Unreadable,
    /// A size or a count is negative or no 32-bit number.
    Negative,
}

impl PageHeader {
    /// The header at the beginning of `bytes`, and how many bytes it takes.
    pub(super) fn parse(bytes: &[u8]) -> Result<(PageHeader, usize), BadHeader> {
        let mut thrift = Thrift::new(bytes);
        let raw = raw(&mut thrift).ok_or(BadHeader::Unreadable)?;
        let sub = |found: Option<Fields>| found.ok_or(BadHeader::Unreadable);
        let kind = match raw.own.get(1)? {
            0 => {
                let data = sub(raw.data)?;
                PageKind::Data {
                    values: data.count(1)?,
                    encoding: data.encoding(2)?,
                    definition_levels: data.encoding(3)?,
                    repetition_levels: data.encoding(4)?,
                }
            }
            1 => PageKind::Index,
            2 => {
                let dictionary = sub(raw.dictionary)?;
                PageKind::Dictionary {
                    entries: dictionary.count(1)?,
                    encoding: dictionary.encoding(2)?,
                    is_sorted: dictionary.flag(3).unwrap_or(false),
                }
            }
            3 => {
                let data = sub(raw.data_v2)?;
                PageKind::DataV2 {
                    values: data.count(1)?,
                    nulls: data.count(2)?,
                    rows: data.count(3)?,
                    encoding: data.encoding(4)?,
                    definition_levels: data.count(5)?,
                    repetition_levels: data.count(6)?,
                    is_compressed: data.flag(7).unwrap_or(true),
                }
            }
            _ => return Err(BadHeader::Unreadable),
        };
        let header = PageHeader {
            uncompressed: raw.own.count(2)?,
            compressed: raw.own.count(3)?,
            checksum: raw.own.values[4].map(|crc| crc as u32),
            kind,
        };
        Ok((header, thrift.position()))
    }
}

/// The integers and booleans of a struct by field id; none of those that matter has a higher one.
#[derive(Clone, Copy, Debug, Default)]
struct Fields {
    values: [Option<i64>; 8],
    flags: [Option<bool>; 8],
}

impl Fields {
    fn get(&self, id: usize) -> Result<i64, BadHeader> {
        self.values[id].ok_or(BadHeader::Unreadable)
    }

    /// A size or count: 31 bits.
    fn count(&self, id: usize) -> Result<u32, BadHeader> {
        i32::try_from(self.get(id)?).ok().and_then(|n| u32::try_from(n).ok()).ok_or(BadHeader::Negative)
    }

    fn flag(&self, id: usize) -> Option<bool> {
        self.flags[id]
    }

    fn encoding(&self, id: usize) -> Result<Encoding, BadHeader> {
        Ok(match self.get(id)? {
            0 => Encoding::PLAIN,
            2 => Encoding::PLAIN_DICTIONARY,
            3 => Encoding::RLE,
            #[expect(deprecated, reason = "levels of old files are written so")]
            4 => Encoding::BIT_PACKED,
            5 => Encoding::DELTA_BINARY_PACKED,
            6 => Encoding::DELTA_LENGTH_BYTE_ARRAY,
            7 => Encoding::DELTA_BYTE_ARRAY,
            8 => Encoding::RLE_DICTIONARY,
            9 => Encoding::BYTE_STREAM_SPLIT,
            _ => return Err(BadHeader::Unreadable),
        })
    }
}

#[derive(Default)]
struct Raw {
    own: Fields,
    data: Option<Fields>,
    dictionary: Option<Fields>,
    data_v2: Option<Fields>,
}

fn raw(thrift: &mut Thrift<'_>) -> Option<Raw> {
    let mut raw = Raw::default();
    let mut last = 0;
    while let Some((id, kind)) = thrift.field(last)? {
        last = id;
        match (id, kind) {
            (5, kind::STRUCT) => raw.data = Some(fields(thrift)?),
            (7, kind::STRUCT) => raw.dictionary = Some(fields(thrift)?),
            (8, kind::STRUCT) => raw.data_v2 = Some(fields(thrift)?),
            (1..=4, kind::I32) => raw.own.values[id as usize] = Some(thrift.integer()?),
            _ => thrift.skip(kind)?,
        }
    }
    Some(raw)
}

fn fields(thrift: &mut Thrift<'_>) -> Option<Fields> {
    let mut fields = Fields::default();
    let mut last = 0;
    while let Some((id, kind)) = thrift.field(last)? {
        last = id;
        match (id, kind) {
            (1..=7, kind::I32) => fields.values[id as usize] = Some(thrift.integer()?),
            (1..=7, kind::TRUE | kind::FALSE) => fields.flags[id as usize] = Some(kind == kind::TRUE),
            _ => thrift.skip(kind)?,
        }
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// type = data, uncompressed 100, compressed 50, crc 7, data_page_header { values 3, PLAIN, RLE, RLE }.
    const HEADER: [u8; 20] = [
        0x15, 0x00, 0x15, 0xC8, 0x01, 0x15, 0x64, 0x15, 0x0E, 0x1C, 0x15, 0x06, 0x15, 0x00, 0x15, 0x06, 0x15, 0x06, 0,
        0,
    ];

    #[test]
    fn a_data_page_says_its_sizes_and_its_checksum() {
        let kind = PageKind::Data {
            values: 3,
            encoding: Encoding::PLAIN,
            definition_levels: Encoding::RLE,
            repetition_levels: Encoding::RLE,
        };
        let header = PageHeader { compressed: 50, uncompressed: 100, checksum: Some(7), kind };
        let with_more = [&HEADER[..], &[0xFF]].concat();
        assert_eq!(PageHeader::parse(&with_more), Ok((header, 20)));
        let without: Vec<u8> = [&HEADER[..7], &[0x2C], &HEADER[10..]].concat();
        assert_eq!(PageHeader::parse(&without), Ok((PageHeader { checksum: None, ..header }, 18)));
    }

    #[test]
    fn nonsense_is_no_header() {
        for n in 0..HEADER.len() {
            assert_eq!(PageHeader::parse(&HEADER[..n]), Err(BadHeader::Unreadable));
        }
        assert!(PageHeader::parse(&[0xFF; 64]).is_err());
        assert!(PageHeader::parse(&[0x1C; 4096]).is_err());
        let mut negative = HEADER;
        negative[6] = 0x65;
        assert_eq!(PageHeader::parse(&negative), Err(BadHeader::Negative));
        let mut encoding = HEADER;
        encoding[13] = 0x02;
        assert_eq!(PageHeader::parse(&encoding), Err(BadHeader::Unreadable));
    }
}
