//! The kinds of sources, and the canonical columns that each maps.

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
}

/// The lowest and the highest score that can be given, in whole points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    pub lowest: i32,
    pub highest: i32,
}

/// The scales of the surveys that ask for a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scales {
    pub nps: Scale,
    pub csat: Scale,
    pub ces: Scale,
    /// A high score of ces is an easy time, not a hard one.
    pub ces_high_is_ease: bool,
}

/// A canonical column of a source.
#[derive(Clone, Copy, Debug)]
pub struct SourceColumn {
    pub name: &'static str,
    pub required: bool,
    pub doc: &'static str,
}

const fn required(name: &'static str, doc: &'static str) -> SourceColumn {
    SourceColumn { name, required: true, doc }
}

const fn optional(name: &'static str, doc: &'static str) -> SourceColumn {
    SourceColumn { name, required: false, doc }
}

const CUSTOMER: SourceColumn = required("customer_id", "the customer, a string or an integer");

/// The columns that a source may map. Source `customers` takes any further name as an attribute.
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

static CUSTOMERS: &[SourceColumn] = &[
    CUSTOMER,
    optional("signed_up_at", "when the customer signed up"),
    optional("acquired_by", "the channel that won the customer"),
    optional("referred_by", "the customer who referred this one"),
];

static TRANSACTIONS: &[SourceColumn] = &[
    CUSTOMER,
    required("occurred_at", "when it happened"),
    required("amount", "what was paid; a refund is negative"),
    optional("currency", "what the amount is in, units and not cents; NULL: money.currency"),
    optional("order_id", "the order that the row belongs to; without it each row is an order"),
    optional("product", "what was bought"),
];

static SUBSCRIPTIONS: &[SourceColumn] = &[
    CUSTOMER,
    required("started_at", "when the subscription, or this state of it, began"),
    required("amount", "price for each billing interval"),
    optional("ended_at", "when it ended; NULL while it runs"),
    optional("interval", "billing interval: month, year, week, 3 months …; a month where not mapped"),
    optional("subscription_id", "the subscription that the row is a state of"),
    optional("plan", "the plan's name"),
    optional("currency", "what the amount is in, units and not cents; NULL: money.currency"),
    optional("trial_ends_at", "end of the free trial"),
    optional("cancelled_at", "when the customer cancelled"),
    optional("paid_until", "end of the time paid for"),
    optional("paused_from", "start of a pause"),
    optional("paused_until", "end of a pause"),
    optional("past_due_since", "since when a payment is overdue"),
    optional("cancel_reason", "why the customer left"),
    optional("cancel_kind", "voluntary or involuntary"),
];

static USAGE: &[SourceColumn] = &[
    CUSTOMER,
    required("occurred_at", "when it was used"),
    optional("quantity", "how much was used; without it each row counts 1"),
    optional("feature", "what was used"),
];

static SURVEYS: &[SourceColumn] = &[
    CUSTOMER,
    required("answered_at", "when the customer answered, or was asked and did not"),
    required("kind", "nps, csat, ces or exit"),
    optional("score", "the points given; NULL: the invitation was not answered. Exit surveys have none"),
    optional("reason", "what the customer said, in a word: of an exit survey, why"),
];

static ACQUISITION_COSTS: &[SourceColumn] = &[
    required("period_start", "first day of the period that the cost belongs to"),
    required("amount", "what was spent"),
    optional("channel", "the channel that it was spent on"),
];

static EXCHANGE_RATES: &[SourceColumn] = &[
    required("currency", "as it stands in the column currency of another source"),
    required("date", "the day from which the rate counts, until the next or for a week"),
    required("rate", "units of money.currency for one unit of the currency"),
];

/// The required columns of a source.
pub fn required_columns(kind: SourceKind) -> impl Iterator<Item = &'static str> {
    columns(kind).iter().filter(|c| c.required).map(|c| c.name)
}
