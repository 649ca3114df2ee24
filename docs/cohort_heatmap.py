#!/usr/bin/env python3
"""Draws a cohort heatmap as SVG, from table `cohort` as CSV on standard input. Needs the standard library alone.

    tenure show out/grocery cohort --segment all=all --format csv | python3 docs/cohort_heatmap.py > docs/cohort-heatmap.svg

A row for each cohort, a column for each age in months; a cell shows the share of the cohort that is live at that age.
Cells that lie in the future are left out.
"""

import csv
import sys

CELL, HEIGHT, LEFT, TOP = 56, 30, 150, 62
# Labels outside the cells have the same contrast (4.3 : 1) on white and on GitHub's dark background.
LABEL = "#757b82"
# From the lowest rate to the highest.
LOW, HIGH = (0xD6, 0xE6, 0xFA), (0x17, 0x3F, 0x8A)


def colour(share: float) -> str:
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(LOW, HIGH))


def text(x: float, y: float, words: str, anchor: str, fill: str, size: int = 13) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}" fill="{fill}">{words}</text>'


def main() -> None:
    rows = [r for r in csv.DictReader(sys.stdin) if r["cohort"] and r["retention_rate"]]
    if not rows:
        sys.exit("no cohort on standard input: pipe `tenure show … cohort --segment all=all --format csv` into it")
    cohorts = sorted({r["cohort"] for r in rows})
    ages = sorted({int(r["age"]) for r in rows})
    sizes = {r["cohort"]: int(r["cohort_size"]) for r in rows}
    lowest = min(float(r["retention_rate"]) for r in rows)

    width, height = LEFT + CELL * len(ages) + 10, TOP + HEIGHT * len(cohorts) + 10
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'role="img" font-family="system-ui, sans-serif">',
        "<title>Share of each month's new households that still buy, by months since their first purchase</title>",
        text(0, 18, "Households of a grocery chain that are still customers, in per cent", "start", LABEL, 15),
        text(0, TOP - 12, "first purchase", "start", LABEL),
        text(LEFT - 16, TOP - 12, "size", "end", LABEL),
        text(LEFT + CELL * len(ages), TOP - 30, "months since the first purchase", "end", LABEL),
    ]
    out += [text(LEFT + CELL * (i + 0.5), TOP - 12, str(age), "middle", LABEL) for i, age in enumerate(ages)]
    for i, cohort in enumerate(cohorts):
        middle = TOP + HEIGHT * i + 20
        out.append(text(0, middle, cohort[:7], "start", LABEL))
        out.append(text(LEFT - 16, middle, f"{sizes[cohort]:,}", "end", LABEL))
    for r in rows:
        rate = float(r["retention_rate"])
        share = (rate - lowest) / (1 - lowest) if lowest < 1 else 1.0
        x, y = LEFT + CELL * ages.index(int(r["age"])), TOP + HEIGHT * cohorts.index(r["cohort"])
        out.append(f'<rect x="{x + 1}" y="{y + 1}" width="{CELL - 2}" height="{HEIGHT - 2}" rx="3" fill="{colour(share)}"/>')
        out.append(text(x + CELL / 2, y + 20, f"{100 * rate:.0f}", "middle", "#ffffff" if share > 0.62 else "#1b1f24"))
    print("\n".join([*out, "</svg>"]))


if __name__ == "__main__":
    main()
