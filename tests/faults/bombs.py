"""Files and pipelines of a few kilobytes that ask for gigabytes, for hours, or for a deep stack.

Each ends with one of our statuses, within its memory limit and a quarter, and in time.
"""

import json
import os
import shutil
import struct
import zlib

import common
import parquet
from common import MIB, no_crash, tenure
from parquet import BYTE_ARRAY, INT32, RLE_DICTIONARY, Column

LIMIT = 512
BOMBS = {}


def bomb(*, seconds=common.HANG, codes=(0, 1, 2, 3)):
    """Registers a bomb: a function that makes a pipeline `p.toml`, and its exports, in a folder."""

    def register(make):
        BOMBS[make.__name__.replace("_", " ")] = (make, seconds, codes)
        return make

    return register


def usual(rows):
    columns = parquet.transactions()
    return columns, [parquet.constant(c, v, rows) for c, v in zip(columns, (7, 18_993, 1234))]


def over(folder, columns, groups, **more):
    parquet.write(f"{folder}/x.parquet", columns, groups)
    return common.pipeline(folder, f"{folder}/x.parquet", **more)


@bomb(codes=(3,))
def a_dictionary_that_claims_two_thousand_million_entries(folder):
    columns, chunks = usual(10)
    first = parquet.dictionary_page(struct.pack("<q", 7), 2**31 - 1)
    body = b"\x01" + parquet.number(20) + b"\0"
    chunks[0] = {"bytes": first + parquet.page(body, 10, RLE_DICTIONARY), "rows": 10, "dictionary": len(first)}
    return over(folder, columns, [(10, chunks)])


@bomb(codes=(3,))
def a_dictionary_that_claims_a_negative_number_of_entries(folder):
    columns, chunks = usual(10)
    first = parquet.dictionary_page(struct.pack("<q", 7), -5)
    body = b"\x01" + parquet.number(20) + b"\0"
    chunks[0] = {"bytes": first + parquet.page(body, 10, RLE_DICTIONARY), "rows": 10, "dictionary": len(first)}
    return over(folder, columns, [(10, chunks)])


def snappy_of(n):
    """Snappy: `n` bytes of zeros, as one literal and copies of it."""
    out = bytearray(parquet.number(n)) + b"\0\0"
    left = n - 1
    while left > 0:
        length = min(64, left)
        out += bytes([length - 1 << 2 | 2, 1, 0])
        left -= length
    return bytes(out)


@bomb(codes=(3,))
def a_snappy_page_that_claims_two_gigabytes(folder):
    columns, chunks = usual(10)
    lie = parquet.number(2**31 - 1) + b"\x1c" + b"\0" * 8
    chunks[2] = {"bytes": parquet.page(b"", 10, size=2**31 - 1, packed=lie), "rows": 10, "codec": parquet.SNAPPY}
    return over(folder, columns, [(10, chunks)])


@bomb(codes=(3,))
def a_page_that_holds_more_than_its_header_says(folder):
    columns, chunks = usual(10)
    chunks[2] = {"bytes": parquet.page(b"", 10, size=80, packed=snappy_of(64 * MIB)), "rows": 10, "codec": parquet.SNAPPY}
    return over(folder, columns, [(10, chunks)])


@bomb(codes=(3,))
def a_page_that_claims_two_thousand_million_values(folder):
    columns, chunks = usual(10)
    chunks[2] = {"bytes": parquet.page(columns[2].plain([1] * 10), 2**31 - 1), "rows": 10}
    return over(folder, columns, [(10, chunks)])


@bomb(codes=(1,), seconds=20)
def twenty_million_rejected_rows(folder):
    amount = Column("amount", BYTE_ARRAY, parquet.UTF8)
    columns, n = parquet.transactions(amount=amount), 1_000_000
    chunks = [parquet.constant(c, v, n) for c, v in zip(columns, (7, 18_993, b"n/a"))]
    return over(folder, columns, [(n, chunks)] * 20)


@bomb(codes=(1,), seconds=20)
def rejected_rows_of_a_megabyte_each(folder):
    amount = Column("amount", BYTE_ARRAY, parquet.UTF8)
    columns, n = parquet.transactions(amount=amount), 5_000
    chunks = [parquet.constant(c, v, n) for c, v in zip(columns, (7, 18_993, b"x" * MIB))]
    return over(folder, columns, [(n, chunks)])


@bomb(seconds=20)
def a_customer_id_of_thirty_megabytes_in_many_rows(folder):
    columns, n = parquet.transactions(id_kind=BYTE_ARRAY), 2_000
    chunks = [parquet.constant(c, v, n) for c, v in zip(columns, (b"k" * (30 * MIB), 18_993, 1234))]
    return over(folder, columns, [(n, chunks)])


@bomb(seconds=20)
def four_customer_ids_of_a_hundred_and_fifty_megabytes(folder):
    columns, n, size = parquet.transactions(id_kind=BYTE_ARRAY), 4, 150 * MIB
    packer, packed = zlib.compressobj(1, wbits=31), b""
    for i in range(n):
        packed += packer.compress(struct.pack("<I", size) + b"%d" % i)
        left = size - 1
        while left:
            piece = min(MIB, left)
            packed += packer.compress(b"k" * piece)
            left -= piece
    packed += packer.flush()
    ids = {"bytes": parquet.page(b"", n, size=n * (size + 4), packed=packed), "rows": n, "codec": parquet.GZIP}
    rest = [parquet.constant(c, v, n) for c, v in zip(columns[1:], (18_993, 1234))]
    return over(folder, columns, [(n, [ids, *rest])])


@bomb(codes=(0, 3), seconds=8)
def twenty_thousand_columns(folder):
    columns, chunks = usual(1)
    more = [Column(f"c{i}", INT32) for i in range(20_000)]
    return over(folder, columns + more, [(1, chunks + [parquet.constant(c, 1, 1) for c in more])])


@bomb(codes=(0, 3), seconds=8)
def a_hundred_thousand_row_groups(folder):
    columns, chunks = usual(1)
    return over(folder, columns, [(1, chunks)] * 100_000)


def nested(folder, depth):
    columns, chunks = usual(1)
    leaf = {"bytes": parquet.page(struct.pack("<i", 1), 1), "rows": 1}
    elements = [parquet.schema_element("g", None, 0, 1)] * depth + [parquet.schema_element("leaf", INT32, 0)]
    parquet.write(f"{folder}/x.parquet", columns, [(1, chunks)], (elements, [(["g"] * depth + ["leaf"], INT32, leaf)]))
    return common.pipeline(folder, f"{folder}/x.parquet")


@bomb(codes=(0, 3))
def a_column_nested_400_deep(folder):
    return nested(folder, 400)


@bomb(codes=(0, 3))
def a_column_nested_10000_deep(folder):
    return nested(folder, 10_000)


@bomb(codes=(3,))
def a_schema_that_claims_more_children_than_there_are(folder):
    columns, chunks = usual(1)
    elements = [parquet.schema_element("g", None, 0, 2**31 - 1)]
    parquet.write(f"{folder}/x.parquet", columns, [(1, chunks)], (elements, []))
    return common.pipeline(folder, f"{folder}/x.parquet")


def filtered(folder, sql):
    columns, chunks = usual(10)
    return over(folder, columns, [(10, chunks)], source=f"filter = {json.dumps(sql)}")


@bomb(codes=(2,))
def fifty_casts_within_one_another(folder):
    return filtered(folder, "CAST(" * 50 + "amount" + " AS DOUBLE)" * 50 + " > 0")


@bomb(codes=(2,))
def fifty_arrays_within_one_another(folder):
    return filtered(folder, "ARRAY[" * 50 + "1" + "]" * 50 + " = amount")


@bomb(codes=(2,))
def ten_thousand_brackets(folder):
    return filtered(folder, "(" * 10_000 + "amount" + ")" * 10_000 + " > 0")


@bomb(codes=(0, 2))
def an_expression_of_a_megabyte(folder):
    return filtered(folder, " AND ".join(["amount > 0"] * 80_000))


@bomb(codes=(0, 2))
def fifty_not_and_fifty_cases(folder):
    return filtered(folder, "CASE WHEN NOT " * 50 + "amount > 0" + " THEN TRUE ELSE FALSE END" * 50)


@bomb(codes=(2,))
def a_toml_file_nested_deep(folder):
    file = common.pipeline(folder, f"{folder}/x.parquet")
    with open(file, "a") as f:
        f.write("x = " + "[" * 20_000 + "]" * 20_000 + "\n")
    return file


@bomb(codes=(2,))
def a_pipeline_of_ten_thousand_mistakes(folder):
    columns, chunks = usual(10)
    more = "\n".join(f"[stages.s{i}]\nkind = \"chrun\"" for i in range(10_000))
    return over(folder, columns, [(10, chunks)], more=more)


@bomb(codes=(3,))
def a_named_pipe_among_the_exports(folder):
    columns, chunks = usual(10)
    os.makedirs(f"{folder}/in")
    parquet.write(f"{folder}/in/a.parquet", columns, [(10, chunks)])
    os.mkfifo(f"{folder}/in/b.parquet")
    return common.pipeline(folder, f"{folder}/in")


@bomb(codes=(2, 3))
def an_endless_device(folder):
    return common.pipeline(folder, "/dev/zero")


@bomb()
def links_to_their_own_folder(folder):
    columns, chunks = usual(10)
    os.makedirs(f"{folder}/in")
    parquet.write(f"{folder}/in/a.parquet", columns, [(10, chunks)])
    for name in "xyz":
        os.symlink(".", f"{folder}/in/{name}")
    return common.pipeline(folder, f"{folder}/in/**/*.parquet")


def run(suite):
    def one(folder, name):
        make, seconds, codes = BOMBS[name]
        for command in ("check", "run"):
            for _ in range(2):
                for old in os.listdir(folder):
                    path = os.path.join(folder, old)
                    shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
                common.apart(make, folder)
                args = [command, f"{folder}/p.toml"] + (["--quiet", "--threads", "2", "--memory-limit", f"{LIMIT}MiB"] if command == "run" else [])
                ran = tenure(*args, folder=folder, timeout=3 * seconds + 4, cap=24 << 30)
                wrong = no_crash(ran, memory=LIMIT * MIB * 5 // 4, seconds=seconds)
                if not common.slow_only(wrong):
                    break
            # What `check` does not read it cannot refuse.
            if ran.code not in (codes if command == "run" else (0, *codes)):
                wrong.append(f"exit {ran.code}, expected {' or '.join(map(str, codes))}: {ran.first_line()}")
            suite.count("bombs", wrong, f"{name}: tests/faults/run --only bombs; {command}, {ran.peak // MIB} MiB, {ran.seconds:.1f} s")

    suite.each(one, list(BOMBS))
