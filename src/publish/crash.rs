//! Crash points: places where a test kills the process, to prove that the last published run stays readable.
//!
//! With `TENURE_CRASH_AT=<point>` in its environment the process aborts at that point without cleaning up, as `kill -9`
//! would end it. Meant for tests only; without the variable a point costs one look-up of the environment.

/// Names the point at which to crash.
pub const VARIABLE: &str = "TENURE_CRASH_AT";

/// Every point, in the order in which a run passes them.
pub const POINTS: [&str; 9] = [
    "after-lock",
    "after-folder",
    "within-table",
    "before-manifest",
    "before-sync",
    "before-rename",
    "before-latest",
    "within-latest",
    "after-latest",
];

pub(super) fn point(name: &str) {
    debug_assert!(POINTS.contains(&name));
    if std::env::var_os(VARIABLE).is_some_and(|at| at == name) {
        std::process::abort();
    }
}
