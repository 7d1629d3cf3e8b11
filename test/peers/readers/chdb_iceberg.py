"""chDB, which is ClickHouse, reads the tables through icebergLocal."""

import json
import os

import chdb

from question import Dialect, answer, answer_by_sql

DIALECT = Dialect(
    text="toString({})",
    micros="toUnixTimestamp64Micro({})",
    day="toInt32(toDate32({}, 'UTC'))",
    wide="toDecimal256({}, 8)",
    date="toInt32({})",
    decimal_literal="toDecimal64('{}', 8)",
    date_literal="toDate32({})",
    time_literal="fromUnixTimestamp64Micro(toInt64({}), 'UTC')",
)

# icebergLocal reads below the current folder only.
os.chdir("/")


# Each query without a connection would begin with a server of its own.
connection = chdb.connect(":memory:")


def rows(sql: str) -> list:
    text = str(connection.query(sql, "JSONCompactEachRow"))
    return [json.loads(line) for line in text.splitlines()]


def answer_table(table: dict) -> dict:
    connection.query(f"SET iceberg_snapshot_id = {table['snapshotId'] or 'DEFAULT'}")
    return answer_by_sql(table, f"icebergLocal('{table['path']}')", rows, DIALECT)


[[server]] = rows("SELECT version()")
answer(f"chDB, ClickHouse {server}", answer_table)
