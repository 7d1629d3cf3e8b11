-- US equity trades in the layout of LEAN: CSV without a header, one New York day a file.
--   ms since midnight, price × 10000, size, execution venue, sale condition, suspicious (0 or 1)
-- Date and symbol come from the file's name, 20131007_spy_trade_tick.csv, or from --date and --symbol.
-- table: trades
-- sequence: none
-- exchange: US-SIP, unless --exchange says otherwise
WITH file AS (
  SELECT
    coalesce(getvariable('date')::DATE, try_strptime(regexp_extract(getvariable('file_name'), '^\d{8}'), '%Y%m%d')::DATE,
      error('date: give --date; the name ' || getvariable('file_name') || ' does not begin with one (20131007_…)')) AS day,
    coalesce(getvariable('symbol'), nullif(upper(regexp_extract(getvariable('file_name'), '^\d{8}_([^_]+)_.*tick', 1, 'i')), ''),
      error('symbol: give --symbol; the name ' || getvariable('file_name') || ' does not hold one (20131007_spy_trade_tick.csv)')) AS symbol
),
fields AS (SELECT line, original, string_split(original, ',') AS f FROM source_lines())
SELECT
  line,
  original,
  original = '' AS skip,
  wrong_column_count(len(f), 6) AS reject,
  file.symbol AS symbol,
  coalesce(getvariable('exchange'), 'US-SIP') AS exchange,
  midnight_nanos(f[1], file.day, 'America/New_York') AS exchange_timestamp,
  scaled_down(f[2], 4) AS price,
  f[3] AS size,
  f[4] AS venue,
  CASE WHEN f[6] = '1' THEN concat_ws(' ', nullif(f[5], ''), 'suspicious') ELSE f[5] END AS conditions,
  'USD' AS currency
FROM fields, file
