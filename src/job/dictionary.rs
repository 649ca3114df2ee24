//! The segments of a run, from what the pipeline file says of them and the values that the scan met.

use std::sync::Arc;

use crate::calendar::Day;
use crate::config::{self, Pipeline, SegmentFrom};
use crate::error::Result;
use crate::timeline::segments::{SegmentAt, SegmentColumn, SegmentDictionary};

/// The declared segments in the order of the file, then those that stages cross. `values(i)`: the text behind each code of
/// the `i`-th; `first` and `as_of` bound what history there is.
///
/// # Errors
/// Pipeline: two segments have too many values to be crossed.
pub(super) fn dictionary(
    pipeline: &Pipeline,
    (first, as_of): (Day, Day),
    values: impl Fn(usize) -> Vec<Arc<str>>,
) -> Result<SegmentDictionary> {
    let column = |(i, segment): (usize, &config::SegmentSettings)| match &segment.from {
        SegmentFrom::Column(..) => {
            SegmentColumn::new(&segment.name, SegmentAt::from(segment.at), segment.cap, &values(i))
        }
        SegmentFrom::Builtin(builtin) => {
            SegmentColumn::builtin(&segment.name, segment.cap, *builtin, &builtin.values(first, as_of))
        }
    };
    let mut dictionary = SegmentDictionary { segments: pipeline.segments.iter().enumerate().map(column).collect() };
    pipeline.crossed().into_iter().try_for_each(|(a, b)| dictionary.cross(a, b))?;
    Ok(dictionary)
}

impl From<config::At> for SegmentAt {
    fn from(at: config::At) -> SegmentAt {
        match at {
            config::At::Opening => SegmentAt::Opening,
            config::At::First => SegmentAt::First,
            config::At::Latest => SegmentAt::Latest,
        }
    }
}
