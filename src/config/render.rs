//! Errors as a person reads them in a terminal: the sentence, the line of the file with a caret below, the remedy.

use std::ops::Range;
use std::path::Path;

use annotate_snippets::{
    AnnotationKind, Group, Level, Renderer, Snippet, normalize_untrusted_str, renderer::DecorStyle,
};

use super::overrides::Override;
use super::problems::Layout;
use crate::error::{Error, Errors};

/// How errors are shown.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// ANSI colours and Unicode lines; without them the text is plain ASCII but for what it quotes.
    pub colour: bool,
    /// Columns of the terminal: longer lines of the file are cut around the caret.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Style { colour: false, width: 120 }
    }
}

/// All errors, one paragraph each, ending with a line break.
///
/// `overrides` are those of the command line: a place behind the end of the file lies in them. `text_of` gives a
/// file's text, normally by reading it; an error whose file it cannot give is shown without the line.
pub fn render(
    errors: &Errors,
    overrides: &[Override],
    style: Style,
    text_of: &dyn Fn(&Path) -> Option<String>,
) -> String {
    let renderer = if style.colour { Renderer::styled().decor_style(DecorStyle::Unicode) } else { Renderer::plain() };
    let renderer = renderer.term_width(style.width);
    let paragraphs: Vec<String> = errors.iter().map(|e| paragraph(e, overrides, &renderer, text_of)).collect();
    paragraphs.join("\n\n") + "\n"
}

fn paragraph(
    error: &Error,
    overrides: &[Override],
    renderer: &Renderer,
    text_of: &dyn Fn(&Path) -> Option<String>,
) -> String {
    let title = Level::ERROR.primary_title(error.what.as_str());
    let mut group = Group::with_title(title);
    if let Some(place) = &error.place {
        let text = place.span.as_ref().and_then(|_| text_of(&place.file));
        let text_len = text.as_ref().map_or(usize::MAX, String::len);
        let (file, span) = Layout { file: &place.file, text_len, overrides }.place(place.span.clone());
        let shown = normalize_untrusted_str(&file.display().to_string());
        group = match (text, span) {
            (Some(text), Some(span)) => {
                let caret = AnnotationKind::Primary.span(caret(&text, span));
                group.element(Snippet::source(text).path(shown).annotation(caret))
            }
            _ => group.element(annotate_snippets::Origin::path(shown)),
        };
    }
    let mut cause = error.source.as_deref().map(|e| e as &dyn std::error::Error);
    while let Some(e) = cause {
        group = group.element(Level::NOTE.message(normalize_untrusted_str(&format!("caused by: {e}"))));
        cause = e.source();
    }
    if let Some(help) = &error.help {
        group = group.element(Level::HELP.message(normalize_untrusted_str(help)));
    }
    renderer.render(&[group])
}

/// Where an error lies, for programs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Location {
    /// The file, or the option of the command line.
    pub file: String,
    /// From 1; `None` for a file as a whole.
    pub line: Option<usize>,
    /// In characters, from 1.
    pub column: Option<usize>,
}

/// The place of an error, if it has one; arguments as those of [`render`].
pub fn locate(error: &Error, overrides: &[Override], text_of: &dyn Fn(&Path) -> Option<String>) -> Option<Location> {
    let place = error.place.as_ref()?;
    let text = place.span.as_ref().and_then(|_| text_of(&place.file));
    let text_len = text.as_ref().map_or(usize::MAX, String::len);
    let (file, span) = Layout { file: &place.file, text_len, overrides }.place(place.span.clone());
    let at = text.zip(span).map(|(text, span)| {
        let before = &text[..caret(&text, span).start];
        let line = before.rfind('\n').map_or(before, |i| &before[i + 1..]);
        (1 + before.matches('\n').count(), 1 + line.chars().count())
    });
    Some(Location { file: file.display().to_string(), line: at.map(|p| p.0), column: at.map(|p| p.1) })
}

/// The part of a span that is drawn: within the text, on character boundaries, no further than its first line.
fn caret(text: &str, span: Range<usize>) -> Range<usize> {
    let boundary = |mut i: usize| {
        i = i.min(text.len());
        while !text.is_char_boundary(i) {
            i -= 1;
        }
        i
    };
    let start = boundary(span.start);
    let end = boundary(span.end.max(start)).max(start);
    let first_line = text[start..end].find(['\n', '\r']).map_or(end, |i| start + i);
    start..first_line
}
