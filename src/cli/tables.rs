//! `tenure tables [TABLE]`: the reference of the tables that a run writes.

use std::io::Write;

use super::schemas::{TableDoc, WIDTH, indented};
use super::stdout::{self, OutputFormat};
use crate::error::{Error, Errors, ExitStatus};
use crate::job;
use crate::nearest::suggestion;

/// Print the reference of the tables that a run writes, and their columns
#[derive(clap::Args, Clone, Debug)]
pub(super) struct TablesArgs {
    /// Print only this table, with the type and meaning of each column
    pub table: Option<String>,
    /// Print text for people, or JSON for programs
    #[arg(long, value_enum, default_value_t)]
    pub format: OutputFormat,
}

/// # Errors
/// Pipeline: there is no such table.
pub(super) fn run(args: &TablesArgs, out: &mut dyn Write) -> Result<ExitStatus, Errors> {
    let all: Vec<TableDoc> = job::every_table().iter().map(|t| TableDoc::new(t, None)).collect();
    match (&args.table, args.format) {
        (None, OutputFormat::Json) => stdout::json(out, &all),
        (None, OutputFormat::Text) => stdout::text(out, overview(&all)),
        (Some(name), OutputFormat::Json) => stdout::json(out, find(&all, name)?),
        (Some(name), OutputFormat::Text) => stdout::text(out, find(&all, name)?.text()),
    }
}

fn find<'a>(all: &'a [TableDoc], name: &str) -> Result<&'a TableDoc, Error> {
    let plain = name.strip_suffix(".parquet").unwrap_or(name);
    // A stage may write its own ledger, `ledger_STAGE`, with the same columns.
    let found = all
        .iter()
        .find(|t| t.name == plain)
        .or_else(|| all.iter().find(|t| plain.starts_with("ledger_") && t.name == "ledger"));
    found.ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|t| t.name.as_str()).collect();
        Error::pipeline(format!("there is no table `{name}`")).help(suggestion(plain, &names, "the tables are")
            + "; a stage may have its own name, and its table then has that name: `tenure explain PIPELINE.toml` lists them")
    })
}

fn overview(all: &[TableDoc]) -> String {
    let mut text = String::new();
    for table in all {
        let names: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
        text += &format!("{}: {}\n{}\n", table.name, table.doc, wrapped(&names));
    }
    text + "`tenure tables TABLE` says what each column means. A stage may have its own name, and its table then has\n\
            that name; `tenure explain PIPELINE.toml` lists the tables of a pipeline.\n"
}

/// Names separated by commas, wrapped and indented.
fn wrapped(names: &[&str]) -> String {
    let mut lines = vec![String::new()];
    for (i, name) in names.iter().enumerate() {
        let piece = if i + 1 < names.len() { format!("{name}, ") } else { (*name).to_owned() };
        match lines.last_mut() {
            Some(line) if line.len() + piece.len() + 2 <= WIDTH as usize => *line += &piece,
            _ => lines.push(piece),
        }
    }
    indented(&lines.join("\n"), 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(table: Option<&str>, format: OutputFormat) -> String {
        let mut out = vec![];
        let args = TablesArgs { table: table.map(Into::into), format };
        assert_eq!(run(&args, &mut out).unwrap(), ExitStatus::Done);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_reference_reads_well() {
        let segments = text(Some("segments"), OutputFormat::Text);
        insta::assert_snapshot!(segments);
        assert_eq!(text(Some("segments.parquet"), OutputFormat::Text), segments);
        assert_eq!(text(Some("ledger_weekly"), OutputFormat::Text), text(Some("ledger"), OutputFormat::Text));
        let overview = text(None, OutputFormat::Text);
        assert!(overview.lines().all(|l| l.chars().count() <= 130), "{overview}");
        assert!(overview.contains("churn: Customers by period") && overview.contains("seg_NAME"), "{overview}");
    }

    #[test]
    fn every_column_of_every_table_is_explained() {
        let all: serde_json::Value = serde_json::from_str(&text(None, OutputFormat::Json)).unwrap();
        let tables = all.as_array().unwrap();
        assert!(tables.len() >= 10);
        for table in tables {
            let (name, key) = (&table["name"], table["key"].as_array().unwrap());
            let columns = table["columns"].as_array().unwrap();
            assert!(!key.is_empty(), "{name} has a key");
            assert!(!table["doc"].as_str().unwrap().is_empty(), "{name}");
            for column in columns {
                assert!(!column["doc"].as_str().unwrap().is_empty(), "{name}.{}", column["name"]);
            }
            let mut names: Vec<&str> = columns.iter().map(|c| c["name"].as_str().unwrap()).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), columns.len(), "{name} has a column twice");
        }
        let one: serde_json::Value = serde_json::from_str(&text(Some("churn"), OutputFormat::Json)).unwrap();
        assert_eq!(one, tables.iter().find(|t| t["name"] == "churn").unwrap().clone());
    }

    #[test]
    fn a_misspelt_table_is_told_the_nearest() {
        let args = TablesArgs { table: Some("chrun".into()), format: OutputFormat::Text };
        let errors: Vec<Error> = run(&args, &mut vec![]).unwrap_err().into();
        assert!(errors[0].help.as_ref().unwrap().starts_with("did you mean `churn`? The tables are: "));
    }
}
