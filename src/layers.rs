//! The layers of the program, as a test over its sources.

use std::fs;
use std::path::{Path, PathBuf};

/// The folders of the program, from the top down: a folder names only what stands below it.
const ORDER: &[&str] = &[
    "cli",
    "job",
    "publish",
    "source",
    "config",
    "stage",
    "tables",
    "options",
    "run_settings",
    "tally",
    "engine",
    "timeline",
    "rows",
    "source_kind",
    "text",
    "stats",
    "check",
    "table",
    "progress",
    "exchange",
    "numbers",
    "money",
    "calendar",
    "nearest",
    "leb128",
    "memory",
    "regular_file",
    "terminal",
    "error",
];

/// Crates and parts of std that only some modules, or one file of a module, touch: the core of the program is plain values in and out.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("polars", &["source", "table/data_frame"]),
    ("parquet", &["source", "publish"]),
    ("arrow", &["source", "publish", "cli"]),
    ("toml", &["config"]),
    ("clap", &["cli"]),
    // Of timeline, the store alone: buckets may spill.
    ("std::fs", &["config", "regular_file", "source", "timeline", "publish", "cli"]),
    ("std::env", &["publish", "cli"]),
];

struct Line {
    module: String,
    place: String,
    code: String,
}

/// The lines of the program itself: no comments, no tests.
fn lines() -> Vec<Line> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![];
    walk(&top, &mut files);
    assert!(files.len() > 50, "{} sources", files.len());
    let mut lines = vec![];
    for path in files {
        let below = path.strip_prefix(&top).unwrap();
        let name = below.components().next().unwrap().as_os_str().to_string_lossy();
        let module = name.trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(&path).unwrap();
        // Tests may use what they like; they stand at the end.
        let program = text.split_once("mod tests {").map_or(text.as_str(), |(program, _)| program);
        for (i, line) in program.lines().enumerate().filter(|(_, l)| !l.trim_start().starts_with("//")) {
            let place = format!("src/{}:{}", below.display(), i + 1);
            lines.push(Line { module: module.clone(), place, code: line.to_owned() });
        }
    }
    lines
}

/// Sources of the program: files that only tests are made of are left out.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    let test_only = |path: &Path| {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let declared = entries.iter().filter(|e| e.extension().is_some_and(|x| x == "rs")).any(|sibling| {
            let text = fs::read_to_string(sibling).unwrap();
            text.contains(&format!("#[cfg(test)]\nmod {stem};"))
                || text.contains(&format!("#[cfg(test)]\npub mod {stem};"))
        });
        declared || stem == "tests"
    };
    for path in entries.iter().filter(|p| !test_only(p)) {
        if path.is_dir() {
            walk(path, files);
        } else if path.extension().is_some_and(|x| x == "rs") {
            files.push(path.clone());
        }
    }
}

/// The paths into the crate that a line names: `engine::plan` of `crate::engine::plan::{Fold, Plan}`.
fn named(code: &str) -> impl Iterator<Item = &str> {
    code.match_indices("crate::").map(|(i, found)| {
        let rest = &code[i + found.len()..];
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
        rest[..end].trim_end_matches(':')
    })
}

/// The place of a module in [`ORDER`], counted from the top.
fn floor(module: &str) -> Option<usize> {
    ORDER.iter().position(|name| *name == module)
}

/// Not part of the order: they wire everything, or test it.
const EVERYWHERE: [&str; 4] = ["lib", "main", "layers", "laws"];

/// Names that point up: `order` is the place of a module from the top.
fn upward(lines: &[Line], order: impl Fn(&str) -> Option<usize>) -> Vec<String> {
    let mut strays = vec![];
    for Line { module, place, code } in lines {
        for path in named(code) {
            let other = path.split("::").next().unwrap_or_default();
            if other != module && order(other) <= order(module) {
                strays.push(format!("{place}: {module} names crate::{path}, which does not stand below it"));
            }
        }
    }
    strays
}

#[test]
fn every_folder_names_only_what_stands_below_it() {
    let program: Vec<Line> = lines().into_iter().filter(|l| !EVERYWHERE.contains(&l.module.as_str())).collect();
    for Line { module, place, code } in &program {
        assert!(!code.contains("use crate::{"), "{place}: one path a line, so that this test can read it");
        assert!(floor(module).is_some(), "{place}: ORDER in src/layers.rs does not say where {module} stands");
    }
    let strays = upward(&program, floor);
    assert!(strays.is_empty(), "against the order of src/layers.rs:\n{}", strays.join("\n"));
}

/// The order is read from the list and not from what the sources do: an arrow in a circle always points up.
#[test]
fn a_circle_is_found() {
    let line = |module: &str, code: &str| Line { module: module.into(), place: String::new(), code: code.into() };
    let arrows =
        [line("engine", "use crate::timeline::view::View;"), line("timeline", "use crate::engine::plan::Plan;")];
    assert_eq!(upward(&arrows[..1], floor), Vec::<String>::new());
    assert_eq!(upward(&arrows, floor).len(), 1);
}

#[test]
fn files_and_engines_stay_where_they_belong() {
    let mut strays = vec![];
    for Line { module, place, code } in lines().into_iter().filter(|l| !["layers", "lib"].contains(&l.module.as_str()))
    {
        let is_home = |home: &&str| module == *home || place.starts_with(&format!("src/{home}.rs:"));
        for (tool, homes) in ONLY_IN.iter().filter(|(_, homes)| !homes.iter().any(is_home)) {
            let uses = code
                .trim_start()
                .strip_prefix("use ")
                .is_some_and(|path| path.strip_prefix(tool).is_some_and(|rest| rest.starts_with([':', '_', ';'])));
            if uses || code.contains(&format!(" {tool}::")) || code.contains(&format!("({tool}::")) {
                strays.push(format!("{place}: {module} uses {tool}, which belongs to {}", homes.join(", ")));
            }
        }
    }
    assert!(strays.is_empty(), "{}", strays.join("\n"));
}

#[test]
fn the_order_is_of_modules_that_exist() {
    let modules: Vec<String> = lines().into_iter().map(|l| l.module).collect();
    for (i, module) in ORDER.iter().enumerate() {
        assert!(modules.iter().any(|m| m == module), "src/layers.rs names {module}, which is no module");
        assert!(!ORDER[..i].contains(module), "{module} stands twice in the order");
    }
    assert_eq!(named("use crate::engine::plan::{Fold, Plan};").collect::<Vec<_>>(), ["engine::plan"]);
    assert_eq!(
        named("f(crate::error::Error::new(), crate::money)").collect::<Vec<_>>(),
        ["error::Error::new", "money"]
    );
    assert!(lines().iter().any(|l| l.module == "engine" && named(&l.code).any(|p| p.starts_with("timeline"))));
}
