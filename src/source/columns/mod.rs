//! Converts the columns of an export to the typed values of canonical rows, with one tight loop for each type.
//!
//! A value that cannot be used marks its row as faulty and leaves a placeholder, so that all columns keep one length. The
//! faulty rows are dropped later.

pub(super) mod amounts;
pub(super) mod class;
pub(super) mod clock;
pub(super) mod faults;
pub(super) mod ids;
pub(super) mod intervals;
pub(super) mod iso;
pub(super) mod packed;
pub(super) mod texts;
pub(super) mod times;

pub(super) use class::Class;
pub(super) use clock::Clock;
pub(super) use faults::Faults;

/// The double nearest to the shortest decimal of a single-precision float: 0.1 stays 0.1.
pub(super) fn widen(x: f32) -> f64 {
    let wide = f64::from(x);
    if !wide.is_finite() || (wide == wide.trunc() && wide.abs() < 16_777_216.0) {
        return wide;
    }
    // Up to four decimals and a million the candidate is the only short decimal that reads back as `x`.
    let scaled = (wide * 1e4).round();
    let candidate = scaled / 1e4;
    if scaled.abs() < 1e6 && candidate as f32 == x {
        return candidate;
    }
    x.to_string().parse().unwrap_or(wide)
}

#[cfg(test)]
mod tests {
    use super::widen;

    #[test]
    fn single_precision_reads_as_its_shortest_decimal() {
        for x in [0.1f32, 12.34, -7.77, 99.99, 1234.56, 123_456.78, 1e-7, 3.4e38, 16_777_217.0, 0.3, 42.0] {
            assert_eq!(widen(x), x.to_string().parse::<f64>().unwrap(), "{x}");
        }
        let mut x = 0.0137f32;
        for _ in 0..20_000 {
            assert_eq!(widen(x), x.to_string().parse::<f64>().unwrap(), "{x}");
            x *= 1.001_3;
        }
        assert!(widen(f32::NAN).is_nan());
        assert_eq!(widen(f32::INFINITY), f64::INFINITY);
    }
}
