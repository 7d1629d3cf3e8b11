-- ASX trades as sold by data vendors: CSV without a header, Sydney local time.
--   date MM/DD/YYYY, time HH:MM:SS.mmm, price, size, qualifier, venue, buyer
-- table: trades
-- sequence: none
-- exchange: ASX, unless --exchange says otherwise
-- requires: symbol
WITH fields AS (SELECT line, original, string_split(original, ',') AS f FROM source_lines())
SELECT
  line,
  original,
  original = '' AS skip,
  wrong_column_count(len(f), 7) AS reject,
  getvariable('symbol') AS symbol,
  coalesce(getvariable('exchange'), 'ASX') AS exchange,
  coalesce(
    local_nanos(try_strptime(f[1] || ' ' || f[2], '%m/%d/%Y %H:%M:%S.%g'), 'Australia/Sydney')::VARCHAR,
    f[1] || ' ' || f[2]
  ) AS exchange_timestamp,
  f[3] AS price,
  f[4] AS size,
  f[6] AS venue,
  f[5] AS conditions,
  'AUD' AS currency
FROM fields
