//! The decoder of customers' records, which lie in memory and in temporary files.
//!
//! Bytes that are not the program's own may end in a panic, which the program answers with an error. They may not lead to
//! anything else: no endless loop, no memory beyond what the bytes can describe. What does decode is written and read again
//! as the same rows.

use tenure::timeline::record::{CustomerRows, DecodedRecord, Record};

use super::quiet::or_panics;

pub fn run(bytes: &[u8]) {
    let Some((id, mut rows)) = or_panics(|| read_all(bytes)) else { return };
    let size = rows.days.len() + rows.orders.len() + rows.subscriptions.len() + rows.values.len() + rows.usage.len();
    assert!(size + rows.answers.len() <= bytes.len(), "{} bytes became {size} rows and more", bytes.len());
    // Sums of money beyond what sources can hold are a panic, too.
    if or_panics(|| rows.combine()).is_none() {
        return;
    }
    let mut written = vec![];
    rows.write(&id, &mut written);
    let (again, mut read) = read_all(&written);
    assert_eq!(again, id);
    read.orders.sort_unstable();
    assert_eq!(read, rows, "what was written is not what was read");
    let mut decoded = DecodedRecord::default();
    or_panics(|| decoded.read(Record::first(&written).0));
}

/// The rows of all records; the id of the first.
fn read_all(bytes: &[u8]) -> (Vec<u8>, CustomerRows) {
    let (first, mut rest) = Record::first(bytes);
    let mut rows = CustomerRows::default();
    first.read(&mut rows);
    while !rest.is_empty() {
        let (record, later) = Record::first(rest);
        record.read(&mut rows);
        rest = later;
    }
    (first.id.to_vec(), rows)
}
