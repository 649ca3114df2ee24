//! What exports of purchases promise.

use std::collections::{BTreeMap, BTreeSet};

use crate::purchases::{Ids, Purchases, Row};

fn small() -> Purchases {
    Purchases { rows: 60_000, customers: 7_000, days: 730, files: 5, ..Purchases::default() }
}

fn rows(of: &Purchases) -> Vec<Row> {
    let mut rows = vec![];
    of.each(|row| {
        rows.push(row);
        Ok(())
    })
    .unwrap();
    rows
}

#[test]
fn counts_are_exact_and_rows_in_order_of_time() {
    let wanted = small();
    let rows = rows(&wanted);
    assert_eq!(rows.len() as u64, wanted.rows);
    assert_eq!(rows.iter().map(|r| r.customer).collect::<BTreeSet<_>>().len(), 7_000);
    assert!(rows.is_sorted_by_key(|r| (r.at, r.order)));
    let (first, last) = (rows[0].at / 86_400, rows[rows.len() - 1].at / 86_400);
    assert!(first >= 18_262 && last < 18_262 + 730 && last - first > 700);
    let orders = rows[rows.len() - 1].order;
    assert!((orders as f64 / (60_000.0 / 1.6) - 1.0).abs() < 0.01, "{orders} orders");
    // An order is of one customer at one time.
    let mut of_order = BTreeMap::new();
    for row in &rows {
        assert_eq!(*of_order.entry(row.order).or_insert((row.customer, row.at)), (row.customer, row.at));
    }
}

#[test]
fn two_in_a_hundred_rows_are_refunds_and_no_first_order() {
    let rows = rows(&small());
    let refunds = rows.iter().filter(|r| r.cents < 0).count() as f64 / rows.len() as f64;
    assert!((refunds - 0.02).abs() < 0.003, "{refunds}");
    assert!(rows.iter().all(|r| r.cents != 0));
    let mut seen = BTreeMap::new();
    for row in &rows {
        let first = *seen.entry(row.customer).or_insert(row.order);
        assert!(row.cents > 0 || row.order != first);
    }
}

#[test]
fn customers_differ_and_drop_out() {
    let rows = rows(&small());
    let mut orders: BTreeMap<u32, BTreeSet<u64>> = BTreeMap::new();
    let mut last: BTreeMap<u32, i64> = BTreeMap::new();
    for row in &rows {
        orders.entry(row.customer).or_default().insert(row.order);
        last.insert(row.customer, row.at);
    }
    let counts: Vec<f64> = orders.values().map(|o| o.len() as f64).collect();
    let mean = counts.iter().sum::<f64>() / counts.len() as f64;
    let variance = counts.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / counts.len() as f64;
    assert!(variance > 4.0 * mean, "Poisson would have {mean}, found {variance}");
    let once = counts.iter().filter(|c| **c == 1.0).count() as f64 / counts.len() as f64;
    assert!((0.3..0.7).contains(&once), "{once} bought once");
    let middle = (18_262 + 365) * 86_400;
    let silent = last.values().filter(|at| **at < middle).count() as f64 / last.len() as f64;
    assert!((0.15..0.6).contains(&silent), "{silent} not seen in the second half");
}

#[test]
fn the_same_bytes_twice_and_others_for_another_seed() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = |name: &str, of: &Purchases| -> Vec<Vec<u8>> {
        let paths = of.write(&folder.path().join(name)).unwrap();
        paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
    };
    for ids in [Ids::Integer, Ids::Hex, Ids::Uuid] {
        let wanted = Purchases { ids, ..small() };
        let first = bytes("first", &wanted);
        assert_eq!(first.len(), 5);
        assert!(first == bytes("second", &wanted));
        assert!(first != bytes("third", &Purchases { seed: 2, ..wanted }));
    }
}

/// The rows of a seed never change unnoticed. If they must, raise `GENERATION` in benches/fixture.
#[test]
fn a_seed_means_these_rows() {
    let mut sum = xxhash_rust::xxh3::Xxh3::new();
    for row in rows(&small()) {
        sum.update(format!("{row:?}").as_bytes());
    }
    assert_eq!(format!("{:016x}", sum.digest()), "0d6c01363d4b2433");
}

#[test]
fn files_hold_every_row_once() {
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    let folder = tempfile::tempdir().unwrap();
    let wanted = small();
    let mut read = 0;
    for path in wanted.write(folder.path()).unwrap() {
        let file = std::fs::File::open(path).unwrap();
        for batch in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
            read += batch.unwrap().num_rows() as u64;
        }
    }
    assert_eq!(read, wanted.rows);
}

#[test]
fn ids_are_distinct_and_of_their_form() {
    let wanted = Purchases { ids: Ids::Uuid, ..small() };
    let ids: BTreeSet<String> = (0..7_000)
        .map(|c| {
            let mut id = String::new();
            wanted.id(c, &mut id);
            id
        })
        .collect();
    assert_eq!(ids.len(), 7_000);
    assert!(ids.iter().all(|id| id.len() == 36 && id.as_bytes()[14] == b'4' && b"89ab".contains(&id.as_bytes()[19])));
}

#[test]
fn what_cannot_be_had_is_refused() {
    for wanted in [
        Purchases { rows: 10, customers: 11, ..small() },
        Purchases { customers: 0, ..small() },
        Purchases { days: 0, ..small() },
        Purchases { days: 60_000, ..small() },
        Purchases { files: 731, ..small() },
        Purchases { lines: 0.5, ..small() },
        Purchases { refunds: f64::NAN, ..small() },
    ] {
        assert!(wanted.each(|_| Ok(())).is_err(), "{wanted:?}");
    }
}

/// Every edge of the counts: no repeat orders, one line each, one customer, one day.
#[test]
fn small_exports_are_exact_too() {
    for (count, customers, days, lines) in [(1, 1, 1, 1.0), (5, 5, 3, 1.6), (500, 1, 30, 1.0), (99, 98, 1, 9.0)] {
        let wanted = Purchases { rows: count, customers, days, lines, files: 1, ..Purchases::default() };
        assert_eq!(rows(&wanted).len() as u64, count, "{wanted:?}");
    }
}

#[test]
fn a_bot_buys_all_day_long_and_changes_nobody_else() {
    let wanted = Purchases { bot: 10_000, ..small() };
    let (all, others) = (rows(&wanted), rows(&small()));
    assert!(all.is_sorted_by_key(|r| (r.at, r.order)));
    let (bot, rest): (Vec<Row>, Vec<Row>) = all.iter().partition(|r| r.customer == wanted.customers);
    assert_eq!(bot.len(), 10_000);
    assert_eq!(bot.iter().map(|r| r.at / 86_400).collect::<BTreeSet<_>>().len(), 730);
    let said = |rows: &[Row]| rows.iter().map(|r| (r.customer, r.at, r.cents)).collect::<Vec<_>>();
    assert_eq!(said(&rest), said(&others));
}
