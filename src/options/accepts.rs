//! What a key of the pipeline file takes, and how that is said.

use std::ops::Bound::{self, Excluded, Included};

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub enum Accepts {
    /// A string that is not empty.
    Text,
    /// A name that serves as a folder's.
    FileName,
    Currency,
    /// An SQL expression.
    Sql,
    Flag,
    Int {
        min: i64,
        max: i64,
    },
    Number {
        min: Bound<f64>,
        max: Bound<f64>,
    },
    Word(Words),
    /// A list of at least one word, without repetition.
    Words(Words),
    Date,
    /// `"N days"`.
    Days,
    /// `"3 years"`, `"18 months"`.
    Months,
    /// `"1 period"`, `"45 days"`.
    Horizon,
    /// `"1 period"`, `"N days"` or `{ quantile = 0.95, by = "frequency" }`.
    ChurnAfter,
    /// `"always"` or `"N days"`.
    Reactivation,
    /// `"36 hours"`.
    Duration,
    Zone,
    /// Unix permissions as an octal string.
    Mode,
    /// A local path.
    Path,
    /// A local path or a list of them.
    Paths,
    /// `"SOURCE.COLUMN"`.
    SourceColumn,
    /// `[0, 10]`: the lowest and the highest score.
    Scale,
    /// Names of declared segments.
    Segments,
    /// The name of a stage kind.
    Kind,
    /// A table with keys of its own.
    Table,
    /// Announced, not offered by this version; the sentence says what to use instead.
    Later(&'static str),
}

/// The words of an enumeration; `later` ones are announced and refused with a sentence that says so.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    pub now: &'static [&'static str],
    pub later: &'static [&'static str],
}

impl Accepts {
    /// A number from `min` to `max`, both included.
    pub const fn number(min: f64, max: f64) -> Accepts {
        Accepts::Number { min: Included(min), max: Included(max) }
    }

    /// A share: a number from 0 to 1.
    pub const fn share() -> Accepts {
        Accepts::number(0.0, 1.0)
    }

    /// What a user may write, as an object of "takes".
    pub fn described(&self) -> String {
        let quoted = |w: &[&str]| w.iter().map(|w| format!("\"{w}\"")).collect::<Vec<_>>().join(", ");
        match self {
            Accepts::Text => "a string".into(),
            Accepts::FileName => {
                "a name of letters, digits, `.`, `-` and `_` that begins with a letter or digit".into()
            }
            Accepts::Currency => "a currency code of three capital letters such as \"EUR\"".into(),
            Accepts::Sql => "an SQL expression as a string".into(),
            Accepts::Flag => "true or false".into(),
            Accepts::Int { min, max } => format!("a whole number from {min} to {max}"),
            Accepts::Number { min, max } => format!("a number {}", range(*min, *max)),
            Accepts::Word(Words { now: [one], .. }) => format!("\"{one}\""),
            Accepts::Word(words) => format!("one of {}", quoted(words.now)),
            Accepts::Words(words) => format!("a list of words out of {}", quoted(words.now)),
            Accepts::Date => "a date such as \"2024-12-31\"".into(),
            Accepts::Days => "a number of days such as \"30 days\"".into(),
            Accepts::Months => "a number of years or months such as \"3 years\"".into(),
            Accepts::Horizon => "a number of periods or days such as \"1 period\" or \"45 days\"".into(),
            Accepts::ChurnAfter => {
                "\"1 period\", a number of days such as \"90 days\", or { quantile = 0.95, by = \"frequency\" }".into()
            }
            Accepts::Reactivation => "\"always\" or a number of days such as \"90 days\"".into(),
            Accepts::Duration => "a duration such as \"36 hours\", \"2 days\" or \"90 minutes\"".into(),
            Accepts::Zone => "a time zone of the IANA database such as \"Europe/London\"".into(),
            Accepts::Mode => "octal permissions as a string such as \"0640\"".into(),
            Accepts::Path => "a path as a string".into(),
            Accepts::Paths => "a path as a string, or a list of paths".into(),
            Accepts::SourceColumn => "a source and its column as a string such as \"customers.plan\"".into(),
            Accepts::Scale => "the lowest and the highest score as whole numbers, such as [0, 10]".into(),
            Accepts::Segments => "a list of names of [segments]".into(),
            Accepts::Kind => "the name of a kind of stage (`tenure stages` lists them)".into(),
            Accepts::Table => "a table of settings".into(),
            Accepts::Later(_) => "nothing yet".into(),
        }
    }
}

fn range(min: Bound<f64>, max: Bound<f64>) -> String {
    let from = match min {
        Included(x) => format!("from {x}"),
        Excluded(x) => format!("above {x}"),
        Bound::Unbounded => String::new(),
    };
    let to = match max {
        Included(x) => format!("to {x}"),
        Excluded(x) => format!("to below {x}"),
        Bound::Unbounded => String::new(),
    };
    format!("{from} {to}")
}
