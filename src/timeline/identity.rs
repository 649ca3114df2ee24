//! Which customer a row belongs to: exact, whatever the ids look like.
//!
//! A text id is known by 9 + 64 bits of its XXH3-128: the bucket and, within the bucket, the key. Ids are logged once
//! per customer beside the rows, so that two ids under one key are noticed; the scan then starts again with the next
//! seed. An integer id is mixed bijectively, so that its key gives the id back and no log is needed.

/// Buckets are logical and fixed, so that parts of the output nest in them whatever the size of a run.
pub const BUCKET_BITS: u32 = 9;
pub const BUCKETS: usize = 1 << BUCKET_BITS;

/// Seeds to try before giving up; the chance that a run needs even a second one is below 10⁻⁵ for 10⁸ customers.
pub const SEEDS: u64 = 64;

/// A hash function for customer ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub seed: u64,
    /// How many bits of the hash of a text are kept: 73, or fewer in tests that want collisions.
    pub bits: u32,
}

impl Identity {
    pub const fn new(seed: u64) -> Self {
        Identity { seed, bits: BUCKET_BITS + 64 }
    }

    /// Bucket and key of a text id.
    pub fn text(self, id: &str) -> (usize, u64) {
        let hash = xxhash_rust::xxh3::xxh3_128_with_seed(id.as_bytes(), self.seed) >> (128 - self.bits.min(73));
        ((hash >> 64) as usize % BUCKETS, hash as u64)
    }

    /// Bucket and key of an integer id.
    pub fn integer(self, id: i64) -> (usize, u64) {
        let key = mix(id as u64);
        ((key >> (64 - BUCKET_BITS)) as usize, key)
    }

    /// The integer id behind a key.
    pub fn integer_of(key: u64) -> i64 {
        unmix(key) as i64
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014), a bijection on 64 bits.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn unmix(mut z: u64) -> u64 {
    z = (z ^ (z >> 31) ^ (z >> 62)).wrapping_mul(0x3196_42b2_d24d_8ec3);
    z = (z ^ (z >> 27) ^ (z >> 54)).wrapping_mul(0x96de_1b17_3f11_9089);
    z ^ (z >> 30) ^ (z >> 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integer_ids_come_back_from_their_keys() {
        for id in [0, 1, -1, 17_850, i64::MIN, i64::MAX, 0x5555_5555_5555_5555] {
            assert_eq!(Identity::integer_of(Identity::new(0).integer(id).1), id);
        }
    }

    #[test]
    fn seeds_give_other_keys_and_buckets_are_all_used() {
        assert_ne!(Identity::new(0).text("a"), Identity::new(1).text("a"));
        let mut used = vec![0u32; BUCKETS];
        (0..100_000).for_each(|i| used[Identity::new(0).text(&format!("c{i}")).0] += 1);
        assert!(used.iter().all(|n| (100..300).contains(n)), "{used:?}");
        let mut used = vec![0u32; BUCKETS];
        (0..100_000).for_each(|i| used[Identity::new(0).integer(i).0] += 1);
        assert!(used.iter().all(|n| (100..300).contains(n)), "{used:?}");
    }
}
