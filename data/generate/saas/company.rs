//! The invented company: what it sells, to whom and at what price. Nothing here is real.

use tenure::calendar::Day;

/// The first day on which anybody signed up, and the exclusive end of what the exports know.
pub(super) const FOUNDED: Day = Day(19_358); // 2023-01-01
pub(super) const AS_OF: Day = Day(20_635); // 2026-07-01
pub(super) const MONTHS: u32 = 42;

/// From here new customers pay the new prices …
pub(super) const NEW_PRICES: Day = Day(20_148); // 2025-03-01
/// … and everybody else from their first renewal on or after this day.
pub(super) const PRICE_RISE: Day = Day(20_240); // 2025-06-01

pub(super) const TRIAL_DAYS: i32 = 14;
/// Days after a failed payment until the subscription is ended.
pub(super) const DUNNING_DAYS: i32 = 21;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    Free,
    Solo,
    Team,
    Business,
}

impl Plan {
    pub(super) fn name(self) -> &'static str {
        match self {
            Plan::Free => "free",
            Plan::Solo => "solo",
            Plan::Team => "team",
            Plan::Business => "business",
        }
    }

    /// Whether the price is for each seat.
    pub(super) fn by_seat(self) -> bool {
        matches!(self, Plan::Team | Plan::Business)
    }

    /// Hazard of leaving at a monthly and at a yearly renewal, for the average customer.
    pub(super) fn leaving(self, yearly: bool) -> f64 {
        match (self, yearly) {
            (Plan::Free, _) => 0.015,
            (Plan::Solo, false) => 0.060,
            (Plan::Team, false) => 0.036,
            (Plan::Business, false) => 0.020,
            (Plan::Solo, true) => 0.34,
            (Plan::Team, true) => 0.22,
            (Plan::Business, true) => 0.13,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Currency {
    Eur,
    Gbp,
    Usd,
}

impl Currency {
    pub(super) fn name(self) -> &'static str {
        match self {
            Currency::Eur => "EUR",
            Currency::Gbp => "GBP",
            Currency::Usd => "USD",
        }
    }
}

/// Cents a billing interval: a year costs ten months.
pub(super) fn price(plan: Plan, currency: Currency, yearly: bool, seats: u32, new_prices: bool) -> i64 {
    let (old, new) = match (plan, currency) {
        (Plan::Free, _) => (0, 0),
        (Plan::Solo, Currency::Eur) => (1900, 2100),
        (Plan::Solo, Currency::Gbp) => (1700, 1900),
        (Plan::Solo, Currency::Usd) => (2100, 2400),
        (Plan::Team, Currency::Eur) => (1200, 1400),
        (Plan::Team, Currency::Gbp) => (1050, 1200),
        (Plan::Team, Currency::Usd) => (1300, 1500),
        (Plan::Business, Currency::Eur) => (2400, 2700),
        (Plan::Business, Currency::Gbp) => (2100, 2400),
        (Plan::Business, Currency::Usd) => (2600, 2900),
    };
    let seats = if plan.by_seat() { i64::from(seats) } else { 1 };
    let months = if yearly { 10 } else { 1 };
    seats * months * if new_prices { new } else { old }
}

/// Country as the customer writes it, the currency it is billed in, and its share.
pub(super) const COUNTRIES: [((Option<&str>, Currency), u32); 18] = [
    ((Some("Deutschland"), Currency::Eur), 190),
    ((Some("France"), Currency::Eur), 110),
    ((Some("Nederland"), Currency::Eur), 70),
    ((Some("Österreich"), Currency::Eur), 60),
    ((Some("España"), Currency::Eur), 55),
    ((Some("Italia"), Currency::Eur), 45),
    ((Some("Ireland"), Currency::Eur), 30),
    ((Some("Česko"), Currency::Eur), 20),
    ((Some("مصر"), Currency::Eur), 12),
    ((None, Currency::Eur), 8),
    ((Some("United Kingdom"), Currency::Gbp), 150),
    ((Some("United States"), Currency::Usd), 150),
    ((Some("Canada"), Currency::Usd), 40),
    ((Some("México"), Currency::Usd), 20),
    ((Some("Türkiye"), Currency::Usd), 15),
    ((Some("日本"), Currency::Usd), 12),
    ((Some("ישראל"), Currency::Usd), 10),
    ((None, Currency::Usd), 3),
];

/// Where customers come from.
pub(super) struct Channel {
    pub name: Option<&'static str>,
    pub share: u32,
    /// On the hazard of leaving.
    pub leaving: f64,
    /// Spent for each sign-up that the month's plan expects, in euro cents.
    pub spend: i64,
}

pub(super) const CHANNELS: [Channel; 7] = [
    Channel { name: Some("search"), share: 28, leaving: 1.0, spend: 14_000 },
    Channel { name: Some("ads"), share: 24, leaving: 1.4, spend: 52_000 },
    Channel { name: Some("content"), share: 18, leaving: 0.9, spend: 11_000 },
    Channel { name: Some("referral"), share: 14, leaving: 0.65, spend: 15_000 },
    Channel { name: Some("partner"), share: 9, leaving: 0.8, spend: 33_000 },
    Channel { name: Some("events"), share: 5, leaving: 0.9, spend: 90_000 },
    Channel { name: None, share: 2, leaving: 1.1, spend: 0 },
];

/// Index into [`CHANNELS`] of the one that has `referred_by`.
pub(super) const REFERRAL: usize = 3;

/// Company size, seats it starts with (from, to), and how often a paying plan is solo, team or business.
pub(super) struct Size {
    pub name: &'static str,
    pub share: u32,
    pub seats: (u32, u32),
    pub plans: [(Plan, u32); 3],
}

pub(super) const SIZES: [Size; 5] = [
    Size { name: "1", share: 30, seats: (1, 1), plans: [(Plan::Solo, 95), (Plan::Team, 5), (Plan::Business, 0)] },
    Size { name: "2–10", share: 38, seats: (2, 6), plans: [(Plan::Solo, 25), (Plan::Team, 68), (Plan::Business, 7)] },
    Size {
        name: "11–50", share: 20, seats: (3, 15), plans: [(Plan::Solo, 5), (Plan::Team, 65), (Plan::Business, 30)]
    },
    Size {
        name: "51–200", share: 9, seats: (5, 35), plans: [(Plan::Solo, 0), (Plan::Team, 40), (Plan::Business, 60)]
    },
    Size { name: "201+", share: 3, seats: (10, 60), plans: [(Plan::Solo, 0), (Plan::Team, 20), (Plan::Business, 80)] },
];

/// By calendar month: on sign-ups, on leaving, on use.
pub(super) const SIGNUPS: [f64; 12] = [1.25, 1.1, 1.1, 1.0, 0.95, 0.9, 0.8, 0.8, 1.2, 1.1, 1.05, 0.75];
pub(super) const LEAVING: [f64; 12] = [1.3, 1.05, 1.0, 0.95, 0.95, 1.0, 1.15, 1.05, 0.9, 0.9, 0.9, 1.0];
pub(super) const USE: [f64; 12] = [1.0, 1.05, 1.05, 1.0, 1.0, 0.95, 0.8, 0.7, 1.05, 1.1, 1.05, 0.75];

/// What a month (from 0) plans to win.
pub(super) fn signups_planned(month: u32) -> f64 {
    (80.0 + 3.0 * f64::from(month)) * SIGNUPS[(month % 12) as usize]
}

/// Month of the year, from 0.
pub(super) fn month_of(day: Day) -> usize {
    day.civil().month() as usize - 1
}
