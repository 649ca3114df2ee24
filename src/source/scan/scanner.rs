//! How a task reads the fields of its source from the columns of a batch.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::filter;

use super::batch::FilteredBatch;
use super::findings::Findings;
use crate::calendar::Day;
use crate::config::{Pipeline, SourceKind};
use crate::error::{Error, Result};
use crate::exchange::ExchangeRates;
use crate::rows::{Ids, NO_VALUE, PackedId, ValueCode};
use crate::source::Reason;
use crate::source::columns::amounts::{self, Amounts};
use crate::source::columns::ids::{self, IdKind, LONGEST_ID};
use crate::source::columns::texts::Coder;
use crate::source::columns::times::{self, Times};
use crate::source::columns::{Clock, Faults, packed};
use crate::source::expression::Compiled;
use crate::source::inspect::{Field, FieldInput, FileLayout, InspectedSource, SqlInput};
use crate::source_kind::ColumnKind;

/// What a task reads, and what all tasks share.
#[derive(Clone, Copy)]
pub(super) struct TaskContext<'a> {
    pub pipeline: &'a Pipeline,
    pub kind: SourceKind,
    pub source: &'a InspectedSource,
    /// Index into [`InspectedSource::files`].
    pub file: usize,
    pub ids: IdKind,
    pub findings: &'a Findings<'a>,
    /// What other currencies are worth; no rates while the rates themselves are read.
    pub rates: &'a ExchangeRates,
}

/// What a task keeps from batch to batch.
pub(super) struct Scanner<'a> {
    pub context: &'a TaskContext<'a>,
    pub layout: &'a FileLayout,
    pub clock: Clock,
    /// The field of each segment, the segment, and the codes that this task knows so far.
    coders: Vec<(usize, usize, Coder<'a>)>,
    channels: Coder<'a>,
    reasons: Coder<'a>,
    /// The file's path as messages and the quarantine show it.
    pub shown: Arc<str>,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(context: &'a TaskContext<'a>) -> Self {
        let file = &context.source.files[context.file];
        let layout = &context.source.layouts[file.layout];
        let dictionaries = &context.findings.dictionaries;
        let fields = context.source.fields.iter().enumerate();
        let coders = fields
            .filter_map(|(i, f)| f.segment.map(|segment| (i, segment, Coder::new(&dictionaries.segments[segment]))))
            .collect();
        let zone = context.pipeline.sources.get(&context.kind).map(|s| &s.timezone);
        let calendar = &context.pipeline.calendar.timezone;
        Scanner {
            context,
            layout,
            clock: Clock::new(zone.unwrap_or(calendar), calendar),
            coders,
            channels: Coder::new(&dictionaries.channels),
            reasons: Coder::new(&dictionaries.reasons),
            shown: file.input.shown.as_str().into(),
        }
    }

    /// The rows that satisfy the filter, and their numbers in the batch; `None` if all do.
    pub(super) fn filtered(&self, columns: &[ArrayRef], n: usize) -> Result<Option<(Vec<ArrayRef>, Vec<u32>)>> {
        let Some(sql) = &self.layout.filter else { return Ok(None) };
        let holds = sql.compiled.holds(&given(sql, columns), n);
        let holds = holds.map_err(|e| self.failed(&sql.compiled, "filter", &e))?;
        if holds.true_count() == n {
            return Ok(None);
        }
        let numbers = holds.values().set_indices().map(|i| i as u32).collect();
        let kept = columns.iter().map(|c| filter(c, &holds)).collect::<Result<_, _>>();
        let kept = kept.map_err(|e| Error::internal(format!("a batch could not be filtered: {e}")))?;
        Ok(Some((kept, numbers)))
    }

    fn failed(&self, compiled: &Compiled, name: &str, e: &str) -> Error {
        let (kind, file) = (self.context.kind.name(), &self.shown);
        Error::input(format!("sources.{kind}.{name}: `{}` fails on a value in {file}: {e}", compiled.sql()))
            .help("TRY_CAST gives NULL where CAST fails")
    }

    pub(super) fn field(&self, index: usize) -> &'a Field {
        &self.context.source.fields[index]
    }

    /// Index of a canonical column that is mapped and that this run reads.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let fields = self.context.source.fields.iter();
        fields.enumerate().find(|(_, f)| f.segment.is_none() && f.read && f.name == name).map(|(i, _)| i)
    }

    /// Index of a required column, which the configuration has made sure of.
    pub(super) fn required(&self, name: &str) -> Result<usize> {
        self.find(name).ok_or_else(|| Error::internal(format!("{}.{name} is not mapped", self.context.kind.name())))
    }

    /// The values of a field as the export or the expression gives them.
    pub(super) fn array(&self, batch: &FilteredBatch<'_>, index: usize) -> Result<ArrayRef> {
        let name = &self.field(index).name;
        match &self.layout.inputs[index] {
            FieldInput::Column(column) => Ok(batch.columns[*column].clone()),
            FieldInput::Sql(sql) => {
                let values = sql.compiled.evaluate(&given(sql, batch.columns), batch.n);
                values.map_err(|e| self.failed(&sql.compiled, name, &e))
            }
            FieldInput::Unread => Err(Error::internal(format!("{name} is read without being planned"))),
        }
    }

    /// Customer ids.
    pub(super) fn ids(&self, batch: &mut FilteredBatch<'_>) -> Result<Ids> {
        let index = self.required("customer_id")?;
        let array = self.array(batch, index)?;
        ids::read(&array, self.context.ids, &self.field(index).label, &mut batch.faults).map_err(|(row, what)| {
            Error::input(format!("row {} of {}: {what}", batch.number(row), self.shown))
                .help(format!("customer ids are whole numbers or texts of at most {LONGEST_ID} bytes"))
        })
    }

    /// Ids that are only compared; `None` where this run does not read the column.
    pub(super) fn packed(&self, batch: &FilteredBatch<'_>, name: &str) -> Result<Option<Vec<PackedId>>> {
        self.find(name).map(|index| Ok(packed::read(&self.array(batch, index)?))).transpose()
    }

    /// The times by which rows are dated and ordered.
    pub(super) fn row_times(&mut self, batch: &mut FilteredBatch<'_>, name: &str) -> Result<Times> {
        let index = self.required(name)?;
        let (times, _) = self.times(batch, index)?;
        batch.wall_clock = times.wall;
        Ok(times)
    }

    /// A column of times, and its values for messages.
    pub(super) fn times(&mut self, batch: &mut FilteredBatch<'_>, index: usize) -> Result<(Times, ArrayRef)> {
        let array = self.array(batch, index)?;
        let field = self.field(index);
        let ColumnKind::Time(role) = field.kind else {
            return Err(Error::internal(format!("{} is not a time", field.name)));
        };
        let times = times::read(&array, role, &mut self.clock, &field.label, &mut batch.faults);
        Ok((times, array))
    }

    /// Amounts, read as if all were in money.currency, and their values for those that are in another.
    pub(super) fn amounts(&self, batch: &mut FilteredBatch<'_>) -> Result<(Amounts, ArrayRef)> {
        let index = self.required("amount")?;
        let array = self.array(batch, index)?;
        let digits = self.context.pipeline.money.digits;
        let amounts = amounts::read(&array, digits, &self.field(index).label, &mut batch.faults);
        Ok((amounts, array))
    }

    /// For each segment on this source, its index in `Pipeline::segments` and a code a row.
    pub(super) fn segments(&mut self, batch: &mut FilteredBatch<'_>) -> Result<Vec<(usize, Vec<ValueCode>)>> {
        let mut coders = std::mem::take(&mut self.coders);
        let read = coders
            .iter_mut()
            .map(|(field, segment, coder)| {
                let array = self.array(batch, *field)?;
                Ok((*segment, codes(coder, &array, &self.field(*field).label, &mut batch.faults)?))
            })
            .collect();
        self.coders = coders;
        read
    }

    /// Codes of a column of channels; [`NO_VALUE`] where this run does not read it.
    pub(super) fn channels(&mut self, batch: &mut FilteredBatch<'_>, name: &str) -> Result<Vec<ValueCode>> {
        let Some(index) = self.find(name) else { return Ok(vec![NO_VALUE; batch.n]) };
        let array = self.array(batch, index)?;
        codes(&mut self.channels, &array, &self.context.source.fields[index].label, &mut batch.faults)
    }

    /// Codes of a column of reasons; [`NO_VALUE`] where this run does not read it.
    pub(super) fn reasons(&mut self, batch: &mut FilteredBatch<'_>, name: &str) -> Result<Vec<ValueCode>> {
        let Some(index) = self.find(name) else { return Ok(vec![NO_VALUE; batch.n]) };
        let array = self.array(batch, index)?;
        codes(&mut self.reasons, &array, &self.context.source.fields[index].label, &mut batch.faults)
    }

    /// Takes out rows dated at or after a configured as_of; faulty rows count as rejected, not as late.
    pub(super) fn drop_late(&self, batch: &mut FilteredBatch<'_>, days: &[Day]) {
        if let Some(as_of) = self.context.pipeline.calendar.as_of {
            let late = days.iter().enumerate().filter(|(row, day)| **day >= as_of && !batch.faults.contains(*row));
            batch.late = late.map(|(row, _)| row).collect();
        }
    }
}

/// The columns that an expression is given.
fn given(sql: &SqlInput, columns: &[ArrayRef]) -> Vec<ArrayRef> {
    sql.columns.iter().map(|column| columns[*column].clone()).collect()
}

/// The codes of a column of texts; a row whose text is too long is marked.
fn codes(coder: &mut Coder<'_>, array: &ArrayRef, label: &Arc<str>, faults: &mut Faults) -> Result<Vec<ValueCode>> {
    coder.codes(array, &mut |row| faults.mark_value(row, Reason::TextTooLong, label, array))
}
