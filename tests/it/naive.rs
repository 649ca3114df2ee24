//! The definitions, written down once more as slowly and as literally as possible.
//!
//! Straight from DEFINITIONS.md §1–§5: every customer, every period, every row is looked at again for every figure.
//! Nothing is shared with the program, not even its calendar. Where the text leaves room, this is what is taken to be
//! meant; a difference to the program is settled here and in the text together.
//!
//! Time and window
//!  1. Rows before a configured observed_from stay part of the history (who is live, who is new); only the periods
//!     that are reported begin with the one that holds observed_from. The first period is partial if it starts earlier.
//!  2. A default observed_from is the first row of the basis source that is before as_of, whether it counts or not
//!     (a refund, a trial).
//!  3. The closing boundary of a partial last period is as_of: what is "so far" is live just before as_of, and a
//!     window of days is [as_of − w, as_of).
//!  4. left_truncated of a period: its start < observed_from + max(window, one period); of a cohort: it is the period
//!     that holds observed_from; of a pooled row: false. False everywhere once signed_up_at is mapped.
//!  5. "An earlier signed_up_at": earlier than observed_from. It says nothing of a first spell that was over by then: that is
//!     known to be the first.
//!  6. Partial last period under `1 period`: churned, closing, contraction, all rates and what is made of them
//!     (customers, committed, arpa, a cohort's `live` customers) are NULL; opening, new, returned, retained, expansion,
//!     reactivation, unallocated, moved_* are so far. In every other partial period only the rates are NULL.
//!
//! Who is live
//!  7. end = paid_until, else ended_at (+1 if inclusive), else the first renewal ≥ cancelled_at, else never; the first
//!     that is not NULL decides, also where a later one is earlier. If it is ≥ as_of the row runs: it is not then the
//!     turn of cancelled_at. A cancellation ≥ as_of is none. ended_at_inclusive concerns ended_at alone.
//!  8. A renewal is the start of the paid term (the later of started_at and trial_ends_at) + k intervals, k ≥ 1, months
//!     clamped to their end from the first date each time. Histories here never cancel on or before that start.
//!  9. `past_due = false`: not live from past_due_since on. A pause without paused_until lasts for ever.
//! 10. gap_days joins any two live ranges of a customer, of one row (a pause) or of two. Within a bridged gap the
//!     customer is live at an MRR of 0.
//! 11. `free`, `paused`, `past_due` = true mean: such a subscription is live.
//!
//! Policies (§5)
//! 32. `ended_at`: ended_at, else paid_until, else the renewal ≥ cancelled_at; `cancelled_at`: cancelled_at, else ended_at,
//!     else paid_until.
//! 33. `both`: who is live within a period and at neither boundary is new (or returned) and churned in it with the money
//!     of the last day there; gross_churn_rate counts it, grr and nrr do not. No interval where anybody did.
//! 34. A spell begins anew more than so many days after the end of the one before; what a period's new customer is says
//!     the first spell to begin in it.
//! 35. Thirty days: the same four states between E − 30 and E, churned / (opening + new); NULL where they begin before
//!     observed_from. A rate of thirty days is one of a month: twelve a year.
//! 36. A free plan is live at 0 from where a paid one begins beside it, or as a whole if it begins while a paid one (or
//!     a free one that went on so) runs, pauses included, or at most gap_days later. It has no terms that fall due.
//!
//! Rates
//! 12. churn_rate_trailing counts complete periods, with or without an opening, towards its minimum of 3; `mean` is the
//!     mean of the rates that exist. expected_lifetime_periods = 1 / churn_rate_trailing. A benchmark is of
//!     churn_rate_annual; with one period a year that is the trailing rate itself, so 6 % is acceptable.
//! 13. Wilson with z = 1.959963984540054, never left unclipped at 0 and 1.
//!
//! due (subscriptions alone, else NULL; counts rows, not customers)
//! 14. Due: each renewal date < as_of on which the row is live; and the end of a row that was live the day before, if
//!     it does not go on (lost), or if it is a renewal date of the row and goes on (renewed into another row). It goes on
//!     in a row of the same subscription_id that is live there, or in a row whose paid time starts there or at most
//!     gap_days later. A mid-term end that goes on is not due. Where past due is not live, it is an end. renewal_rate = 1 − lost / due.
//!
//! Segments
//! 15. The value at a boundary is that of the latest row of its source before it, counted or not, live or not; of
//!     customers' columns the one value there is.
//! 16. `opening`: in a period a customer belongs to the value at the opening boundary if live there, else to the value
//!     at the closing boundary. All movements, due and unallocated go to that value; opening = retained + churned, and
//!     closing = retained + new + returned + moved_in − moved_out, where those who stay and change their value move at
//!     the end of the period (in money: moved_out = −m1, moved_in = +m1). So grr and the other rates keep their
//!     denominators, and closing(p) = opening(p+1) for each value.
//! 17. Cohorts take the first value for `opening`.
//!
//! Cohorts
//! 18. mode `unbounded` has the maturity of its period like the others. customers in `active` are those with a spell
//!     that reaches into the period (up to as_of).
//! 19. revenue without a transactions source: MRR at the closing boundary × the period's months (12/52 a week, 12/365 a
//!     day), half-even per customer and period; orders NULL. grr, nrr: Σ min(m_k, m_0) / Σ m_0, Σ m_k / Σ m_0 with m at
//!     the closings; NULL on transactions.
//! 20. Money and orders before the customer's cohort period go nowhere; in age 0 also what precedes the first activity.
//! 21. A pooled row sums only cohorts whose cell is complete, revenue_retention included (denominator: their age 0).
//!     cohorts end at max_age, 60 (day: 90).
//!
//! Revenue
//! 22. Days: unallocated = the scaled net revenue of the window before the closing − m1, half-even. Subscriptions: 0.
//! 23. committed: closing less the MRR of live subscriptions with cancelled_at before the closing boundary; NULL on
//!     transactions, where nothing is committed. currency_effect 0. customers, arpa: of the closing; quick_ratio NULL
//!     over 0.
//! 24. The ledger also has rows, with state NULL, for customers who are not live but have unallocated money; over a run
//!     of several periods no money moves. What it says of partial periods is not compared.
//!
//! Survival (§7)
//! 25. A spell that was over by observed_from is not seen: in no count. With `first` that is the end of it, the second
//!     spell does not take its place. All others count as customers; those not longer than their entry are never at
//!     risk, their ends no events.
//! 26. A unit counts if all of it was observed: ends and entries up, an end later than the last whole unit up to the day
//!     before as_of is not known yet, and censored there. Under `1 period` the last whole period cannot be judged: censored before it.
//! 27. A row for each time at which anybody at risk ended or was last seen. No standard error and no interval at S = 0,
//!     none on the log-log scale at S = 1; `log` and `plain` are cut to [0, 1].
//! 28. Where the curve sits on ½ to its end, the median is the first time of it. An end of the median's interval is where
//!     that end of the curve's does what makes a median.
//! 29. The restricted mean goes to the horizon, but not beyond the last time seen unless S is 0 there; its variance is
//!     Σ A(t)²·d/(n(n − d)), A(t) the area right of t.
//! 30. The tests are over all values with a spell but `(none)`. Without a spell seen from its beginning there is no
//!     median and no mean. df = values less groups of values that were at risk together; Peto's
//!     weight is S̃ up to and with the time, Π (1 − d/(n + 1)).
//! 31. unit by default: under `1 period` the stage's period, else days. A segment's value: the first, of `latest` the last.

pub mod buying;
pub mod churn;
pub mod cohort;
mod contracts;
pub mod lifetime;
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
