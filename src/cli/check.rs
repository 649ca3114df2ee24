//! `tenure check PIPELINE.toml`: every problem of the file and of the exports' schemas at once, without computing.

use std::io::Write;

use serde::Serialize;

use super::numbers::count;
use super::pipeline::{PipelineArgs, shown};
use super::stdout::{self, Format};
use crate::config::{Location, locate};
use crate::error::{Error, Errors, Exit};
use crate::job;
use crate::source::{self, Inspected, Needs};

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
    problems: Vec<Problem>,
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
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Errors> {
    let (mut verdict, errors) = look(args);
    if args.format == Format::Text {
        return match Errors::unless_empty(errors, ()) {
            Ok(()) => stdout::text(out, text(args, &verdict)),
            Err(errors) => Err(errors),
        };
    }
    let overrides = args.pipeline.overrides();
    let text_of = |path: &std::path::Path| std::fs::read_to_string(path).ok();
    verdict.problems = errors
        .iter()
        .map(|e| Problem {
            what: e.what.clone(),
            help: e.help.clone(),
            at: locate(e, &overrides, &text_of),
            status: e.kind.exit() as u8,
        })
        .collect();
    let exit = Errors::unless_empty(errors, ()).map_or_else(|errors| errors.exit(), |()| Exit::Done);
    stdout::json(out, &verdict)?;
    Ok(exit)
}

fn look(args: &Args) -> (Verdict, Vec<Error>) {
    let mut verdict = Verdict {
        fine: false,
        problems: vec![],
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
        verdict.output = Some(shown(&pipeline.output.dir));
        match job::blueprint(&pipeline, None) {
            Ok(blueprint) => verdict.tables = blueprint.tables().into_iter().map(|t| t.name).collect(),
            Err(e) => errors.push(e),
        }
    }
    if !args.no_data {
        match source::inspect(&pipeline, Needs { orders: true }) {
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
                columns: source.columns.clone(),
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
        args.pipeline.pipeline.display(),
        count(verdict.stages.len() as u64, "stage"),
        count(verdict.tables.len() as u64, "table"),
        verdict.output.as_deref().unwrap_or_default(),
    );
    for warning in &verdict.warnings {
        text += &format!("warning: {warning}\n");
    }
    text
}
