//! Splits a batch into pieces whose texts are not too large when they are written out row by row.
//!
//! A text of a megabyte that is once in a dictionary costs nothing to repeat in every row. An expression that joins it with
//! another, or upper-cases it, writes it out for each row.

use std::ops::Range;

use arrow::array::{ArrayRef, AsArray};

/// Ranges of rows whose texts take at most `most` bytes together, or a single row. Every column has `rows` rows.
pub(super) fn pieces(columns: &[ArrayRef], rows: usize, most: u64) -> Vec<Range<usize>> {
    // The lower half of a view is the length of its text.
    let views: Vec<&[u128]> = columns.iter().filter_map(|c| Some(c.as_string_view_opt()?.views().as_ref())).collect();
    let length = |views: &&[u128], row: usize| u64::from(views[row] as u32);
    let all: u64 = views.iter().flat_map(|views| views.iter().map(|view| u64::from(*view as u32))).sum();
    if all <= most {
        return vec![0..rows];
    }
    let (mut pieces, mut start, mut bytes) = (vec![], 0, 0);
    for row in 0..rows {
        let own: u64 = views.iter().map(|views| length(views, row)).sum();
        if row > start && bytes + own > most {
            pieces.push(start..row);
            (start, bytes) = (row, 0);
        }
        bytes += own;
    }
    pieces.push(start..rows);
    pieces
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use arrow::array::{Int64Array, StringViewArray};

    #[test]
    fn pieces_cover_the_rows_and_hold_at_most_so_much_text() {
        let lengths = [5, 0, 300, 7, 7, 20, 20, 1];
        let texts: ArrayRef = Arc::new(StringViewArray::from_iter_values(lengths.map(|n| "x".repeat(n))));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1; 8]));
        let columns = [numbers.clone(), texts.clone()];
        assert_eq!(pieces(&columns, 8, 360), [0..8]);
        assert_eq!(pieces(&columns, 8, 40), [0..2, 2..3, 3..6, 6..8]);
        assert_eq!(pieces(&columns, 8, 0).len(), 8);
        assert_eq!(pieces(&[texts.clone(), texts], 8, 80), [0..2, 2..3, 3..6, 6..8]);
        assert_eq!(pieces(&[numbers], 8, 0), [0..8]);
        assert_eq!(pieces(&[], 8, 0), [0..8]);
    }
}
