"""Page bounds and bloom filters of a Parquet file, read from its bytes: pyarrow shows neither.

Metadata is Thrift in its compact protocol; here it becomes dictionaries by field number. The numbers used are those of
parquet.thrift, which the Apache Parquet format publishes.
"""

import struct


class Compact:
    """A reader of Thrift's compact protocol."""

    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def varint(self):
        value, shift = 0, 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def signed(self):
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def binary(self):
        size = self.varint()
        self.at += size
        return bytes(self.data[self.at - size : self.at])

    def value(self, kind):
        if kind in (1, 2):
            return kind == 1
        if kind == 3:
            return struct.unpack("b", bytes([self.byte()]))[0]
        if kind in (4, 5, 6):
            return self.signed()
        if kind == 7:
            self.at += 8
            return struct.unpack("<d", self.data[self.at - 8 : self.at])[0]
        if kind == 8:
            return self.binary()
        if kind in (9, 10):
            head = self.byte()
            size = head >> 4 if head >> 4 < 15 else self.varint()
            # Truth values in a list take a byte each.
            return [self.byte() == 1 if head & 15 in (1, 2) else self.value(head & 15) for _ in range(size)]
        if kind == 12:
            return self.struct()
        raise ValueError(f"no Thrift type {kind}")

    def struct(self):
        fields, number = {}, 0
        while True:
            head = self.byte()
            if head == 0:
                return fields
            number = number + (head >> 4) if head >> 4 else self.signed()
            fields[number] = self.value(head & 15)


INT32, INT64, DOUBLE, BYTES, FIXED = 1, 2, 5, 6, 7


def as_bound(kind, data):
    """The bytes of a bound as a value that compares with the column's."""
    if kind == INT32:
        return struct.unpack("<i", data)[0]
    if kind == INT64:
        return struct.unpack("<q", data)[0]
    if kind == DOUBLE:
        return struct.unpack("<d", data)[0]
    if kind == FIXED:
        return int.from_bytes(data, "big", signed=True)
    return data


class Chunk:
    """A column in a row group, with the bounds of its pages if it has any."""

    def __init__(self, data, group, fields):
        about = fields[3]
        self.group, self.kind = group, about[1]
        self.column = about[3][0].decode()
        self.has_bloom = 14 in about
        self.pages = []
        if 6 not in fields:
            return
        index = Compact(data, fields[6]).struct()
        places = [place[3] for place in Compact(data, fields[4]).struct()[1]]
        for number, first in enumerate(places):
            empty = index[1][number]
            bounds = None if empty else [as_bound(self.kind, index[i][number]) for i in (2, 3)]
            nulls = index[5][number] if 5 in index else None
            self.pages.append((first, bounds, nulls))


def chunks(data):
    """Every column chunk of a file, given its bytes; and the rows of each row group."""
    if data[:4] != b"PAR1" or data[-4:] != b"PAR1":
        raise ValueError("this is no Parquet file")
    size = struct.unpack("<I", data[-8:-4])[0]
    footer = Compact(data, len(data) - 8 - size).struct()
    groups = footer[4]
    found = [Chunk(data, number, column) for number, group in enumerate(groups) for column in group[1]]
    return found, [group[3] for group in groups]
