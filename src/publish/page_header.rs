//! Page headers of the Parquet format, with the page checksum, which the `parquet` crate's own page writer does not write.
//!
//! A header is a struct `PageHeader` of the format's `parquet.thrift` in Thrift's compact protocol. Only the two kinds
//! that we write are known here: dictionary pages, and data pages of version 1.

use parquet::basic::Encoding;
use parquet::errors::Result;

use crate::leb128;

/// What a page holds.
#[derive(Clone, Copy)]
pub(super) enum PageContent {
    /// The dictionary of a column chunk; its values are encoded PLAIN.
    Dictionary,
    /// Levels and values of rows.
    Rows(Encoding),
}

/// The header of a page. `compressed`: the bytes that follow it in the file; `uncompressed`: how many they were before.
///
/// # Errors
/// A page of 2 GiB or more.
pub(super) fn page_header(
    content: PageContent,
    values: usize,
    uncompressed: usize,
    compressed: &[u8],
) -> Result<Vec<u8>> {
    let values = i32::try_from(values)?;
    let page_type = match content {
        PageContent::Rows(_) => 0,
        PageContent::Dictionary => 2,
    };
    let mut header = ThriftStruct::default();
    header.int(1, page_type);
    header.int(2, i32::try_from(uncompressed)?);
    header.int(3, i32::try_from(compressed.len())?);
    // The format asks for the CRC-32 of zlib over the bytes as they lie in the file, as a signed number.
    header.int(4, crc32fast::hash(compressed).cast_signed());
    let mut inner = ThriftStruct::default();
    inner.int(1, values);
    match content {
        PageContent::Rows(encoding) => {
            inner.int(2, number(encoding));
            inner.int(3, number(Encoding::RLE)); // of definition levels
            inner.int(4, number(Encoding::RLE)); // of repetition levels
            header.nested(5, inner);
        }
        PageContent::Dictionary => {
            inner.int(2, number(Encoding::PLAIN));
            header.nested(7, inner);
        }
    }
    Ok(header.finish())
}

/// The number of an encoding in `parquet.thrift`.
fn number(encoding: Encoding) -> i32 {
    encoding as i32
}

/// Types of Thrift's compact protocol.
const I32: u8 = 5;
const STRUCT: u8 = 12;

/// A struct in Thrift's compact protocol. Fields are appended in the order of their numbers.
#[derive(Default)]
struct ThriftStruct {
    bytes: Vec<u8>,
    last: u8,
}

impl ThriftStruct {
    fn field(&mut self, id: u8, kind: u8) {
        // The distance to the field before and the type share a byte; distances here are below 16.
        self.bytes.push((id - self.last) << 4 | kind);
        self.last = id;
    }

    fn int(&mut self, id: u8, value: i32) {
        self.field(id, I32);
        // Zigzag: small numbers of either sign take few bytes.
        leb128::put((value << 1 ^ value >> 31).cast_unsigned().into(), &mut self.bytes);
    }

    fn nested(&mut self, id: u8, inner: ThriftStruct) {
        self.field(id, STRUCT);
        self.bytes.extend(inner.finish());
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes.push(0);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_the_bytes_of_the_format() {
        // The check value of this CRC: "123456789" gives cbf43926, which as a signed number is negative.
        let crc = 0xcbf4_3926_u32.cast_signed();
        let zigzag = (crc << 1 ^ crc >> 31).cast_unsigned();
        let varint: Vec<u8> = (0..5).map(|i| (zigzag >> (7 * i)) as u8 & 0x7f | if i < 4 { 0x80 } else { 0 }).collect();
        let header = page_header(PageContent::Dictionary, 70, 300, b"123456789").unwrap();
        let start = [0x15, 4, 0x15, 0xd8, 0x04, 0x15, 18, 0x15];
        let end = [0x3c, 0x15, 0x8c, 0x01, 0x15, 0, 0, 0];
        assert_eq!(header, [&start[..], &varint, &end[..]].concat());
        let header = page_header(PageContent::Rows(Encoding::RLE_DICTIONARY), 1, 0, b"").unwrap();
        assert_eq!(header, [0x15, 0, 0x15, 0, 0x15, 0, 0x15, 0, 0x1c, 0x15, 2, 0x15, 16, 0x15, 6, 0x15, 6, 0, 0]);
    }

    #[test]
    fn a_page_of_two_gibibytes_is_refused() {
        assert!(page_header(PageContent::Dictionary, 1, 1 << 31, b"").is_err());
        assert!(page_header(PageContent::Dictionary, 1 << 31, 1, b"").is_err());
    }
}
