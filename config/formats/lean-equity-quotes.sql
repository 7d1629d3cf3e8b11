-- US equity quotes in the layout of LEAN: CSV without a header, one New York day a file.
--   ms since midnight, bid × 10000, bid size, ask × 10000, ask size, venue, condition, suspicious (0 or 1)
-- A side that is 0 is not part of the message. Date and symbol as in lean-equity-trades.
-- table: quotes
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
  wrong_column_count(len(f), 8) AS reject,
  file.symbol AS symbol,
  coalesce(getvariable('exchange'), 'US-SIP') AS exchange,
  midnight_nanos(f[1], file.day, 'America/New_York') AS exchange_timestamp,
  scaled_down(f[2], 4) AS bid_price,
  f[3] AS bid_size,
  scaled_down(f[4], 4) AS ask_price,
  f[5] AS ask_size,
  f[6] AS venue,
  CASE WHEN f[8] = '1' THEN concat_ws(' ', nullif(f[7], ''), 'suspicious') ELSE f[7] END AS conditions,
  'USD' AS currency
FROM fields, file
