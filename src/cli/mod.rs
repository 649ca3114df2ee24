//! The command line: one file per command, each with its own options.

mod check;
mod completions;
mod explain;
pub mod gc;
mod interrupt;
mod panics;
mod pipeline;
mod render;
mod run;
pub mod run_dir;
mod schema;
mod schemas;
mod secrets;
pub mod show;
mod sources;
mod stages;
mod stdout;
mod tables;
mod usage;

use std::borrow::Cow;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, Parser, Subcommand};

use self::interrupt::Interrupt;
use crate::config::{self, Override, Style, render};
use crate::error::{Errors, ExitStatus};
use crate::nearest::nearest;
use crate::source::Condition;
use crate::terminal::escaped_lines;

/// Computes churn, cohorts, revenue retention and customer value from Parquet exports, exactly
#[derive(Debug, Parser)]
#[command(name = "tenure", version, max_term_width = 100, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit status:
  0         success
  1         a check of the data failed; nothing was published
  2         the command line or the pipeline file is wrong
  3         the data could not be read or the result not written
  130, 143  interrupted, terminated";

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Check(check::CheckArgs),
    Explain(explain::ExplainArgs),
    Show(show::ShowArgs),
    Sources(sources::SourcesArgs),
    Stages(stages::StagesArgs),
    Tables(tables::TablesArgs),
    Schema(schema::SchemaArgs),
    Gc(gc::GcArgs),
    Completions(completions::CompletionsArgs),
}

/// Parses the command line, runs the command, prints what went wrong, and gives the exit status.
pub fn main() -> ExitCode {
    // First of all, so that a signal in the first milliseconds ends a run like a later one does. If it fails here, the
    // run tries again and reports the error.
    if std::env::args_os().nth(1).is_some_and(|command| command == "run") {
        let _ = Interrupt::listen();
    }
    // Otherwise a file beyond the process' size limit would kill the process without a message.
    let _ = interrupt::outlive_file_size_limit();
    let command = match Cli::try_parse() {
        Ok(parsed) => parsed.command,
        Err(e) => return refuse(&with_suggestion(e), usage::wants_events(std::env::args_os())),
    };
    panics::note();
    let exit = panics::guarded(|| command.run(&mut std::io::stdout())).unwrap_or_else(|errors| {
        let errors = secrets::hide_errors(errors);
        match &command {
            Command::Run(args) if args.wants_events() => run::emit_errors(&errors),
            _ => report(&errors, &command.overrides()),
        }
        errors.exit()
    });
    ExitCode::from(exit as u8)
}

/// Prints help, or what is wrong with the command line; as an event if `as_event`.
fn refuse(error: &clap::Error, as_event: bool) -> ExitCode {
    if as_event && error.use_stderr() {
        run::emit_errors(&usage::error(error).into());
        return ExitCode::from(ExitStatus::Invalid as u8);
    }
    let text = error.render().to_string();
    // A failure is ignored: there is no other place to report that standard error is closed.
    let _ = match escaped_lines(&text) {
        // clap quotes what was typed, which may contain control characters.
        Cow::Owned(tame) => std::io::stderr().write_all(tame.as_bytes()),
        Cow::Borrowed(_) => error.print(),
    };
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(ExitStatus::Invalid as u8))
}

/// Adds the command that was probably meant where clap suggests none (it misses short ones with two letters swapped).
fn with_suggestion(mut error: clap::Error) -> clap::Error {
    let suggested = error.get(ContextKind::SuggestedSubcommand).is_some();
    if let (false, Some(ContextValue::String(written))) = (suggested, error.get(ContextKind::InvalidSubcommand)) {
        let commands = Cli::command();
        if let Some(meant) = nearest(written, commands.get_subcommands().map(clap::Command::get_name)) {
            error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec![meant.to_owned()]));
        }
    }
    error
}

impl Command {
    fn run(&self, out: &mut (dyn Write + Send)) -> Result<ExitStatus, Errors> {
        // `run` sets its limit itself, from --memory-limit.
        if !matches!(self, Command::Run(_)) {
            run::limit_to_available();
        }
        match self {
            Command::Run(args) => run::run(args, out),
            Command::Check(args) => check::run(args, out),
            Command::Explain(args) => explain::run(args, out),
            Command::Show(args) => show::run(args, &compile, out),
            Command::Sources(args) => sources::run(args, out),
            Command::Stages(args) => stages::run(args, out),
            Command::Tables(args) => tables::run(args, out),
            Command::Schema(_) => schema::run(out),
            Command::Gc(args) => gc::run(args, out),
            Command::Completions(args) => completions::run(args, out),
        }
    }

    /// The pipeline keys that the command line overrides; an error may point to one of them.
    fn overrides(&self) -> Vec<Override> {
        match self {
            Command::Run(args) => args.pipeline.overrides(),
            Command::Check(args) => args.pipeline.overrides(),
            Command::Explain(args) => args.pipeline.overrides(),
            Command::Show(_)
            | Command::Sources(_)
            | Command::Stages(_)
            | Command::Tables(_)
            | Command::Schema(_)
            | Command::Gc(_)
            | Command::Completions(_) => vec![],
        }
    }
}

fn compile(sql: &str, schema: &arrow::datatypes::SchemaRef) -> crate::error::Result<show::RowFilter> {
    let condition = Condition::new(sql, schema)?;
    Ok(Box::new(move |batch| condition.holds(batch)))
}

fn report(errors: &Errors, overrides: &[Override]) {
    let stderr = std::io::stderr();
    let style = Style { colour: stderr.is_terminal() && std::env::var_os("NO_COLOR").is_none(), ..Style::default() };
    let text = render(errors, overrides, style, &config::read_text);
    // A failure is ignored: there is no other place to report that standard error is closed.
    let _ = stderr.lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_defined() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_command_with_swapped_letters_is_recognised() {
        let said = |word: &str| with_suggestion(Cli::try_parse_from(["tenure", word]).unwrap_err()).to_string();
        assert!(said("rnu").contains("a similar subcommand exists: 'run'"), "{}", said("rnu"));
        assert!(said("exlpain").contains("'explain'"), "{}", said("exlpain"));
        assert!(!said("nothing").contains("similar"), "{}", said("nothing"));
    }

    #[test]
    fn every_command_and_option_says_what_it_does() {
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for option in
                command.get_arguments().filter(|a| !["help", "shell", "format"].contains(&a.get_id().as_str()))
            {
                assert!(option.get_help().is_some(), "{} {}", command.get_name(), option.get_id());
            }
        }
    }
}
