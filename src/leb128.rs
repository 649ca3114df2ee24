//! Whole numbers in seven bits a byte, the lowest first (LEB128), as Thrift's compact protocol and Parquet's encodings have
//! them. `timeline` has code of its own, which is made for its hot loops.

/// Appends a number.
pub(crate) fn put(mut value: u64, into: &mut Vec<u8>) {
    while value > 0x7F {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

/// The number that begins at byte `at`, which moves behind it; `None` if the bytes end within the number, or if it goes on
/// after ten bytes. Bits beyond the 64th are dropped.
pub(crate) fn read(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_unfinished_ones_do_not() {
        for value in [0, 1, 127, 128, 300, 16_383, 16_384, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut bytes = vec![0xAA];
            put(value, &mut bytes);
            let mut at = 1;
            assert_eq!((read(&bytes, &mut at), at), (Some(value), bytes.len()));
            assert_eq!(read(&bytes[..bytes.len() - 1], &mut 1), None, "{value}");
        }
        // The example of the specification.
        let mut bytes = vec![];
        put(624_485, &mut bytes);
        assert_eq!(bytes, [0xE5, 0x8E, 0x26]);
        assert_eq!(read(&[0xFF; 20], &mut 0), None);
        assert_eq!(read(&[], &mut 0), None);
    }
}
