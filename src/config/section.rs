//! A table of the file read against the reference: unknown keys, misspelt ones, missing ones, defaults.
//!
//! A misspelt key whose nearest valid name is absent is reported and then read as that name. So what is wrong with its
//! value is found too, and nothing is called missing that is only misspelt.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use super::diagnostics::{Diagnostic, Diagnostics, ErrorGuaranteed, Parsed};
use super::layout::Span;
use super::reference::{Accepts, Default, Key, home_of};
use super::tree::{DocumentEntry, DocumentNode, DocumentTable, DocumentValue};
use super::value::{check, not_yet};
use crate::nearest::{did_you_mean, listed, nearest, sentences};
use crate::options::{FromSetting, Setting};

/// Lists of valid names longer than this are left out of messages that have a suggestion.
pub(super) const SHORT: usize = 8;

pub(super) struct Section<'a> {
    diagnostics: &'a Diagnostics,
    /// The path in the file: `sources.transactions`.
    path: String,
    keys: Vec<Key>,
    span: Option<Span>,
    found: BTreeMap<&'static str, &'a DocumentNode>,
    /// Keys that cannot be read, which was reported.
    unreadable: BTreeMap<&'static str, ErrorGuaranteed>,
    /// Something of a later version stands here, which may be why a required key does not.
    later: Option<ErrorGuaranteed>,
    /// The table itself is none, which was reported.
    whole: Option<ErrorGuaranteed>,
    resolved: Map<String, Json>,
}

impl<'a> Section<'a> {
    /// `node` is the table, if it is there.
    pub(super) fn open(
        diagnostics: &'a Diagnostics,
        path: impl Into<String>,
        keys: Vec<Key>,
        node: Option<&'a DocumentNode>,
    ) -> Self {
        let span = node.map(|n| n.span.clone()).filter(|s| s.end > 0);
        let mut section = Section {
            diagnostics,
            path: path.into(),
            keys,
            span,
            found: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            later: None,
            whole: None,
            resolved: Map::new(),
        };
        if let Some(node) = node {
            section.collect("", node);
        }
        section
    }

    /// An error if what stands in the table's place is none.
    pub(super) fn is_table(&self) -> Parsed<()> {
        self.whole.map_or(Ok(()), Err)
    }

    /// What a key of a table below resolves to so far.
    pub(super) fn resolved(&self, name: &str) -> Json {
        let json = name.split('.').try_fold(None, |at: Option<&Json>, part| match at {
            None => self.resolved.get(part).map(Some),
            Some(json) => json.get(part).map(Some),
        });
        json.flatten().cloned().unwrap_or(Json::Null)
    }

    pub(super) fn span(&self) -> Option<Span> {
        self.span.clone()
    }

    /// The section's keys with their values, defaults filled in, in the order of the reference.
    pub(super) fn into_resolved(self) -> Json {
        let order = |name: &str| self.keys.iter().position(|k| k.name.split('.').next() == Some(name));
        let mut entries: Vec<(String, Json)> = self.resolved.into_iter().collect();
        entries.sort_by_key(|(name, _)| order(name));
        Json::Object(entries.into_iter().collect())
    }

    /// Sorts the entries of a table (the section's own, or an inline one below it) to the keys they stand for.
    fn collect(&mut self, prefix: &str, node: &'a DocumentNode) {
        let names: Vec<&'static str> = self.keys.iter().map(|k| k.name).filter(|n| n.starts_with(prefix)).collect();
        let reported = match &node.value {
            DocumentValue::Table(table) => {
                self.collect_table(prefix, &names, table);
                return;
            }
            DocumentValue::Broken(reported) => *reported,
            _ => {
                let name = self.full(prefix.trim_end_matches('.'));
                let what = format!("`{name}` takes {}, not {}", Accepts::Table.described(), node.described());
                self.diagnostics.add(
                    Diagnostic::new(what).at(node.span.clone()).help(format!("write {name} = {{ … }} or [{name}]")),
                )
            }
        };
        if prefix.is_empty() {
            self.whole = Some(reported);
        }
        self.unreadable.extend(names.into_iter().map(|n| (n, reported)));
    }

    fn collect_table(&mut self, prefix: &str, names: &[&'static str], table: &'a DocumentTable) {
        // The next part of each name: `excellent` of `benchmark.excellent` where the prefix is `benchmark.`.
        let mut parts: Vec<&'static str> = names.iter().filter_map(|n| n[prefix.len()..].split('.').next()).collect();
        parts.dedup();
        let mut taken: BTreeSet<&str> = table.0.iter().map(|e| e.key.as_str()).collect();
        for entry in &table.0 {
            let exact = parts.iter().find(|p| **p == entry.key).copied();
            let Some(part) = exact.or_else(|| {
                let (meant, absent) = self.unknown(prefix, entry, &parts, &taken)?;
                (absent && taken.insert(meant)).then_some(meant)
            }) else {
                continue;
            };
            let full = format!("{prefix}{part}");
            let deeper = format!("{full}.");
            match names.iter().find(|n| **n == full) {
                Some(name) => self.keep(name, entry),
                None => self.collect(&deeper, &entry.node),
            }
        }
    }

    fn keep(&mut self, name: &'static str, entry: &'a DocumentEntry) {
        if let Some(Key { accepts: Accepts::Later(instead), .. }) = self.keys.iter().find(|k| k.name == name) {
            let problem = not_yet(&format!("`{}`", self.full(name)), &entry.key_span).help(*instead);
            self.later = Some(self.diagnostics.add(problem));
        }
        self.found.insert(name, &entry.node);
    }

    /// Reports a key that is not known here; gives the name that was probably meant, and whether it is absent.
    fn unknown(
        &self,
        prefix: &str,
        entry: &DocumentEntry,
        parts: &[&'static str],
        taken: &BTreeSet<&str>,
    ) -> Option<(&'static str, bool)> {
        let absent = nearest(&entry.key, parts.iter().copied().filter(|p| !taken.contains(*p)));
        let meant = absent.or_else(|| nearest(&entry.key, parts.iter().copied()));
        let table = self.full(prefix.trim_end_matches('.'));
        let place = if table.is_empty() { String::new() } else { format!(" in [{table}]") };
        let home = home_of(&entry.key).filter(|h| meant.is_none() && *h != table);
        let belongs = home.map(|h| format!("`{}` belongs in [{h}].", entry.key)).unwrap_or_default();
        let later = |part: &&str| {
            let full = format!("{prefix}{part}");
            self.keys.iter().any(|k| k.name == full && matches!(k.accepts, Accepts::Later(_)))
        };
        let offered: Vec<&str> = parts.iter().copied().filter(|p| !later(p)).collect();
        let valid = match offered.as_slice() {
            [one] => format!("the only key here is `{one}`"),
            many if many.len() > SHORT && meant.is_some() => String::new(),
            many => format!("the keys here are {}", listed(many.iter().copied(), "`")),
        };
        let problem = Diagnostic::new(format!("unknown key `{}`{place}", entry.key)).at(entry.key_span.clone());
        self.diagnostics.add(problem.help(sentences([did_you_mean(meant, "`"), belongs, valid])));
        meant.map(|m| (m, absent.is_some()))
    }

    /// The whole path of one of the section's keys.
    pub(super) fn full(&self, name: &str) -> String {
        match (self.path.as_str(), name) {
            ("", name) => name.into(),
            (path, "") => path.into(),
            (path, name) => format!("{path}.{name}"),
        }
    }

    /// Where a key's value stands; the section's own place if it has none.
    pub(super) fn span_of(&self, name: &str) -> Option<Span> {
        self.found.get(name).map(|n| n.span.clone()).or_else(|| self.span.clone())
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        self.found.contains_key(name) || self.unreadable.contains_key(name)
    }

    /// The value as written, without judging it: tables with a shape of their own.
    pub(super) fn node(&self, name: &str) -> Parsed<Option<&'a DocumentNode>> {
        match (self.unreadable.get(name), self.found.get(name)) {
            (Some(reported), _) => Err(*reported),
            (_, Some(DocumentNode { value: DocumentValue::Broken(reported), .. })) => Err(*reported),
            (_, node) => Ok(node.copied()),
        }
    }

    /// What a key resolves to in the manifest.
    pub(super) fn resolve(&mut self, name: &str, json: Json) {
        let mut map = &mut self.resolved;
        let mut parts: Vec<&str> = name.split('.').collect();
        let Some(last) = parts.pop() else { return };
        for part in parts {
            let inner = map.entry(part).or_insert_with(|| Json::Object(Map::new()));
            let Json::Object(inner) = inner else { return };
            map = inner;
        }
        map.insert(last.into(), json);
    }

    /// The key's value or default; `None` where it is not set and has no default of its own.
    fn read(&mut self, name: &'static str) -> Parsed<Option<Setting>> {
        let full = self.full(name);
        let Some(key) = self.keys.iter().find(|k| k.name == name).copied() else {
            return Err(self
                .diagnostics
                .add(Diagnostic::new(format!("defect of tenure: the reference lacks `{full}`"))));
        };
        if let Some(node) = self.node(name)? {
            self.resolve(name, node.json());
            return check(self.diagnostics, &full, key.accepts, node).map(Some);
        }
        let Default::Value(default) = key.default else {
            self.resolve(name, Json::Null);
            return if matches!(key.default, Default::Required) { Err(self.missing(name)) } else { Ok(None) };
        };
        let Some(node) = DocumentNode::parse(default, self.span.clone().unwrap_or(0..0)) else {
            return Err(self
                .diagnostics
                .add(Diagnostic::new(format!("defect of tenure: the default of `{full}` is not TOML"))));
        };
        self.resolve(name, node.json());
        check(self.diagnostics, &full, key.accepts, &node).map(Some)
    }

    /// Reports that a required key is absent, unless something of a later version stands in its place.
    pub(super) fn missing(&self, name: &str) -> ErrorGuaranteed {
        if let Some(reported) = self.later {
            return reported;
        }
        let full = self.full(name);
        let takes =
            self.keys.iter().find(|k| k.name == name).map(|k| format!("it takes {}: {}", k.accepts.described(), k.doc));
        let place = if self.path.is_empty() { String::new() } else { format!(" under [{}]", self.path) };
        let help = format!("add `{name}`{place}; {}", takes.unwrap_or_default());
        self.diagnostics.add(Diagnostic::new(format!("`{full}` is missing")).at(self.span.clone()).help(help).remote())
    }

    /// The value of a key that may be unset.
    pub(super) fn get<T: FromSetting>(&mut self, name: &'static str) -> Parsed<Option<T>> {
        match self.read(name)? {
            None => Ok(None),
            setting => match T::from_setting(setting) {
                Some(value) => Ok(Some(value)),
                None => {
                    let what = format!("defect of tenure: `{}` has another type in the reference", self.full(name));
                    Err(self.diagnostics.add(Diagnostic::new(what)))
                }
            },
        }
    }

    /// The value of a key that is required or has a default.
    pub(super) fn need<T: FromSetting>(&mut self, name: &'static str) -> Parsed<T> {
        match self.get(name)? {
            Some(value) => Ok(value),
            None => Err(self.missing(name)),
        }
    }

    /// The value of a key whose default follows from other settings: `default` and how it reads in the manifest.
    pub(super) fn follow<T: FromSetting>(&mut self, name: &'static str, default: Parsed<(T, Json)>) -> Parsed<T> {
        match self.get(name)? {
            Some(value) => Ok(value),
            None => {
                let (value, json) = default?;
                self.resolve(name, json);
                Ok(value)
            }
        }
    }

    /// The meaning of a word out of pairs, by the key's value or default.
    pub(super) fn need_word<T: Copy>(&mut self, name: &'static str, pairs: &[(&'static str, T)]) -> Parsed<T> {
        let word: &str = self.need(name)?;
        match pairs.iter().find(|(w, _)| *w == word) {
            Some((_, meaning)) => Ok(*meaning),
            None => Err(self.missing(name)),
        }
    }

    /// Like [`Section::need_word`] for a key whose default follows from other settings.
    pub(super) fn follow_word<T: Copy>(
        &mut self,
        name: &'static str,
        pairs: &[(&'static str, T)],
        default: Parsed<(T, Json)>,
    ) -> Parsed<T> {
        let word: Option<&str> = self.get(name)?;
        let Some(word) = word else {
            let (value, json) = default?;
            self.resolve(name, json);
            return Ok(value);
        };
        match pairs.iter().find(|(w, _)| *w == word) {
            Some((_, meaning)) => Ok(*meaning),
            None => Err(self.missing(name)),
        }
    }
}

/// A meaning and how it reads in the manifest.
pub(super) fn word_of<T: Copy + PartialEq>(meaning: T, pairs: &[(&'static str, T)]) -> (T, Json) {
    (meaning, pairs.iter().find(|(_, t)| *t == meaning).map_or(Json::Null, |(word, _)| Json::from(*word)))
}
