//! What customers leave behind beside purchases and contracts: use, and answers to surveys.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};

use super::Part;
use super::batch::{Rows, Scanner, mark, retain};
use super::rows::{newest_instant, read_ids, retain_ids, span};
use crate::config::{Scale, Scales};
use crate::error::{Error, Result};
use crate::rows::{AnswerKind, Batch, Sink, Surveys, Usage};
use crate::source::Reason;
use crate::source::columns::Faults;
use crate::source::columns::amounts;
use crate::source::columns::texts::LONGEST;
use crate::source::columns::times::Times;

/// Decimal digits of a quantity, and of a score as it is kept and as it is held against its scale.
const QUANTITY: u8 = 3;
const SCORE: u8 = 2;
const FINE_SCORE: u8 = 6;

pub(super) fn usage(
    scanner: &mut Scanner<'_>,
    rows: &mut Rows<'_>,
    number: &dyn Fn(usize) -> u64,
    part: &mut Part,
    sink: &dyn Sink,
) -> Result<()> {
    let ids = read_ids(scanner, rows, number)?;
    let (at, _) = scanner.required_times(rows, "occurred_at")?;
    let mut quantities = read_quantities(scanner, rows)?;
    let mut segments = scanner.segments(rows)?;
    scanner.drop_late(rows, &at.days);
    let keep = rows.keep();
    let keep = keep.as_deref();
    let ids = retain_ids(ids, keep);
    let Times { mut days, mut instants, wall } = at;
    retain(&mut days, keep);
    retain(&mut instants, keep);
    retain(&mut quantities, keep);
    segments.iter_mut().for_each(|(_, codes)| retain(codes, keep));
    span(&mut part.report, &days);
    newest_instant(scanner, &mut part.report, &instants, wall);
    if days.is_empty() {
        return Ok(());
    }
    sink.accept(Batch::Usage(Usage { ids, days, instants, quantities, segments }))
}

/// Thousandths; each row counts one where quantities are not mapped.
fn read_quantities(scanner: &Scanner<'_>, rows: &mut Rows<'_>) -> Result<Vec<i64>> {
    let Some(index) = scanner.field("quantity") else { return Ok(vec![10i64.pow(QUANTITY.into()); rows.n]) };
    let array = scanner.array(rows, index)?;
    let label = &scanner.about(index).label;
    let (quantities, faults) = numbers(&array, QUANTITY, label);
    for (row, reason) in faults {
        let reason = if reason == Reason::NoAmount { Reason::NoQuantity } else { Reason::QuantityNotNumeric };
        mark(rows, row, reason, label, &array);
    }
    for row in (0..rows.n).filter(|row| quantities[*row] < 0) {
        mark(rows, row, Reason::QuantityNegative, label, &array);
    }
    Ok(quantities)
}

/// A column of numbers, with so many digits after the point, and why some are none.
fn numbers(array: &ArrayRef, digits: u8, label: &Arc<str>) -> (Vec<i64>, Vec<(usize, Reason)>) {
    let mut faults = Faults::default();
    let numbers = amounts::read(array, digits, label, &mut faults).units;
    (numbers, faults.iter().map(|fault| (fault.row, fault.reason)).collect())
}

pub(super) fn surveys(
    scanner: &mut Scanner<'_>,
    rows: &mut Rows<'_>,
    number: &dyn Fn(usize) -> u64,
    part: &mut Part,
    sink: &dyn Sink,
) -> Result<()> {
    let ids = read_ids(scanner, rows, number)?;
    let (at, _) = scanner.required_times(rows, "answered_at")?;
    let mut kinds = read_kinds(scanner, rows)?;
    let mut scores = read_scores(scanner, rows, &kinds)?;
    let mut reasons = scanner.reasons(rows, "reason")?;
    let mut segments = scanner.segments(rows)?;
    scanner.drop_late(rows, &at.days);
    let keep = rows.keep();
    let keep = keep.as_deref();
    let ids = retain_ids(ids, keep);
    let Times { mut days, mut instants, wall } = at;
    retain(&mut days, keep);
    retain(&mut instants, keep);
    retain(&mut kinds, keep);
    retain(&mut scores, keep);
    retain(&mut reasons, keep);
    segments.iter_mut().for_each(|(_, codes)| retain(codes, keep));
    span(&mut part.report, &days);
    newest_instant(scanner, &mut part.report, &instants, wall);
    if days.is_empty() {
        return Ok(());
    }
    sink.accept(Batch::Surveys(Surveys { ids, days, instants, kinds, scores, reasons, segments }))
}

/// What each survey asked; one of no known kind is set aside.
fn read_kinds(scanner: &Scanner<'_>, rows: &mut Rows<'_>) -> Result<Vec<AnswerKind>> {
    let index = scanner.required("kind")?;
    let array = scanner.array(rows, index)?;
    let label = &scanner.about(index).label;
    let texts = array.as_string_view_opt();
    let kind = |row: usize| {
        let word = texts.filter(|t| t.is_valid(row)).map(|t| t.value(row)).filter(|t| t.len() <= LONGEST)?.trim();
        AnswerKind::ALL.into_iter().find(|kind| word.eq_ignore_ascii_case(kind.name()))
    };
    Ok((0..rows.n)
        .map(|row| {
            kind(row).unwrap_or_else(|| {
                mark(rows, row, Reason::SurveyKindUnknown, label, &array);
                AnswerKind::Exit
            })
        })
        .collect())
}

/// Hundredths of a point; `None` where there is none. What an exit survey has in the column is not looked at.
fn read_scores(scanner: &Scanner<'_>, rows: &mut Rows<'_>, kinds: &[AnswerKind]) -> Result<Vec<Option<i32>>> {
    let Some(index) = scanner.field("score") else { return Ok(vec![None; rows.n]) };
    let scales = scanner.place.pipeline.sources.get(&scanner.place.kind).and_then(|source| source.scales);
    let scales = scales.ok_or_else(|| Error::internal("surveys have no scales"))?;
    let array = scanner.array(rows, index)?;
    let label = &scanner.about(index).label;
    let (points, faults) = numbers(&array, FINE_SCORE, label);
    let mut scores: Vec<Option<i64>> = points.into_iter().map(Some).collect();
    for (row, reason) in faults {
        scores[row] = None;
        let reason = match reason {
            Reason::NoAmount => continue,
            Reason::AmountOverflow | Reason::AmountInfinite => Reason::ScoreOutOfScale,
            _ => Reason::ScoreNotNumeric,
        };
        if kinds[row] != AnswerKind::Exit {
            mark(rows, row, reason, label, &array);
        }
    }
    let fine = 10i64.pow(FINE_SCORE.into());
    let mut kept = |row: usize, score: i64| {
        let scale = scale_of(&scales, kinds[row])?;
        let on_it = (i64::from(scale.lowest) * fine..=i64::from(scale.highest) * fine).contains(&score);
        if !on_it {
            mark(rows, row, Reason::ScoreOutOfScale, label, &array);
            return None;
        }
        let coarse = 10i128.pow((FINE_SCORE - SCORE).into());
        i32::try_from(crate::money::div_half_even(score.into(), coarse)).ok()
    };
    Ok(scores.into_iter().enumerate().map(|(row, score)| kept(row, score?)).collect())
}

fn scale_of(scales: &Scales, kind: AnswerKind) -> Option<Scale> {
    match kind {
        AnswerKind::Nps => Some(scales.nps),
        AnswerKind::Csat => Some(scales.csat),
        AnswerKind::Ces => Some(scales.ces),
        AnswerKind::Exit => None,
    }
}
