//! The document as a tree in which every key and value has its place.
//!
//! Built from what the TOML parser could make out, syntax errors or not; `--set` and the environment act on it before
//! anything is decoded.

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml::value::Datetime;

use super::diagnostics::{ErrorGuaranteed, Span};
use crate::text::Text;

type Unreadable<'a> = dyn Fn(&Span) -> Option<ErrorGuaranteed> + 'a;

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub value: Value,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(Text),
    Int(i64),
    /// An integer or float that no 64 bits hold, as written.
    Huge(String),
    Float(f64),
    Flag(bool),
    Date(Datetime),
    List(Vec<Node>),
    Table(Table),
    /// Present, but unreadable, which was reported.
    Broken(ErrorGuaranteed),
}

/// Entries in the order of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Table(pub Vec<Entry>);

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: String,
    pub key_span: Span,
    pub node: Node,
}

impl Table {
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.0.iter().find(|e| e.key == key)
    }

    pub fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.0.iter_mut().find(|e| e.key == key)
    }

    /// `place` gives each node its span; `unreadable` knows the values that the parser could not make out.
    pub fn read(table: &DeTable<'_>, place: &dyn Fn(Span) -> Span, unreadable: &Unreadable<'_>) -> Table {
        let entry = |(key, value): (&Spanned<_>, &Spanned<_>)| {
            let key: &Spanned<std::borrow::Cow<'_, str>> = key;
            Entry {
                key: key.get_ref().to_string(),
                key_span: place(key.span()),
                node: Node::read(value, place, unreadable),
            }
        };
        let mut entries: Vec<Entry> = table.iter().map(entry).collect();
        entries.sort_by_key(|e| e.key_span.start);
        Table(entries)
    }
}

impl Node {
    pub fn read(value: &Spanned<DeValue<'_>>, place: &dyn Fn(Span) -> Span, unreadable: &Unreadable<'_>) -> Node {
        let span = value.span();
        let whole = matches!(value.get_ref(), DeValue::Array(_) | DeValue::Table(_));
        if let Some(reported) = unreadable(&span).filter(|_| !whole) {
            return Node { value: Value::Broken(reported), span };
        }
        let value = match value.get_ref() {
            DeValue::String(s) => Value::Text(Text::plain(s.as_ref())),
            DeValue::Integer(i) => {
                i64::from_str_radix(i.as_str(), i.radix()).map_or_else(|_| Value::Huge(i.to_string()), Value::Int)
            }
            DeValue::Float(f) => match f.as_str().parse::<f64>() {
                Ok(x) if x.is_finite() || f.as_str().contains("inf") => Value::Float(x),
                _ => Value::Huge(f.to_string()),
            },
            DeValue::Boolean(b) => Value::Flag(*b),
            DeValue::Datetime(d) => Value::Date(*d),
            DeValue::Array(a) => Value::List(a.iter().map(|v| Node::read(v, place, unreadable)).collect()),
            DeValue::Table(t) => Value::Table(Table::read(t, place, unreadable)),
        };
        Node { value, span: place(span) }
    }

    /// Parses a value as TOML writes it (a default of the reference); all of it takes the given span.
    pub fn parse(text: &str, span: Span) -> Option<Node> {
        let value = DeValue::parse(text).ok()?;
        Some(Node::read(&value, &|_| span.clone(), &|_| None))
    }

    /// What stands here, in words for a message.
    pub fn described(&self) -> String {
        match &self.value {
            Value::Text(t) => format!("the string {}", quoted(t.written())),
            Value::Int(i) => format!("the whole number {i}"),
            Value::Huge(text) => format!("the number {text}"),
            Value::Float(x) => format!("the number {x:?}"),
            Value::Flag(b) => format!("the boolean {b}"),
            Value::Date(d) if d.time.is_none() => format!("the date {d}"),
            Value::Date(d) => format!("the time {d}"),
            Value::List(_) => "a list".into(),
            Value::Table(_) => "a table".into(),
            Value::Broken(_) => "something unreadable".into(),
        }
    }

    /// As it goes into the manifest: references to the environment as they were written.
    pub fn json(&self) -> Json {
        match &self.value {
            Value::Text(t) => t.written().into(),
            Value::Int(i) => (*i).into(),
            Value::Float(x) => (*x).into(),
            Value::Flag(b) => (*b).into(),
            Value::Date(d) => d.to_string().into(),
            Value::List(list) => list.iter().map(Node::json).collect(),
            Value::Table(t) => t.0.iter().map(|e| (e.key.clone(), e.node.json())).collect(),
            Value::Huge(_) | Value::Broken(_) => Json::Null,
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
