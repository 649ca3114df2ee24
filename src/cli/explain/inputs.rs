//! The exports that a pipeline reads, and how their columns are mapped.

use serde::Serialize;
use serde_json::Value as Json;

use crate::config::{Pipeline, SourceKind};
use crate::job::RunPlan;
use crate::source;
use crate::source_kind;

#[derive(Serialize)]
pub(super) struct ExplainedInput {
    pub source: &'static str,
    /// The text of the file, with references to the environment not filled in.
    pub path: Vec<String>,
    pub filter: Option<String>,
    pub columns: Vec<MappedColumn>,
}

#[derive(Serialize)]
pub(super) struct MappedColumn {
    /// The name of the source's column in tenure, or `segment NAME`.
    pub name: String,
    /// The export's column or SQL expression, as written in the file.
    pub from: String,
    pub doc: String,
    /// False if no stage and no segment uses the column; it is then not read.
    pub read: bool,
}

pub(super) fn inputs(pipeline: &Pipeline, run_plan: &RunPlan) -> Vec<ExplainedInput> {
    let needs = run_plan.plan.needs();
    let input = |(kind, source): (&SourceKind, &crate::config::SourceSettings)| {
        let written = &pipeline.resolved["sources"][kind.name()];
        let columns = source::mapped(pipeline, source, needs).into_iter().map(|field| match field.segment {
            Some(i) => segment(pipeline, i),
            None => MappedColumn {
                from: mapping(&written["columns"][&field.name]),
                doc: doc(*kind, &field.name),
                name: field.name,
                read: field.read,
            },
        });
        ExplainedInput {
            source: kind.name(),
            path: match &written["path"] {
                Json::Array(list) => list.iter().map(plain).collect(),
                one => vec![plain(one)],
            },
            filter: written["filter"].as_str().map(Into::into),
            columns: columns.collect(),
        }
    };
    pipeline.sources.iter().map(input).collect()
}

fn segment(pipeline: &Pipeline, i: usize) -> MappedColumn {
    let name = &pipeline.segments[i].name;
    let column = plain(&pipeline.resolved["segments"][name]["column"]);
    let from = column.split_once('.').map_or(column.as_str(), |(_, column)| column).to_owned();
    MappedColumn { name: format!("segment {name}"), from, doc: "the tables are split by its values".into(), read: true }
}

fn mapping(written: &Json) -> String {
    plain(written.get("sql").unwrap_or(written))
}

fn plain(json: &Json) -> String {
    json.as_str().map_or_else(|| json.to_string(), Into::into)
}

fn doc(kind: SourceKind, name: &str) -> String {
    let known = source_kind::columns(kind).iter().find(|c| c.name == name);
    known.map_or_else(|| "an attribute of the customer".into(), |c| c.doc.into())
}
