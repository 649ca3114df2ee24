//! Whether the pages of a column chunk carry checksums.
//!
//! The reader verifies a page's CRC-32 where there is one, and does not say whether there was. So the page headers are
//! walked here: Thrift compact structs, of which only the sizes and the checksum matter.
//! Source: parquet.thrift and thrift-compact-protocol.md of the Apache Parquet and Thrift projects.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// A page header is read in steps of this; statistics in it can make it larger.
const STEP: usize = 256;
const LARGEST_HEADER: usize = 1 << 20;

/// Whether every page in the byte range of a column chunk carries a checksum. Anything strange is a no: the reader
/// will say what is wrong with it.
pub fn checksummed(file: &mut File, start: u64, length: u64) -> bool {
    let (mut at, Some(end)) = (start, start.checked_add(length)) else { return false };
    while at < end {
        let Some((header, size)) = read_header(file, at, end) else { return false };
        let Ok(page) = u64::try_from(header.compressed_size) else { return false };
        if !header.has_checksum {
            return false;
        }
        at = at.saturating_add(size as u64).saturating_add(page);
    }
    at == end && length > 0
}

#[derive(Debug, PartialEq, Eq)]
struct PageHeader {
    compressed_size: i64,
    has_checksum: bool,
}

fn read_header(file: &mut File, at: u64, end: u64) -> Option<(PageHeader, usize)> {
    let mut bytes = vec![];
    file.seek(SeekFrom::Start(at)).ok()?;
    let mut rest = (&*file).take(end - at);
    loop {
        let before = bytes.len();
        rest.by_ref().take(STEP.max(before) as u64).read_to_end(&mut bytes).ok()?;
        if let Some(found) = parse(&bytes) {
            return Some(found);
        }
        if bytes.len() == before || bytes.len() > LARGEST_HEADER {
            return None;
        }
    }
}

fn parse(bytes: &[u8]) -> Option<(PageHeader, usize)> {
    let mut thrift = Thrift { bytes, at: 0 };
    let (mut size, mut has_checksum) = (None, false);
    let mut field = 0;
    while let Some((id, kind)) = thrift.field(field)? {
        field = id;
        match (id, kind) {
            (3, I32) => size = Some(thrift.zigzag()?),
            (4, I32) => {
                thrift.zigzag()?;
                has_checksum = true;
            }
            _ => thrift.skip(kind, 8)?,
        }
    }
    Some((PageHeader { compressed_size: size?, has_checksum }, thrift.at))
}

const I32: u8 = 5;

/// A reader of the compact protocol; `None` is the end of the bytes or nonsense.
struct Thrift<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Thrift<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// The next field's id and type; `Some(None)` at the end of the struct.
    fn field(&mut self, last: i64) -> Option<Option<(i64, u8)>> {
        let head = self.byte()?;
        if head == 0 {
            return Some(None);
        }
        let id = match head >> 4 {
            0 => self.zigzag()?,
            delta => last.checked_add(i64::from(delta))?,
        };
        Some(Some((id, head & 0x0F)))
    }

    fn advance(&mut self, n: u64) -> Option<()> {
        let at = self.at.checked_add(usize::try_from(n).ok()?)?;
        (at <= self.bytes.len()).then(|| self.at = at)
    }

    fn skip(&mut self, kind: u8, depth: u8) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            1 | 2 => Some(()),
            3 => self.advance(1),
            4..=6 => self.varint().map(|_| ()),
            7 => self.advance(8),
            8 => {
                let n = self.varint()?;
                self.advance(n)
            }
            9 | 10 => {
                let head = self.byte()?;
                let n = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                match head & 0x0F {
                    // Inside a list a boolean takes a byte.
                    1 | 2 => self.advance(n),
                    kind => (0..n).try_for_each(|_| self.skip(kind, depth)),
                }
            }
            12 => {
                let mut last = 0;
                while let Some((id, kind)) = self.field(last)? {
                    last = id;
                    self.skip(kind, depth)?;
                }
                Some(())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_with_and_without_a_checksum() {
        // type = 0, uncompressed 100, compressed 50, crc 7, data_page_header { 1: 3 }
        let with = [0x15, 0x00, 0x15, 0xC8, 0x01, 0x15, 0x64, 0x15, 0x0E, 0x1C, 0x15, 0x06, 0x00, 0x00, 0xFF];
        assert_eq!(parse(&with), Some((PageHeader { compressed_size: 50, has_checksum: true }, 14)));
        let without = [0x15, 0x00, 0x15, 0xC8, 0x01, 0x15, 0x64, 0x2C, 0x15, 0x06, 0x00, 0x00];
        assert_eq!(parse(&without), Some((PageHeader { compressed_size: 50, has_checksum: false }, 12)));
    }

    #[test]
    fn nonsense_is_no_header() {
        for n in 0..14 {
            let with = [0x15, 0x00, 0x15, 0xC8, 0x01, 0x15, 0x64, 0x15, 0x0E, 0x1C, 0x15, 0x06, 0x00, 0x00];
            assert_eq!(parse(&with[..n]), None);
        }
        assert_eq!(parse(&[0xFF; 64]), None);
        assert_eq!(parse(&[0x1C; 4096]), None);
        // A list that claims 2^60 booleans.
        assert_eq!(parse(&[0x19, 0xF1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F]), None);
    }
}
