//! The encoding of the usage and survey sections of a customer's [`record`](super::record).

use super::rows::{AnswerKind, AnswerRow, UseRow};
use super::varint::{Reader, put, unzigzag, zigzag};
use crate::calendar::Day;
use crate::rows::NO_VALUE;

pub(super) fn put_uses(usage: &[UseRow], into: &mut Vec<u8>) {
    if usage.is_empty() {
        return;
    }
    put(into, usage.len() as u64);
    let mut before = 0;
    for row in usage {
        put(into, zigzag(i64::from(row.day.0) - before));
        put(into, zigzag(row.quantity));
        before = row.day.0.into();
    }
}

pub(super) fn read_uses(reader: &mut Reader<'_>, each: &mut impl FnMut(UseRow)) {
    let mut day = 0;
    for _ in 0..reader.number() {
        day += unzigzag(reader.number());
        each(UseRow { day: Day(day as i32), quantity: unzigzag(reader.number()) });
    }
}

const SCORED: u8 = 4;
const REASONED: u8 = 8;

pub(super) fn put_answers(answers: &[AnswerRow], into: &mut Vec<u8>) {
    if answers.is_empty() {
        return;
    }
    put(into, answers.len() as u64);
    let (mut day, mut instant) = (0, 0i64);
    for row in answers {
        let has = |present: bool, flag: u8| if present { flag } else { 0 };
        into.push(row.kind as u8 | has(row.score.is_some(), SCORED) | has(row.reason != NO_VALUE, REASONED));
        put(into, zigzag(i64::from(row.day.0) - day));
        put(into, zigzag(row.instant.wrapping_sub(instant)));
        if let Some(score) = row.score {
            put(into, zigzag(score.into()));
        }
        if row.reason != NO_VALUE {
            put(into, row.reason.into());
        }
        (day, instant) = (row.day.0.into(), row.instant);
    }
}

pub(super) fn read_answers(reader: &mut Reader<'_>, each: &mut impl FnMut(AnswerRow)) {
    let (mut day, mut instant) = (0, 0i64);
    for _ in 0..reader.number() {
        let flags = reader.byte();
        day += unzigzag(reader.number());
        instant = instant.wrapping_add(unzigzag(reader.number()));
        let score = (flags & SCORED != 0).then(|| unzigzag(reader.number()) as i32);
        let reason = if flags & REASONED != 0 { reader.number() as u32 } else { NO_VALUE };
        let kind = AnswerKind::ALL[usize::from(flags % 4)];
        each(AnswerRow { day: Day(day as i32), instant, kind, score, reason });
    }
}

#[cfg(test)]
pub(super) fn some_uses() -> Vec<UseRow> {
    vec![UseRow { day: Day(-3), quantity: i64::MAX }, UseRow { day: Day(19_000), quantity: 0 }]
}

#[cfg(test)]
pub(super) fn some_answers() -> Vec<AnswerRow> {
    let answer = |day, instant, kind, score, reason| AnswerRow { day: Day(day), instant, kind, score, reason };
    vec![
        answer(-3, i64::MIN, AnswerKind::Nps, Some(-100_000), NO_VALUE),
        answer(-3, i64::MAX, AnswerKind::Csat, None, 0),
        answer(19_000, 5, AnswerKind::Ces, Some(700), NO_VALUE),
        answer(19_000, 5, AnswerKind::Exit, None, u32::MAX - 1),
    ]
}
