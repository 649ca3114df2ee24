//! Who may know whom. The arrows of the design, as a test over the sources.

use std::fs;
use std::path::{Path, PathBuf};

/// A module and what it may name of the crate: a module, or a part of one where the rest is out of bounds.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("calendar", &[]),
    ("check", &["table"]),
    // Stage kinds are the registry that the pipeline file is decoded by.
    ("config", &["calendar", "error", "nearest", "regular_file", "stage", "terminal"]),
    // Scoring hands customers to whatever writes rows of them: a trait, never a kind of stage.
    ("engine", &["error", "exchange", "memory", "stage::PerCustomer", "table", "timeline"]),
    ("error", &[]),
    ("exchange", &["calendar", "error", "money"]),
    // The allocator ends the process with an exit status of its own.
    ("memory", &["error"]),
    ("money", &[]),
    ("nearest", &[]),
    ("publish", &["calendar", "check", "config::SourceKind", "error", "money", "source", "table", "terminal"]),
    ("regular_file", &[]),
    ("source", &["calendar", "config", "error", "exchange", "money", "nearest", "regular_file"]),
    (
        "stage",
        &[
            "calendar",
            "check",
            "engine::step_outputs",
            "engine::plan",
            "error",
            "money",
            "stats",
            "table",
            "tally",
            "timeline",
        ],
    ),
    ("stats", &[]),
    ("table", &["calendar"]),
    ("terminal", &[]),
    ("tally", &["calendar", "engine::step_outputs", "engine::plan", "error", "exchange", "money", "stats", "timeline"]),
    // Canonical rows are what the scan and the buckets agree on: plain vectors, without a reader.
    ("timeline", &["calendar", "error", "exchange", "money", "source::canonical"]),
];

/// These know everybody below them: `job` wires a run together, `cli` wires the program.
const KNOWS_ALL_BUT: &[(&str, &[&str])] = &[("job", &["cli"]), ("cli", &[])];

/// Crates and parts of std that only some modules touch: the core of the program is plain values in and out.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("polars", &["source"]),
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

fn within(path: &str, allowed: &str) -> bool {
    path.strip_prefix(allowed).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[test]
fn every_module_names_only_what_lies_below_it() {
    let mut strays = vec![];
    for Line { module, place, code } in lines() {
        assert!(!code.contains("use crate::{"), "{place}: one path a line, so that this test can read it");
        for path in named(&code).filter(|p| !within(p, &module)) {
            let fine = match MAY_NAME.iter().find(|(name, _)| *name == module) {
                Some((_, allowed)) => allowed.iter().any(|a| within(path, a)),
                None => match KNOWS_ALL_BUT.iter().find(|(name, _)| *name == module) {
                    Some((_, refused)) => !refused.iter().any(|r| within(path, r)),
                    None => ["lib", "main", "layers"].contains(&module.as_str()),
                },
            };
            if !fine {
                strays.push(format!("{place}: {module} names crate::{path}"));
            }
        }
    }
    assert!(strays.is_empty(), "against the layers of src/layers.rs:\n{}", strays.join("\n"));
}

#[test]
fn files_and_engines_stay_where_they_belong() {
    let mut strays = vec![];
    for Line { module, place, code } in lines().into_iter().filter(|l| !["layers", "lib"].contains(&l.module.as_str()))
    {
        for (tool, homes) in ONLY_IN.iter().filter(|(_, homes)| !homes.contains(&module.as_str())) {
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
fn the_table_of_layers_is_sound() {
    let known: Vec<&str> = MAY_NAME.iter().chain(KNOWS_ALL_BUT).map(|(name, _)| *name).collect();
    for module in lines().iter().map(|l| l.module.as_str()).filter(|m| !["lib", "main", "layers"].contains(m)) {
        assert!(known.contains(&module), "src/layers.rs says nothing of {module}");
    }
    assert_eq!(named("use crate::engine::plan::{Fold, Plan};").collect::<Vec<_>>(), ["engine::plan"]);
    assert_eq!(
        named("f(crate::error::Error::new(), crate::money)").collect::<Vec<_>>(),
        ["error::Error::new", "money"]
    );
    assert!(
        within("source::canonical::Term", "source::canonical") && !within("source::canonicals", "source::canonical")
    );
    assert!(lines().iter().any(|l| l.module == "engine" && named(&l.code).any(|p| p.starts_with("timeline"))));
}
