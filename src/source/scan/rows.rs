//! The canonical rows of each source, from typed columns.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Decimal128Array, TimestampMicrosecondArray};
use xxhash_rust::xxh3::xxh3_128;

use super::Part;
use super::batch::{Rows, Scanner, mark, retain};
use super::currencies;
use crate::calendar::Day;
use crate::error::{Error, Result};
use crate::exchange::OWN_CURRENCY;
use crate::rows::{Batch, CancelKind, Customers, Ids, Sink, Subscription, Subscriptions, Texts, Transactions};
use crate::source::columns::amounts::{self, Amounts};
use crate::source::columns::ids::{self, LONGEST_ID};
use crate::source::columns::intervals::{self, Interval};
use crate::source::columns::packed;
use crate::source::columns::texts::{AsText, LONGEST};
use crate::source::columns::times::Times;
use crate::source::inspect::{Activity, Canonical, Role};
use crate::source::{Reason, SourceReport};

pub(super) fn transactions(
    scanner: &mut Scanner<'_>,
    rows: &mut Rows<'_>,
    number: &dyn Fn(usize) -> u64,
    part: &mut Part,
    sink: &dyn Sink,
) -> Result<()> {
    let ids = read_ids(scanner, rows, number)?;
    let (at, _) = scanner.required_times(rows, "occurred_at")?;
    let (mut amounts, array) = read_amounts(scanner, rows)?;
    let mut segments = scanner.segments(rows)?;
    scanner.drop_late(rows, &at.days);
    part.report.converted += currencies::convert(scanner, rows, &at.days, (&mut amounts, &array), number)?;
    let mut active = active(scanner, rows, &at, &amounts)?;
    let mut orders = match scanner.field("order_id") {
        Some(index) => Some(packed::read(&scanner.array(rows, index)?)),
        None => None,
    };
    let keep = rows.keep();
    let keep = keep.as_deref();
    let ids = retain_ids(ids, keep);
    let Times { mut days, mut instants, wall } = at;
    retain(&mut days, keep);
    retain(&mut instants, keep);
    retain(&mut amounts.units, keep);
    retain(&mut amounts.rounded, keep);
    retain(&mut active, keep);
    if let Some(orders) = &mut orders {
        retain(orders, keep);
    }
    segments.iter_mut().for_each(|(_, codes)| retain(codes, keep));
    span(&mut part.report, &days);
    part.report.newest_known = part.report.newest_known.max(days.iter().copied().max());
    newest_instant(scanner, &mut part.report, &instants, wall);
    part.report.amounts_rounded += amounts.rounded.iter().filter(|r| **r).count() as u64;
    if days.is_empty() {
        return Ok(());
    }
    sink.accept(Batch::Transactions(Transactions {
        ids,
        days,
        instants,
        amounts: amounts.units,
        active,
        orders,
        segments,
    }))
}

/// Which rows satisfy `customers.activity`.
fn active(scanner: &mut Scanner<'_>, rows: &Rows<'_>, at: &Times, amounts: &Amounts) -> Result<Vec<bool>> {
    let (compiled, columns) = match &scanner.place.source.activity {
        Activity::Positive => return Ok(amounts.units.iter().map(|units| *units > 0).collect()),
        Activity::Every => return Ok(vec![true; rows.n]),
        Activity::Sql(compiled, columns) => (compiled, columns),
    };
    let digits = scanner.place.pipeline.money.digits;
    let mut arrays: Vec<ArrayRef> = vec![];
    for column in columns {
        arrays.push(match column {
            Canonical::Amount => {
                let values = Decimal128Array::from_iter_values(amounts.units.iter().map(|u| i128::from(*u)));
                let typed = values.with_precision_and_scale(38, digits as i8);
                Arc::new(typed.map_err(|e| Error::internal(format!("amounts as decimals: {e}")))?)
            }
            Canonical::Date => Arc::new(Date32Array::from_iter_values(at.days.iter().map(|d| d.0))),
            Canonical::Timestamp => {
                let micros: Vec<i64> = if at.wall {
                    at.instants.clone()
                } else {
                    at.instants.iter().map(|t| scanner.clock.local_micros(*t)).collect()
                };
                Arc::new(TimestampMicrosecondArray::from(micros))
            }
            Canonical::Field(index) => scanner.array(rows, *index)?,
        });
    }
    let holds = compiled.holds(&arrays, rows.n).map_err(|e| {
        Error::input(format!("customers.activity: `{}` fails on a value: {e}", compiled.sql()))
            .help("TRY_CAST gives NULL where CAST fails")
    })?;
    Ok(holds.values().iter().collect())
}

pub(super) fn subscriptions(
    scanner: &mut Scanner<'_>,
    rows: &mut Rows<'_>,
    number: &dyn Fn(usize) -> u64,
    part: &mut Part,
    sink: &dyn Sink,
) -> Result<()> {
    let ids = read_ids(scanner, rows, number)?;
    let (started, _) = scanner.required_times(rows, "started_at")?;
    let mut dates = [const { None }; DATES.len()];
    for (slot, name) in dates.iter_mut().zip(DATES) {
        if let Some(index) = scanner.field(name) {
            *slot = Some((scanner.times(rows, index)?, index));
        }
    }
    let (mut amounts, array) = read_amounts(scanner, rows)?;
    negative_amounts(scanner, rows, &amounts)?;
    let intervals = read_intervals(scanner, rows)?;
    let subscriptions = match scanner.field("subscription_id") {
        Some(index) => packed::read(&scanner.array(rows, index)?),
        None => vec![0; rows.n],
    };
    let reasons = scanner.reasons(rows, "cancel_reason")?;
    let kinds = read_cancel_kinds(scanner, rows)?;
    let mut segments = scanner.segments(rows)?;
    let day = |date: usize, row: usize| dates[date].as_ref().map_or(Day::NEVER, |((times, _), _)| times.days[row]);
    let mut terms: Vec<Subscription> = (0..rows.n)
        .map(|row| Subscription {
            started: started.days[row],
            trial_ends: day(TRIAL_ENDS, row),
            ended: day(ENDED, row),
            cancelled: day(CANCELLED, row),
            paid_until: day(PAID_UNTIL, row),
            paused_from: day(PAUSED_FROM, row),
            paused_until: day(PAUSED_UNTIL, row),
            past_due_since: day(PAST_DUE, row),
            months: intervals[row].months,
            days: intervals[row].days,
            amount: amounts.units[row],
            currency: OWN_CURRENCY,
            subscription: subscriptions[row],
            kind: kinds[row].unwrap_or_default(),
            reason: reasons[row],
        })
        .collect();
    // A cancellation before the start stays: a subscription called off before it began, which is never live.
    for (row, term) in terms.iter().enumerate() {
        let wrong = if term.ended < term.started {
            Some((ENDED, Reason::EndBeforeStart))
        } else if term.paid_until < term.started {
            Some((PAID_UNTIL, Reason::EndBeforeStart))
        } else if term.paused_from != Day::NEVER && term.paused_until < term.paused_from {
            Some((PAUSED_UNTIL, Reason::PauseEndBeforeStart))
        } else {
            None
        };
        if let Some((date, reason)) = wrong
            && let Some(((_, array), index)) = &dates[date]
        {
            mark(rows, row, reason, &scanner.about(*index).label, array);
        }
    }
    scanner.drop_late(rows, &started.days);
    part.report.converted += currencies::denominate(scanner, rows, &mut terms, (&mut amounts, &array), number)?;
    let keep = rows.keep();
    let keep = keep.as_deref();
    let ids = retain_ids(ids, keep);
    let Times { mut days, mut instants, wall } = started;
    retain(&mut days, keep);
    retain(&mut instants, keep);
    retain(&mut terms, keep);
    let mut rounded = amounts.rounded;
    retain(&mut rounded, keep);
    segments.iter_mut().for_each(|(_, codes)| retain(codes, keep));
    span(&mut part.report, &days);
    let known = terms.iter().flat_map(|t| [t.started, t.cancelled]).filter(|d| *d != Day::NEVER);
    part.report.newest_known = part.report.newest_known.max(known.max());
    newest_instant(scanner, &mut part.report, &instants, wall);
    part.report.amounts_rounded += rounded.iter().filter(|r| **r).count() as u64;
    let kept = |row: usize| keep.is_none_or(|keep| keep[row]);
    part.report.cancel_kinds_unknown +=
        kinds.iter().enumerate().filter(|(row, k)| k.is_none() && kept(*row)).count() as u64;
    if terms.is_empty() {
        return Ok(());
    }
    sink.accept(Batch::Subscriptions(Subscriptions { ids, terms, instants, segments }))
}

/// The dates of a subscription beside its start, in the order in which their faults count.
const DATES: [&str; 7] =
    ["trial_ends_at", "ended_at", "cancelled_at", "paid_until", "paused_from", "paused_until", "past_due_since"];
const TRIAL_ENDS: usize = 0;
const ENDED: usize = 1;
const CANCELLED: usize = 2;
const PAID_UNTIL: usize = 3;
const PAUSED_FROM: usize = 4;
const PAUSED_UNTIL: usize = 5;
const PAST_DUE: usize = 6;

fn negative_amounts(scanner: &Scanner<'_>, rows: &mut Rows<'_>, amounts: &Amounts) -> Result<()> {
    let negative: Vec<usize> = (0..rows.n).filter(|row| amounts.units[*row] < 0).collect();
    if negative.is_empty() {
        return Ok(());
    }
    let index = scanner.required("amount")?;
    let array = scanner.array(rows, index)?;
    for row in negative {
        mark(rows, row, Reason::AmountNegative, &scanner.about(index).label, &array);
    }
    Ok(())
}

/// Who ended each subscription; `None` for a word that says neither.
fn read_cancel_kinds(scanner: &Scanner<'_>, rows: &Rows<'_>) -> Result<Vec<Option<CancelKind>>> {
    let unknown = Some(CancelKind::Unknown);
    let Some(index) = scanner.field("cancel_kind") else { return Ok(vec![unknown; rows.n]) };
    let array = scanner.array(rows, index)?;
    let Some(texts) = array.as_string_view_opt() else { return Ok(vec![unknown; rows.n]) };
    let kind = |text: &str| match text.trim() {
        _ if text.len() > LONGEST => None,
        "" => unknown,
        word if word.eq_ignore_ascii_case("voluntary") => Some(CancelKind::Voluntary),
        word if word.eq_ignore_ascii_case("involuntary") => Some(CancelKind::Involuntary),
        _ => None,
    };
    Ok(texts.iter().map(|text| text.map_or(unknown, kind)).collect())
}

/// Billing intervals; without a mapping all are a month.
fn read_intervals(scanner: &Scanner<'_>, rows: &mut Rows<'_>) -> Result<Vec<Interval>> {
    let Some(index) = scanner.field("interval") else { return Ok(vec![intervals::MONTH; rows.n]) };
    let array = scanner.array(rows, index)?;
    let label = &scanner.about(index).label;
    let texts = array.as_string_view_opt();
    let mut last: Option<(&str, Interval)> = None;
    Ok((0..rows.n)
        .map(|row| {
            let text = texts.filter(|t| t.is_valid(row)).map(|t| t.value(row));
            if let (Some(text), Some((before, interval))) = (text, last)
                && text == before
            {
                return interval;
            }
            match text.and_then(|t| Some((t, intervals::parse(t)?))) {
                Some(known) => {
                    last = Some(known);
                    known.1
                }
                None => {
                    mark(rows, row, Reason::IntervalUnknown, label, &array);
                    intervals::MONTH
                }
            }
        })
        .collect())
}

pub(super) fn customers(
    scanner: &mut Scanner<'_>,
    rows: &mut Rows<'_>,
    number: &dyn Fn(usize) -> u64,
    part: &mut Part,
    sink: &dyn Sink,
) -> Result<()> {
    let ids = read_ids(scanner, rows, number)?;
    let mut signed_up = match scanner.field("signed_up_at") {
        Some(index) => scanner.times(rows, index)?.0.days,
        None => vec![Day::NEVER; rows.n],
    };
    let (mut channels, mut referred) = (scanner.channels(rows, "acquired_by")?, vec![false; rows.n]);
    let themselves = read_referred(scanner, rows, &ids, &mut referred)?;
    let mut segments = scanner.segments(rows)?;
    let mut canonical = canonical_bytes(scanner, rows, &signed_up)?;
    let keep = rows.keep();
    let keep = keep.as_deref();
    let ids = retain_ids(ids, keep);
    retain(&mut signed_up, keep);
    retain(&mut channels, keep);
    retain(&mut referred, keep);
    retain(&mut canonical, keep);
    let kept = |row: &usize| keep.is_none_or(|keep| keep[*row]);
    part.report.referred_to_self += themselves.into_iter().filter(kept).count() as u64;
    segments.iter_mut().for_each(|(_, codes)| retain(codes, keep));
    let known: Vec<Day> = signed_up.iter().copied().filter(|d| *d != Day::NEVER).collect();
    span(&mut part.report, &known);
    if ids.is_empty() {
        return Ok(());
    }
    sink.accept(Batch::Customers(Customers { ids, signed_up, channels, referred, segments, canonical }))
}

/// Who was referred by somebody else; gives the rows that name the customer's own id instead.
fn read_referred(scanner: &Scanner<'_>, rows: &Rows<'_>, ids: &Ids, referred: &mut [bool]) -> Result<Vec<usize>> {
    let Some(index) = scanner.field("referred_by") else { return Ok(vec![]) };
    let array = scanner.array(rows, index)?;
    let texts = AsText::new(&array);
    let mut themselves = vec![];
    for row in 0..rows.n {
        // A text that is too long for an id is not looked through: it names somebody else, if nobody who is known.
        let Some(by) = texts.get(row).filter(|by| by.len() > LONGEST_ID || !by.trim().is_empty()) else { continue };
        let is_self = match ids {
            Ids::Integer(ids) => by.parse() == Ok(ids[row]),
            Ids::Text(ids) => *by == *ids.get(row),
        };
        referred[row] = !is_self;
        if is_self {
            themselves.push(row);
        }
    }
    Ok(themselves)
}

/// Everything mapped in a row, so that equal rows have equal bytes and a value is greater than NULL.
fn canonical_bytes(scanner: &Scanner<'_>, rows: &Rows<'_>, signed_up: &[Day]) -> Result<Vec<Box<[u8]>>> {
    let fields = scanner.place.source.fields.iter().enumerate();
    let arrays: Vec<ArrayRef> = fields
        .filter(|(_, f)| f.role == Role::Label && f.read)
        .map(|(index, _)| scanner.array(rows, index))
        .collect::<Result<_>>()?;
    let mut texts: Vec<_> = arrays.iter().map(|array| (AsText::new(array), LongText::default())).collect();
    let mut bytes = vec![];
    Ok((0..rows.n)
        .map(|row| {
            bytes.clear();
            let day = (signed_up[row] != Day::NEVER).then(|| (signed_up[row].0 as u32 ^ 0x8000_0000).to_be_bytes());
            push(&mut bytes, day.as_ref().map(|d| &d[..]));
            for (column, long) in &mut texts {
                match column.get(row) {
                    Some(Cow::Borrowed(text)) if text.len() > LONGEST_CANONICAL => {
                        long.push(&mut bytes, text.as_bytes());
                    }
                    // What is no text in the file is short as one.
                    text => push(&mut bytes, text.as_ref().map(|text| text.as_bytes())),
                }
            }
            bytes.as_slice().into()
        })
        .collect())
}

fn push(bytes: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        None => bytes.push(0),
        Some(value) => {
            bytes.push(1);
            bytes.extend((value.len() as u64).to_be_bytes());
            bytes.extend(value);
        }
    }
}

/// Bytes of a text that are canonical bytes as they are; of a longer one these are its first bytes, and a hash of all.
const LONGEST_CANONICAL: usize = 256;

/// The long text of a column that came last: one that comes again is not looked at again.
#[derive(Default)]
struct LongText {
    /// Address and length.
    place: (usize, usize),
    hash: u128,
}

impl LongText {
    fn push(&mut self, bytes: &mut Vec<u8>, text: &[u8]) {
        let place = (text.as_ptr() as usize, text.len());
        if self.place != place {
            *self = LongText { place, hash: xxh3_128(text) };
        }
        bytes.push(1);
        bytes.extend((text.len() as u64).to_be_bytes());
        bytes.extend(&text[..LONGEST_CANONICAL]);
        bytes.extend(self.hash.to_be_bytes());
    }
}

pub(super) fn costs(scanner: &mut Scanner<'_>, rows: &mut Rows<'_>, part: &mut Part) -> Result<()> {
    let (start, _) = scanner.required_times(rows, "period_start")?;
    let (amounts, _) = read_amounts(scanner, rows)?;
    let channels = scanner.channels(rows, "channel")?;
    let (mut days, mut used) = (vec![], vec![]);
    for row in (0..rows.n).filter(|row| !rows.faults.contains(*row)) {
        days.push(start.days[row]);
        used.push((start.days[row], channels[row], amounts.units[row]));
        part.report.amounts_rounded += u64::from(amounts.rounded[row]);
    }
    scanner.place.findings.costs.add(used.into_iter())?;
    span(&mut part.report, &days);
    Ok(())
}

pub(super) fn read_ids(scanner: &Scanner<'_>, rows: &mut Rows<'_>, number: &dyn Fn(usize) -> u64) -> Result<Ids> {
    let index = scanner.required("customer_id")?;
    let array = scanner.array(rows, index)?;
    let file = &scanner.place.source.files[scanner.place.file].input.shown;
    ids::read(&array, scanner.place.ids, &scanner.about(index).label, &mut rows.faults).map_err(|(row, what)| {
        Error::input(format!("row {} of {file}: {what}", number(row)))
            .help(format!("customer ids are whole numbers or texts of at most {LONGEST_ID} bytes"))
    })
}

/// Amounts as if all were in money.currency; the array comes along for those that are not.
fn read_amounts(scanner: &Scanner<'_>, rows: &mut Rows<'_>) -> Result<(Amounts, ArrayRef)> {
    let index = scanner.required("amount")?;
    let array = scanner.array(rows, index)?;
    let digits = scanner.place.pipeline.money.digits;
    let amounts = amounts::read(&array, digits, &scanner.about(index).label, &mut rows.faults);
    Ok((amounts, array))
}

pub(super) fn retain_ids(ids: Ids, keep: Option<&[bool]>) -> Ids {
    let Some(keep) = keep else { return ids };
    match ids {
        Ids::Integer(mut ids) => {
            retain(&mut ids, Some(keep));
            Ids::Integer(ids)
        }
        Ids::Text(all) => {
            let mut texts = Texts::default();
            (0..all.len()).filter(|row| keep[*row]).for_each(|row| texts.push(all.get(row)));
            Ids::Text(texts)
        }
    }
}

pub(super) fn span(report: &mut SourceReport, days: &[Day]) {
    report.first = [report.first, days.iter().copied().min()].into_iter().flatten().min();
    report.last = report.last.max(days.iter().copied().max());
}

pub(super) fn newest_instant(scanner: &mut Scanner<'_>, report: &mut SourceReport, instants: &[i64], wall: bool) {
    if let Some(newest) = instants.iter().copied().max() {
        let instant = if wall { scanner.clock.instant(newest) } else { newest };
        report.newest_instant = report.newest_instant.max(Some(instant.div_euclid(1_000_000)));
    }
}
