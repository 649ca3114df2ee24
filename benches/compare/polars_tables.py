"""The eight compared tables, by Polars' lazy engine: `python polars_tables.py EXPORT_DIR OUT_DIR [--threads N]`.

Tried, with 20 million rows of 2.2 million customers on two idle cores, files at zstd 3:
- orders by the streaming engine 1.2 s, in memory 7.3 s; distinct ids 0.9 s, in memory 2.3 s
- keys: hashes of the ids 1.2 s for the orders, the text itself 1.4 s; a cast to Categorical alone takes 2 s
- days: sorting by one packed integer (0.6 s) makes days, months, customers and who was live before into differences of
  running sums and shifted columns, each 0.1 to 0.3 s; a group_by of the sorted days takes 0.3 s and of unsorted 0.4 s,
  but then there is no order for what follows
- cents as integers up to the end: a sum of decimals is no slower, but every later column holds twice the bytes
- ledger: all 14 columns in memory and then write_parquet 1.95 s, the last columns made while sinking 1.9 s and 1.1 GiB
  less memory; row groups of 65,536 to 524,288 rows: the same within 2 %

Tried for scores and deciles, with those 2.2 million customers alone, in CPU seconds on busy cores, files at zstd 1:
- places in three sorted columns and comparisons with them 0.14 (sorting alone 0.08), rank("min") of all three 0.71;
  places by a group_by of the values 0.12 instead of 0.08, by single quantiles 0.29; scores by search_sorted 0.08, by
  sums of comparisons 0.03, by when 0.02
- deciles as slices of the sorted revenue: nothing beyond the sort of 0.04; by rank("ordinal") 0.17
- counts by R and F as one number 0.025, as two 0.028, by the name 0.048; streaming or in memory: the same
- customers: names gathered while sinking 0.86, gathered before 0.88, by when 0.96, all in memory and then write_parquet
  0.96; without the four columns 0.71
"""

import argparse
import datetime
import itertools
import os
import sys
from pathlib import Path

import polars as pl

Z95 = 1.959963984540054
MONEY = pl.Decimal(18, 2)
LARGEST = 10**13
col, lit, when = pl.col, pl.lit, pl.when


def changes(name: str) -> pl.Expr:
    """The last row of each run of equal values."""
    return col(name).ne_missing(col(name).shift(-1))


def sums(name: str) -> pl.Expr:
    """From running sums at the ends of runs to the sum of each run."""
    return col(name) - col(name).shift(1, fill_value=0)


def money(cents: pl.Expr) -> pl.Expr:
    """Cents as a decimal. Through a double, which is exact below LARGEST and twice as fast as dividing decimals."""
    return (cents / 100).cast(MONEY)


def exact(cents: pl.Expr) -> pl.Expr:
    """Cents of any size as a decimal."""
    return (cents.cast(pl.Decimal(38, 2)) / 100).cast(MONEY)


def read_customers(lines: pl.LazyFrame) -> pl.DataFrame:
    """Every customer's id and its hash, by rank: the place of the id in the order of all."""
    ids = lines.select("customer_id").unique().sort("customer_id").with_row_index("rank")
    ids = ids.select(col("rank").cast(pl.Int64), "customer_id", h=col("customer_id").hash()).collect(engine="streaming")
    if ids["h"].n_unique() < ids.height:
        sys.exit("two ids share a hash")
    return ids


def read_orders(lines: pl.LazyFrame, ids: pl.DataFrame) -> pl.DataFrame:
    """Rows (key, cents, orders, active) in order of key = rank << 16 | day, several to a day.

    An order counts on its first active day; one that spreads over days brings its lines on days of their own.
    """
    active_day = when(col("cents") > 0).then("day").min()
    orders = (
        lines.group_by("h", "order_id")
        .agg(day=col("day").min(), last_day=col("day").max(), cents=col("cents").sum(), active_day=active_day)
        .collect(engine="streaming")
    )
    spread = orders.lazy().filter(col("day") != col("last_day"))
    active = col("active_day").is_not_null()
    rows = [
        orders.lazy().filter(col("day") == col("last_day")).select("h", "day", "cents", orders=active, active=active)
    ]
    if not spread.limit(1).collect().is_empty():
        parts = lines.join(spread, on=["h", "order_id"], how="semi")
        rows += [
            parts.select("h", "day", "cents", orders=lit(False), active=col("cents") > 0),
            spread.filter(active).select("h", day="active_day", cents=lit(0, pl.Int64), orders=True, active=True),
        ]
    key = col("rank") * 65536 + col("day")
    return (
        pl.concat(rows)
        .join(ids.lazy().select("h", "rank"), on="h")
        .select("cents", "orders", "active", key=key)
        .sort("key")
        .collect(engine="streaming")
    )


def fold(rows: pl.DataFrame, key: pl.Expr) -> pl.DataFrame:
    """A row for each value of the key, by which the rows are in order: sums are differences of running sums."""
    return (
        rows.lazy()
        .select(*[col(c).cast(pl.Int64).cum_sum() for c in ("cents", "orders", "active")], key=key)
        .with_columns(last=changes("key"))
        .filter("last")
        .select("key", sums("cents"), sums("orders"), active=sums("active") > 0)
        .collect(engine="in-memory")
    )


class Window:
    """The observed window: days from 1 January 1970, months from January 1970."""

    def __init__(self, days: pl.DataFrame) -> None:
        day = days.select(day=col("key") & 65535)["day"]
        self.observed_from, self.as_of = day.min(), day.max() + 1
        all_days = pl.int_range(self.observed_from, self.as_of + 1, dtype=pl.Int32, eager=True).cast(pl.Date)
        #: The month of each day of the window.
        self.months = (all_days.dt.year().cast(pl.Int64) - 1970) * 12 + all_days.dt.month() - 1
        self.first, self.last = self.months[0], self.months[-2]
        #: The last month if it is not over: then nobody can say who left.
        self.undecided = self.last if self.months[-1] == self.last else None

    def month_of(self, day: pl.Expr) -> pl.Expr:
        """The month of a day."""
        return lit(self.months).gather(day - self.observed_from)

    def start_of(self, month: pl.Expr) -> pl.Expr:
        """The first day of a month, up to twice the window after its start."""
        count = 2 * (self.last - self.first) + 3
        starts = [datetime.date(1970 + m // 12, 1 + m % 12, 1) for m in range(self.first, self.first + count)]
        return lit(pl.Series(starts)).gather(month - self.first)

    def decided(self, cell: pl.Expr) -> pl.Expr:
        """The cell, or NULL while nobody can say."""
        return cell if self.undecided is None else when(col("month") != self.undecided).then(cell)


def fold_customers(days: pl.DataFrame) -> pl.LazyFrame:
    """A row for each customer by rank; what only buyers have is NULL for others."""
    running = days.lazy().select(
        col("cents").cum_sum(),
        "active",
        before=col("cents").cum_sum() - col("cents"),
        orders=col("orders").cum_sum(),
        rank=col("key") // 65536,
        day=col("key") & 65535,
    )
    totals = (
        running.with_columns(last=changes("rank"))
        .filter("last")
        .select("rank", sums("orders"), revenue=sums("cents"), end="cents")
    )
    active = (
        running.filter("active")
        .select("rank", "day", "before")
        .with_row_index("row")
        .with_columns(
            first=col("rank").ne_missing(col("rank").shift(1)),
            last=changes("rank"),
            next_before=col("before").shift(-1),
        )
    )
    firsts = active.filter("first").select("rank", "next_before", first_day="day", first_row="row")
    lasts = active.filter("last").select(last_day="day", last_row="row")
    buyers = pl.concat([firsts, lasts], how="horizontal")
    return totals.join(buyers, on="rank", how="left", maintain_order="left").with_columns(
        frequency=col("last_row").cast(pl.Int64) - col("first_row")
    )


# By 5 · R + F, less 6.
RFM_NAMES = [
    *["lost", "lost", "at risk", "at risk", "cannot lose"],
    *["hibernating", "hibernating", "at risk", "at risk", "cannot lose"],
    *["need attention", "need attention", "need attention", "loyal", "loyal"],
    *["promising", "potential loyalists", "potential loyalists", "loyal", "loyal"],
    *["new", "potential loyalists", "potential loyalists", "champions", "champions"],
]


def rank_buyers(people: pl.DataFrame) -> pl.DataFrame:
    """Last days, orders and cents of those who bought something, each in order for itself."""
    bought = people.lazy()
    if people["last_day"].null_count():
        bought = bought.filter(col("last_day").is_not_null())
    return bought.select(col("last_day", "orders", "revenue").sort()).collect(engine="in-memory")


def score_customers(people: pl.DataFrame, ranked: pl.DataFrame) -> pl.DataFrame:
    """The customers with r, f and m, from 1 to 5, and the number of R and F's name; NULL for who bought nothing."""
    # Whoever is above the buyer with whom, from the worst on, k fifths are reached has at least k fifths below.
    cuts = ranked[[(k * ranked.height + 4) // 5 - 1 for k in range(1, 5)]]

    def score(measure: str) -> pl.Expr:
        scored = when(col("last_day").is_null()).then(lit(None, pl.Int64))
        for k, cut in reversed([*enumerate(cuts[measure], 2)]):
            scored = scored.when(col(measure) > cut).then(lit(k, pl.Int64))
        return scored.otherwise(lit(1, pl.Int64))

    scores = people.lazy().with_columns(r=score("last_day"), f=score("orders"), m=score("revenue"))
    return scores.with_columns(pair=5 * col("r") + col("f") - 6).collect(engine="in-memory")


def customers_table(people: pl.LazyFrame, ids: pl.DataFrame, window: Window) -> pl.LazyFrame:
    """Table `customers`."""
    newest = window.as_of - 1
    last_month = window.month_of(col("last_day"))
    live_from = window.last if window.undecided is None else window.last - 1
    state = when(col("last_day").is_null()).then(lit("never")).when(last_month >= live_from).then(lit("live"))
    return people.select(
        customer_id=lit(ids["customer_id"]),
        first_at=col("first_day").cast(pl.Int32).cast(pl.Date),
        last_at=col("last_day").cast(pl.Int32).cast(pl.Date),
        cohort=window.start_of(window.month_of(col("first_day"))),
        state=state.otherwise(lit("churned")),
        orders="orders",
        revenue=exact(col("revenue")),
        loyal=(last_month >= live_from).fill_null(False) & (col("orders") >= 3),
        days_since_last=newest - col("last_day"),
        frequency="frequency",
        recency=(col("last_day") - col("first_day")) / 7,
        age=(newest - col("first_day")) / 7,
        monetary=when(col("frequency") > 0).then((col("end") - col("next_before")) / col("frequency") / 100),
        r_score="r",
        f_score="f",
        m_score="m",
        rfm_segment=lit(pl.Series(RFM_NAMES)).gather("pair"),
    )


NEW, RETAINED, RETURNED, CHURNED, UNDECIDED, IDLE = range(6)
STATES = ["new", "retained", "returned", "churned", None, None]


def fold_steps(months: pl.DataFrame, people: pl.DataFrame, window: Window) -> pl.DataFrame:
    """The months with what came before and after: was the customer live, of which cohort, is the next month there."""
    cents = when("active").then(col("cents").clip(0)).otherwise(0)
    cohort = people.select(window.month_of(col("first_day"))).to_series()
    return (
        months.lazy()
        .select("key", "orders", "active", closing=cents, unallocated=col("cents") - cents)
        .with_columns(
            rank=col("key") // 1024,
            month=col("key") & 1023,
            was_live=(col("key").shift(1) == col("key") - 1).fill_null(False)
            & col("active").shift(1, fill_value=False),
            ends=col("active") & (col("key").shift(-1) != col("key") + 1).fill_null(True),
        )
        .with_columns(
            cohort=lit(cohort).gather("rank"),
            opening=when("was_live").then(col("closing").shift(1)).otherwise(0),
        )
        .collect(engine="in-memory")
    )


def fold_moves(steps: pl.DataFrame, window: Window) -> pl.DataFrame:
    """Who moved, in order of key; also the month after the last active one, in which nothing was bought."""
    gone = lit(CHURNED, pl.UInt8)
    if window.undecided is not None:
        gone = when(col("month") == window.undecided).then(lit(UNDECIDED, pl.UInt8)).otherwise(gone)
    state = (
        when("active", "was_live")
        .then(lit(RETAINED, pl.UInt8))
        .when(col("active"), col("month") == col("cohort"))
        .then(lit(NEW, pl.UInt8))
        .when("active")
        .then(lit(RETURNED, pl.UInt8))
        .when("was_live")
        .then(gone)
        .otherwise(lit(IDLE, pl.UInt8))
    )
    columns = ["key", "opening", "closing", "unallocated", "orders"]
    here = (
        steps.lazy().filter(col("active") | col("was_live") | (col("unallocated") != 0)).select(*columns, state=state)
    )
    after = (
        steps.lazy()
        .filter(col("ends"), col("month") < window.last)
        .select(col("key") + 1, month=col("month") + 1, opening="closing", closing=lit(0, pl.Int64))
        .select("key", "opening", "closing", unallocated=lit(0, pl.Int64), orders=lit(0, pl.Int64), state=gone)
    )
    return here.merge_sorted(after, key="key").collect(engine="streaming")


def ledger_table(moves: pl.DataFrame, ids: pl.DataFrame, window: Window) -> pl.LazyFrame:
    """Table `ledger`: months that repeat the one before in every column are one row with it."""
    month = col("key") & 1023
    same = col("key").shift(1) == col("key") - 1
    for column in ("state", "opening", "closing", "unallocated", "orders"):
        same &= col(column) == col(column).shift(1)
    if window.undecided is not None:
        same &= month != window.undecided
    runs = (
        moves.lazy()
        .with_columns(before=col("key").shift(1), same=same.fill_null(False))
        .filter(~col("same"))
        .with_columns(last=col("before").shift(-1).fill_null(moves["key"].last()))
        .select(
            "state",
            "opening",
            "closing",
            "unallocated",
            "orders",
            month=month,
            customer_id=lit(ids["customer_id"]).gather(col("key") // 1024),
            period=window.start_of(month),
            until=window.start_of((col("last") & 1023) + 1),
            word=lit(pl.Series(STATES)).gather("state"),
        )
        .collect(engine="in-memory")
    )
    zero = lit(0).cast(MONEY)
    moved = when(col("state") == RETAINED).then(col("closing") - col("opening")).otherwise(0)
    return (
        runs.lazy()
        .with_columns(*[money(col(c)) for c in ("opening", "closing", "unallocated")], moved=money(moved))
        .select(
            "customer_id",
            "period",
            "until",
            state="word",
            opening="opening",
            new=when(col("state") == NEW).then("closing").otherwise(zero),
            expansion=when(col("moved") > zero).then("moved").otherwise(zero),
            contraction=window.decided(when(col("moved") < zero).then("moved").otherwise(zero)),
            churned=window.decided(when(col("state") == CHURNED).then(-col("opening")).otherwise(zero)),
            reactivation=when(col("state") == RETURNED).then("closing").otherwise(zero),
            currency_effect=zero,
            closing=window.decided(col("closing")),
            unallocated="unallocated",
            orders="orders",
        )
    )


def wilson(events: pl.Expr, trials: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """The 95 % score interval of events / trials."""
    share, z2 = events / trials, Z95 * Z95
    middle = share + z2 / (2 * trials)
    half = Z95 * (share * (1 - share) / trials + z2 / (4 * trials * trials)).sqrt()
    scale = 1 + z2 / trials
    low = when(events == 0).then(trials * 0.0).otherwise((middle - half) / scale)
    high = when(events == trials).then(trials * 0.0 + 1).otherwise((middle + half) / scale)
    return low, high


EVERYBODY = {"segment_id": lit(0, pl.Int64), "segment": lit("all"), "value": lit("all")}
NO_NUMBER = lit(None, pl.Float64)
COUNT = lit(0, pl.Int64)


def sum_moves(moves: pl.DataFrame, window: Window) -> pl.LazyFrame:
    """A row for each month of the window: customers by state, cents by movement, and what is known of the month."""
    moved = (col("closing") - col("opening")).alias("moved")
    by_state = (
        moves.lazy()
        .select("state", "opening", "closing", "unallocated", moved, month=col("key") & 1023)
        .group_by("month", "state")
        .agg(
            pl.len().cast(pl.Int64).alias("customers"),
            col("opening", "closing", "unallocated").sum(),
            gained=col("moved").clip(0).sum(),
            lost=-col("moved").clip(None, 0).sum(),
        )
        .collect(engine="streaming")
    )
    state = col("state")

    def of(column: str, *states: int) -> pl.Expr:
        return col(column).filter(state.is_in(states)).sum()

    months = pl.LazyFrame({"month": range(window.first, window.last + 1)}, schema={"month": pl.Int64})
    observed_from = datetime.date(1970, 1, 1) + datetime.timedelta(window.observed_from)
    next_month = lit(observed_from).dt.offset_by("1mo")
    partial = (col("period") < observed_from) | (col("month") == lit(window.undecided, pl.Int64)).fill_null(False)
    return (
        months.join(
            by_state.lazy()
            .group_by("month")
            .agg(
                was=of("customers", RETAINED, CHURNED, UNDECIDED),
                new=of("customers", NEW),
                retained=of("customers", RETAINED),
                returned=of("customers", RETURNED),
                churned=of("customers", CHURNED),
                c_opening=col("opening").sum(),
                c_closing=col("closing").sum(),
                c_unallocated=col("unallocated").sum(),
                c_new=of("closing", NEW),
                c_returned=of("closing", RETURNED),
                c_churned=of("opening", CHURNED),
                c_expansion=of("gained", RETAINED),
                c_contraction=of("lost", RETAINED),
            ),
            on="month",
            how="left",
        )
        .fill_null(0)
        .sort("month")
        .with_columns(period=window.start_of(col("month")), now=col("new") + col("retained") + col("returned"))
        .with_columns(complete=~partial, left_truncated=col("period") < next_month)
        .with_columns(maturity=when("complete").then(lit("complete")).otherwise(lit("partial")))
    )


def churn_table(sums: pl.LazyFrame, window: Window) -> pl.LazyFrame:
    """Table `churn`."""
    recent = sums.filter("complete").select(
        "month",
        recent=when(pl.int_range(pl.len()) >= 2).then(
            col("churned").rolling_sum(6, min_samples=1) / col("was").rolling_sum(6, min_samples=1).replace(0, None)
        ),
    )
    base = when(col("complete"), col("was") > 0).then("was")
    low, high = wilson(col("churned"), base)
    yearly = 1 - (1 - col("recent")) ** 12
    benchmark = when(yearly < 0.03).then(lit("excellent")).when(yearly <= 0.06).then(lit("acceptable"))
    return sums.join(recent, on="month", how="left", maintain_order="left").select(
        **EVERYBODY,
        period="period",
        opening="was",
        new="new",
        retained="retained",
        returned="returned",
        churned=window.decided(col("churned")),
        closing=window.decided(col("now")),
        intra=COUNT,
        moved_in=COUNT,
        moved_out=COUNT,
        due=lit(None, pl.Int64),
        renewal_rate=NO_NUMBER,
        churn_rate=col("churned") / base,
        crr=(col("now") - col("new")) / base,
        crr_strict=col("retained") / base,
        churn_rate_trailing="recent",
        churn_rate_annual=yearly,
        expected_lifetime_periods=1 / when(col("recent") > 0).then("recent"),
        benchmark=benchmark.when(yearly.is_not_null()).then(lit("high")),
        ci_low=low,
        ci_high=high,
        maturity="maturity",
        left_truncated="left_truncated",
    )


def revenue_churn_table(sums: pl.LazyFrame, window: Window) -> pl.LazyFrame:
    """Table `revenue_churn`."""
    base = when(col("complete"), col("c_opening") > 0).then("c_opening")
    lost, won_back = col("c_churned") + col("c_contraction"), col("c_expansion") + col("c_returned")
    zero = lit(0).cast(MONEY)
    return sums.select(
        **EVERYBODY,
        period="period",
        opening=exact(col("c_opening")),
        new=exact(col("c_new")),
        expansion=exact(col("c_expansion")),
        contraction=window.decided(exact(-col("c_contraction"))),
        churned=window.decided(exact(-col("c_churned"))),
        reactivation=exact(col("c_returned")),
        currency_effect=zero,
        moved_in=zero,
        moved_out=zero,
        closing=window.decided(exact(col("c_closing"))),
        unallocated=exact(col("c_unallocated")),
        committed=lit(None, MONEY),
        customers=window.decided(col("now")),
        arpa=window.decided(col("c_closing") / when(col("now") > 0).then("now") / 100),
        gross_churn_rate=lost / base,
        net_churn_rate=(lost - won_back) / base,
        grr=(col("c_opening") - lost) / base,
        nrr=(col("c_opening") - lost + col("c_expansion")) / base,
        quick_ratio=when(col("complete"), lost > 0).then((col("c_new") + won_back) / lost),
        maturity="maturity",
        left_truncated="left_truncated",
    )


def sum_cells(steps: pl.DataFrame) -> pl.LazyFrame:
    """A row for each cohort and age that has any: customers, orders, cents."""
    cells = (
        steps.lazy()
        .filter(col("month") >= col("cohort"))
        .group_by("cohort", "month")
        .agg(
            customers=col("active").sum().cast(pl.Int64),
            orders=col("orders").sum(),
            cents=(col("closing") + col("unallocated")).sum(),
        )
    )
    return cells.with_columns(age=col("month") - col("cohort")).collect(engine="streaming").lazy()


def cohort_table(cells: pl.LazyFrame, sums: pl.LazyFrame, window: Window) -> pl.LazyFrame:
    """Table `cohort`: a full rectangle of cohorts and ages, then the ages pooled."""
    starts = cells.filter(col("age") == 0).select("cohort", size="customers", start="cents")
    ages = cells.select(age=pl.int_range(0, window.last + 1 - col("cohort").min()))
    known = (
        starts.join(ages, how="cross")
        .join(cells.drop("month"), on=["cohort", "age"], how="left")
        .with_columns(col("customers", "orders", "cents").fill_null(0), month=col("cohort") + col("age"))
        .sort("cohort", "age")
        .with_columns(cumulative=col("cents").cum_sum().over("cohort"))
        .join(sums.select("month", "maturity"), on="month", how="left", maintain_order="left")
        .with_columns(col("maturity").fill_null("not_observable"))
    )
    pooled = (
        known.filter(col("maturity") == "complete")
        .group_by("age")
        .agg(col("size", "start", "customers", "orders", "cents", "cumulative").sum(), col("maturity").first())
        .with_columns(cohort=lit(None, pl.Int64), month=lit(None, pl.Int64))
        .sort("age")
    )
    columns = ["cohort", "age", "month", "size", "start", "customers", "orders", "cents", "cumulative", "maturity"]
    observable = col("maturity") != "not_observable"
    base = when(col("maturity") == "complete").then("size")
    low, high = wilson(col("customers"), base)
    return pl.concat([known.select(columns), pooled.select(columns)]).select(
        **EVERYBODY,
        cohort=window.start_of(col("cohort")),
        age="age",
        period=window.start_of(col("month")),
        cohort_size="size",
        customers=when(observable).then("customers"),
        retention_rate=col("customers") / base,
        ci_low=low,
        ci_high=high,
        orders=when(observable).then("orders"),
        revenue=when(observable).then(exact(col("cents"))),
        revenue_retention=when(base.is_not_null(), col("start") > 0).then(col("cents") / col("start")),
        grr=NO_NUMBER,
        nrr=NO_NUMBER,
        cumulative_revenue=when(observable).then(exact(col("cumulative"))),
        cumulative_revenue_per_customer=when(observable).then(col("cumulative") / col("size") / 100),
        maturity="maturity",
        left_truncated=(col("cohort") == window.first).fill_null(False),
    )


def ltv_table(cells: pl.LazyFrame, sums: pl.LazyFrame, window: Window) -> pl.LazyFrame:
    """Table `ltv`, method `realised`, at a gross margin of one half."""
    totals = cells.group_by(month="cohort").agg(
        size=col("customers").filter(col("age") == 0).sum(), cents=col("cents").sum()
    )
    partial = lit("" if window.undecided is None else ", the last of them partial")
    truncated = (
        when("left_truncated").then(lit("; left-truncated: the cohort holds older customers")).otherwise(lit(""))
    )
    to_date = when(col("month") == window.last).then(lit(" period to date")).otherwise(lit(" periods to date"))
    note = pl.concat_str(window.last + 1 - col("month"), to_date, partial, truncated)
    return (
        totals.join(sums, on="month")
        .sort("month")
        .select(
            **EVERYBODY,
            period="period",
            method=lit("realised"),
            customers="size",
            arpa=NO_NUMBER,
            gross_margin=lit(0.5),
            churn_rate=NO_NUMBER,
            expected_lifetime_periods=NO_NUMBER,
            ltv=col("cents") / 100 * 0.5 / col("size"),
            ltv_discounted=NO_NUMBER,
            ci_low=NO_NUMBER,
            ci_high=NO_NUMBER,
            cac=NO_NUMBER,
            ltv_to_cac=NO_NUMBER,
            payback_periods=NO_NUMBER,
            holdout_error=NO_NUMBER,
            note=note,
        )
    )


def rfm_table(people: pl.DataFrame, window: Window) -> pl.LazyFrame:
    """Table `rfm`."""
    pairs = (
        people.lazy()
        .select("pair", "revenue", "orders", "last_day")
        .group_by("pair")
        .agg(
            customers=pl.len().cast(pl.Int64),
            cents=col("revenue").sum(),
            days=(window.as_of - 1 - col("last_day")).sum(),
            orders=col("orders").sum(),
            repeaters=(col("orders") >= 2).sum(),
        )
        .collect(engine="streaming")
    )
    customers, cents = col("customers"), col("cents")
    return (
        pairs.lazy()
        .filter(col("pair").is_not_null())
        .group_by(rfm_segment=lit(pl.Series(RFM_NAMES)).gather("pair"))
        .agg(col("customers", "cents", "days", "orders", "repeaters").sum())
        .sort("rfm_segment")
        .select(
            **EVERYBODY,
            rfm_segment="rfm_segment",
            customers="customers",
            share=customers / customers.sum(),
            revenue=exact(cents),
            revenue_share=when(cents.sum() > 0).then(cents / cents.sum()),
            mean_recency_days=col("days") / customers,
            mean_orders=col("orders") / customers,
            mean_revenue=cents / customers / 100,
            repeat_rate=col("repeaters") / customers,
        )
    )


def concentration_table(people: pl.DataFrame, ranked: pl.DataFrame) -> pl.LazyFrame:
    """Table `concentration`; `top` is two deciles."""
    cents = ranked["revenue"] if ranked.height == people.height else people["revenue"].sort()
    ends = [(decile * people.height + 9) // 10 for decile in range(11)]
    parts = [cents[people.height - end : people.height - start] for start, end in itertools.pairwise(ends)]
    columns = {"decile": range(1, 11), "customers": [len(part) for part in parts], "cents": [p.sum() for p in parts]}
    deciles = pl.LazyFrame(columns, schema=dict.fromkeys(columns, pl.Int64))
    total = when(col("cents").sum() > 0).then(col("cents").sum())
    return deciles.select(
        **EVERYBODY,
        decile="decile",
        customers="customers",
        revenue=exact(col("cents")),
        revenue_share=col("cents") / total,
        cumulative_share=col("cents").cum_sum() / total,
        top=lit(0.2),
        top_share=col("cents").head(2).sum() / total,
    ).filter(col("customers") > 0)


def write_tables(export: Path, out: Path, zstd: int) -> None:
    """Reads the export and writes a file for each table."""
    day, cents = col("occurred_at").dt.date().to_physical(), col("amount").to_physical().cast(pl.Int64)
    lines = pl.scan_parquet(export / "*.parquet").select(
        "customer_id", "order_id", h=col("customer_id").hash(), day=day, cents=cents
    )
    ids = read_customers(lines)
    days = fold(read_orders(lines, ids), col("key"))
    window = Window(days)
    # From here on key = rank << 10 | month.
    months = fold(days, col("key") // 65536 * 1024 + window.month_of(col("key") & 65535))
    if months["cents"].abs().max() >= LARGEST:
        sys.exit("amounts are too large to be exact")
    people = fold_customers(days).collect(engine="in-memory")
    del days
    ranked = rank_buyers(people)
    people = score_customers(people, ranked)
    customers_table(people.lazy(), ids, window).sink_parquet(out / "customers.parquet", compression_level=zstd)
    tables = {"rfm": rfm_table(people, window), "concentration": concentration_table(people, ranked)}
    steps = fold_steps(months, people, window)
    del months, people, ranked
    moves = fold_moves(steps, window)
    cells = sum_cells(steps)
    del steps
    ledger_table(moves, ids, window).sink_parquet(out / "ledger.parquet", compression_level=zstd)
    sums = sum_moves(moves, window).collect().lazy()
    tables |= {
        "churn": churn_table(sums, window),
        "cohort": cohort_table(cells, sums, window),
        "revenue_churn": revenue_churn_table(sums, window),
        "ltv": ltv_table(cells, sums, window),
    }
    pl.collect_all([table.sink_parquet(out / f"{name}.parquet", lazy=True) for name, table in tables.items()])


def main() -> None:
    """Writes the tables of one export."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--zstd", type=int, default=1, help="compression level")
    args = parser.parse_args()
    if args.threads != pl.thread_pool_size():  # settled when Polars is imported
        os.environ["POLARS_MAX_THREADS"] = str(args.threads)
        os.execv(sys.executable, [sys.executable, *sys.argv])
    args.out.mkdir(parents=True, exist_ok=True)
    write_tables(args.export, args.out, args.zstd)


if __name__ == "__main__":
    main()
