//! The hash of a customer id, which decides its bucket, and the bytes of an id, by which customers are compared and
//! sorted.

use super::history::CustomerId;
use crate::rows::Ids;

/// The number of buckets is fixed at 2^9, whatever the size of a run: the parts of an output are ranges of buckets.
pub const BUCKET_BITS: u32 = 9;
pub const BUCKETS: usize = 1 << BUCKET_BITS;

/// Hashes customer ids. The hash only distributes customers over buckets. Within a bucket customers are compared by
/// their ids, so that two ids with one hash stay two customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CustomerHasher {
    /// The number of bits of the hash that are kept: 64, or fewer in tests of collisions.
    pub bits: u32,
}

impl Default for CustomerHasher {
    fn default() -> Self {
        CustomerHasher { bits: 64 }
    }
}

impl CustomerHasher {
    /// The upper half of XXH3-128 of a text id. It must never change, since files are partitioned by it.
    pub fn text(self, id: &[u8]) -> u64 {
        self.narrow((xxhash_rust::xxh3::xxh3_128(id) >> 64) as u64)
    }

    /// The hash of an integer id: the finaliser of SplitMix64 (Steele, Lea and Flood 2014). It must never change
    /// either.
    pub fn integer(self, id: i64) -> u64 {
        let mut z = id as u64;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.narrow(z ^ (z >> 31))
    }

    fn narrow(self, hash: u64) -> u64 {
        let lost = 64 - self.bits.clamp(1, 64);
        hash >> lost << lost
    }
}

/// The bucket of a hash: its top bits.
pub fn bucket(hash: u64) -> usize {
    (hash >> (64 - BUCKET_BITS)) as usize
}

/// The bytes of a row's customer id: those of the text, or eight bytes that sort as the integers do. `number` is a
/// buffer for the latter.
pub fn bytes_of<'a>(ids: &'a Ids, row: usize, number: &'a mut [u8; 8]) -> &'a [u8] {
    match ids {
        Ids::Text(texts) => texts.bytes(row),
        Ids::Integer(numbers) => {
            *number = (numbers[row] as u64 ^ 1 << 63).to_be_bytes();
            number
        }
    }
}

/// The id of the bytes that [`bytes_of`] gave.
///
/// # Panics
/// If the bytes are of the other kind of id.
pub fn id_of(bytes: &[u8], integer_ids: bool) -> CustomerId<'_> {
    if integer_ids {
        let number = bytes.try_into().expect("whole numbers are kept in eight bytes");
        CustomerId::Integer((u64::from_be_bytes(number) ^ 1 << 63) as i64)
    } else {
        CustomerId::Text(std::str::from_utf8(bytes).expect("ids were texts when they were kept"))
    }
}

/// The first eight bytes as a number. Ids sort by it, and by their bytes where it is equal.
pub fn prefix(id: &[u8]) -> u64 {
    let mut first = [0; 8];
    let n = id.len().min(8);
    first[..n].copy_from_slice(&id[..n]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::TextBuffer;

    #[test]
    fn whole_numbers_come_back_and_sort_as_numbers() {
        let numbers = [i64::MIN, -17_850, -1, 0, 1, 0x5555_5555_5555_5555, i64::MAX];
        let ids = Ids::Integer(numbers.to_vec());
        let bytes: Vec<Vec<u8>> = (0..numbers.len()).map(|row| bytes_of(&ids, row, &mut [0; 8]).to_vec()).collect();
        assert!(bytes.is_sorted());
        for (number, bytes) in numbers.iter().zip(&bytes) {
            assert_eq!(id_of(bytes, true), CustomerId::Integer(*number));
        }
    }

    #[test]
    fn prefixes_sort_as_texts_do() {
        let mut texts = TextBuffer::default();
        let sorted = ["", "a", "a\0", "ab", "abcdefgh", "abcdefgha", "b", "ä", "日本"];
        sorted.iter().for_each(|t| texts.push(t));
        let ids = Ids::Text(texts);
        let kept: Vec<Vec<u8>> = (0..sorted.len()).map(|row| bytes_of(&ids, row, &mut [0; 8]).to_vec()).collect();
        assert!(kept.is_sorted() && kept.is_sorted_by_key(|id| prefix(id)));
        assert_eq!(id_of(&kept[8], false), CustomerId::Text("日本"));
    }

    #[test]
    fn buckets_are_all_used() {
        let all = CustomerHasher::default();
        let used = |hash: &dyn Fn(i64) -> u64| {
            let mut used = vec![0u32; BUCKETS];
            (0..100_000).for_each(|i| used[bucket(hash(i))] += 1);
            used.iter().all(|n| (100..300).contains(n))
        };
        assert!(used(&|i| all.text(format!("c{i}").as_bytes())));
        assert!(used(&|i| all.integer(i)));
        assert!(!used(&|i| CustomerHasher { bits: 8 }.integer(i)));
    }
}
