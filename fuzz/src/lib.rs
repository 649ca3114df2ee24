//! Fuzz targets: functions of bytes that panic if the program does what it must not.
//!
//! The functions need no fuzzer. The tests of the program run them on the corpus that is kept in `fuzz/corpus`, and the
//! programs in `fuzz/bin` hand them to libFuzzer.

/// The naive model and what it is made of: the sources of the program's own tests.
#[path = "../../tests/it"]
#[expect(dead_code, reason = "the tests need more of it")]
mod it {
    pub mod cells;
    pub mod compare;
    pub mod days;
    pub mod dice;
    pub mod export;
    pub mod generate;
    pub mod naive;
    pub mod scenario;
}

use it::{cells, compare, days, dice, export, generate, naive, scenario};

pub mod targets;
