"""Exports with flipped bits, other bytes, cut ends, spliced and swapped pieces.

A run ends with one of our statuses, in time, within its memory. Where pages carry checksums and what was changed lies in
their bodies, it never publishes other figures; where it publishes at all, what it publishes is whole.
"""

import os
import shutil

import common
import exports
import parquet
from common import MIB, no_crash, published, tenure

LIMIT = "256MiB"
EXTREMES = [b"\xff" * 4, b"\x00" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80" * 4, b"\xff" * 9 + b"\x01", b"\x15" * 8]


def bases(folder):
    """The exports to change: path, name, whether every page carries a checksum, and its column of dates."""
    made = []
    for name, how in {
        "plain": {},
        "checksums": {"checksum": True},
        "gzip": {"gzip": True, "optional": True},
        "gzip with checksums": {"gzip": True, "checksum": True},
    }.items():
        path = os.path.join(folder, name.replace(" ", "-") + ".parquet")
        exports.write(path, 7, **how)
        made.append((path, name, how.get("checksum", False), "occurred_at"))
    # As a common writer makes them: dictionaries, run lengths, statistics.
    shipped = os.path.join(folder, "shipped.parquet")
    shutil.copy(os.path.join(common.ROOT, "data/cdnow/purchases.parquet"), shipped)
    made.append((shipped, "shipped", False, "date"))
    return made


def mutate(data, dice, other):
    """One to three changes; which bytes they touched, and what they were."""
    data, touched, said = bytearray(data), [], []
    # Lengths and offsets stand in the footer and in page headers: half of the changes go there.
    try:
        start = parquet.footer(data)[1]
        bodies = parquet.page_bodies(data)
    except (ValueError, IndexError, KeyError):
        start, bodies = 0, []
    heads = [at - 12 for at, _ in bodies]
    # A third leaves everything but the bodies of pages alone.
    only_bodies = bodies and dice.random() < 0.33
    kinds = ["bit", "bit", "byte", "extreme", "swap"] + ([] if only_bodies else ["cut", "remove", "insert", "splice"])

    def place():
        if only_bodies:
            a, b = dice.choice(bodies)
            return min(dice.randrange(a, b), len(data) - 1)
        pick = dice.random()
        if pick < 0.35:
            return dice.randrange(min(start, len(data) - 1), len(data))
        if pick < 0.5 and heads:
            return min(len(data) - 1, max(0, dice.choice(heads) + dice.randrange(12)))
        return dice.randrange(len(data))

    for _ in range(dice.choice([1, 1, 1, 2, 3])):
        what, at = dice.choice(kinds), place()
        n = min(dice.choice([1, 4, 30, 300]), len(data) - at)
        said.append(f"{what} at {at}")
        if what == "bit":
            data[at] ^= 1 << dice.randrange(8)
            touched.append((at, at + 1))
        elif what == "byte":
            data[at] = dice.randrange(256)
            touched.append((at, at + 1))
        elif what == "extreme":
            piece = dice.choice(EXTREMES)[: len(data) - at]
            data[at : at + len(piece)] = piece
            touched.append((at, at + len(piece)))
        elif what == "swap":
            to = min(place(), len(data) - n)
            a, b = sorted((at, to))
            if a + n <= b:
                data[a : a + n], data[b : b + n] = data[b : b + n], data[a : a + n]
                touched += [(a, a + n), (b, b + n)]
        else:
            # What follows moves: no byte is where it was.
            touched.append((0, len(data)))
            if what == "cut":
                del data[at:]
            elif what == "remove":
                del data[at : at + n]
            elif what == "insert":
                data[at:at] = dice.randbytes(n)
            else:
                source = other if dice.random() < 0.5 else bytes(data)
                begin = dice.randrange(len(source))
                data[at : at + n] = source[begin : begin + n]
        if len(data) < 16:
            break
    inside = touched and all(any(a <= f and t <= b for a, b in bodies) for f, t in touched)
    return bytes(data), inside, "; ".join(said)


def run(suite):
    home = os.path.realpath(suite.folder("mutations"))
    os.makedirs(home + "/bases", exist_ok=True)
    prepared = []
    for path, name, checksums, dates in bases(home + "/bases"):
        file = describe(home, path, dates)
        common.need(tenure("run", file, "--quiet", folder=home), f"the unchanged export ({name})")
        with open(path, "rb") as f:
            prepared.append((f.read(), name, checksums, dates, published(home + "/out")[1]))
    total = 250 if suite.quick else 3000
    seen, protected, others = {}, [0], [0]

    def one(folder, i):
        dice = suite.random("mutation", i)
        data, name, checksums, dates, expected = prepared[i % len(prepared)]
        changed, inside, said = mutate(data, dice, prepared[(i + 1) % len(prepared)][0])
        path = os.path.join(folder, "x.parquet")
        with open(path, "wb") as f:
            f.write(changed)
        file = describe(folder, path, dates)
        for _ in range(2):
            shutil.rmtree(folder + "/out", ignore_errors=True)
            ran = tenure("run", file, "--quiet", "--threads", "2", "--memory-limit", LIMIT, folder=folder)
            wrong = no_crash(ran, memory=int(LIMIT[:-3]) * MIB * 5 // 4)
            if not common.slow_only(wrong):
                break
        wrong += figures(folder, ran, expected if checksums and inside and changed != data else None)
        with suite.lock:
            seen[ran.code] = seen.get(ran.code, 0) + 1
            others[0] += ran.code == 0 and not wrong and published(folder + "/out")[1] != expected
            protected[0] += bool(checksums and inside)
        suite.count("mutations", wrong, f"mutation {i} of seed {suite.seed}, {name}: {said}; exit {ran.code}: {ran.first_line()}")

    suite.each(one, range(total))
    exits = dict(sorted(seen.items()))
    suite.note("mutations", f"exits {exits}, {protected[0]} in pages with checksums; {others[0]} "
               "published other figures, all where no checksum covers what was changed")


def describe(folder, path, dates):
    as_of = "1998-07-01" if dates == "date" else "2022-06-01"
    return common.pipeline(folder, path, as_of=as_of, dates=dates)


def figures(folder, ran, expected):
    """`expected`: the only figures that may be published; None: any."""
    try:
        found = published(folder + "/out")
    except ValueError as e:
        return [f"torn: {e}"]
    if ran.code == 0:
        if found is None:
            return ["exit 0, and nothing is published"]
        if expected and found[1] != expected:
            return ["other figures, although the page's checksum does not fit"]
    elif found is not None:
        return [f"exit {ran.code}, and something is published"]
    left = common.leftovers(folder)
    return [f"left behind: {', '.join(left)}"] if left else []
