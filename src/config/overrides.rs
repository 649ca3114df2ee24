//! Settings of the command line, put into the tree in place of the file's: `--set key.path=value`, and options that
//! stand for a key.

use toml::de::{DeTable, DeValue};

use super::diagnostics::{Diagnostic, Diagnostics, Parsed};
use super::layout::{Layout, Span};
use super::tree::{DocumentEntry, DocumentNode, DocumentTable, DocumentValue};
use crate::text::Text;

/// Applies the overrides in their order, so that the last one wins.
pub(super) fn apply(root: &mut DocumentTable, layout: &Layout<'_>, diagnostics: &Diagnostics) {
    for (i, given) in layout.overrides.iter().enumerate() {
        let span = layout.span_of_override(i);
        if let Ok((path, node)) = parse(&given.assignment, &span, diagnostics) {
            // A path that cannot be followed has been reported.
            let _ = insert(root, &path, node, &span, diagnostics);
        }
    }
}

/// In bytes: the whole path of a key is shorter.
const LONGEST_KEY: usize = 1_000;

/// The value is read as TOML writes it (`3`, `true`, `["a"]`, `2011-12-10`), else as the string that it is.
fn parse(text: &str, span: &Span, diagnostics: &Diagnostics) -> Parsed<(Vec<String>, DocumentNode)> {
    // A quoted key may hold `=` itself: the key ends at the first `=` before which a key is complete.
    let ends = text.match_indices('=').take_while(|(i, _)| *i <= LONGEST_KEY);
    let key = ends.into_iter().find_map(|(i, _)| Some((key_path(&text[..i])?, i)));
    let Some((path, equals)) = key else {
        let problem = Diagnostic::new("`--set` takes a key, `=` and a value").at(span.clone());
        return Err(diagnostics.add(problem.help("for example --set calendar.period=week")));
    };
    let value = &text[equals + 1..];
    let node = match DeValue::parse(value.trim()) {
        Ok(v) => DocumentNode::read(&v, &|_| span.clone(), &|_| None),
        Err(_) => DocumentNode { value: DocumentValue::Text(Text::plain(value)), span: span.clone() },
    };
    Ok((path, node))
}

/// The parts of a dotted key, quoted or bare.
fn key_path(key: &str) -> Option<Vec<String>> {
    if key.contains(['\n', '\r']) {
        return None;
    }
    let assignment = format!("{key} = 0");
    let parsed = DeTable::parse(&assignment).ok()?;
    let mut path = vec![];
    let mut table = parsed.get_ref();
    loop {
        let (key, value) = table.iter().next()?;
        path.push(key.get_ref().to_string());
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => return Some(path),
        }
    }
}

fn insert(
    table: &mut DocumentTable,
    path: &[String],
    node: DocumentNode,
    span: &Span,
    diagnostics: &Diagnostics,
) -> Parsed<()> {
    let [key, rest @ ..] = path else { return Ok(()) };
    if table.get(key).is_none() {
        let value = DocumentValue::Table(DocumentTable::default());
        table.0.push(DocumentEntry {
            key: key.clone(),
            key_span: span.clone(),
            node: DocumentNode { value, span: span.clone() },
        });
    }
    let Some(entry) = table.get_mut(key) else { return Ok(()) };
    if rest.is_empty() {
        entry.node = node;
        entry.key_span = span.clone();
        return Ok(());
    }
    match &mut entry.node.value {
        DocumentValue::Table(inner) => insert(inner, rest, node, span, diagnostics),
        DocumentValue::Broken(reported) => Err(*reported),
        _ => {
            let what = format!("`{key}` is {}, so nothing can be set inside it", entry.node.described());
            Err(diagnostics.add(Diagnostic::new(what).at(span.clone()).help(format!("set `{key}` as a whole"))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> Result<(String, serde_json::Value), ()> {
        let diagnostics = Diagnostics::default();
        let parsed = parse(text, &(1..2), &diagnostics).map_err(|_| ())?;
        Ok((parsed.0.join("/"), parsed.1.json()))
    }

    #[test]
    fn values_are_toml_or_else_text() {
        for (text, path, json) in [
            ("calendar.period=week", "calendar/period", serde_json::json!("week")),
            ("money.digits=3", "money/digits", serde_json::json!(3)),
            ("money.gross_margin = 0.5", "money/gross_margin", serde_json::json!(0.5)),
            ("calendar.as_of=2011-12-10", "calendar/as_of", serde_json::json!("2011-12-10")),
            ("stages.ltv.models=[\"ratio\"]", "stages/ltv/models", serde_json::json!(["ratio"])),
            ("stages.churn={}", "stages/churn", serde_json::json!({})),
            ("output.mode=0640", "output/mode", serde_json::json!("0640")),
            ("name=", "name", serde_json::json!("")),
            ("sources.transactions.filter=\"A\" = 1", "sources/transactions/filter", serde_json::json!("\"A\" = 1")),
            ("a.\"b=c\".d=x=y", "a/b=c/d", serde_json::json!("x=y")),
        ] {
            assert_eq!(set(text), Ok((path.to_string(), json)), "{text}");
        }
        for text in ["", "=", "period", "a b=1", "#a=1", "=1", "a.=1", "[a]\nb=1"] {
            assert!(set(text).is_err(), "{text}");
        }
    }
}
