"""Has pyarrow, which shares no code with tenure, verify the page checksums of a finished run.

usage: verify_checksums.py RUN_DIR      (a run's folder, such as out/grocery/latest)

Every table is read with checksums verified. Then one bit of every column chunk is flipped, in its dictionary page and in
its last page of rows, and pyarrow has to find each of them by the checksum: a page without one would pass or fail for
another reason. Exit status 1 if anything is wrong.
"""

import json
import pathlib
import sys

import pyarrow
import pyarrow.parquet


def read(source, columns=None):
    return pyarrow.parquet.ParquetFile(source, page_checksum_verification=True).read(columns=columns)


def last_bytes(metadata):
    """(column, place) of the last byte of each dictionary page and of each chunk's last page of rows."""
    for group in range(metadata.num_row_groups):
        for index in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(index)
            begin = chunk.data_page_offset
            if chunk.has_dictionary_page:
                begin = chunk.dictionary_page_offset
                yield chunk.path_in_schema, chunk.data_page_offset - 1
            yield chunk.path_in_schema, begin + chunk.total_compressed_size - 1


def problems(path, entry):
    """What is wrong with the checksums of a file; how many flipped bits were tried."""
    good = path.read_bytes()
    try:
        rows = read(pyarrow.BufferReader(good)).num_rows
    except (OSError, pyarrow.ArrowException) as error:
        return [f"{entry['path']}: {error}"], 0
    wrong = [] if rows == entry["rows"] else [f"{entry['path']}: {rows} rows instead of {entry['rows']}"]
    places = list(last_bytes(pyarrow.parquet.read_metadata(pyarrow.BufferReader(good))))
    for column, place in places:
        bad = bytearray(good)
        bad[place] ^= 1 << place % 8
        try:
            read(pyarrow.BufferReader(bytes(bad)), [column])
            found = "not found"
        except (OSError, pyarrow.ArrowException) as error:
            found = "" if "CRC" in str(error) else f"found by something else: {error}"
        if found:
            wrong.append(f"{entry['path']}: column {column}: the bit flipped in byte {place} was {found}")
    return wrong, len(places)


def main(run):
    run = pathlib.Path(run)
    manifest = json.loads((run / "manifest.json").read_text())
    entries = [entry for table in manifest["tables"] for entry in table["files"]]
    wrong, tried = [], 0
    for entry in entries:
        found, flips = problems(run / entry["path"], entry)
        wrong, tried = wrong + found, tried + flips
    for problem in wrong:
        print(f"FAULT: {problem}")
    print(f"pyarrow {pyarrow.__version__}: {len(entries)} files verified, {tried} flipped bits tried, {len(wrong)} faults")
    return 1 if wrong or not tried else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
