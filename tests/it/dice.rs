//! A seeded generator: the same seed throws the same dice on every machine. Or a scripted one, whose throws are bytes: what
//! changes those bytes, as a fuzzer does, changes single throws.

pub struct Dice {
    state: u64,
    script: Option<std::vec::IntoIter<u8>>,
}

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice { state: seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ 0x9E37_79B9_7F4A_7C15, script: None }
    }

    /// Each throw takes a byte, or as many as its sides need; once they are used up, every throw is the least.
    pub fn scripted(bytes: &[u8]) -> Dice {
        Dice { state: 0, script: Some(Vec::from(bytes).into_iter()) }
    }

    /// SplitMix64 (Steele, Lea and Flood 2014).
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 to below `n`.
    pub fn below(&mut self, n: i64) -> i64 {
        let n = n as u64;
        let thrown = match &mut self.script {
            Some(bytes) => {
                let taken = (n - 1).max(1).ilog2() / 8 + 1;
                (0..taken).fold(0, |number, _| number << 8 | u64::from(bytes.next().unwrap_or(0)))
            }
            None => self.next(),
        };
        (thrown % n) as i64
    }

    /// Both ends included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below(high - low + 1)
    }

    pub fn percent(&mut self, chance: i64) -> bool {
        self.below(100) < chance
    }

    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as i64) as usize].clone()
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as i64 + 1) as usize);
        }
    }
}
