/** A line longer than this is not market data but a file that has no lines. */
export const MAX_LINE_BYTES = 4 * 1024 * 1024

/**
 * What DuckDB takes for a column separator, so that a line stays whole. Nobody writes these four control
 * characters in a row.
 */
const NO_DELIMITER = '\x01\x02\x03\x04'

/**
 * SQL macros that every format may use, beside DuckDB's own functions and these variables (getvariable('…')):
 *
 * | variable | what |
 * |---|---|
 * | file | path of the staged input: decompressed text with LF line ends, or a Parquet file |
 * | file_name | name of the input: the entry's name in a .zip, else the file's, without .gz or .zst |
 * | header | first line of a text; column names of a Parquet file, joined by commas |
 * | encoding | utf-8, or latin-1 for a text that is not valid UTF-8 |
 * | symbol, exchange, date | the options of the load, NULL when not given |
 */
export const FORMAT_MACROS: readonly string[] = [
  // The lines as they are, empty ones included: nothing in a line can end the load.
  `CREATE MACRO source_lines() AS TABLE
     SELECT row_number() OVER () AS line, coalesce(original, '') AS original
     FROM read_csv(getvariable('file'), header = false, auto_detect = false, columns = {'original': 'VARCHAR'},
       delim = '${NO_DELIMITER}', quote = '', escape = '', comment = '', new_line = '\\n', strict_mode = true,
       encoding = getvariable('encoding'), max_line_size = ${MAX_LINE_BYTES}, buffer_size = ${4 * MAX_LINE_BYTES})`,

  // Fields of a line of CSV (RFC 4180, one record a line). NULL when a quote is not closed.
  `CREATE MACRO csv_fields(text) AS CASE
     WHEN NOT contains(text, '"') THEN string_split(text, ',')
     WHEN (length(text) - length(replace(text, '"', ''))) % 2 = 1 THEN NULL
     ELSE list_transform(
       regexp_extract_all(',' || text, ',((?:"(?:[^"]|"")*"|[^,"])*)', 1),
       lambda field: CASE WHEN regexp_full_match(field, '"(?s:.*)"')
         THEN replace(field[2:-2], '""', '"') ELSE field END)
   END`,

  // Position, from 1, of the first of these names (lower case) in the header; NULL when it has none of them.
  `CREATE MACRO header_position(names) AS list_filter(
     list_transform(names, lambda name: list_position(
       list_transform(csv_fields(lower(getvariable('header'))), lambda title: trim(title)), name)),
     lambda position: position IS NOT NULL)[1]`,

  // As header_position, but a header without any of the names ends the load.
  `CREATE MACRO required_position(what, names) AS coalesce(header_position(names), error(
     'no column for the ' || what || ': it may be called ' || array_to_string(names, ', ')
     || '; the file has ' || coalesce(nullif(getvariable('header'), ''), 'no header')))`,

  // For the column reject.
  `CREATE MACRO wrong_column_count(found, expected) AS CASE WHEN found <> expected
     THEN 'wrong_column_count: ' || found || ' columns where ' || expected || ' are expected' END`,

  // Moves the decimal point: scaled_down('1674200', 4) = '167.4200'. What is no plain number stays as it is.
  `CREATE MACRO scaled_down(text, places) AS CASE
     WHEN regexp_full_match(text, '\\d+') THEN CASE
       WHEN length(text) > places THEN left(text, length(text) - places) || '.' || right(text, places)
       ELSE '0.' || lpad(text, places, '0') END
     WHEN regexp_full_match(text, '-?\\d+(\\.\\d+)?') THEN text || 'e-' || places
     ELSE text END`,

  // Nanoseconds since 1970 of a TIMESTAMP (local time) in a time zone. A local time that a clock change skips is
  // read as if the clock had not changed yet (02:30 becomes 03:30); of two equal ones the later is meant.
  `CREATE MACRO local_nanos(local, zone) AS epoch_us(timezone(zone, local)) * 1000`,

  // The same for milliseconds since local midnight, up to six decimals: text in, text out. What is none gets a unit, so
  // that the loader cannot take it for nanoseconds.
  `CREATE MACRO midnight_nanos(text, day, zone) AS CASE
     WHEN regexp_full_match(text, '\\d{1,8}(\\.\\d{1,6})?') AND text::DECIMAL(14, 6) < 86400000
     THEN (local_nanos(day::TIMESTAMP + to_milliseconds(split_part(text, '.', 1)::BIGINT), zone)
       + rpad(split_part(text, '.', 2), 6, '0')::BIGINT)::VARCHAR
     ELSE text || ' ms since midnight' END`,

  // Seconds (also with a fraction), milli-, micro- or nanoseconds since 1970, told apart by magnitude, or ISO 8601
  // (without an offset: UTC), as the loader wants it. Fewer than nine digits are more likely a day (20140310) or a time
  // of day (93000) than seconds before March 1973: they get words, so that the loader cannot take them for nanoseconds.
  `CREATE MACRO any_time(text) AS CASE
     WHEN regexp_full_match(text, '-?\\d{1,8}') THEN text || ' (a time since 1970 has nine digits or more)'
     WHEN regexp_full_match(text, '-?\\d{1,11}') THEN text || '000000000'
     WHEN regexp_full_match(text, '-?\\d{12,14}') THEN text || '000000'
     WHEN regexp_full_match(text, '-?\\d{15,17}') THEN text || '000'
     WHEN regexp_full_match(text, '-?\\d{1,11}\\.\\d{1,9}')
       THEN split_part(text, '.', 1) || rpad(split_part(text, '.', 2), 9, '0')
     WHEN regexp_full_match(text, '\\d{4}-\\d\\d-\\d\\d[T ]\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?') THEN text || 'Z'
     ELSE text END`,

  // buy, sell or unknown of the usual words; anything else stays, and is refused by the loader.
  `CREATE MACRO any_side(text) AS CASE
     WHEN text IS NULL OR lower(text) IN ('', 'unknown', 'none', 'n/a') THEN 'unknown'
     WHEN lower(text) IN ('buy', 'b', 'buyer', 'bid') THEN 'buy'
     WHEN lower(text) IN ('sell', 's', 'seller', 'ask') THEN 'sell'
     ELSE text END`,
]
