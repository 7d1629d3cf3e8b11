"""A stranger at the topic of trades: reads it with fastavro, then sends trades of its own."""

import json
import sys

from avro_records import VERSIONS, Reader, plain, trade
from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext


def consume(brokers, topic, count, reader):
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "stranger",
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
        seen.append({"key": message.key().decode(), **plain(reader.read(message.value()))})
    consumer.close()
    return seen


def produce(brokers, topic, records, serialize):
    # Kafka's own partitioner, which librdkafka does not take by default.
    producer = Producer(
        {"bootstrap.servers": brokers, "partitioner": "murmur2_random", "enable.idempotence": True}
    )
    context = SerializationContext(topic, MessageField.VALUE)
    for record in records:
        producer.produce(topic, key=record["symbol"], value=serialize(trade(record), context))
    if producer.flush(30) > 0:
        raise RuntimeError("not everything was sent in 30 s")


def main():
    asked = json.load(sys.stdin)
    client = SchemaRegistryClient({"url": asked["url"]})
    seen = consume(asked["brokers"], asked["topic"], asked["count"], Reader(client))
    produce(asked["brokers"], asked["topic"], asked["records"], AvroSerializer(client, asked["schema"]))
    json.dump({"versions": VERSIONS, "seen": seen}, sys.stdout)


main()
