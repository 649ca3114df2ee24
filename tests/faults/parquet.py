"""Parquet by hand, so that a test decides every byte: a writer whose headers may lie, and where the pages of a file are.

Standard library only. Field numbers are those of parquet.thrift; structs travel in Thrift's compact protocol.
"""

import struct
import zlib

I32, I64, BINARY, LIST, STRUCT = 5, 6, 8, 9, 12
INT32, INT64, BYTE_ARRAY = 1, 2, 6
PLAIN, RLE, RLE_DICTIONARY = 0, 3, 8
UNCOMPRESSED, SNAPPY, GZIP = 0, 1, 2
UTF8, DECIMAL, DATE = 0, 5, 6


class Column:
    def __init__(self, name, kind, converted=None, scale=None, precision=None, optional=False):
        self.name, self.kind, self.converted = name, kind, converted
        self.scale, self.precision, self.optional = scale, precision, optional

    def plain(self, values):
        """`values` in the plain encoding."""
        if self.kind == BYTE_ARRAY:
            return b"".join(struct.pack("<I", len(v)) + v for v in values)
        return struct.pack(f"<{len(values)}{'i' if self.kind == INT32 else 'q'}", *values)


def transactions(id_kind=INT64, amount=None, optional=False):
    """The three columns of a usual export of transactions."""
    return [
        Column("customer_id", id_kind, UTF8 if id_kind == BYTE_ARRAY else None, optional=optional),
        Column("occurred_at", INT32, DATE, optional=optional),
        amount or Column("amount", INT64, DECIMAL, 2, 18, optional),
    ]


# Thrift's compact protocol, writing.


def number(n):
    """Unsigned LEB128."""
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def signed(n):
    return number(n << 1 if n >= 0 else (-n << 1) - 1)


def value(kind, v):
    if kind in (I32, I64):
        return signed(v)
    if kind == BINARY:
        v = v.encode() if isinstance(v, str) else v
        return number(len(v)) + v
    if kind == LIST:
        of, items = v
        head = bytes([len(items) << 4 | of]) if len(items) < 15 else bytes([0xF0 | of]) + number(len(items))
        return head + b"".join(value(of, item) for item in items)
    return fields(v)


def fields(members):
    """A struct of (field, type, value); a value of None is left out."""
    out, last = [], 0
    for field, kind, v in members:
        if v is None:
            continue
        step = field - last
        out.append((bytes([step << 4 | kind]) if 0 < step <= 15 else bytes([kind]) + signed(field)) + value(kind, v))
        last = field
    return b"".join(out) + b"\0"


# Pages, column chunks, files.


def page(body, rows, encoding=PLAIN, size=None, packed=None, checksum=False):
    """A data page. `size`: what its header claims to hold unpacked; `packed`: the bytes to store, if compressed."""
    stored = body if packed is None else packed
    crc = struct.unpack("<i", struct.pack("<I", zlib.crc32(stored)))[0] if checksum else None
    head = [(1, I32, 0), (2, I32, len(body) if size is None else size), (3, I32, len(stored)), (4, I32, crc)]
    head.append((5, STRUCT, [(1, I32, rows), (2, I32, encoding), (3, I32, RLE), (4, I32, RLE)]))
    return fields(head) + stored


def dictionary_page(body, entries, size=None, packed=None, checksum=False):
    stored = body if packed is None else packed
    crc = struct.unpack("<i", struct.pack("<I", zlib.crc32(stored)))[0] if checksum else None
    head = [(1, I32, 2), (2, I32, len(body) if size is None else size), (3, I32, len(stored)), (4, I32, crc)]
    return fields([*head, (7, STRUCT, [(1, I32, entries), (2, I32, PLAIN)])]) + stored


def gzipped(body):
    packer = zlib.compressobj(1, wbits=31)
    return packer.compress(body) + packer.flush()


def levels(column, rows):
    """Definition levels of rows that are all there."""
    if not column.optional:
        return b""
    run = number(rows << 1) + b"\x01"
    return struct.pack("<I", len(run)) + run


def chunk(column, values, page_rows=1 << 20, checksum=False, gzip=False):
    """Plain pages of at most `page_rows` rows."""
    pages = []
    for at in range(0, len(values), page_rows):
        part = values[at : at + page_rows]
        body = levels(column, len(part)) + column.plain(part)
        pages.append(page(body, len(part), packed=gzipped(body) if gzip else None, checksum=checksum))
    return {"bytes": b"".join(pages), "rows": len(values), "codec": GZIP if gzip else UNCOMPRESSED}


def constant(column, v, rows):
    """One value, `rows` times, in a few bytes: a dictionary of one entry and one run of its index."""
    first = dictionary_page(column.plain([v]), 1)
    body = levels(column, rows) + b"\x01" + number(rows << 1) + b"\0"
    return {"bytes": first + page(body, rows, RLE_DICTIONARY), "rows": rows, "dictionary": len(first)}


def schema_element(name, kind=None, repetition=None, children=None, column=None):
    extra = [(6, I32, column.converted), (7, I32, column.scale), (8, I32, column.precision)] if column else []
    return [(1, I32, kind), (3, I32, repetition), (4, BINARY, name), (5, I32, children), *extra]


def write(path, columns, groups, extra_schema=(), rows=None):
    """`groups`: for each row group its number of rows and a chunk for each column.

    A chunk is a dict: `bytes`, `rows`, and optionally `dictionary` (bytes of its dictionary page), `codec`, `size`.
    `extra_schema`: (elements, [(path in schema, kind, chunk per group)]) for columns that `columns` cannot say.
    """
    out, described = bytearray(b"PAR1"), []
    elements, further = extra_schema or ([], [])
    for group_rows, chunks in groups:
        members = []
        leaves = [([c.name], c.kind, chunk) for c, chunk in zip(columns, chunks)] + list(further)
        for names, kind, part in leaves:
            start, first = len(out), part.get("dictionary", 0)
            out += part["bytes"]
            size = part.get("size", len(part["bytes"]))
            meta = [(1, I32, kind), (2, LIST, (I32, [PLAIN, RLE, RLE_DICTIONARY])), (3, LIST, (BINARY, names))]
            meta += [(4, I32, part.get("codec", UNCOMPRESSED)), (5, I64, part.get("rows", group_rows)), (6, I64, size)]
            meta += [(7, I64, len(part["bytes"])), (9, I64, start + first), (11, I64, start if first else None)]
            members.append([(2, I64, start), (3, STRUCT, meta)])
        size = sum(len(part["bytes"]) for _, _, part in leaves)
        described.append([(1, LIST, (STRUCT, members)), (2, I64, size), (3, I64, group_rows)])
    top = len(columns) + (1 if elements else 0)
    schema = [schema_element("schema", children=top)]
    schema += [schema_element(c.name, c.kind, int(c.optional), column=c) for c in columns] + list(elements)
    total = sum(n for n, _ in groups) if rows is None else rows
    footer = fields([(1, I32, 1), (2, LIST, (STRUCT, schema)), (3, I64, total), (4, LIST, (STRUCT, described))])
    with open(path, "wb") as file:
        file.write(out + footer + struct.pack("<I", len(footer)) + b"PAR1")


# Reading, as far as needed to know what lies where.


class Reader:
    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def number(self):
        n = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            n |= (byte & 0x7F) << shift
            if byte < 0x80:
                return n
            shift += 7

    def signed(self):
        n = self.number()
        return n >> 1 ^ -(n & 1)

    def value(self, kind, depth=0):
        if depth > 40:
            raise ValueError("nested too deep")
        if kind in (1, 2):
            return kind == 1
        if kind == 3:
            self.at += 1
            return self.data[self.at - 1]
        if kind in (4, I32, I64):
            return self.signed()
        if kind == 7:
            self.at += 8
            return None
        if kind == BINARY:
            n = self.number()
            self.at += n
            return self.data[self.at - n : self.at]
        if kind in (LIST, 10):
            head = self.data[self.at]
            self.at += 1
            n = self.number() if head >> 4 == 15 else head >> 4
            if n > len(self.data):
                raise ValueError("a list longer than the file")
            return [self.value(head & 15, depth + 1) for _ in range(n)]
        if kind == STRUCT:
            return self.struct(depth + 1)
        raise ValueError(f"type {kind}")

    def struct(self, depth=0):
        members, last = {}, 0
        while True:
            head = self.data[self.at]
            self.at += 1
            if head == 0:
                return members
            last = last + (head >> 4) if head >> 4 else self.signed()
            members[last] = self.value(head & 15, depth)


def footer(data):
    """The footer as {field: value}, and where it begins."""
    size = struct.unpack("<I", data[-8:-4])[0]
    start = len(data) - 8 - size
    if start < 4:
        raise ValueError("no footer")
    return Reader(data, start).struct(), start


def page_bodies(data):
    """Where the bodies of the pages lie: what a page checksum covers."""
    spans = []
    for group in footer(data)[0][4]:
        for column in group[1]:
            meta = column[3]
            at = meta.get(11) or meta[9]
            end = at + meta[7]
            while at < end:
                reader = Reader(data, at)
                head = reader.struct()
                spans.append((reader.at, reader.at + head[3]))
                at = reader.at + head[3]
    return spans


def leaves(data):
    """Names of the columns at the top of the schema that hold values."""
    elements = footer(data)[0][2]
    names, at = [], 1
    for _ in range(elements[0].get(5, 0)):
        element = elements[at]
        if element.get(5, 0) == 0:
            names.append(element[4].decode("utf-8", "replace"))
        waiting = element.get(5, 0)
        at += 1
        while waiting:
            waiting += elements[at].get(5, 0) - 1
            at += 1
    return names
