//! The pipeline file argument and the options that override its keys, for every command that takes them.

use std::path::{Path, PathBuf};

use super::secrets;
use crate::config::{self, Flawed, Output, Override, Pipeline};
use crate::error::Errors;
use crate::stage::KINDS;

#[derive(clap::Args, Clone, Debug)]
pub(super) struct PipelineArgs {
    /// The pipeline file
    pub pipeline: PathBuf,
    /// The day on which the exports end (not included), instead of calendar.as_of
    #[arg(long, value_name = "DATE")]
    pub as_of: Option<String>,
    /// Override a key of the pipeline file, such as calendar.period=week; can be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl PipelineArgs {
    /// In order of precedence, the last one wins: `--as-of` over `--set calendar.as_of=…`.
    pub(super) fn overrides(&self) -> Vec<Override> {
        let set = self.set.iter().map(|assignment| Override::set(assignment));
        set.chain(self.as_of.as_ref().map(|date| Override::option("--as-of", "calendar.as_of", date))).collect()
    }

    /// The pipeline file with the overrides applied.
    pub(super) fn load(&self) -> Result<Pipeline, Errors> {
        self.examine().map_err(|flawed| flawed.errors)
    }

    /// The same; on errors with those parts of the file that are right.
    pub(super) fn examine(&self) -> Result<Pipeline, Flawed> {
        let examined = config::examine(&self.pipeline, &self.overrides(), &environment, KINDS);
        match &examined {
            Ok(pipeline) => secrets::keep(pipeline),
            Err(flawed) => flawed.rest.iter().for_each(|rest| secrets::keep(rest)),
        }
        examined
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A path relative to the current folder where that is shorter: `out/retail`, not `pipelines/../out/retail`.
pub(super) fn shown(path: &Path) -> String {
    let relative = || {
        let here = std::env::current_dir().ok()?.canonicalize().ok()?;
        // The path may not exist yet: resolve the nearest folder above it that does.
        let absolute = path.ancestors().find_map(|above| {
            let known = if above.as_os_str().is_empty() { Path::new(".") } else { above }.canonicalize().ok()?;
            Some(known.join(path.strip_prefix(above).ok()?))
        })?;
        let relative = absolute.strip_prefix(here).ok()?;
        let plain = relative.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        (plain && !relative.as_os_str().is_empty()).then(|| relative.display().to_string())
    };
    relative().unwrap_or_else(|| path.display().to_string())
}

/// The output folder of a pipeline as [`shown`]; as written in the file if it contains a value of the environment.
pub(super) fn shown_output(pipeline: &Pipeline) -> String {
    let Output { dir, dir_text, .. } = &pipeline.output;
    if !dir_text.is_filled_in() {
        return shown(dir);
    }
    // Whether a path from the environment is absolute only its value tells.
    let below = if Path::new(dir_text.value()).is_absolute() { Path::new("") } else { &pipeline.base };
    let below = below.strip_prefix(".").unwrap_or(below);
    below.join(dir_text.written()).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_from_where_one_is() {
        assert_eq!(shown(Path::new("src/../out/not there/yet")), "out/not there/yet");
        assert_eq!(shown(Path::new("./src/cli")), "src/cli");
        assert_eq!(shown(Path::new("src/../../elsewhere")), "src/../../elsewhere");
        assert_eq!(shown(Path::new("/")), "/");
        assert_eq!(shown(Path::new("nowhere/../../x")), "nowhere/../../x");
    }
}
