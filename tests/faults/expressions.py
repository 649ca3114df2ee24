"""Expressions that want more than a value of a row: other files, other rows, the network, the machine, the whole CPU.

Each runs as `filter` and as a column, under strace where that is installed: nothing but the pipeline file, the exports, the
output, temporary files and what every program opens of the system may be opened, and no process may be started.
"""

import json
import os
import re
import shutil
import tempfile

import common
import exports
from common import no_crash, tenure

# A file that no expression may reach.
SECRET = "/etc/passwd"

READS = """
read_csv('{f}') | read_parquet('{f}') | read_json('{f}') | read_text('{f}') | READ_NDJSON('{f}') | scan_csv('{f}')
pg_read_file('{f}') | pg_read_binary_file('{f}') | pg_ls_dir('/etc') | LOAD_FILE('{f}') | lo_import('{f}')
glob('/etc/*') | parquet_scan('{f}') | sniff_csv('{f}') | OPENROWSET('CSV', '{f}') | url('http://127.0.0.1/x')
file('{f}') | xmlparse(document '{f}') | XMLTYPE(BFILENAME('d', '{f}')) | UTL_FILE.FOPEN('/etc', 'passwd', 'r')
COPY customer_id FROM '{f}' | LOAD '{f}' | INSTALL httpfs | ATTACH '{f}' | IMPORT DATABASE '{f}' | '{f}'::regclass
(SELECT 1) | (SELECT * FROM '{f}') | (TABLE "{f}") | (FROM '{f}') | (VALUES (1)) | (WITH x AS (SELECT 1) SELECT * FROM x)
EXISTS (SELECT 1 FROM "{f}") | customer_id IN (SELECT 1) | customer_id = ANY (SELECT 1) | ARRAY(SELECT 1)
getenv('HOME') | current_setting('data_directory') | system('id') | shell('id') | xp_cmdshell('id') | eval('1')
sys_exec('id') | dblink('host=127.0.0.1', 'select 1') | http_get('http://127.0.0.1') | sleep(10) | pg_sleep(10)
BENCHMARK(1000000000, 1) | WAITFOR DELAY '0:0:10' | RANDOM() | UUID() | NOW() | CURRENT_TIMESTAMP | CURRENT_DATE
LOCALTIME | CURRENT_USER | SESSION_USER | USER | VERSION() | CONNECTION_ID() | txid_current() | nextval('s')
COUNT(*) | SUM(amount) | AVG(amount) | MIN(amount) | MAX(amount) | FIRST(amount) | LAST(amount) | LAG(amount)
LEAD(amount) | ROW_NUMBER() OVER () | RANK() OVER (ORDER BY amount) | SUM(amount) OVER () | ABS(amount) OVER ()
ARRAY_AGG(amount) | STRING_AGG(amount, ',') | LISTAGG(amount) | MEDIAN(amount) | COUNT(DISTINCT amount)
amount FILTER (WHERE TRUE) | ABS(amount) FILTER (WHERE TRUE) | PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY amount)
UNNEST(ARRAY[1]) | EXPLODE(ARRAY[1]) | generate_series(1, 1000000000) | range(1000000000) | REPEAT('x', 1000000000)
LPAD('x', 1000000000) | RPAD('x', 1000000000) | SPACE(1000000000) | CONCAT_WS('x', 'y') | FACTORIAL(100000)
POWER(10, 1000) | EXP(1000) | 2 ^ 1000 | 1 << 1000 | REGEXP_MATCHES('x', '(a+)+$') | 'x' ~ '(a+)+$' | 'x' SIMILAR TO 'x'
'x' RLIKE 'x' | 'x' REGEXP 'x' | REGEXP_REPLACE('x', 'x', 'y') | SPLIT_PART('a,b', ',', 1) | FORMAT('%s', 'x')
printf('%s', 'x') | * | t.* | COLUMNS('.*') | EXCLUDE (amount) | ^.*$ | "^.*$" | other.amount | a.b.c.amount
amount; DROP TABLE x | amount -- x | amount /* x | SELECT 1 | DELETE FROM x | amount = amount; SELECT 1 | 1 UNION SELECT 2
$1 | ? | :name | @variable | @@version | %s | {{ x }} | ${{HOME:-x}} | X'00' | B'01' | E'\\\\x00' | N'x' | U&'\\0041'
$$x$$ | q'[x]' | 'x' COLLATE nocase | amount::json | amount::bytea | CAST(amount AS INTERVAL) | CAST(amount AS ROW(a INT))
CAST(amount AS INT ARRAY) | STRUCT(1) | {{'a': 1}} | MAP {{'a': 1}} | [1, 2] | ARRAY[1, 2] | (1, 2) | ROW(1, 2)
x -> x + 1 | LAMBDA x : x | list_transform([1], x -> x) | customer_id['a'] | customer_id[1] | customer_id.a
INTERVAL '1 day' | occurred_at + INTERVAL '1 day' | occurred_at AT TIME ZONE 'UTC' | AT TIME ZONE | OVERLAPS
MATCH (amount) AGAINST ('x') | CONTAINS(amount) | FREETEXT(amount, 'x') | GROUPING(amount) | CUBE(amount)
TRY(amount) | IF(amount > 0, 1, 0) | DECODE(amount, 1, 2) | IIF(TRUE, 1, 2) | CHOOSE(1, 2) | amount % 0 | amount // 0
amount & 1 | amount # 1 | ~amount | !amount | amount! | amount IS JSON | amount IS OF (INT)
"""

# What may be opened besides the case's own folder: by the loader, by libc and for the number of processors and memory.
SYSTEM = re.compile(r"/(lib|lib64|usr/lib)(/|$)|/etc/ld\.so|/proc/(self|meminfo|stat|cpuinfo|\d+)(/|$)|"
                    r"/proc/sys/(kernel/hostname|vm/overcommit_memory)$|/sys/(fs/cgroup|devices/system)|"
                    r"/dev/(null|urandom)$|/usr/share/(locale|zoneinfo)/|/etc/(localtime|timezone)$")
OPENED = re.compile(r'\b(openat?2?|creat|execve|connect)\(([^"]*)"([^"]*)"(.*)')


def expressions():
    for line in READS.strip().splitlines():
        for part in line.split(" | "):
            yield part.strip().format(f=SECRET)


def strayed(log, folder):
    """Files outside of the folder that were opened, programs that were started and connections."""
    found = set()
    for line in log.splitlines():
        match = OPENED.search(line)
        if not match:
            if re.search(r"\bconnect\(|\bsocket\(|\bptrace\(", line):
                found.add(line.strip()[:120])
            continue
        call, before, path, _ = match.groups()
        if call == "execve":
            if path != common.BIN:
                found.add(f"started {path}")
        elif os.path.isabs(path) and not path.startswith(folder + "/") and path != folder and not SYSTEM.match(path):
            found.add(f"{call} {path}")
    return sorted(found)


def traced(folder, args):
    """The program under strace: how it ended, and what it strayed to."""
    log = os.path.join(folder, "strace")
    binary, common.BIN = common.BIN, shutil.which("strace")
    try:
        calls = "trace=open,openat,openat2,creat,execve,connect,socket,ptrace"
        ran = tenure("-f", "-qq", "-s", "4096", "-e", calls, "-o", log, binary, *args, folder=folder)
    finally:
        common.BIN = binary
    with open(log, errors="replace") as f:
        return ran, strayed(f.read(), folder)


def run(suite):
    strace = shutil.which("strace")
    if not strace:
        suite.note("expressions", "without strace, which is not installed: what is opened was not looked at")
    folder = os.path.realpath(suite.folder("expressions"))
    exports.folder(folder + "/in", 1, files=1)
    refused = 0
    every = list(expressions())
    for i, sql in enumerate(every if not suite.quick else every[:: 6]):
        for place in ("filter", "column"):
            source = f"filter = {json.dumps(sql)}" if place == "filter" else ""
            file = common.pipeline(folder, folder + "/in", source=source)
            if place == "column":
                with open(file) as f:
                    text = f.read()
                mapped = "amount = { sql = %s }" % json.dumps(sql)
                with open(file, "w") as f:
                    f.write(text.replace('amount = "amount"', mapped))
            args = ["run", file, "--quiet"]
            ran, stray = traced(folder, args) if strace else (tenure(*args, folder=folder), [])
            wrong = no_crash(ran, seconds=None if strace else common.HANG) + stray
            if SECRET in ran.out or "root:" in ran.err:
                wrong.append("it shows what stands in a file of the system")
            # Allowed only if it means one value a row, as these do.
            if ran.code == 0 and not sql.startswith(("amount -- ",)):
                wrong.append("allowed")
            refused += ran.code == 2
            suite.count("expressions", wrong, f"{place} = {sql}")
    suite.note("expressions", f"{refused} refused")
