//! The pipeline file, and what the command line changes in it.
//!
//! Any text becomes a pipeline that can be planned, or mistakes that can be shown. No value of the environment is in either
//! of what is printed: the messages, and the configuration of the manifest.

use std::path::Path;

use tenure::config::{Override, Style, parse, render};

/// What every variable of the environment holds: nothing else contains it.
const SECRET: &str = "q7KzSECRETq7";
/// Separates the file from one override a line.
const OVERRIDES: &str = "\n#--set\n";

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (file, lines) = text.split_once(OVERRIDES).unwrap_or((text, ""));
    if text.contains(SECRET) {
        return;
    }
    let overrides: Vec<Override> = lines.lines().take(8).map(Override::set).collect();
    let path = Path::new("pipeline.toml");
    let outcome = parse(path, file, &overrides, &|_| Some(SECRET.to_string()), tenure::stage::KINDS);
    match outcome {
        Ok(pipeline) => {
            let resolved = pipeline.resolved.to_string();
            assert!(!resolved.contains(SECRET), "the manifest would hold a value of the environment: {resolved}");
            let _ = tenure::job::run_plan(&pipeline, None);
        }
        Err(errors) => {
            let said = render(&errors, &overrides, Style::default(), &|_| Some(file.to_string()));
            assert!(said.contains("error"), "nothing was said of {file:?}");
            assert!(!said.contains(SECRET), "a message holds a value of the environment: {said}");
        }
    }
}
