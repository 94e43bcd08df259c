#!/usr/bin/env python3
"""Load on a SQLite database: load.py FILE ROUNDS. Four processes write to it at once (WAL): they move
money, add, change and delete rows, and roll back; then comes a VACUUM. Prints what the database must
hold, in the words of `check`.

load.py FILE check: prints what it holds.
"""

import multiprocessing
import random
import sqlite3
import sys

WRITERS = 4
ACCOUNTS = 100
MONEY = 1000  # in each account at first
ROWS = 40     # added by a writer in a round; half of them go again


def connect(path):
    base = sqlite3.connect(path, timeout=3600, isolation_level=None)
    base.execute("PRAGMA synchronous = FULL")
    return base


def create(path):
    base = connect(path)
    assert base.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
    base.executescript("""
        CREATE TABLE account (id INTEGER PRIMARY KEY, money INTEGER NOT NULL CHECK (money >= 0));
        CREATE TABLE item (id INTEGER PRIMARY KEY, writer INTEGER, number INTEGER, data BLOB,
                           size INTEGER, UNIQUE (writer, number));
        CREATE INDEX by_size ON item (size, writer);
    """)
    base.executemany("INSERT INTO account VALUES (?, ?)", ((i, MONEY) for i in range(ACCOUNTS)))


def write(path, writer, rounds):
    base, rand = connect(path), random.Random(writer)
    for number in range(rounds):
        base.execute("BEGIN IMMEDIATE")
        sizes = [rand.randrange(1, 6000) for _ in range(ROWS)]
        base.executemany("INSERT INTO item (writer, number, data, size) VALUES (?, ?, ?, ?)",
                         ((writer, number * ROWS + i, rand.randbytes(size), size)
                          for i, size in enumerate(sizes)))
        base.execute("DELETE FROM item WHERE writer = ? AND number >= ? AND number % 2",
                     (writer, number * ROWS))
        base.execute("UPDATE item SET data = CAST(data || x'00' AS BLOB), size = size + 1 "
                     "WHERE writer = ? AND number % 10 = 0", (writer,))
        giver, taker = rand.sample(range(ACCOUNTS), 2)
        (left,) = base.execute("SELECT money FROM account WHERE id = ?", (giver,)).fetchone()
        amount = rand.randrange(left + 1)
        base.execute("UPDATE account SET money = money - ? WHERE id = ?", (amount, giver))
        base.execute("UPDATE account SET money = money + ? WHERE id = ?", (amount, taker))
        base.execute("COMMIT")
        base.execute("BEGIN IMMEDIATE")
        base.execute("DELETE FROM item WHERE writer = ?", (writer,))
        base.execute("UPDATE account SET money = 0")
        base.execute("ROLLBACK")


def check(path):
    base = connect(path)
    money = base.execute("SELECT sum(money) FROM account").fetchone()[0]
    rows = base.execute("SELECT count(*) FROM item").fetchone()[0]
    wrong = base.execute("SELECT count(*) FROM item WHERE length(data) <> size").fetchone()[0]
    integrity = base.execute("PRAGMA integrity_check").fetchone()[0]
    return f"money {money}, rows {rows}, wrong {wrong}, integrity {integrity}"


def main():
    path, what = sys.argv[1:]
    if what == "check":
        print(check(path))
        return 0
    create(path)
    writers = [multiprocessing.Process(target=write, args=(path, i, int(what)))
               for i in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    if any(writer.exitcode for writer in writers):
        return 1
    connect(path).execute("VACUUM")
    rows = WRITERS * int(what) * ROWS // 2
    print(f"money {ACCOUNTS * MONEY}, rows {rows}, wrong 0, integrity ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
