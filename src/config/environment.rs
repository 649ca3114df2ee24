//! `${NAME}` and `${NAME:-default}` in string values.
//!
//! As in a shell: `:-` gives the value for a variable that is not set or empty; `$${` is a literal `${`. What the
//! environment holds may be secret, so messages and the manifest show the reference, never the value.

use std::ops::Range;

use super::diagnostics::{Diagnostic, Diagnostics};
use super::tree::{DocumentNode, DocumentTable, DocumentValue};
use crate::text::Text;

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Fills in every reference below `table`; `text` is the file's, to point at the reference within a string.
pub(super) fn expand(table: &mut DocumentTable, text: &str, env: Lookup<'_>, diagnostics: &Diagnostics) {
    for entry in &mut table.0 {
        expand_node(&mut entry.node, text, env, diagnostics);
    }
}

fn expand_node(node: &mut DocumentNode, file: &str, env: Lookup<'_>, diagnostics: &Diagnostics) {
    match &mut node.value {
        DocumentValue::Table(t) => expand(t, file, env, diagnostics),
        DocumentValue::List(list) => list.iter_mut().for_each(|n| expand_node(n, file, env, diagnostics)),
        DocumentValue::Text(text) => {
            let mut faults = vec![];
            let raw = text.written().to_owned();
            *text = expand_text(&raw, env, &mut faults);
            let mut reported = None;
            for fault in faults {
                // The string as decoded and as written differ by quotes and escapes: look for the reference itself.
                let written = file.get(node.span.clone()).unwrap_or("");
                let reference = &raw[fault.at.clone()];
                let span = written.find(reference).map(|i| node.span.start + i..node.span.start + i + reference.len());
                let problem = Diagnostic::new(fault.what).at(span.unwrap_or(node.span.clone())).help(fault.help);
                reported = Some(diagnostics.add(problem));
            }
            if let Some(reported) = reported {
                node.value = DocumentValue::Broken(reported);
            }
        }
        _ => {}
    }
}

#[derive(Debug, PartialEq)]
struct MissingVariable {
    at: Range<usize>,
    what: String,
    help: String,
}

fn expand_text(raw: &str, env: Lookup<'_>, faults: &mut Vec<MissingVariable>) -> Text {
    let mut out = Text::unfilled(raw);
    let mut from = 0;
    while let Some(dollar) = raw[from..].find("${").map(|i| from + i) {
        if raw[from..dollar].ends_with('$') {
            out.push(&raw[from..dollar - 1]);
            out.push("${");
            from = dollar + 2;
            continue;
        }
        out.push(&raw[from..dollar]);
        let Some(length) = raw[dollar..].find('}') else {
            let what = "a reference to the environment begins here and is not closed".to_string();
            faults.push(MissingVariable {
                at: dollar..raw.len(),
                what,
                help: "write ${NAME}, or $${ for a literal ${".into(),
            });
            return out;
        };
        let at = dollar..dollar + length + 1;
        let inside = &raw[at.start + 2..at.end - 1];
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(letters) {
            let what = format!("`{name}` is not a name of an environment variable");
            let help =
                "write ${NAME} or ${NAME:-default} with letters, digits and _ in the name, or $${ for a literal ${";
            faults.push(MissingVariable { at: at.clone(), what, help: help.into() });
        } else {
            match (env(name), default) {
                (Some(value), None) => out.fill(at.clone(), &value, true),
                (Some(value), Some(_)) if !value.is_empty() => out.fill(at.clone(), &value, true),
                (_, Some(default)) => out.fill(at.clone(), default, false),
                (None, None) => {
                    let what = format!("the environment variable `{name}` is not set");
                    let help =
                        format!("set {name} before the run, or write ${{{name}:-…}} with a value to fall back on");
                    faults.push(MissingVariable { at: at.clone(), what, help });
                }
            }
        }
        from = at.end;
    }
    out.push(&raw[from..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(raw: &str) -> Result<String, Vec<String>> {
        let env = |name: &str| match name {
            "HOME" => Some("/home/ada".to_string()),
            "EMPTY" => Some(String::new()),
            "ODD" => Some("${HOME}".to_string()),
            _ => None,
        };
        let mut faults = vec![];
        let out = expand_text(raw, &env, &mut faults);
        if faults.is_empty() { Ok(out.value().to_owned()) } else { Err(faults.into_iter().map(|f| f.what).collect()) }
    }

    #[test]
    fn references_are_filled_in_as_a_shell_does() {
        for (raw, value) in [
            ("plain", "plain"),
            ("${HOME}/exports", "/home/ada/exports"),
            ("${NONE:-/data}/x", "/data/x"),
            ("${EMPTY:-full}|${EMPTY}|", "full||"),
            ("${NONE:-}", ""),
            ("$HOME $5", "$HOME $5"),
            ("$${HOME}", "${HOME}"),
            ("ü${HOME}ü", "ü/home/adaü"),
            // A value is text: it is not read again.
            ("${ODD}", "${HOME}"),
        ] {
            assert_eq!(expanded(raw).as_deref(), Ok(value), "{raw}");
        }
    }

    #[test]
    fn what_cannot_be_filled_in_is_said_for_each() {
        let two = expanded("${A} and ${B}").unwrap_err();
        assert_eq!(two, ["the environment variable `A` is not set", "the environment variable `B` is not set"]);
        for raw in ["${", "${HOME", "${}", "${a b}", "${1}", "${:-x}", "${ü}"] {
            assert_eq!(expanded(raw).unwrap_err().len(), 1, "{raw}");
        }
    }
}
