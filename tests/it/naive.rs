//! The definitions, written down once more as slowly and as literally as possible.
//!
//! Straight from the text that `tenure explain` prints: every customer, every period, every row is looked at again for every
//! figure. Nothing is shared with the program, not even its calendar. Where the text leaves room, SETTLED.md says what is
//! meant and which handbook or document decided it: a difference between the program and this model is settled there first.

pub mod buying;
pub mod churn;
pub mod cohort;
mod contracts;
pub mod lifetime;
pub mod likelihood;
pub mod outlook;
pub mod reconcile;
pub mod revenue;
mod segments;
mod smoothing;
mod survival;

use std::collections::BTreeMap;

use crate::compare::WantRow;
use crate::days::{Day, Period, half_even};
use crate::scenario::{Rule, Scenario, Subscription, Transaction};

pub use contracts::mrr;

/// Everything that a scenario's tables should hold, by table.
pub fn tables(scenario: &Scenario) -> BTreeMap<String, Vec<WantRow>> {
    let book = Book::new(scenario);
    let table = |stage: &crate::scenario::Stage| {
        let lens = book.lens(stage.period.unwrap_or(scenario.period));
        let option = |name: &str| stage.options.lines().find_map(|l| l.strip_prefix(name)?.trim().strip_prefix("= "));
        let own = |rows| vec![(stage.name.to_string(), rows)];
        match stage.kind {
            "churn" => own(churn::table(&book, &lens, option("trailing_method") == Some("\"mean\""))),
            "cohort" => own(cohort::table(&book, &lens, option("mode").unwrap_or("\"active\"").trim_matches('"'))),
            "revenue_churn" => own(revenue::table(&book, &lens)),
            "survival" => {
                let [curve, summary, tests] = survival::tables(&book, &lens, &option);
                let named = |suffix: &str, rows| (format!("{}{suffix}", stage.name), rows);
                vec![named("", curve), named("_summary", summary), named("_tests", tests)]
            }
            // Their tables are held against the program where they are made: `lifetime`, `reconcile`, `outlook`.
            "ltv" | "reconcile" | "forecast" => vec![],
            other => panic!("there is no naive {other}"),
        }
    };
    scenario.stages.iter().flat_map(table).collect()
}

/// A scenario as observed: rows at or after as_of are gone.
pub struct Book<'a> {
    pub scenario: &'a Scenario,
    pub as_of: Day,
    pub observed_from: Day,
    pub signups_mapped: bool,
    pub people: BTreeMap<i64, Person<'a>>,
}

#[derive(Default)]
pub struct Person<'a> {
    pub transactions: Vec<&'a Transaction>,
    pub subscriptions: Vec<&'a Subscription>,
    pub region: Option<&'a str>,
    pub signed_up: Option<Day>,
}

/// The periods of a stage.
pub struct Lens {
    pub period: Period,
    /// Of each reported period: first day and first day after.
    pub ranges: Vec<(Day, Day)>,
}

/// A half-open range of days.
pub type Range = (Day, Day);

/// A segment value that rows are counted for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slice {
    pub segment: &'static str,
    pub value: String,
}

impl<'a> Book<'a> {
    pub fn new(scenario: &'a Scenario) -> Book<'a> {
        let occurred = scenario.transactions.iter().map(|t| t.day);
        let started = scenario.subscriptions.iter().map(|s| s.started);
        let cancelled = scenario.subscriptions.iter().filter_map(|s| s.cancelled);
        let (newest, records): (Option<Day>, Vec<Day>) = if scenario.on_subscriptions() {
            (started.clone().chain(cancelled).max(), started.collect())
        } else {
            (occurred.clone().max(), occurred.collect())
        };
        let as_of = scenario.as_of.or(newest.map(|d| d + 1)).expect("a history has a row");
        let first = records.into_iter().filter(|d| *d < as_of).min();
        let observed_from = scenario.observed_from.or(first).expect("a history has a row before as_of");
        let mut people: BTreeMap<i64, Person> = BTreeMap::new();
        for c in &scenario.customers {
            people.insert(c.customer, Person { region: c.region, signed_up: c.signed_up, ..Person::default() });
        }
        for t in scenario.transactions.iter().filter(|t| t.day < as_of) {
            people.entry(t.customer).or_default().transactions.push(t);
        }
        for s in scenario.subscriptions.iter().filter(|s| s.started < as_of) {
            people.entry(s.customer).or_default().subscriptions.push(s);
        }
        let signups_mapped = scenario.customers.iter().any(|c| c.signed_up.is_some());
        Book { scenario, as_of, observed_from, signups_mapped, people }
    }

    pub fn lens(&self, period: Period) -> Lens {
        let mut ranges = vec![];
        let mut start = period.start(self.observed_from, self.scenario.week_start);
        while start < self.as_of {
            let next = period.after(start, 1);
            ranges.push((start, next));
            start = next;
        }
        Lens { period, ranges }
    }

    /// Wholly inside the observed window.
    pub fn complete(&self, range: Range) -> bool {
        self.observed_from <= range.0 && range.1 <= self.as_of
    }

    pub fn maturity(&self, range: Range) -> &'static str {
        match range {
            (start, _) if start >= self.as_of => "not_observable",
            range if self.complete(range) => "complete",
            _ => "partial",
        }
    }

    /// The closing boundary: the end of a period, or of what is known of it.
    pub fn closing(&self, range: Range) -> Day {
        range.1.min(self.as_of)
    }

    /// The last period is still running, and only its end will tell who was silent in it.
    pub fn undecided(&self, range: Range) -> bool {
        range.1 > self.as_of && matches!(self.scenario.rule, Rule::Transactions { window: None, .. })
    }

    pub fn truncated(&self, lens: &Lens, start: Day) -> bool {
        let window = match self.scenario.rule {
            Rule::Transactions { window: Some(days), .. } => days,
            _ => 0,
        };
        let blind = (self.observed_from + window).max(lens.period.after(self.observed_from, 1));
        !self.signups_mapped && start < blind
    }

    pub fn is_activity(&self, t: &Transaction) -> bool {
        match self.scenario.rule {
            Rule::Transactions { every_row_counts: true, .. } => true,
            _ => t.cents > 0,
        }
    }

    /// The spells of a customer: maximal ranges in which the customer is live.
    pub fn spells(&self, person: &Person, period: Period) -> Vec<Range> {
        let (mut ranges, gap): (Vec<Range>, Day) = match self.scenario.rule {
            Rule::Transactions { window, .. } => {
                let active = person.transactions.iter().filter(|t| self.is_activity(t));
                let live = |t: &&Transaction| match window {
                    Some(days) => (t.day, t.day + days),
                    None => {
                        let start = period.start(t.day, self.scenario.week_start);
                        (start, period.after(start, 1))
                    }
                };
                (active.map(live).collect(), 0)
            }
            Rule::Subscriptions(switches) => {
                let rows = person.subscriptions.iter();
                (rows.flat_map(|s| self.live_ranges(person, s, switches)).collect(), switches.gap_days)
            }
        };
        ranges.sort_unstable();
        let mut spells: Vec<Range> = vec![];
        for range in ranges {
            match spells.last_mut() {
                Some(last) if range.0 - last.1 <= gap => last.1 = last.1.max(range.1),
                _ => spells.push(range),
            }
        }
        spells.retain(|s| s.0 < self.as_of);
        spells
    }

    /// What a customer is worth at a boundary: minor units for one period of the stage's length, before and after what
    /// is not live or negative is left out.
    pub fn worth(&self, person: &Person, lens: &Lens, spells: &[Range], boundary: Day, start: Day) -> (i128, i128) {
        let live = live_before(spells, boundary);
        let net = match self.scenario.rule {
            Rule::Transactions { window: None, .. } => revenue_in(person, (start, boundary)),
            Rule::Transactions { window: Some(days), .. } => {
                let (numerator, denominator) = lens.period.days();
                let net = revenue_in(person, (boundary - days, boundary));
                half_even(net * numerator, denominator * i128::from(days))
            }
            Rule::Subscriptions(switches) => {
                let rows = person.subscriptions.iter();
                rows.filter(|s| live_before(&self.live_ranges(person, s, switches), boundary)).map(|s| mrr(s)).sum()
            }
        };
        (net, if live { net.max(0) } else { 0 })
    }
}

pub fn all() -> Slice {
    Slice { segment: "all", value: "all".to_string() }
}

pub fn live_before(ranges: &[Range], boundary: Day) -> bool {
    ranges.iter().any(|(start, end)| *start < boundary && boundary <= *end)
}

/// Net revenue of all rows, refunds included.
pub fn revenue_in(person: &Person, range: Range) -> i128 {
    let rows = person.transactions.iter().filter(|t| range.0 <= t.day && t.day < range.1);
    rows.map(|t| i128::from(t.cents)).sum()
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum State {
    New,
    Retained,
    Returned,
    Churned,
    Intra,
    /// The same where a policy counts both joining and leaving: of a new customer, of one who had been there.
    IntraNew,
    IntraReturned,
}

impl State {
    pub fn name(self) -> &'static str {
        ["new", "retained", "returned", "churned", "intra", "intra_new", "intra_returned"][self as usize]
    }
}

/// One customer in one period.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub opening: bool,
    pub closing: bool,
    pub state: Option<State>,
    /// Worth at the opening and the closing.
    pub m0: i128,
    pub m1: i128,
    pub unallocated: i128,
    /// Of who joined and left within the period, where that counts: what the last day there was worth.
    pub passing: i128,
    pub due: i64,
    pub lost: i64,
}

impl Book<'_> {
    pub fn moment(&self, person: &Person, lens: &Lens, spells: &[Range], range: Range) -> Moment {
        let (start, end) = (range.0, self.closing(range));
        let (opening, closing) = (live_before(spells, start), live_before(spells, end));
        let known_before = person.signed_up.is_some_and(|d| d < self.observed_from)
            && spells.first().is_some_and(|s| s.1 > self.observed_from);
        let policy = self.switches().policy;
        // The first spell to begin in the period is a new customer's: the first of all, or after too long a gap.
        let begun = spells.iter().position(|s| s.0 >= start);
        let anew = begun.is_some_and(|i| match i {
            0 => !known_before,
            i => policy.reactivation.is_some_and(|days| spells[i].0 - spells[i - 1].1 > days),
        });
        let within: Vec<&Range> = spells.iter().filter(|s| s.0 < end && s.1 > start).collect();
        let state = match (opening, closing) {
            (true, true) => Some(State::Retained),
            (true, false) => Some(State::Churned),
            (false, true) if anew => Some(State::New),
            (false, true) => Some(State::Returned),
            (false, false) if within.is_empty() => None,
            (false, false) if !policy.passing_counts => Some(State::Intra),
            (false, false) if anew => Some(State::IntraNew),
            (false, false) => Some(State::IntraReturned),
        };
        let passes = matches!(state, Some(State::IntraNew | State::IntraReturned));
        let passing = match within.last() {
            Some(last) if passes => self.worth(person, lens, spells, last.1, start).1,
            _ => 0,
        };
        let previous = lens.period.after(start, -1);
        let (_, m0) = self.worth(person, lens, spells, start, previous);
        let (net, m1) = self.worth(person, lens, spells, end, start);
        let unallocated = if self.scenario.on_subscriptions() { 0 } else { net - m1 };
        let (due, lost) = self.due(person, range);
        Moment { opening, closing, state, m0, m1, unallocated, passing, due, lost }
    }
}
