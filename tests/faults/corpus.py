"""Malformed Parquet from public corpora, each file checked and run with every column read that can be.

The files lie in `malformed_parquet` below TENURE_REFERENCE_DATA; without it this kind is skipped, and says so.
"""

import json
import os
import re

import common
import parquet
from common import MIB, no_crash, tenure

LIMIT = "512MiB"
TEXT = """name = "corpus"
[calendar]
as_of = "2022-06-01"
[money]
currency = "EUR"
[customers]
churn_after = "1 period"
[sources.transactions]
path = {path}
filter = {filter}
[sources.transactions.columns]
customer_id = {{ sql = "CAST(1 AS BIGINT)" }}
occurred_at = {{ sql = "DATE '2022-01-03'" }}
amount = {{ sql = "1" }}
[stages.churn]
[output]
dir = {out}
"""


def files():
    top = os.path.join(os.environ.get("TENURE_REFERENCE_DATA", ""), "malformed_parquet")
    return sorted(os.path.join(at, name) for at, _, names in os.walk(top) for name in names)


def columns(path):
    with open(path, "rb") as f:
        data = f.read()
    try:
        return [name for name in parquet.leaves(data) if name and "\0" not in name]
    except Exception:  # A footer can be wrong in any way; what it says is then of no use.
        return []


def write(folder, path, names):
    """A pipeline that reads the columns through its filter."""
    quoted = ['"' + n.replace('"', '""') + '" IS NOT NULL' for n in names]
    text = TEXT.format(path=json.dumps(path), filter=json.dumps(" OR ".join([*quoted, "TRUE"])), out=json.dumps(f"{folder}/out"))
    with open(f"{folder}/p.toml", "w") as f:
        f.write(text)
    return f"{folder}/p.toml"


def run(suite):
    found = files()
    if not found:
        suite.note("corpus", "skipped: TENURE_REFERENCE_DATA names no folder with malformed_parquet")
        suite.tried.setdefault("corpus", 0)
        return
    if suite.quick:
        found = suite.random("corpus").sample(found, min(len(found), 60))
    seen = {}

    def one(folder, source):
        path = os.path.join(folder, "x.parquet")
        if os.path.lexists(path):
            os.unlink(path)
        os.symlink(os.path.realpath(source), path)
        names = columns(path)
        # Columns that no expression can use are named one by one.
        while names:
            said = tenure("check", write(folder, path, names), folder=folder)
            refused = re.search(r"(?:type of column|there is no column) `([^`]*)`", said.err)
            if said.code != 2 or not refused or refused.group(1) not in names:
                break
            names.remove(refused.group(1))
        file = write(folder, path, names)
        for command in (["check", file], ["run", file, "--quiet"]):
            for attempt in range(2):
                ran = tenure(*command, "--memory-limit", LIMIT, folder=folder) if command[0] == "run" else tenure(*command, folder=folder)
                wrong = no_crash(ran, memory=512 * MIB * 5 // 4)
                if not common.slow_only(wrong):
                    break
            with suite.lock:
                seen[ran.code] = seen.get(ran.code, 0) + 1
            suite.count("corpus", wrong, f"{command[0]} {source} (columns {names})")

    suite.each(one, found)
    suite.note("corpus", f"{len(found)} files x check, run: exits {dict(sorted(seen.items()))}")
