//! What is refused, where and how it is said.

use super::*;

#[test]
fn what_a_later_version_brings_is_refused_at_its_place() {
    for (lines, at) in [
        ("[sources.customers]\npath = \"s3://bucket/x\"\ncolumns = { customer_id = \"id\" }", "\"s3://bucket/x\""),
        ("[privacy]\ncustomer_key_env = \"KEY\"", "privacy"),
        ("[output]\ndir = \"gs://bucket/out\"", "\"gs://bucket/out\""),
    ] {
        let text = with(lines);
        let faults = faults(&text);
        assert_eq!(faults.len(), 1, "{lines}: {faults:?}");
        assert_eq!(faults[0].0, at, "{lines}");
        assert!(faults[0].1.ends_with("is not offered by this version of tenure yet"), "{}", faults[0].1);
        assert!(read(&text).unwrap_err().iter().all(|e| e.help.is_some()), "{lines}");
    }
}

#[test]
fn values_out_of_range_and_settings_that_contradict_each_other_are_refused() {
    for (lines, at, what) in [
        (
            "[stages.ltv]\ncalibrate_until = 2024-01-01\ncalibrate_share = 0.5",
            "0.5",
            "`stages.ltv.calibrate_share` and `calibrate_until` say twice where the calibration ends",
        ),
        (
            "[stages.ltv]\nmodels = [\"sbg\"]",
            "[\"sbg\"]",
            "`stages.ltv.models` names \"sbg\", a model of renewals, on basis transactions",
        ),
        (
            "[stages.ltv]\ntransactions_by = \"order_id\"",
            "\"order_id\"",
            "`stages.ltv.transactions_by` = \"order_id\" needs source `transactions` to map it",
        ),
        (
            "[customers]\nlearned_until = 2024-01-01",
            "2024-01-01",
            "`customers.learned_until` says until when to learn, and nothing is learned",
        ),
        ("[customers]\nchurn_after = { quantile = 1.5 }", "1.5", "`customers.churn_after.quantile` takes a number"),
        ("[customers]\nchurn_after = { quantil = 0.5 }", "quantil", "unknown key `quantil` in [customers.churn_after]"),
        ("[segments]\nf = { builtin = \"rfm\", at = \"first\" }", "\"first\"", "`segments.f.at` does not go with"),
        ("[segments]\nf = { builtin = \"fm\" }", "\"fm\"", "`segments.f.builtin` takes one of"),
        (
            "[segments]\nf = { builtin = \"rfm\", column = \"transactions.x\" }",
            "\"transactions.x\"",
            "`segments.f.builtin` and `column` say twice",
        ),
        (
            "[segments]\na = { builtin = \"rfm\" }\n[stages.churn]\nby = [\"a\"]",
            "[\"a\"]",
            "`stages.churn.by` crosses two segments, not 1",
        ),
        ("[stages.churn]\nby = [\"a\"]", "\"a\"", "there is no segment \"a\""),
        (
            "[stages.stay]\nkind = \"survival\"\n[stages.stay_tests]\nkind = \"churn\"",
            "stay_tests",
            "`stay_tests` is a table that stage `stay` writes",
        ),
        (
            "[calendar]\nfiscal_year_start = 13",
            "13",
            "`calendar.fiscal_year_start` takes a whole number from 1 to 12, not 13",
        ),
        ("[calendar]\nas_of = 2024-01-01\nobserved_from = 2024-01-01", "2024-01-01", "is not after"),
        ("[calendar]\nas_of = \"2024-02-30\"", "\"2024-02-30\"", "takes a date such as"),
        ("[calendar]\nas_of = 2024-01-01T00:00:00", "2024-01-01T00:00:00", "not the time 2024-01-01T00:00:00"),
        ("[calendar]\nas_of = 9999-12-31", "9999-12-31", "takes a date such as"),
        ("[customers]\nbasis = \"subscriptions\"", "\"subscriptions\"", "no such source is configured"),
        ("[customers]\ngap_days = 3", "3", "is for basis subscriptions"),
        (
            "[customers]\npolicy = \"profitwell\"",
            "\"profitwell\"",
            "is of subscriptions, and the basis is transactions",
        ),
        (
            "[stages.reconcile]",
            "reconcile",
            "a stage of kind `reconcile` compares vendors' policies of subscription churn",
        ),
        ("[customers]\nwithin_period = \"both\"", "\"both\"", "is for basis subscriptions"),
        ("[customers]\nloyal_orders = 0", "0", "takes a whole number from 1 to 1000000, not 0"),
        ("[customers]\nloyal_orders = 2.5", "2.5", "takes a whole number"),
        ("[customers]\nchurn_after = \"2 periods\"", "\"2 periods\"", "takes \"1 period\""),
        ("[customers]\nchurn_after = \"0 days\"", "\"0 days\"", "takes \"1 period\""),
        ("[customers]\nactivity = \"\"", "\"\"", "takes an SQL expression"),
        (
            "[sources.acquisition_costs]\npath = \"c\"\ncolumns = { period_start = \"m\" }",
            "{ period_start = \"m\" }",
            "needs `amount`",
        ),
        ("[sources.customers]\npath = []\ncolumns = { customer_id = \"id\" }", "[]", "takes a path"),
        (
            "[sources.customers]\npath = \"c\"\ncolumns = { customer_id = \"id\" }\nfreshness = \"1 day\"",
            "\"1 day\"",
            "cannot be judged",
        ),
        ("[segments]\nall = \"transactions.x\"", "all", "every table has"),
        ("[segments]\nCountry = \"transactions.x\"", "Country", "does not serve as the name of a segment"),
        ("[segments]\nx = \"customers.x\"", "\"customers.x\"", "is not configured"),
        ("[segments]\nx = \"usage.feature\"", "\"usage.feature\"", "is not configured"),
        (
            "[sources.surveys]\npath = \"s\"\ncolumns = { customer_id = \"id\", answered_at = \"on\" }",
            "{ customer_id = \"id\", answered_at = \"on\" }",
            "needs `kind`",
        ),
        (
            "[sources.surveys]\npath = \"s\"\nscales = { nps = [0, 10], csat = [5, 1] }\ncolumns = { customer_id = \"id\", answered_at = \"on\", kind = \"k\" }",
            "[5, 1]",
            "takes the lowest and the highest score as whole numbers",
        ),
        (
            "[sources.surveys]\npath = \"s\"\nscales.ces = [1, 7.5]\ncolumns = { customer_id = \"id\", answered_at = \"on\", kind = \"k\" }",
            "7.5",
            "takes the lowest and the highest score as whole numbers",
        ),
        (
            "[sources.surveys]\npath = \"s\"\nscales = [1, 7]\ncolumns = { customer_id = \"id\", answered_at = \"on\", kind = \"k\" }",
            "[1, 7]",
            "`sources.surveys.scales` takes a table of settings",
        ),
        (
            "[sources.usage]\npath = \"u\"\nscales.ces = [1, 7]\ncolumns = { customer_id = \"id\", occurred_at = \"on\" }",
            "scales",
            "unknown key `scales` in [sources.usage]",
        ),
        ("[segments]\nx = \"country\"", "\"country\"", "takes a source and its column"),
        ("[segments]\nx = { column = \"transactions.x\", cap = 0 }", "0", "from 1 to 10000"),
        (
            "[sources.acquisition_costs]\npath = \"c\"\ncolumns = { period_start = \"m\", amount = \"a\" }\n[segments]\nx = \"acquisition_costs.channel\"",
            "\"acquisition_costs.channel\"",
            "costs belong to no customer",
        ),
        (
            "[sources.exchange_rates]\npath = \"r\"\ncolumns = { currency = \"c\", date = \"d\" }",
            "{ currency = \"c\", date = \"d\" }",
            "needs `rate`",
        ),
        (
            "[sources.exchange_rates]\npath = \"r\"\ncolumns = { currency = \"c\", date = \"d\", rate = \"r\" }\n[segments]\nx = \"exchange_rates.currency\"",
            "\"exchange_rates.currency\"",
            "rates belong to no customer",
        ),
        ("[stages.acquisition]", "acquisition", "needs at least one of channels, costs or trials"),
        ("[stages.why]\nkind = \"exit_reasons\"", "why", "needs the reasons why customers left"),
        ("[stages.churn.benchmark]\nexcellent = 0.5", "0.5", "is above `acceptable` (0.06)"),
        ("[stages.cohort]\nfrom = \"signed_up_at\"", "\"signed_up_at\"", "needs source `customers`"),
        ("[stages.revenue_churn]\nmeasure = \"mrr\"", "\"mrr\"", "does not go with basis transactions"),
        ("[stages.ledger_x]\nkind = \"churn\"", "ledger_x", "is a table of every run"),
        ("[stages.dates]\nkind = \"churn\"", "dates", "is a table of every run"),
        ("[stages.risk]\nhorizon = \"2 periods\"", "\"2 periods\"", "`stages.risk.horizon` is for basis subscriptions"),
        ("[stages.risk]\nhorizon = \"1 month\"", "\"1 month\"", "takes a number of periods or days"),
        ("[stages.risk]\nwindow = \"1 period\"", "\"1 period\"", "takes a number of days"),
        (
            "[segments]\na = { builtin = \"rfm\" }\n[stages.risk]\nsegments = [\"a\"]",
            "[\"a\"]",
            "`stages.risk.segments` does not go with a stage of kind `risk`",
        ),
        ("[stages.ltv]\nkind = \"churn\"", "ltv", "has the name of one kind"),
        ("[stages.\"my churn\"]\nkind = \"churn\"", "\"my churn\"", "does not serve as the name of a stage"),
        ("[stages.ltv]\nmodels = []", "[]", "takes a list of words"),
        ("[stages.ltv]\nmodels = [\"ratio\", \"ratio\"]", "\"ratio\"", "names \"ratio\" twice"),
        (
            "[stages.cohort]\nmax_age = 99999999999999999999",
            "99999999999999999999",
            "not the number 99999999999999999999",
        ),
        ("[output]\nmode = \"0044\"", "\"0044\"", "takes octal permissions"),
        ("[output]\nmode = 640", "640", "not the whole number 640"),
        ("[output]\nquarantine_limit = nan", "nan", "takes a number from 0 to 1, not nan"),
        ("[output]\nquarantine_limit = 1e999", "1e999", "takes a number from 0 to 1"),
    ] {
        let faults = faults(&with(lines));
        assert_eq!(faults.len(), 1, "{lines}: {faults:?}");
        assert_eq!(faults[0].0, at, "{lines}: {faults:?}");
        assert!(faults[0].1.contains(what), "{lines}: {}", faults[0].1);
    }
    let subscriptions = SMALLEST.replace("transactions", "subscriptions").replace("occurred_at", "started_at");
    for (line, at) in [("churn_after = \"90 days\"", "\"90 days\""), ("activity = \"amount > 1\"", "\"amount > 1\"")] {
        let faults = faults(&format!("{subscriptions}[customers]\n{line}\n"));
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!(faults[0].0, at);
        assert!(faults[0].1.ends_with("is for basis transactions, and the basis is subscriptions"), "{}", faults[0].1);
    }
    for (from, to, what) in [
        ("currency = \"EUR\"", "", "`money.currency` is missing"),
        ("currency = \"EUR\"", "currency = \"eur\"", "takes a currency code"),
        ("currency = \"EUR\"", "currency = \"EUR\"\ngross_margin = 0", "takes a number above 0 to 1, not 0"),
        (
            "currency = \"EUR\"",
            "currency = \"EUR\"\ndiscount_rate = 10.0",
            "takes a number from 0 to below 10, not 10.0",
        ),
        ("path = \"tx.parquet\"", "", "`sources.transactions.path` is missing"),
        ("occurred_at = \"at\", amount = \"amount\"", "x = \"y\"", "no canonical column `x`"),
        ("[sources.transactions]", "[sources.acquisition_costs]", "neither transactions nor subscriptions"),
    ] {
        let faults = faults(&SMALLEST.replace(from, to));
        assert!(faults.iter().any(|f| f.1.contains(what)), "{to}: {faults:?}");
    }
    assert!(faults("").iter().any(|f| f.1 == "`sources` is missing"));
}

#[test]
fn what_the_environment_holds_is_never_shown() {
    for lines in [
        "[customers]\npolicy = \"${SECRET}\"",
        "[customers]\nchurn_after = \"${SECRET}\"",
        "[calendar]\nas_of = \"${SECRET}\"",
        "[calendar]\ntimezone = \"${SECRET}\"",
        "[segments]\nx = \"${SECRET}\"",
        "[segments]\nx = \"${SECRET}.y\"",
        "[segments]\nx = { column = \"${SECRET}.y\" }",
        "[stages.churn]\nsegments = [\"${SECRET}\"]",
        "[stages.churn]\nkind = \"${SECRET}\"",
        "[stages.ltv]\nmodels = [\"${SECRET}\"]",
        "[output]\nmode = \"${SECRET}\"",
        "[output]\ndir = \"${SECRET}://x\"",
        "[output]\nquarantine_limit = \"${SECRET}\"",
    ] {
        let text = with(lines);
        let errors = read(&text).err().unwrap_or_else(|| panic!("accepted: {lines}"));
        assert_eq!(errors.iter().count(), 1, "{lines}");
        assert!(!shown(&text, &errors).contains("hunter2"), "{}", shown(&text, &errors));
    }
}
