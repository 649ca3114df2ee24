//! Opens the files of a source and reads their footers, each in a state in which later changes are noticed.

use std::time::{Duration, SystemTime};

use rayon::prelude::*;

use crate::error::Result;
use crate::source::files::Found;
use crate::source::footer::{self, Footer, FooterMemory};
use crate::source::handle::{FileState, InputHandle, replaced};

/// A file that is being written to is looked at so many times before it is given up.
const MOST_LOOKS: usize = 3;

/// A file with its footer, not yet matched with the pipeline file.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub found: Found,
    pub footer: Footer,
    pub state: FileState,
    /// Stays open until the end, where there are few files: some network file systems number files only while they are
    /// open.
    pub kept: Option<InputHandle>,
}

/// The result of one look at a file.
enum Look {
    Done(Result<Opened>),
    /// It changed a moment ago, and has to be looked at again after `wait`.
    Again {
        state: FileState,
        wait: Duration,
    },
}

/// Opens every file and keeps the first `keep` of them open. A file that changed a moment ago is looked at again a moment
/// later, until it stays as it is.
pub(super) fn open_all(found: &[Found], keep: usize, memory: &FooterMemory) -> Vec<Result<Opened>> {
    let all = found.par_iter().enumerate();
    let mut looks: Vec<Look> = all.clone().map(|(i, file)| look(file, i < keep, memory, None)).collect();
    for _ in 1..MOST_LOOKS {
        let waits =
            looks.iter().filter_map(|look| if let Look::Again { wait, .. } = look { Some(*wait) } else { None });
        let Some(longest) = waits.max() else { break };
        std::thread::sleep(longest);
        let again = all.clone().zip(looks).map(|((i, file), before)| match before {
            Look::Again { state, .. } => look(file, i < keep, memory, Some(state)),
            done @ Look::Done(_) => done,
        });
        looks = again.collect();
    }
    let given_up = |file: &Found| Err(replaced(&file.shown, "it is still being written"));
    let results = looks.into_iter().zip(found).map(|(look, file)| match look {
        Look::Done(result) => result,
        Look::Again { .. } => given_up(file),
    });
    results.collect()
}

/// `before`: the state that it was in at the last look.
fn look(found: &Found, keep: bool, memory: &FooterMemory, before: Option<FileState>) -> Look {
    let now = SystemTime::now();
    let handle = match InputHandle::open(&found.path, &found.shown) {
        Ok(handle) => handle,
        Err(e) => return Look::Done(Err(e)),
    };
    let state = handle.state;
    if let Some(wait) = state.unsettled(now)
        && before != Some(state)
    {
        return Look::Again { state, wait };
    }
    let footer = footer::read(&handle, &found.shown, memory);
    let kept = keep.then_some(handle);
    Look::Done(footer.map(|footer| Opened { found: found.clone(), footer, state, kept }))
}
