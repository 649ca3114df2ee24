//! `data/saas`: the exports of a subscription company that does not exist, some 6,000 sign-ups over 3½ years.
//!
//! Synthetic throughout, the same bytes every time. data/README.md describes the files and the few rows that are wrong
//! on purpose.

mod company;
mod lives;
mod tables;
mod traces;

use std::fs;
use std::path::Path;

use arrow::array::RecordBatch;
use parquet::errors::Result;
use tenure::calendar::Day;

use crate::export;
use crate::random::Random;
use company::{CHANNELS, COUNTRIES, Currency, FOUNDED, MONTHS, Plan, SIZES};
use lives::{Customer, Term};

const SEED: u64 = 20_260_701;

/// What is drawn, each from streams of its own.
const SIGN_UP: u64 = 1;
const LIFE: u64 = 2;
const USAGE: u64 = 3;
const ANSWERS: u64 = 4;
const RATES: u64 = 5;
const SPEND: u64 = 6;

/// Every file's name and rows, of a company with so many times the sign-ups.
pub(crate) fn exports(times: u32) -> Result<Vec<(&'static str, RecordBatch)>> {
    let customers = sign_ups(times);
    let terms: Vec<Vec<Term>> = customers
        .iter()
        .enumerate()
        .map(|(n, customer)| lives::live(customer, &mut Random::stream(SEED, n as u64, LIFE)))
        .collect();
    let (mut used, mut answers) = (vec![], vec![]);
    for (n, (customer, terms)) in customers.iter().zip(&terms).enumerate() {
        traces::usage(n, customer, terms, &mut Random::stream(SEED, n as u64, USAGE), &mut used);
        traces::answers(n, customer, terms, &mut Random::stream(SEED, n as u64, ANSWERS), &mut answers);
    }
    Ok(vec![
        ("customers", tables::customers(&customers)?),
        ("subscriptions", tables::subscriptions(&customers, &terms)?),
        ("usage", tables::usage(used)?),
        ("surveys", tables::surveys(answers)?),
        ("acquisition_costs", tables::acquisition_costs(&mut Random::stream(SEED, 0, SPEND))?),
        ("exchange_rates", tables::exchange_rates(&mut Random::stream(SEED, 0, RATES))?),
    ])
}

/// Writes every export into an existing or new folder.
pub(crate) fn write(folder: &Path, times: u32) -> Result<()> {
    // What ships is packed once and read often; a company made for a measurement is made while somebody waits.
    let zstd = if times == 1 { 19 } else { 3 };
    fs::create_dir_all(folder)?;
    for (name, rows) in exports(times)? {
        let mut writer = export::writer(&folder.join(format!("{name}.parquet")), rows.schema(), zstd)?;
        writer.write(&rows)?;
        writer.close()?;
    }
    Ok(())
}

/// Customers in the order of their sign-up.
fn sign_ups(times: u32) -> Vec<Customer> {
    let mut customers: Vec<Customer> = vec![];
    for month in 0..MONTHS {
        let mut random = Random::stream(SEED, u64::from(month), SIGN_UP);
        let first = FOUNDED.plus_months(month as i32);
        let length = first.plus_months(1).0 - first.0;
        let expected = f64::from(times) * company::signups_planned(month);
        let count = random.poisson(expected);
        let mut times: Vec<(Day, i64)> = (0..count)
            .map(|_| {
                let mut day = first.plus(random.below(length as u64) as i32);
                let weekend = (day.0 + 3).rem_euclid(7) >= 5; // 1970-01-01 was a Thursday
                if weekend && random.chance(0.6) {
                    day = first.plus(random.below(length as u64) as i32);
                }
                (day, 7 * 3600 + random.below(13 * 3600) as i64)
            })
            .collect();
        times.sort_unstable();
        for (signed_up, second) in times {
            let customer = sign_up(&customers, signed_up, second, &mut random);
            customers.push(customer);
        }
    }
    customers
}

fn sign_up(earlier: &[Customer], signed_up: Day, second: i64, random: &mut Random) -> Customer {
    let (country, currency): (Option<&'static str>, Currency) = random.pick(&COUNTRIES);
    let shares: Vec<(usize, u32)> = CHANNELS.iter().enumerate().map(|(n, channel)| (n, channel.share)).collect();
    let channel = random.pick(&shares);
    let sizes: Vec<(usize, u32)> = SIZES.iter().enumerate().map(|(n, size)| (n, size.share)).collect();
    let size = random.pick(&sizes);
    let known = channel == company::REFERRAL && !earlier.is_empty() && random.chance(0.9);
    let referred_by = known.then(|| random.below(earlier.len() as u64) as usize);
    let plan = if random.chance(0.35) { Plan::Free } else { random.pick(&SIZES[size].plans) };
    let frailty = random.gamma(1.3) / 1.3;
    let intensity = libm::exp(0.5 * random.normal()) / (0.5 + 0.5 * frailty);
    Customer { country, currency, channel, size, referred_by, signed_up, second, plan, frailty, intensity }
}

#[cfg(test)]
mod tests;
