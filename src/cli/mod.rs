//! The command line: one file per command, each with its own options.

pub mod gc;
mod interrupt;
mod nearest;
mod render;
mod run;
pub mod run_dir;
pub mod show;
mod stdout;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::{Error, Errors};
use crate::source::Condition;

/// Who stays, who leaves, what that costs and what a customer is worth: exact tables from Parquet exports
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Show(show::Args),
    Gc(gc::Args),
}

/// Parses the command line, runs the command, prints what went wrong, and gives the exit status.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    quiet_panics();
    let mut out = std::io::stdout();
    let (outcome, overrides) = match &cli.command {
        Command::Run(args) => (run::run(args, &mut out), args.overrides()),
        Command::Show(args) => {
            let compile: show::CompileCondition<'_> = &|sql, schema| {
                let condition = Condition::new(sql, schema)?;
                Ok(Box::new(move |batch: &arrow::array::RecordBatch| condition.holds(batch)) as show::RowFilter)
            };
            (show::run(args, compile, &mut out), &[][..])
        }
        Command::Gc(args) => (gc::run(args, &mut out), &[][..]),
    };
    let exit = outcome.unwrap_or_else(|errors| {
        report(&errors, overrides);
        errors.exit()
    });
    ExitCode::from(exit as u8)
}

fn report(errors: &Errors, overrides: &[String]) {
    let stderr = std::io::stderr();
    let style = crate::config::Style {
        colour: stderr.is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        ..Default::default()
    };
    let text = crate::config::render(errors, overrides, style, &|path| std::fs::read_to_string(path).ok());
    // Nobody is left to be told if standard error is gone.
    let _ = stderr.lock().write_all(text.as_bytes());
}

/// Damaged files make readers panic; that is caught where it happens and told as an error, so the default message would
/// only confuse. A panic that nobody catches is a defect and says so.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|_| {}));
}

/// Runs `work`, turning a panic that nobody caught into an error.
fn guarded<T>(work: impl FnOnce() -> Result<T, Errors>) -> Result<T, Errors> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown");
        Err(Error::internal(format!("the run stopped at a broken assumption: {said}")).into())
    })
}
