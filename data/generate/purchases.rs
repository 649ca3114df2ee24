//! Exports of purchases of any size, synthetic: customers buy at their own rate until they drop out for good.
//!
//! Pareto/NBD (Schmittlein, Morrison and Colombo 1987): purchase rates vary as a gamma, lifetimes as an exponential of
//! gamma-distributed rate, with the shapes and the lifetime scale that CDNOW's customers have. A customer's first order
//! falls uniformly into the window. The numbers of rows and customers are met exactly: repeat orders are drawn a little
//! in excess and thinned at random to the number wanted, which leaves a Poisson process a Poisson process.
//!
//! Rows come in order of time. Memory is 16 bytes a customer and one day of orders, whatever the number of rows.
//! A module that includes this file also includes `random.rs` and `export.rs` beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray, StringBuilder, TimestampMicrosecondArray};
use parquet::errors::{ParquetError, Result};

use super::export;
use super::random::{Random, mix};

/// How customer ids look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ids {
    /// 1, 2, 3 …
    Integer,
    /// 16 hexadecimal digits in no order.
    Hex,
    /// 36 characters in no order.
    Uuid,
}

/// What to generate.
#[derive(Clone, Debug)]
pub(crate) struct Purchases {
    /// Without those of `bot`.
    pub rows: u64,
    pub customers: u32,
    /// Length of the window, from `first_day` (days since 1970-01-01).
    pub days: u32,
    pub first_day: i32,
    /// Files of equally many days each.
    pub files: u32,
    pub seed: u64,
    pub ids: Ids,
    /// Mean rows an order, at least 1.
    pub lines: f64,
    /// Share of rows that are refunds: an amount below zero, never in a customer's first order.
    pub refunds: f64,
    /// Rows of one customer more, of one line each, all through the window: a bot, or everybody who bought without an
    /// account.
    pub bot: u64,
}

impl Default for Purchases {
    fn default() -> Self {
        Purchases {
            rows: 1_000_000,
            customers: 110_000,
            days: 1_096,
            first_day: 18_262, // 2020-01-01
            files: 12,
            seed: 1,
            ids: Ids::Hex,
            lines: 1.6,
            refunds: 0.02,
            bot: 0,
        }
    }
}

/// One line of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// From 0; [`Purchases::id`] is what the export shows.
    pub customer: u32,
    /// From 1, in order of time.
    pub order: u64,
    /// Seconds since 1970-01-01 00:00 UTC.
    pub at: i64,
    /// Never 0; below 0 for a refund.
    pub cents: i64,
}

/// What is drawn for a customer: each has a stream of its own.
const LIFE: u64 = 1;
const REPEATS: u64 = 2;
const VALUE: u64 = 3;
const COUNTRY: u64 = 4;
/// And above it, by the number of orders left.
const NEXT: u64 = 5;

const RATE_SHAPE: f64 = 0.553;
const DROPOUT_SHAPE: f64 = 0.606;
const DROPOUT_SCALE_DAYS: f64 = 11.67 * 7.0;
const DAY: u32 = 86_400;

/// NULL now and then, as in every export.
const COUNTRIES: [(Option<&str>, u32); 14] = [
    (Some("United Kingdom"), 320),
    (Some("Deutschland"), 160),
    (Some("France"), 120),
    (Some("España"), 70),
    (Some("Italia"), 65),
    (Some("Nederland"), 55),
    (Some("Polska"), 50),
    (Some("Österreich"), 40),
    (Some("Ireland"), 35),
    (Some("Česko"), 30),
    (Some("Türkiye"), 25),
    (Some("日本"), 15),
    (Some("مصر"), 10),
    (None, 5),
];

/// What a customer is about to do; times in seconds of the window.
#[derive(Clone, Copy)]
struct Plan {
    next: u32,
    end: u32,
    /// Orders after the next one; the top bit is set until the first order is made.
    left: u32,
}

const FIRST: u32 = 1 << 31;
/// End of a day's list of customers.
const NOBODY: u32 = u32::MAX;

impl Purchases {
    /// The customer's id as the export shows it (decimal for integers).
    pub(crate) fn id(&self, customer: u32, into: &mut String) {
        use std::fmt::Write;
        let bits = mix(u64::from(customer).wrapping_add(self.seed << 32));
        let written = match self.ids {
            Ids::Integer => write!(into, "{}", u64::from(customer) + 1),
            Ids::Hex => write!(into, "{bits:016x}"),
            Ids::Uuid => {
                let low = mix(bits);
                let (a, b, c) = (bits >> 32, (bits >> 16) & 0xFFFF, bits & 0x0FFF);
                write!(into, "{a:08x}-{b:04x}-4{c:03x}-{:04x}-{:012x}", low >> 50 | 0x8000, low & 0xFFFF_FFFF_FFFF)
            }
        };
        written.expect("writing to a string does not fail");
    }

    pub(crate) fn country(&self, customer: u32) -> Option<&'static str> {
        Random::stream(self.seed, u64::from(customer), COUNTRY).pick(&COUNTRIES)
    }

    /// Checks what cannot be had, in words.
    fn check(&self) -> std::result::Result<(), String> {
        let Purchases { rows, customers, days, files, lines, refunds, .. } = *self;
        if customers == 0 || rows < u64::from(customers) {
            return Err(format!("{rows} rows for {customers} customers: every customer has at least one row"));
        }
        if customers >= FIRST - 1 || days == 0 || days > u32::MAX / DAY || files == 0 || files > days {
            return Err(format!(
                "{customers} customers, {days} days or {files} files are out of range: at most {} days, and a file holds at least one",
                u32::MAX / DAY
            ));
        }
        if !(1.0..=1000.0).contains(&lines) || !(0.0..=0.5).contains(&refunds) {
            return Err(format!("{lines} rows an order or a share of {refunds} refunds is out of range"));
        }
        Ok(())
    }

    /// Draws every customer's first order, end and number of repeat orders; returns them with the number of repeats.
    fn plan(&self, repeats: u64) -> (Vec<Plan>, u64) {
        let window = self.days * DAY;
        let life = |customer: u32| {
            let mut random = Random::stream(self.seed, u64::from(customer), LIFE);
            let birth = random.below(u64::from(window)) as u32;
            let rate = random.gamma(RATE_SHAPE);
            let dropout = random.gamma(DROPOUT_SHAPE) / (DROPOUT_SCALE_DAYS * f64::from(DAY));
            let end = f64::from(birth) + (random.exponential() / dropout).min(f64::from(window));
            let end = if end < f64::from(window) { end as u32 } else { window };
            (birth, end, rate * f64::from(end - birth))
        };
        let exposure: f64 = (0..self.customers).map(|c| life(c).2).sum();
        // Six standard deviations and a little above what is wanted; doubled in the event that it is still too few.
        let mut wanted = repeats as f64 + 6.0 * libm::sqrt(repeats as f64) + 20.0;
        loop {
            let mut drawn = 0;
            let plans = (0..self.customers)
                .map(|customer| {
                    let (next, end, weight) = life(customer);
                    let mean = if exposure > 0.0 { wanted * weight / exposure } else { 0.0 };
                    let left = Random::stream(self.seed, u64::from(customer), REPEATS).poisson(mean);
                    drawn += u64::from(left);
                    Plan { next, end, left: left | FIRST }
                })
                .collect();
            if drawn >= repeats || exposure <= 0.0 {
                return (plans, drawn);
            }
            wanted *= 2.0;
        }
    }

    /// Calls `take` with every row, in order of time and then of customer. Stops at its first error.
    pub(crate) fn each(&self, mut take: impl FnMut(Row) -> Result<()>) -> Result<()> {
        self.check().map_err(ParquetError::General)?;
        let firsts = u64::from(self.customers);
        let orders = ((self.rows as f64 / self.lines) as u64).clamp(firsts, self.rows);
        let (mut plans, mut repeats_drawn) = self.plan(orders - firsts);
        let mut repeats_wanted = (orders - firsts).min(repeats_drawn);
        let mut orders_left = firsts + repeats_wanted;
        let mut lines_left = self.rows;
        // Of the rows that may be refunds, as many more as first orders may not.
        let refund = (self.refunds * orders as f64 / (orders - firsts).max(1) as f64).min(1.0);

        // Customers by the day of their next order: one list a day, linked through the customers.
        let mut heads = vec![NOBODY; self.days as usize];
        let mut links = vec![NOBODY; plans.len()];
        for (customer, plan) in plans.iter().enumerate() {
            let head = &mut heads[(plan.next / DAY) as usize];
            links[customer] = std::mem::replace(head, customer as u32);
        }

        let mut random = Random::stream(self.seed, u64::MAX, NEXT);
        let mut today: Vec<(u32, u32, bool)> = vec![];
        let mut order = 0;
        for day in 0..self.days {
            today.clear();
            let mut customer = std::mem::replace(&mut heads[day as usize], NOBODY);
            while customer != NOBODY {
                let following = links[customer as usize];
                let plan = &mut plans[customer as usize];
                loop {
                    today.push((plan.next, customer, plan.left & FIRST != 0));
                    plan.left &= !FIRST;
                    if plan.left == 0 {
                        break;
                    }
                    // The least of `left` uniform times in what remains of the life.
                    let mut own = Random::stream(self.seed, u64::from(customer), NEXT + u64::from(plan.left));
                    let share = 1.0 - libm::pow(1.0 - own.unit(), 1.0 / f64::from(plan.left));
                    plan.next += (f64::from(plan.end - plan.next) * share) as u32;
                    plan.left -= 1;
                    if plan.next / DAY > day {
                        let head = &mut heads[(plan.next / DAY) as usize];
                        links[customer as usize] = std::mem::replace(head, customer);
                        break;
                    }
                }
                customer = following;
            }
            today.sort_unstable();
            let midnight = (i64::from(self.first_day) + i64::from(day)) * i64::from(DAY);
            let days = u64::from(self.days);
            let mut bot = 0..self.bot * (u64::from(day) + 1) / days - self.bot * u64::from(day) / days;
            let bots = bot.end.max(1);
            let mut by_bot = |until: u32, order: &mut u64, take: &mut dyn FnMut(Row) -> Result<()>| -> Result<()> {
                while bot.start < bot.end && bot.start * u64::from(DAY) / bots < u64::from(until) {
                    *order += 1;
                    let at = midnight + (bot.start * u64::from(DAY) / bots) as i64;
                    take(Row { customer: self.customers, order: *order, at, cents: 100 + (*order % 900) as i64 })?;
                    bot.start += 1;
                }
                Ok(())
            };
            for &(second, customer, first) in &today {
                by_bot(second % DAY, &mut order, &mut take)?;
                if !first {
                    // Selection sampling: of those still to come, as many as are still wanted, each as likely.
                    let keep = random.below(repeats_drawn) < repeats_wanted;
                    repeats_drawn -= 1;
                    if !keep {
                        continue;
                    }
                    repeats_wanted -= 1;
                }
                order += 1;
                let lines = self.lines_of(&mut random, lines_left, orders_left);
                let value = customer_value(self.seed, customer);
                for _ in 0..lines {
                    let cents = (value * libm::exp(0.6 * random.normal())).clamp(5.0, 900_000.0) as i64;
                    let cents = if !first && random.chance(refund) { -cents } else { cents };
                    take(Row { customer, order, at: midnight + i64::from(second % DAY), cents })?;
                }
                lines_left -= lines;
                orders_left -= 1;
            }
            by_bot(DAY, &mut order, &mut take)?;
        }
        Ok(())
    }

    /// Rows of the next order: one, and a geometric number of those that are over; the last order takes the rest.
    fn lines_of(&self, random: &mut Random, lines_left: u64, orders_left: u64) -> u64 {
        let over = lines_left - orders_left;
        if over == 0 || orders_left == 1 {
            return 1 + over;
        }
        let mean = over as f64 / orders_left as f64;
        let extra = random.exponential() / libm::log((1.0 + mean) / mean);
        1 + (extra as u64).min(over)
    }

    /// Writes the files `part-000.parquet` … into an existing or new folder and returns their paths.
    ///
    /// Columns: customer_id (string or BIGINT), occurred_at (TIMESTAMP in UTC), order_id (BIGINT), amount
    /// (DECIMAL(9,2)), country (string, NULL now and then).
    pub(crate) fn write(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        self.check().map_err(ParquetError::General)?;
        fs::create_dir_all(folder)?;
        let paths: Vec<PathBuf> = (0..self.files).map(|n| folder.join(format!("part-{n:03}.parquet"))).collect();
        let mut rows = Vec::with_capacity(BATCH);
        let schema = self.batch(&rows)?.schema();
        let mut next = paths.iter().map(|path| export::writer(path, Arc::clone(&schema), 3));
        let mut current = next.next().expect("there is at least one file")?;
        let mut file = 0;
        self.each(|row| {
            let day = (row.at / i64::from(DAY) - i64::from(self.first_day)) as u64;
            let file_of_row = day * u64::from(self.files) / u64::from(self.days);
            while file < file_of_row {
                current.write(&self.batch(&rows)?)?;
                rows.clear();
                let opened = next.next().expect("days are spread over as many files as there are")?;
                std::mem::replace(&mut current, opened).close()?;
                file += 1;
            }
            rows.push(row);
            if rows.len() == BATCH {
                current.write(&self.batch(&rows)?)?;
                rows.clear();
            }
            Ok(())
        })?;
        current.write(&self.batch(&rows)?)?;
        current.close()?;
        for writer in next {
            writer?.close()?; // days on which nothing happened
        }
        Ok(paths)
    }

    fn batch(&self, rows: &[Row]) -> Result<arrow::array::RecordBatch> {
        let ids: ArrayRef = if self.ids == Ids::Integer {
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| i64::from(r.customer) + 1)))
        } else {
            let mut builder = StringBuilder::with_capacity(rows.len(), rows.len() * 36);
            let mut id = String::new();
            for row in rows {
                id.clear();
                self.id(row.customer, &mut id);
                builder.append_value(&id);
            }
            Arc::new(builder.finish())
        };
        let instants = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|r| r.at * 1_000_000));
        export::batch(vec![
            ("customer_id", ids),
            ("occurred_at", Arc::new(instants.with_timezone("UTC"))),
            ("order_id", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.order as i64)))),
            ("amount", export::money(rows.iter().map(|r| Some(r.cents)))?),
            ("country", Arc::new(rows.iter().map(|r| self.country(r.customer)).collect::<StringArray>())),
        ])
    }
}

/// Rows to a batch.
const BATCH: usize = 65_536;

/// What a customer's line is worth at the median, in cents.
fn customer_value(seed: u64, customer: u32) -> f64 {
    2_000.0 * libm::exp(0.5 * Random::stream(seed, u64::from(customer), VALUE).normal())
}
