//! A wrong command line, as an error like any other: for logs that are read by programs.

use std::ffi::OsString;

use crate::error::Error;

/// True if a command line asks for JSON events. It is looked at word by word, because a command line that is wrong is
/// not parsed.
pub(super) fn wants_events(arguments: impl IntoIterator<Item = OsString>) -> bool {
    let words: Vec<_> = arguments.into_iter().map(|a| a.to_string_lossy().into_owned()).collect();
    words.iter().any(|w| w == "--log-format=json") || words.windows(2).any(|w| w == ["--log-format", "json"])
}

/// What clap says, apart: the problem, and tips and usage as the remedy.
pub(super) fn error(error: &clap::Error) -> Error {
    let text = error.render().to_string();
    let (what, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
    let joined = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let what = joined(what.strip_prefix("error: ").unwrap_or(what));
    let rest = rest.split("\n\n").map(joined).filter(|part| !part.is_empty());
    Error::pipeline(what).help(rest.collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::Cli;
    use super::*;

    #[test]
    fn what_clap_says_is_split_into_problem_and_remedy() {
        let said = |words: &[&str]| error(&Cli::try_parse_from(words).unwrap_err());
        let unknown = said(&["tenure", "run", "shop.toml", "--frobnicate"]);
        assert_eq!(unknown.what, "unexpected argument '--frobnicate' found");
        assert!(unknown.help.unwrap().contains("Usage: tenure run"));
        let few = said(&["tenure", "run", "shop.toml", "--threads", "0"]);
        assert!(few.what.starts_with("invalid value '0' for '--threads <N>': 0 is not in 1..=1024"), "{}", few.what);
    }

    #[test]
    fn a_command_line_that_is_wrong_may_still_ask_for_events() {
        let wants = |words: &[&str]| wants_events(words.iter().map(OsString::from));
        assert!(wants(&["tenure", "run", "x", "--log-format", "json", "--frob"]));
        assert!(wants(&["tenure", "--log-format=json"]));
        assert!(!wants(&["tenure", "run", "x", "--log-format", "text", "json"]));
    }
}
