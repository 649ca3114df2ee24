//! However rows are cut up, spread and brought together again, the tables are the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;

use super::cases;
use super::conduct::{Conduct, Outcome, PLAIN, gather, outcome, run, same};
use super::exports::deliver;
use super::pipeline;
use super::world::{World, id, worlds};
use crate::job;
use crate::publish::{Format, TableWriter};
use crate::timeline::identity::{Identity, SEEDS};
use crate::timeline::scatter::Scatter;
use crate::timeline::store::{BucketStore, MemoryStore};

/// The hash of every table's file.
fn published(outcome: &Outcome) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let format = Format { digits: outcome.digits, integer_ids: outcome.integer_ids };
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
    fn no_way_of_conducting_a_run_changes_a_table(world in worlds(), seed in 1..1000u64, order in 1..1000u64) {
        let plain = run(&world, PLAIN);
        for conduct in [
            Conduct { seed, ..PLAIN },
            Conduct { batch: 1, threads: 5, ..PLAIN },
            Conduct { batch: 7, threads: 2, order, ..PLAIN },
            Conduct { order: order + 1, seed: seed + 1, ..PLAIN },
            Conduct { order, batch: 3, spill: true, threads: 2, ..PLAIN },
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
        let other = published(&run(&world, Conduct { seed: 7, batch: 7, threads: 5, order, spill: true, ..PLAIN }));
        prop_assert_eq!(plain, other);
    }

    #[test]
    fn customers_who_share_a_key_start_the_scan_again(world in worlds(), plain_seed in 1..1000u64) {
        let world = World { integer_ids: false, ..world };
        let customers = world.customers();
        prop_assume!(customers.len() > 2);
        // One bit cannot tell three customers apart; eight may or may not, so further seeds are tried until they do.
        let narrow = |seed| Identity { seed, bits: if seed == 0 { 1 } else { 8 } };
        let apart = |seed: &u64| {
            let keys: BTreeSet<_> = customers.iter().map(|c| narrow(*seed).text(&id(*c).1)).collect();
            keys.len() == customers.len()
        };
        let expected = (0..SEEDS).find(apart).unwrap();
        prop_assert!(expected > 0);

        let pipeline = pipeline::of(&world);
        let blueprint = job::blueprint(&pipeline, None).unwrap();
        let tried = AtomicU64::new(0);
        let count = |seed| {
            tried.store(seed, Ordering::Relaxed);
            narrow(seed)
        };
        let store = || -> Box<dyn BucketStore> { Box::new(MemoryStore::default()) };
        let deliver = |scatter: &Scatter<'_>| deliver(&world, &pipeline, (0, 7), true, scatter);
        let gathered = job::bring_together(&pipeline, &count, &store, &deliver).unwrap();
        prop_assert_eq!(tried.into_inner(), expected);
        prop_assert_eq!(gathered.customers, customers.len() as u64);
        let plain = gather(&world, &pipeline, Conduct { seed: plain_seed, ..PLAIN }, true);
        let (again, plain) = (outcome(&blueprint, &gathered), outcome(&blueprint, &plain));
        prop_assert!(same(&plain, &again).is_ok(), "{}", same(&plain, &again).unwrap_err());
    }

    /// Whole numbers are their own keys, in another order: no seed and no width matters to them.
    #[test]
    fn whole_numbers_never_share_a_key(world in worlds()) {
        let world = World { integer_ids: true, ..world };
        let pipeline = pipeline::of(&world);
        let refused = |seed: u64| {
            assert_eq!(seed, 0, "a scan of whole numbers starts again");
            Identity { seed, bits: 1 }
        };
        let store = || -> Box<dyn BucketStore> { Box::new(MemoryStore::default()) };
        let deliver = |scatter: &Scatter<'_>| deliver(&world, &pipeline, (0, 7), true, scatter);
        let gathered = job::bring_together(&pipeline, &refused, &store, &deliver).unwrap();
        prop_assert_eq!(gathered.customers, world.customers().len() as u64);
    }
}
