//! `tenure check PIPELINE.toml`: reports every problem of the file and of the exports' schemas, and computes nothing.

use std::io::Write;

use serde::Serialize;

use super::pipeline::{PipelineArgs, shown_output};
use super::secrets;
use super::stdout::{self, OutputFormat};
use crate::config::{self, Location, locate};
use crate::error::{Error, Errors, ExitStatus};
use crate::job;
use crate::numbers::count;
use crate::source::{self, Inspected, Needs};
use crate::terminal::escaped;

/// Check a pipeline file and the schemas of its exports; report every problem at once
#[derive(clap::Args, Clone, Debug)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub pipeline: PipelineArgs,
    /// Check the pipeline file alone, not the exports
    #[arg(long)]
    pub no_data: bool,
    /// Print text for people, or JSON for programs
    #[arg(long, value_enum, default_value_t)]
    pub format: OutputFormat,
}

/// The result of a check, as `--format json` prints it.
#[derive(Serialize)]
struct CheckReport {
    fine: bool,
    /// The first fifty problems.
    problems: Vec<CheckProblem>,
    /// How many problems there are beyond the first fifty.
    more_problems: usize,
    /// A run would go on in spite of these.
    warnings: Vec<String>,
    /// Empty with `--no-data`, and if a problem kept the exports from being read.
    sources: Vec<CheckedSource>,
    stages: Vec<String>,
    tables: Vec<String>,
    output: Option<String>,
}

#[derive(Serialize)]
struct CheckProblem {
    what: String,
    help: Option<String>,
    at: Option<Location>,
    /// The exit status that a run would end with.
    status: u8,
}

#[derive(Serialize)]
struct CheckedSource {
    source: &'static str,
    files: usize,
    /// From the footers, before filter and quarantine.
    rows: u64,
    bytes: u64,
    columns: Vec<String>,
}

/// Prints the result as text or JSON. As text, problems are returned as errors.
///
/// # Errors
/// Every problem that a run would report before it computes.
pub(super) fn run(args: &CheckArgs, out: &mut dyn Write) -> Result<ExitStatus, Errors> {
    let (mut report, errors) = examine(args);
    if args.format == OutputFormat::Text {
        return match Errors::unless_empty(errors, ()) {
            Ok(()) => stdout::text(out, text(args, &report)),
            Err(errors) => Err(errors),
        };
    }
    let overrides = args.pipeline.overrides();
    let problem = |e: &Error| CheckProblem {
        what: e.what.clone(),
        help: e.help.clone(),
        at: locate(e, &overrides, &config::read_text),
        status: e.kind.exit() as u8,
    };
    let mut exit = ExitStatus::Done;
    if let Err(errors) = Errors::unless_empty(errors, ()) {
        let errors = secrets::hide_errors(errors);
        let (first, more) = errors.first();
        report.problems = first.iter().map(problem).collect();
        report.more_problems = more;
        exit = errors.exit();
    }
    stdout::json(out, &report)?;
    Ok(exit)
}

fn examine(args: &CheckArgs) -> (CheckReport, Vec<Error>) {
    let mut report = CheckReport {
        fine: false,
        problems: vec![],
        more_problems: 0,
        warnings: vec![],
        sources: vec![],
        stages: vec![],
        tables: vec![],
        output: None,
    };
    let (pipeline, mut errors): (_, Vec<Error>) = match args.pipeline.examine() {
        Ok(pipeline) => (Some(pipeline), vec![]),
        Err(flawed) => (flawed.rest.map(|rest| *rest), flawed.errors.into()),
    };
    let Some(pipeline) = pipeline else { return (report, errors) };
    if errors.is_empty() {
        report.stages = pipeline.stages.iter().map(|s| s.name.clone()).collect();
        report.output = Some(shown_output(&pipeline));
        match job::run_plan(&pipeline, None) {
            Ok(run_plan) => report.tables = run_plan.tables().into_iter().map(|t| t.name).collect(),
            Err(e) => errors.push(e),
        }
    }
    if !args.no_data {
        match source::inspect(&pipeline, Needs::ALL) {
            Ok(inspected) => report.add_sources(&inspected),
            Err(more) => errors.extend(Vec::from(more)),
        }
    }
    report.fine = errors.is_empty();
    (report, errors)
}

impl CheckReport {
    fn add_sources(&mut self, inspected: &Inspected) {
        for (kind, source) in &inspected.sources {
            if source.rows() == 0 {
                self.warnings.push(format!("source {} has no rows: is the export complete?", kind.name()));
            }
            self.sources.push(CheckedSource {
                source: kind.name(),
                files: source.files.len(),
                rows: source.rows(),
                bytes: source.files.iter().map(|f| f.input.bytes).sum(),
                columns: source.written.clone(),
            });
        }
    }
}

fn text(args: &CheckArgs, report: &CheckReport) -> String {
    let source =
        |s: &CheckedSource| format!("{} ({} in {})", s.source, count(s.rows, "row"), count(s.files as u64, "file"));
    let sources: Vec<String> = report.sources.iter().map(source).collect();
    let sources = if args.no_data { "exports not checked".to_owned() } else { sources.join(", ") };
    let mut text = format!(
        "{} is fine: {sources}\n{}, {} into {}\n",
        escaped(&args.pipeline.pipeline.display().to_string()),
        count(report.stages.len() as u64, "stage"),
        count(report.tables.len() as u64, "table"),
        escaped(report.output.as_deref().unwrap_or_default()),
    );
    for warning in &report.warnings {
        text += &format!("warning: {warning}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = r#"
[calendar]
timezone = "Europe/London"
[money]
currency = "EUR"
[sources.transactions]
path = "tx.parquet"
columns = { customer_id = "who", occurred_at = "at", amount = "paid" }
[sources.customers]
path = "who.parquet"
columns = { customer_id = "who" }
[segments]
land = "customers.land"
[stages.churn]
"#;

    fn checked(text: &str, format: OutputFormat, set: &[&str]) -> (String, String, ExitStatus) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shop.toml");
        std::fs::write(&path, text).unwrap();
        let set = set.iter().map(|s| (*s).to_owned()).collect();
        let args = CheckArgs { pipeline: PipelineArgs { pipeline: path, as_of: None, set }, no_data: true, format };
        let mut out = vec![];
        let (said, exit) = match run(&args, &mut out) {
            Ok(exit) => (String::new(), exit),
            Err(errors) => (errors.iter().map(|e| format!("{}\n", e.what)).collect(), errors.exit()),
        };
        let plain = |text: &str| text.replace(&format!("{}", dir.path().display()), "");
        (plain(&String::from_utf8(out).unwrap()), plain(&said), exit)
    }

    #[test]
    fn a_file_that_is_fine_is_said_to_be() {
        let (text, said, exit) = checked(SHOP, OutputFormat::Text, &[]);
        assert_eq!((said.as_str(), exit), ("", ExitStatus::Done));
        insta::assert_snapshot!(text, @"
        /shop.toml is fine: exports not checked
        1 stage, 7 tables into /out/shop
        ");
    }

    #[test]
    fn programs_read_what_is_wrong_and_where() {
        let wrong = SHOP.replace("Europe/London", "Europe/Lodnon");
        let (json, said, exit) = checked(&wrong, OutputFormat::Json, &["money.digits=9"]);
        assert_eq!((said.as_str(), exit), ("", ExitStatus::Invalid));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["fine"], json["problems"].as_array().unwrap().len()), (&false.into(), 2));
        let (zone, digits) = (&json["problems"][0], &json["problems"][1]);
        assert_eq!((&zone["at"]["line"], &zone["at"]["column"], &zone["status"]), (&3.into(), &12.into(), &2.into()));
        assert!(zone["at"]["file"].as_str().unwrap().ends_with("shop.toml"), "{zone}");
        assert!(zone["help"].as_str().unwrap().contains("Europe/London"), "{zone}");
        assert_eq!(digits["at"]["file"], "--set money.digits=9");
        assert_eq!(digits["at"]["line"], serde_json::Value::Null);
    }
}
