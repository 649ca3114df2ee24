//! `tenure sources [NAME]`: the reference of inputs.

use std::io::Write;

use serde::Serialize;

use super::schemas::columns;
use super::stdout::{self, OutputFormat};
use crate::error::{Error, Errors, ExitStatus};
use crate::nearest::suggestion;
use crate::source_kind::{self, SourceKind};

/// Print the reference of inputs: each source and the columns that it takes
#[derive(clap::Args, Clone, Debug)]
pub(super) struct SourcesArgs {
    /// Print only this source, with the type, meaning and an example of each column
    pub source: Option<String>,
    /// Print text for people, or JSON for programs
    #[arg(long, value_enum, default_value_t)]
    pub format: OutputFormat,
}

#[derive(Serialize)]
struct SourceDoc {
    source: &'static str,
    /// What one row is.
    row: &'static str,
    columns: Vec<SourceColumnDoc>,
}

#[derive(Serialize)]
struct SourceColumnDoc {
    name: &'static str,
    required: bool,
    takes: &'static str,
    doc: &'static str,
    example: &'static str,
}

/// # Errors
/// Pipeline: there is no such source.
pub(super) fn run(args: &SourcesArgs, out: &mut dyn Write) -> Result<ExitStatus, Errors> {
    let all: Vec<SourceDoc> = SourceKind::ALL.into_iter().map(doc).collect();
    match (&args.source, args.format) {
        (None, OutputFormat::Json) => stdout::json(out, &all),
        (None, OutputFormat::Text) => stdout::text(out, overview(&all)),
        (Some(name), OutputFormat::Json) => stdout::json(out, find(&all, name)?),
        (Some(name), OutputFormat::Text) => stdout::text(out, text(find(&all, name)?)),
    }
}

fn doc(kind: SourceKind) -> SourceDoc {
    let column = |c: &source_kind::SourceColumn| SourceColumnDoc {
        name: c.name,
        required: c.required,
        takes: c.kind.takes(),
        doc: c.doc,
        example: c.example,
    };
    SourceDoc { source: kind.name(), row: kind.doc(), columns: source_kind::columns(kind).iter().map(column).collect() }
}

fn find<'a>(all: &'a [SourceDoc], name: &str) -> Result<&'a SourceDoc, Error> {
    all.iter().find(|s| s.source == name).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|s| s.source).collect();
        Error::pipeline(format!("there is no source `{name}`")).help(suggestion(name, &names, "the sources are"))
    })
}

fn overview(all: &[SourceDoc]) -> String {
    let mut text = String::new();
    for source in all {
        let of = |required: bool| {
            let names: Vec<&str> = source.columns.iter().filter(|c| c.required == required).map(|c| c.name).collect();
            names.join(", ")
        };
        text += &format!("{}: {}\n  required: {}\n", source.source, source.row, of(true));
        if !of(false).is_empty() {
            text += &format!("  optional: {}\n", of(false));
        }
        text += "\n";
    }
    text + "`tenure sources NAME` says what each column takes and means. The pipeline file maps a column from one of the\n\
            export, amount = \"paid\", or from SQL: amount = { sql = \"Quantity * UnitPrice\" }.\n"
}

fn text(source: &SourceDoc) -> String {
    let rows = source.columns.iter().map(|c| {
        let name = if c.required { format!("{} (required)", c.name) } else { c.name.to_owned() };
        [name, c.takes.to_owned(), format!("{}, such as {}", c.doc, c.example)]
    });
    let mut text = format!("{}: {}\n\n{}", source.source, source.row, columns(rows, 2));
    if source.source == SourceKind::Customers.name() {
        text += "\nYou may map any further column under a name of your own, to split tables by it: see [segments].\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: Option<&str>, format: OutputFormat) -> String {
        let mut out = vec![];
        let args = SourcesArgs { source: source.map(Into::into), format };
        assert_eq!(run(&args, &mut out).unwrap(), ExitStatus::Done);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_reference_of_a_source_reads_well() {
        insta::assert_snapshot!(shown(Some("transactions"), OutputFormat::Text));
        let all: serde_json::Value = serde_json::from_str(&shown(None, OutputFormat::Json)).unwrap();
        assert_eq!(all.as_array().unwrap().len(), SourceKind::ALL.len());
        let overview = shown(None, OutputFormat::Text);
        assert!(SourceKind::ALL.iter().all(|kind| overview.contains(&format!("{}: ", kind.name()))), "{overview}");
    }

    #[test]
    fn a_misspelt_source_is_told_the_nearest() {
        let args = SourcesArgs { source: Some("transaction".into()), format: OutputFormat::Text };
        let errors: Vec<Error> = run(&args, &mut vec![]).unwrap_err().into();
        assert!(errors[0].help.as_ref().unwrap().starts_with("did you mean `transactions`?"));
    }
}
