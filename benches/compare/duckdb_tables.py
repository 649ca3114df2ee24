"""The eight tables of the comparison, by DuckDB's SQL: `python duckdb_tables.py EXPORT_DIR OUT_DIR [--threads N]`.

Tried, with 20 million rows of 2.2 million customers on two idle cores, files at zstd 3:
- from the files to customer-months: keys that are hashes of the ids 5.0 s, ids joined to numbers first 5.9 s, the text
  itself 6.6 s, lines in a table first 5.3 s
- customer-days as a step between orders and months 2.5 s, months of orders with a bit for each active day 1.7 s
- the months before and after by windows 0.92 s, by self-joins 0.90 s (and the cohort is still to be found)
- first days of months by make_date: 0.4 s slower for the ledger than by a list or a join
- Parquet: dictionaries of at most 64 values 1.5 s to write the ledger, as by default 2.3 s; row groups of 61,440 or
  245,760 rows, a file for each thread: slower; version 2 of Parquet 2 % faster on the whole, larger files: not taken
- ledger sorted while narrow, by a number, 2.4 s; by the text 2.7 s; sorted with all its columns 0.3 s slower; sorted
  first and joined to the ids then: 0.3 s faster, but joins of DuckDB 2.0 do not keep the order of rows everywhere

Tried for scores and deciles, with those 2.2 million customers alone, in CPU seconds on busy cores, files at zstd 1:
- cuts of R and F from a count of each value 0.03, by quantile_disc 0.10; rank() by all three instead of cuts 0.69
- cuts of M and deciles from customers counted by revenue, with both running sums at once 0.12, with each where it is
  needed 0.16; by quantile_disc, then summed between the cuts 0.17; by row_number 0.33; deciles by a sorted list 0.44
- scores by CASE and counts by R and F 0.05, scores as sums of comparisons 0.08; names from a list or by CASE: the same
- customers sorted before their last columns are made 1.88, with all of them 2.09 (so, but without the scores, 1.87)
"""

import argparse
import datetime
import os
import sys
from pathlib import Path

import duckdb

ORDERS = """
-- 64-bit numbers stand for the text ids until the end; `rank` puts them in the order of the text.
CREATE TEMP VIEW lines AS
SELECT hash(customer_id) AS h, (epoch_us(occurred_at) // 86400000000)::INT AS day, order_id, amount FROM {export};

CREATE TEMP TABLE ids AS
SELECT customer_id, hash(customer_id) AS h, (row_number() OVER (ORDER BY customer_id))::INT AS rank
FROM (SELECT DISTINCT customer_id FROM {export});

CREATE TEMP TABLE orders AS
SELECT h, order_id, min(day) AS day, max(day) AS last_day, sum(amount)::DECIMAL(17,2) AS net,
       bool_or(amount > 0) AS active
FROM lines GROUP BY h, order_id;
"""

MONTHS = """
-- An order counts on its first active day. One that spreads over days brings its lines on days of their own (the
-- generated exports have none, and DuckDB then does not read the files again).
CREATE TEMP VIEW days AS
WITH spread AS (SELECT h, order_id FROM orders WHERE day <> last_day),
parts AS (SELECT * FROM lines SEMI JOIN spread USING (h, order_id))
SELECT h, day, net, active::TINYINT AS orders, CASE WHEN active THEN day END AS active_day
FROM orders WHERE day = last_day
UNION ALL
SELECT h, day, amount::DECIMAL(17,2), 0, CASE WHEN amount > 0 THEN day END FROM parts
UNION ALL
SELECT h, min(day), 0, 1, min(day) FROM parts WHERE amount > 0 GROUP BY h, order_id;

-- `active`: a bit for each active day of the month.
CREATE TEMP TABLE months AS
SELECT h, month_of(day) AS month, sum(net)::DECIMAL(17,2) AS net, sum(orders)::INT AS orders,
       min(active_day) AS first_day, max(active_day) AS last_day,
       bit_or(1::BIGINT << day(DATE '1970-01-01' + active_day)) AS active
FROM days GROUP BY h, month;
"""

STEPS = """
CREATE TEMP TABLE steps AS
SELECT h, month, orders, first_day, last_day, active, money, net - money AS unallocated,
       lag(CASE WHEN active IS NOT NULL THEN month END) OVER w = month - 1 AS was_live, lag(money) OVER w AS opening,
       lead(month) OVER w AS next_month, min(CASE WHEN active IS NOT NULL THEN month END) OVER w AS cohort
FROM (
    SELECT *, (CASE WHEN active IS NOT NULL THEN greatest(net, 0) ELSE 0 END)::DECIMAL(17,2) AS money FROM months
)
WINDOW w AS (PARTITION BY h ORDER BY month);
DROP TABLE months;

-- The second active day is in the first month, or it is the first one of the next.
CREATE TEMP TABLE people AS
SELECT h, sum(money + unallocated)::DECIMAL(17,2) AS revenue, sum(orders)::BIGINT AS orders,
       sum(bit_count(active))::INT AS active_days, min(first_day) AS first_day, max(last_day) AS last_day,
       min(CASE WHEN month > cohort THEN first_day ELSE first_day + bits_between(active) END) AS second_day
FROM steps GROUP BY h;

-- Refunds on days without a purchase belong to the purchase before.
CREATE TEMP TABLE repeated AS
SELECT h, sum(net)::DECIMAL(17,2) AS net FROM days JOIN people USING (h) WHERE day >= second_day GROUP BY h;
DROP TABLE orders;
"""

MOVES = """
-- Who moved, a row for each month; also the month after the last active one, in which nothing was bought.
-- state: 0 new, 1 retained, 2 returned, 3 churned, 4 not yet known, 5 not live
CREATE TEMP TABLE moves AS
SELECT h, month,
       (CASE WHEN live AND was_live THEN 1 WHEN month = cohort THEN 0 WHEN live THEN 2
             WHEN NOT was_live THEN 5 WHEN month = {undecided} THEN 4 ELSE 3 END)::UTINYINT AS state,
       (CASE WHEN was_live THEN opening ELSE 0 END)::DECIMAL(17,2) AS opening, money AS closing, unallocated, orders
FROM (SELECT * REPLACE (coalesce(was_live, FALSE) AS was_live), active IS NOT NULL AS live FROM steps)
WHERE live OR was_live OR unallocated <> 0
UNION ALL
SELECT h, (month + 1)::SMALLINT, CASE WHEN month + 1 = {undecided} THEN 4 ELSE 3 END, money, 0, 0, 0
FROM steps WHERE active IS NOT NULL AND month < {last} AND (next_month IS NULL OR next_month > month + 1);
"""

# Months that repeat the one before in every column are few: found among the rows that can, and put back as `until`.
LEDGER = """
CREATE TEMP TABLE repeats AS
WITH may AS (
    FROM moves WHERE (state = 1 AND opening = closing OR state = 5) AND month IS DISTINCT FROM {undecided}
)
SELECT a.h, a.month, a.month - row_number() OVER (PARTITION BY a.h ORDER BY a.month) AS run
FROM may a JOIN may b ON a.h = b.h AND a.month = b.month + 1 AND a.state = b.state AND a.opening = b.opening
     AND a.closing = b.closing AND a.unallocated = b.unallocated AND a.orders = b.orders;

CREATE TEMP TABLE runs AS
SELECT h, min(repeats.month) - 1 AS month, max(repeats.month) + 1 AS until FROM repeats GROUP BY h, run;

COPY (
    SELECT customer_id, start_of(month) AS period, start_of(coalesce(until, month + 1)) AS until,
           ['new', 'retained', 'returned', 'churned'][state + 1] AS state,
           opening::DECIMAL(18,2) AS opening,
           CASE WHEN state = 0 THEN closing ELSE 0 END::DECIMAL(18,2) AS new,
           CASE WHEN state = 1 THEN greatest(closing - opening, 0) ELSE 0 END::DECIMAL(18,2) AS expansion,
           CASE WHEN month IS NOT DISTINCT FROM {undecided} THEN NULL
                WHEN state = 1 THEN least(closing - opening, 0) ELSE 0 END::DECIMAL(18,2) AS contraction,
           CASE WHEN month IS NOT DISTINCT FROM {undecided} THEN NULL
                WHEN state = 3 THEN -opening ELSE 0 END::DECIMAL(18,2) AS churned,
           CASE WHEN state = 2 THEN closing ELSE 0 END::DECIMAL(18,2) AS reactivation,
           0::DECIMAL(18,2) AS currency_effect,
           CASE WHEN month IS NOT DISTINCT FROM {undecided} THEN NULL ELSE closing END::DECIMAL(18,2) AS closing,
           unallocated::DECIMAL(18,2) AS unallocated, orders::BIGINT AS orders
    FROM (
        SELECT customer_id, month, until, state, opening, closing, unallocated, orders
        FROM moves JOIN ids USING (h) LEFT JOIN runs USING (h, month) ANTI JOIN repeats USING (h, month)
        ORDER BY rank, month
    )
) TO '{out}/ledger.parquet' ({parquet});
"""

WORTH = """
-- Customers by what they brought; `upto`, `buyers`: how many of all, and of those who bought, brought that or less.
CREATE TEMP TABLE worth AS
SELECT revenue, count(*) AS customers, sum(count(*)) OVER w::BIGINT AS upto, sum(count(last_day)) OVER w AS buyers
FROM people GROUP BY revenue WINDOW w AS (ORDER BY revenue);
"""

# The values above which scores 2 to 5 begin: the least with a fifth of the buyers up to it, with two fifths and so on.
CUTS = """
SELECT min(CASE WHEN 5 * buyers >= n THEN value END), min(CASE WHEN 5 * buyers >= 2 * n THEN value END),
       min(CASE WHEN 5 * buyers >= 3 * n THEN value END), min(CASE WHEN 5 * buyers >= 4 * n THEN value END)
FROM ({counts}), (SELECT count(last_day) AS n FROM people)
"""
COUNTS = """
SELECT {measure} AS value, sum(count(*)) OVER (ORDER BY {measure}) AS buyers
FROM people WHERE last_day IS NOT NULL GROUP BY {measure}
"""

CUSTOMERS = """
COPY (
    SELECT customer_id, DATE '1970-01-01' + first_day AS first_at, DATE '1970-01-01' + last_day AS last_at,
           start_of(month_of(first_day)) AS cohort,
           CASE WHEN last_day IS NULL THEN 'never' WHEN month_of(last_day) >= {live_from} THEN 'live'
                ELSE 'churned' END AS state,
           orders, revenue::DECIMAL(18,2) AS revenue, state = 'live' AND orders >= 3 AS loyal,
           ({as_of} - 1 - last_day)::BIGINT AS days_since_last,
           CASE WHEN active_days > 0 THEN active_days::BIGINT - 1 END AS frequency,
           (last_day - first_day) / 7.0::DOUBLE AS recency, ({as_of} - 1 - first_day) / 7.0::DOUBLE AS age,
           net::DOUBLE / (active_days - 1) AS monetary, {r_score}::BIGINT AS r_score, {f_score}::BIGINT AS f_score,
           {m_score}::BIGINT AS m_score, {rfm_names}[5 * r_score + f_score - 5] AS rfm_segment
    FROM (
        SELECT customer_id, people.*, net
        FROM people JOIN ids USING (h) LEFT JOIN repeated USING (h) ORDER BY rank
    )
) TO '{out}/customers.parquet' ({parquet});
"""

SMALL = """
CREATE TEMP TABLE frame AS
SELECT month::SMALLINT AS month, start_of(month) AS period,
       CASE WHEN {observed_from} <= start_of(month) - DATE '1970-01-01' AND month IS DISTINCT FROM {undecided}
            THEN 'complete' ELSE 'partial' END AS maturity,
       start_of(month) < DATE '1970-01-01' + {observed_from} + INTERVAL 1 MONTH AS left_truncated
FROM range({first}, {last} + 1) AS r(month);

CREATE TEMP TABLE sums AS
SELECT month, count(CASE WHEN state IN (1, 3, 4) THEN 1 END) AS opening, count(CASE WHEN state = 0 THEN 1 END) AS new,
       count(CASE WHEN state = 1 THEN 1 END) AS retained, count(CASE WHEN state = 2 THEN 1 END) AS returned,
       count(CASE WHEN state = 3 THEN 1 END) AS churned,
       sum(opening) AS m_opening, sum(closing) AS m_closing, sum(unallocated) AS m_unallocated,
       sum(CASE WHEN state = 0 THEN closing ELSE 0 END) AS m_new,
       sum(CASE WHEN state = 2 THEN closing ELSE 0 END) AS m_returned,
       sum(CASE WHEN state = 3 THEN opening ELSE 0 END) AS m_churned,
       sum(CASE WHEN state = 1 THEN greatest(closing - opening, 0) ELSE 0 END) AS m_expansion,
       sum(CASE WHEN state = 1 THEN greatest(opening - closing, 0) ELSE 0 END) AS m_contraction
FROM moves GROUP BY month;

-- A month in which nobody moved has a row too.
CREATE TEMP TABLE totals AS
SELECT frame.*, coalesce(COLUMNS(sums.* EXCLUDE month), 0) FROM frame LEFT JOIN sums USING (month);

COPY (
    WITH counts AS (
        SELECT period, maturity, left_truncated, month IS NOT DISTINCT FROM {undecided} AS undecided,
               * EXCLUDE (month, period, maturity, left_truncated), maturity = 'complete' AS complete
        FROM totals
    ),
    rates AS (
        SELECT *, new + retained + returned AS closing,
               CASE WHEN complete AND opening > 0 THEN opening END AS base,
               CASE WHEN complete AND count(*) OVER w >= 3
                    THEN sum(churned) OVER w / nullif(sum(opening) OVER w, 0) END AS recent
        FROM counts
        WINDOW w AS (PARTITION BY complete ORDER BY period ROWS BETWEEN 5 PRECEDING AND CURRENT ROW)
    )
    SELECT 0::BIGINT AS segment_id, 'all' AS segment, 'all' AS value, period, opening, new, retained, returned,
           CASE WHEN NOT undecided THEN churned END AS churned, CASE WHEN NOT undecided THEN closing END AS closing,
           0::BIGINT AS intra, 0::BIGINT AS moved_in, 0::BIGINT AS moved_out, NULL::BIGINT AS due,
           NULL::DOUBLE AS renewal_rate, churned / base AS churn_rate, (closing - new) / base AS crr,
           retained / base AS crr_strict, recent AS churn_rate_trailing,
           1 - (1 - recent) ** 12 AS churn_rate_annual,
           1 / nullif(recent, 0) AS expected_lifetime_periods,
           CASE WHEN churn_rate_annual < 0.03 THEN 'excellent' WHEN churn_rate_annual <= 0.06 THEN 'acceptable'
                WHEN churn_rate_annual IS NOT NULL THEN 'high' END AS benchmark,
           wilson_low(churned, base) AS ci_low, wilson_high(churned, base) AS ci_high, maturity, left_truncated
    FROM rates ORDER BY period
) TO '{out}/churn.parquet' ({parquet});

COPY (
    WITH flows AS (
        SELECT *, maturity = 'complete' AS complete, month IS DISTINCT FROM {undecided} AS decided,
               CASE WHEN complete AND m_opening > 0 THEN m_opening::DOUBLE END AS base,
               (m_churned + m_contraction)::DOUBLE AS lost, (m_expansion + m_returned)::DOUBLE AS won_back,
               new + retained + returned AS customers
        FROM totals
    )
    SELECT 0::BIGINT AS segment_id, 'all' AS segment, 'all' AS value, period, m_opening::DECIMAL(18,2) AS opening,
           m_new::DECIMAL(18,2) AS new, m_expansion::DECIMAL(18,2) AS expansion,
           CASE WHEN decided THEN -m_contraction END::DECIMAL(18,2) AS contraction,
           CASE WHEN decided THEN -m_churned END::DECIMAL(18,2) AS churned,
           m_returned::DECIMAL(18,2) AS reactivation, 0::DECIMAL(18,2) AS currency_effect,
           0::DECIMAL(18,2) AS moved_in, 0::DECIMAL(18,2) AS moved_out,
           CASE WHEN decided THEN m_closing END::DECIMAL(18,2) AS closing,
           m_unallocated::DECIMAL(18,2) AS unallocated, NULL::DECIMAL(18,2) AS committed,
           CASE WHEN decided THEN flows.customers END AS customers,
           CASE WHEN decided THEN m_closing::DOUBLE / nullif(flows.customers, 0) END AS arpa,
           lost / base AS gross_churn_rate, (lost - won_back) / base AS net_churn_rate,
           (m_opening::DOUBLE - lost) / base AS grr,
           (m_opening::DOUBLE - lost + m_expansion::DOUBLE) / base AS nrr,
           CASE WHEN complete AND lost > 0 THEN (m_new::DOUBLE + won_back) / lost END AS quick_ratio,
           maturity, left_truncated
    FROM flows ORDER BY period
) TO '{out}/revenue_churn.parquet' ({parquet});

CREATE TEMP TABLE cells AS
SELECT cohort, month - cohort AS age, count(active) AS customers, sum(orders)::BIGINT AS orders,
       sum(money + unallocated) AS revenue
FROM steps WHERE month >= cohort GROUP BY ALL;

COPY (
    WITH filled AS (
        SELECT cohort, age, cohort_size, cohort + age AS month, coalesce(cells.customers, 0) AS customers,
               coalesce(cells.orders, 0) AS orders, coalesce(cells.revenue, 0) AS revenue,
               starts.revenue AS start, sum(coalesce(cells.revenue, 0)) OVER w AS cumulative
        FROM (SELECT cohort, customers AS cohort_size, revenue FROM cells WHERE age = 0) starts
             CROSS JOIN range({last} + 1 - (SELECT min(cohort) FROM cells)) AS ages(age)
             LEFT JOIN cells USING (cohort, age)
        WINDOW w AS (PARTITION BY cohort ORDER BY age)
    ),
    known AS (
        SELECT *, coalesce(maturity, 'not_observable') AS seen FROM (
            SELECT filled.*, maturity FROM filled LEFT JOIN frame USING (month)
        )
    ),
    pooled AS (
        SELECT cohort, age, month, cohort_size, customers, orders, revenue, start, cumulative, seen FROM known
        UNION ALL
        SELECT NULL, age, NULL, sum(cohort_size), sum(customers), sum(orders), sum(revenue), sum(start),
               sum(cumulative), 'complete'
        FROM known WHERE seen = 'complete' GROUP BY age
    ),
    based AS (
        SELECT *, seen <> 'not_observable' AS observable, CASE WHEN seen = 'complete' THEN cohort_size END AS base
        FROM pooled
    )
    SELECT 0::BIGINT AS segment_id, 'all' AS segment, 'all' AS value, start_of(based.cohort) AS cohort,
           based.age::BIGINT AS age, start_of(month) AS period, cohort_size::BIGINT AS cohort_size,
           CASE WHEN observable THEN based.customers END::BIGINT AS customers,
           based.customers / base AS retention_rate, wilson_low(based.customers, base) AS ci_low,
           wilson_high(based.customers, base) AS ci_high,
           CASE WHEN observable THEN based.orders END::BIGINT AS orders,
           CASE WHEN observable THEN based.revenue END::DECIMAL(18,2) AS revenue,
           CASE WHEN start > 0 AND base IS NOT NULL THEN based.revenue::DOUBLE / start::DOUBLE END
               AS revenue_retention,
           NULL::DOUBLE AS grr, NULL::DOUBLE AS nrr,
           CASE WHEN observable THEN cumulative END::DECIMAL(18,2) AS cumulative_revenue,
           CASE WHEN observable THEN cumulative::DOUBLE / cohort_size END AS cumulative_revenue_per_customer,
           seen AS maturity, coalesce(based.cohort = {first}, FALSE) AS left_truncated
    FROM based ORDER BY based.cohort, based.age
) TO '{out}/cohort.parquet' ({parquet});

COPY (
    SELECT 0::BIGINT AS segment_id, 'all' AS segment, 'all' AS value, period, 'realised' AS method,
           sum(CASE WHEN age = 0 THEN customers END)::BIGINT AS customers, NULL::DOUBLE AS arpa,
           0.5::DOUBLE AS gross_margin, NULL::DOUBLE AS churn_rate, NULL::DOUBLE AS expected_lifetime_periods,
           sum(revenue)::DOUBLE * 0.5::DOUBLE / sum(CASE WHEN age = 0 THEN customers END) AS ltv,
           NULL::DOUBLE AS ltv_discounted, NULL::DOUBLE AS ci_low, NULL::DOUBLE AS ci_high, NULL::DOUBLE AS cac,
           NULL::DOUBLE AS ltv_to_cac, NULL::DOUBLE AS payback_periods, NULL::DOUBLE AS holdout_error,
           ({last} + 1 - frame.month) || CASE WHEN frame.month = {last} THEN ' period' ELSE ' periods' END || ' to date'
               || CASE WHEN {undecided} IS NOT NULL THEN ', the last of them partial' ELSE '' END
               || CASE WHEN left_truncated THEN '; left-truncated: the cohort holds older customers' ELSE '' END
               AS note
    FROM cells JOIN frame ON frame.month = cells.cohort
    GROUP BY period, frame.month, left_truncated ORDER BY period
) TO '{out}/ltv.parquet' ({parquet});
"""

RFM = """
COPY (
    WITH pairs AS (
        SELECT (5 * {r_score} + {f_score} - 5)::UTINYINT AS pair, count(*) AS customers, sum(revenue) AS revenue,
               sum(last_day) AS days, sum(orders) AS orders, sum((orders >= 2)::INT) AS repeaters
        FROM people WHERE last_day IS NOT NULL GROUP BY pair
    ),
    named AS (
        SELECT {rfm_names}[pair] AS rfm_segment, sum(customers)::BIGINT AS customers, sum(revenue) AS revenue,
               sum(days) AS days, sum(orders) AS orders, sum(repeaters) AS repeaters
        FROM pairs GROUP BY rfm_segment
    )
    SELECT 0::BIGINT AS segment_id, 'all' AS segment, 'all' AS value, rfm_segment, customers,
           customers / sum(customers) OVER () AS share, revenue::DECIMAL(18,2) AS revenue,
           CASE WHEN sum(revenue) OVER () > 0 THEN revenue::DOUBLE / sum(revenue) OVER () END AS revenue_share,
           {as_of} - 1 - days / customers AS mean_recency_days, orders / customers AS mean_orders,
           named.revenue::DOUBLE / customers AS mean_revenue, repeaters / customers AS repeat_rate
    FROM named ORDER BY rfm_segment
) TO '{out}/rfm.parquet' ({parquet});
"""

# Customers who brought the same may be in several deciles. `top` is two of them.
CONCENTRATION = """
COPY (
    WITH bounds AS (
        SELECT decile, n, (decile * n - n + 9) // 10 AS skipped, (decile * n + 9) // 10 AS until
        FROM range(1, 11) AS r(decile), (SELECT count(*) AS n FROM people)
    ),
    deciles AS (
        SELECT decile, until - skipped AS customers,
               sum((least(n - upto + worth.customers, until) - greatest(n - upto, skipped)) * revenue) AS revenue
        FROM worth JOIN bounds ON n - upto < until AND n - upto + worth.customers > skipped
        WHERE skipped < until GROUP BY ALL
    ),
    shares AS (
        SELECT *, revenue::DOUBLE / nullif(greatest(sum(revenue) OVER (), 0), 0) AS share,
               sum(revenue) OVER (ORDER BY decile)::DOUBLE / nullif(greatest(sum(revenue) OVER (), 0), 0) AS upto
        FROM deciles
    )
    SELECT 0::BIGINT AS segment_id, 'all' AS segment, 'all' AS value, decile, customers,
           revenue::DECIMAL(18,2) AS revenue, share AS revenue_share, upto AS cumulative_share, 0.2::DOUBLE AS top,
           arg_max(upto, decile) FILTER (decile <= 2) OVER () AS top_share
    FROM shares ORDER BY decile
) TO '{out}/concentration.parquet' ({parquet});
"""

# By 5 · R + F.
RFM_NAMES = [
    *["lost", "lost", "at risk", "at risk", "cannot lose"],
    *["hibernating", "hibernating", "at risk", "at risk", "cannot lose"],
    *["need attention", "need attention", "need attention", "loyal", "loyal"],
    *["promising", "potential loyalists", "potential loyalists", "loyal", "loyal"],
    *["new", "potential loyalists", "potential loyalists", "champions", "champions"],
]

# Months are numbered from January 1970. Wilson's score interval at 95 %.
MACROS = """
CREATE MACRO month_of(day) AS
    ((year(DATE '1970-01-01' + day) - 1970) * 12 + month(DATE '1970-01-01' + day) - 1)::SMALLINT;
CREATE MACRO lowest_bit(bits) AS bits & (-bits);
CREATE MACRO bits_between(bits) AS
    (log2(nullif(lowest_bit(bits & (bits - 1)), 0)) - log2(lowest_bit(bits)))::INT;
CREATE MACRO wilson_mid(k, n) AS k / n + 3.8414588206941236 / (2 * n);
CREATE MACRO wilson_half(k, n) AS
    1.959963984540054 * sqrt(k / n * (1 - k / n) / n + 3.8414588206941236 / (4 * n * n));
CREATE MACRO wilson_low(k, n) AS CASE WHEN n IS NULL THEN NULL WHEN k = 0 THEN 0 ELSE
    (wilson_mid(k, n::DOUBLE) - wilson_half(k, n::DOUBLE)) / (1 + 3.8414588206941236 / n) END::DOUBLE;
CREATE MACRO wilson_high(k, n) AS CASE WHEN n IS NULL THEN NULL WHEN k = n THEN 1 ELSE
    (wilson_mid(k, n::DOUBLE) + wilson_half(k, n::DOUBLE)) / (1 + 3.8414588206941236 / n) END::DOUBLE;
"""


def month_of(day: int) -> int:
    """The month that holds a day, both counted from January 1970."""
    date = datetime.date(1970, 1, 1) + datetime.timedelta(day)
    return (date.year - 1970) * 12 + date.month - 1


def score(measure: str, cuts: tuple[object, ...]) -> str:
    """A score from 1 to 5 as an expression; NULL for who bought nothing."""
    above = " ".join(f"WHEN {measure} > {cut} THEN {k}" for k, cut in reversed([*enumerate(cuts, 2)]))
    return f"CASE WHEN last_day IS NULL THEN NULL {above} ELSE 1 END"


def main() -> None:
    """Writes the tables of one export."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--zstd", type=int, default=1, help="compression level")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    db = duckdb.connect(config={"threads": args.threads, "preserve_insertion_order": False})
    values = {
        "export": f"read_parquet('{args.export}/*.parquet')",
        "out": args.out,
        "rfm_names": RFM_NAMES,
        "parquet": f"FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL {args.zstd}, DICTIONARY_SIZE_LIMIT 64",
    }

    def run(sql: str) -> None:
        db.execute(sql.format(**values))

    run(MACROS)
    run(ORDERS)
    if db.execute("SELECT count(*) > count(DISTINCT h) FROM ids").fetchone()[0]:
        sys.exit("two ids share a hash")
    observed_from, newest = db.execute("SELECT min(day), max(last_day) FROM orders").fetchone()
    as_of = newest + 1
    first, last = month_of(observed_from), month_of(newest)
    partial = month_of(as_of) == last
    values |= {
        "observed_from": observed_from,
        "as_of": as_of,
        "first": first,
        "last": last,
        "undecided": last if partial else "NULL",
        "live_from": last - 1 if partial else last,
    }
    starts = [str(datetime.date(1970 + m // 12, 1 + m % 12, 1)) for m in range(first, 2 * last - first + 3)]
    db.execute(f"CREATE MACRO start_of(month) AS ({starts}::DATE[])[month - {first} + 1]")
    run(MONTHS)
    run(STEPS)
    run(WORTH)
    for name, measure in (("r_score", "last_day"), ("f_score", "orders"), ("m_score", "revenue")):
        counts = "SELECT revenue AS value, buyers FROM worth" if name == "m_score" else COUNTS.format(measure=measure)
        values[name] = score(measure, db.execute(CUTS.format(counts=counts)).fetchone())
    db.execute("SET preserve_insertion_order = true")
    run(CUSTOMERS)
    run(MOVES)
    run(LEDGER)
    run(SMALL)
    run(RFM)
    run(CONCENTRATION)


if __name__ == "__main__":
    main()
