//! The lengths of texts in the DELTA encodings.
//!
//! A page may claim any number of lengths, and in DELTA_BYTE_ARRAY each text may repeat what the one before it holds, so
//! that a page of a few bytes stands for gigabytes. What a page really stands for is found here, before the `parquet`
//! crate allocates anything for it.
//!
//! Source: Encodings.md of the Apache Parquet format (DELTA_BINARY_PACKED, DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY).

use crate::leb128;

/// How many integers a DELTA_BINARY_PACKED sequence claims.
pub(super) fn claimed(bytes: &[u8]) -> Option<u64> {
    Some(Header::read(bytes)?.0.count)
}

/// How many bytes the texts of a DELTA_BYTE_ARRAY page take when they are written out, if it has at most `most` of them;
/// `None` if it has more or is broken.
pub(super) fn written_out(bytes: &[u8], most: u64) -> Option<u64> {
    let mut prefixes = vec![];
    let behind = lengths(bytes, most, &mut prefixes)?;
    let mut suffixes = vec![];
    lengths(bytes.get(behind..)?, most, &mut suffixes)?;
    if prefixes.len() != suffixes.len() {
        return None;
    }
    let mut length = 0u64;
    prefixes.iter().zip(&suffixes).try_fold(0u64, |sum, (prefix, suffix)| {
        // A prefix longer than the text before it is that text.
        length = length.min(u64::try_from(*prefix).ok()?) + u64::try_from(*suffix).ok()?;
        sum.checked_add(length)
    })
}

struct Header {
    mini_blocks: u64,
    values_per_mini_block: u64,
    count: u64,
    first: i64,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<(Header, usize)> {
        let mut at = 0;
        let block = leb128::read(bytes, &mut at)?;
        let mini_blocks = leb128::read(bytes, &mut at)?;
        let count = leb128::read(bytes, &mut at)?;
        let first = zigzag(leb128::read(bytes, &mut at)?);
        let values_per_mini_block = block.checked_div(mini_blocks)?;
        (values_per_mini_block > 0).then_some((Header { mini_blocks, values_per_mini_block, count, first }, at))
    }
}

/// Decodes a DELTA_BINARY_PACKED sequence of at most `most` 32-bit integers; how many bytes it takes.
fn lengths(bytes: &[u8], most: u64, out: &mut Vec<i32>) -> Option<usize> {
    let (header, mut at) = Header::read(bytes)?;
    if header.count > most {
        return None;
    }
    if header.count == 0 {
        return Some(at);
    }
    let mut value = header.first as i32;
    out.push(value);
    let mut left = header.count - 1;
    while left > 0 {
        let least = zigzag(leb128::read(bytes, &mut at)?) as i32;
        let widths_end = at.checked_add(usize::try_from(header.mini_blocks).ok()?)?;
        let widths = bytes.get(at..widths_end)?;
        at = widths_end;
        for width in widths {
            if left == 0 {
                // Mini blocks behind the last value have a width but no bytes.
                break;
            }
            let width = u64::from(*width);
            if width > 32 {
                return None;
            }
            let size = usize::try_from(header.values_per_mini_block.checked_mul(width)?.div_ceil(8)).ok()?;
            let end = at.checked_add(size)?;
            let packed = bytes.get(at..end)?;
            at = end;
            for i in 0..left.min(header.values_per_mini_block) {
                let delta = unpacked(packed, i * width, width);
                value = value.wrapping_add(least).wrapping_add(delta as i32);
                out.push(value);
            }
            left -= left.min(header.values_per_mini_block);
        }
    }
    Some(at)
}

/// `width` bits from bit `start` on; bits count from the least.
fn unpacked(bytes: &[u8], start: u64, width: u64) -> u32 {
    let first = (start / 8) as usize;
    let mut word = [0; 8];
    let held = bytes.len().saturating_sub(first).min(8);
    word[..held].copy_from_slice(&bytes[first..first + held]);
    ((u64::from_le_bytes(word) >> (start % 8)) & ((1 << width) - 1)) as u32
}

fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, RecordBatch, StringArray};
    use parquet::arrow::ArrowWriter;
    use parquet::basic::Encoding;
    use parquet::file::properties::WriterProperties;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use std::sync::Arc;

    /// The first data page of a required column of texts, as the crate writes it.
    fn page(texts: &[String], encoding: Encoding) -> bytes::Bytes {
        let array: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
        let batch = RecordBatch::try_from_iter_with_nullable([("x", array, false)]).unwrap();
        let properties = WriterProperties::builder().set_dictionary_enabled(false).set_encoding(encoding).build();
        let mut file = vec![];
        let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let reader = SerializedFileReader::new(bytes::Bytes::from(file)).unwrap();
        let mut pages = reader.get_row_group(0).unwrap().get_column_page_reader(0).unwrap();
        pages.get_next_page().unwrap().unwrap().buffer().clone()
    }

    #[test]
    fn texts_are_as_long_as_the_crate_wrote_them() {
        for n in [1usize, 2, 32, 33, 129, 5000] {
            let texts: Vec<String> = (0..n).map(|i| format!("{}/{i:0>w$}", "path".repeat(i % 40), w = i % 7)).collect();
            let total: usize = texts.iter().map(String::len).sum();
            let shared = page(&texts, Encoding::DELTA_BYTE_ARRAY);
            assert_eq!(written_out(&shared, n as u64), Some(total as u64), "{n}");
            assert_eq!(written_out(&shared, n as u64 - 1), None);
            assert_eq!(claimed(&page(&texts, Encoding::DELTA_LENGTH_BYTE_ARRAY)), Some(n as u64));
        }
    }

    #[test]
    fn nonsense_has_no_length() {
        let texts: Vec<String> = (0..300).map(|i| format!("text {i}")).collect();
        let whole = page(&texts, Encoding::DELTA_BYTE_ARRAY);
        for n in 0..whole.len() {
            // The texts themselves are not looked at.
            let _ = written_out(&whole[..n], 300);
            let mut flipped = whole.to_vec();
            flipped[n] ^= 0x80;
            let _ = written_out(&flipped, 300);
        }
        assert_eq!(written_out(&[0; 16], 300), None);
        assert_eq!(written_out(&[0xFF; 64], 300), None);
    }
}
