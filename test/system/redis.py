#!/usr/bin/env python3
"""The redis that is installed (or redis or Valkey that REDIS_SERVER names): blocks of each database
and kind of key, as DBSIZE, TYPE, MEMORY USAGE, MEMORY STATS, XINFO and CLIENT LIST of the server
count them."""
import collections
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, skip_all  # noqa: E402
from writable import Writable  # noqa: E402

CONFIG = """port 0
unixsocket s
save ""
appendonly no
hz 1
"""
# No name of a key, field or member, and no value, is shown.
MARK = "Xyzzy"
# What structures have where blocks are larger: MEMORY USAGE adds these.
SIZES = {"dictEntry of key": 24, "dictEntry": 24, "dict": 56, "quicklist": 40, "quicklistNode": 40}
# These it adds up for each element. Of sets and hashes it counts what 7.4 does not have any more.
SUMMED = {(7, 0): ("string", "list", "set", "zset", "hash"), (7, 4): ("string", "list", "zset")}
CLIENTS = 7
# What there is one of for each key, and for each element that has a block of its own.
KEYS = ("dictEntry of key", "dictEntry with key", "robj with key")
ELEMENTS = {"hash": ("sds of field", "entry of field"), "set": ("sds of member",),
            "zset": ("zskiplistNode",)}
# From these on fields of hashes have times: the command, and the encoding of small hashes.
FIELD_TIMES = {"redis": (7, 4), "valkey": (9, 0)}


class Connection:
    """The protocol of redis, which needs no program beside the server."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.file = self.socket.makefile("rwb")

    def close(self):
        self.file.close()
        self.socket.close()

    def answer(self):
        line = self.file.readline().rstrip()
        if line[:1] == b"$":
            return None if line == b"$-1" else self.file.read(int(line[1:]) + 2)[:-2].decode()
        if line[:1] == b"*":
            return [self.answer() for _ in range(int(line[1:]))]
        assert line[:1] in (b"+", b":"), line
        return int(line[1:]) if line[:1] == b":" else line[1:].decode()

    def ask(self, *commands):
        """The answers to commands, each a tuple of words."""
        for words in commands:
            self.file.write(b"*%d\r\n" % len(words))
            for word in words:
                word = str(word).encode()
                self.file.write(b"$%d\r\n%s\r\n" % (len(word), word))
        self.file.flush()
        return [self.answer() for _ in commands]


def keys():
    """{database: commands}: all kinds, small and large."""
    first = [("SET", "s%d%s" % (i, MARK), MARK * (i % 70)) for i in range(1200)]
    first += [("SET", "i%d%s" % (i, MARK), 100000 + i) for i in range(300)]
    first += [("EXPIRE", "i%d%s" % (i, MARK), 100000) for i in range(100)]
    first += [("HSET", "h%d%s" % (i, MARK), *("%s%d" % (MARK, k // 2) for k in range(2 * n)))
              for i in range(60) for n in (1 + i % 3 if i % 5 else 600 + i,)]
    first += [("RPUSH", "l%d%s" % (i, MARK), *("%s%d" % (MARK, k) for k in range(1 + i * i)))
              for i in range(50)]
    first += [("SADD", "n%d" % i, *range(1 + 7 * i)) for i in range(50)]
    first += [("SADD", "m%d" % i, *("%s%d" % (MARK, k) for k in range(130 + i)))
              for i in range(20)]
    third = [("ZADD", "z%d" % i, *(word for k in range(n) for word in (k * 1.5, MARK + str(k))))
             for i in range(60) for n in (5 if i % 3 else 140 + i,)]
    for i in range(40):
        third += [("XADD", "x%d" % i, "*", "field", MARK + str(k)) for k in range(5 * i + 1)]
        third += [("XGROUP", "CREATE", "x%d" % i, "g", "0"),
                  ("XREADGROUP", "GROUP", "g", "c", "COUNT", 3, "STREAMS", "x%d" % i, ">")]
    third += [("SET", "t%d" % i, MARK) for i in range(10)]
    return {0: first, 3: third}


def times():
    """Commands that give fields of hashes times: of a small one, and of large ones."""
    return [("HPEXPIRE", "h%d%s" % (i, MARK), 10 ** 8 + i * 1000 + k, "FIELDS", 1, MARK + str(k))
            for i, most in ((1, 1), (5, 2), (10, 40)) for k in range(most)]


def ask_kinds(connection, database):
    """{kind: [keys, MEMORY USAGE of them, elements that have blocks of their own, small hashes
    with times, lists of sorted sets]}, and nodes and
    listpacks of streams."""
    found = collections.defaultdict(lambda: [0, 0, 0, 0, 0])
    streams = [0, 0]
    connection.ask(("SELECT", database))
    names = connection.ask(("KEYS", "*"))[0]
    answers = zip(names, connection.ask(*(("TYPE", name) for name in names)),
                  connection.ask(*(("MEMORY", "USAGE", name, "SAMPLES", 0) for name in names)),
                  connection.ask(*(("OBJECT", "ENCODING", name) for name in names)))
    count = {"hash": "HLEN", "set": "SCARD", "zset": "ZCARD"}
    for name, kind, usage, encoding in answers:
        row = found["db %d %s" % (database, kind)]
        row[0] += 1
        row[1] += usage
        if encoding in ("hashtable", "skiplist"):
            row[2] += connection.ask((count[kind], name))[0]
        row[4] += encoding == "skiplist"
        row[3] += encoding == "listpackex"
        if kind == "stream":
            info = connection.ask(("XINFO", "STREAM", name))[0]
            info = dict(zip(info[::2], info[1::2]))
            streams[0] += info["radix-tree-nodes"]
            streams[1] += info["radix-tree-keys"]
    return found, streams


def ask_version(connection):
    """The name and the version of the server."""
    info = connection.ask(("INFO", "server"))[0]
    name = "valkey" if "valkey_version:" in info else "redis"
    found = re.search(name + r"_version:(\d+)\.(\d+)", info)
    return name, tuple(map(int, found.groups()))


def ask_all(connection):
    stats = connection.ask(("MEMORY", "STATS"))[0]
    stats = dict(zip(stats[::2], stats[1::2]))
    truth = {"kinds": {}, "streams": [0, 0],
             "clients": len(connection.ask(("CLIENT", "LIST"))[0].split("\n")) - 1,
             "tables": {db: dict(zip(stats["db.%d" % db][::2], stats["db.%d" % db][1::2]))
                        for db in keys()}}
    for database in keys():
        kinds, streams = ask_kinds(connection, database)
        truth["kinds"].update(kinds)
        truth["streams"] = [a + b for a, b in zip(truth["streams"], streams)]
        truth["size", database] = connection.ask(("DBSIZE",))[0]
    return truth


def run(program, where):
    """The core of a server with keys, and what it says of them."""
    with open(os.path.join(where, "conf"), "w", encoding="ascii") as file:
        file.write(CONFIG)
    with open(os.path.join(where, "log"), "w", encoding="utf-8") as log:
        server = subprocess.Popen([program, "conf"], cwd=where, stdin=subprocess.DEVNULL,
                                  stdout=log, stderr=log, env={"LC_ALL": "C"})
    path = os.path.join(where, "s")
    try:
        fixture.wait_for(path, server)
        others = [Connection(path) for _ in range(CLIENTS - 1)]
        connection = Connection(path)
        for database, commands in keys().items():
            connection.ask(("SELECT", database), *commands)
        name, version = ask_version(connection)
        has_times = version >= FIELD_TIMES[name]
        if has_times:
            connection.ask(("SELECT", 0), *times())
        truth = {**ask_all(connection), "name": name, "version": version, "times": has_times}
        subprocess.run(["gcore", "-o", os.path.join(where, "core"), str(server.pid)], check=True,
                       stdin=subprocess.DEVNULL, capture_output=True)
        for each in (connection, *others):
            each.close()
        return os.path.join(where, "core.%d" % server.pid), truth
    finally:
        server.kill()
        server.wait()


def read_types(core):
    """{purpose: {what: [count, bytes]}} of what redis keeps."""
    found = collections.defaultdict(dict)
    for row in fixture.answer("types", "--json", "--limit", "0", "--state", "used",
                              core)["types"]:
        if row["named_by"] == "redis":
            purpose, what = row["name"].split(": ")
            found[purpose][what] = [row["count"], row["total_bytes"]]
    return found


def count(found, purpose, what):
    return found[purpose].get(what, [0])[0]


def count_keys(found, purpose):
    return sum(count(found, purpose, what) for what in KEYS)


def check_usage(tap, found, truth):
    """MEMORY USAGE, of which the server rounds off what it adds for elements: by less than a byte a
    key."""
    for purpose, (number, usage, *_) in sorted(truth["kinds"].items()):
        if purpose.split()[-1] not in SUMMED[truth["version"]]:
            continue
        mine = sum(count * SIZES[what] if what in SIZES else size
                   for what, (count, size) in found[purpose].items())
        tap.ok(usage <= mine < usage + max(number, 1), "MEMORY USAGE of %s" % purpose,
               "%d, the server says %d" % (mine, usage))


def check_table(tap, rows, truth, database):
    """What all keys have in common, as MEMORY STATS adds it up: some of blocks is not counted."""
    stated = truth["tables"][database]["overhead.hashtable.main"]
    blocks = sum(rows.get(what, [0, 0])[1] for what in ("kvstore", "dict", "hashtable"))
    if "kvstore" not in rows:
        blocks = 0
    table = sum(rows.get(what, [0, 0])[1] for what in ("hash table", "buckets")) + blocks
    table += 64 * rows.get("bucket", [0])[0]
    table += truth["size", database] * (16 if "hashtable" in rows else 24 + 16)
    tap.ok(stated <= table <= stated + 32 + blocks // 2,
           "MEMORY STATS: table of database %d" % database,
           "%d, the server says %d" % (table, stated))


def check(tap, program):
    where = fixture.folder()
    core, truth = run(program, where)
    found = read_types(core)
    tap.equal({purpose: count_keys(found, purpose) for purpose in truth["kinds"]},
              {purpose: row[0] for purpose, row in truth["kinds"].items()}, "keys of each kind")
    tap.equal({purpose for purpose in found if purpose.startswith("db ")} - set(truth["kinds"]),
              {"db 0 keys", "db 0 expires", "db 3 keys"}, "no other kinds")
    for database in keys():
        tap.equal(sum(count_keys(found, purpose) for purpose in found
                      if purpose.startswith("db %d " % database)), truth["size", database],
                  "DBSIZE of database %d" % database)
        check_table(tap, found["db %d keys" % database], truth, database)
    elements = {purpose: ELEMENTS[purpose.split()[-1]]
                for purpose in ("db 0 hash", "db 0 set", "db 3 zset")}
    got = {purpose: sum(count(found, purpose, what) for what in names)
           for purpose, names in elements.items()}
    # the node that a list begins with, which is the list in Valkey 9
    if truth["name"] == "redis" or truth["version"] < (9, 0):
        got["db 3 zset"] -= truth["kinds"]["db 3 zset"][4]
    tap.equal(got, {purpose: truth["kinds"][purpose][2] for purpose in elements},
              "elements in tables")
    tap.ok(all(truth["kinds"][purpose][2] > 2000 for purpose in elements), "there are many")
    tap.equal(count(found, "db 0 hash", "listpackEx"), truth["kinds"]["db 0 hash"][3],
              "small hashes with times")
    tap.equal([count(found, "db 3 stream", "raxNode of entries"),
               count(found, "db 3 stream", "listpack")], truth["streams"],
              "XINFO: nodes and listpacks of streams")
    tap.equal([count(found, "db 3 stream", what) for what in ("streamCG", "streamConsumer")],
              [40, 40], "groups and consumers")
    # the one that scripts run as is in no list before 7.0
    tap.equal(count(found, "clients", "client"), truth["clients"] + (truth["version"] < (7, 0)),
              "CLIENT LIST")
    tap.equal(truth["clients"], CLIENTS, "as many clients as are connected")
    if truth["name"] == "redis" and truth["version"] in SUMMED:
        check_usage(tap, found, truth)
    check_groups(tap, core, found)
    check_trim(tap, core)
    check_secrets(tap, core)
    check_harm(tap, core, truth["size", 0])


def check_groups(tap, core, found):
    groups = fixture.answer("types", "--json", "--limit", "0", "--by", "purpose", core)["groups"]
    tap.equal({row["name"]: row["total_bytes"] for row in groups if row["name"]},
              {purpose: sum(size for _, size in rows.values()) for purpose, rows in found.items()},
              "types --by purpose")


def check_trim(tap, core):
    """Beside glibc's malloc: the call that gives pages back is that of who has them."""
    document = fixture.answer("heap", "--json", core)
    details = [row["detail"] for row in document["heaps"] if "dirty_bytes" in row["detail"]]
    if not details:
        tap.skip("what could be given back", "this server is not on jemalloc")
        return
    tap.equal((document["verdict"]["trim_call"], document["verdict"]["trim_bytes"]),
              ('mallctl("arena.4096.purge")',
               sum(row["dirty_bytes"] + row["muzzy_bytes"] for row in details)),
              "what could be given back: jemalloc's pages by its own call")


def check_secrets(tap, core):
    for words in (["types", "--limit", "0"], ["summary"], ["objects", "--type-part", "db 0"]):
        tap.ok(MARK not in fixture.coreheap(*words, core).out, "%s shows no key" % words[0])


def addresses(core, name, most):
    rows = fixture.answer("objects", "--json", "--limit", str(most), "--type", name,
                          core)["objects"]
    return [int(row["addr"], 16) for row in rows]


def check_harm(tap, core, keys_count):
    """What is no key any more is left out, and said; a loop is one; and a dict that does not have
    what it counts is none."""
    whole = read_types(core)
    damaged = Writable(core)
    is_table = "hashtable" in whole["db 0 keys"]
    objects = addresses(core, "db 0 string: robj" + (" with key" if is_table else ""), 3)
    kept = [damaged.write(addr, b"\xff") for addr in objects]
    found = read_types(damaged.path)
    tap.ok(all(what in whole[purpose] and row[0] <= whole[purpose][what][0]
               for purpose, rows in found.items() for what, row in rows.items()),
           "no value: no wrong name", found)
    less = count_keys(found, "db 0 string")
    tap.ok(0 < less <= count_keys(whole, "db 0 string") - 3, "no value: no key", less)
    codes = [row["code"] for row in fixture.answer("types", "--json", damaged.path)["warnings"]]
    tap.ok("redis-keys" in codes, "no value: it is said", codes)
    for addr, byte in zip(objects, kept):
        damaged.write(addr, byte)
    what = "bucket" if is_table else "dictEntry"
    entries = addresses(core, "db 0 hash: " + what, 3)
    for addr in entries:
        # a bucket has a bit for it, and room for seven
        if is_table:
            damaged.write(addr, struct.pack("B", damaged.read(addr, 1)[0] | 1))
        damaged.write(addr + (56 if is_table else 16), struct.pack("<Q", addr))
    found = read_types(damaged.path)
    tap.ok(count(found, "db 0 hash", what) >= len(entries) > 0, "a loop ends", found["db 0 hash"])
    dict_addr, = addresses(core, "db 0 keys: " + ("hashtable" if is_table else "dict"), 1)
    at = next(at for at in range(8, 56, 8)
              if damaged.read(dict_addr + at, 8) == struct.pack("<Q", keys_count))
    damaged.write(dict_addr + at, struct.pack("<Q", keys_count // 2))
    tap.equal(read_types(damaged.path), {}, "other counts: no names")
    codes = [row["code"] for row in fixture.answer("types", "--json", damaged.path)["warnings"]]
    tap.ok("redis-layout" in codes, "other counts: it is said", codes)
    damaged.write(dict_addr + at, struct.pack("<Q", 1 << 40))
    if not is_table:
        for addr in addresses(core, "db 0 string: dictEntry of key", 3):
            damaged.write(addr + 16, struct.pack("<Q", addr))
    tap.equal(read_types(damaged.path), {}, "a ring of keys that counts 2^40 ends")


def main():
    program = os.environ.get("REDIS_SERVER") or shutil.which("redis-server")
    if not program:
        skip_all("no redis-server is installed")
    if fixture.gcore_works():
        skip_all(fixture.gcore_works())
    tap = Tap()
    started = time.monotonic()
    tap.attempt("redis", check, program)
    print("# %.1f s" % (time.monotonic() - started))
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
