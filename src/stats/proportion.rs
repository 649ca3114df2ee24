//! Confidence intervals of a proportion.

/// The 97.5 % quantile of the standard normal distribution.
pub const Z95: f64 = 1.959_963_984_540_054;

/// The 95 % score interval of the proportion `events / trials` (Wilson 1927, JASA 22:209–212).
///
/// It always lies within [0, 1] and, unlike the Wald interval, has a positive length where no trial, or every trial, had the
/// event.
///
/// # Returns
/// The lower and the upper end; `None` without trials, and unless 0 ≤ events ≤ trials.
///
/// # Example
/// 18 events in 154 trials, as statsmodels' `proportion_confint(method="wilson")` has it:
/// ```
/// use tenure::stats::proportion::wilson;
///
/// let (low, high) = wilson(18.0, 154.0).unwrap();
/// assert!((low - 0.0752).abs() < 5e-5 && (high - 0.1772).abs() < 5e-5);
/// assert_eq!(wilson(3.0, 2.0), None);
/// ```
pub fn wilson(events: f64, trials: f64) -> Option<(f64, f64)> {
    if trials <= 0.0 || !(0.0..=trials).contains(&events) {
        return None;
    }
    let (p, z2) = (events / trials, Z95 * Z95);
    let middle = p + z2 / (2.0 * trials);
    let half = Z95 * (p * (1.0 - p) / trials + z2 / (4.0 * trials * trials)).sqrt();
    let scale = 1.0 + z2 / trials;
    // The ends are exactly 0 or 1 where the proportion is; arithmetic would leave a rounding error.
    let low = if events == 0.0 { 0.0 } else { ((middle - half) / scale).max(0.0) };
    let high = if events == trials { 1.0 } else { ((middle + half) / scale).min(1.0) };
    Some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of proportion_confint(method = "wilson") of the Python package statsmodels.
    #[test]
    fn agrees_with_published_software() {
        for (events, trials, low, high) in EXPECTED {
            let (l, h) = wilson(events, trials).unwrap();
            assert!((l - low).abs() < 1e-12 && (h - high).abs() < 1e-12, "{events}/{trials}: {l} {h}");
        }
        assert_eq!(wilson(1.0, 0.0), None);
        assert_eq!(wilson(3.0, 2.0), None);
        assert_eq!(wilson(-1.0, 2.0), None);
    }

    const EXPECTED: [(f64, f64, f64, f64); 5] = [
        (18.0, 154.0, 0.075_225_976_132_654_64, 0.177_188_434_620_818_68),
        (0.0, 10.0, 0.0, 0.277_532_799_862_889_26),
        (10.0, 10.0, 0.722_467_200_137_110_6, 1.0),
        (5.0, 120.0, 0.017_926_716_880_109_5, 0.093_840_852_337_035_37),
        (1869.0, 7043.0, 0.255_188_112_884_507_27, 0.275_807_437_488_907_9),
    ];
}
