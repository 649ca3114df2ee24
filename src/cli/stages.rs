//! `tenure stages [KIND]`: the reference of stages and their options.

use std::io::Write;

use serde::Serialize;

use super::schemas::{columns, indented};
use super::stdout::{self, OutputFormat};
use crate::error::{Error, Errors, ExitStatus};
use crate::nearest::suggestion;
use crate::options::{Default, Key};
use crate::stage::{KINDS, Kind};

/// Print the reference of stages: what each kind computes, and its options
#[derive(clap::Args, Clone, Debug)]
pub(super) struct StagesArgs {
    /// Print only this kind, with its definition and options
    pub kind: Option<String>,
    /// Print text for people, or JSON for programs
    #[arg(long, value_enum, default_value_t)]
    pub format: OutputFormat,
}

#[derive(Serialize)]
struct KindDoc {
    kind: &'static str,
    definition: &'static str,
    options: Vec<OptionDoc>,
}

#[derive(Serialize)]
struct OptionDoc {
    name: &'static str,
    takes: String,
    default: String,
    doc: &'static str,
}

/// # Errors
/// Pipeline: there is no such kind.
pub(super) fn run(args: &StagesArgs, out: &mut dyn Write) -> Result<ExitStatus, Errors> {
    let all: Vec<KindDoc> = KINDS.iter().map(doc).collect();
    match (&args.kind, args.format) {
        (None, OutputFormat::Json) => stdout::json(out, &all),
        (None, OutputFormat::Text) => stdout::text(out, overview(&all)),
        (Some(name), OutputFormat::Json) => stdout::json(out, find(&all, name)?),
        (Some(name), OutputFormat::Text) => stdout::text(out, text(find(&all, name)?)),
    }
}

fn doc(kind: &Kind) -> KindDoc {
    let option = |key: &Key| OptionDoc {
        name: key.name,
        takes: key.accepts.described(),
        default: match key.default {
            Default::Value(value) => value.into(),
            Default::Follows(what) | Default::Unset(what) => format!("not set: {what}"),
            Default::Required => "required".into(),
        },
        doc: key.doc,
    };
    KindDoc { kind: kind.name, definition: kind.definition, options: kind.keys.iter().map(option).collect() }
}

fn find<'a>(all: &'a [KindDoc], name: &str) -> Result<&'a KindDoc, Error> {
    all.iter().find(|k| k.kind == name).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|k| k.kind).collect();
        Error::pipeline(format!("there is no kind of stage `{name}`")).help(suggestion(name, &names, "the kinds are"))
    })
}

/// The first sentence of a definition.
fn first_sentence(definition: &str) -> String {
    let text = definition.split_whitespace().collect::<Vec<_>>().join(" ");
    text.split_once(". ").map_or(text.clone(), |(first, _)| format!("{first}."))
}

fn overview(all: &[KindDoc]) -> String {
    let rows = all.iter().map(|k| {
        let names: Vec<&str> = k.options.iter().map(|o| o.name).collect();
        [k.kind.to_owned(), first_sentence(k.definition), names.join(", ")]
    });
    format!(
        "{}\nA stage is a table of the pipeline file, such as [stages.churn]. Every stage also takes `kind`, `period`,\n\
         `segments` and `by`. `tenure stages KIND` has the definition of a kind and what its options take.\n",
        columns(rows, 0)
    )
}

fn text(kind: &KindDoc) -> String {
    let mut text = format!("{}\n\n{}\n", kind.kind, indented(kind.definition.trim_end(), 2));
    if kind.options.is_empty() {
        return text + "\nNo options beside `period`, `segments` and `by`.\n";
    }
    let rows =
        kind.options.iter().map(|o| [o.name.to_owned(), o.default.clone(), format!("{}; takes {}", o.doc, o.takes)]);
    text += "\nOption, default, meaning:\n\n";
    text + &columns(rows, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(kind: Option<&str>, format: OutputFormat) -> String {
        let mut out = vec![];
        let args = StagesArgs { kind: kind.map(Into::into), format };
        assert_eq!(run(&args, &mut out).unwrap(), ExitStatus::Done);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_reference_of_a_kind_reads_well() {
        insta::assert_snapshot!(shown(Some("cohort"), OutputFormat::Text));
        let all: serde_json::Value = serde_json::from_str(&shown(None, OutputFormat::Json)).unwrap();
        assert_eq!(all.as_array().unwrap().len(), KINDS.len());
        assert!(KINDS.iter().all(|kind| shown(None, OutputFormat::Text).contains(kind.name)));
    }

    #[test]
    fn a_misspelt_kind_is_told_the_nearest() {
        let args = StagesArgs { kind: Some("chrun".into()), format: OutputFormat::Text };
        let errors: Vec<Error> = run(&args, &mut vec![]).unwrap_err().into();
        assert!(errors[0].help.as_ref().unwrap().starts_with("did you mean `churn`?"));
    }
}
