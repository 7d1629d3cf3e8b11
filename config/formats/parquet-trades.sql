-- Trades from Parquet. Columns are found by the common spellings of their names, in any case; times are timestamps
-- (without a zone: UTC) or seconds, ms, µs or ns since 1970.
-- Symbol and exchange come from a column, unless --symbol or --exchange states them.
-- table: trades
-- sequence: none
-- exchange: a column (exchange, feed), or --exchange
WITH known AS (
  -- Every spelling exists, if only as NULL: the names of the file's own columns need not be known here.
  SELECT NULL::VARCHAR AS exchange_timestamp, NULL::VARCHAR AS timestamp, NULL::VARCHAR AS time, NULL::VARCHAR AS datetime,
    NULL::VARCHAR AS ts, NULL::VARCHAR AS t, NULL::VARCHAR AS trade_time, NULL::VARCHAR AS event_time,
    NULL::VARCHAR AS price, NULL::VARCHAR AS px, NULL::VARCHAR AS p, NULL::VARCHAR AS trade_price, NULL::VARCHAR AS last_price,
    NULL::VARCHAR AS size, NULL::VARCHAR AS amount, NULL::VARCHAR AS qty, NULL::VARCHAR AS quantity, NULL::VARCHAR AS volume, NULL::VARCHAR AS q,
    NULL::VARCHAR AS symbol, NULL::VARCHAR AS ticker, NULL::VARCHAR AS instrument, NULL::VARCHAR AS sym, NULL::VARCHAR AS pair,
    NULL::VARCHAR AS exchange, NULL::VARCHAR AS feed,
    NULL::VARCHAR AS side, NULL::VARCHAR AS taker_side, NULL::VARCHAR AS aggressor_side,
    NULL::VARCHAR AS trade_id, NULL::VARCHAR AS tid, NULL::VARCHAR AS id,
    NULL::VARCHAR AS sequence_number, NULL::VARCHAR AS sequence, NULL::VARCHAR AS seq,
    NULL::VARCHAR AS venue, NULL::VARCHAR AS conditions, NULL::VARCHAR AS condition, NULL::VARCHAR AS currency,
    NULL::VARCHAR AS file_row_number
  WHERE false
),
titles AS (
  SELECT
    required_position('time', ['exchange_timestamp', 'timestamp', 'time', 'datetime', 'ts', 't', 'trade_time', 'event_time']) AS time,
    required_position('price', ['price', 'px', 'p', 'trade_price', 'last_price']) AS price,
    required_position('size', ['size', 'amount', 'qty', 'quantity', 'volume', 'q']) AS size
),
rows AS (
  SELECT * FROM known
  UNION ALL BY NAME
  SELECT COLUMNS(*)::VARCHAR FROM read_parquet(getvariable('file'), file_row_number = true)
)
SELECT
  file_row_number::BIGINT + 1 AS line,
  to_json(rows)::VARCHAR AS original,
  coalesce(getvariable('symbol'), symbol, ticker, instrument, sym, pair) AS symbol,
  coalesce(getvariable('exchange'), exchange, feed) AS exchange,
  any_time(coalesce(exchange_timestamp, timestamp, rows.time, datetime, ts, t, trade_time, event_time)) AS exchange_timestamp,
  coalesce(sequence_number, sequence, seq) AS sequence_number,
  coalesce(trade_id, tid, id) AS trade_id,
  coalesce(rows.price, px, p, trade_price, last_price) AS price,
  coalesce(rows.size, amount, qty, quantity, volume, q) AS size,
  any_side(coalesce(side, taker_side, aggressor_side)) AS side,
  venue,
  coalesce(conditions, condition) AS conditions,
  currency
FROM rows, titles
-- Uses the positions, so that a missing column is an error instead of a table of refused rows.
WHERE titles.time + titles.price + titles.size > 0
