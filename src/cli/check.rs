//! `tenure check PIPELINE.toml`: every problem of the file and of the exports' schemas at once, without computing.

use std::io::Write;

use serde::Serialize;

use super::numbers::count;
use super::pipeline::{PipelineArgs, shown_output};
use super::secrets;
use super::stdout::{self, Format};
use crate::config::{self, Location, locate};
use crate::error::{Error, Errors, ExitStatus};
use crate::job;
use crate::source::{self, Inspected, Needs};
use crate::terminal::escaped;

/// Find every problem of a pipeline file and of the exports' schemas, without computing anything
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    pub pipeline: PipelineArgs,
    /// Look at the file alone, not at the exports
    #[arg(long)]
    pub no_data: bool,
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// What there is to say, whether or not it is fine.
#[derive(Serialize)]
struct Verdict {
    fine: bool,
    /// The first fifty.
    problems: Vec<Problem>,
    /// How many more there are.
    more_problems: usize,
    /// Worth knowing; a run would go on.
    warnings: Vec<String>,
    /// Empty with `--no-data`, or where a problem hides them.
    sources: Vec<Source>,
    stages: Vec<String>,
    tables: Vec<String>,
    output: Option<String>,
}

#[derive(Serialize)]
struct Problem {
    what: String,
    help: Option<String>,
    at: Option<Location>,
    /// The exit status of a run.
    status: u8,
}

#[derive(Serialize)]
struct Source {
    source: &'static str,
    files: usize,
    /// By the footers, before filter and quarantine.
    rows: u64,
    bytes: u64,
    columns: Vec<String>,
}

/// Says what is fine, or returns what is not.
///
/// # Errors
/// Whatever a run would find wrong before it computes.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<ExitStatus, Errors> {
    let (mut verdict, errors) = look(args);
    if args.format == Format::Text {
        return match Errors::unless_empty(errors, ()) {
            Ok(()) => stdout::text(out, text(args, &verdict)),
            Err(errors) => Err(errors),
        };
    }
    let overrides = args.pipeline.overrides();
    let problem = |e: &Error| Problem {
        what: e.what.clone(),
        help: e.help.clone(),
        at: locate(e, &overrides, &config::read_text),
        status: e.kind.exit() as u8,
    };
    let mut exit = ExitStatus::Done;
    if let Err(errors) = Errors::unless_empty(errors, ()) {
        let errors = secrets::hide_errors(errors);
        let (first, more) = errors.first();
        verdict.problems = first.iter().map(problem).collect();
        verdict.more_problems = more;
        exit = errors.exit();
    }
    stdout::json(out, &verdict)?;
    Ok(exit)
}

fn look(args: &Args) -> (Verdict, Vec<Error>) {
    let mut verdict = Verdict {
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
    let Some(pipeline) = pipeline else { return (verdict, errors) };
    if errors.is_empty() {
        verdict.stages = pipeline.stages.iter().map(|s| s.name.clone()).collect();
        verdict.output = Some(shown_output(&pipeline));
        match job::blueprint(&pipeline, None) {
            Ok(blueprint) => verdict.tables = blueprint.tables().into_iter().map(|t| t.name).collect(),
            Err(e) => errors.push(e),
        }
    }
    if !args.no_data {
        match source::inspect(&pipeline, Needs::ALL) {
            Ok(inspected) => verdict.see(&inspected),
            Err(more) => errors.extend(Vec::from(more)),
        }
    }
    verdict.fine = errors.is_empty();
    (verdict, errors)
}

impl Verdict {
    fn see(&mut self, inspected: &Inspected) {
        for (kind, source) in &inspected.sources {
            if source.rows() == 0 {
                self.warnings.push(format!("source {} has no rows: is the export complete?", kind.name()));
            }
            self.sources.push(Source {
                source: kind.name(),
                files: source.files.len(),
                rows: source.rows(),
                bytes: source.files.iter().map(|f| f.input.bytes).sum(),
                columns: source.written.clone(),
            });
        }
    }
}

fn text(args: &Args, verdict: &Verdict) -> String {
    let source = |s: &Source| format!("{} ({} in {})", s.source, count(s.rows, "row"), count(s.files as u64, "file"));
    let sources: Vec<String> = verdict.sources.iter().map(source).collect();
    let sources = if args.no_data { "exports not looked at".to_owned() } else { sources.join(", ") };
    let mut text = format!(
        "{} is fine: {sources}\n{}, {} into {}\n",
        escaped(&args.pipeline.pipeline.display().to_string()),
        count(verdict.stages.len() as u64, "stage"),
        count(verdict.tables.len() as u64, "table"),
        escaped(verdict.output.as_deref().unwrap_or_default()),
    );
    for warning in &verdict.warnings {
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

    fn checked(text: &str, format: Format, set: &[&str]) -> (String, String, ExitStatus) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shop.toml");
        std::fs::write(&path, text).unwrap();
        let set = set.iter().map(|s| (*s).to_owned()).collect();
        let args = Args { pipeline: PipelineArgs { pipeline: path, as_of: None, set }, no_data: true, format };
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
        let (text, said, exit) = checked(SHOP, Format::Text, &[]);
        assert_eq!((said.as_str(), exit), ("", ExitStatus::Done));
        insta::assert_snapshot!(text, @"
        /shop.toml is fine: exports not looked at
        1 stage, 7 tables into /out/shop
        ");
    }

    #[test]
    fn programs_read_what_is_wrong_and_where() {
        let wrong = SHOP.replace("Europe/London", "Europe/Lodnon");
        let (json, said, exit) = checked(&wrong, Format::Json, &["money.digits=9"]);
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
