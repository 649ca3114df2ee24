//! The document as a tree in which every key and value has its place.
//!
//! Built from what the TOML parser could make out, syntax errors or not; `--set` and the environment act on it before
//! anything is decoded.

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml::value::Datetime;

use super::diagnostics::ErrorGuaranteed;
use super::layout::Span;
use crate::text::Text;

type Unreadable<'a> = dyn Fn(&Span) -> Option<ErrorGuaranteed> + 'a;

#[derive(Clone, Debug)]
pub(super) struct DocumentNode {
    pub value: DocumentValue,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub(super) enum DocumentValue {
    Text(Text),
    Int(i64),
    /// An integer or float that no 64 bits hold, as written.
    Huge(String),
    Float(f64),
    Flag(bool),
    Date(Datetime),
    List(Vec<DocumentNode>),
    Table(DocumentTable),
    /// Present, but unreadable, which was reported.
    Broken(ErrorGuaranteed),
}

/// Entries in the order of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct DocumentTable(pub Vec<DocumentEntry>);

#[derive(Clone, Debug)]
pub(super) struct DocumentEntry {
    pub key: String,
    pub key_span: Span,
    pub node: DocumentNode,
}

impl DocumentTable {
    pub(super) fn get(&self, key: &str) -> Option<&DocumentEntry> {
        self.0.iter().find(|e| e.key == key)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut DocumentEntry> {
        self.0.iter_mut().find(|e| e.key == key)
    }

    /// `place` gives each node its span; `unreadable` knows the values that the parser could not make out.
    pub(super) fn read(
        table: &DeTable<'_>,
        place: &dyn Fn(Span) -> Span,
        unreadable: &Unreadable<'_>,
    ) -> DocumentTable {
        let entry = |(key, value): (&Spanned<_>, &Spanned<_>)| {
            let key: &Spanned<std::borrow::Cow<'_, str>> = key;
            DocumentEntry {
                key: key.get_ref().to_string(),
                key_span: place(key.span()),
                node: DocumentNode::read(value, place, unreadable),
            }
        };
        let mut entries: Vec<DocumentEntry> = table.iter().map(entry).collect();
        entries.sort_by_key(|e| e.key_span.start);
        DocumentTable(entries)
    }
}

impl DocumentNode {
    pub(super) fn read(
        value: &Spanned<DeValue<'_>>,
        place: &dyn Fn(Span) -> Span,
        unreadable: &Unreadable<'_>,
    ) -> DocumentNode {
        let span = value.span();
        let whole = matches!(value.get_ref(), DeValue::Array(_) | DeValue::Table(_));
        if let Some(reported) = unreadable(&span).filter(|_| !whole) {
            return DocumentNode { value: DocumentValue::Broken(reported), span };
        }
        let value = match value.get_ref() {
            DeValue::String(s) => DocumentValue::Text(Text::plain(s.as_ref())),
            DeValue::Integer(i) => i64::from_str_radix(i.as_str(), i.radix())
                .map_or_else(|_| DocumentValue::Huge(i.to_string()), DocumentValue::Int),
            DeValue::Float(f) => match f.as_str().parse::<f64>() {
                Ok(x) if x.is_finite() || f.as_str().contains("inf") => DocumentValue::Float(x),
                _ => DocumentValue::Huge(f.to_string()),
            },
            DeValue::Boolean(b) => DocumentValue::Flag(*b),
            DeValue::Datetime(d) => DocumentValue::Date(*d),
            DeValue::Array(a) => {
                DocumentValue::List(a.iter().map(|v| DocumentNode::read(v, place, unreadable)).collect())
            }
            DeValue::Table(t) => DocumentValue::Table(DocumentTable::read(t, place, unreadable)),
        };
        DocumentNode { value, span: place(span) }
    }

    /// Parses a value as TOML writes it (a default of the reference); all of it takes the given span.
    pub(super) fn parse(text: &str, span: Span) -> Option<DocumentNode> {
        let value = DeValue::parse(text).ok()?;
        Some(DocumentNode::read(&value, &|_| span.clone(), &|_| None))
    }

    /// What stands here, in words for a message.
    pub(super) fn described(&self) -> String {
        match &self.value {
            DocumentValue::Text(t) => format!("the string {}", quoted(t.written())),
            DocumentValue::Int(i) => format!("the whole number {i}"),
            DocumentValue::Huge(text) => format!("the number {text}"),
            DocumentValue::Float(x) => format!("the number {x:?}"),
            DocumentValue::Flag(b) => format!("the boolean {b}"),
            DocumentValue::Date(d) if d.time.is_none() => format!("the date {d}"),
            DocumentValue::Date(d) => format!("the time {d}"),
            DocumentValue::List(_) => "a list".into(),
            DocumentValue::Table(_) => "a table".into(),
            DocumentValue::Broken(_) => "something unreadable".into(),
        }
    }

    /// The value for the manifest, with references to the environment as they were written.
    pub(super) fn json(&self) -> Json {
        match &self.value {
            DocumentValue::Text(t) => t.written().into(),
            DocumentValue::Int(i) => (*i).into(),
            DocumentValue::Float(x) => (*x).into(),
            DocumentValue::Flag(b) => (*b).into(),
            DocumentValue::Date(d) => d.to_string().into(),
            DocumentValue::List(list) => list.iter().map(DocumentNode::json).collect(),
            DocumentValue::Table(t) => t.0.iter().map(|e| (e.key.clone(), e.node.json())).collect(),
            DocumentValue::Huge(_) | DocumentValue::Broken(_) => Json::Null,
        }
    }
}

/// A string between quotation marks, shortened where it is long.
pub(super) fn quoted(text: &str) -> String {
    const MOST: usize = 60;
    let short: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    let short = short.replace("\\\"", "\"").replace("\\'", "'");
    if text.chars().count() > MOST { format!("\"{short}…\"") } else { format!("\"{short}\"") }
}
