-- Trades from recorded Binance websocket messages, one a line, combined stream or raw:
--   receive time in ns since 1970, a space, the message as received
-- Other streams in the file are passed over. Sizes of COIN-M are contracts.
-- https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams
-- table: trades
-- sequence: contiguous
-- exchange: told from the message: BINANCE (spot), BINANCE-UM or BINANCE-CM; --exchange overrides
WITH messages AS (
  SELECT line, original, regexp_extract(original, '^(?:\d{16,19} )?(.*)$', 1) AS message FROM source_lines()
),
-- The name of the event is looked for first: most lines are other streams, and long.
trades AS (
  SELECT line, original, message,
    CASE WHEN contains(message, '"e":"trade"') THEN true ELSE NOT json_valid(message) END AS wanted
  FROM messages
),
fields AS (
  SELECT line, original, message, wanted,
    CASE
      WHEN NOT wanted THEN NULL
      WHEN starts_with(message, '{"stream"') THEN try(json_extract_string(message,
        ['$.data.s', '$.data.T', '$.data.t', '$.data.p', '$.data.q', '$.data.m', '$.data.M', '$.data.X']))
      ELSE try(json_extract_string(message, ['$.s', '$.T', '$.t', '$.p', '$.q', '$.m', '$.M', '$.X']))
    END AS f
  FROM trades
)
SELECT
  line,
  original,
  original = '' OR NOT wanted AS skip,
  CASE WHEN f IS NULL THEN 'malformed: not a JSON message' END AS reject,
  coalesce(getvariable('symbol'), f[1]) AS symbol,
  coalesce(getvariable('exchange'), CASE
    WHEN f[7] IS NOT NULL THEN 'BINANCE'
    WHEN regexp_full_match(f[1], '[A-Z0-9]+USD_(PERP|\d{6})') THEN 'BINANCE-CM'
    ELSE 'BINANCE-UM' END) AS exchange,
  f[2] || '000000' AS exchange_timestamp,
  f[3] AS sequence_number,
  f[3] AS trade_id,
  f[4] AS price,
  f[5] AS size,
  CASE f[6] WHEN 'true' THEN 'sell' WHEN 'false' THEN 'buy' ELSE f[6] END AS side,
  f[8] AS conditions
FROM fields
