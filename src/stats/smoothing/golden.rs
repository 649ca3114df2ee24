//! Against other software: `ETSModel` of the Python package statsmodels 0.15.0 (additive errors, first states estimated,
//! optimiser's tolerances tightened, the best of four starts), on Saudi Arabia's oil production 1996–2007 and eight years of
//! Australian tourists by the quarter, 1999–2006, as printed in Hyndman and Athanasopoulos, Forecasting: Principles and
//! Practice.

use super::{Form, Smoothed, Trend};

const OIL: [f64; 12] = [
    446.6565, 454.4733, 455.6630, 423.6322, 456.2713, 440.5881, 425.3325, 485.1494, 506.0482, 526.7920, 514.2689,
    494.2110,
];

const TOURISTS: [f64; 32] = [
    30.052513,
    19.148496,
    25.317692,
    27.591437,
    32.076456,
    23.487961,
    28.475940,
    35.123753,
    36.838485,
    25.007017,
    30.722230,
    28.693759,
    36.640986,
    23.824609,
    29.311683,
    31.770309,
    35.177877,
    19.775244,
    29.601750,
    34.538842,
    41.273599,
    26.655862,
    28.279859,
    35.191153,
    42.20566386,
    24.64917133,
    32.66733514,
    37.25735401,
    45.24246027,
    29.35048127,
    36.34420728,
    41.78208136,
];

struct Printed {
    trend: Trend,
    season: usize,
    log_likelihood: f64,
    alpha: f64,
    means: [f64; 6],
    /// At one step, and at six.
    variances: [f64; 2],
}

/// Ours may be the better maximum: where an optimum lies on an edge the edges are not the same to the last digit.
fn agree(series: &[f64], printed: &Printed) {
    let form = Form { trend: printed.trend, season: printed.season };
    let found = Smoothed::fit(series, form).unwrap();
    let name = form.name();
    let ll = found.log_likelihood();
    assert!((-1e-5..1e-2).contains(&(ll - printed.log_likelihood)), "{name}: {ll} or {}", printed.log_likelihood);
    assert!((found.smoothing.alpha - printed.alpha).abs() < 2e-2, "{name}: {:?}", found.smoothing);
    // Theirs is Σe²/n.
    let scale = (found.n + 1 - form.parameters()) as f64 / found.n as f64;
    for (step, mean) in (1..).zip(printed.means) {
        let got = found.forecast(step).mean;
        assert!((got / mean - 1.0).abs() < 2e-3, "{name} {step}: {got} or {mean}");
    }
    for (step, variance) in [1, 6].into_iter().zip(printed.variances) {
        let got = scale * found.forecast(step).variance;
        assert!((got / variance - 1.0).abs() < 2e-2, "{name} {step}: {got} or {variance}");
    }
}

#[test]
fn oil_without_a_season() {
    let level = 496.493_486_979_382_5;
    agree(
        &OIL,
        &Printed {
            trend: Trend::None,
            season: 0,
            log_likelihood: -55.712_227_706_391_62,
            alpha: 0.892_000_394_476_028_2,
            means: [level; 6],
            variances: [631.118_863_481_657_6, 3_141.913_881_182_959],
        },
    );
    agree(
        &OIL,
        &Printed {
            trend: Trend::Additive,
            season: 0,
            log_likelihood: -54.498_974_650_760_83,
            alpha: 0.0001,
            means: [515.513773, 522.655812, 529.797850, 536.939889, 544.081927, 551.223966],
            variances: [515.576_336_729_949_7, 515.576_362_524_236_6],
        },
    );
}

#[test]
fn tourists_with_a_season() {
    agree(
        &TOURISTS,
        &Printed {
            trend: Trend::None,
            season: 4,
            log_likelihood: -73.552_350_403_058_67,
            alpha: 0.611_875_323_720_729_1,
            means: [45.631434, 31.731277, 37.385213, 40.839779, 45.631434, 31.731277],
            variances: [5.807_468_919_036_552, 16.679_077_201_157_27],
        },
    );
    agree(
        &TOURISTS,
        &Printed {
            trend: Trend::Additive,
            season: 4,
            log_likelihood: -71.344_244_402_566_66,
            alpha: 0.399_725_414_869_514_3,
            means: [45.894121, 32.442940, 38.545817, 42.449349, 47.693843, 34.242663],
            variances: [5.058_845_062_612_007, 9.103_034_927_084_108],
        },
    );
    agree(
        &TOURISTS,
        &Printed {
            trend: Trend::Damped,
            season: 4,
            log_likelihood: -71.490_470_027_992_56,
            alpha: 0.422_025_130_956_321_9,
            means: [45.663880, 32.056655, 38.006331, 41.759432, 46.854872, 33.223826],
            variances: [5.105_290_272_035_948, 9.654_536_954_450_416],
        },
    );
}

#[test]
fn tourists_as_if_they_knew_no_season() {
    agree(
        &TOURISTS,
        &Printed {
            trend: Trend::None,
            season: 0,
            log_likelihood: -103.845_284_463_951_15,
            alpha: 0.144_329_058_431_432_34,
            means: [35.136_736_052_497_8; 6],
            variances: [38.569_168_453_937_07, 42.586_316_494_988_51],
        },
    );
}

/// AICc by hand from the likelihoods above: A,N,A has 2 + 1 + 3 + 1 = 7 parameters, A,A,A 9.
#[test]
fn the_criterion_chooses_the_season() {
    let best = Smoothed::best(&TOURISTS, 4).unwrap();
    assert_eq!(best.form, Form { trend: Trend::None, season: 4 });
    assert!((best.aicc() - (2.0 * 73.55235 + 14.0 + 2.0 * 56.0 / 24.0)).abs() < 1e-3, "{}", best.aicc());
    // α, the first level and σ²: three.
    let level = Smoothed::fit(&OIL, Form { trend: Trend::None, season: 0 }).unwrap();
    assert!((level.aicc() - 120.424_455).abs() < 1e-3);
    assert_eq!(Smoothed::best(&OIL, 12).unwrap().form.season, 0);
}

#[test]
fn a_line_and_a_season_without_errors_go_on_exactly() {
    let line: Vec<f64> = (0..10).map(|t| 5.0 + 2.0 * f64::from(t)).collect();
    let found = Smoothed::best(&line, 0).unwrap();
    assert_eq!(found.form.trend, Trend::Additive);
    assert!((found.forecast(3).mean - 29.0).abs() < 1e-6 && found.forecast(3).variance < 1e-9);
    let wave: Vec<f64> = (0..28).map(|t| [3.0, 1.0, -2.0, 8.0][t % 4]).collect();
    let found = Smoothed::best(&wave, 4).unwrap();
    assert_eq!(found.form, Form { trend: Trend::None, season: 4 });
    let forecast: Vec<f64> = (1..=4).map(|h| found.forecast(h).mean).collect();
    assert!(forecast.iter().zip([3.0, 1.0, -2.0, 8.0]).all(|(a, b)| (a - b).abs() < 1e-6), "{forecast:?}");
}

#[test]
fn what_is_too_short_or_no_number_is_not_fitted() {
    let none = Form { trend: Trend::None, season: 0 };
    assert!(Smoothed::fit(&[1.0, 2.0, 3.0, 5.0], none).is_none());
    assert!(Smoothed::fit(&[1.0, 2.0, f64::NAN, 5.0, 1.0, 2.0], none).is_none());
    assert!(Smoothed::fit(&OIL, Form { trend: Trend::None, season: 12 }).is_none());
    assert!(Smoothed::best(&[], 12).is_none());
    assert!(Smoothed::best(&[7.0; 9], 0).unwrap().forecast(1).variance < 1e-12);
}
