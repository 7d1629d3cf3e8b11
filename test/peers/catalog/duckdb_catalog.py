"""DuckDB works on the tables through the REST catalog: the statements come on standard input, their rows go out."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import duckdb


def connect(url: str) -> duckdb.DuckDBPyConnection:
    """The extensions come as Python packages: loaded from their files, nothing is fetched."""
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    for name in ("httpfs", "avro", "iceberg"):
        package = find_spec(f"duckdb_extension_{name}")
        [file] = Path(package.origin).parent.rglob(f"{name}.duckdb_extension")
        connection.execute(f"LOAD '{file}'")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"ATTACH 'lake' (TYPE iceberg, ENDPOINT '{url}/iceberg', AUTHORIZATION_TYPE 'none')")
    return connection


def answer(connection: duckdb.DuckDBPyConnection, statement: str) -> list | str:
    """Cells as text; what fails is its message."""
    try:
        rows = connection.execute(statement).fetchall()
    except duckdb.Error as error:
        return str(error)
    return [[None if cell is None else str(cell) for cell in row] for row in rows]


question = json.load(sys.stdin)
connection = connect(question["url"])
json.dump([answer(connection, statement) for statement in question["statements"]], sys.stdout)
