//! `tenure completions SHELL`: what a shell needs to complete command lines.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use super::stdout;
use crate::error::{Error, Errors, ExitStatus};

/// Print completions for a shell
///
/// For bash: tenure completions bash > ~/.local/share/bash-completion/completions/tenure
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[arg(value_enum)]
    pub shell: Shell,
}

pub fn run(args: &Args, out: &mut dyn Write) -> Result<ExitStatus, Errors> {
    // The generator would panic at a reader that goes away.
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
            assert_eq!(run(&Args { shell: *shell }, &mut out).unwrap(), ExitStatus::Done);
            let text = String::from_utf8(out).unwrap();
            let commands = super::super::Cli::command();
            for command in commands.get_subcommands() {
                assert!(text.contains(command.get_name()), "{shell} does not know {}", command.get_name());
            }
        }
    }
}
