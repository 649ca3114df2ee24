//! Errors as a person reads them in a terminal: the sentence, the line of the file with a caret below, the remedy.

use std::ops::Range;
use std::path::Path;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet, renderer::DecorStyle};

use super::layout::Layout;
use super::layout::Override;
use crate::error::{Error, Errors};
use crate::terminal::{escaped, escaped_but};

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

/// The errors, one paragraph each, ending with a line break: of very many the first, and how many more there are.
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
    let (first, more) = errors.first();
    let mut paragraphs: Vec<String> = first.iter().map(|e| paragraph(e, overrides, &renderer, text_of)).collect();
    if more > 0 {
        let diagnostics = if more == 1 { "problem is" } else { "problems are" };
        paragraphs.push(format!("{more} more {diagnostics} not shown"));
    }
    paragraphs.join("\n\n") + "\n"
}

fn paragraph(
    error: &Error,
    overrides: &[Override],
    renderer: &Renderer,
    text_of: &dyn Fn(&Path) -> Option<String>,
) -> String {
    let title = Level::ERROR.primary_title(shown(&error.what));
    let mut group = Group::with_title(title);
    if let Some(place) = &error.place {
        let text = place.span.as_ref().and_then(|_| text_of(&place.file));
        let text_len = text.as_ref().map_or(usize::MAX, String::len);
        let (file, span) = Layout { file: &place.file, text_len, overrides }.place(place.span.clone());
        let path = shown(&file.display().to_string());
        group = match (text, span) {
            (Some(text), Some(span)) => {
                let SourceLine { number, text, caret } = line(&text, span);
                let caret = AnnotationKind::Primary.span(caret);
                group.element(Snippet::source(text).line_start(number).path(path).annotation(caret))
            }
            _ => group.element(Origin::path(path)),
        };
    }
    let mut cause = error.source.as_deref().map(|e| e as &dyn std::error::Error);
    while let Some(e) = cause {
        group = group.element(Level::NOTE.message(shown(&format!("caused by: {e}"))));
        cause = e.source();
    }
    if let Some(help) = &error.help {
        group = group.element(Level::HELP.message(shown(help)));
    }
    renderer.render(&[group])
}

/// Longer sentences are cut: a key of a million letters would be repeated as it is.
const LONGEST: usize = 4_000;

/// A sentence as it is shown: of a bearable length, with nothing in it that a terminal would obey.
fn shown(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", escaped(&text[..end])),
        None => escaped(text).into_owned(),
    }
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

/// In letters: more of a line is drawn neither before the place of an error nor behind it.
const WIDEST: usize = 2_000;

/// The line of a file that an error is drawn at.
struct SourceLine {
    /// From 1.
    number: usize,
    text: String,
    caret: Range<usize>,
}

/// The line that a span begins on, safe for a terminal, and the span within it.
fn line(text: &str, span: Range<usize>) -> SourceLine {
    let caret = caret(text, span);
    let start = text[..caret.start].rfind('\n').map_or(0, |i| i + 1);
    let end = text[caret.end..].find('\n').map_or(text.len(), |i| caret.end + i);
    let end = start + text[start..end].strip_suffix('\r').map_or(end - start, str::len);
    // A tab is drawn as blanks, and no terminal is wider than what is kept.
    let shown = |part: Range<usize>| {
        let part = &text[part.start..part.end.max(part.start)];
        let cut = part.char_indices().nth(WIDEST).map_or(part, |(end, _)| &part[..end]);
        escaped_but(cut, |c| c == '\t')
    };
    let before = shown(start..caret.start.min(end));
    let marked = shown(caret.start.min(end)..caret.end.min(end));
    let after = shown(caret.end.min(end)..end);
    SourceLine {
        number: 1 + text[..start].matches('\n').count(),
        caret: before.len()..before.len() + marked.len(),
        text: format!("{before}{marked}{after}"),
    }
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
