//! The registry is data, and sound.

use std::collections::BTreeSet;

use super::pipeline::parse;
use crate::config::{Pipeline, SourceKind};
use crate::error::Errors;
use crate::job;
use crate::options::{Accepts, Default, Key};
use crate::source_kind;
use crate::stage::{KINDS, Kind};

/// A company of that basis, with every column of every source, that runs these stages.
fn read(basis: &str, stages: &str) -> Result<Pipeline, Errors> {
    let source = |kind: SourceKind| {
        let columns: Vec<String> =
            source_kind::columns(kind).iter().map(|c| format!("{0} = \"{0}\"", c.name)).collect();
        format!("[sources.{}]\npath = \"x.parquet\"\ncolumns = {{ {} }}\n", kind.name(), columns.join(", "))
    };
    let sources: String = SourceKind::ALL.into_iter().map(source).collect();
    let text =
        format!("name = \"laws\"\n[customers]\nbasis = {basis:?}\n[money]\ncurrency = \"EUR\"\n{sources}{stages}");
    parse(&text)
}

fn parsed(basis: &str, stages: &str) -> Pipeline {
    read(basis, stages).unwrap_or_else(|problems| panic!("{problems:?}\nof\n{stages}"))
}

/// True if the kind runs on this basis when every source and column is mapped.
fn runs_on(kind: &Kind, basis: &str) -> bool {
    read(basis, &format!("[stages.{}]\n", kind.name)).is_ok()
}

#[test]
fn kinds_are_sorted_and_no_two_share_a_name() {
    assert!(KINDS.windows(2).all(|pair| pair[0].name < pair[1].name));
    assert!(KINDS.iter().all(|kind| kind.definition.trim().len() > 200), "a kind says what it measures");
}

#[test]
fn every_kind_runs_on_some_basis() {
    for kind in KINDS {
        assert!(["transactions", "subscriptions"].iter().any(|basis| runs_on(kind, basis)), "{} never runs", kind.name);
    }
}

#[test]
fn every_default_is_what_its_option_takes() {
    for kind in KINDS {
        let names: BTreeSet<_> = kind.keys.iter().map(|o| o.name).collect();
        assert_eq!(names.len(), kind.keys.len(), "{} has an option twice", kind.name);
        assert!(kind.keys.iter().all(|o| !o.doc.is_empty()), "{} has an option without a word on it", kind.name);
        let default = |key: &Key| match key.default {
            Default::Value(default) => Some(format!("{} = {default}\n", key.name)),
            _ => None,
        };
        let written: String = kind.keys.iter().filter_map(default).collect();
        for basis in ["transactions", "subscriptions"].into_iter().filter(|basis| runs_on(kind, basis)) {
            let silent = parsed(basis, &format!("[stages.{}]\n", kind.name));
            let spoken = parsed(basis, &format!("[stages.{}]\n{written}", kind.name));
            let options = |pipeline: &Pipeline| format!("{:?}", pipeline.stages[0].options);
            assert_eq!(options(&silent), options(&spoken), "{}", kind.name);
        }
    }
}

#[test]
fn words_are_offered_now_or_later_and_not_both() {
    for (kind, option) in KINDS.iter().flat_map(|k| k.keys.iter().map(|o| (k.name, o))) {
        let (Accepts::Word(words) | Accepts::Words(words)) = option.accepts else { continue };
        let all: BTreeSet<_> = words.now.iter().chain(words.later).collect();
        assert_eq!(all.len(), words.now.len() + words.later.len(), "{kind}.{}", option.name);
    }
}

#[test]
fn tables_have_names_of_their_own_and_words_on_every_column() {
    for basis in ["transactions", "subscriptions"] {
        let kinds = KINDS.iter().filter(|kind| runs_on(kind, basis));
        let stages: String = kinds.map(|kind| format!("[stages.{}]\n", kind.name)).collect();
        let tables = job::run_plan(&parsed(basis, &stages), None).unwrap().tables();
        let of_every_run = ["checks", "dates", "quarantine", "segments"];
        let names: BTreeSet<&str> = tables.iter().map(|t| &*t.name).collect();
        assert_eq!(names.len(), tables.len(), "two tables share a name");
        assert!(of_every_run.iter().all(|name| names.contains(name)), "{names:?}");
        for table in &tables {
            let name = &table.name;
            let columns: Vec<&str> = table.columns.iter().map(|c| &*c.name).collect();
            assert!(!table.doc.is_empty() && table.columns.iter().all(|c| !c.doc.is_empty()), "{name} lacks words");
            assert_eq!(columns.iter().collect::<BTreeSet<_>>().len(), columns.len(), "{name} has a column twice");
            assert!((1..columns.len()).contains(&table.key), "{name} has no key, or nothing else");
            let of_segments = columns.starts_with(&["segment_id", "segment", "value"]) && table.key >= 3;
            let of_stages = !of_every_run.contains(&name.as_str());
            assert!(
                !of_stages || of_segments || ["customer_id", "policy", "segment", "stage"].contains(&columns[0]),
                "{name} begins with {:?}",
                &columns[..3]
            );
        }
    }
}
