"""Strangers at the registry routes: fastavro and Confluent's client decode our records, and Confluent's serializer makes its own."""

import base64
import datetime
import decimal
import io
import json
import struct
import sys

import confluent_kafka
import fastavro
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext


class Reader:
    """Decodes by hand: the wire format, the writer's schema from the registry, fastavro."""

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


def as_json(value):
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
        return str((value - epoch) // datetime.timedelta(microseconds=1))
    # Beyond 2^53, JSON numbers are not exact for everybody.
    return str(value) if isinstance(value, int) else value


def as_record(record):
    """Decimals and times come as text: JSON has neither."""
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    micros = datetime.timedelta(microseconds=int(record["exchange_timestamp"]))
    return {
        **record,
        "exchange_timestamp": epoch + micros,
        "price": decimal.Decimal(record["price"]),
        "size": decimal.Decimal(record["size"]),
    }


def main():
    asked = json.load(sys.stdin)
    client = SchemaRegistryClient({"url": asked["url"]})
    context = SerializationContext(asked["topic"], MessageField.VALUE)

    reader = Reader(client)
    deserialize = AvroDeserializer(client)
    seen = []
    for text in asked["values"]:
        value = base64.b64decode(text)
        record = reader.read(value)
        if deserialize(value, context) != record:
            raise RuntimeError(f"fastavro and AvroDeserializer differ on {text}")
        seen.append({name: as_json(member) for name, member in record.items()})

    serialize = AvroSerializer(client, asked["schema"])
    made = [serialize(as_record(record), context) for record in asked["records"]]

    versions = f"confluent-kafka {confluent_kafka.__version__}, fastavro {fastavro.__version__}"
    json.dump(
        {"versions": versions, "seen": seen, "made": [base64.b64encode(value).decode() for value in made]}, sys.stdout
    )


main()
