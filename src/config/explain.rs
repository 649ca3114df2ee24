//! Every setting with its value and default, for `tenure explain`.

use serde_json::Value as Json;

use super::Pipeline;
use super::decode::{default_basis, default_dir, preset, switch};
use super::reference::{BASES, Default, Key, MOMENTS, keys, source_keys, stage_keys};
use super::section::word_of;
use super::segments::default_moment;
use super::tree::DocumentNode;

/// A setting as it holds for a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedSetting {
    /// The whole path: `sources.transactions.path`.
    pub key: String,
    /// The value in TOML, with references to the environment unexpanded. If the key is not set: what holds instead.
    pub value: String,
    pub is_default: bool,
    pub doc: &'static str,
}

/// Every setting that this version offers, in the order of the reference: the fixed tables, then sources, segments and
/// stages as the pipeline has them.
pub fn explain_settings(pipeline: &Pipeline) -> Vec<ExplainedSetting> {
    let mut out = vec![];
    let fixed = ["", "calendar", "money", "customers"];
    fixed.iter().for_each(|group| settings(pipeline, group, keys(group), &mut out));
    for kind in pipeline.sources.keys() {
        settings(pipeline, &format!("sources.{}", kind.name()), source_keys(*kind), &mut out);
    }
    for segment in &pipeline.segments {
        settings(pipeline, &format!("segments.{}", segment.name), keys("segments.NAME"), &mut out);
    }
    for stage in &pipeline.stages {
        settings(pipeline, &format!("stages.{}", stage.name), stage_keys(stage.kind), &mut out);
    }
    settings(pipeline, "output", keys("output"), &mut out);
    out
}

fn settings(pipeline: &Pipeline, group: &str, keys: Vec<Key>, out: &mut Vec<ExplainedSetting>) {
    use super::reference::Accepts;
    let offered = |k: &Key| match k.accepts {
        Accepts::Later(_) => false,
        Accepts::Table => k.name == "columns",
        _ => true,
    };
    for key in keys.into_iter().filter(offered) {
        let path = if group.is_empty() { key.name.to_string() } else { format!("{group}.{}", key.name) };
        let json = at(&pipeline.resolved, &path);
        let (value, is_default) = match (json, key.default) {
            (Json::Null, Default::Unset("")) => ("not set".into(), true),
            (Json::Null, Default::Unset(instead) | Default::Follows(instead)) => (format!("not set: {instead}"), true),
            (json, Default::Value(default)) => {
                (toml(json), DocumentNode::parse(default, 0..0).is_some_and(|d| same(&d.json(), json)))
            }
            (json, Default::Follows(_)) => (toml(json), *json == followed(pipeline, &path)),
            (json, _) => (toml(json), false),
        };
        out.push(ExplainedSetting { key: path, value, is_default, doc: key.doc });
    }
}

fn at<'a>(json: &'a Json, path: &str) -> &'a Json {
    path.split('.').try_fold(json, |json, part| json.get(part)).unwrap_or(&Json::Null)
}

/// `1` and `1.0` are one value for a key that takes numbers.
fn same(a: &Json, b: &Json) -> bool {
    a == b || a.as_f64().is_some_and(|x| b.as_f64() == Some(x))
}

/// What a setting would be if it were left to follow from the others.
fn followed(pipeline: &Pipeline, path: &str) -> Json {
    let parts: Vec<&str> = path.split('.').collect();
    match parts.as_slice() {
        ["name"] => pipeline.file.file_stem().map_or(Json::Null, |s| s.to_string_lossy().into()),
        ["customers", "basis"] => word_of(default_basis(|kind| pipeline.sources.contains_key(&kind)), &BASES).1,
        ["customers", name] => {
            let policy = at(&pipeline.resolved, "customers.policy").as_str().unwrap_or_default();
            switch(preset(policy), name)
        }
        ["output", "dir"] => default_dir(at(&pipeline.resolved, "name").as_str().unwrap_or_default()).into(),
        ["sources", _, "timezone"] => at(&pipeline.resolved, "calendar.timezone").clone(),
        ["segments", name, "at"] => {
            let segment = pipeline.segments.iter().find(|s| s.name == *name);
            segment.map_or(Json::Null, |s| word_of(default_moment(&s.from), &MOMENTS).1)
        }
        ["stages", name, "kind"] => (*name).into(),
        ["stages", _, "period"] => at(&pipeline.resolved, "calendar.period").clone(),
        ["stages", name, "segments"] if pipeline.stages.iter().any(|s| s.name == *name && !s.kind.by_segment) => {
            Json::Array(vec![])
        }
        ["stages", _, "segments"] => pipeline.segments.iter().map(|s| s.name.as_str()).collect(),
        _ => Json::Null,
    }
}

/// A value of the manifest as TOML writes it on one line.
fn toml(json: &Json) -> String {
    let name = |k: &str| {
        let bare = !k.is_empty() && k.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if bare { k.to_string() } else { Json::from(k).to_string() }
    };
    match json {
        Json::Array(list) => format!("[{}]", list.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Json::Object(map) if map.is_empty() => "{}".into(),
        Json::Object(map) => {
            let entries: Vec<String> = map.iter().map(|(k, v)| format!("{} = {}", name(k), toml(v))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        _ => json.to_string(),
    }
}
