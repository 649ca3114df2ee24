//! `tenure schema`: the JSON Schema of the pipeline file.

use std::io::Write;

use super::stdout;
use crate::config;
use crate::error::{Errors, ExitStatus};
use crate::stage::KINDS;

/// Print the JSON Schema of the pipeline file, with which editors complete and check it
///
/// For example in the first line of a pipeline file, for editors that read it: #:schema pipeline.schema.json
#[derive(clap::Args, Clone, Debug)]
pub(super) struct SchemaArgs {}

/// # Errors
/// Output: standard output cannot be written.
pub(super) fn run(out: &mut dyn Write) -> Result<ExitStatus, Errors> {
    stdout::json(out, &config::json_schema(KINDS))
}
