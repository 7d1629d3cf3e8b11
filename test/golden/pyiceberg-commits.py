"""
Records the requests of a life of a table as PyIceberg sends them, and the metadata that PyIceberg makes of them.

    pip install "pyiceberg[pyiceberg-core]==0.12.0" pyarrow
    python test/golden/pyiceberg-commits.py > test/golden/pyiceberg-commits.json
"""

import json
import tempfile
from decimal import Decimal

import pyarrow as pa
import pyiceberg
from pyiceberg.catalog.noop import NoopCatalog
from pyiceberg.catalog.rest import CreateTableRequest
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import CommitTableRequest, CommitTableResponse, Table, TableIdentifier
from pyiceberg.table.metadata import new_table_metadata
from pyiceberg.table.sorting import NullOrder, SortField, SortOrder
from pyiceberg.table.statistics import StatisticsFile
from pyiceberg.table.update import update_table_metadata
from pyiceberg.transforms import BucketTransform, DayTransform, HourTransform, IdentityTransform
from pyiceberg.types import (
    BooleanType,
    DecimalType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestamptzType,
)

commits = []


class Recorder(NoopCatalog):
    """Takes every commit that meets its requirements, as a catalog would, and keeps what was sent."""

    def commit_table(self, table, requirements, updates):
        for requirement in requirements:
            requirement.validate(table.metadata)
        identifier = TableIdentifier(namespace=["d"], name="t")
        request = CommitTableRequest(identifier=identifier, requirements=requirements, updates=updates)
        made = update_table_metadata(table.metadata, updates)
        sent = json.loads(request.model_dump_json())
        commits.append({"nowMs": made.last_updated_ms, "requirements": sent["requirements"], "updates": sent["updates"]})
        return CommitTableResponse(metadata=made, metadata_location="file:///none")


def rows(decimal, **columns):
    price = pa.array([Decimal("1.00")], pa.decimal128(decimal, 2))
    return pa.table({"price": price, "at": pa.array([0], pa.timestamp("us", tz="UTC")), **columns})


schema = Schema(
    NestedField(1, "symbol", StringType(), required=False),
    NestedField(2, "at", TimestamptzType(), required=False),
    NestedField(3, "qty", IntegerType(), required=False),
    NestedField(4, "price", DecimalType(9, 2), required=False),
)
spec = PartitionSpec(PartitionField(2, 1000, DayTransform(), "at_day"))
order = SortOrder(SortField(1, transform=IdentityTransform()))
folder = tempfile.mkdtemp()
first = new_table_metadata(schema, spec, order, f"file://{folder}", {"owner": "me"})
table = Table(("d", "t"), first, f"file://{folder}/v1.metadata.json", PyArrowFileIO(), Recorder("recorder"))

for _ in range(2):
    table.append(rows(9, symbol=["BHP"], qty=pa.array([1], pa.int32())))
snapshot_id = table.current_snapshot().snapshot_id
with table.manage_snapshots() as refs:
    refs.create_tag(snapshot_id, "eod", max_ref_age_ms=86_400_000)
    refs.create_branch(snapshot_id, "audit", min_snapshots_to_keep=2, max_snapshot_age_ms=1000)
    refs.create_branch(snapshot_id, "kept", min_snapshots_to_keep=3)
with table.update_schema() as change:
    book = StructType(
        NestedField(2, "level", IntegerType(), required=True),
        NestedField(3, "by", MapType(4, StringType(), 5, LongType())),
    )
    change.add_column("note", StringType(), "a text").add_column("book", ListType(1, book))
with table.update_schema() as change:
    change.update_column("qty", LongType()).update_column("price", DecimalType(18, 2))
    change.rename_column("note", "remark").move_first("price").delete_column("book")
# There and back again: the second commit asks for a schema that the table has.
with table.update_schema() as change:
    change.rename_column("remark", "text")
with table.update_schema() as change:
    change.rename_column("text", "remark")
with table.update_spec() as change:
    change.remove_field("at_day").add_field("at", HourTransform()).add_field("symbol", BucketTransform(16))
with table.update_spec() as change:
    change.remove_field("at_hour").remove_field("symbol_bucket_16").add_field("at", DayTransform(), "at_day")
with table.update_sort_order() as change:
    change.desc("at", IdentityTransform(), NullOrder.NULLS_LAST)
with table.transaction() as transaction:
    transaction.set_properties(owner="you", extra="1")
    transaction.remove_properties("owner")
with table.manage_snapshots() as refs:
    refs.remove_tag("eod").remove_branch("audit")
with table.transaction() as transaction:
    with transaction.update_schema() as change:
        change.add_column("flag", BooleanType())
    transaction.set_properties(a="b")
    with transaction.update_spec() as change:
        change.add_identity("symbol")
# Two snapshots in one commit: the first is never current.
table.overwrite(rows(18, symbol=["CBA"], qty=pa.array([1], pa.int64()), remark=["x"], flag=[True]))
current = table.current_snapshot().snapshot_id
with table.update_statistics() as change:
    change.set_statistics(
        StatisticsFile(
            snapshot_id=current,
            statistics_path=f"file://{folder}/s.puffin",
            file_size_in_bytes=1,
            file_footer_size_in_bytes=1,
            blob_metadata=[],
        )
    )
with table.update_statistics() as change:
    change.remove_statistics(current)
with table.maintenance.expire_snapshots() as expiry:
    expiry.by_id(table.metadata.snapshots[0].snapshot_id)
with table.manage_snapshots() as refs:
    refs.set_current_snapshot(table.metadata.snapshots[0].snapshot_id)

created = CreateTableRequest(
    name="t",
    location=None,
    table_schema=schema,
    partition_spec=spec,
    write_order=order,
    stage_create=False,
    properties={"owner": "me"},
)
text = json.dumps(
    {
        "writer": f"PyIceberg {pyiceberg.__version__}",
        "location": first.location,
        "uuid": str(first.table_uuid),
        "nowMs": first.last_updated_ms,
        "create": json.loads(created.model_dump_json()),
        "commits": commits,
        "made": json.loads(table.metadata.model_dump_json()),
    },
    separators=(",", ":"),
)
print(text.replace(folder, "/w/t").replace('{"nowMs"', '\n{"nowMs"').replace(',"made"', ',\n"made"'))
