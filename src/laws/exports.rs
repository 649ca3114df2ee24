//! A world as the scan delivers it: batches, in any order and of any size.

use std::sync::Arc;

use rayon::prelude::*;

use super::world::{Answer, Contract, Member, Purchase, Spent, Use, VALUES, World, id};
use crate::calendar::Day;
use crate::config::{Pipeline, SourceKind};
use crate::error::Result;
use crate::rows::{
    Batch, CancelKind, Cost, CustomerBatch, Ids, NO_VALUE, Sink, Subscription, SubscriptionBatch, SurveyBatch,
    TextBuffer, TransactionBatch, UsageBatch, ValueCode,
};
use crate::source::{IdKind, Needs, Scan, SourceReport};

/// Numbers a segment's values as it meets them, like the scan does.
#[derive(Default)]
struct Codes(Vec<Arc<str>>);

impl Codes {
    fn code(&mut self, value: Option<usize>) -> ValueCode {
        let Some(value) = value.map(|v| VALUES[v]) else { return NO_VALUE };
        let known = self.0.iter().position(|v| **v == *value);
        known.unwrap_or_else(|| {
            self.0.push(value.into());
            self.0.len() - 1
        }) as ValueCode
    }
}

/// A permutation of the rows, another for each number; 0 leaves them as they are.
fn in_order<T: Copy>(rows: &[T], order: u64) -> Vec<T> {
    let mut rows = rows.to_vec();
    let mut dice = order;
    if order > 0 {
        for i in (1..rows.len()).rev() {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            rows.swap(i, (dice >> 33) as usize % (i + 1));
        }
    }
    rows
}

fn ids(world: &World, customers: impl Iterator<Item = usize>) -> Ids {
    if world.integer_ids {
        return Ids::Integer(customers.map(|c| id(c).0).collect());
    }
    let mut texts = TextBuffer::default();
    customers.for_each(|c| texts.push(&id(c).1));
    Ids::Text(texts)
}

fn instant(day: Day, second: i64) -> i64 {
    (i64::from(day.0) * 86_400 + second) * 1_000_000
}

fn canonical(member: &Member, sign_ups: bool) -> Box<[u8]> {
    let mut bytes = vec![];
    let day = member.signed_up.filter(|_| sign_ups).map(|d| (d.0 as u32 ^ 0x8000_0000).to_be_bytes().to_vec());
    let text = |value: Option<usize>| value.map(|v| VALUES[v].as_bytes().to_vec());
    for field in [day, text(member.channel), member.referred.then(Vec::new), text(member.town)] {
        bytes.push(field.is_some().into());
        bytes.extend(field.unwrap_or_default());
    }
    bytes.into()
}

/// Hands a world's rows to `sink`, from as many threads as the pool has, and says what a scan would say of them.
///
/// `needs`: what is read beyond what every run reads, as it is where some fold asks.
pub(super) fn deliver(
    world: &World,
    pipeline: &Pipeline,
    (order, size): (u64, usize),
    needs: Needs,
    sink: &dyn Sink,
) -> Result<Scan> {
    let mut dictionaries: Vec<Codes> = pipeline.segments.iter().map(|_| Codes::default()).collect();
    let (mut channels, mut reasons) = (Codes::default(), Codes::default());
    let mut codes = |source: SourceKind, values: Vec<Option<usize>>| -> Vec<(usize, Vec<ValueCode>)> {
        let mine = pipeline.segments.iter().enumerate().filter(|(_, s)| s.column_of(source).is_some());
        mine.map(|(i, _)| (i, values.iter().map(|v| dictionaries[i].code(*v)).collect())).collect()
    };
    let mut reports = std::collections::BTreeMap::new();
    let mut batches = vec![];

    let members = in_order(&world.members, order);
    for rows in members.chunks(size) {
        batches.push(Batch::Customers(CustomerBatch {
            ids: ids(world, rows.iter().map(|m| m.customer)),
            signed_up: rows.iter().map(|m| m.signed_up.filter(|_| world.sign_ups).unwrap_or(Day::NEVER)).collect(),
            channels: rows.iter().map(|m| channels.code(m.channel.filter(|_| needs.channels))).collect(),
            referred: rows.iter().map(|m| m.referred && needs.channels).collect(),
            segments: codes(SourceKind::Customers, rows.iter().map(|m| m.town).collect()),
            canonical: rows.iter().map(|m| canonical(m, world.sign_ups)).collect(),
        }));
    }
    reports.insert(SourceKind::Customers, report(members.len(), &[], &[]));

    if world.buys() {
        let rows: Vec<Purchase> = world.purchases.iter().copied().filter(|p| world.keeps(p.day)).collect();
        let rows = in_order(&rows, order);
        let days: Vec<Day> = rows.iter().map(|p| p.day).collect();
        reports.insert(SourceKind::Transactions, report(rows.len(), &days, &days));
        for rows in rows.chunks(size) {
            let packed = |p: &Purchase| p.order.map_or(0, |o| u128::from(o) + 1);
            batches.push(Batch::Transactions(TransactionBatch {
                ids: ids(world, rows.iter().map(|p| p.customer)),
                days: rows.iter().map(|p| p.day).collect(),
                instants: rows.iter().map(|p| instant(p.day, p.second)).collect(),
                amounts: rows.iter().map(|p| p.cents).collect(),
                active: rows.iter().map(|p| p.cents > 0).collect(),
                orders: (world.order_ids && needs.orders).then(|| rows.iter().map(packed).collect()),
                segments: codes(SourceKind::Transactions, rows.iter().map(|p| p.shop).collect()),
            }));
        }
    }

    if world.subscribes() {
        let rows: Vec<Contract> = world.contracts.iter().copied().filter(|c| world.keeps(c.term.started)).collect();
        let rows = in_order(&rows, order);
        let starts: Vec<Day> = rows.iter().map(|c| c.term.started).collect();
        let known = rows.iter().flat_map(|c| [c.term.started, c.term.cancelled]).filter(|d| *d != Day::NEVER);
        let known: Vec<Day> = known.collect();
        reports.insert(SourceKind::Subscriptions, report(rows.len(), &starts, &known));
        for rows in rows.chunks(size) {
            batches.push(Batch::Subscriptions(SubscriptionBatch {
                ids: ids(world, rows.iter().map(|c| c.customer)),
                terms: rows.iter().map(|c| term(c, needs, &mut reasons)).collect(),
                instants: rows.iter().map(|c| instant(c.term.started, 0)).collect(),
                segments: codes(SourceKind::Subscriptions, rows.iter().map(|c| c.plan).collect()),
            }));
        }
    }

    let rows: Vec<Use> = world.uses.iter().copied().filter(|u| world.keeps(u.day)).collect();
    let rows = in_order(&rows, order);
    let days: Vec<Day> = rows.iter().map(|u| u.day).collect();
    reports.insert(SourceKind::Usage, report(rows.len(), &days, &[]));
    for rows in rows.chunks(size) {
        batches.push(Batch::Usage(UsageBatch {
            ids: ids(world, rows.iter().map(|u| u.customer)),
            days: rows.iter().map(|u| u.day).collect(),
            instants: rows.iter().map(|u| instant(u.day, 0)).collect(),
            quantities: rows.iter().map(|u| if needs.usage { u.quantity } else { 1000 }).collect(),
            segments: codes(SourceKind::Usage, rows.iter().map(|u| u.feature).collect()),
        }));
    }

    let rows: Vec<Answer> = world.answers.iter().copied().filter(|a| needs.surveys && world.keeps(a.day)).collect();
    let rows = in_order(&rows, order);
    let days: Vec<Day> = rows.iter().map(|a| a.day).collect();
    reports.insert(SourceKind::Surveys, report(rows.len(), &days, &[]));
    for rows in rows.chunks(size) {
        batches.push(Batch::Surveys(SurveyBatch {
            ids: ids(world, rows.iter().map(|a| a.customer)),
            days: rows.iter().map(|a| a.day).collect(),
            instants: rows.iter().map(|a| instant(a.day, a.second)).collect(),
            kinds: rows.iter().map(|a| a.kind).collect(),
            scores: rows.iter().map(|a| a.score).collect(),
            reasons: rows.iter().map(|a| reasons.code(a.reason.filter(|_| needs.reasons))).collect(),
            segments: codes(SourceKind::Surveys, rows.iter().map(|_| None).collect()),
        }));
    }

    batches.into_par_iter().with_max_len(1).try_for_each(|batch| sink.accept(batch))?;
    let cost = |spent: &Spent| Cost {
        period_start: spent.day,
        amount: spent.amount,
        rows: 1,
        channel: channels.code(spent.channel.filter(|_| needs.channels)),
    };
    let mut costs: Vec<Cost> = in_order(&world.costs, order).iter().map(cost).collect();
    costs.sort();
    Ok(Scan {
        reports,
        files: vec![],
        rejected: Default::default(),
        dictionaries: dictionaries.into_iter().map(|codes| codes.0).collect(),
        channels: channels.0,
        reasons: reasons.0,
        costs,
        rates: Arc::new(world.rates()),
        ids: if world.integer_ids { IdKind::Integer } else { IdKind::Text },
        columns: Default::default(),
    })
}

/// A subscription as far as it is read.
fn term(contract: &Contract, needs: Needs, reasons: &mut Codes) -> Subscription {
    let kind = if needs.reasons { contract.term.kind } else { CancelKind::Unknown };
    Subscription { kind, reason: reasons.code(contract.reason.filter(|_| needs.reasons)), ..contract.term }
}

fn report(rows: usize, days: &[Day], known: &[Day]) -> SourceReport {
    SourceReport {
        read: true,
        rows: rows as u64,
        first: days.iter().min().copied(),
        last: days.iter().max().copied(),
        newest_known: known.iter().max().copied(),
        ..SourceReport::default()
    }
}
