"""Small exports that the kinds of faults run over, the same bytes each time."""

import os
import random

import parquet

FIRST_DAY = 18_262  # 2020-01-01
DAYS = 850


def purchases(seed, rows, customers):
    dice = random.Random(seed)
    ids = [dice.randrange(customers) for _ in range(rows)]
    days = [FIRST_DAY + dice.randrange(DAYS) for _ in range(rows)]
    cents = [dice.randrange(1, 20_000) for _ in range(rows)]
    return ids, days, cents


def write(path, seed, rows=600, customers=60, groups=2, checksum=False, gzip=False, page_rows=100, optional=False):
    """An export of transactions, as plain pages."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    columns = parquet.transactions(optional=optional)
    values = purchases(seed, rows, customers)
    described = []
    for group in range(groups):
        part = [v[group * rows // groups : (group + 1) * rows // groups] for v in values]
        chunks = [parquet.chunk(c, v, page_rows, checksum, gzip) for c, v in zip(columns, part)]
        described.append((len(part[0]), chunks))
    parquet.write(path, columns, described)


def folder(path, seed, files=2, **how):
    """A folder of exports."""
    for i in range(files):
        write(os.path.join(path, f"part-{i}.parquet"), seed * 1000 + i, **how)
    return path
