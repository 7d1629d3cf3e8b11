"""Records as a stranger reads and writes them: the wire format, schemas from a registry, fastavro; nothing of ours."""

import datetime
import decimal
import io
import json
import struct

import confluent_kafka
import fastavro

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
VERSIONS = f"confluent-kafka {confluent_kafka.__version__}, fastavro {fastavro.__version__}"


class Reader:
    """Decodes values in the wire format, by hand."""

    def __init__(self, client):
        self.client = client
        self.schemas = {}

    def read(self, value):
        magic, schema_id = struct.unpack(">bI", value[:5])
        if magic != 0:
            raise RuntimeError(f"a value begins with {magic}")
        if schema_id not in self.schemas:
            text = self.client.get_schema(schema_id).schema_str
            self.schemas[schema_id] = fastavro.parse_schema(json.loads(text))
        return fastavro.schemaless_reader(io.BytesIO(value[5:]), self.schemas[schema_id], None)


def plain(record):
    """The record with numbers and times (microseconds) as text: a JSON number is not exact for everybody."""
    return {name: _text(value) for name, value in record.items()}


def _text(value):
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        return str((value - EPOCH) // datetime.timedelta(microseconds=1))
    return str(value) if isinstance(value, int) else value


def trade(record):
    """A trade that came as JSON, with its decimals and time as what they are."""
    return {
        **record,
        "exchange_timestamp": EPOCH + datetime.timedelta(microseconds=int(record["exchange_timestamp"])),
        "price": decimal.Decimal(record["price"]),
        "size": decimal.Decimal(record["size"]),
    }
