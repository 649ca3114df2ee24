//! Learned windows, scores and shares, against the definitions written down a second time: customer by customer, with
//! every customer in memory, where the program has tallies.

use std::collections::BTreeMap;
use std::path::Path;

use crate::days::{Day, day};
use crate::published::{cents, float, int, path_text, rows_of};
use crate::reference::reference;
use crate::support::{Row, Table, Value, Workspace, whole};

/// Days with their net cents, and whether something was bought on them.
type Purchases = BTreeMap<Day, (i128, bool)>;

#[derive(Default)]
struct Shop {
    customers: BTreeMap<String, Purchases>,
    /// Distinct order ids, or active rows where there are none.
    orders: BTreeMap<String, i64>,
}

impl Shop {
    fn add(&mut self, customer: &str, on: Day, cents: i128, active: bool) {
        let day = self.customers.entry(customer.into()).or_default().entry(on).or_default();
        *day = (day.0 + cents, day.1 || active);
        *self.orders.entry(customer.into()).or_default() += i64::from(active);
    }

    fn active(&self, customer: &str) -> Vec<Day> {
        self.customers[customer].iter().filter(|(_, (_, active))| *active).map(|(day, _)| *day).collect()
    }

    fn revenue(&self, customer: &str) -> i128 {
        self.customers[customer].values().map(|(cents, _)| cents).sum()
    }

    fn buyers(&self) -> Vec<&String> {
        self.customers.keys().filter(|c| !self.active(c).is_empty()).collect()
    }
}

/// 1 + ⌊scores · (strictly lower)/n⌋ for each value.
fn scores(values: &[i128], scores: usize) -> Vec<i64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let lower = |value: &i128| sorted.partition_point(|v| v < value);
    values.iter().map(|v| 1 + (scores * lower(v) / values.len()) as i64).collect()
}

const CLASSES: [&str; 6] =
    ["1 most often", "2 often", "3 now and then", "4 seldom", "5 least often", "fewer than 3 gaps"];

/// The class of each buyer: quintiles of the mean gap of those with three gaps and more.
fn classes(shop: &Shop, until: Day) -> BTreeMap<String, usize> {
    let gaps = |days: &[Day]| (days[days.len() - 1] - days[0], days.len() as i64 - 1);
    let known: BTreeMap<&String, Vec<Day>> =
        shop.buyers().into_iter().map(|c| (c, shop.active(c).into_iter().filter(|d| *d < until).collect())).collect();
    let means: Vec<(i64, i64)> =
        known.values().filter(|days| days.len() >= 4).map(|days: &Vec<Day>| gaps(days)).collect();
    let mut sorted = means.clone();
    sorted.sort_unstable_by(|(l, n), (length, number)| (l * number).cmp(&(length * n)));
    let class = |days: &Vec<Day>| {
        if days.len() < 4 {
            return 5;
        }
        let (length, number) = gaps(days);
        let smaller = sorted.partition_point(|(l, n)| l * number < length * n);
        5 * smaller / means.len()
    };
    known.iter().map(|(c, days)| ((*c).clone(), class(days))).collect()
}

/// Gaps with whether they ended.
fn gaps(shop: &Shop, customers: &[&String], until: Day) -> Vec<(i64, bool)> {
    let of = |customer: &&String| {
        let days: Vec<Day> = shop.active(customer).into_iter().filter(|d| *d < until).collect();
        let mut gaps: Vec<(i64, bool)> = days.windows(2).map(|w| (w[1] - w[0], true)).collect();
        gaps.extend(days.last().map(|last| (until - 1 - last, false)));
        gaps
    };
    customers.iter().flat_map(of).collect()
}

/// F at its end, and the smallest d with F(d) ≥ q·F(d_max): the product limit, gap by gap.
fn window(gaps: &[(i64, bool)], quantile: f64) -> Option<(f64, i64)> {
    let mut ends: Vec<i64> = gaps.iter().filter(|g| g.1).map(|g| g.0).collect();
    ends.sort_unstable();
    ends.dedup();
    let mut sorted = gaps.to_vec();
    sorted.sort_unstable();
    let mut survival = 1.0;
    let mut curve = vec![];
    for end in ends {
        let at_risk = (sorted.len() - sorted.partition_point(|g| g.0 < end)) as f64;
        let ended =
            (sorted.partition_point(|g| *g <= (end, true)) - sorted.partition_point(|g| *g < (end, true))) as f64;
        survival *= 1.0 - ended / at_risk;
        curve.push((end, 1.0 - survival));
    }
    let last = curve.last()?.1;
    let (days, _) = curve.iter().find(|(_, f)| *f >= quantile * last - 1e-12)?;
    Some((last, *days))
}

fn by_customer(here: &Workspace) -> BTreeMap<String, Row> {
    here.table("customers").rows.into_iter().map(|row| (text(&row, "customer_id"), row)).collect()
}

fn windows_agree(here: &Workspace, shop: &Shop, (as_of, until): (Day, Day), quantile: f64) {
    let (table, customers) = (here.table("churn_windows"), by_customer(here));
    let classes = classes(shop, until);
    let everybody = window(&gaps(shop, &shop.buyers(), until), quantile).expect("somebody bought twice");
    assert_eq!(int(table.row(&[("frequency_class", "all")]), "window_days"), everybody.1);
    let mut windows = vec![];
    for (number, name) in CLASSES.into_iter().enumerate() {
        let row = table.row(&[("frequency_class", name)]);
        let members: Vec<&String> = classes.iter().filter(|(_, class)| **class == number).map(|(c, _)| c).collect();
        let gaps = gaps(shop, &members, until);
        assert_eq!(int(row, "intervals"), gaps.iter().filter(|g| g.1).count() as i64, "{name}");
        assert_eq!(int(row, "censored"), gaps.iter().filter(|g| !g.1).count() as i64, "{name}");
        let found = window(&gaps, quantile);
        if let Some((share, _)) = found {
            assert!((float(row, "share_returning") - share).abs() < 1e-9, "{name}");
        }
        let days = found.filter(|_| number < 5).map_or(everybody.1, |(_, days)| days);
        assert_eq!(int(row, "window_days"), days, "{name}");
        windows.push(days);
    }
    for (customer, class) in &classes {
        let row = &customers[customer];
        assert_eq!(int(row, "churn_window_days"), windows[*class], "{customer}");
        let last = *shop.active(customer).last().expect("a buyer");
        let state = if last + windows[*class] >= as_of { "live" } else { "churned" };
        assert_eq!(row["state"].to_string(), state, "{customer}, last on {last}");
        assert_eq!(row["seg_habit"].to_string(), CLASSES[*class], "{customer}");
    }
}

const NAMES: [[&str; 5]; 5] = [
    ["lost", "lost", "at risk", "at risk", "cannot lose"],
    ["hibernating", "hibernating", "at risk", "at risk", "cannot lose"],
    ["need attention", "need attention", "need attention", "loyal", "loyal"],
    ["promising", "potential loyalists", "potential loyalists", "loyal", "loyal"],
    ["new", "potential loyalists", "potential loyalists", "champions", "champions"],
];

fn scores_agree(here: &Workspace, shop: &Shop) {
    let (table, customers) = (here.table("rfm"), by_customer(here));
    let buyers = shop.buyers();
    let of = |value: &dyn Fn(&str) -> i128| scores(&buyers.iter().map(|c| value(c)).collect::<Vec<_>>(), 5);
    let r = of(&|c| shop.active(c).last().copied().unwrap_or(0).into());
    let f = of(&|c| shop.orders[c].into());
    let m = of(&|c| shop.revenue(c));
    let mut counts: BTreeMap<&str, (i64, i128)> = BTreeMap::new();
    for (i, customer) in buyers.iter().enumerate() {
        let row = &customers[*customer];
        assert_eq!(["r_score", "f_score", "m_score"].map(|c| int(row, c)), [r[i], f[i], m[i]], "{customer}");
        let name = NAMES[r[i] as usize - 1][f[i] as usize - 1];
        assert_eq!(row["rfm_segment"].to_string(), name, "{customer}");
        assert_eq!(row["seg_kind"].to_string(), name, "{customer}");
        let count = counts.entry(name).or_default();
        *count = (count.0 + 1, count.1 + shop.revenue(customer));
    }
    let all = table.filter(&[("segment", "all")]);
    assert_eq!(all.len(), counts.len());
    for row in all {
        let (customers, revenue) = counts[row["rfm_segment"].to_string().as_str()];
        assert_eq!((int(row, "customers"), whole(&row["revenue"])), (customers, revenue));
        assert!((float(row, "share") - customers as f64 / buyers.len() as f64).abs() < 1e-12);
    }
}

fn shares_agree(here: &Workspace, shop: &Shop) {
    let mut worth: Vec<i128> = shop.customers.keys().map(|c| shop.revenue(c)).collect();
    worth.sort_unstable_by_key(|cents| -cents);
    let (n, total) = (worth.len(), worth.iter().sum::<i128>());
    let table = here.table("concentration");
    let rows = table.filter(&[("segment", "all")]);
    for row in &rows {
        let decile = int(row, "decile") as usize;
        let of_decile: Vec<i128> =
            worth.iter().enumerate().filter(|(rank, _)| 1 + 10 * rank / n == decile).map(|(_, w)| *w).collect();
        assert_eq!(int(row, "customers"), of_decile.len() as i64, "decile {decile}");
        assert_eq!(whole(&row["revenue"]), of_decile.iter().sum::<i128>(), "decile {decile}");
        let top: i128 = worth[..n.div_ceil(5)].iter().sum();
        assert!((float(row, "top_share") - top as f64 / total as f64).abs() < 1e-12);
    }
    assert_eq!(rows.len(), 10.min(n));
    assert_eq!(rows.iter().map(|r| whole(&r["revenue"])).sum::<i128>(), total);
}

fn pipeline(export: &Path, columns: &str, more: &str) -> String {
    format!(
        "name = \"habits\"\n[money]\ncurrency = \"GBP\"\n[customers]\nbasis = \"transactions\"\n\
         churn_after = {{ quantile = 0.95, by = \"frequency\" }}\n{more}\n\
         [segments]\nhabit = {{ builtin = \"frequency\" }}\nkind = {{ builtin = \"rfm\" }}\n\
         [stages.churn]\nby = [\"habit\", \"kind\"]\n[stages.rfm]\n[stages.concentration]\n[output]\ndir = \"out\"\n\
         quarantine_limit = 1.0\n[sources.transactions]\npath = \"{}\"\ncolumns = {{ {columns} }}\n",
        path_text(export)
    )
}

fn text(row: &Row, column: &str) -> String {
    row[column].to_string()
}

/// 69,659 purchases of 23,570 customers.
#[test]
fn of_a_music_shop() {
    let export = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/cdnow/purchases.parquet");
    let here = Workspace::new();
    let columns = "customer_id = \"customer_id\", occurred_at = \"date\", amount = \"amount\"";
    here.write("pipeline.toml", &pipeline(&export, columns, "learned_until = 1998-03-01\nactivity = \"TRUE\""));
    here.run().exits(0);
    let mut shop = Shop::default();
    for row in rows_of(&export) {
        let Value::Date(on) = row["date"] else { panic!("{row:?}") };
        shop.add(&text(&row, "customer_id"), on, whole(&row["amount"]), true);
    }
    windows_agree(&here, &shop, (day("1998-07-01"), day("1998-03-01")), 0.95);
    scores_agree(&here, &shop);
    shares_agree(&here, &shop);
}

/// 541,909 real lines, cancellations among them: the windows of the classes come in the order of their names.
#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn of_online_retail() {
    let export = reference("online_retail/online_retail.parquet");
    let here = Workspace::new();
    let columns =
        "customer_id = \"CustomerID\", occurred_at = \"InvoiceDate\", amount = { sql = \"Quantity * UnitPrice\" }";
    let text_of = pipeline(&export, columns, "");
    here.write("pipeline.toml", &(text_of + "filter = \"\\\"CustomerID\\\" IS NOT NULL\"\n"));
    here.run().exits(0);
    let mut shop = Shop::default();
    for row in rows_of(&export).iter().filter(|r| r["CustomerID"] != Value::Null) {
        let (Value::Int(quantity), price) = (&row["Quantity"], float(row, "UnitPrice")) else { panic!("{row:?}") };
        let cents = cents(*quantity as f64 * price);
        shop.add(&text(row, "CustomerID"), day(&text(row, "InvoiceDate")[..10]), cents.into(), cents > 0);
    }
    windows_agree(&here, &shop, (day("2011-12-10"), day("2011-12-10")), 0.95);
    scores_agree(&here, &shop);
    shares_agree(&here, &shop);
    let table = here.table("churn_windows");
    let windows: Vec<i64> =
        CLASSES[..5].iter().map(|c| int(table.row(&[("frequency_class", c)]), "window_days")).collect();
    assert!(windows.is_sorted() && windows[0] < windows[4], "{windows:?}");
}

fn made(rows: &[(&str, &str, i64)]) -> Workspace {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};
    let here = Workspace::new();
    let (who, at): (Vec<&str>, Vec<&str>) = rows.iter().map(|r| (r.0, r.1)).unzip();
    let paid: Vec<i64> = rows.iter().map(|r| r.2).collect();
    let columns: Vec<(&str, arrow::array::ArrayRef)> = vec![
        ("who", Arc::new(StringArray::from(who))),
        ("at", Arc::new(StringArray::from(at))),
        ("paid", Arc::new(Int64Array::from(paid))),
    ];
    crate::export::write(&here.join("exports/tx.parquet"), columns, 1000);
    here.write(
        "pipeline.toml",
        &pipeline(
            Path::new("exports/tx.parquet"),
            "customer_id = \"who\", occurred_at = \"at\", amount = \"paid\"",
            "",
        ),
    );
    here
}

/// A guest who comes daily is gone after days, one who comes twice a year is not gone after months.
#[test]
fn a_daily_guest_is_missed_after_days_and_a_rare_one_is_not() {
    let mut rows: Vec<(String, String)> = vec![];
    let start = day("2021-01-01");
    let mut come = |who: String, every: i64, from: i64, to: i64| {
        (from..to).step_by(every as usize).for_each(|d| rows.push((who.clone(), crate::days::show(start + d))));
    };
    // Ten guests of each habit over three years; the first daily one stays away from the last ten days on.
    for i in 0..10 {
        come(format!("daily {i}"), 1, 0, if i == 0 { 1085 } else { 1095 });
        come(format!("weekly {i}"), 7, i, 1095);
        come(format!("monthly {i}"), 30, i, 1095);
        come(format!("quarterly {i}"), 90, i, 1095);
        come(format!("half-yearly {i}"), 180, 3 * i, 1095);
    }
    rows.push(("once".into(), crate::days::show(start + 900)));
    let rows: Vec<(&str, &str, i64)> = rows.iter().map(|(who, at)| (who.as_str(), at.as_str(), 10)).collect();
    let here = made(&rows);
    here.run().exits(0);
    let table = here.table("churn_windows");
    let windows = CLASSES[..5].iter().map(|c| int(table.row(&[("frequency_class", c)]), "window_days"));
    assert_eq!(windows.collect::<Vec<_>>(), [1, 7, 30, 90, 180]);
    let customers = here.table("customers");
    let state = |who: &str| customers.row(&[("customer_id", who)])["state"].to_string();
    assert_eq!([state("daily 0"), state("daily 1"), state("half-yearly 3")], ["churned", "live", "live"]);
    // Silent for 194 days, of a window of everybody's gaps.
    assert_eq!(state("once"), "churned");
}

/// DEFINITIONS §8: orders 1×6, 2×2, 3, 9 → F = 1×6, 4×2, 5, 5.
#[test]
fn scores_of_the_definitions_example() {
    let orders = [("a", 1), ("b", 1), ("c", 1), ("d", 1), ("e", 1), ("f", 1), ("g", 2), ("h", 2), ("i", 3), ("j", 9)];
    let days: Vec<String> = (1..10).map(|d| format!("2021-03-0{d}")).collect();
    let rows: Vec<(&str, &str, i64)> =
        orders.iter().flat_map(|(who, n)| days[..*n].iter().map(move |d| (*who, d.as_str(), 5))).collect();
    let here = made(&rows);
    here.run().exits(0);
    let customers = here.table("customers");
    let f: Vec<i64> = orders.iter().map(|(who, _)| int(customers.row(&[("customer_id", who)]), "f_score")).collect();
    assert_eq!(f, [1, 1, 1, 1, 1, 1, 4, 4, 5, 5]);
    // Crossed rows are as many customers as their pair says, and all of them are everybody.
    let (churn, segments) = (here.table("churn"), here.table("segments"));
    let pairs = segments.rows.iter().filter(|r| r["segment_2"] != Value::Null).collect::<Vec<_>>();
    assert!(!pairs.is_empty());
    assert_eq!(pairs.iter().map(|r| int(r, "customers")).sum::<i64>(), 10);
    for pair in pairs {
        assert_eq!((text(pair, "segment"), text(pair, "segment_2")), ("habit".into(), "kind".into()));
        let id = text(pair, "segment_id");
        let row = churn.row(&[("segment_id", &id), ("period", "2021-03-01")]);
        assert_eq!(text(row, "segment"), "habit × kind");
        assert_eq!(text(row, "value"), format!("{} × {}", text(pair, "value"), text(pair, "value_2")));
    }
}

/// A shop on whose first day everybody refunds: nothing is divided by nothing.
#[test]
fn refunds_alone_make_no_buyer() {
    let here = made(&[("a", "2021-03-01", 5), ("a", "2021-03-02", -9), ("b", "2021-03-01", -7)]);
    here.run().exits(0);
    let (rfm, shares): (Table, Table) = (here.table("rfm"), here.table("concentration"));
    assert_eq!(rfm.filter(&[("segment", "all")]).len(), 1);
    assert_eq!(int(rfm.filter(&[("segment", "all")])[0], "customers"), 1);
    for row in shares.filter(&[("segment", "all")]) {
        assert_eq!((&row["revenue_share"], &row["top_share"]), (&Value::Null, &Value::Null));
    }
    let b = here.table("customers").row(&[("customer_id", "b")])["r_score"].clone();
    assert_eq!(b, Value::Null);
}
