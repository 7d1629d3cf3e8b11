-- ASX best bid and ask as sold by data vendors: CSV without a header, Sydney local time.
--   date MM/DD/YYYY, time HH:MM:SS.mmm, bid, ask, bid size, ask size
-- A side that is 0 is empty; a crossed quote is kept.
-- table: quotes
-- sequence: none
-- exchange: ASX, unless --exchange says otherwise
-- requires: symbol
WITH fields AS (SELECT line, original, string_split(original, ',') AS f FROM source_lines())
SELECT
  line,
  original,
  original = '' AS skip,
  wrong_column_count(len(f), 6) AS reject,
  getvariable('symbol') AS symbol,
  coalesce(getvariable('exchange'), 'ASX') AS exchange,
  coalesce(
    local_nanos(try_strptime(f[1] || ' ' || f[2], '%m/%d/%Y %H:%M:%S.%g'), 'Australia/Sydney')::VARCHAR,
    f[1] || ' ' || f[2]
  ) AS exchange_timestamp,
  f[3] AS bid_price,
  f[5] AS bid_size,
  f[4] AS ask_price,
  f[6] AS ask_size,
  'AUD' AS currency
FROM fields
