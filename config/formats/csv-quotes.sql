-- Quotes as CSV with a header, one record a line. Columns are found by the common spellings of their names, in any
-- case and order. Times: ISO 8601 (without an offset: UTC) or seconds, ms, µs or ns since 1970.
-- Symbol and exchange come from a column, unless --symbol or --exchange states them.
-- table: quotes
-- sequence: none
-- exchange: a column (exchange, feed), or --exchange
WITH fields AS (
  SELECT line, original, csv_fields(original) AS f FROM source_lines() WHERE line > 1
),
titles AS (
  SELECT
    len(csv_fields(getvariable('header'))) AS column_count,
    required_position('time', ['exchange_timestamp', 'timestamp', 'time', 'datetime', 'date_time', 'date', 'ts', 't',
      'quote_time', 'event_time', 'transact_time', 'time_exchange']) AS time,
    required_position('bid', ['bid_price', 'bidprice', 'bid', 'bid_px', 'best_bid', 'best_bid_price', 'bp']) AS bid_price,
    required_position('ask', ['ask_price', 'askprice', 'ask', 'ask_px', 'best_ask', 'best_ask_price', 'offer', 'ap']) AS ask_price,
    header_position(['bid_size', 'bidsize', 'bid_qty', 'bid_quantity', 'bid_amount', 'bid_volume', 'best_bid_size', 'best_bid_qty', 'bs']) AS bid_size,
    header_position(['ask_size', 'asksize', 'ask_qty', 'ask_quantity', 'ask_amount', 'ask_volume', 'best_ask_size', 'best_ask_qty', 'offer_size', 'as']) AS ask_size,
    CASE WHEN getvariable('symbol') IS NULL
      THEN required_position('symbol (or give --symbol)', ['symbol', 'ticker', 'instrument', 'sym', 'pair', 'market', 'product_id']) END AS symbol,
    CASE WHEN getvariable('exchange') IS NULL
      THEN required_position('exchange (or give --exchange)', ['exchange', 'feed']) END AS exchange,
    header_position(['sequence_number', 'sequence', 'seq', 'seq_num', 'seqnum', 'update_id']) AS sequence_number,
    header_position(['venue', 'mic']) AS venue,
    header_position(['conditions', 'condition']) AS conditions,
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
  f[titles.bid_price] AS bid_price,
  f[titles.bid_size] AS bid_size,
  f[titles.ask_price] AS ask_price,
  f[titles.ask_size] AS ask_size,
  f[titles.venue] AS venue,
  f[titles.conditions] AS conditions,
  f[titles.currency] AS currency
FROM fields, titles
