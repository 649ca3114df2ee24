//! A walk over the page headers of a column chunk before any page is decoded: how much memory reading takes.

use parquet::basic::{Encoding, Type};

use super::ChunkFault;
use super::chunk::{ColumnChunk, Page};
use super::header::PageKind;

/// Neighbouring pages count as one up to this many bytes, so that a survey of many small pages stays small.
const SMALL: u64 = 64 << 10;
/// Bytes of a string view: the length of a text and its place.
const VIEW: u64 = 16;

/// What the page headers of a column chunk say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Survey {
    /// Whether there are pages and all of them have checksums.
    pub checksummed: bool,
    /// Bytes of the dictionary: its page, and the entries as the decoder keeps them.
    dictionary: u64,
    /// The most bytes of a page, in the file and in memory.
    pub(super) largest_compressed: u64,
    pub(super) largest_held: u64,
    /// Bytes that the lengths of texts take while a page is decoded.
    lengths: u64,
    /// For columns of texts: the data pages in order, small ones together. A batch keeps the pages that its texts lie in.
    pages: Vec<Stretch>,
    /// Bytes of a value in memory, for other types.
    width: u64,
    /// Whether a text is copied for each row instead of being pointed to.
    copies: bool,
}

#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// Rows of the chunk up to the end of the stretch.
    rows_to_end: u64,
    bytes: u64,
}

impl ColumnChunk {
    /// Walks the page headers. `copies`: whether texts are copied for each row. `budget`: the most bytes that reading may take.
    ///
    /// # Errors
    /// A page claims more than its bytes can hold, or the chunk is otherwise not what its footer says; a page does not fit
    /// the budget by itself.
    pub(crate) fn survey(&self, copies: bool, budget: u64) -> Result<Survey, ChunkFault> {
        let of_texts = self.column.physical_type() == Type::BYTE_ARRAY;
        let mut survey = Survey { checksummed: true, copies, width: self.width(), ..Survey::default() };
        let mut decompressor = None;
        let mut position = self.begin();
        let mut any = false;
        while let Some(page) = self.next_page(&mut position)? {
            any = true;
            survey.checksummed &= page.header.checksum.is_some();
            survey.largest_compressed = survey.largest_compressed.max(page.compressed());
            survey.largest_held = survey.largest_held.max(page.held);
            let lengths = match page.encoding() {
                // Two lists of lengths, which grow by doubling.
                Some(Encoding::DELTA_BYTE_ARRAY) => 16 * page.rows(),
                Some(Encoding::DELTA_LENGTH_BYTE_ARRAY) => 4 * page.rows(),
                _ => 0,
            };
            survey.lengths = survey.lengths.max(lengths);
            let alone = page.compressed() + page.held + lengths;
            if alone > budget {
                return Err(ChunkFault::TooLarge(alone));
            }
            if let PageKind::Dictionary { entries, .. } = page.header.kind {
                survey.dictionary = page.held + u64::from(entries) * survey.width;
            } else if of_texts || page.encoding() == Some(Encoding::DELTA_BYTE_ARRAY) {
                let beside = if page.encoding() == Some(Encoding::DELTA_BYTE_ARRAY) {
                    let decompressor = match &mut decompressor {
                        Some(decompressor) => decompressor,
                        empty => empty.insert(self.decompressor()?),
                    };
                    self.texts_beside(&page, &self.load(&page, decompressor)?)?
                } else {
                    0
                };
                survey.add(&page, beside);
            }
        }
        survey.checksummed &= any;
        Ok(survey)
    }

    /// Bytes of a value in memory.
    fn width(&self) -> u64 {
        match self.column.physical_type() {
            Type::BOOLEAN => 1,
            Type::INT32 | Type::FLOAT => 4,
            Type::INT64 | Type::DOUBLE => 8,
            Type::BYTE_ARRAY | Type::INT96 => VIEW,
            // As it is, and as the decimal that it becomes.
            Type::FIXED_LEN_BYTE_ARRAY => u64::try_from(self.column.type_length()).unwrap_or(0) + 32,
        }
    }
}

impl Survey {
    fn add(&mut self, page: &Page, beside: u64) {
        let before = self.pages.last().map_or(0, |last| last.rows_to_end);
        // No budget is larger than this; without the bound the sums could overflow.
        let bytes = page.held + beside.min(1 << 40);
        let next = Stretch { rows_to_end: before + page.rows(), bytes };
        match self.pages.last_mut() {
            Some(last) if last.bytes + bytes <= SMALL => *last = Stretch { bytes: last.bytes + bytes, ..next },
            _ => self.pages.push(next),
        }
    }

    /// The bytes in memory at a time if batches of `batch_rows` rows are read.
    pub(crate) fn memory(&self, batch_rows: u64) -> u64 {
        // A validity bit and a level.
        let values = batch_rows.saturating_mul(self.width + 1);
        let pages = if self.pages.is_empty() { self.largest_held } else { self.greatest_window(batch_rows) };
        let copied = if self.copies { batch_rows.saturating_mul(self.dictionary) } else { 0 };
        [self.dictionary, self.largest_compressed, self.lengths, values, copied]
            .into_iter()
            .fold(pages, u64::saturating_add)
    }

    /// The most bytes of the pages that any `rows` consecutive rows lie in.
    fn greatest_window(&self, rows: u64) -> u64 {
        let (mut first, mut bytes, mut greatest) = (0, 0, 0);
        for (i, last) in self.pages.iter().enumerate() {
            bytes += last.bytes;
            // The rows include at least one of the first page, one of the last, and all of those between.
            while first < i && self.pages[i - 1].rows_to_end - self.pages[first].rows_to_end + 2 > rows {
                bytes -= self.pages[first].bytes;
                first += 1;
            }
            greatest = greatest.max(bytes);
        }
        greatest
    }
}

/// How many rows to read at a time, at most `most`, so that all columns together take at most `budget` bytes.
///
/// # Errors
/// Not even one row at a time fits.
pub(crate) fn batch_rows(surveys: &[Survey], most: u64, budget: u64) -> Result<u64, ChunkFault> {
    let needed = |rows: u64| surveys.iter().map(|s| s.memory(rows)).fold(0, u64::saturating_add);
    let mut rows = most.max(1);
    while needed(rows) > budget {
        if rows == 1 {
            return Err(ChunkFault::TooLarge(needed(1)));
        }
        rows /= 2;
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of texts, with pages of (rows, bytes).
    fn texts(pages: &[(u64, u64)]) -> Survey {
        let mut rows_to_end = 0;
        let pages = pages.iter().map(|(rows, bytes)| {
            rows_to_end += rows;
            Stretch { rows_to_end, bytes: *bytes }
        });
        Survey { pages: pages.collect(), width: VIEW, ..Survey::default() }
    }

    #[test]
    fn a_batch_takes_the_pages_that_its_rows_lie_in() {
        let survey = texts(&[(10, 100), (10, 7000), (1, 50), (10, 300), (0, 9), (10, 200)]);
        let windows = [1, 2, 3, 11, 12, 13, 41].map(|rows| survey.greatest_window(rows));
        assert_eq!(windows, [7000, 7100, 7350, 7350, 7350, 7559, 7659]);
        assert_eq!(texts(&[]).greatest_window(5), 0);
    }

    #[test]
    fn windows_are_bounds_of_every_batch() {
        let pages: Vec<(u64, u64)> = (0..200u64).map(|i| (i * 7919 % 13, 1 + i * 104_729 % 1000)).collect();
        let survey = texts(&pages);
        let total: u64 = pages.iter().map(|(rows, _)| rows).sum();
        let page_of: Vec<usize> = pages.iter().enumerate().flat_map(|(i, (rows, _))| vec![i; *rows as usize]).collect();
        for batch in [1u64, 2, 5, 12, 13, 14, 100, total] {
            let bound = survey.greatest_window(batch);
            for start in 0..total {
                let end = (start + batch).min(total) - 1;
                let touched = page_of[start as usize]..=page_of[end as usize];
                let bytes: u64 = pages[touched].iter().map(|(_, bytes)| bytes).sum();
                assert!(bytes <= bound, "{batch} rows from {start}");
            }
        }
    }

    #[test]
    fn batches_shrink_until_they_fit() {
        let megabyte = texts(&vec![(1, 1 << 20); 4096]);
        let numbers = Survey { width: 8, largest_held: 1 << 20, ..Survey::default() };
        let both = [megabyte, numbers];
        assert_eq!(batch_rows(&both, 32_768, 1 << 40).unwrap(), 32_768);
        assert_eq!(batch_rows(&both, 32_768, 40 << 20).unwrap(), 32);
        assert_eq!(batch_rows(&both, 10, 40 << 20).unwrap(), 10);
        assert_eq!(batch_rows(&both, 32_768, 3 << 20).unwrap(), 1);
        assert!(matches!(batch_rows(&both, 32_768, 1 << 20), Err(ChunkFault::TooLarge(_))));
    }
}
