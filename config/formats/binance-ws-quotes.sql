-- Best bid and ask from recorded Binance websocket messages (bookTicker), one a line, combined stream or raw:
--   receive time in ns since 1970, a space, the message as received
-- Spot's bookTicker has no time of its own: the receive time stands in, with a flag.
-- Other streams in the file are passed over. Sizes of COIN-M are contracts.
-- https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams
-- table: quotes
-- sequence: monotone
-- exchange: told from the message: BINANCE (spot), BINANCE-UM or BINANCE-CM; --exchange overrides
WITH messages AS (
  SELECT line, original, regexp_extract(original, '^(?:(\d{16,19}) )?(.*)$', ['received', 'message']) AS m
  FROM source_lines()
),
quotes AS (
  SELECT line, original, m.received AS received, m.message AS message,
    CASE
      WHEN contains(m.message, '"e":"bookTicker"') THEN true
      WHEN contains(m.message, '"B":"') AND NOT contains(m.message, '"e":"') THEN true
      ELSE NOT json_valid(m.message)
    END AS wanted
  FROM messages
),
fields AS (
  SELECT line, original, received, wanted,
    CASE
      WHEN NOT wanted THEN NULL
      WHEN starts_with(message, '{"stream"') THEN try(json_extract_string(message,
        ['$.data.s', '$.data.T', '$.data.u', '$.data.b', '$.data.B', '$.data.a', '$.data.A', '$.data.ps', '$.data.e']))
      ELSE try(json_extract_string(message, ['$.s', '$.T', '$.u', '$.b', '$.B', '$.a', '$.A', '$.ps', '$.e']))
    END AS f
  FROM quotes
)
SELECT
  line,
  original,
  original = '' OR NOT wanted AS skip,
  CASE WHEN f IS NULL THEN 'malformed: not a JSON message' END AS reject,
  coalesce(getvariable('symbol'), f[1]) AS symbol,
  coalesce(getvariable('exchange'), CASE
    WHEN f[9] IS NULL THEN 'BINANCE'
    WHEN f[8] IS NOT NULL THEN 'BINANCE-CM'
    ELSE 'BINANCE-UM' END) AS exchange,
  coalesce(f[2] || '000000', received) AS exchange_timestamp,
  f[3] AS sequence_number,
  f[4] AS bid_price,
  f[5] AS bid_size,
  f[6] AS ask_price,
  f[7] AS ask_size,
  -- QualityFlag.receiveTime
  CASE WHEN f[2] IS NULL THEN 2 ELSE 0 END AS quality_flags
FROM fields
