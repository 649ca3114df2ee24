//! From lives to the columns of the exports, with the rows that are wrong on purpose.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use parquet::errors::Result;
use tenure::calendar::Day;

use super::company::{AS_OF, CHANNELS, COUNTRIES, Currency, FOUNDED, MONTHS, SIZES, month_of, signups_planned};
use super::lives::{Customer, Term};
use super::traces::{Answer, Used};
use crate::export;
use crate::random::{Random, mix};

/// Lower-case base 32 without the letters that are mistaken for digits.
fn base32(mut bits: u64, characters: usize) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut text = String::with_capacity(characters);
    for _ in 0..characters {
        text.push(char::from(ALPHABET[(bits % 32) as usize]));
        bits /= 32;
    }
    text
}

pub(super) fn customer_id(index: usize) -> String {
    // Odd factors and a shift within 40 bits: a bijection, so that ids stay distinct.
    let bits = (index as u64 + 1).wrapping_mul(0x5D_588B_656D) & 0xFF_FFFF_FFFF;
    format!("cus_{}", base32((bits ^ (bits >> 20)).wrapping_mul(0x9E_3779_B97F), 8))
}

fn subscription_id(customer: usize, number: u32) -> String {
    format!("sub_{}", base32(mix(customer as u64 * 64 + u64::from(number) + 1), 11))
}

fn text<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn dates(values: impl Iterator<Item = Option<Day>>) -> ArrayRef {
    Arc::new(values.map(|day| day.map(|d| d.0)).collect::<Date32Array>())
}

/// Ids of customers, `None` for those lost on purpose.
fn customer_ids(values: impl Iterator<Item = Option<usize>>) -> ArrayRef {
    Arc::new(values.map(|customer| customer.map(customer_id)).collect::<StringArray>())
}

/// The first customer from `index` on who is billed in euro: rows that are wrong on purpose lie where
/// pipelines/saas.toml looks.
fn in_euro(customers: &[Customer], index: usize) -> Option<usize> {
    (index..customers.len()).find(|n| customers[*n].currency == Currency::Eur)
}

/// One row appears twice, one a second time with another size.
pub(super) fn customers(customers: &[Customer]) -> Result<RecordBatch> {
    let (twice, conflicting) = (in_euro(customers, 700), in_euro(customers, 1_400));
    let mut rows: Vec<(usize, usize)> = vec![];
    for (n, customer) in customers.iter().enumerate() {
        rows.push((n, customer.size));
        if Some(n) == twice {
            rows.push((n, customer.size));
        } else if Some(n) == conflicting {
            rows.push((n, (customer.size + 1) % SIZES.len()));
        }
    }
    let of = |row: &(usize, usize)| &customers[row.0];
    let at = |row: &(usize, usize)| (i64::from(of(row).signed_up.0) * 86_400 + of(row).second) * 1000;
    let signed_up = TimestampMillisecondArray::from_iter_values(rows.iter().map(at));
    export::batch(vec![
        ("customer_id", customer_ids(rows.iter().map(|r| Some(r.0)))),
        ("signed_up_at", Arc::new(signed_up.with_timezone("UTC"))),
        ("country", text(rows.iter().map(|r| of(r).country))),
        ("currency", text(rows.iter().map(|r| Some(of(r).currency.name())))),
        ("company_size", text(rows.iter().map(|r| Some(SIZES[r.1].name)))),
        ("plan_at_signup", text(rows.iter().map(|r| Some(of(r).plan.name())))),
        ("channel", text(rows.iter().map(|r| CHANNELS[of(r).channel].name))),
        ("referred_by", customer_ids(rows.iter().map(|r| of(r).referred_by))),
    ])
}

/// Three rows end before they start, one has no customer.
pub(super) fn subscriptions(customers: &[Customer], terms: &[Vec<Term>]) -> Result<RecordBatch> {
    let backwards = [300, 2_100, 4_200].map(|index| in_euro(customers, index));
    let nobody = in_euro(customers, 1_800);
    let mut rows: Vec<(Option<usize>, Currency, String, Term)> = vec![];
    for (n, (customer, terms)) in customers.iter().zip(terms).enumerate() {
        for term in terms {
            rows.push((Some(n), customer.currency, subscription_id(n, term.subscription), term.clone()));
        }
        // The wrong rows are further subscriptions of somebody who has one.
        if let Some(term) = terms.first() {
            let mut wrong = term.clone();
            let id = subscription_id(n, 63);
            if backwards.contains(&Some(n)) {
                (wrong.ended, wrong.paid_until) = (Some(term.started.plus(-1)), None);
                rows.push((Some(n), customer.currency, id, wrong));
            } else if Some(n) == nobody {
                rows.push((None, customer.currency, id, wrong));
            }
        }
    }
    rows.sort_by_key(|(customer, _, _, term)| (term.started, *customer, term.subscription));
    let term = || rows.iter().map(|row| &row.3);
    export::batch(vec![
        ("subscription_id", text(rows.iter().map(|r| Some(r.2.as_str())))),
        ("customer_id", customer_ids(rows.iter().map(|r| r.0))),
        ("plan", text(term().map(|t| Some(t.plan.name())))),
        ("billing_interval", text(term().map(|t| Some(if t.yearly { "year" } else { "month" })))),
        ("seats", Arc::new(Int32Array::from_iter_values(term().map(|t| t.seats as i32)))),
        ("amount", export::money(term().map(|t| Some(t.cents)))?),
        ("currency", text(rows.iter().map(|r| Some(r.1.name())))),
        ("started_on", dates(term().map(|t| Some(t.started)))),
        ("trial_ends_on", dates(term().map(|t| t.trial_ends))),
        ("cancelled_on", dates(term().map(|t| t.cancelled))),
        ("paid_until", dates(term().map(|t| t.paid_until))),
        ("ended_on", dates(term().map(|t| t.ended))),
        ("paused_from", dates(term().map(|t| t.paused.map(|p| p.0)))),
        ("paused_until", dates(term().map(|t| t.paused.map(|p| p.1)))),
        ("past_due_since", dates(term().map(|t| t.past_due_since))),
        ("cancel_reason", text(term().map(|t| t.reason))),
        ("cancel_kind", text(term().map(|t| t.kind))),
    ])
}

/// Three rows have no customer.
pub(super) fn usage(mut rows: Vec<Used>) -> Result<RecordBatch> {
    const NOBODY: [usize; 3] = [1_000, 50_000, 90_000];
    rows.sort_by_key(|row| (row.on, row.customer));
    export::batch(vec![
        (
            "customer_id",
            customer_ids(rows.iter().enumerate().map(|(n, r)| Some(r.customer).filter(|_| !NOBODY.contains(&n)))),
        ),
        ("week_ending", dates(rows.iter().map(|r| Some(r.on)))),
        ("feature", text(rows.iter().map(|r| Some(r.feature)))),
        ("actions", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.quantity)))),
    ])
}

/// Twelve answers are of customers that no other export knows, one NPS is 11.
pub(super) fn surveys(mut rows: Vec<Answer>) -> Result<RecordBatch> {
    const STRANGERS: usize = 12;
    rows.sort_by_key(|row| (row.on, row.customer, row.kind, row.score));
    let every = rows.len() / STRANGERS;
    for (n, row) in rows.iter_mut().skip(every / 2).step_by(every).take(STRANGERS).enumerate() {
        row.customer = 1_000_000 + n;
    }
    if let Some(row) = rows.iter_mut().find(|row| row.kind == "nps" && row.score == Some(10)) {
        row.score = Some(11);
    }
    export::batch(vec![
        ("customer_id", customer_ids(rows.iter().map(|r| Some(r.customer)))),
        ("answered_on", dates(rows.iter().map(|r| Some(r.on)))),
        ("survey", text(rows.iter().map(|r| Some(r.kind)))),
        ("score", Arc::new(rows.iter().map(|r| r.score).collect::<Int32Array>())),
        ("reason", text(rows.iter().map(|r| r.reason))),
    ])
}

/// By month, channel and market (the currency of the customers it was spent on); every amount is in euro.
pub(super) fn acquisition_costs(random: &mut Random) -> Result<RecordBatch> {
    let markets = [Currency::Eur, Currency::Gbp, Currency::Usd];
    let weight = |market| COUNTRIES.iter().filter(|c| c.0.1 == market).map(|c| f64::from(c.1)).sum::<f64>();
    let all = markets.iter().map(|market| weight(*market)).sum::<f64>();
    let mut rows = vec![];
    for month in 0..MONTHS {
        for channel in CHANNELS.iter().filter(|channel| channel.spend > 0) {
            for market in markets {
                let planned = signups_planned(month) * f64::from(channel.share) / 100.0 * weight(market) / all;
                let dearer = 1.0 + 0.006 * f64::from(month); // the same click costs more every month
                let spend = planned * channel.spend as f64 * dearer * libm::exp(0.12 * random.normal());
                rows.push((FOUNDED.plus_months(month as i32), channel.name, market, spend as i64));
            }
        }
    }
    export::batch(vec![
        ("month", dates(rows.iter().map(|r| Some(r.0)))),
        ("channel", text(rows.iter().map(|r| r.1))),
        ("market", text(rows.iter().map(|r| Some(r.2.name())))),
        ("spend_eur", export::money(rows.iter().map(|r| Some(r.3)))?),
    ])
}

/// Euro for a unit of the currency, on working days; six decimals.
pub(super) fn exchange_rates(random: &mut Random) -> Result<RecordBatch> {
    let mut rows = vec![];
    let mut rates = [(Currency::Gbp, 1.145, 1.16), (Currency::Usd, 0.935, 0.905)];
    let mut day = FOUNDED.plus(-5);
    while day < AS_OF {
        if (day.0 + 3).rem_euclid(7) < 5 {
            for (currency, rate, centre) in &mut rates {
                // Pulled back slowly, and a little dearer at the end of the year.
                *rate += 0.004 * (*centre - *rate) + 0.0035 * random.normal();
                let shown = *rate * if month_of(day) == 11 { 1.004 } else { 1.0 };
                rows.push((*currency, day, libm::round(shown * 1e6) as i128));
            }
        }
        day = day.plus(1);
    }
    let rates: Decimal128Array = rows.iter().map(|r| Some(r.2)).collect();
    export::batch(vec![
        ("currency", text(rows.iter().map(|r| Some(r.0.name())))),
        ("date", dates(rows.iter().map(|r| Some(r.1)))),
        ("rate", Arc::new(rates.with_precision_and_scale(12, 6)?)),
    ])
}
