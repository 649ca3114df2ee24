//! What a pipeline reads: the exports and what each of their columns is taken for.

use serde::Serialize;
use serde_json::Value as Json;

use crate::config::{Pipeline, SourceKind};
use crate::job::RunPlan;
use crate::source;
use crate::source_kind;

#[derive(Serialize)]
pub(super) struct Input {
    pub source: &'static str,
    /// As the file says it: references to the environment stay as they are.
    pub path: Vec<String>,
    pub filter: Option<String>,
    pub columns: Vec<Mapped>,
}

#[derive(Serialize)]
pub(super) struct Mapped {
    /// The canonical column, or `segment NAME`.
    pub name: String,
    /// The export's column or SQL expression, as the file says it.
    pub from: String,
    pub doc: String,
    /// Whether the run reads it; a column that nothing asks for stays in the file.
    pub read: bool,
}

pub(super) fn inputs(pipeline: &Pipeline, blueprint: &RunPlan) -> Vec<Input> {
    let needs = blueprint.plan.needs();
    let input = |(kind, source): (&SourceKind, &crate::config::SourceSettings)| {
        let written = &pipeline.resolved["sources"][kind.name()];
        let columns = source::mapped(pipeline, source, needs).into_iter().map(|field| match field.segment {
            Some(i) => segment(pipeline, i),
            None => Mapped {
                from: mapping(&written["columns"][&field.name]),
                doc: doc(*kind, &field.name),
                name: field.name,
                read: field.read,
            },
        });
        Input {
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

fn segment(pipeline: &Pipeline, i: usize) -> Mapped {
    let name = &pipeline.segments[i].name;
    let column = plain(&pipeline.resolved["segments"][name]["column"]);
    let from = column.split_once('.').map_or(column.as_str(), |(_, column)| column).to_owned();
    Mapped { name: format!("segment {name}"), from, doc: "values that the tables are split by".into(), read: true }
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
