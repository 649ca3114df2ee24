//! Parquet's hybrid encoding of runs and of groups of eight bit-packed numbers, in which definition levels and dictionary
//! codes are written.
//!
//! Source: the specification of Parquet, "Run Length Encoding / Bit-Packing Hybrid (RLE = 3)".

use crate::leb128;

/// Numbers of a group.
const GROUP: usize = 8;

/// Bits that the numbers below `count` take; at least one, since readers disagree about a width of 0.
pub(super) fn width(count: usize) -> u32 {
    (usize::BITS - count.saturating_sub(1).leading_zeros()).max(1)
}

/// Appends numbers below 2^`width`: repeated numbers as runs, the others bit-packed.
pub(super) fn put(numbers: &[u32], width: u32, into: &mut Vec<u8>) {
    let (mut packed_from, mut at) = (0, 0);
    while let Some(group) = numbers[at..].first_chunk::<GROUP>() {
        if group.iter().any(|n| *n != group[0]) {
            at += GROUP;
            continue;
        }
        let run = numbers[at..].iter().take_while(|n| **n == group[0]).count();
        pack(&numbers[packed_from..at], width, into);
        put_run(group[0], run, width, into);
        at += run;
        packed_from = at;
    }
    pack(&numbers[packed_from..], width, into);
}

/// Appends a run: `number`, `count` times.
pub(super) fn put_run(number: u32, count: usize, width: u32, into: &mut Vec<u8>) {
    leb128::put((count as u64) << 1, into);
    into.extend_from_slice(&number.to_le_bytes()[..width.div_ceil(8) as usize]);
}

fn pack(numbers: &[u32], width: u32, into: &mut Vec<u8>) {
    if numbers.is_empty() {
        return;
    }
    let groups = numbers.len().div_ceil(GROUP);
    leb128::put((groups as u64) << 1 | 1, into);
    let bytes = width as usize;
    let mut end = into.len();
    into.resize(end + groups * bytes + WORD, 0);
    let mut put = |group: &[u32; GROUP]| {
        let (first, second) = if width <= NARROW { (narrow(group, width), 0) } else { wide(group, width) };
        into[end..end + WORD].copy_from_slice(&first.to_le_bytes());
        if bytes > WORD {
            into[end + WORD..end + bytes].copy_from_slice(&second.to_le_bytes()[..bytes - WORD]);
        }
        end += bytes;
    };
    let (whole, rest) = numbers.as_chunks::<GROUP>();
    whole.iter().for_each(&mut put);
    if !rest.is_empty() {
        let mut last = [0; GROUP];
        last[..rest.len()].copy_from_slice(rest);
        put(&last);
    }
    into.truncate(end);
}

/// Bytes written at a time.
const WORD: usize = 16;
/// Bits of which four numbers fill 64 at most.
const NARROW: u32 = 16;

/// A group in one word.
fn narrow(group: &[u32; GROUP], width: u32) -> u128 {
    let half = |of: &[u32]| of.iter().rev().fold(0u64, |sum, n| sum << width | u64::from(*n));
    let (low, high) = group.split_at(GROUP / 2);
    u128::from(half(low)) | u128::from(half(high)) << (width * 4)
}

/// A group in two words.
fn wide(group: &[u32; GROUP], width: u32) -> (u128, u128) {
    let half = |of: &[u32]| of.iter().rev().fold(0u128, |sum, n| sum << width | u128::from(*n));
    let (low, high) = group.split_at(GROUP / 2);
    let (low, high, shift) = (half(low), half(high), width * 4);
    (low | high.checked_shl(shift).unwrap_or(0), high >> (u128::BITS - shift))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As the specification has it, bit by bit.
    fn read(mut bytes: &[u8], width: u32, count: usize) -> Vec<u32> {
        let mut numbers = vec![];
        while !bytes.is_empty() {
            let (mut header, mut shift) = (0u64, 0);
            loop {
                let byte = bytes[0];
                bytes = &bytes[1..];
                header |= u64::from(byte & 0x7f) << shift;
                shift += 7;
                if byte < 0x80 {
                    break;
                }
            }
            if header & 1 == 0 {
                let n = width.div_ceil(8) as usize;
                let value = bytes[..n].iter().rev().fold(0, |sum, b| sum << 8 | u32::from(*b));
                numbers.extend((0..header >> 1).map(|_| value));
                bytes = &bytes[n..];
            } else {
                let n = (header >> 1) as usize * width as usize;
                let bit = |i: usize| u32::from(bytes[i / 8] >> (i % 8) & 1);
                let number = |i: usize| (0..width as usize).map(|b| bit(i * width as usize + b) << b).sum::<u32>();
                numbers.extend((0..n * 8 / width as usize).map(number));
                bytes = &bytes[n..];
            }
        }
        assert!(numbers.len() >= count && numbers.len() < count + GROUP);
        numbers.truncate(count);
        numbers
    }

    proptest! {
        #![proptest_config(crate::properties::cases(256))]

        #[test]
        fn what_was_put_is_read(runs in prop::collection::vec((any::<u32>(), 1..20usize), 0..60), width in 1..=32u32) {
            let fits = |n: u32| n & (u32::MAX >> (32 - width));
            let numbers: Vec<u32> = runs.iter().flat_map(|(n, count)| vec![fits(*n); *count]).collect();
            let mut bytes = vec![7];
            put(&numbers, width, &mut bytes);
            prop_assert_eq!(read(&bytes[1..], width, numbers.len()), numbers);
        }
    }

    #[test]
    fn widths_hold_every_code() {
        assert_eq!([0, 1, 2, 3, 4, 5, 256, 257, 1 << 20].map(width), [1, 1, 1, 2, 2, 3, 8, 9, 20]);
        let mut bytes = vec![];
        put(&[5; 100_000], 3, &mut bytes);
        assert_eq!(bytes.len(), 4, "a run takes a header and a number");
    }
}
