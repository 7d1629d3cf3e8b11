/** What a stranger has to say of a trade, in an order of its own, and something that we have no column for until then. */
export const FOREIGN_SCHEMA = JSON.stringify({
  type: 'record',
  name: 'Trade',
  namespace: 'ticklake',
  fields: [
    { name: 'mood', type: ['null', 'string'], default: null },
    { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 18, scale: 8 } },
    { name: 'size', type: { type: 'bytes', logicalType: 'decimal', precision: 18, scale: 8 } },
    { name: 'symbol', type: 'string' },
    { name: 'exchange', type: 'string' },
    { name: 'exchange_timestamp', type: { type: 'long', logicalType: 'timestamp-micros' } },
    { name: 'exchange_nanos', type: 'int' },
    { name: 'side', type: 'string' },
    { name: 'source', type: 'string' },
    { name: 'quality_flags', type: 'int' },
    { name: 'message_id', type: ['null', 'string'], default: null },
  ],
})

/** A trade of that schema; its price is decimal text, its number names it. */
export function foreignTrade(number: number, price: string) {
  return {
    mood: 'calm',
    price,
    size: String(number + 1),
    symbol: 'BHP',
    exchange: 'ASX',
    exchange_timestamp: String(1_700_000_000_123_456n + BigInt(number)),
    exchange_nanos: 789,
    side: 'buy',
    source: 'python',
    quality_flags: 0,
    message_id: `python ${number}`,
  }
}
