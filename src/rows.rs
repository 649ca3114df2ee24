//! Canonical rows: what every export becomes, whatever its columns were called and typed.

use crate::calendar::Day;
use crate::exchange::CurrencyCode;
#[cfg(test)]
use crate::exchange::OWN_CURRENCY;

/// Customer ids of a batch, one a row. All sources of a run deliver the same variant: integers only if every source's
/// ids are integers that fit BIGINT, else text (integers then in decimal).
#[derive(Clone, Debug)]
pub enum Ids {
    Integer(Vec<i64>),
    Text(Texts),
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
}

/// Strings one behind the other.
#[derive(Clone, Debug)]
pub struct Texts {
    /// Where each begins, and where the last ends.
    starts: Vec<u32>,
    bytes: Vec<u8>,
}

impl Default for Texts {
    fn default() -> Self {
        Texts { starts: vec![0], bytes: vec![] }
    }
}

impl Texts {
    /// With room for so many texts of so many bytes in all.
    pub fn with_capacity(texts: usize, bytes: usize) -> Texts {
        let mut starts = Vec::with_capacity(texts + 1);
        starts.push(0);
        Texts { starts, bytes: Vec::with_capacity(bytes) }
    }
    pub fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.starts.push(u32::try_from(self.bytes.len()).expect("a batch of ids stays far below 4 GiB"));
    }
    /// The bytes of a text.
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

/// A value of a segment's column: a code into the run's dictionary of that segment. NULL is [`NO_VALUE`].
pub type ValueCode = u32;
pub const NO_VALUE: ValueCode = u32::MAX;

/// An opaque id packed into 16 bytes: equal packs mean equal ids.
///
/// Up to 15 bytes are kept as they are, at the end, behind their length at the front; longer ids are the low 120 bits of
/// their XXH3-128 behind 0xFF. `0` stands for NULL.
pub type PackedId = u128;

/// What a run's stages ask for beyond what every run reads: what nobody asks for is not decoded, and who did not ask does
/// not see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Orders per day: `order_id`.
    pub orders: bool,
    /// Source `usage`.
    pub usage: bool,
    /// Source `surveys`.
    pub surveys: bool,
    /// Why customers left: `subscriptions.cancel_reason` and `cancel_kind`, `surveys.reason`.
    pub reasons: bool,
    /// Who won customers: `customers.acquired_by` and `referred_by`, `acquisition_costs.channel`.
    pub channels: bool,
}

impl Needs {
    pub const ALL: Needs = Needs { orders: true, usage: true, surveys: true, reasons: true, channels: true };

    #[must_use]
    pub fn and(self, other: Needs) -> Needs {
        Needs {
            orders: self.orders | other.orders,
            usage: self.usage | other.usage,
            surveys: self.surveys | other.surveys,
            reasons: self.reasons | other.reasons,
            channels: self.channels | other.channels,
        }
    }
}

/// Who ended a subscription: the customer, or a payment that failed.
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

/// Transactions of one batch, one entry a row in every vector. Rows dated at or after a configured as_of are gone.
#[derive(Clone, Debug)]
pub struct Transactions {
    pub ids: Ids,
    pub days: Vec<Day>,
    /// Microseconds since the epoch, for the order within a day; midnight where the export has dates. Timestamps without a
    /// zone in the calendar's own zone count as if that zone were UTC.
    pub instants: Vec<i64>,
    /// Minor units.
    pub amounts: Vec<i64>,
    /// Whether the row satisfies `customers.activity`.
    pub active: Vec<bool>,
    /// Packed order ids, where order_id is mapped.
    pub orders: Option<Vec<PackedId>>,
    /// For each segment on this source, in the order of `Pipeline::segments`: its index there and a code a row.
    pub segments: Vec<(usize, Vec<ValueCode>)>,
}

/// One subscription row; `Day::NEVER` stands for NULL in every date.
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
    /// Billing interval: whole months, or days where `months` is 0.
    pub months: i32,
    pub days: i32,
    /// Minor units per interval, of its own currency: as many digits as [`ExchangeRates::digits`](crate::exchange::Rates::digits) says.
    pub amount: i64,
    pub currency: CurrencyCode,
    /// 0 where subscription_id is not mapped or NULL.
    pub subscription: PackedId,
    pub kind: CancelKind,
    /// A code of [`Labels::reasons`](crate::timeline::labels::Labels): last, as codes are numbered by chance.
    pub reason: ValueCode,
}

#[cfg(test)]
impl Subscription {
    /// A monthly subscription that runs, of which nothing else is known: what tests begin with.
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

#[derive(Clone, Debug)]
pub struct Subscriptions {
    pub ids: Ids,
    pub terms: Vec<Subscription>,
    /// Start instants in microseconds, for the order of segment values within a day.
    pub instants: Vec<i64>,
    pub segments: Vec<(usize, Vec<ValueCode>)>,
}

#[derive(Clone, Debug)]
pub struct Customers {
    pub ids: Ids,
    /// `Day::NEVER` where unknown.
    pub signed_up: Vec<Day>,
    /// Who won the customer, and whether another customer did.
    pub channels: Vec<ValueCode>,
    pub referred: Vec<bool>,
    pub segments: Vec<(usize, Vec<ValueCode>)>,
    /// Canonical bytes of everything mapped in the row, of a long text its beginning and a hash: of two conflicting rows of
    /// a customer the greater wins.
    pub canonical: Vec<Box<[u8]>>,
}

#[derive(Clone, Debug)]
pub struct Usage {
    pub ids: Ids,
    pub days: Vec<Day>,
    pub instants: Vec<i64>,
    /// Thousandths, none below zero.
    pub quantities: Vec<i64>,
    pub segments: Vec<(usize, Vec<ValueCode>)>,
}

#[derive(Clone, Debug)]
pub struct Surveys {
    pub ids: Ids,
    pub days: Vec<Day>,
    pub instants: Vec<i64>,
    pub kinds: Vec<AnswerKind>,
    /// Hundredths of a point, within the kind's scale; `None`: not answered. Exit surveys have none.
    pub scores: Vec<Option<i32>>,
    pub reasons: Vec<ValueCode>,
    pub segments: Vec<(usize, Vec<ValueCode>)>,
}

#[derive(Clone, Debug)]
pub enum Batch {
    Transactions(Transactions),
    Subscriptions(Subscriptions),
    Customers(Customers),
    Usage(Usage),
    Surveys(Surveys),
}

/// Where canonical rows go. Called from several threads at once.
pub trait Sink: Sync {
    fn accept(&self, batch: Batch) -> crate::error::Result<()>;
}

/// The acquisition costs of a day and channel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost {
    pub period_start: Day,
    /// Minor units.
    pub amount: i64,
    /// Rows of the export that this is the sum of.
    pub rows: u64,
    /// Last, as codes are numbered by chance.
    pub channel: ValueCode,
}
