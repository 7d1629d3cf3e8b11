"""Strangers at the registry routes: fastavro and Confluent's deserializer read our values, Confluent's serializer makes its own."""

import base64
import json
import sys

from avro_records import VERSIONS, Reader, plain, trade
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext


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
        seen.append(plain(record))

    serialize = AvroSerializer(client, asked["schema"])
    made = [base64.b64encode(serialize(trade(record), context)).decode() for record in asked["records"]]
    json.dump({"versions": VERSIONS, "seen": seen, "made": made}, sys.stdout)


main()
