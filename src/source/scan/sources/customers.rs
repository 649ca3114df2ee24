//! Customers: when they signed up, how they were won, and the bytes by which one of two conflicting rows wins.

use std::borrow::Cow;

use arrow::array::ArrayRef;
use xxhash_rust::xxh3::xxh3_128;

use crate::calendar::Day;
use crate::error::Result;
use crate::rows::{Batch, CustomerBatch, Ids, Sink};
use crate::source::columns::ids::LONGEST_ID;
use crate::source::columns::texts::AsText;
use crate::source::scan::batch::FilteredBatch;
use crate::source::scan::findings::Findings;
use crate::source::scan::scanner::Scanner;
use crate::source::scan::source_rows::{SourceRows, retain, retain_segments};
use crate::source_kind::ColumnKind;

impl SourceRows for CustomerBatch {
    fn read(scanner: &mut Scanner<'_>, batch: &mut FilteredBatch<'_>) -> Result<Self> {
        let ids = scanner.ids(batch)?;
        let signed_up = match scanner.find("signed_up_at") {
            Some(index) => scanner.times(batch, index)?.0.days,
            None => vec![Day::NEVER; batch.n],
        };
        let channels = scanner.channels(batch, "acquired_by")?;
        let referred = referred(scanner, batch, &ids)?;
        let segments = scanner.segments(batch)?;
        let canonical = canonical_bytes(scanner, batch, &signed_up)?;
        Ok(CustomerBatch { ids, signed_up, channels, referred, segments, canonical })
    }

    fn retain(&mut self, keep: &[bool]) {
        self.ids.retain(keep);
        retain(&mut self.signed_up, keep);
        retain(&mut self.channels, keep);
        retain(&mut self.referred, keep);
        retain_segments(&mut self.segments, keep);
        retain(&mut self.canonical, keep);
    }

    fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    fn days(&self) -> impl Iterator<Item = Day> {
        self.signed_up.iter().copied().filter(|day| *day != Day::NEVER)
    }

    fn send(self, _: &Findings<'_>, sink: &dyn Sink) -> Result<()> {
        sink.accept(Batch::Customers(self))
    }
}

/// Which customers another customer referred. Rows that name the customer's own id are counted instead.
fn referred(scanner: &Scanner<'_>, batch: &mut FilteredBatch<'_>, ids: &Ids) -> Result<Vec<bool>> {
    let mut referred = vec![false; batch.n];
    let Some(index) = scanner.find("referred_by") else { return Ok(referred) };
    let array = scanner.array(batch, index)?;
    let texts = AsText::new(&array);
    let mut to_self = vec![false; batch.n];
    for row in 0..batch.n {
        // A text that is too long for an id is not searched for a letter: it names somebody else, if nobody who is known.
        let Some(by) = texts.get(row).filter(|by| by.len() > LONGEST_ID || !by.trim().is_empty()) else { continue };
        to_self[row] = match ids {
            Ids::Integer(ids) => by.parse() == Ok(ids[row]),
            Ids::Text(ids) => *by == *ids.get(row),
        };
        referred[row] = !to_self[row];
    }
    batch.counted.referred_to_self = to_self;
    Ok(referred)
}

/// Everything mapped in a row, so that equal rows have equal bytes and a value is greater than NULL.
fn canonical_bytes(scanner: &Scanner<'_>, batch: &FilteredBatch<'_>, signed_up: &[Day]) -> Result<Vec<Box<[u8]>>> {
    let fields = scanner.context.source.fields.iter().enumerate();
    let arrays: Vec<ArrayRef> = fields
        .filter(|(_, f)| f.kind == ColumnKind::Label && f.read)
        .map(|(index, _)| scanner.array(batch, index))
        .collect::<Result<_>>()?;
    let mut texts: Vec<_> = arrays.iter().map(|array| (AsText::new(array), LongText::default())).collect();
    let mut bytes = vec![];
    Ok((0..batch.n)
        .map(|row| {
            bytes.clear();
            let day = (signed_up[row] != Day::NEVER).then(|| (signed_up[row].0 as u32 ^ 0x8000_0000).to_be_bytes());
            push(&mut bytes, day.as_ref().map(|d| &d[..]));
            for (column, long) in &mut texts {
                match column.get(row) {
                    Some(Cow::Borrowed(text)) if text.len() > LONGEST_CANONICAL => {
                        long.push(&mut bytes, text.as_bytes());
                    }
                    // A value that is no text in the file, such as a number, is a short text.
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

/// A text of at most so many bytes is part of the canonical bytes as it is; of a longer one they have the beginning and a
/// hash of all of it.
const LONGEST_CANONICAL: usize = 256;

/// The last long text of a column and its hash. The same text in the next row is not hashed again: a dictionary may hold
/// a megabyte once for every row.
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
