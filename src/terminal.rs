//! Escapes characters that a terminal would obey instead of showing.
//!
//! Names of files and columns, values of exports and lines of pipeline files may hold control characters, which move the
//! cursor, recolour the screen or hide other text, and characters that change the direction of writing, which show words in
//! another order. Everything that the program prints passes through here.

use std::borrow::Cow;

/// True if a terminal obeys the character instead of showing it: C0, DEL, C1, line and paragraph separators, and the marks
/// and overrides of direction.
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The text on one line: each character that [`steers`] is written as a Rust escape, `\n`, `\u{1b}`, `\u{202e}`.
pub fn escaped(text: &str) -> Cow<'_, str> {
    escaped_but(text, |_| false)
}

/// Like [`escaped`] for a text of several lines: line breaks and tabs stay.
pub fn escaped_lines(text: &str) -> Cow<'_, str> {
    escaped_but(text, |c| matches!(c, '\n' | '\t'))
}

/// Like [`escaped`]; characters that are `kept` stay as they are.
pub fn escaped_but(text: &str, kept: impl Fn(char) -> bool) -> Cow<'_, str> {
    let escapes = |c: char| steers(c) && !kept(c);
    if !text.contains(escapes) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if escapes(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// The same JSON document with such characters in its strings written as `\u202e`. Line breaks between its tokens stay; in
/// strings JSON has escaped them already.
pub fn escaped_json(document: &str) -> Cow<'_, str> {
    let escapes = |c: char| steers(c) && c != '\n';
    if !document.contains(escapes) {
        return Cow::Borrowed(document);
    }
    let mut shown = String::with_capacity(document.len() + 8);
    for c in document.chars() {
        if escapes(c) {
            // All such characters have four hexadecimal digits.
            shown.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every character that a terminal may obey.
    fn all() -> impl Iterator<Item = char> {
        (0..=0x10_FFFF).filter_map(char::from_u32).filter(|c| steers(*c))
    }

    #[test]
    fn what_steers_a_terminal_is_known() {
        assert_eq!(all().filter(char::is_ascii).count(), 33, "C0 and DEL");
        for c in
            ['\u{9b}', '\u{85}', '\u{061C}', '\u{200E}', '\u{200F}', '\u{202A}', '\u{202E}', '\u{2066}', '\u{2069}']
        {
            assert!(steers(c), "{c:?}");
        }
        for c in [' ', '–', 'é', '\u{5D0}', '\u{200D}', '日'] {
            assert!(!steers(c), "{c:?}");
        }
    }

    #[test]
    fn nothing_that_steers_is_left() {
        for c in all() {
            let text = format!("a{c}b");
            assert!(!escaped(&text).contains(steers), "{c:?}");
            let json = serde_json::Value::from(text.as_str()).to_string();
            assert!(!escaped_json(&json).contains(steers), "{c:?}");
            assert_eq!(serde_json::from_str::<String>(&escaped_json(&json)).unwrap(), text);
        }
        assert_eq!(escaped("a\u{1b}[31m\nb\u{202e}c"), "a\\u{1b}[31m\\nb\\u{202e}c");
        assert_eq!(escaped_lines("a\n\tb\rc"), "a\n\tb\\rc");
        assert!(matches!(escaped("Zoë 日本"), Cow::Borrowed(_)));
    }
}
