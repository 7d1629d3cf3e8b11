"""PyIceberg works on the tables through the REST catalog: one step a run, asked on standard input."""

import json
import sys
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pyarrow
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import CommitFailedException, RESTError
from pyiceberg.expressions import And, EqualTo, GreaterThanOrEqual, IsNull, LessThan
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.table import Table
from pyiceberg.transforms import BucketTransform
from pyiceberg.types import StringType

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
TRADES = "market_data.trades"
SMALLEST = Decimal("0.00000001")
COLUMNS = pyarrow.schema(
    [
        ("symbol", pyarrow.string()),
        ("exchange", pyarrow.string()),
        ("exchange_timestamp", pyarrow.timestamp("us", tz="UTC")),
        ("price", pyarrow.decimal128(18, 8)),
        ("size", pyarrow.decimal128(18, 8)),
    ]
)


def time_of(micros: str) -> datetime:
    return EPOCH + timedelta(microseconds=int(micros))


def arrow_of(rows: list) -> pyarrow.Table:
    """Rows of the question; decimals and microseconds are texts there."""
    return pyarrow.Table.from_pylist(
        [
            {
                "symbol": row["symbol"],
                "exchange": "MADE",
                "exchange_timestamp": time_of(row["micros"]),
                "price": Decimal(row["price"]),
                "size": Decimal(row["size"]),
            }
            for row in rows
        ],
        schema=COLUMNS,
    )


def append(table: Table, rows: pyarrow.Table) -> int:
    """Appends, anew after each lost race, and gives how many there were."""
    lost = 0
    while True:
        try:
            table.append(rows)
            return lost
        except CommitFailedException:
            lost += 1
            table.refresh()


def text_of_sum(rows: pyarrow.Table, column: str) -> str:
    return str(sum((value for value in rows.column(column).to_pylist()), Decimal(0)))


def read(catalog: Catalog, question: dict) -> dict:
    table = catalog.load_table(TRADES)
    rows = table.scan().to_arrow()
    middle = time_of(question["middle"]).isoformat(timespec="microseconds")
    filters = {
        "symbol": EqualTo("symbol", question["symbol"]),
        "from": GreaterThanOrEqual("exchange_timestamp", middle),
        "before": LessThan("exchange_timestamp", middle),
        "both": And(EqualTo("symbol", question["symbol"]), GreaterThanOrEqual("exchange_timestamp", middle)),
        "price": LessThan("price", Decimal(question["price"]).quantize(SMALLEST)),
        "no price": IsNull("price"),
    }
    return {
        "namespaces": [".".join(name) for name in catalog.list_namespaces()],
        "tables": [".".join(name) for name in catalog.list_tables("market_data")],
        "count": rows.num_rows,
        "price": text_of_sum(rows, "price"),
        "size": text_of_sum(rows, "size"),
        "filters": {name: table.scan(row_filter=row_filter).to_arrow().num_rows for name, row_filter in filters.items()},
    }


def append_batches(catalog: Catalog, question: dict) -> dict:
    table = catalog.load_table(TRADES)
    return {"lost races": sum(append(table, arrow_of(rows)) for rows in question["batches"])}


def evolve(catalog: Catalog, question: dict) -> dict:
    table = catalog.load_table(TRADES)
    rows = arrow_of(question["rows"])
    with table.update_schema() as update:
        update.add_column("note", StringType(), "what somebody has noted")
    append(table, rows.append_column("note", pyarrow.array(["noted"] * rows.num_rows)))
    with table.update_schema() as update:
        update.rename_column("note", "remark")
    table.manage_snapshots().create_tag(table.current_snapshot().snapshot_id, "before-drop").commit()
    append(table, rows.append_column("remark", pyarrow.array([None] * rows.num_rows, pyarrow.string())))
    remarks = table.scan(row_filter=EqualTo("symbol", question["rows"][0]["symbol"])).to_arrow().column("remark")
    with table.update_schema() as update:
        update.delete_column("remark")
    tagged = table.scan(snapshot_id=table.snapshot_by_name("before-drop").snapshot_id).to_arrow()
    return {
        "remarks": sorted(remarks.to_pylist(), key=str),
        "tagged": tagged.num_rows,
        "now": table.scan().to_arrow().num_rows,
        "columns": [field.name for field in table.schema().fields],
    }


def refuse(catalog: Catalog, _: dict) -> dict:
    def drop_price() -> None:
        with catalog.load_table(TRADES).update_schema() as update:
            update.delete_column("price")

    def roll_back() -> None:
        table = catalog.load_table(TRADES)
        first = min(table.snapshots(), key=lambda snapshot: snapshot.sequence_number)
        table.manage_snapshots().set_current_snapshot(snapshot_id=first.snapshot_id).commit()

    tries = {
        "drop": lambda: catalog.drop_table(TRADES),
        "rename": lambda: catalog.rename_table(TRADES, "market_data.mine"),
        "create": lambda: catalog.create_table(TRADES, schema=COLUMNS),
        "drop price": drop_price,
        "roll back": roll_back,
        "drop namespace": lambda: catalog.drop_namespace("market_data"),
        "unknown table": lambda: catalog.load_table("market_data.nothing"),
        "unknown namespace": lambda: catalog.list_tables("nothing"),
        "nested namespace": lambda: catalog.create_namespace(("a", "b")),
    }
    answers = {}
    for name, attempt in tries.items():
        try:
            attempt()
            answers[name] = "not refused"
        except RESTError as error:
            answers[name] = f"{type(error).__name__}: {error}"
        except Exception as error:  # Those of catalogs in general are no RESTErrors.
            answers[name] = f"{type(error).__name__}: {error}"
    return answers


def own_tables(catalog: Catalog, question: dict) -> dict:
    rows = arrow_of(question["rows"])
    catalog.create_namespace("research", {"owner": "peer"})
    catalog.update_namespace_properties("research", {"owner"}, {"purpose": "test"})
    features = catalog.create_table("research.features", schema=COLUMNS)
    spec = PartitionSpec(PartitionField(1, 1000, BucketTransform(4), "symbol_bucket"))
    catalog.create_table("research.bucketed", schema=features.schema(), partition_spec=spec)
    for name in ("research.features", "research.bucketed"):
        for _ in range(2):
            catalog.load_table(name).append(rows)
    features.refresh().delete(EqualTo("symbol", question["rows"][0]["symbol"]))
    with catalog.create_table_transaction("research.staged", schema=COLUMNS) as transaction:
        transaction.append(rows)
    renamed = catalog.rename_table("research.features", "market_data.features")
    counts = {
        "renamed": renamed.scan().to_arrow().num_rows,
        "bucketed": catalog.load_table("research.bucketed").scan().to_arrow().num_rows,
        "staged": catalog.load_table("research.staged").scan().to_arrow().num_rows,
    }
    catalog.drop_table("research.bucketed")
    catalog.purge_table("research.staged")
    return {
        **counts,
        "properties": catalog.load_namespace_properties("research")["purpose"],
        "left": [".".join(name) for name in catalog.list_tables("research")],
        "exist": [catalog.table_exists("market_data.features"), catalog.table_exists("research.features")],
    }


STEPS = {"read": read, "append": append_batches, "evolve": evolve, "refuse": refuse, "own tables": own_tables}

question = json.load(sys.stdin)
catalog = load_catalog("lake", type="rest", uri=f"{question['url']}/iceberg")
json.dump(STEPS[question["step"]](catalog, question), sys.stdout)
