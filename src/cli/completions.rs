//! `tenure completions SHELL`: the script with which a shell completes command lines.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use super::stdout;
use crate::error::{Error, Errors, ExitStatus};

/// Print the completion script of a shell
///
/// For bash: tenure completions bash > ~/.local/share/bash-completion/completions/tenure
#[derive(clap::Args, Clone, Debug)]
pub(super) struct CompletionsArgs {
    #[arg(value_enum)]
    pub shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs, out: &mut dyn Write) -> Result<ExitStatus, Errors> {
    // Into memory first: the generator panics if standard output is closed.
    let mut text = vec![];
    clap_complete::generate(args.shell, &mut super::Cli::command(), "tenure", &mut text);
    let text = String::from_utf8(text).map_err(|e| Error::internal("the completions are not UTF-8").because(e))?;
    stdout::text(out, text)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_learns_every_command() {
        for shell in Shell::value_variants() {
            let mut out = vec![];
            assert_eq!(run(&CompletionsArgs { shell: *shell }, &mut out).unwrap(), ExitStatus::Done);
            let text = String::from_utf8(out).unwrap();
            let commands = super::super::Cli::command();
            for command in commands.get_subcommands() {
                assert!(text.contains(command.get_name()), "{shell} does not know {}", command.get_name());
            }
        }
    }
}
