//! Remedies that messages name, applied as they are printed: provoke the error, do what the message says, see it pass.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};

use crate::days::{day, show};
use crate::export;
use crate::support::{Outcome, Workspace};

const ROWS: i64 = 90;

/// A shop with an export of 90 purchases, one of whose columns is replaced.
struct Shop {
    here: Workspace,
    pipeline: String,
}

impl Shop {
    fn new() -> Shop {
        Shop::with(None)
    }

    fn with(replaced: Option<(&'static str, ArrayRef)>) -> Shop {
        let whole = |f: fn(i64) -> i64| Arc::new((0..ROWS).map(f).collect::<Int64Array>()) as ArrayRef;
        let mut columns: Vec<(&str, ArrayRef)> =
            vec![("who", whole(|n| n % 30)), ("at", dates(show)), ("paid", whole(|n| 10 + n))];
        if let Some((name, column)) = replaced {
            columns.iter_mut().filter(|(other, _)| *other == name).for_each(|(_, old)| *old = column.clone());
        }
        let here = Workspace::new();
        export::write(&here.join("exports/tx.parquet"), columns, 30);
        let pipeline = r#"name = "shop"
[calendar]
as_of = 2020-04-01
[money]
currency = "EUR"
[customers]
churn_after = "30 days"
[sources.transactions]
path = "exports/tx.parquet"
columns = { customer_id = "who", occurred_at = "at", amount = "paid" }
[stages.churn]
[output]
dir = "out"
"#;
        let shop = Shop { here, pipeline: String::new() };
        shop.saying(pipeline)
    }

    fn saying(self, pipeline: &str) -> Shop {
        self.here.write("pipeline.toml", pipeline);
        Shop { pipeline: pipeline.into(), ..self }
    }

    /// The same pipeline with one text, which it has, in place of another.
    fn edited(self, from: &str, to: &str) -> Shop {
        assert!(self.pipeline.contains(from), "the pipeline has no {from:?}:\n{}", self.pipeline);
        let pipeline = self.pipeline.replacen(from, to, 1);
        self.saying(&pipeline)
    }

    #[track_caller]
    fn fails(&self, code: i32) -> Outcome {
        let outcome = self.here.run();
        outcome.exits(code);
        outcome
    }

    #[track_caller]
    fn passes(&self) {
        self.here.run().exits(0);
    }
}

/// A day for each purchase, from 3 January 2020, as text.
fn dates(text: impl Fn(i64) -> String) -> ArrayRef {
    Arc::new((0..ROWS).map(|n| Some(text(day("2020-01-03") + n % 80))).collect::<StringArray>())
}

/// What standard error prints between two texts.
#[track_caller]
fn printed(outcome: &Outcome, before: &str, after: &str) -> String {
    let text = &outcome.stderr;
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before:?} in\n{outcome}")).1;
    rest.split_once(after).unwrap_or_else(|| panic!("no {after:?} behind {before:?} in\n{outcome}")).0.to_owned()
}

#[test]
fn a_misspelt_key_stage_column_and_option_value() {
    for (right, wrong) in [
        ("churn_after", "churn_aftr"),
        ("[stages.churn]", "[stages.chrun]"),
        ("\"paid\"", "\"payd\""),
        ("[output]", "[outptu]"),
    ] {
        let shop = Shop::new().edited(right, wrong);
        let failed = shop.fails(2);
        let meant = printed(&failed, "did you mean `", "`");
        let plain = |text: &str| text.trim_matches(['[', ']', '"']).replace("stages.", "");
        assert_eq!(meant, plain(right));
        shop.edited(&plain(wrong), &meant).passes();
    }
}

#[test]
fn ids_that_became_floats() {
    let floats = (0..ROWS).map(|n| (n % 30) as f64).collect::<Float64Array>();
    let shop = Shop::with(Some(("who", Arc::new(floats))));
    let mapping = printed(&shop.fails(2), "turned back by ", "\n");
    assert!(mapping.starts_with("customer_id = { sql = "), "{mapping}");
    shop.edited("customer_id = \"who\"", &mapping).passes();
}

#[test]
fn times_in_seconds_since_1970() {
    let seconds = (0..ROWS).map(|n| (day("2020-01-03") + n % 80) * 86_400).collect::<Int64Array>();
    let shop = Shop::with(Some(("at", Arc::new(seconds))));
    let mapping = printed(&shop.fails(2), "seconds since 1970 are turned into times by ", ", milliseconds");
    shop.edited("occurred_at = \"at\"", &mapping).passes();
}

#[test]
fn dates_as_americans_and_as_europeans_write_them() {
    for (order, format) in [([1, 2, 0], "%m/%d/%Y"), ([2, 1, 0], "%d/%m/%Y")] {
        let written = move |day: i64| {
            let date = show(day);
            let parts: Vec<&str> = date.split('-').collect();
            order.map(|i| parts[i]).join("/")
        };
        let shop = Shop::with(Some(("at", dates(written))));
        let failed = shop.fails(1);
        failed.says(&["[sources.transactions]", format]);
        let sql = printed(&failed, "is converted by SQL, such as ", "; the first rows");
        shop.edited("occurred_at = \"at\"", &format!("occurred_at = {sql}")).passes();
    }
}

#[test]
fn amounts_with_a_sign_of_currency() {
    let texts = (0..ROWS).map(|n| Some(format!("£1,0{n:02}.50"))).collect::<StringArray>();
    let shop = Shop::with(Some(("paid", Arc::new(texts))));
    let sql = printed(&shop.fails(1), "is converted by SQL, such as ", "; the first rows");
    let shop = shop.edited("amount = \"paid\"", &format!("amount = {sql}"));
    shop.passes();
    let spent: i128 = shop.here.table("ledger").rows.iter().map(|r| crate::support::whole(&r["closing"])).sum();
    assert!(spent > 90 * 1_000_00, "amounts of more than a thousand: {spent}");
}

#[test]
fn rows_without_a_customer() {
    let some = (0..ROWS).map(|n| (n % 9 != 0).then_some(n % 30)).collect::<Int64Array>();
    let shop = Shop::with(Some(("who", Arc::new(some))));
    let failed = shop.fails(1);
    let filter = printed(&failed, "leave rows without a value out with ", " in [sources.transactions]");
    assert_eq!(filter, "filter = '\"who\" IS NOT NULL'");
    let limit = printed(&failed, "set output.quarantine_limit = ", ";");
    assert_eq!(limit, "0.12", "10 of 90 rows are 11.111 %");
    shop.here.tenure(&["run", "pipeline.toml", "--set", &format!("output.quarantine_limit={limit}")]).exits(0);
    assert_eq!(shop.here.table("quarantine").rows.len(), 10);
    let shop = shop.edited("path =", &format!("{filter}\npath ="));
    shop.passes();
    assert_eq!(shop.here.table("quarantine").rows.len(), 0);
}

#[test]
fn an_export_that_is_late() {
    let shop = Shop::new().edited("path =", "freshness = \"36 hours\"\npath =");
    let failed = shop.fails(1);
    failed.says(&["at most 36 hours old", "raise freshness in [sources.transactions]", " years old"]);
    let allowed = printed(&failed, "freshness = \"", "\" would allow it");
    shop.edited("36 hours", &allowed).passes();
}

#[test]
fn an_as_of_that_nobody_has_seen_yet() {
    let shop = Shop::new().edited("as_of = 2020-04-01\n", "as_of = 2190-01-01\n");
    let date = printed(&shop.fails(1), "use --as-of ", ",");
    shop.here.tenure(&["run", "pipeline.toml", "--as-of", &date]).exits(0);
}

#[test]
fn less_memory_than_any_run_needs() {
    let shop = Shop::new();
    let refused = shop.here.tenure(&["run", "pipeline.toml", "--memory-limit", "10MiB"]);
    refused.exits(2);
    let least = printed(&refused, "no run needs less than ", "\n");
    shop.here.tenure(&["run", "pipeline.toml", "--memory-limit", &least]).exits(0);
}

#[test]
fn a_misspelt_command_stage_run_and_table() {
    let shop = Shop::new();
    let unknown = shop.here.tenure(&["rnu", "pipeline.toml"]);
    unknown.exits(2);
    let command = printed(&unknown, "similar subcommand exists: '", "'");
    shop.here.tenure(&[&command, "pipeline.toml"]).exits(0);
    let unknown = shop.here.tenure(&["run", "pipeline.toml", "--only", "chrun"]);
    unknown.exits(2);
    let stage = printed(&unknown, "did you mean `", "`");
    shop.here.tenure(&["run", "pipeline.toml", "--only", &stage]).exits(0);
    let unknown = shop.here.tenure(&["show", "otu", "churn"]);
    unknown.exits(2);
    let folder = printed(&unknown, "did you mean ", "?");
    let unknown = shop.here.tenure(&["show", &folder, "chrun"]);
    unknown.exits(2);
    let table = printed(&unknown, "did you mean `", "`");
    shop.here.tenure(&["show", &folder, &table]).exits(0);
}

#[test]
fn a_segment_of_a_table_that_has_it_as_a_column() {
    let shop =
        Shop::new().edited("[stages.churn]\n", "[segments]\nbuyer = { builtin = \"frequency\" }\n[stages.churn]\n");
    shop.passes();
    let refused = shop.here.tenure(&["show", "out", "customers", "--segment", "buyer=x"]);
    refused.exits(2);
    let condition = printed(&refused, "use --where \"", "\"\n");
    shop.here.tenure(&["show", "out", "customers", "--where", &condition]).exits(0);
}
