//! The decoder of tallies, which may come from files and from other machines.
//!
//! The first byte chooses the tally's type; the rest is its body, to which the right header is put. Whatever the body, the
//! decoder gives a tally or an error. A tally that it gives is written and read again as the same bytes.

use tenure::engine::encoding::{decode, encode};
use tenure::engine::step_outputs::Artifact;
use tenure::tally;

pub fn run(bytes: &[u8]) {
    let Some((kind, body)) = bytes.split_first() else { return };
    // As it comes: the header is refused, not believed.
    assert!(decode::<Vec<i128>>(body).is_err() || body.starts_with(b"TNRE"));
    let framed = framed(body);
    match kind % 11 {
        0 => round_trip::<Vec<i128>>(&framed),
        1 => round_trip::<tally::holdout::HoldoutTally>(&framed),
        2 => round_trip::<tally::acquired::AcquiredTally>(&framed),
        3 => round_trip::<tally::data_quality_counts::DataQualityCounts>(&framed),
        4 => round_trip::<tally::cohorts::CohortTally>(&framed),
        5 => round_trip::<tally::risk::RiskTally>(&framed),
        6 => round_trip::<tally::period_series::PeriodSeries>(&framed),
        7 => round_trip::<tally::ranking::Distribution>(&framed),
        8 => round_trip::<tally::exits::ExitsTally>(&framed),
        9 => round_trip::<tally::labels::LabelIndex>(&framed),
        _ => round_trip::<tenure::timeline::purchase_frequency::FrequencyClasses>(&framed),
    }
}

/// The body behind a header that fits it.
fn framed(body: &[u8]) -> Vec<u8> {
    let mut bytes = b"TNRE".to_vec();
    bytes.extend_from_slice(&1u16.to_le_bytes());
    bytes.extend_from_slice(&xxhash_rust::xxh3::xxh3_64(body).to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

fn round_trip<T: Artifact>(bytes: &[u8]) {
    let Ok(tally) = decode::<T>(bytes) else { return };
    let Ok(written) = encode(&tally) else { return };
    let again = decode::<T>(&written).unwrap_or_else(|e| panic!("what was encoded does not decode: {}", e.what));
    assert!(encode(&again).is_ok_and(|bytes| bytes == written), "a tally changes on its way");
}
