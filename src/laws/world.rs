//! Arbitrary histories: few customers and days, so that everything collides.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::calendar::{Day, Period};
use crate::exchange::{ExchangeRates, Rate, RateRow};
use crate::money::ExactDecimal;
use crate::rows::{AnswerKind, CancelKind, Subscription};

/// Days on which things happen, counted from 2023-11-20.
const SPAN: i32 = 300;
const ORIGIN: Day = Day(19_681);

#[derive(Clone, Debug)]
pub(super) struct World {
    pub rule: Rule,
    pub period: Period,
    pub integer_ids: bool,
    /// `order_id` is mapped.
    pub order_ids: bool,
    /// `signed_up_at` is mapped.
    pub sign_ups: bool,
    /// Transactions beside subscriptions.
    pub shop_beside: bool,
    /// Which value of a column that changes counts.
    pub at: &'static str,
    pub cap: usize,
    /// The segment that the program computes, where there are purchases.
    pub builtin: &'static str,
    pub observed_from: Option<Day>,
    pub as_of: Option<Day>,
    pub purchases: Vec<Purchase>,
    pub contracts: Vec<Contract>,
    pub members: Vec<Member>,
    pub uses: Vec<Use>,
    pub answers: Vec<Answer>,
    pub costs: Vec<Spent>,
    /// What exchange rates go by.
    pub seed: u64,
}

/// What makes a customer live.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    OnePeriod,
    Days(i32),
    /// Windows by frequency, learned before a day.
    Learned(Option<Day>),
    Contracts {
        gap_days: i32,
        inclusive: bool,
        free: bool,
        paused: bool,
        past_due: bool,
        policy: &'static str,
        /// Lines of switches that are set beside it.
        switches: [Option<&'static str>; 7],
    },
}

/// A customer by number; [`id`] is what the export shows.
pub(super) type Customer = usize;

#[derive(Clone, Copy, Debug)]
pub(super) struct Purchase {
    pub customer: Customer,
    pub day: Day,
    /// Of the day.
    pub second: i64,
    pub cents: i64,
    pub order: Option<u8>,
    pub shop: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Contract {
    pub customer: Customer,
    pub term: Subscription,
    pub plan: Option<usize>,
    pub reason: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub customer: Customer,
    pub signed_up: Option<Day>,
    pub town: Option<usize>,
    pub channel: Option<usize>,
    pub referred: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Use {
    pub customer: Customer,
    pub day: Day,
    /// Thousandths.
    pub quantity: i64,
    pub feature: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub customer: Customer,
    pub day: Day,
    /// Of the day.
    pub second: i64,
    pub kind: AnswerKind,
    /// Hundredths.
    pub score: Option<i32>,
    pub reason: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    pub day: Day,
    pub amount: i64,
    pub channel: Option<usize>,
}

/// Values of every segment: two that tables also use for what has no value of its own.
pub(super) const VALUES: [&str; 5] = ["b", "(none)", "a", "other", "ä"];
const CUSTOMERS: usize = 18;

impl World {
    pub(super) fn buys(&self) -> bool {
        self.shop_beside || !matches!(self.rule, Rule::Contracts { .. })
    }

    /// Rates that wander, new ones every few days: of a currency with two digits after the point and of one with three.
    pub(super) fn rates(&self) -> ExchangeRates {
        let mut dice = self.seed;
        let mut rows = vec![];
        for (currency, middle) in [("KWD", 31_415), ("USD", 8_765)] {
            // From the first day of the year in which the first thing happens.
            let mut day = ORIGIN.plus(-400);
            while day < ORIGIN.plus(SPAN + 500) {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let unscaled = middle + i128::from(dice >> 40) % 3_000;
                let (rate, _) = Rate::new(ExactDecimal { unscaled, scale: 4 }).expect("more than nothing");
                rows.push(RateRow { currency: currency.into(), day, rate });
                day = day.plus(1 + (dice >> 33) as i32 % 7);
            }
        }
        ExchangeRates::new("EUR", 2, rows).expect("one rate a day")
    }

    pub(super) fn subscribes(&self) -> bool {
        matches!(self.rule, Rule::Contracts { .. })
    }

    /// True if a scan keeps rows of this day.
    pub(super) fn keeps(&self, day: Day) -> bool {
        self.as_of.is_none_or(|as_of| day < as_of)
    }
}

/// The id of a customer, as a whole number and as a text.
pub(super) fn id(customer: Customer) -> (i64, String) {
    let number = match customer {
        0 => i64::MIN,
        1 => i64::MAX,
        n => 3 - n as i64,
    };
    let text = match customer {
        0 => " ".into(),
        1 => "ï\u{301}d\n".into(),
        2 => "long ".repeat(40),
        n => format!("{:x}", n * 0x9e37_79b9),
    };
    (number, text)
}

fn day() -> impl Strategy<Value = Day> {
    (0..SPAN).prop_map(|d| ORIGIN.plus(d))
}

/// A length in days, or NULL; often a round one, so that ranges meet and renewals fall due.
fn length() -> impl Strategy<Value = Option<i32>> {
    prop_oneof![3 => Just(None), 2 => (0..200).prop_map(Some), 2 => prop::sample::select(vec![0, 7, 30, 31, 61, 92]).prop_map(Some)]
}

fn after(start: Day, length: Option<i32>) -> Day {
    length.map_or(Day::NEVER, |days| start.plus(days))
}

fn purchase() -> impl Strategy<Value = Purchase> {
    let cents = prop_oneof![8 => 1..9_000i64, 2 => -9_000..0i64, 1 => Just(0)];
    let order = option::weighted(0.8, 0..9u8);
    let shop = option::weighted(0.8, 0..VALUES.len());
    (0..CUSTOMERS, day(), 0..3i64, cents, order, shop)
        .prop_map(|(customer, day, second, cents, order, shop)| Purchase { customer, day, second, cents, order, shop })
}

fn contract() -> impl Strategy<Value = Contract> {
    let intervals = prop::sample::select(vec![(1, 0), (3, 0), (12, 0), (0, 7), (0, 10), (0, 1)]);
    let amount = prop_oneof![1 => Just(0i64), 9 => 1..50_000i64];
    let lengths = (length(), length(), length(), option::weighted(0.2, 0..60i32));
    let pause = option::weighted(0.3, (-10..120i32, 0..60i32));
    let kind = prop::sample::select(vec![CancelKind::Unknown, CancelKind::Voluntary, CancelKind::Involuntary]);
    let currency = prop::sample::select(vec![0, 0, 1, 2]);
    let others = (
        pause,
        option::weighted(0.2, 0..90i32),
        0..4u128,
        option::weighted(0.8, 0..VALUES.len()),
        (kind, value(), currency),
    );
    (0..CUSTOMERS, day(), lengths, intervals, amount, others).prop_map(
        |(customer, started, (ended, paid, cancelled, trial), (months, days), amount, others)| {
            let (pause, past_due, subscription, plan, (kind, reason, currency)) = others;
            let paused_from = after(started, pause.map(|p| p.0));
            let term = Subscription {
                started,
                trial_ends: after(started, trial),
                ended: after(started, ended),
                cancelled: after(started, cancelled),
                paid_until: after(started, paid),
                paused_from,
                paused_until: pause.map_or(Day::NEVER, |p| paused_from.plus(p.1)),
                past_due_since: after(started, past_due),
                months,
                days,
                amount,
                // What costs nothing does so in every currency.
                currency: if amount == 0 { 0 } else { currency },
                subscription,
                kind,
                ..Subscription::running(started, amount)
            };
            Contract { customer, term, plan, reason }
        },
    )
}

fn member() -> impl Strategy<Value = Member> {
    let signed_up = option::weighted(0.8, -200..SPAN);
    (0..CUSTOMERS + 2, signed_up, value(), value(), any::<bool>()).prop_map(
        |(customer, signed_up, town, channel, referred)| Member {
            customer,
            signed_up: signed_up.map(|d| ORIGIN.plus(d)),
            town,
            channel,
            referred,
        },
    )
}

/// One of a segment's values, or of the words of a column; mostly there is one.
fn value() -> impl Strategy<Value = Option<usize>> {
    option::weighted(0.8, 0..VALUES.len())
}

/// Some of nobody who is known.
fn anybody() -> impl Strategy<Value = Customer> {
    0..CUSTOMERS + 5
}

fn used() -> impl Strategy<Value = Use> {
    (anybody(), day(), 0..5_000i64, value()).prop_map(|(customer, day, quantity, feature)| Use {
        customer,
        day,
        quantity,
        feature,
    })
}

fn answer() -> impl Strategy<Value = Answer> {
    let kind = prop::sample::select(AnswerKind::ALL.to_vec());
    // Of every scale the ends, and what lies between two points.
    let score = option::weighted(0.7, prop::sample::select(vec![100, 200, 300, 350, 400, 500]));
    (anybody(), day(), 0..3i64, kind, (score, 0..11i32), value()).prop_map(
        |(customer, day, second, kind, (score, points), reason)| {
            let score = match kind {
                AnswerKind::Nps => score.map(|_| 100 * points),
                AnswerKind::Csat | AnswerKind::Ces => score,
                AnswerKind::Exit => None,
            };
            Answer { customer, day, second, kind, score, reason }
        },
    )
}

fn spent() -> impl Strategy<Value = Spent> {
    (day(), 0..90_000i64, value()).prop_map(|(day, amount, channel)| Spent { day, amount, channel })
}

/// A preset, and switches that are set beside it.
fn policy() -> impl Strategy<Value = (&'static str, [Option<&'static str>; 7])> {
    let presets = ["standard", "chartmogul", "stripe", "profitwell", "maxio"];
    let line = |lines: &[&'static str]| option::weighted(0.3, prop::sample::select(lines.to_vec()));
    let switches = [
        line(&["churn_dated = \"paid_until\"", "churn_dated = \"ended_at\"", "churn_dated = \"cancelled_at\""]),
        line(&["churn_rate = \"opening\"", "churn_rate = \"rolling_30_days\""]),
        line(&["within_period = \"neither\"", "within_period = \"both\""]),
        line(&["reactivation = \"always\"", "reactivation = \"1 days\"", "reactivation = \"30 days\""]),
        line(&["exchange_rate_moves = \"currency_effect\"", "exchange_rate_moves = \"no movement\""]),
        line(&["free_after_paid = \"churned\"", "free_after_paid = \"live at 0\""]),
        line(&["ltv_churn_rate = \"trailing\"", "ltv_churn_rate = \"mean_of_previous\""]),
    ];
    (prop::sample::select(presets.to_vec()), switches)
}

fn rule() -> impl Strategy<Value = Rule> {
    let flags = any::<(bool, bool, bool, bool)>();
    let contracts = (prop::sample::select(vec![0, 0, 3, 40]), flags, policy()).prop_map(
        |(gap_days, (inclusive, free, paused, past_due), (policy, switches))| Rule::Contracts {
            gap_days,
            inclusive,
            free: free && policy == "standard",
            paused,
            past_due,
            policy,
            switches,
        },
    );
    let learned = option::of((40..SPAN).prop_map(|d| ORIGIN.plus(d))).prop_map(Rule::Learned);
    let days = prop::sample::select(vec![1, 7, 45, 90, 400]).prop_map(Rule::Days);
    prop_oneof![1 => Just(Rule::OnePeriod), 1 => days, 1 => learned, 2 => contracts]
}

/// `(observed_from, as_of)`, each where it is configured; the first record lies before any as_of.
fn window() -> impl Strategy<Value = (Option<Day>, Option<Day>)> {
    let day = |d: i32| ORIGIN.plus(d);
    prop_oneof![
        Just((None, None)),
        (100..SPAN + 60).prop_map(move |to| (None, Some(day(to)))),
        (-40..90i32, 100..SPAN + 60).prop_map(move |(from, to)| (Some(day(from)), Some(day(to)))),
    ]
}

pub(super) fn worlds() -> impl Strategy<Value = World> {
    let traces = (vec(used(), 0..40), vec(answer(), 0..40));
    let rows = (vec(purchase(), 1..70), vec(contract(), 1..40), vec(member(), 0..24), vec(spent(), 0..4), traces);
    let period = prop::sample::select(Period::ALL.map(|p| p.1).to_vec());
    let at = prop::sample::select(vec!["opening", "first", "latest"]);
    let builtin = prop::sample::select(vec!["frequency", "rfm", "cohort_year", "tenure"]);
    (rule(), period, any::<(bool, bool, bool, bool)>(), (at, builtin, any::<u64>()), 1..6usize, window(), rows)
        .prop_map(
            |(
                rule,
                period,
                flags,
                (at, builtin, seed),
                cap,
                (observed_from, as_of),
                (mut purchases, mut contracts, members, costs, (uses, answers)),
            )| {
                let (integer_ids, order_ids, sign_ups, shop_beside) = flags;
                // Something is there from the first day on.
                purchases[0] = Purchase { day: ORIGIN, cents: 500, ..purchases[0] };
                contracts[0].term.started = ORIGIN;
                World {
                    rule,
                    period,
                    integer_ids,
                    order_ids,
                    sign_ups,
                    shop_beside,
                    at,
                    cap,
                    builtin,
                    observed_from,
                    as_of,
                    purchases,
                    contracts,
                    members,
                    uses,
                    answers,
                    costs,
                    seed,
                }
            },
        )
}
