//! Tallies of parts are as good as the tally of the whole: merged in any order, sent anywhere, within their bounds.

use std::sync::Arc;

use proptest::prelude::*;

use super::cases;
use super::conduct::{Conduct, PLAIN, gather, on};
use super::pipeline;
use super::world::{World, worlds};
use crate::engine::estimate::estimate;
use crate::engine::local::{FoldPart, outputs_of, tallies_of};
use crate::job;
use crate::source::Needs;
use crate::timeline::identity::BUCKETS;
use crate::timeline::segments::{SegmentColumn, SegmentDictionary};
use crate::timeline::shape::Shape;

/// Every third bucket.
fn third(n: usize) -> Vec<usize> {
    (0..BUCKETS).filter(|bucket| bucket % 3 == n).collect()
}

/// The shape as it is reckoned with before the scan: of every segment more values than its cap allows.
fn full(shape: &Shape) -> Arc<Shape> {
    let segments = shape.dictionary.segments.iter().map(SegmentColumn::fullest_column).collect();
    let mut shape = shape.clone();
    shape.dictionary = Arc::new(SegmentDictionary { segments });
    Arc::new(shape)
}

fn holds(world: &World) -> Result<(), TestCaseError> {
    let pipeline = pipeline::of(world);
    let run_plan = job::run_plan(&pipeline, None).unwrap();
    let plan = &run_plan.plan;
    let loaded = gather(world, &pipeline, Conduct { batch: 5, ..PLAIN }, Needs::ALL);
    let store = &loaded.store;
    let known = outputs_of(plan, loaded.shape.clone(), store);
    let mut reckoned = estimate(plan, full(&loaded.shape), None).unwrap().into_iter();
    for round in 0..plan.rounds() {
        let parts = [0, 1, 2].map(|n| tallies_of(plan, &known, store, &third(n), round));
        let whole = tallies_of(plan, &known, store, &(0..BUCKETS).collect::<Vec<_>>(), round);
        for (i, FoldPart { what, fold, tally }) in whole.iter().enumerate() {
            let bytes = fold.encode(&**tally).unwrap();
            let [a, b, c] = [0, 1, 2].map(|n| fold.encode(&*parts[n][i].tally).unwrap());
            let empty = fold.encode(&*fold.start()).unwrap();
            let merged = |left: &[u8], right: &[u8]| {
                let mut into = fold.decode(left).unwrap();
                fold.merge(&mut *into, fold.decode(right).unwrap());
                fold.encode(&*into).unwrap()
            };
            prop_assert_eq!(
                &fold.encode(&*fold.decode(&bytes).unwrap()).unwrap(),
                &bytes,
                "{} does not survive encoding",
                what
            );
            for (order, found) in [
                ("(a b) c", merged(&merged(&a, &b), &c)),
                ("a (b c)", merged(&a, &merged(&b, &c))),
                ("c (b a)", merged(&c, &merged(&b, &a))),
                ("(0 whole)", merged(&empty, &bytes)),
                ("(whole 0)", merged(&bytes, &empty)),
            ] {
                prop_assert!(found == bytes, "{} merged {} is not the whole", what, order);
            }
            let before = reckoned.next().unwrap();
            prop_assert_eq!((before.round, before.spec.kind), (round, what.split(':').next().unwrap()));
            let (size, cells) = (fold.size(&**tally), fold.cells(&known.shape));
            prop_assert!(size <= cells, "{} holds {} cells, more than the {} it said", what, size, cells);
            // The values from which the caps are learned are not known before the scan.
            let of_values = before.spec.kind == "segment values";
            prop_assert!(of_values || cells <= before.cells, "{what}: {cells} cells, {} reckoned", before.cells);
            // And few customers have few.
            let of_customers = store.customers() * fold.cells_of_one(&known.shape);
            prop_assert!(size <= of_customers, "{} holds {} cells, its customers have {}", what, size, of_customers);
            for part in &parts {
                prop_assert!(fold.size(&*part[i].tally) <= cells, "a part of {} is beyond its bound", what);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn tallies_merge_travel_and_keep_their_bounds(world in worlds()) {
        on(1, || holds(&world))?;
    }
}
