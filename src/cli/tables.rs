//! `tenure tables [TABLE]`: the reference of output tables and columns.

use std::io::Write;

use super::schemas::{TableDoc, WIDTH, indented};
use super::stdout::{self, Format};
use crate::error::{Error, Errors, ExitStatus};
use crate::job;
use crate::nearest::suggestion;

/// The reference of output tables and their columns
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Only this table, with the type and meaning of each column
    pub table: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// # Errors
/// Pipeline: there is no such table.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<ExitStatus, Errors> {
    let all: Vec<TableDoc> = job::every_table().iter().map(|t| TableDoc::new(t, None)).collect();
    match (&args.table, args.format) {
        (None, Format::Json) => stdout::json(out, &all),
        (None, Format::Text) => stdout::text(out, overview(&all)),
        (Some(name), Format::Json) => stdout::json(out, find(&all, name)?),
        (Some(name), Format::Text) => stdout::text(out, find(&all, name)?.text()),
    }
}

fn find<'a>(all: &'a [TableDoc], name: &str) -> Result<&'a TableDoc, Error> {
    let plain = name.strip_suffix(".parquet").unwrap_or(name);
    // A stage may write a ledger of its own, `ledger_STAGE`, which has the ledger's columns.
    let found = all
        .iter()
        .find(|t| t.name == plain)
        .or_else(|| all.iter().find(|t| plain.starts_with("ledger_") && t.name == "ledger"));
    found.ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|t| t.name.as_str()).collect();
        Error::pipeline(format!("there is no table `{name}`")).help(suggestion(plain, &names, "the tables are")
            + "; a stage of a name of its own writes the table of its kind under that name: `tenure explain PIPELINE.toml`")
    })
}

fn overview(all: &[TableDoc]) -> String {
    let mut text = String::new();
    for table in all {
        let names: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
        text += &format!("{}: {}\n{}\n", table.name, table.doc, wrapped(&names));
    }
    text + "`tenure tables TABLE` says what each column means. A stage with a name of its own writes the table of its kind\n\
            under that name; `tenure explain PIPELINE.toml` lists the tables of a pipeline.\n"
}

/// Names behind an indent, as many on a line as fit.
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

    fn text(table: Option<&str>, format: Format) -> String {
        let mut out = vec![];
        let args = Args { table: table.map(Into::into), format };
        assert_eq!(run(&args, &mut out).unwrap(), ExitStatus::Done);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_reference_reads_well() {
        let segments = text(Some("segments"), Format::Text);
        insta::assert_snapshot!(segments);
        assert_eq!(text(Some("segments.parquet"), Format::Text), segments);
        assert_eq!(text(Some("ledger_weekly"), Format::Text), text(Some("ledger"), Format::Text));
        let overview = text(None, Format::Text);
        assert!(overview.lines().all(|l| l.chars().count() <= 130), "{overview}");
        assert!(overview.contains("churn: Customers by period") && overview.contains("seg_NAME"), "{overview}");
    }

    #[test]
    fn every_column_of_every_table_is_explained() {
        let all: serde_json::Value = serde_json::from_str(&text(None, Format::Json)).unwrap();
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
        let one: serde_json::Value = serde_json::from_str(&text(Some("churn"), Format::Json)).unwrap();
        assert_eq!(one, tables.iter().find(|t| t["name"] == "churn").unwrap().clone());
    }

    #[test]
    fn a_misspelt_table_is_told_the_nearest() {
        let args = Args { table: Some("chrun".into()), format: Format::Text };
        let errors: Vec<Error> = run(&args, &mut vec![]).unwrap_err().into();
        assert!(errors[0].help.as_ref().unwrap().starts_with("did you mean `churn`? The tables are: "));
    }
}
