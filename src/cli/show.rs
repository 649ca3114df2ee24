//! `tenure show RUN_DIR TABLE`: prints rows of a table of a finished run.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{and, filter_record_batch, prep_null_mask_filter};
use arrow::datatypes::{DataType, SchemaRef};

pub use super::render::RowFormat;
use super::render::{Renderer, RowCounts, expect_known_types, label};
use super::run_dir;
use super::stdout::{self, Halt};
use crate::error::{Error, Errors, ExitStatus, Result};
use crate::nearest::suggestion;
use crate::publish::Manifest;
use crate::publish::manifest::TableEntry;
use crate::publish::read::TableReader;

/// Print rows of a table of a finished run
#[derive(clap::Args, Clone, Debug)]
pub struct ShowArgs {
    /// Output folder of a pipeline, for its latest run; or the folder of one run
    pub run_dir: PathBuf,
    /// Table, such as churn; `tenure tables` lists all
    pub table: String,
    /// Print only rows for which this SQL condition is true, such as "churn_rate > 0.05"
    #[arg(long = "where", value_name = "SQL")]
    pub condition: Option<String>,
    /// Print only the rows of one segment value, such as country=France
    #[arg(long, value_name = "NAME=VALUE", value_parser = segment)]
    pub segment: Option<SegmentFilter>,
    /// Print at most N rows [default: 20 as text, all as JSON or CSV]
    #[arg(long, value_name = "N")]
    pub head: Option<usize>,
    /// How to print the rows
    #[arg(long, value_enum, default_value_t = RowFormat::Text)]
    pub format: RowFormat,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentFilter {
    pub name: String,
    pub value: String,
}

/// Rows printed as text by default.
const HEAD: usize = 20;
/// The most segment values that a message lists.
const NAMED: usize = 30;

fn segment(text: &str) -> std::result::Result<SegmentFilter, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok(SegmentFilter { name: name.into(), value: value.into() }),
        _ => Err("write NAME=VALUE, such as country=France".into()),
    }
}

/// Evaluates a condition on a batch: true for each row that satisfies it. NULL counts as false.
pub type RowFilter = Box<dyn Fn(&RecordBatch) -> Result<BooleanArray>>;

/// Turns the text of `--where` into a [`RowFilter`] over a table's columns.
pub type CompileCondition<'a> = &'a dyn Fn(&str, &SchemaRef) -> Result<RowFilter>;

/// Prints the table's rows in their order.
///
/// # Errors
/// Pipeline: no such run, table, column or segment. Input: the table cannot be read.
pub fn run(args: &ShowArgs, compile: CompileCondition<'_>, out: &mut dyn Write) -> Result<ExitStatus, Errors> {
    stdout::exit(show(args, compile, out))
}

fn show(args: &ShowArgs, compile: CompileCondition<'_>, out: &mut dyn Write) -> std::result::Result<(), Halt> {
    let run = run_dir::resolve(&args.run_dir)?;
    let manifest = Manifest::read(&run)?;
    let entry = find(&manifest, &args.table, &run)?;
    let mut reader = TableReader::open(&run, entry)?;
    let schema = reader.schema().clone();
    expect_known_types(&schema)?;
    let condition = args.condition.as_deref().map(|sql| compile(sql, &schema)).transpose()?;
    let mut chosen = args.segment.as_ref().map(|s| SegmentRows::new(s, entry, &schema)).transpose()?;

    let filtered = condition.is_some() || chosen.is_some();
    let mut left = args.head.unwrap_or(if args.format == RowFormat::Text { HEAD } else { usize::MAX });
    let (mut shown, mut matching, mut seen_all) = (0u64, 0u64, false);
    let mut render = Renderer::begin(args.format, schema, std::io::stdout().is_terminal(), out)?;
    // Text output says how many rows match, which takes a look at all of them.
    while left > 0 || (filtered && args.format == RowFormat::Text) {
        let Some(batch) = reader.next_batch()? else {
            seen_all = true;
            break;
        };
        let mask = match (&mut chosen, &condition) {
            (None, None) => None,
            (Some(c), None) => Some(c.rows(&batch)),
            (None, Some(condition)) => Some(condition(&batch)?),
            (Some(c), Some(condition)) => Some(both(&c.rows(&batch), &condition(&batch)?)?),
        };
        let rows = match mask {
            None => batch,
            Some(mask) => filter_record_batch(&batch, &mask).map_err(defect)?,
        };
        matching += rows.num_rows() as u64;
        let rows = rows.slice(0, rows.num_rows().min(left));
        left -= rows.num_rows();
        shown += rows.num_rows() as u64;
        if rows.num_rows() > 0 {
            render.rows(rows)?;
        }
    }
    if let Some(chosen) = chosen.filter(|c| seen_all && !c.found) {
        return Err(chosen.unknown(entry).into());
    }
    render.finish(RowCounts { shown, matching: filtered.then_some(matching), all: entry.rows })?;
    Ok(())
}

fn find<'a>(manifest: &'a Manifest, name: &str, run: &Path) -> Result<&'a TableEntry> {
    let plain = name.strip_suffix(".parquet").unwrap_or(name);
    manifest.table(plain).ok_or_else(|| {
        let names: Vec<&str> = manifest.tables.iter().map(|t| t.name.as_str()).collect();
        Error::pipeline(format!("run {} has no table `{name}`", manifest.run_id)).help(suggestion(
            plain,
            &names,
            &format!("tables in {}", run.display()),
        ))
    })
}

fn both(a: &BooleanArray, b: &BooleanArray) -> Result<BooleanArray> {
    // `prep_null_mask_filter` panics on a mask without NULLs.
    let known = if b.null_count() > 0 { prep_null_mask_filter(b) } else { b.clone() };
    and(a, &known).map_err(defect)
}

fn defect(e: arrow::error::ArrowError) -> Error {
    Error::internal("rows cannot be filtered").because(e)
}

/// Selects the rows of one segment value, and collects the other segments and values for the error message.
struct SegmentRows<'a> {
    wanted: &'a SegmentFilter,
    columns: (usize, usize),
    found: bool,
    names: BTreeSet<String>,
    /// Values of the wanted segment.
    values: BTreeSet<String>,
}

impl<'a> SegmentRows<'a> {
    fn new(wanted: &'a SegmentFilter, table: &TableEntry, schema: &SchemaRef) -> Result<Self> {
        let text = |name: &str| schema.index_of(name).ok().filter(|&i| *schema.field(i).data_type() == DataType::Utf8);
        let Some(columns) = text("segment").zip(text("value")) else {
            let mut e = Error::pipeline(format!("table {} has no segments", table.name));
            let column = format!("seg_{}", wanted.name);
            e = if text(&column).is_some() {
                e.help(format!(
                    "it has column {column}: use --where \"{column} = '{}'\"",
                    wanted.value.replace('\'', "''")
                ))
            } else {
                e.help("leave --segment out, or filter by its columns with --where")
            };
            return Err(e);
        };
        Ok(SegmentRows { wanted, columns, found: false, names: BTreeSet::new(), values: BTreeSet::new() })
    }

    fn rows(&mut self, batch: &RecordBatch) -> BooleanArray {
        let names = batch.column(self.columns.0).as_string::<i32>();
        let values = batch.column(self.columns.1).as_string::<i32>();
        let mask: BooleanArray = (0..batch.num_rows())
            .map(|i| {
                let (name, value) =
                    (names.is_valid(i).then(|| names.value(i)), values.is_valid(i).then(|| values.value(i)));
                let named = name == Some(self.wanted.name.as_str());
                if !self.found {
                    if let Some(name) = name.filter(|n| !self.names.contains(*n)) {
                        self.names.insert(name.into());
                    }
                    if let Some(value) = value.filter(|v| named && !self.values.contains(*v)) {
                        self.values.insert(value.into());
                    }
                }
                let chosen = named && value == Some(self.wanted.value.as_str());
                self.found |= chosen;
                Some(chosen)
            })
            .collect();
        mask
    }

    fn unknown(&self, table: &TableEntry) -> Error {
        let SegmentFilter { name, value } = self.wanted;
        let list = |set: &'_ BTreeSet<String>| set.iter().take(NAMED).map(|v| label(v)).collect::<Vec<_>>();
        let (what, written, known, said) = if self.values.is_empty() {
            (format!("table {} has no segment `{name}`", table.name), name, list(&self.names), "segments")
        } else {
            (format!("segment {name} has no value `{value}`"), value, list(&self.values), "values")
        };
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        Error::pipeline(what).help(suggestion(written, &known, said))
    }
}

#[cfg(test)]
mod tests;
