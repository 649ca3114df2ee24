//! Surveys: what was asked, and the score and the reason that were given.

use arrow::array::{Array, AsArray};

use crate::calendar::Day;
use crate::config::{Scale, SurveyScales};
use crate::error::{Error, Result};
use crate::rows::{AnswerKind, Batch, Sink, SurveyBatch};
use crate::source::Reason;
use crate::source::columns::texts::LONGEST;
use crate::source::columns::times::Times;
use crate::source::scan::batch::FilteredBatch;
use crate::source::scan::findings::Findings;
use crate::source::scan::numbers::numbers;
use crate::source::scan::scanner::Scanner;
use crate::source::scan::source_rows::{SourceRows, retain, retain_segments};

/// Decimal digits of a score as it is kept.
const DIGITS: u8 = 2;
/// Decimal digits of a score as it is compared with its scale, so that 10.004 is not rounded onto a scale that ends at 10.
const FINE_DIGITS: u8 = 6;

impl SourceRows for SurveyBatch {
    fn read(scanner: &mut Scanner<'_>, batch: &mut FilteredBatch<'_>) -> Result<Self> {
        let ids = scanner.ids(batch)?;
        let at = scanner.row_times(batch, "answered_at")?;
        let kinds = kinds(scanner, batch)?;
        let scores = scores(scanner, batch, &kinds)?;
        let reasons = scanner.reasons(batch, "reason")?;
        let segments = scanner.segments(batch)?;
        scanner.drop_late(batch, &at.days);
        let Times { days, instants, .. } = at;
        Ok(SurveyBatch { ids, days, instants, kinds, scores, reasons, segments })
    }

    fn retain(&mut self, keep: &[bool]) {
        self.ids.retain(keep);
        retain(&mut self.days, keep);
        retain(&mut self.instants, keep);
        retain(&mut self.kinds, keep);
        retain(&mut self.scores, keep);
        retain(&mut self.reasons, keep);
        retain_segments(&mut self.segments, keep);
    }

    fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    fn days(&self) -> impl Iterator<Item = Day> {
        self.days.iter().copied()
    }

    fn instants(&self) -> &[i64] {
        &self.instants
    }

    fn send(self, _: &Findings<'_>, sink: &dyn Sink) -> Result<()> {
        sink.accept(Batch::Surveys(self))
    }
}

/// What each survey asked. A row of an unknown kind is marked.
fn kinds(scanner: &Scanner<'_>, batch: &mut FilteredBatch<'_>) -> Result<Vec<AnswerKind>> {
    let index = scanner.required("kind")?;
    let array = scanner.array(batch, index)?;
    let label = &scanner.field(index).label;
    let texts = array.as_string_view_opt();
    let kind = |row: usize| {
        let word = texts.filter(|t| t.is_valid(row)).map(|t| t.value(row)).filter(|t| t.len() <= LONGEST)?.trim();
        AnswerKind::ALL.into_iter().find(|kind| word.eq_ignore_ascii_case(kind.name()))
    };
    Ok((0..batch.n)
        .map(|row| {
            kind(row).unwrap_or_else(|| {
                batch.mark(row, Reason::SurveyKindUnknown, label, &array);
                AnswerKind::Exit
            })
        })
        .collect())
}

/// Hundredths of a point; `None` where no score was given. The scores of exit surveys are ignored.
fn scores(scanner: &Scanner<'_>, batch: &mut FilteredBatch<'_>, kinds: &[AnswerKind]) -> Result<Vec<Option<i32>>> {
    let Some(index) = scanner.find("score") else { return Ok(vec![None; batch.n]) };
    let scales = scanner.context.pipeline.sources.get(&scanner.context.kind).and_then(|source| source.scales);
    let scales = scales.ok_or_else(|| Error::internal("surveys have no scales"))?;
    let array = scanner.array(batch, index)?;
    let label = &scanner.field(index).label;
    let (points, faults) = numbers(&array, FINE_DIGITS, label);
    let mut scores: Vec<Option<i64>> = points.into_iter().map(Some).collect();
    for (row, reason) in faults {
        scores[row] = None;
        let reason = match reason {
            Reason::NoAmount => continue,
            Reason::AmountOverflow | Reason::AmountInfinite => Reason::ScoreOutOfScale,
            _ => Reason::ScoreNotNumeric,
        };
        if kinds[row] != AnswerKind::Exit {
            batch.mark(row, reason, label, &array);
        }
    }
    let fine = 10i64.pow(FINE_DIGITS.into());
    let mut kept = |row: usize, score: i64| {
        let scale = scale_of(&scales, kinds[row])?;
        let fits = (i64::from(scale.lowest) * fine..=i64::from(scale.highest) * fine).contains(&score);
        if !fits {
            batch.mark(row, Reason::ScoreOutOfScale, label, &array);
            return None;
        }
        let coarse = 10i128.pow((FINE_DIGITS - DIGITS).into());
        i32::try_from(crate::money::div_half_even(score.into(), coarse)).ok()
    };
    Ok(scores.into_iter().enumerate().map(|(row, score)| kept(row, score?)).collect())
}

fn scale_of(scales: &SurveyScales, kind: AnswerKind) -> Option<Scale> {
    match kind {
        AnswerKind::Nps => Some(scales.nps),
        AnswerKind::Csat => Some(scales.csat),
        AnswerKind::Ces => Some(scales.ces),
        AnswerKind::Exit => None,
    }
}
