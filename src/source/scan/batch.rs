//! One batch of an export: filtered, typed, its faulty rows set aside.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::filter;

use super::{Findings, Part, currencies, rows, traces};
use crate::calendar::Day;
use crate::config::{Mapping, Pipeline, SourceKind};
use crate::error::{Error, Result};
use crate::exchange::ExchangeRates;
use crate::rows::{NO_VALUE, Sink, ValueCode};
use crate::source::Reason;
use crate::source::columns::ids::IdKind;
use crate::source::columns::texts::Coder;
use crate::source::columns::times::Times;
use crate::source::columns::{Clock, Faults};
use crate::source::inspect::{Field, Input, InspectedSource, Layout, Role, SqlInput};

/// Where a task reads, and what all tasks share.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub pipeline: &'a Pipeline,
    pub kind: SourceKind,
    pub source: &'a InspectedSource,
    pub file: usize,
    pub ids: IdKind,
    pub findings: &'a Findings<'a>,
    /// What other currencies are worth; none while these are read themselves.
    pub rates: &'a ExchangeRates,
}

/// What a task keeps from batch to batch.
pub(super) struct Scanner<'a> {
    pub place: &'a Place<'a>,
    pub layout: &'a Layout,
    pub clock: Clock,
    /// Field, its segment, and the codes known so far.
    coders: Vec<(usize, usize, Coder<'a>)>,
    channels: Coder<'a>,
    reasons: Coder<'a>,
    /// The file, as it stands in the quarantine.
    shown: Arc<str>,
}

/// The rows of a batch after the filter.
pub(super) struct Rows<'a> {
    pub columns: &'a [ArrayRef],
    pub n: usize,
    pub faults: Faults,
    /// Rows dated at or after a configured as_of, in order.
    pub late: Vec<usize>,
}

impl<'a> Scanner<'a> {
    pub fn new(place: &'a Place<'a>) -> Self {
        let file = &place.source.files[place.file];
        let layout = &place.source.layouts[file.layout];
        let dictionaries = &place.findings.dictionaries;
        let segments = place.source.fields.iter().enumerate();
        let coders = segments
            .filter_map(|(i, f)| f.segment.map(|segment| (i, segment, Coder::new(&dictionaries.segments[segment]))))
            .collect();
        let zone = place.pipeline.sources.get(&place.kind).map(|s| &s.timezone);
        let calendar = &place.pipeline.calendar.timezone;
        Scanner {
            place,
            layout,
            clock: Clock::new(zone.unwrap_or(calendar), calendar),
            coders,
            channels: Coder::new(&dictionaries.channels),
            reasons: Coder::new(&dictionaries.reasons),
            shown: file.input.shown.as_str().into(),
        }
    }

    /// Scans a batch whose first row has `first_row` rows of the file before it.
    pub fn scan(
        &mut self,
        columns: &[ArrayRef],
        n: usize,
        first_row: u64,
        part: &mut Part,
        sink: &dyn Sink,
    ) -> Result<()> {
        part.report.rows += n as u64;
        let (kept, numbers) = match &self.layout.filter {
            None => (None, None),
            Some(sql) => self.filtered(sql, columns, n)?,
        };
        let columns = kept.as_deref().unwrap_or(columns);
        let rows_left = numbers.as_ref().map_or(n, Vec::len);
        part.report.filtered += (n - rows_left) as u64;
        if rows_left == 0 {
            return Ok(());
        }
        // Rows of the file count from 1.
        let number = |row: usize| first_row + numbers.as_ref().map_or(row, |n| n[row] as usize) as u64 + 1;
        let mut rows = Rows { columns, n: rows_left, faults: Faults::default(), late: vec![] };
        match self.place.kind {
            SourceKind::Transactions => rows::transactions(self, &mut rows, &number, part, sink)?,
            SourceKind::Subscriptions => rows::subscriptions(self, &mut rows, &number, part, sink)?,
            SourceKind::Customers => rows::customers(self, &mut rows, &number, part, sink)?,
            SourceKind::Usage => traces::usage(self, &mut rows, &number, part, sink)?,
            SourceKind::Surveys => traces::surveys(self, &mut rows, &number, part, sink)?,
            SourceKind::AcquisitionCosts => rows::costs(self, &mut rows, part)?,
            SourceKind::ExchangeRates => currencies::rates(self, &mut rows, part)?,
        }
        part.report.rejected += rows.faults.len() as u64;
        part.report.after_as_of += rows.late.len() as u64;
        // What an expression makes of the environment is not the export's to show.
        let fields = &self.place.source.fields;
        let is_secret = |label: &str| {
            let mut named = fields.iter().filter(|f| &*f.label == label);
            named.any(|f| matches!(&f.mapping, Mapping::Sql(sql) if sql.is_filled_in()))
        };
        self.place.findings.rejected.add(self.place.kind, &self.shown, &rows.faults, &is_secret, &number);
        Ok(())
    }

    /// The rows that satisfy the filter, and their numbers in the batch; nothing if all do.
    #[expect(clippy::type_complexity, reason = "two halves of one answer")]
    fn filtered(
        &self,
        sql: &SqlInput,
        columns: &[ArrayRef],
        n: usize,
    ) -> Result<(Option<Vec<ArrayRef>>, Option<Vec<u32>>)> {
        let given: Vec<ArrayRef> = sql.columns.iter().map(|c| columns[*c].clone()).collect();
        let holds = sql.compiled.holds(&given, n).map_err(|e| self.failed(&sql.compiled, "filter", &e))?;
        if holds.true_count() == n {
            return Ok((None, None));
        }
        let numbers = holds.values().set_indices().map(|i| i as u32).collect();
        let kept = columns.iter().map(|c| filter(c, &holds)).collect::<Result<_, _>>();
        let kept = kept.map_err(|e| Error::internal(format!("a batch could not be filtered: {e}")))?;
        Ok((Some(kept), Some(numbers)))
    }

    fn failed(&self, compiled: &crate::source::expression::Compiled, name: &str, e: &str) -> Error {
        let (kind, file) = (self.place.kind.name(), &self.place.source.files[self.place.file].input.shown);
        Error::input(format!("sources.{kind}.{name}: `{}` fails on a value in {file}: {e}", compiled.sql()))
            .help("TRY_CAST gives NULL where CAST fails")
    }

    /// The values of a field.
    pub fn array(&self, rows: &Rows<'_>, index: usize) -> Result<ArrayRef> {
        match &self.layout.inputs[index] {
            Input::Column(column) => Ok(rows.columns[*column].clone()),
            Input::Sql(sql) => {
                let given: Vec<ArrayRef> = sql.columns.iter().map(|c| rows.columns[*c].clone()).collect();
                let name = &self.place.source.fields[index].name;
                sql.compiled.evaluate(&given, rows.n).map_err(|e| self.failed(&sql.compiled, name, &e))
            }
            Input::Unread => {
                Err(Error::internal(format!("{} is read without being planned", self.place.source.fields[index].name)))
            }
        }
    }

    /// Index of a mapped canonical column that this run reads.
    pub fn field(&self, name: &str) -> Option<usize> {
        let fields = self.place.source.fields.iter();
        fields.enumerate().find(|(_, f)| f.segment.is_none() && f.read && f.name == name).map(|(i, _)| i)
    }

    /// The field that the file's validation made sure of.
    pub fn required(&self, name: &str) -> Result<usize> {
        self.field(name).ok_or_else(|| Error::internal(format!("{}.{name} is not mapped", self.place.kind.name())))
    }

    pub fn about(&self, index: usize) -> &'a Field {
        &self.place.source.fields[index]
    }

    /// A column of times; the array comes along for messages.
    pub fn times(&mut self, rows: &mut Rows<'_>, index: usize) -> Result<(Times, ArrayRef)> {
        let array = self.array(rows, index)?;
        let field = self.about(index);
        let Role::Time(role) = field.role else {
            return Err(Error::internal(format!("{} is not a time", field.name)));
        };
        let times = crate::source::columns::times::read(&array, role, &mut self.clock, &field.label, &mut rows.faults);
        Ok((times, array))
    }

    pub fn required_times(&mut self, rows: &mut Rows<'_>, name: &str) -> Result<(Times, ArrayRef)> {
        let index = self.required(name)?;
        self.times(rows, index)
    }

    /// Codes of the segments on this source.
    pub fn segments(&mut self, rows: &mut Rows<'_>) -> Result<Vec<(usize, Vec<ValueCode>)>> {
        let mut coders = std::mem::take(&mut self.coders);
        let codes = coders
            .iter_mut()
            .map(|(field, segment, coder)| {
                let array = self.array(rows, *field)?;
                Ok((*segment, codes(coder, &array, &self.about(*field).label, &mut rows.faults)?))
            })
            .collect();
        self.coders = coders;
        codes
    }

    /// Codes of a column of channels; [`NO_VALUE`] where this run does not read it.
    pub fn channels(&mut self, rows: &mut Rows<'_>, name: &str) -> Result<Vec<ValueCode>> {
        let Some(index) = self.field(name) else { return Ok(vec![NO_VALUE; rows.n]) };
        let array = self.array(rows, index)?;
        codes(&mut self.channels, &array, &self.place.source.fields[index].label, &mut rows.faults)
    }

    /// The same of a column of reasons.
    pub fn reasons(&mut self, rows: &mut Rows<'_>, name: &str) -> Result<Vec<ValueCode>> {
        let Some(index) = self.field(name) else { return Ok(vec![NO_VALUE; rows.n]) };
        let array = self.array(rows, index)?;
        codes(&mut self.reasons, &array, &self.place.source.fields[index].label, &mut rows.faults)
    }

    /// Rows dated at or after a configured as_of are dropped and counted.
    pub fn drop_late(&self, rows: &mut Rows<'_>, days: &[Day]) {
        if let Some(as_of) = self.place.pipeline.calendar.as_of {
            let late = days.iter().enumerate().filter(|(row, day)| **day >= as_of && !rows.faults.contains(*row));
            rows.late = late.map(|(row, _)| row).collect();
        }
    }
}

impl Rows<'_> {
    /// Which rows stay; `None` if all do.
    pub fn keep(&self) -> Option<Vec<bool>> {
        if self.faults.is_empty() && self.late.is_empty() {
            return None;
        }
        let mut keep = vec![true; self.n];
        self.faults.rows().for_each(|row| keep[row] = false);
        self.late.iter().for_each(|row| keep[*row] = false);
        Some(keep)
    }
}

/// The codes of a column; a row whose text is too long is faulty.
fn codes(coder: &mut Coder<'_>, array: &ArrayRef, label: &Arc<str>, faults: &mut Faults) -> Result<Vec<ValueCode>> {
    coder.codes(array, &mut |row| faults.mark_value(row, Reason::TextTooLong, label, array))
}

/// Keeps the entries of the rows that stay.
pub(super) fn retain<T>(values: &mut Vec<T>, keep: Option<&[bool]>) {
    if let Some(keep) = keep {
        let mut row = 0;
        values.retain(|_| {
            row += 1;
            keep[row - 1]
        });
    }
}

/// Marks a row with the value of another column's array.
pub(super) fn mark(rows: &mut Rows<'_>, row: usize, reason: Reason, label: &Arc<str>, array: &ArrayRef) {
    rows.faults.mark_value(row, reason, label, array);
}
