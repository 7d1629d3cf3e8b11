-- Forex quotes in the layout of LEAN: CSV without a header, one UTC day a file.
--   ms since midnight, bid, ask
-- Date and symbol come from the file's name, 20140501_eurusd_tick_quote.csv, or from --date and --symbol.
-- table: quotes
-- sequence: none
-- exchange: OANDA, unless --exchange says otherwise
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
  wrong_column_count(len(f), 3) AS reject,
  file.symbol AS symbol,
  coalesce(getvariable('exchange'), 'OANDA') AS exchange,
  midnight_nanos(f[1], file.day, 'UTC') AS exchange_timestamp,
  f[2] AS bid_price,
  f[3] AS ask_price
FROM fields, file
