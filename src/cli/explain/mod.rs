//! `tenure explain PIPELINE.toml [STAGE]`: what a pipeline computes and how. It does not read the exports.

mod inputs;
mod plan;
mod text;

use std::io::Write;

use serde::Serialize;

use self::inputs::ExplainedInput;
use self::plan::PlanDoc;
use super::pipeline::PipelineArgs;
use super::schemas::TableDoc;
use super::stdout::{self, OutputFormat};
use crate::config::{self, Basis, Pipeline};
use crate::error::{Error, Errors, ExitStatus};
use crate::job::{self, RunPlan};
use crate::nearest::suggestion;
use crate::tables::{customers, ledger};

/// Explain what a pipeline computes: its inputs, settings, formulas, tables and columns
#[derive(clap::Args, Clone, Debug)]
pub(super) struct ExplainArgs {
    #[command(flatten)]
    pub pipeline: PipelineArgs,
    /// Explain only this stage; or `customers` or `ledger`, which every run writes
    pub stage: Option<String>,
    /// Print text for people, or JSON for programs
    #[arg(long, value_enum, default_value_t)]
    pub format: OutputFormat,
}

#[derive(Serialize)]
struct Explained {
    pipeline: String,
    basis: &'static str,
    period: &'static str,
    /// The rule that says when a customer is live.
    liveness: String,
    inputs: Vec<ExplainedInput>,
    /// Settings of the whole pipeline; a stage's own are in `parts`.
    settings: Vec<SettingDoc>,
    parts: Vec<ExplainedPart>,
    plan: PlanDoc,
    /// Tables that every run writes and that belong to no part.
    tables: Vec<TableDoc>,
}

/// A stage, or `customers` or `ledger`.
#[derive(Serialize)]
struct ExplainedPart {
    name: String,
    /// `None` for `customers` and `ledger`, which are no stages.
    kind: Option<&'static str>,
    period: &'static str,
    segments: Vec<String>,
    /// The definition: what it measures, formulas, edge cases, when it misleads.
    doc: &'static str,
    settings: Vec<SettingDoc>,
    tables: Vec<TableDoc>,
}

#[derive(Serialize)]
struct SettingDoc {
    key: String,
    /// The value in TOML, or a sentence that begins with `not set`.
    value: String,
    default: bool,
    doc: &'static str,
}

/// # Errors
/// Pipeline: the file is wrong, or has no such stage.
pub(super) fn run(args: &ExplainArgs, out: &mut dyn Write) -> Result<ExitStatus, Errors> {
    let pipeline = args.pipeline.load()?;
    let mut explained = explain(&pipeline)?;
    if let Some(name) = &args.stage {
        let names: Vec<String> = explained.parts.iter().map(|p| p.name.clone()).collect();
        explained.parts.retain(|p| p.name == *name);
        let Some(part) = explained.parts.pop() else {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let e = Error::pipeline(format!("the pipeline has no stage `{name}`"));
            return Err(e.help(suggestion(name, &names, "it explains")).into());
        };
        return match args.format {
            OutputFormat::Text => stdout::text(out, text::part(&part)),
            OutputFormat::Json => stdout::json(out, &part),
        };
    }
    match args.format {
        OutputFormat::Text => stdout::text(out, text::whole(&explained)),
        OutputFormat::Json => stdout::json(out, &explained),
    }
}

fn explain(pipeline: &Pipeline) -> Result<Explained, Errors> {
    let run_plan = job::run_plan(pipeline, None)?;
    let (of_stages, settings): (Vec<_>, Vec<_>) =
        config::explain_settings(pipeline).into_iter().partition(|s| s.key.starts_with("stages."));
    let doc = |s: &config::ExplainedSetting| SettingDoc {
        key: s.key.clone(),
        value: s.value.clone(),
        default: s.is_default,
        doc: s.doc,
    };
    let parts = parts(pipeline, &run_plan, &|name| {
        let of_it = |s: &&config::ExplainedSetting| {
            s.key.strip_prefix("stages.").is_some_and(|k| k.split('.').next() == Some(name))
        };
        of_stages.iter().filter(of_it).map(doc).collect()
    });
    let written: Vec<&str> = parts.iter().flat_map(|p| &p.tables).map(|t| t.name.as_str()).collect();
    let digits = Some(pipeline.money.digits);
    let rest = run_plan.tables().into_iter().filter(|t| !written.contains(&t.name.as_str()));
    Ok(Explained {
        pipeline: pipeline.name.to_string(),
        basis: match pipeline.customers.basis {
            Basis::Transactions => "transactions",
            Basis::Subscriptions => "subscriptions",
        },
        period: pipeline.calendar.period.name(),
        liveness: run_plan.setting.rule.to_string(),
        inputs: inputs::inputs(pipeline, &run_plan),
        settings: settings.iter().map(doc).collect(),
        plan: plan::plan(pipeline, &run_plan)?,
        tables: rest.map(|t| TableDoc::new(&t, digits)).collect(),
        parts,
    })
}

fn parts(pipeline: &Pipeline, run_plan: &RunPlan, settings: &dyn Fn(&str) -> Vec<SettingDoc>) -> Vec<ExplainedPart> {
    let digits = Some(pipeline.money.digits);
    let stages = run_plan.specs.iter().map(|(kind, spec)| ExplainedPart {
        name: spec.name.clone(),
        kind: Some(kind.name),
        period: spec.period.name(),
        segments: spec.segments.iter().map(|i| run_plan.setting.segment_name(*i)).collect(),
        doc: kind.definition,
        settings: settings(&spec.name),
        tables: kind.tables(spec).iter().map(|t| TableDoc::new(t, digits)).collect(),
    });
    let of_customers = customers::schema(&run_plan.setting, vec![]);
    let of_every_run = [(customers::DOC, of_customers), (ledger::DOC, ledger::schema(None))];
    let of_every_run = of_every_run.into_iter().map(|(doc, schema)| ExplainedPart {
        name: schema.name.clone(),
        kind: None,
        period: run_plan.setting.period.name(),
        segments: vec![],
        doc,
        settings: vec![],
        tables: vec![TableDoc::new(&schema, digits)],
    });
    stages.chain(of_every_run).collect()
}

#[cfg(test)]
mod tests;
