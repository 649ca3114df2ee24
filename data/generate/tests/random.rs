//! The generator's random numbers.

use crate::random::Random;

/// The reference sequence of SplitMix64 from state 1234567, as published with its C source.
#[test]
fn is_splitmix64() {
    let mut random = Random::new(1_234_567);
    let first: Vec<u64> = (0..3).map(|_| random.bits()).collect();
    assert_eq!(first, [6457827717110365317, 3203168211198807973, 9817491932198370423]);
}

#[test]
fn means_are_right() {
    let mut random = Random::stream(1, 2, 3);
    let n = 200_000;
    let mut mean =
        |draw: &mut dyn FnMut(&mut Random) -> f64| (0..n).map(|_| draw(&mut random)).sum::<f64>() / f64::from(n);
    assert!((mean(&mut |r| r.unit()) - 0.5).abs() < 0.005);
    assert!((mean(&mut |r| r.exponential()) - 1.0).abs() < 0.02);
    assert!(mean(&mut |r| r.normal()).abs() < 0.01);
    assert!((mean(&mut |r| r.normal().powi(2)) - 1.0).abs() < 0.02);
    assert!((mean(&mut |r| r.gamma(0.55)) - 0.55).abs() < 0.01);
    assert!((mean(&mut |r| r.gamma(3.0)) - 3.0).abs() < 0.02);
    assert!((mean(&mut |r| f64::from(r.poisson(0.7))) - 0.7).abs() < 0.01);
    assert!((mean(&mut |r| f64::from(r.poisson(75.5))) - 75.5).abs() < 0.1);
    assert!((mean(&mut |r| f64::from(u8::from(r.chance(0.02)))) - 0.02).abs() < 0.002);
    assert!((mean(&mut |r| f64::from(r.pick(&[(0u8, 3), (1, 1)]))) - 0.25).abs() < 0.01);
}
