//! A reader of Thrift's compact protocol, for the few structs of Parquet that are looked at before the `parquet` crate
//! decodes them.
//!
//! Source: thrift-compact-protocol.md of the Apache Thrift project.

use crate::leb128;

/// Types of fields and of list elements.
pub(super) mod kind {
    pub(crate) const TRUE: u8 = 1;
    pub(crate) const FALSE: u8 = 2;
    pub(crate) const BYTE: u8 = 3;
    pub(crate) const I16: u8 = 4;
    pub(crate) const I32: u8 = 5;
    pub(crate) const I64: u8 = 6;
    pub(crate) const DOUBLE: u8 = 7;
    pub(crate) const BINARY: u8 = 8;
    pub(crate) const LIST: u8 = 9;
    pub(crate) const SET: u8 = 10;
    pub(crate) const MAP: u8 = 11;
    pub(crate) const STRUCT: u8 = 12;
    pub(crate) const UUID: u8 = 13;
}

/// How deep structs and lists may nest in a field that is skipped. The `parquet` crate uses the same number.
const DEEPEST: u8 = 64;

/// A position in bytes of the compact protocol. Every method gives `None` where the bytes end or make no sense.
#[derive(Clone, Debug)]
pub(super) struct Thrift<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Thrift<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Thrift { bytes, at: 0 }
    }

    /// How many bytes have been read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    pub(super) fn varint(&mut self) -> Option<u64> {
        leb128::read(self.bytes, &mut self.at)
    }

    /// A signed integer of any width.
    pub(super) fn integer(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// The next field's id and type, if `last` is the id of the field before it; `Some(None)` at the end of the struct.
    pub(super) fn field(&mut self, last: i64) -> Option<Option<(i64, u8)>> {
        let head = self.byte()?;
        // The crate takes every type 0 for the end.
        if head & 0x0F == 0 {
            return Some(None);
        }
        let id = match head >> 4 {
            0 => self.integer()?,
            delta => last.checked_add(i64::from(delta))?,
        };
        Some(Some((id, head & 0x0F)))
    }

    pub(super) fn binary(&mut self) -> Option<&'a [u8]> {
        let length = self.varint()?;
        let start = self.at;
        self.advance(length)?;
        self.bytes.get(start..self.at)
    }

    /// The type and the number of a list's elements. An element is at least one byte long, so a number that the bytes
    /// left cannot hold gives `None`.
    pub(super) fn list(&mut self) -> Option<(u8, u64)> {
        let head = self.byte()?;
        let length = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        (length <= (self.bytes.len() - self.at) as u64).then_some((head & 0x0F, length))
    }

    /// Passes over the value of a field of this type.
    pub(super) fn skip(&mut self, kind: u8) -> Option<()> {
        match kind {
            // The value of a boolean field is its type.
            kind::TRUE | kind::FALSE => Some(()),
            kind => self.skip_element(kind, DEEPEST),
        }
    }

    fn skip_element(&mut self, kind: u8, depth: u8) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            kind::TRUE | kind::FALSE | kind::BYTE => self.advance(1),
            kind::I16 | kind::I32 | kind::I64 => self.varint().map(|_| ()),
            kind::DOUBLE => self.advance(8),
            kind::UUID => self.advance(16),
            kind::BINARY => self.binary().map(|_| ()),
            kind::LIST | kind::SET => {
                let (kind, n) = self.list()?;
                (0..n).try_for_each(|_| self.skip_element(kind, depth))
            }
            kind::MAP => {
                let n = self.varint()?;
                if n == 0 {
                    return Some(());
                }
                let kinds = self.byte()?;
                (0..n).try_for_each(|_| {
                    self.skip_element(kinds >> 4, depth)?;
                    self.skip_element(kinds & 0x0F, depth)
                })
            }
            kind::STRUCT => {
                let mut last = 0;
                while let Some((id, kind)) = self.field(last)? {
                    last = id;
                    if !matches!(kind, kind::TRUE | kind::FALSE) {
                        self.skip_element(kind, depth)?;
                    }
                }
                Some(())
            }
            _ => None,
        }
    }

    fn advance(&mut self, n: u64) -> Option<()> {
        let at = self.at.checked_add(usize::try_from(n).ok()?)?;
        (at <= self.bytes.len()).then(|| self.at = at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_past_the_end_or_too_deep() {
        // A list that claims 2^60 booleans.
        let claims = [0xF1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F];
        assert_eq!(Thrift::new(&claims).skip(kind::LIST), None);
        // Structs in structs.
        let nested = |depth: usize| [vec![0x1C; depth], vec![0; depth + 1]].concat();
        assert_eq!(Thrift::new(&nested(63)).skip(kind::STRUCT), Some(()));
        assert_eq!(Thrift::new(&nested(64)).skip(kind::STRUCT), None);
        assert_eq!(Thrift::new(&nested(1_000_000)).skip(kind::STRUCT), None);
        assert_eq!(Thrift::new(&[0xFF; 20]).varint(), None);
        assert_eq!(Thrift::new(&[5, 1, 2]).binary(), None);
    }

    #[test]
    fn fields_of_every_type_are_skipped() {
        // A boolean, a byte, an i64, a double, bytes, a list of booleans, a map of byte to struct, a UUID; then the end.
        let mut fields = vec![0x11, 0x13, 7, 0x16, 0x80, 1, 0x17, 0, 0, 0, 0, 0, 0, 0, 0, 0x18, 2, b'a', b'b'];
        fields.extend([0x19, 0x21, 1, 2, 0x1B, 1, 0x3C, 9, 0x11, 0, 0x1D]);
        fields.extend([0; 16]);
        fields.push(0);
        let mut thrift = Thrift::new(&fields);
        assert_eq!(thrift.skip(kind::STRUCT), Some(()));
        assert_eq!(thrift.position(), fields.len());
    }
}
