//! A generator of mistakes: a pipeline file with one thing wrong at a time.
//!
//! It knows TOML and nothing of the program it tests, so that any test can include this file and run a pipeline file
//! through it.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A pipeline file with one mistake.
pub(super) struct Mistake {
    pub text: String,
    /// Where in `text` the mistake stands: an error must point into it.
    pub at: Range<usize>,
    /// The right spelling, which the message must suggest; `None` for a wrong type.
    pub right: Option<String>,
    /// For a failing test: what was done.
    pub done: String,
}

/// Every key misspelt in every way of [`slips`], but for names that the user chooses.
pub(super) fn misspelt_keys(text: &str) -> Vec<Mistake> {
    let mut out = vec![];
    // The slip of one key that is another one gets no suggestion.
    let no_key = |m: Mistake| if m.text[m.at.clone()] == *"period" { Mistake { right: None, ..m } } else { m };
    walk(text, &mut |path, key, _| {
        let Some(key) = key else { return };
        if !chosen(text, path) {
            out.extend(respelt(text, &key, path, path[path.len() - 1].as_str()).into_iter().map(no_key));
        }
    });
    out
}

/// Every value that is a word of an enumeration, a time zone, a kind or the name of something else in the file, misspelt
/// in every way of [`slips`].
pub(super) fn misspelt_words(text: &str) -> Vec<Mistake> {
    const KEYS: &[&str] = &[
        "period",
        "week_start",
        "basis",
        "policy",
        "at",
        "kind",
        "mode",
        "from",
        "trailing_method",
        "measure",
        "models",
        "segments",
        "timezone",
        "free",
        "paused",
        "past_due",
        "ces_high",
        "unit",
        "spells",
        "confidence",
        "time_unit",
        "transactions_by",
    ];
    let mut out = vec![];
    walk(text, &mut |path, _, value| {
        let DeValue::String(word) = value.get_ref() else { return };
        let key = path.iter().rev().find(|p| p.parse::<usize>().is_err());
        // `output.mode` is a number; UTC has neighbours that are zones too.
        let word_of = key.is_some_and(|k| KEYS.contains(&k.as_str())) && path[0] != "output" && word != "UTC";
        let inside = value.span().start + 1..value.span().end - 1;
        if word_of && !(path[0] == "sources" && path.len() > 3) && text[inside.clone()] == **word {
            let quoted = |m: Mistake| Mistake { at: m.at.start - 1..m.at.end + 1, ..m };
            let told_apart = |m: &Mistake| !ambiguous(&m.text[m.at.clone()], word);
            out.extend(respelt(text, &inside, path, word).into_iter().filter(told_apart).map(quoted));
        }
    });
    out
}

/// Every value replaced by one of each other type of TOML, so chosen that no key takes it.
pub(super) fn wrong_types(text: &str) -> Vec<Mistake> {
    const OTHERS: [(&str, &str); 7] = [
        ("string", "\"zzqq\""),
        ("integer", "-7654321"),
        ("float", "-7654.5"),
        ("boolean", "true"),
        ("datetime", "1001-01-01"),
        ("array", "[[]]"),
        ("table", "{ zzqq = 1 }"),
    ];
    let mut out = vec![];
    walk(text, &mut |path, _, value| {
        let span = value.span();
        // Tables by header, and those that a dotted key opens, have no value to replace.
        if value.get_ref().is_table() && !text[span.clone()].starts_with('{') {
            return;
        }
        for (name, other) in OTHERS {
            // Where any string is as good as another, a string is no mistake.
            let free_text = path[0] == "sources" && (path[2] == "path" || path[2] == "columns" && path.len() == 4);
            if name == value.get_ref().type_str() || name == "string" && free_text {
                continue;
            }
            let mut changed = text.to_string();
            changed.replace_range(span.clone(), other);
            let done = format!("{} = {other}", path.join("."));
            out.push(Mistake { text: changed, at: span.start..span.start + other.len(), right: None, done });
        }
    });
    out
}

/// One letter dropped, two swapped, one doubled: at every place.
fn slips(word: &str) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    let mut out = vec![];
    for i in 0..letters.len() {
        let mut dropped = letters.clone();
        dropped.remove(i);
        out.push(dropped);
        let mut doubled = letters.clone();
        doubled.insert(i, letters[i]);
        out.push(doubled);
        if i + 1 < letters.len() {
            let mut swapped = letters.clone();
            swapped.swap(i, i + 1);
            out.push(swapped);
        }
    }
    let mut out: Vec<String> = out.into_iter().map(|w| w.into_iter().collect()).collect();
    out.retain(|w: &String| w != word && !w.is_empty());
    out.sort();
    out.dedup();
    out
}

/// Two models have names so alike that a slip of one may be the other, or as near to it.
fn ambiguous(wrong: &str, right: &str) -> bool {
    const ALIKE: [&str; 2] = ["bgnbd", "mbgnbd"];
    let near = |other: &&&str| **other != right && strsim::osa_distance(wrong, other) <= 1;
    ALIKE.contains(&right) && ALIKE.iter().any(|other| near(&other))
}

fn respelt(text: &str, at: &Range<usize>, path: &[String], right: &str) -> Vec<Mistake> {
    let mistake = |wrong: String| {
        let mut changed = text.to_string();
        changed.replace_range(at.clone(), &wrong);
        let done = format!("{}: {right} as {wrong}", path.join("."));
        Mistake { text: changed, at: at.start..at.start + wrong.len(), right: Some(right.into()), done }
    };
    slips(&text[at.clone()]).into_iter().map(mistake).collect()
}

/// Names of segments, of attributes, and of stages that say their kind.
fn chosen(text: &str, path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["segments", _] => true,
        ["stages", name] => DeTable::parse(text).is_ok_and(|t| {
            let stage = t.get_ref().get("stages").and_then(|s| s.get_ref().get(*name));
            stage.is_some_and(|s| s.get_ref().get("kind").is_some())
        }),
        ["sources", "customers", "columns", name] => {
            !["customer_id", "signed_up_at", "acquired_by", "referred_by"].contains(name)
        }
        _ => false,
    }
}

type Visit<'v> = dyn FnMut(&[String], Option<Range<usize>>, &Spanned<DeValue<'_>>) + 'v;

/// Calls `visit` with the path, the key's place and the value of every entry; elements of lists have a number for a key.
fn walk(text: &str, visit: &mut Visit<'_>) {
    let parsed = DeTable::parse(text).expect("the sample is valid TOML");
    let mut path = vec![];
    walk_table(parsed.get_ref(), &mut path, visit);
}

fn walk_table(table: &DeTable<'_>, path: &mut Vec<String>, visit: &mut Visit<'_>) {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        visit(path, Some(key.span()), value);
        walk_value(value, path, visit);
        path.pop();
    }
}

fn walk_value(value: &Spanned<DeValue<'_>>, path: &mut Vec<String>, visit: &mut Visit<'_>) {
    match value.get_ref() {
        DeValue::Table(inner) => walk_table(inner, path, visit),
        DeValue::Array(list) => {
            for (i, element) in list.iter().enumerate() {
                path.push(i.to_string());
                visit(path, None, element);
                walk_value(element, path, visit);
                path.pop();
            }
        }
        _ => {}
    }
}
