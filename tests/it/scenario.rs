//! A history and the pipeline over it, in plain values: what both the program and the naive model are given.

use std::fmt::Write;

use jiff::civil::Weekday;

use crate::days::{Day, Period, show};
use crate::export::Shape;

#[derive(Clone, Debug)]
pub struct Scenario {
    pub period: Period,
    pub week_start: Weekday,
    pub as_of: Option<Day>,
    pub observed_from: Option<Day>,
    pub rule: Rule,
    pub transactions: Vec<Transaction>,
    pub subscriptions: Vec<Subscription>,
    pub customers: Vec<Customer>,
    pub costs: Vec<Cost>,
    pub segments: Vec<Segment>,
    pub stages: Vec<Stage>,
    /// Further keys of `[money]`.
    pub money: &'static str,
    pub shape: Shape,
}

/// What makes a customer live.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// `window`: days that an activity lasts; `None`: the period it falls into.
    Transactions {
        window: Option<i64>,
        every_row_counts: bool,
    },
    Subscriptions(Switches),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Switches {
    pub ended_at_inclusive: bool,
    pub gap_days: i64,
    pub free_is_live: bool,
    pub paused_is_live: bool,
    pub past_due_is_live: bool,
    pub policy: Policy,
}

/// The switches of DEFINITIONS §5's table that single customers, or sums over them, depend on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Policy {
    pub dated: Dated,
    /// Churned of those there thirty days before the period's end and the new ones, not of the opening.
    pub of_thirty_days: bool,
    pub passing_counts: bool,
    /// Days after which who comes back is a new customer.
    pub reactivation: Option<i64>,
    pub free_after_paid_is_live: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Dated {
    #[default]
    PaidUntil,
    EndedAt,
    CancelledAt,
}

impl Policy {
    /// As lines of `[customers]`; nothing for what is standard.
    fn lines(self) -> String {
        let mut lines = vec![];
        match self.dated {
            Dated::PaidUntil => {}
            Dated::EndedAt => lines.push("churn_dated = \"ended_at\"".to_string()),
            Dated::CancelledAt => lines.push("churn_dated = \"cancelled_at\"".to_string()),
        }
        if self.of_thirty_days {
            lines.push("churn_rate = \"rolling_30_days\"".to_string());
        }
        if self.passing_counts {
            lines.push("within_period = \"both\"".to_string());
        }
        lines.extend(self.reactivation.map(|days| format!("reactivation = \"{days} days\"")));
        if self.free_after_paid_is_live {
            lines.push("free_after_paid = \"live at 0\"".to_string());
        }
        lines.join("\n")
    }
}

impl Default for Switches {
    fn default() -> Self {
        Switches {
            ended_at_inclusive: false,
            gap_days: 0,
            free_is_live: false,
            paused_is_live: false,
            past_due_is_live: true,
            policy: Policy::default(),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    pub customer: i64,
    pub day: Day,
    /// Of the day, in local time.
    pub second: i64,
    pub cents: i64,
    pub order: Option<i64>,
    pub shade: Option<&'static str>,
}

impl Transaction {
    pub fn new(customer: i64, day: Day, cents: i64) -> Transaction {
        Transaction { customer, day, second: 0, cents, order: None, shade: None }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Subscription {
    pub customer: i64,
    pub number: i64,
    pub started: Day,
    pub cents: i64,
    /// `None` is a month.
    pub interval: Option<&'static str>,
    pub plan: Option<&'static str>,
    pub ended: Option<Day>,
    pub cancelled: Option<Day>,
    pub paid_until: Option<Day>,
    pub trial_ends: Option<Day>,
    pub paused_from: Option<Day>,
    pub paused_until: Option<Day>,
    pub past_due_since: Option<Day>,
}

type OptionalDate = (&'static str, fn(&Subscription) -> Option<Day>);

impl Subscription {
    /// Name in the export and value.
    pub const OPTIONAL_DATES: [OptionalDate; 7] = [
        ("finish", |s| s.ended),
        ("gave_notice", |s| s.cancelled),
        ("covered_to", |s| s.paid_until),
        ("trial_to", |s| s.trial_ends),
        ("rest_from", |s| s.paused_from),
        ("rest_to", |s| s.paused_until),
        ("overdue", |s| s.past_due_since),
    ];

    /// A monthly subscription.
    pub fn new(customer: i64, started: Day, ended: Option<Day>, cents: i64) -> Subscription {
        Subscription { customer, number: 1_000_000 + customer, started, ended, cents, ..Subscription::default() }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Customer {
    pub customer: i64,
    pub region: Option<&'static str>,
    pub signed_up: Option<Day>,
}

/// What was spent to win customers, booked to a day.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    pub day: Day,
    pub cents: i64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Attribute {
    /// Of each transaction.
    Shade,
    /// Of each subscription.
    Plan,
    /// Of the customer.
    Region,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum At {
    Opening,
    First,
    Latest,
}

#[derive(Clone, Copy, Debug)]
pub struct Segment {
    pub name: &'static str,
    pub attribute: Attribute,
    pub at: At,
}

#[derive(Clone, Copy, Debug)]
pub struct Stage {
    pub name: &'static str,
    pub kind: &'static str,
    /// `None`: the calendar's.
    pub period: Option<Period>,
    /// Further lines of the stage's table.
    pub options: &'static str,
}

impl Stage {
    pub const fn plain(kind: &'static str) -> Stage {
        Stage { name: kind, kind, period: None, options: "" }
    }
}

impl Scenario {
    /// Months, `churn`, `cohort` and `revenue_churn`.
    pub fn new(rule: Rule) -> Scenario {
        Scenario {
            period: Period::Month,
            week_start: Weekday::Monday,
            as_of: None,
            observed_from: None,
            rule,
            transactions: vec![],
            subscriptions: vec![],
            customers: vec![],
            costs: vec![],
            segments: vec![],
            stages: ["churn", "cohort", "revenue_churn"].map(Stage::plain).to_vec(),
            money: "",
            shape: Shape::default(),
        }
    }

    /// Purchases; a customer is live in each period with one.
    pub fn purchases(rows: Vec<Transaction>) -> Scenario {
        let rule = Rule::Transactions { window: None, every_row_counts: false };
        Scenario { transactions: rows, ..Scenario::new(rule) }
    }

    pub fn subscribers(rows: Vec<Subscription>) -> Scenario {
        Scenario { subscriptions: rows, ..Scenario::new(Rule::Subscriptions(Switches::default())) }
    }

    /// What is known up to this day, exclusively.
    pub fn known_until(mut self, text: &str) -> Scenario {
        self.as_of = Some(crate::days::day(text));
        self
    }

    pub fn period(mut self, period: Period) -> Scenario {
        self.period = period;
        self
    }

    pub fn on_subscriptions(&self) -> bool {
        matches!(self.rule, Rule::Subscriptions(_))
    }

    /// The pipeline file, for exports in `exports/SOURCE/`.
    pub fn toml(&self) -> String {
        let mut t = String::from("name = \"scenario\"\n\n[calendar]\n");
        let mut line = |text: String| t.push_str(&(text + "\n"));
        line(format!("period = \"{}\"\ntimezone = \"{}\"", self.period.name(), self.shape.zone()));
        line(format!("week_start = \"{}\"", if self.week_start == Weekday::Monday { "monday" } else { "sunday" }));
        for (key, value) in [("as_of", self.as_of), ("observed_from", self.observed_from)] {
            if let Some(day) = value {
                line(format!("{key} = \"{}\"", show(day)));
            }
        }
        line(format!("\n[money]\ncurrency = \"GBP\"\ndigits = 2\n{}\n\n[customers]", self.money));
        match self.rule {
            Rule::Transactions { window, every_row_counts } => {
                let after = window.map_or("1 period".to_string(), |n| format!("{n} days"));
                line(format!("basis = \"transactions\"\nchurn_after = \"{after}\""));
                if every_row_counts {
                    line("activity = \"TRUE\"".to_string());
                }
            }
            Rule::Subscriptions(s) => {
                line("basis = \"subscriptions\"".to_string());
                line(format!("ended_at_inclusive = {}\ngap_days = {}", s.ended_at_inclusive, s.gap_days));
                let word = |live: bool| if live { "live" } else { "not live" };
                line(format!("free = {:?}\npaused = {:?}", word(s.free_is_live), word(s.paused_is_live)));
                line(format!("past_due = {:?}", word(s.past_due_is_live)));
                line(s.policy.lines());
            }
        }
        let source = |name: &str, columns: &[(&str, &str)], present: Vec<&'static str>| {
            let mapped: Vec<String> = columns
                .iter()
                .filter(|(_, from)| present.contains(from))
                .map(|(canonical, from)| format!("{canonical} = \"{from}\""))
                .collect();
            format!("\n[sources.{name}]\npath = \"exports/{name}/*.parquet\"\ncolumns = {{ {} }}\n", mapped.join(", "))
        };
        let names = |columns: Vec<(&'static str, arrow::array::ArrayRef)>| columns.iter().map(|c| c.0).collect();
        if !self.transactions.is_empty() {
            t += &source("transactions", TRANSACTIONS, names(self.shape.transactions(&self.transactions)));
        }
        if !self.subscriptions.is_empty() {
            t += &source("subscriptions", SUBSCRIPTIONS, names(self.shape.subscriptions(&self.subscriptions)));
        }
        if !self.customers.is_empty() {
            t += &source("customers", CUSTOMERS, names(self.shape.customers(&self.customers)));
        }
        if !self.costs.is_empty() {
            t += &source("acquisition_costs", COSTS, names(self.shape.costs(&self.costs)));
        }
        if !self.segments.is_empty() {
            t += "\n[segments]\n";
        }
        for s in &self.segments {
            let column = ["transactions.shade", "subscriptions.plan", "customers.region"][s.attribute as usize];
            let at = ["opening", "first", "latest"][s.at as usize];
            writeln!(t, "{} = {{ column = \"{column}\", at = \"{at}\" }}", s.name).expect("strings grow");
        }
        for s in &self.stages {
            write!(t, "\n[stages.{}]\nkind = \"{}\"\n{}\n", s.name, s.kind, s.options).expect("strings grow");
            if let Some(period) = s.period {
                writeln!(t, "period = \"{}\"", period.name()).expect("strings grow");
            }
        }
        t + "\n[output]\ndir = \"out\"\n"
    }
}

/// Canonical column and its name in our exports.
const TRANSACTIONS: &[(&str, &str)] =
    &[("customer_id", "who"), ("occurred_at", "at"), ("amount", "paid"), ("order_id", "receipt")];
const SUBSCRIPTIONS: &[(&str, &str)] = &[
    ("customer_id", "who"),
    ("started_at", "start"),
    ("amount", "price"),
    ("subscription_id", "number"),
    ("plan", "plan"),
    ("interval", "every"),
    ("ended_at", "finish"),
    ("cancelled_at", "gave_notice"),
    ("paid_until", "covered_to"),
    ("trial_ends_at", "trial_to"),
    ("paused_from", "rest_from"),
    ("paused_until", "rest_to"),
    ("past_due_since", "overdue"),
];
const CUSTOMERS: &[(&str, &str)] = &[("customer_id", "who"), ("signed_up_at", "joined")];
const COSTS: &[(&str, &str)] = &[("period_start", "booked"), ("amount", "spent")];
