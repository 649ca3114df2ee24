//! Tells the tests whether the reference data is at hand: cfg `reference_data` where `TENURE_REFERENCE_DATA` is set.
//!
//! A test cannot be ignored while it runs, only when it is compiled. No crate but this one is compiled again when the
//! variable is set, changed or unset.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(reference_data)");
    println!("cargo::rerun-if-env-changed=TENURE_REFERENCE_DATA");
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("TENURE_REFERENCE_DATA").is_some_and(|folder| !folder.is_empty()) {
        println!("cargo::rustc-cfg=reference_data");
    }
}
