"""Reads answers of /v1 with pyarrow, and tells what it finds: types, and every cell as text."""

import io
import json
import sys
import urllib.request
from decimal import Decimal

import pyarrow
import pyarrow.ipc
import pyarrow.parquet


def table_of(url: str) -> pyarrow.Table:
    with urllib.request.urlopen(url) as answer:
        if answer.headers["content-type"] == "application/vnd.apache.parquet":
            return pyarrow.parquet.read_table(io.BytesIO(answer.read()))
        return pyarrow.ipc.open_stream(answer).read_all()


def texts(column: pyarrow.ChunkedArray) -> list:
    kind = column.type
    if pyarrow.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    if pyarrow.types.is_timestamp(kind):
        column = column.cast(pyarrow.int64())
    return [text(value) for value in column.to_pylist()]


def text(value) -> str | None:
    if value is None:
        return None
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return str(value)


def told(url: str) -> dict:
    table = table_of(url)
    table.validate(full=True)
    return {
        "types": {field.name: str(field.type) for field in table.schema},
        "columns": {name: texts(table[name]) for name in table.column_names},
        "metadata": {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()},
    }


json.dump([told(url) for url in json.load(sys.stdin)["urls"]], sys.stdout)
