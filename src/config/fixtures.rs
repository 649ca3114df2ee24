//! Complete pipeline files for the tests: a shop and a subscription company.

pub(super) const RETAIL: &str = r##"name = "retail"

[calendar]
period     = "month"
timezone   = "Europe/London"
week_start = "monday"
as_of      = "2011-12-10"
observed_from = 2009-12-01
fiscal_year_start = 4

[money]
currency      = "GBP"
digits        = 2
gross_margin  = 0.55
discount_rate = 0.10

[customers]
basis       = "transactions"
churn_after = "90 days"
activity    = "amount > 0"
policy      = "standard"

[sources.transactions]
path    = ["exports/tx/**/*.parquet", "exports/late.parquet"]
filter  = "\"CustomerID\" IS NOT NULL"
columns = { customer_id = "CustomerID", occurred_at = "InvoiceDate", amount = { sql = "Quantity * UnitPrice" }, order_id = "InvoiceNo" }
timezone = "Europe/Paris"
freshness = "36 hours"

[sources.customers]
path = "exports/customers.parquet"

[sources.customers.columns]
customer_id = "id"
signed_up_at = "created"
"Home town" = "town"

[segments]
country = "transactions.Country"
plan = { column = "customers.plan", at = "first", cap = 50 }

[stages.churn]
trailing = 12
trailing_method = "mean"
benchmark = { excellent = 0.02, acceptable = 0.05 }
ledger = true

[stages.cohort]
from = "signed_up_at"
mode = "unbounded"
max_age = 24

[stages.weekly_cohort]
kind   = "cohort"
period = "week"
age_unit = "30 days"
segments = ["country"]

[stages.revenue_churn]
measure = "revenue"
ledger = false

[stages.ltv]
models = ["ratio", "realised", "survival", "paretonbd"]
trailing = 3
time_unit = "day"
horizon = "5 years"
transactions_by = "order_id"
calibrate_until = 2011-06-30

[stages.survival]
unit = "week"
spells = "all"
confidence = "plain"
horizon = 52

[output]
dir = "results"
quarantine_limit = 0.05
mode = "0640"
temp_dir = "scratch"
"##;

pub(super) const SAAS: &str = r#"# A subscription company.
name = "saas"

[calendar]
period = "month"
timezone = "America/New_York"

[money]
currency = "USD"
gross_margin = 1

[customers]
basis = "subscriptions"
ended_at_inclusive = true
gap_days = 3
free = "live"
paused = "live"
past_due = "not live"

[sources.subscriptions]
path = "exports/subscriptions"
[sources.subscriptions.columns]
customer_id = "account"
started_at = "start"
amount = { sql = "price_cents / 100" }
ended_at = "end"
interval = "billing"
subscription_id = "id"
plan = "plan"
currency = "currency"
trial_ends_at = "trial_end"
cancelled_at = "cancelled"
paid_until = "paid_until"
paused_from = "pause_start"
paused_until = "pause_end"
past_due_since = "past_due"
cancel_reason = "reason"
cancel_kind = "reason_kind"

[sources.acquisition_costs]
path = "exports/costs.parquet"
columns = { period_start = "month", amount = "spend", channel = "channel" }

[sources.usage]
path = "exports/usage.parquet"
columns = { customer_id = "account", occurred_at = "day", quantity = "actions", feature = "feature" }
freshness = "2 days"

[sources.surveys]
path = "exports/surveys.parquet"
columns = { customer_id = "account", answered_at = "at", kind = "survey", score = "score", reason = "why" }
scales = { nps = [1, 10], ces = [1, 5] }
ces_high = "effort"

[sources.customers]
path = "exports/accounts.parquet"
columns = { customer_id = "account", acquired_by = "channel", referred_by = "referrer", size = "seats" }

[segments]
plan = { column = "subscriptions.plan", at = "opening" }
size = "customers.size"

[stages.churn]
[stages.quarterly_churn]
kind = "churn"
period = "quarter"
segments = ["plan", "size"]
[stages.revenue_churn]
measure = "mrr"
[stages.ltv]
models = ["ratio", "sbg", "bdw"]
"#;

/// The least that a pipeline needs.
pub(super) const SMALLEST: &str = r#"[money]
currency = "EUR"

[sources.transactions]
path = "tx.parquet"
columns = { customer_id = "id", occurred_at = "at", amount = "amount" }
"#;
