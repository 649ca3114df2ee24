//! Tables whose entries have names of the user's choice: `[segments]` and `[stages]`.

use serde_json::{Map, Value as Json};

use super::diagnostics::{Diagnostic, Diagnostics, Parsed};
use super::section::Section;
use super::tree::{DocumentEntry, DocumentNode, DocumentValue};

/// How many entries such a table may have.
pub(super) const MOST_ENTRIES: usize = 1_000;

/// The entries of a table whose keys are names that the user chooses: stages and segments.
pub(super) fn entries<'a>(
    top: &Section<'a>,
    diagnostics: &Diagnostics,
    name: &'static str,
) -> Parsed<Vec<&'a DocumentEntry>> {
    match top.node(name)? {
        None => Ok(vec![]),
        Some(DocumentNode { value: DocumentValue::Table(table), .. }) if table.0.len() > MOST_ENTRIES => {
            let what = format!("the pipeline has {} {name}, and at most {MOST_ENTRIES} are allowed", table.0.len());
            let problem = Diagnostic::new(what).at(table.0[MOST_ENTRIES].key_span.clone());
            Err(diagnostics.add(problem.help(format!("divide the {name} among several pipeline files"))))
        }
        Some(DocumentNode { value: DocumentValue::Table(table), .. }) => Ok(table.0.iter().collect()),
        Some(node) => {
            let what = format!("`{name}` takes a table, not {}", node.described());
            Err(diagnostics
                .add(Diagnostic::new(what).at(node.span.clone()).help(format!("write [{name}] and its entries below"))))
        }
    }
}

/// Names that become files, tables and columns: a lower-case letter, then lower-case letters, digits and `_`.
pub(super) fn check_name(diagnostics: &Diagnostics, what: &str, entry: &DocumentEntry) -> Parsed<()> {
    const MOST: usize = 50;
    let key = entry.key.as_str();
    let tail = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if key.len() <= MOST && key.bytes().all(tail) && key.bytes().next().is_some_and(|b| b.is_ascii_lowercase()) {
        return Ok(());
    }
    let mut better: String =
        key.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    better = better.trim_start_matches(|c: char| !c.is_ascii_lowercase()).chars().take(MOST).collect();
    let suggestion = if better.is_empty() { String::new() } else { format!("for example `{better}`; ") };
    let help =
        format!("{suggestion}it is a lower-case letter, then lower-case letters, digits and `_`, at most {MOST}");
    let problem = Diagnostic::new(format!("`{key}` does not serve as the name of a {what}")).at(entry.key_span.clone());
    Err(diagnostics.add(problem.help(help)))
}

/// What the named entries of a table resolve to, by name.
pub(super) fn resolved_by_name(entries: impl IntoIterator<Item = (String, Json)>) -> Json {
    let mut all: Vec<(String, Json)> = entries.into_iter().collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    Json::Object(all.into_iter().collect::<Map<_, _>>())
}
