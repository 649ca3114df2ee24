//! Subscriptions: their dates, billing intervals and prices, each in its own currency.

use arrow::array::{Array, ArrayRef, AsArray};

use crate::calendar::Day;
use crate::error::Result;
use crate::exchange::OWN_CURRENCY;
use crate::rows::{Batch, CancelKind, Sink, Subscription, SubscriptionBatch};
use crate::source::Reason;
use crate::source::columns::amounts::Amounts;
use crate::source::columns::intervals::{self, PlanInterval};
use crate::source::columns::texts::LONGEST;
use crate::source::columns::times::Times;
use crate::source::scan::batch::FilteredBatch;
use crate::source::scan::currencies;
use crate::source::scan::findings::Findings;
use crate::source::scan::scanner::Scanner;
use crate::source::scan::source_rows::{SourceRows, retain, retain_segments};

impl SourceRows for SubscriptionBatch {
    fn read(scanner: &mut Scanner<'_>, batch: &mut FilteredBatch<'_>) -> Result<Self> {
        let ids = scanner.ids(batch)?;
        let started = scanner.row_times(batch, "started_at")?;
        let dates = Dates::read(scanner, batch)?;
        let (mut amounts, array) = scanner.amounts(batch)?;
        negative_amounts(scanner, batch, &amounts, &array)?;
        let intervals = billing_intervals(scanner, batch)?;
        let subscriptions = scanner.packed(batch, "subscription_id")?.unwrap_or_else(|| vec![0; batch.n]);
        let reasons = scanner.reasons(batch, "cancel_reason")?;
        let kinds = cancel_kinds(scanner, batch)?;
        let segments = scanner.segments(batch)?;
        let mut terms: Vec<Subscription> = (0..batch.n)
            .map(|row| Subscription {
                started: started.days[row],
                trial_ends: dates.day(TRIAL_ENDS, row),
                ended: dates.day(ENDED, row),
                cancelled: dates.day(CANCELLED, row),
                paid_until: dates.day(PAID_UNTIL, row),
                paused_from: dates.day(PAUSED_FROM, row),
                paused_until: dates.day(PAUSED_UNTIL, row),
                past_due_since: dates.day(PAST_DUE, row),
                months: intervals[row].months,
                days: intervals[row].days,
                amount: amounts.units[row],
                currency: OWN_CURRENCY,
                subscription: subscriptions[row],
                kind: kinds[row].unwrap_or_default(),
                reason: reasons[row],
            })
            .collect();
        dates.check_order(scanner, batch, &terms);
        scanner.drop_late(batch, &started.days);
        currencies::denominate(scanner, batch, &mut terms, &mut amounts, &array)?;
        batch.counted.amounts_rounded = amounts.rounded;
        batch.counted.cancel_kinds_unknown = kinds.iter().map(Option::is_none).collect();
        Ok(SubscriptionBatch { ids, terms, instants: started.instants, segments })
    }

    fn retain(&mut self, keep: &[bool]) {
        self.ids.retain(keep);
        retain(&mut self.terms, keep);
        retain(&mut self.instants, keep);
        retain_segments(&mut self.segments, keep);
    }

    fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    fn days(&self) -> impl Iterator<Item = Day> {
        self.terms.iter().map(|term| term.started)
    }

    fn newest_known(&self) -> Option<Day> {
        self.terms.iter().flat_map(|term| [term.started, term.cancelled]).filter(|day| *day != Day::NEVER).max()
    }

    fn instants(&self) -> &[i64] {
        &self.instants
    }

    fn send(self, _: &Findings<'_>, sink: &dyn Sink) -> Result<()> {
        sink.accept(Batch::Subscriptions(self))
    }
}

/// The dates beside the start. A row with several faults is rejected for the first in this order.
const DATES: [&str; 7] =
    ["trial_ends_at", "ended_at", "cancelled_at", "paid_until", "paused_from", "paused_until", "past_due_since"];
const TRIAL_ENDS: usize = 0;
const ENDED: usize = 1;
const CANCELLED: usize = 2;
const PAID_UNTIL: usize = 3;
const PAUSED_FROM: usize = 4;
const PAUSED_UNTIL: usize = 5;
const PAST_DUE: usize = 6;

/// The columns of [`DATES`] that are mapped.
struct Dates([Option<DateColumn>; DATES.len()]);

struct DateColumn {
    field: usize,
    times: Times,
    /// The export's values, for the quarantine.
    array: ArrayRef,
}

impl Dates {
    fn read(scanner: &mut Scanner<'_>, batch: &mut FilteredBatch<'_>) -> Result<Dates> {
        let mut dates = [const { None }; DATES.len()];
        for (slot, name) in dates.iter_mut().zip(DATES) {
            if let Some(field) = scanner.find(name) {
                let (times, array) = scanner.times(batch, field)?;
                *slot = Some(DateColumn { field, times, array });
            }
        }
        Ok(Dates(dates))
    }

    fn day(&self, date: usize, row: usize) -> Day {
        self.0[date].as_ref().map_or(Day::NEVER, |column| column.times.days[row])
    }

    /// Rejects rows that end before they begin. A cancellation before the start is no fault: the subscription was called
    /// off before it began, and is never live.
    fn check_order(&self, scanner: &Scanner<'_>, batch: &mut FilteredBatch<'_>, terms: &[Subscription]) {
        for (row, term) in terms.iter().enumerate() {
            let (date, reason) = if term.ended < term.started {
                (ENDED, Reason::EndBeforeStart)
            } else if term.paid_until < term.started {
                (PAID_UNTIL, Reason::EndBeforeStart)
            } else if term.paused_from != Day::NEVER && term.paused_until < term.paused_from {
                (PAUSED_UNTIL, Reason::PauseEndBeforeStart)
            } else {
                continue;
            };
            if let Some(column) = &self.0[date] {
                batch.mark(row, reason, &scanner.field(column.field).label, &column.array);
            }
        }
    }
}

fn negative_amounts(
    scanner: &Scanner<'_>,
    batch: &mut FilteredBatch<'_>,
    amounts: &Amounts,
    array: &ArrayRef,
) -> Result<()> {
    let label = &scanner.field(scanner.required("amount")?).label;
    for row in (0..batch.n).filter(|row| amounts.units[*row] < 0) {
        batch.mark(row, Reason::AmountNegative, label, array);
    }
    Ok(())
}

/// Who ended each subscription; `None` for a word that is neither voluntary nor involuntary.
fn cancel_kinds(scanner: &Scanner<'_>, batch: &FilteredBatch<'_>) -> Result<Vec<Option<CancelKind>>> {
    let unknown = Some(CancelKind::Unknown);
    let Some(index) = scanner.find("cancel_kind") else { return Ok(vec![unknown; batch.n]) };
    let array = scanner.array(batch, index)?;
    let Some(texts) = array.as_string_view_opt() else { return Ok(vec![unknown; batch.n]) };
    let kind = |text: &str| match text.trim() {
        _ if text.len() > LONGEST => None,
        "" => unknown,
        word if word.eq_ignore_ascii_case("voluntary") => Some(CancelKind::Voluntary),
        word if word.eq_ignore_ascii_case("involuntary") => Some(CancelKind::Involuntary),
        _ => None,
    };
    Ok(texts.iter().map(|text| text.map_or(unknown, kind)).collect())
}

/// Billing intervals; a month where the column is not mapped.
fn billing_intervals(scanner: &Scanner<'_>, batch: &mut FilteredBatch<'_>) -> Result<Vec<PlanInterval>> {
    let Some(index) = scanner.find("interval") else { return Ok(vec![intervals::MONTH; batch.n]) };
    let array = scanner.array(batch, index)?;
    let label = &scanner.field(index).label;
    let texts = array.as_string_view_opt();
    // Neighbouring rows mostly have the same interval, which is then parsed once.
    let mut last: Option<(&str, PlanInterval)> = None;
    Ok((0..batch.n)
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
                    batch.mark(row, Reason::IntervalUnknown, label, &array);
                    intervals::MONTH
                }
            }
        })
        .collect())
}
