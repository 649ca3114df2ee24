//! How property tests run: the same cases in every run, and a case that failed once for good.
//!
//! A fixed seed makes a run reproducible, on every machine. `PROPTEST_RNG_SEED=random` draws other cases;
//! `PROPTEST_RNG_SEED=N` draws those of `N`, which a failing test prints. A failing case is written to a file beside the
//! test, `NAME.proptest-regressions`: commit it, so that the case is tried first from then on.

use std::hash::{BuildHasher, RandomState};

use proptest::test_runner::{Config, FileFailurePersistence, RngSeed};

/// Of all property tests, unless the environment names another.
const SEED: u64 = 20_200_229;

/// The configuration of a property test: `usual` cases, or as many as `PROPTEST_CASES` asks for.
pub(crate) fn cases(usual: u32) -> Config {
    // proptest has read the variables that it knows.
    let from_environment = Config::default();
    let seed = match (&from_environment.rng_seed, std::env::var("PROPTEST_RNG_SEED")) {
        (RngSeed::Fixed(seed), _) => *seed,
        (RngSeed::Random, Ok(text)) if text == "random" => RandomState::new().hash_one(SEED),
        (RngSeed::Random, Ok(text)) => panic!("PROPTEST_RNG_SEED is {text:?}, neither a number nor random"),
        (RngSeed::Random, Err(_)) => SEED,
    };
    // Shown with a failure alone.
    eprintln!("PROPTEST_RNG_SEED={seed} draws these cases again");
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { from_environment.cases } else { usual };
    Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("proptest-regressions"))),
        ..from_environment
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::path::Path;

    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    use super::*;

    #[test]
    fn the_same_cases_are_drawn_in_every_run() {
        let drawn = || {
            let numbers = RefCell::new(vec![]);
            let config = Config { failure_persistence: None, ..cases(20) };
            let kept = |n: u64| {
                numbers.borrow_mut().push(n);
                Ok(())
            };
            TestRunner::new(config).run(&any::<u64>(), kept).unwrap();
            numbers.into_inner()
        };
        let first = drawn();
        assert!(first.len() >= 20);
        if std::env::var("PROPTEST_RNG_SEED").is_err() {
            assert_eq!(first, drawn());
        }
    }

    /// A case that fails is written beside its source, and tried before any other from then on.
    #[test]
    fn a_failing_case_is_tried_first_from_then_on() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("law.rs");
        std::fs::write(&source, "").unwrap();
        let source: &'static str = Box::leak(source.display().to_string().into_boxed_str());
        let run = |limit: u64| {
            let tried = RefCell::new(vec![]);
            let check = |n: u64| {
                tried.borrow_mut().push(n);
                prop_assert!(n < limit);
                Ok(())
            };
            let outcome =
                TestRunner::new(Config { source_file: Some(source), ..cases(50) }).run(&(0..10_000u64), check);
            (outcome.is_err(), tried.into_inner())
        };
        assert!(run(5_000).0);
        let kept = std::fs::read_to_string(folder.path().join("law.proptest-regressions")).unwrap();
        assert!(kept.lines().any(|l| l.starts_with("cc ") && l.ends_with("# shrinks to 5000")), "{kept}");
        let (failed, tried) = run(10_000);
        assert!(!failed && tried[0] >= 5_000, "{tried:?}");
    }

    /// A block without this configuration would draw other cases in every run.
    #[test]
    fn every_property_test_is_configured_here() {
        let mut strays = vec![];
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        let (mut blocks, opening) = (0, concat!("proptest", "! {"));
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|x| x == "rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    for (_, block) in text.match_indices(opening).map(|(at, found)| text.split_at(at + found.len())) {
                        blocks += 1;
                        let first = block.trim_start().lines().next().unwrap_or_default();
                        if !first.starts_with("#![proptest_config(") || !first.contains("cases(") {
                            strays.push(format!("{}: {first}", path.display()));
                        }
                        if first.contains("with_cases") {
                            strays.push(format!("{}: {first}", path.display()));
                        }
                    }
                }
            }
        }
        assert!(blocks > 10 && strays.is_empty(), "{blocks} blocks, of which without crate::properties: {strays:#?}");
    }
}
