//! The kinds of sources, and the canonical columns that each one takes.
//!
//! This table says everything about a column that does not depend on an export: its name, what it means, what values it
//! takes and which runs read it. The configuration, `tenure sources`, `explain` and the inspection of the exports all use
//! it. How the values become canonical rows is said in one file for each source, in `source/scan/sources`.

use ColumnKind::{Amount, Currency, CustomerId, Interval, Label, Number, Opaque, Time, Word};
use TimeRole::{EndOrFar, EndOrNever, Maybe, When};

/// What a run's stages ask for beyond what every run reads.
///
/// A column that no stage asks for is not decoded. A fold that did not ask for a column sees it as absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Orders per day: `transactions.order_id`.
    pub orders: bool,
    /// Source `usage`.
    pub usage: bool,
    /// Source `surveys`.
    pub surveys: bool,
    /// Why customers left: `subscriptions.cancel_reason` and `cancel_kind`, `surveys.reason`.
    pub reasons: bool,
    /// Which channel won a customer: `customers.acquired_by` and `referred_by`, `acquisition_costs.channel`.
    pub channels: bool,
}

impl Needs {
    pub const NONE: Needs = Needs { orders: false, usage: false, surveys: false, reasons: false, channels: false };
    pub const ALL: Needs = Needs { orders: true, usage: true, surveys: true, reasons: true, channels: true };

    /// What either of two asks for.
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

/// A kind of source: a folder of exports whose rows mean the same thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    Customers,
    Transactions,
    Subscriptions,
    Usage,
    Surveys,
    AcquisitionCosts,
    ExchangeRates,
}

impl SourceKind {
    pub const ALL: [SourceKind; 7] = [
        SourceKind::Customers,
        SourceKind::Transactions,
        SourceKind::Subscriptions,
        SourceKind::Usage,
        SourceKind::Surveys,
        SourceKind::AcquisitionCosts,
        SourceKind::ExchangeRates,
    ];

    pub fn name(self) -> &'static str {
        match self {
            SourceKind::Customers => "customers",
            SourceKind::Transactions => "transactions",
            SourceKind::Subscriptions => "subscriptions",
            SourceKind::Usage => "usage",
            SourceKind::Surveys => "surveys",
            SourceKind::AcquisitionCosts => "acquisition_costs",
            SourceKind::ExchangeRates => "exchange_rates",
        }
    }

    /// What one row of the source is.
    pub fn doc(self) -> &'static str {
        match self {
            SourceKind::Customers => {
                "One row for each customer: when they signed up, and attributes to split tables by."
            }
            SourceKind::Transactions => "One row for each payment, refund or line of an order.",
            SourceKind::Subscriptions => {
                "One row for each subscription, or for each state of one: from when to when, and at what price."
            }
            SourceKind::Usage => {
                "One row for each use of the product, such as a login, a visit or a day's count of events."
            }
            SourceKind::Surveys => "One row for each survey sent to a customer, with the answer if there is one.",
            SourceKind::AcquisitionCosts => "One row for what was spent on winning customers in a period, by channel.",
            SourceKind::ExchangeRates => "One row for the rate of a currency from a day on.",
        }
    }
}

/// The lowest and the highest score that a survey allows, in whole points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    pub lowest: i32,
    pub highest: i32,
}

/// The scales of the surveys that ask for a score, and which end of ces is the good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SurveyScales {
    pub nps: Scale,
    pub csat: Scale,
    pub ces: Scale,
    /// True if a high ces score means little effort; false if it means much effort.
    pub ces_high_is_ease: bool,
}

/// What the dates of a column are for, which decides what NULL and dates out of range mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeRole {
    /// When a row happened: required, within 1870-01-01 to 2299-12-31.
    When,
    /// A date that may be missing; a date out of range is a fault.
    Maybe,
    /// An end that may be missing. Systems write "none" as a date beyond 2299-12-31, such as 9999-12-31.
    EndOrNever,
    /// As `EndOrNever`, but a date beyond 2299-12-31 is kept as 2299-12-31: a trial without end is not the same as no trial.
    EndOrFar,
}

/// What a canonical column takes, which decides what types an export may have there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    CustomerId,
    Time(TimeRole),
    /// Money, exact to the minor unit.
    Amount,
    /// A number that is no money.
    Number,
    /// One of a few words that the program knows.
    Word,
    /// An id that is compared and never printed.
    Opaque,
    /// A billing interval.
    Interval,
    Currency,
    /// A value that is printed: an attribute, a reason, a product.
    Label,
}

impl ColumnKind {
    /// The kind in a word or two, for the reference of sources.
    pub fn name(self) -> &'static str {
        match self {
            CustomerId | Opaque => "id",
            Time(_) => "date or time",
            Amount => "amount",
            Number => "number",
            Word => "word",
            Interval => "interval",
            Currency => "currency",
            Label => "text",
        }
    }

    /// The values that it takes, as a sentence says them: "amount takes numbers".
    pub fn takes(self) -> &'static str {
        match self {
            CustomerId | Opaque => "text or whole numbers",
            Time(_) => "dates, timestamps or ISO 8601 text",
            Amount | Number => "numbers, or numbers as text",
            Word => "one of a few words as text",
            Interval => "text such as `month` or `3 months`",
            Currency => "text such as `GBP`",
            Label => "text, numbers, dates or booleans",
        }
    }
}

/// A canonical column of a source.
#[derive(Clone, Copy, Debug)]
pub struct SourceColumn {
    pub name: &'static str,
    pub kind: ColumnKind,
    /// True if a source without this column is refused.
    pub required: bool,
    /// A value as an export may have it.
    pub example: &'static str,
    pub doc: &'static str,
    is_read_for: fn(Needs) -> bool,
}

impl SourceColumn {
    /// True if a run with these needs reads the column for itself. Segments and `customers.activity` may read any column.
    pub fn is_read_for(&self, needs: Needs) -> bool {
        (self.is_read_for)(needs)
    }

    /// A column that only some runs read.
    const fn read_if(self, is_read_for: fn(Needs) -> bool) -> SourceColumn {
        SourceColumn { is_read_for, ..self }
    }
}

const fn required(name: &'static str, kind: ColumnKind, example: &'static str, doc: &'static str) -> SourceColumn {
    SourceColumn { name, kind, required: true, example, doc, is_read_for: |_| true }
}

const fn optional(name: &'static str, kind: ColumnKind, example: &'static str, doc: &'static str) -> SourceColumn {
    SourceColumn { name, kind, required: false, example, doc, is_read_for: |_| true }
}

const CUSTOMER: SourceColumn =
    required("customer_id", CustomerId, "C-1042", "the customer's id, text or a whole number");
const CURRENCY: SourceColumn =
    optional("currency", Currency, "EUR", "currency of the amount, in units and not cents; money.currency where NULL");

/// The canonical columns of a source. Source `customers` takes any further name as an attribute.
pub fn columns(kind: SourceKind) -> &'static [SourceColumn] {
    match kind {
        SourceKind::Customers => CUSTOMERS,
        SourceKind::Transactions => TRANSACTIONS,
        SourceKind::Subscriptions => SUBSCRIPTIONS,
        SourceKind::Usage => USAGE,
        SourceKind::Surveys => SURVEYS,
        SourceKind::AcquisitionCosts => ACQUISITION_COSTS,
        SourceKind::ExchangeRates => EXCHANGE_RATES,
    }
}

/// The canonical column of this name; `None` for an attribute of customers and for an unknown name.
pub fn column(kind: SourceKind, name: &str) -> Option<&'static SourceColumn> {
    columns(kind).iter().find(|column| column.name == name)
}

/// The names of the required columns of a source.
pub(crate) fn required_columns(kind: SourceKind) -> impl Iterator<Item = &'static str> {
    columns(kind).iter().filter(|c| c.required).map(|c| c.name)
}

// Of two rows of one customer the attributes decide which counts, so every run reads all that are mapped.
static CUSTOMERS: &[SourceColumn] = &[
    CUSTOMER,
    optional("signed_up_at", Time(Maybe), "2024-03-05", "when the customer signed up"),
    optional("acquired_by", Label, "newsletter", "the channel that won the customer"),
    optional("referred_by", Label, "C-0007", "the id of the customer who referred this one"),
];

static TRANSACTIONS: &[SourceColumn] = &[
    CUSTOMER,
    required("occurred_at", Time(When), "2024-03-05 14:30:00", "when it happened"),
    required("amount", Amount, "19.99", "what was paid, in units and not cents; negative for a refund"),
    CURRENCY,
    optional("order_id", Opaque, "A-20815", "the order that the row belongs to; if not mapped, each row is an order")
        .read_if(|needs| needs.orders),
    optional("product", Label, "green tea", "what was bought").read_if(|_| false),
];

static SUBSCRIPTIONS: &[SourceColumn] = &[
    CUSTOMER,
    required("started_at", Time(When), "2024-03-05", "when the subscription, or this state of it, began"),
    required("amount", Amount, "29.00", "price for each billing interval, in units and not cents"),
    optional("ended_at", Time(EndOrNever), "2025-03-04", "when it ended; NULL while it runs"),
    optional("interval", Interval, "year", "billing interval: month, year, week, 3 months …; if not mapped, a month"),
    optional("subscription_id", Opaque, "sub_1Nx", "the subscription that the row is a state of"),
    optional("plan", Label, "premium", "the name of the plan").read_if(|_| false),
    CURRENCY,
    optional("trial_ends_at", Time(EndOrFar), "2024-03-19", "when the free trial ends"),
    optional("cancelled_at", Time(EndOrNever), "2025-02-11", "when the customer cancelled"),
    optional("paid_until", Time(EndOrFar), "2025-03-04", "until when the customer has paid"),
    optional("paused_from", Time(EndOrNever), "2024-07-01", "when a pause began"),
    optional("paused_until", Time(EndOrNever), "2024-08-01", "when the pause ends"),
    optional("past_due_since", Time(EndOrFar), "2024-09-05", "since when a payment is overdue"),
    optional("cancel_reason", Label, "too expensive", "why the customer left").read_if(|needs| needs.reasons),
    optional("cancel_kind", Word, "voluntary", "voluntary, or involuntary if a payment failed")
        .read_if(|needs| needs.reasons),
];

static USAGE: &[SourceColumn] = &[
    CUSTOMER,
    required("occurred_at", Time(When), "2024-03-05 14:30:00", "when the product was used"),
    optional("quantity", Number, "3", "how much was used; if not mapped, each row counts 1")
        .read_if(|needs| needs.usage),
    optional("feature", Label, "export", "what was used").read_if(|_| false),
];

static SURVEYS: &[SourceColumn] = &[
    CUSTOMER,
    required("answered_at", Time(When), "2024-03-05", "when the customer answered, or was asked and did not answer"),
    required("kind", Word, "nps", "nps, csat, ces or exit"),
    optional("score", Number, "9", "points given; NULL if not answered, and in exit surveys")
        .read_if(|needs| needs.surveys),
    optional("reason", Label, "missing feature", "the reason given, in a word or two; in exit surveys, why they left")
        .read_if(|needs| needs.surveys && needs.reasons),
];

static ACQUISITION_COSTS: &[SourceColumn] = &[
    required("period_start", Time(When), "2024-03-01", "first day of the period that the cost belongs to"),
    required("amount", Amount, "1500.00", "what was spent, in units and not cents"),
    optional("channel", Label, "newsletter", "the channel that it was spent on").read_if(|needs| needs.channels),
];

static EXCHANGE_RATES: &[SourceColumn] = &[
    required("currency", Currency, "EUR", "the currency, written as in the column currency of another source"),
    required(
        "date",
        Time(When),
        "2024-03-05",
        "first day of the rate; it counts until the next rate, for a week at most",
    ),
    required("rate", Number, "0.8557", "units of money.currency for one unit of the currency"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_column_stands_once_in_its_source_with_an_example_and_a_plain_sentence() {
        for kind in SourceKind::ALL {
            assert!(kind.doc().ends_with('.'), "{}", kind.name());
            let mut names: Vec<&str> = columns(kind).iter().map(|column| column.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), columns(kind).len(), "{}", kind.name());
            for column in columns(kind) {
                let place = format!("{}.{}", kind.name(), column.name);
                assert!(!column.example.is_empty() && !column.doc.is_empty(), "{place}");
                assert!(!column.doc.ends_with('.'), "{place}: explain prints it as a phrase");
                assert!(column.is_read_for(Needs::ALL) || column.kind == Label, "{place}");
            }
        }
    }

    #[test]
    fn a_run_that_needs_nothing_still_reads_every_required_column() {
        for kind in SourceKind::ALL {
            let unread = columns(kind).iter().find(|c| c.required && !c.is_read_for(Needs::default()));
            assert!(unread.is_none(), "{}: {unread:?}", kind.name());
        }
    }
}
