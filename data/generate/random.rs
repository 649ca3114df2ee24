//! Random numbers that are the same on every machine and for ever: SplitMix64 and a few distributions over it.
//!
//! Logarithms and exponentials come from `libm`, because the standard library leaves their last bits to the platform.

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
pub(crate) struct Random(u64);

/// SplitMix64's output function: a bijection of 64 bits.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

impl Random {
    pub(crate) fn new(state: u64) -> Random {
        Random(state)
    }

    /// The stream of one subject (`key`) for one `purpose`: whatever is drawn for others does not move it.
    pub(crate) fn stream(seed: u64, key: u64, purpose: u64) -> Random {
        let of_key = mix(seed.wrapping_add(STEP)) ^ mix(key.wrapping_mul(STEP).wrapping_add(1));
        Random::new(mix(of_key).wrapping_add(mix(purpose.wrapping_add(STEP))))
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// Uniform in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in 0..n; the bias of n/2⁶⁴ does not matter here.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of `choices`, each as likely as its weight.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[(T, u32)]) -> T {
        let total: u64 = choices.iter().map(|c| u64::from(c.1)).sum();
        let mut at = self.below(total);
        for (value, weight) in choices {
            match at.checked_sub(u64::from(*weight)) {
                Some(rest) => at = rest,
                None => return *value,
            }
        }
        unreachable!("`at` is below the sum of the weights")
    }

    /// Exponential of mean 1.
    pub(crate) fn exponential(&mut self) -> f64 {
        -libm::log(1.0 - self.unit())
    }

    /// Standard normal (Box and Muller, one of the pair).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(2.0 * self.exponential());
        radius * libm::cos(std::f64::consts::TAU * self.unit())
    }

    /// Gamma of mean `shape` (Marsaglia and Tsang 2000; below shape 1 by their power of a uniform).
    pub(crate) fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let power = libm::pow(1.0 - self.unit(), 1.0 / shape);
            return self.gamma(shape + 1.0) * power;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / libm::sqrt(9.0 * d);
        loop {
            let x = self.normal();
            let v = 1.0 + c * x;
            if v <= 0.0 {
                continue;
            }
            let v = v * v * v;
            if libm::log(1.0 - self.unit()) < 0.5 * x * x + d - d * v + d * libm::log(v) {
                return d * v;
            }
        }
    }

    /// Poisson, by products of uniforms in pieces that keep e⁻ᵐ far from underflow.
    pub(crate) fn poisson(&mut self, mean: f64) -> u32 {
        let mut count = 0u32;
        let mut left = mean;
        while left > 0.0 {
            let piece = left.min(30.0);
            left -= piece;
            let floor = libm::exp(-piece);
            let mut product = self.unit();
            while product > floor {
                count += 1;
                product *= self.unit();
            }
        }
        count
    }
}
