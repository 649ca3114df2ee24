//! Canonical rows: what the rows of every export become, whatever names and types its columns have.
//!
//! A batch is a struct of columns of equal length. `source/scan/sources` fills them, and `timeline/scatter` takes them apart.

use crate::calendar::Day;
use crate::exchange::CurrencyCode;
#[cfg(test)]
use crate::exchange::OWN_CURRENCY;

/// The customer ids of a batch, one a row. All sources of a run have the same variant: integers if every source's ids are
/// integers that fit BIGINT, else text, in which integers are written in decimal.
#[derive(Clone, Debug)]
pub enum Ids {
    Integer(Vec<i64>),
    Text(TextBuffer),
}

impl Ids {
    pub fn len(&self) -> usize {
        match self {
            Ids::Integer(v) => v.len(),
            Ids::Text(t) => t.len(),
        }
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps the ids whose entry in `keep` is true.
    pub fn retain(&mut self, keep: &[bool]) {
        match self {
            Ids::Integer(ids) => {
                let mut stays = keep.iter();
                ids.retain(|_| stays.next() == Some(&true));
            }
            Ids::Text(all) => {
                let mut texts = TextBuffer::default();
                (0..all.len()).filter(|row| keep[*row]).for_each(|row| texts.push(all.get(row)));
                *all = texts;
            }
        }
    }
}

/// Strings, one behind the other in one buffer.
#[derive(Clone, Debug)]
pub struct TextBuffer {
    /// The offset of each string in `bytes`, and the end of the last.
    starts: Vec<u32>,
    bytes: Vec<u8>,
}

impl Default for TextBuffer {
    fn default() -> Self {
        TextBuffer { starts: vec![0], bytes: vec![] }
    }
}

impl TextBuffer {
    /// An empty buffer with room for `texts` strings of `bytes` bytes in all.
    pub fn with_capacity(texts: usize, bytes: usize) -> TextBuffer {
        let mut starts = Vec::with_capacity(texts + 1);
        starts.push(0);
        TextBuffer { starts, bytes: Vec::with_capacity(bytes) }
    }
    pub fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.starts.push(u32::try_from(self.bytes.len()).expect("a batch of ids stays far below 4 GiB"));
    }
    /// The bytes of string `i`.
    pub fn bytes(&self, i: usize) -> &[u8] {
        &self.bytes[self.starts[i] as usize..self.starts[i + 1] as usize]
    }
    pub fn get(&self, i: usize) -> &str {
        std::str::from_utf8(self.bytes(i)).expect("only texts are pushed")
    }
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A text as its number in a dictionary of the run: of a segment, of channels or of reasons. NULL is [`NO_VALUE`].
pub type ValueCode = u32;
pub const NO_VALUE: ValueCode = u32::MAX;

/// An id that is only compared, packed into 16 bytes: equal packs mean equal ids.
///
/// An id of up to 15 bytes has its length in the first byte and its own bytes at the end. A longer id is 0xFF and the low
/// 120 bits of its XXH3-128. `0` stands for NULL.
pub type PackedId = u128;

/// Why a subscription ended: by the customer's will, or because a payment failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum CancelKind {
    #[default]
    Unknown,
    Voluntary,
    Involuntary,
}

/// What a survey asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AnswerKind {
    Nps,
    Csat,
    Ces,
    Exit,
}

impl AnswerKind {
    pub const ALL: [AnswerKind; 4] = [AnswerKind::Nps, AnswerKind::Csat, AnswerKind::Ces, AnswerKind::Exit];

    pub fn name(self) -> &'static str {
        ["nps", "csat", "ces", "exit"][self as usize]
    }
}

/// Transactions. Rows dated at or after a configured as_of are left out, as in all batches of dated rows.
#[derive(Clone, Debug)]
pub struct TransactionBatch {
    pub ids: Ids,
    pub days: Vec<Day>,
    /// Microseconds since the epoch, for the order of rows within a day; midnight where the export has dates. Timestamps
    /// without a zone in the calendar's own zone count as if that zone were UTC.
    pub instants: Vec<i64>,
    /// Minor units.
    pub amounts: Vec<i64>,
    /// True if the row satisfies `customers.activity`.
    pub active: Vec<bool>,
    /// `None` where the run does not read order_id.
    pub orders: Option<Vec<PackedId>>,
    /// For each segment on this source: its index in `Pipeline::segments`, and a code a row. In order of index.
    pub segments: Vec<(usize, Vec<ValueCode>)>,
}

/// A subscription, or one state of it. `Day::NEVER` stands for NULL in every date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Subscription {
    pub started: Day,
    pub trial_ends: Day,
    pub ended: Day,
    pub cancelled: Day,
    pub paid_until: Day,
    pub paused_from: Day,
    pub paused_until: Day,
    pub past_due_since: Day,
    /// Billing interval in whole months; 0 if it is in days.
    pub months: i32,
    /// Billing interval in days where `months` is 0.
    pub days: i32,
    /// Price for each interval, in minor units of `currency`, which has as many digits as
    /// [`ExchangeRates::digits`](crate::exchange::ExchangeRates::digits) says.
    pub amount: i64,
    pub currency: CurrencyCode,
    /// 0 where subscription_id is not mapped or NULL.
    pub subscription: PackedId,
    pub kind: CancelKind,
    /// A code of [`Labels::reasons`](crate::timeline::labels::Labels). It is the last field, because codes differ from run
    /// to run and rows are ordered by their fields.
    pub reason: ValueCode,
}

#[cfg(test)]
impl Subscription {
    /// A monthly subscription that has not ended, with every other field empty: a start for tests.
    pub fn running(started: Day, amount: i64) -> Subscription {
        Subscription {
            started,
            trial_ends: Day::NEVER,
            ended: Day::NEVER,
            cancelled: Day::NEVER,
            paid_until: Day::NEVER,
            paused_from: Day::NEVER,
            paused_until: Day::NEVER,
            past_due_since: Day::NEVER,
            months: 1,
            days: 0,
            amount,
            currency: OWN_CURRENCY,
            subscription: 0,
            kind: CancelKind::Unknown,
            reason: NO_VALUE,
        }
    }
}

/// Subscriptions.
#[derive(Clone, Debug)]
pub struct SubscriptionBatch {
    pub ids: Ids,
    pub terms: Vec<Subscription>,
    /// Microseconds since the epoch of the start, for the order of segment values within a day.
    pub instants: Vec<i64>,
    pub segments: Vec<(usize, Vec<ValueCode>)>,
}

/// Customers.
#[derive(Clone, Debug)]
pub struct CustomerBatch {
    pub ids: Ids,
    /// `Day::NEVER` where unknown.
    pub signed_up: Vec<Day>,
    /// The channel that won the customer.
    pub channels: Vec<ValueCode>,
    /// True if another customer referred this one.
    pub referred: Vec<bool>,
    pub segments: Vec<(usize, Vec<ValueCode>)>,
    /// Everything mapped in the row as bytes, long texts as their beginning and a hash. Of two different rows of one
    /// customer, the one with the greater bytes counts.
    pub canonical: Vec<Box<[u8]>>,
}

/// Uses of the product.
#[derive(Clone, Debug)]
pub struct UsageBatch {
    pub ids: Ids,
    pub days: Vec<Day>,
    pub instants: Vec<i64>,
    /// Thousandths, zero or more.
    pub quantities: Vec<i64>,
    pub segments: Vec<(usize, Vec<ValueCode>)>,
}

/// Surveys, answered or not.
#[derive(Clone, Debug)]
pub struct SurveyBatch {
    pub ids: Ids,
    pub days: Vec<Day>,
    pub instants: Vec<i64>,
    pub kinds: Vec<AnswerKind>,
    /// Hundredths of a point, within the scale of the kind; `None` if the survey was not answered, and in exit surveys.
    pub scores: Vec<Option<i32>>,
    pub reasons: Vec<ValueCode>,
    pub segments: Vec<(usize, Vec<ValueCode>)>,
}

/// Rows of one source.
#[derive(Clone, Debug)]
pub enum Batch {
    Transactions(TransactionBatch),
    Subscriptions(SubscriptionBatch),
    Customers(CustomerBatch),
    Usage(UsageBatch),
    Surveys(SurveyBatch),
}

/// Takes canonical rows. Called from several threads at once.
pub trait Sink: Sync {
    fn accept(&self, batch: Batch) -> crate::error::Result<()>;
}

/// The acquisition costs of a day and channel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost {
    pub period_start: Day,
    /// Minor units.
    pub amount: i64,
    /// How many rows of the exports were summed.
    pub rows: u64,
    /// The last field, because codes differ from run to run and costs are ordered by their fields.
    pub channel: ValueCode,
}
