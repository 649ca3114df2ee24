//! Variable-length integers: seven bits a byte, the least significant first (LEB128); signed ones zigzag-encoded.
//!
//! Logs and records use this one implementation. A customer's day takes about five bytes instead of the 24 of a struct,
//! so that tens of millions of rows fit into memory and spilled runs are small.

/// Appends an unsigned integer.
pub(super) fn put(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

pub(super) fn put_wide(into: &mut Vec<u8>, mut value: u128) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

/// Maps 0, −1, 1, −2, 2 … to 0, 1, 2, 3, 4 …, so that small numbers of either sign are short.
pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

pub(super) fn zigzag_wide(value: i128) -> u128 {
    ((value << 1) ^ (value >> 127)) as u128
}

pub(super) fn unzigzag_wide(value: u128) -> i128 {
    (value >> 1) as i128 ^ -((value & 1) as i128)
}

/// Reads what was appended, in the same order.
///
/// # Panics
/// Every method panics if the bytes end too early: the program wrote them itself, and verified those of the
/// temporary file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The bytes that were not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn byte(&mut self) -> u8 {
        let (first, rest) = self.rest.split_first().expect("bytes that the program wrote itself are complete");
        self.rest = rest;
        *first
    }

    pub(super) fn bytes(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(n);
        self.rest = rest;
        taken
    }

    /// The next `n` bytes (at most eight) as a number, little-endian.
    #[inline]
    pub(super) fn little(&mut self, n: usize) -> u64 {
        let (taken, rest) = self.rest.split_at(n);
        let value = match self.rest.first_chunk::<8>() {
            Some(eight) => u64::from_le_bytes(*eight) & (u64::MAX >> (64 - 8 * n)),
            None => taken.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)),
        };
        self.rest = rest;
        value
    }

    /// Reads what `put` appended. Most numbers have one byte, so this case is inlined.
    #[inline]
    pub(super) fn number(&mut self) -> u64 {
        match self.rest.split_first() {
            Some((first, rest)) if *first < 0x80 => {
                self.rest = rest;
                u64::from(*first)
            }
            _ => self.long(),
        }
    }

    fn long(&mut self) -> u64 {
        // Decodes up to eight bytes at once, if so many are left.
        if let Some(eight) = self.rest.first_chunk::<8>() {
            let word = u64::from_le_bytes(*eight);
            let ends = !word & 0x8080_8080_8080_8080;
            if ends != 0 {
                let bytes = ends.trailing_zeros() as usize / 8 + 1;
                self.rest = &self.rest[bytes..];
                return packed(word & (u64::MAX >> (64 - 8 * bytes)));
            }
        }
        let (mut value, mut shift) = (0u64, 0);
        loop {
            let byte = self.byte();
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return value;
            }
            shift += 7;
        }
    }

    #[inline]
    pub(super) fn wide(&mut self) -> u128 {
        match self.rest.first_chunk::<8>() {
            // The number ends within these eight bytes.
            Some(eight) if u64::from_le_bytes(*eight) & 0x8080_8080_8080_8080 != 0x8080_8080_8080_8080 => {
                self.number().into()
            }
            _ => self.long_wide(),
        }
    }

    fn long_wide(&mut self) -> u128 {
        let (mut value, mut shift) = (0u128, 0);
        loop {
            let byte = self.byte();
            value |= u128::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return value;
            }
            shift += 7;
        }
    }
}

/// The seven low bits of each byte, joined.
fn packed(word: u64) -> u64 {
    let word = word & 0x7f7f_7f7f_7f7f_7f7f;
    let word = (word & 0x007f_007f_007f_007f) | (word & 0x7f00_7f00_7f00_7f00) >> 1;
    let word = (word & 0x0000_3fff_0000_3fff) | (word & 0x3fff_0000_3fff_0000) >> 2;
    (word & 0x0000_0000_0fff_ffff) | (word & 0x0fff_ffff_0000_0000) >> 4
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(crate::properties::cases(256))]

        #[test]
        fn what_was_put_is_read(numbers in prop::collection::vec(any::<(u64, u128, i64, i128)>(), 0..20), shift in 0..128u32) {
            let mut bytes = vec![];
            for (a, b, c, d) in &numbers {
                put(&mut bytes, *a);
                put_wide(&mut bytes, b >> shift);
                put(&mut bytes, zigzag(*c));
                put_wide(&mut bytes, zigzag_wide(*d));
            }
            let mut reader = Reader::new(&bytes);
            for (a, b, c, d) in &numbers {
                prop_assert_eq!(reader.number(), *a);
                prop_assert_eq!(reader.wide(), b >> shift);
                prop_assert_eq!(unzigzag(reader.number()), *c);
                prop_assert_eq!(unzigzag_wide(reader.wide()), *d);
            }
            prop_assert!(reader.is_empty());
        }
    }

    #[test]
    fn small_numbers_are_short() {
        let length = |value: i64| {
            let mut bytes = vec![];
            put(&mut bytes, zigzag(value));
            bytes.len()
        };
        assert_eq!([0, -1, 63, -64, 64, 8191, 8192, i64::MIN].map(length), [1, 1, 1, 1, 2, 2, 3, 10]);
    }
}
