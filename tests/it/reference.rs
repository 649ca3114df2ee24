//! Data that others have published figures of, and malformed files of public corpora.
//!
//! It is not part of the repository: `TENURE_REFERENCE_DATA` names its folder. build.rs sets the cfg `reference_data` where
//! that variable is set; without it each test that needs the data is listed as ignored, with that reason. With it, a file
//! that is missing or cannot be read fails the test that needs it.

use std::path::{Path, PathBuf};

const VARIABLE: &str = "TENURE_REFERENCE_DATA";

/// Where continuous integration looks for the data (`.ci/run`), from the root of the repository.
const IN_CI: &str = "../shared/data";

/// A file or folder of the reference data. Fails the test if it is not there.
pub fn reference(name: &str) -> PathBuf {
    let Some(folder) = std::env::var_os(VARIABLE) else {
        panic!("this test reads {name} of the reference data: set {VARIABLE} to the folder that holds it");
    };
    let path = Path::new(&folder).join(name);
    assert!(path.exists(), "{VARIABLE} is {}, but {} is not there", folder.display(), path.display());
    path
}

/// Every file of the three folders of malformed Parquet.
pub fn malformed_files() -> Vec<PathBuf> {
    let mut files = vec![];
    for kind in ["bad_data", "fuzzing", "odd"] {
        let folder = reference("malformed_parquet").join(kind);
        let listed = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        files.extend(listed.map(|entry| entry.expect("a readable folder").path()));
    }
    files
}

/// In continuous integration the tests that need the data must not be left out where the data is at hand.
#[test]
fn in_ci_the_reference_data_is_read_where_it_is() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join(IN_CI);
    let left_out = !cfg!(reference_data) || std::env::var_os(VARIABLE).is_none();
    if std::env::var_os("CI").is_some() && here.is_dir() {
        assert!(!left_out, "CI is set and {} is there, but {VARIABLE} does not name it", here.display());
    }
}

/// Where the variable is set it names a folder with all that the tests read.
#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn the_reference_data_is_whole() {
    for name in [
        "cdnow",
        "dbt_mrr_playbook",
        "malformed_parquet",
        "online_retail",
        "sbg_fader_hardie",
        "survival",
        "telco_churn",
    ] {
        let listed = std::fs::read_dir(reference(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(listed.count() > 0, "{name} of the reference data is empty");
    }
}
