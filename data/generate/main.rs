//! Generates exports: the synthetic subscription company in `data/saas`, and purchases of any size.
//!
//! ```text
//! cargo run --release --example generate -- saas data/saas
//! cargo run --release --example generate -- purchases --rows 20000000 --customers 2200000 --out /tmp/purchases
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use parquet::errors::Result;
use tenure::calendar::Day;

mod export;
mod purchases;
mod random;
mod saas;
#[cfg(test)]
mod tests;

use purchases::{Ids, Purchases};

/// Generates synthetic exports, the same bytes every time.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The subscription company of pipelines/saas.toml.
    Saas {
        /// Folder to write to.
        folder: PathBuf,
        /// So many times the sign-ups of the company that ships.
        #[arg(long, default_value_t = 1)]
        times: u32,
    },
    /// Purchases in order of time, with refunds: as many as you like.
    Purchases {
        #[arg(long, default_value_t = 1_000_000)]
        rows: u64,
        #[arg(long, default_value_t = 110_000)]
        customers: u32,
        /// Length of the window in days.
        #[arg(long, default_value_t = 1_096)]
        days: u32,
        /// First day of the window.
        #[arg(long, default_value = "2020-01-01", value_parser = first_day)]
        first_day: Day,
        #[arg(long, default_value_t = 12)]
        files: u32,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[arg(long, value_enum, default_value_t = IdForm::Hex)]
        ids: IdForm,
        /// Mean rows an order.
        #[arg(long, default_value_t = 1.6)]
        lines: f64,
        /// Share of rows that are refunds.
        #[arg(long, default_value_t = 0.02)]
        refunds: f64,
        /// Rows of one customer more: a bot.
        #[arg(long, default_value_t = 0)]
        bot: u64,
        /// Folder to write to.
        #[arg(long)]
        out: PathBuf,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum IdForm {
    Integer,
    Hex,
    Uuid,
}

fn first_day(text: &str) -> std::result::Result<Day, String> {
    Day::parse(text).ok_or_else(|| format!("{text} is not a date such as 2020-01-01"))
}

fn main() -> ExitCode {
    match run(Arguments::parse().what) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Nothing useful was generated: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(what: What) -> Result<()> {
    match what {
        What::Saas { folder, times } => saas::write(&folder, times),
        What::Purchases { rows, customers, days, first_day, files, seed, ids, lines, refunds, bot, out } => {
            let ids = match ids {
                IdForm::Integer => Ids::Integer,
                IdForm::Hex => Ids::Hex,
                IdForm::Uuid => Ids::Uuid,
            };
            let first_day = first_day.0;
            Purchases { rows, customers, days, first_day, files, seed, ids, lines, refunds, bot }.write(&out)?;
            Ok(())
        }
    }
}
