"""DuckDB's iceberg extension reads the tables by path, or by ATTACH of the REST catalog."""

from importlib.util import find_spec
from pathlib import Path

import duckdb

from question import Dialect, answer, answer_by_sql

DIALECT = Dialect(
    text="({})::VARCHAR",
    micros="epoch_us({})",
    day="date_diff('day', DATE '1970-01-01', ({} AT TIME ZONE 'UTC')::DATE)",
    # Products of narrower decimals overflow: DuckDB keeps them at 18 digits.
    wide="{}::DECIMAL(38, 8)",
    date="date_diff('day', DATE '1970-01-01', {})",
    decimal_literal="{}::DECIMAL(18, 8)",
    date_literal="(DATE '1970-01-01' + {})",
    time_literal="make_timestamptz({})",
)


def connect() -> duckdb.DuckDBPyConnection:
    """The extensions come as Python packages: loaded from their files, nothing is fetched."""
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    for name in ("httpfs", "avro", "iceberg"):
        package = find_spec(f"duckdb_extension_{name}")
        [file] = Path(package.origin).parent.rglob(f"{name}.duckdb_extension")
        connection.execute(f"LOAD '{file}'")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def main() -> None:
    def answer_table(table: dict) -> dict:
        # Of its own: an internal error of one would be that of all that come after it.
        connection = connect()
        snapshot = table["snapshotId"]
        if table["catalog"] is not None:
            connection.execute(
                f"ATTACH IF NOT EXISTS 'lake' (TYPE iceberg, ENDPOINT '{table['catalog']}', AUTHORIZATION_TYPE 'none')"
            )
            at = "" if snapshot is None else f" AT (VERSION => {snapshot})"
            relation = f"lake.market_data.trades{at}"
            return answer_by_sql(table, relation, lambda sql: connection.execute(sql).fetchall(), DIALECT)
        # The hint names the version: guessing by file name would put v9 after v10.
        version = (Path(table["path"]) / "metadata" / "version-hint.text").read_text()
        at = "" if snapshot is None else f", snapshot_from_id => {snapshot}::UBIGINT"
        relation = f"iceberg_scan('{table['path']}/metadata/v{version}.metadata.json'{at})"
        return answer_by_sql(table, relation, lambda sql: connection.execute(sql).fetchall(), DIALECT)

    [[extension]] = connect().execute(
        "SELECT extension_version FROM duckdb_extensions() WHERE extension_name = 'iceberg'"
    ).fetchall()
    answer(f"DuckDB {duckdb.__version__}, iceberg extension {extension}", answer_table)


main()
