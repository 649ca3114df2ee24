//! DEFINITIONS §8: the value of a customer, over time.

use std::collections::BTreeSet;

use super::{Book, Moment, Person, Range, Slice, all};
use crate::days::Day;
use crate::scenario::{At, Attribute, Segment};

impl<'a> Book<'a> {
    /// The value of a customer at a boundary, `(none)` if there is none.
    pub fn value_before(&self, person: &Person, attribute: Attribute, boundary: Day) -> String {
        let value = match attribute {
            Attribute::Region => person.region,
            Attribute::Shade => {
                let rows = person.transactions.iter().filter(|t| t.day < boundary);
                rows.max_by_key(|t| (t.day, t.second)).and_then(|t| t.shade)
            }
            Attribute::Plan => {
                let rows = person.subscriptions.iter().filter(|s| s.started < boundary);
                rows.max_by_key(|s| s.started).and_then(|s| s.plan)
            }
        };
        value.unwrap_or("(none)").to_string()
    }

    /// The value that stays with a customer: of the first row, or of the latest.
    pub fn fixed_value(&self, person: &Person, segment: &Segment) -> String {
        if segment.at == At::Latest {
            return self.value_before(person, segment.attribute, self.as_of);
        }
        let value = match segment.attribute {
            Attribute::Region => person.region,
            Attribute::Shade => person.transactions.iter().min_by_key(|t| (t.day, t.second)).and_then(|t| t.shade),
            Attribute::Plan => person.subscriptions.iter().min_by_key(|s| s.started).and_then(|s| s.plan),
        };
        value.unwrap_or("(none)").to_string()
    }

    /// The value in a period and the value at its closing: they differ for those who move.
    pub fn values_in(&self, person: &Person, segment: Option<&Segment>, m: &Moment, range: Range) -> (Slice, Slice) {
        let Some(segment) = segment else { return (all(), all()) };
        let slice = |value| Slice { segment: segment.name, value };
        if segment.at != At::Opening {
            let value = self.fixed_value(person, segment);
            return (slice(value.clone()), slice(value));
        }
        let at_closing = self.value_before(person, segment.attribute, self.closing(range));
        let in_period =
            if m.opening { self.value_before(person, segment.attribute, range.0) } else { at_closing.clone() };
        (slice(in_period), slice(at_closing))
    }

    /// `None` (for all customers) and each segment.
    pub fn dimensions(&self) -> Vec<Option<&'a Segment>> {
        std::iter::once(None).chain(self.scenario.segments.iter().map(Some)).collect()
    }

    /// Every value a segment can take.
    pub fn slices(&self, segment: Option<&Segment>) -> BTreeSet<Slice> {
        let Some(segment) = segment else { return BTreeSet::from([all()]) };
        let mut values = BTreeSet::new();
        for person in self.people.values() {
            let mut boundaries = vec![self.as_of];
            boundaries.extend(person.transactions.iter().map(|t| t.day));
            boundaries.extend(person.subscriptions.iter().map(|s| s.started));
            for boundary in boundaries {
                values.insert(self.value_before(person, segment.attribute, boundary));
                values.insert(self.value_before(person, segment.attribute, boundary + 1));
            }
            values.insert(self.fixed_value(person, segment));
        }
        values.into_iter().map(|value| Slice { segment: segment.name, value }).collect()
    }
}
