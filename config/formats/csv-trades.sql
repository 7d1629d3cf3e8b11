-- Trades as CSV with a header, one record a line. Columns are found by the common spellings of their names, in any
-- case and order. Times: ISO 8601 (without an offset: UTC) or seconds, ms, µs or ns since 1970.
-- Symbol and exchange come from a column, unless --symbol or --exchange states them.
-- table: trades
-- sequence: none
-- exchange: a column (exchange, feed), or --exchange
WITH fields AS (
  SELECT line, original, csv_fields(original) AS f FROM source_lines() WHERE line > 1
),
titles AS (
  SELECT
    len(csv_fields(getvariable('header'))) AS column_count,
    required_position('time', ['exchange_timestamp', 'timestamp', 'time', 'datetime', 'date_time', 'date', 'ts', 't',
      'trade_time', 'event_time', 'transact_time', 'time_exchange']) AS time,
    required_position('price', ['price', 'px', 'p', 'trade_price', 'last_price', 'last']) AS price,
    required_position('size', ['size', 'amount', 'qty', 'quantity', 'volume', 'q', 'v', 'trade_size', 'base_amount']) AS size,
    CASE WHEN getvariable('symbol') IS NULL
      THEN required_position('symbol (or give --symbol)', ['symbol', 'ticker', 'instrument', 'sym', 'pair', 'market', 'product_id']) END AS symbol,
    CASE WHEN getvariable('exchange') IS NULL
      THEN required_position('exchange (or give --exchange)', ['exchange', 'feed']) END AS exchange,
    header_position(['side', 'taker_side', 'aggressor', 'aggressor_side', 'direction']) AS side,
    header_position(['trade_id', 'tradeid', 'tid', 'id']) AS trade_id,
    header_position(['sequence_number', 'sequence', 'seq', 'seq_num', 'seqnum']) AS sequence_number,
    header_position(['venue', 'execution_venue', 'mic']) AS venue,
    header_position(['conditions', 'condition', 'sale_condition', 'qualifier']) AS conditions,
    header_position(['currency', 'ccy']) AS currency
)
SELECT
  line,
  original,
  original = '' AS skip,
  CASE WHEN f IS NULL THEN 'malformed: a quote is not closed' ELSE wrong_column_count(len(f), column_count) END AS reject,
  coalesce(getvariable('symbol'), f[titles.symbol]) AS symbol,
  coalesce(getvariable('exchange'), f[titles.exchange]) AS exchange,
  any_time(f[titles.time]) AS exchange_timestamp,
  f[titles.sequence_number] AS sequence_number,
  f[titles.trade_id] AS trade_id,
  f[titles.price] AS price,
  f[titles.size] AS size,
  any_side(f[titles.side]) AS side,
  f[titles.venue] AS venue,
  f[titles.conditions] AS conditions,
  f[titles.currency] AS currency
FROM fields, titles
