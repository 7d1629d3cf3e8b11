"""Confluent's client for Python, a stranger to ours: writes Avro records to a topic and reads the topic from its start."""

import io
import json
import sys

import confluent_kafka
import fastavro


def encode(schema, record):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, record)
    return out.getvalue()


def produce(brokers, topic, schema, records):
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": brokers, "compression.type": "zstd", "enable.idempotence": True}
    )
    for record in records:
        producer.produce(topic, value=encode(schema, record))
    if producer.flush(30) > 0:
        raise RuntimeError("not everything was sent in 30 s")


def consume(brokers, topic, schema, count):
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": topic,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    consumer.subscribe([topic])
    seen = []
    while len(seen) < count:
        message = consumer.poll(30)
        if message is None:
            raise RuntimeError(f"{len(seen)} of {count} records, and no more in 30 s")
        if message.error():
            raise RuntimeError(str(message.error()))
        seen.append(fastavro.schemaless_reader(io.BytesIO(message.value()), schema, None))
    consumer.close()
    return seen


def main():
    asked = json.load(sys.stdin)
    schema = fastavro.parse_schema(asked["schema"])
    produce(asked["brokers"], asked["topic"], schema, asked["records"])
    seen = consume(asked["brokers"], asked["topic"], schema, asked["count"])
    json.dump(seen, sys.stdout)


main()
