//! How large a run's tallies can become, judged by its pipeline file alone.

use std::sync::Arc;

use super::dictionary::dictionary;
use super::plan::Blueprint;
use crate::calendar::Day;
use crate::config::Pipeline;
use crate::engine::reckon::{Reckoned, reckon};
use crate::error::Result;
use crate::timeline::shape::Shape;

/// Days of a window that the file leaves open: three years.
const ASSUMED_DAYS: i32 = 3 * 365;

/// What the cells are counted for.
pub struct Reckoning<'a> {
    /// Days of the observed window.
    pub days: i32,
    /// The file does not say the window, so a usual one is assumed.
    pub assumed: bool,
    pub folds: Vec<Reckoned<'a>>,
}

impl Blueprint {
    /// The folds with the most cells that each can have: every segment with all the values that its cap allows, history
    /// beginning with the observed window.
    pub fn reckon(&self, pipeline: &Pipeline) -> Result<Reckoning<'_>> {
        let (from, until) = (pipeline.calendar.observed_from, pipeline.calendar.as_of);
        let start = from.or(until.map(|u| u.plus(-ASSUMED_DAYS))).unwrap_or(Day(0));
        let end = until.unwrap_or(start.plus(ASSUMED_DAYS));
        // One more value than the cap: then there is `other` too.
        let values = |i: usize| (0..=pipeline.segments[i].cap).map(|value| value.to_string().into()).collect();
        let dictionary = dictionary(pipeline, (start, end), values)?;
        let shape = Shape::new(
            self.setting.basis,
            (start, end),
            start,
            pipeline.calendar.week_start,
            false,
            self.setting.has_transactions,
            false,
            dictionary,
        );
        let folds = reckon(&self.plan, Arc::new(shape))?;
        Ok(Reckoning { days: end.0 - start.0, assumed: from.is_none() || until.is_none(), folds })
    }
}
