//! However rows are cut up, spread and brought together again, the tables are the same.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::cases;
use super::conduct::{Conduct, Outcome, PLAIN, run, same};
use super::world::worlds;
use crate::publish::{TableFormat, TableWriter};

/// The hash of every table's file.
fn published(outcome: &Outcome) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let format = TableFormat { digits: outcome.digits, integer_ids: outcome.integer_ids };
    let write = |(name, table): (&String, &crate::table::Table)| {
        let file = format!("{name}.parquet");
        let mut writer = TableWriter::create(folder.path(), &file, table.schema.clone(), format, None).unwrap();
        if outcome.per_customer.contains(name) {
            writer.write(table).unwrap();
        } else {
            writer.write_sorted(table).unwrap();
        }
        (name.clone(), writer.finish().unwrap().sha256)
    };
    outcome.tables.iter().map(write).collect()
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn no_way_of_conducting_a_run_changes_a_table(world in worlds(), limit in 0..20_000usize, order in 1..1000u64) {
        let plain = run(&world, PLAIN);
        for conduct in [
            Conduct { batch: 1, threads: 5, ..PLAIN },
            Conduct { batch: 7, threads: 2, order, ..PLAIN },
            Conduct { order: order + 1, limit: Some(limit), ..PLAIN },
            Conduct { order, batch: 3, limit: Some(0), threads: 2, ..PLAIN },
        ] {
            let other = run(&world, conduct);
            prop_assert!(same(&plain, &other).is_ok(), "{conduct:?}: {}", same(&plain, &other).unwrap_err());
        }
    }

    #[test]
    fn a_hash_of_eight_bits_changes_no_table(world in worlds(), order in 0..1000u64) {
        let (plain, narrow) = (run(&world, PLAIN), run(&world, Conduct { bits: 8, order, threads: 2, ..PLAIN }));
        prop_assert!(same(&plain, &narrow).is_ok(), "{}", same(&plain, &narrow).unwrap_err());
    }
}

proptest! {
    #![proptest_config(cases(3))]

    #[test]
    fn no_way_of_conducting_a_run_changes_a_byte(world in worlds(), order in 1..1000u64) {
        let plain = published(&run(&world, PLAIN));
        let other = published(&run(&world, Conduct { batch: 7, threads: 5, order, limit: Some(0), ..PLAIN }));
        prop_assert_eq!(plain, other);
    }
}
