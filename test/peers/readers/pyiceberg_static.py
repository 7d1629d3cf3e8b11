"""PyIceberg reads the tables as StaticTable, by their folder and its version hint, or through the REST catalog."""

from datetime import datetime, timedelta, timezone

import pyarrow
import pyiceberg
from pyiceberg.catalog import load_catalog
from pyiceberg.expressions import BooleanExpression, EqualTo, GreaterThanOrEqual, In, IsNull, LessThan, LessThanOrEqual
from pyiceberg.table import StaticTable, Table

from question import NUMBERS, SCALE, answer, decimal_of, number_text

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROS_PER_DAY = 86_400_000_000


def answer_table(table: dict) -> dict:
    static = load(table)
    snapshot_id = None if table["snapshotId"] is None else int(table["snapshotId"])
    rows = static.scan(snapshot_id=snapshot_id).to_arrow()
    columns = {column["name"]: values_of(rows, column) for column in table["columns"]}
    days: dict[str, int] = {}
    for micros in columns[table["dayColumn"]]:
        day = str(micros // MICROS_PER_DAY)
        days[day] = days.get(day, 0) + 1
    kinds = {column["name"]: column["type"] for column in table["columns"]}
    return {
        "count": str(rows.num_rows),
        "columns": {name: column_answer(values, kinds[name]) for name, values in columns.items()},
        "days": {day: str(count) for day, count in days.items()},
        "products": {f"{a}*{b}": sum_of_products(columns[a], columns[b]) for a, b in table["products"]},
        "predicates": [
            str(static.scan(row_filter=expression_of(predicate, kinds), snapshot_id=snapshot_id).to_arrow().num_rows)
            for predicate in table["predicates"]
        ],
    }


def load(table: dict) -> Table:
    if table["catalog"] is None:
        return StaticTable.from_metadata(table["path"])
    return load_catalog("lake", type="rest", uri=table["catalog"]).load_table("market_data.trades")


def values_of(rows: pyarrow.Table, column: dict) -> list:
    """The column as Python values that are ordered as the answer wants them: text by its bytes, decimals scaled."""
    values = rows.column(column["name"])
    match column["type"]:
        case "timestamptz":
            return values.cast(pyarrow.int64()).to_pylist()
        case "date":
            return values.cast(pyarrow.int32()).to_pylist()
        case "decimal":
            return [None if value is None else int(number_text(value, SCALE)) for value in values.to_pylist()]
        case "string":
            return [None if value is None else value.encode() for value in values.to_pylist()]
        case "binary":
            return [None if value is None else value.hex() for value in values.to_pylist()]
        case _:
            return values.to_pylist()


def column_answer(values: list, kind: str) -> dict:
    present = [value for value in values if value is not None]
    return {
        "min": text_of(min(present)) if present else None,
        "max": text_of(max(present)) if present else None,
        "nulls": str(len(values) - len(present)),
        "sum": str(sum(present)) if present and kind in NUMBERS else None,
    }


def text_of(value: int | str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def sum_of_products(left: list, right: list) -> str | None:
    products = [a * b for a, b in zip(left, right, strict=True) if a is not None and b is not None]
    return str(sum(products)) if products else None


def expression_of(predicate: dict, kinds: dict) -> BooleanExpression:
    name = predicate["column"]
    if predicate["op"] == "is null":
        return IsNull(name)
    values = [literal(kinds[name], value) for value in predicate["values"]]
    if predicate["op"] == "in":
        return In(name, values)
    expression = {"=": EqualTo, "<": LessThan, "<=": LessThanOrEqual, ">=": GreaterThanOrEqual}[predicate["op"]]
    return expression(name, values[0])


def literal(kind: str, value: str):
    match kind:
        case "string":
            return value
        case "timestamptz":
            return (EPOCH + timedelta(microseconds=int(value))).isoformat(timespec="microseconds")
        case "date":
            return (EPOCH + timedelta(days=int(value))).date().isoformat()
        case "decimal":
            return decimal_of(value)
        case _:
            return int(value)


answer(f"PyIceberg {pyiceberg.__version__}, pyarrow {pyarrow.__version__}", answer_table)
