//! One error type: who must act, where, what happened, and the remedy.
//!
//! An [`Error`] is a sentence for the person who can mend it. `what` says what is wrong, `help` what to do about it;
//! `place` points into the file that is at fault. Several errors are returned together as [`Errors`], so that a user sees
//! every mistake of a pipeline file at once.
//!
//! ```
//! use tenure::error::{Error, ErrorKind, ExitStatus};
//!
//! let e = Error::pipeline("there is no source `transaction`")
//!     .help("did you mean `transactions`?")
//!     .at("shop.toml", Some(120..131));
//! assert_eq!(e.kind, ErrorKind::Pipeline);
//! assert_eq!(e.kind.exit(), ExitStatus::Invalid);
//! assert_eq!(e.to_string(), "there is no source `transaction`");
//! ```

use std::fmt;
use std::path::PathBuf;

/// The result of what can fail with one [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The exit statuses of the program. Schedulers rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitStatus {
    Done = 0,
    /// The run ended, but a check failed and nothing was published.
    CheckFailed = 1,
    /// The command line or the pipeline file is wrong.
    Invalid = 2,
    /// The data could not be read or the result not written.
    Data = 3,
    /// Stopped by SIGINT (Ctrl-C).
    Interrupted = 130,
    /// Stopped by SIGTERM.
    Terminated = 143,
}

/// Who must act, which decides the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorKind {
    /// The author of the command line or the pipeline file.
    Pipeline,
    /// The owner of the data: it can be read, but a check on it failed.
    Check,
    /// The person who delivers the exports: a file is missing, broken or of the wrong type.
    Input,
    /// The person who runs the machine: a disk is full, a permission is missing, another run holds the folder.
    Output,
    /// A signal asked the run to stop (Ctrl-C).
    Interrupted,
    /// A signal asked the process to end.
    Terminated,
    /// Nobody outside: an invariant of the program itself does not hold.
    Internal,
}

impl ErrorKind {
    /// The exit status of a run that ends with an error of this kind.
    pub fn exit(self) -> ExitStatus {
        match self {
            ErrorKind::Pipeline => ExitStatus::Invalid,
            ErrorKind::Check => ExitStatus::CheckFailed,
            ErrorKind::Input | ErrorKind::Output | ErrorKind::Internal => ExitStatus::Data,
            ErrorKind::Interrupted => ExitStatus::Interrupted,
            ErrorKind::Terminated => ExitStatus::Terminated,
        }
    }
}

/// The file that is at fault, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPlace {
    pub file: PathBuf,
    /// Byte range of the file's text; `None` for the whole file.
    pub span: Option<std::ops::Range<usize>>,
}

/// What went wrong, for the person who can mend it.
#[derive(Debug)]
pub struct Error {
    pub kind: ErrorKind,
    pub place: Option<ErrorPlace>,
    /// One sentence without a full stop: what is wrong.
    pub what: String,
    /// The remedy; it names the key or the command.
    pub help: Option<String>,
    /// The error that caused this one.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Error { kind, place: None, what: what.into(), help: None, source: None }
    }
    /// The pipeline file or the command line is wrong.
    pub fn pipeline(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Pipeline, what)
    }
    /// A check on the data failed.
    pub fn check(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Check, what)
    }
    /// An export cannot be read.
    pub fn input(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Input, what)
    }
    /// A result cannot be written.
    pub fn output(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Output, what)
    }
    /// An invariant of the program does not hold. The help asks for a report.
    pub fn internal(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, what).help("this is a defect of tenure, not of your data: please report it")
    }
    /// Sets the remedy.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
    /// Sets the file that is at fault, and the byte range in it.
    pub fn at(mut self, file: impl Into<PathBuf>, span: Option<std::ops::Range<usize>>) -> Self {
        self.place = Some(ErrorPlace { file: file.into(), span });
        self
    }
    /// Sets the error that caused this one.
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|e| e.as_ref() as &(dyn std::error::Error + 'static))
    }
}

/// Errors that are shown at once, at most. A file that is no pipeline file at all has an error in every line.
pub const SHOWN: usize = 50;

/// One or more errors, never none.
#[derive(Debug)]
pub struct Errors(Vec<Error>);

impl Errors {
    /// `Ok(value)` if `errors` is empty, else all of them.
    pub fn unless_empty<T>(errors: Vec<Error>, value: T) -> std::result::Result<T, Errors> {
        if errors.is_empty() { Ok(value) } else { Err(Errors(errors)) }
    }
    pub fn iter(&self) -> impl Iterator<Item = &Error> {
        self.0.iter()
    }
    /// The first [`SHOWN`] errors, and how many more there are.
    pub fn first(&self) -> (&[Error], usize) {
        let (first, more) = self.0.split_at(self.0.len().min(SHOWN));
        (first, more.len())
    }
    /// The exit status of the gravest error, in the order of [`ErrorKind`].
    pub fn exit(&self) -> ExitStatus {
        self.0.iter().map(|e| e.kind).max().unwrap_or(ErrorKind::Internal).exit()
    }
}

/// One error a line.
impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, more) = self.first();
        let lines: Vec<String> = first.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))?;
        if more > 0 { write!(f, "\nand {more} more") } else { Ok(()) }
    }
}

impl std::error::Error for Errors {}

impl From<Errors> for Vec<Error> {
    fn from(errors: Errors) -> Vec<Error> {
        errors.0
    }
}

impl From<Error> for Errors {
    fn from(e: Error) -> Self {
        Errors(vec![e])
    }
}

impl From<Vec<Error>> for Errors {
    /// An empty list is itself a defect and is reported as one.
    fn from(list: Vec<Error>) -> Self {
        if list.is_empty() { Errors(vec![Error::internal("an empty list of errors was raised")]) } else { Errors(list) }
    }
}
