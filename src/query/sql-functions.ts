/**
 * The functions that a stranger's SQL may call. Each computes from its arguments alone (the clock excepted), reads no
 * file, setting, catalog or variable, calls none that is named in a text, and gives no more than its arguments hold:
 * repeat, lpad, format and lists of range() could fill the memory of the process, which DuckDB's limit doesn't bound.
 */
const SCALAR = `
  + - * / // % ** ^ & | << >> ~ @ || ~~ !~~ ~~* !~~* ~~~ ->> ^@ <@ @> &&
  abs add subtract multiply divide mod sign ceil ceiling floor round round_even trunc sqrt cbrt exp ln log log2 log10 pow power
  pi sin cos tan asin acos atan atan2 sinh cosh tanh degrees radians gcd lcm even isnan isinf isfinite bit_count xor
  greatest least coalesce ifnull nullif if constant_or_null hash
  ascii chr concat concat_ws contains ends_with starts_with prefix suffix instr position strpos left right length len strlen
  char_length character_length bit_length octet_length lower lcase upper ucase ltrim rtrim trim reverse replace substr substring
  split split_part string_split str_split string_to_array translate unicode ord like_escape not_like_escape ilike_escape
  not_ilike_escape regexp_matches regexp_full_match regexp_extract regexp_extract_all regexp_replace regexp_escape
  regexp_split_to_array string_split_regex levenshtein jaccard md5 sha1 sha256 hex unhex to_hex from_hex base64 to_base64
  from_base64 encode decode url_encode url_decode strip_accents nfc_normalize bin
  age century date_add date_diff datediff date_part datepart date_sub datesub date_trunc datetrunc day dayname dayofmonth
  dayofweek dayofyear decade epoch epoch_ms epoch_ns epoch_us era hour isodow isoyear julian last_day make_date make_time
  make_timestamp make_timestamp_ms make_timestamp_ns make_timestamptz microsecond millennium millisecond minute month
  monthname nanosecond quarter second strftime strptime try_strptime time_bucket timezone timezone_hour timezone_minute
  to_centuries to_days to_decades to_hours to_microseconds to_millennia to_milliseconds to_minutes to_months to_quarters
  to_seconds to_weeks to_years to_timestamp week weekday weekofyear year yearweek days_in_month
  now current_date today current_timestamp get_current_timestamp transaction_timestamp
  list_value list_pack list_extract list_element array_extract list_slice array_slice list_concat list_cat array_concat
  list_append list_prepend list_contains list_has list_has_any list_has_all array_contains list_position list_indexof
  list_distinct list_unique list_sort list_reverse_sort list_reverse list_sum list_avg list_min list_max list_count
  list_first list_last list_median list_transform list_apply array_transform list_filter array_filter list_zip flatten
  array_length cardinality unpivot_list
  struct_pack struct_extract struct_extract_at struct_insert row map map_from_entries map_keys map_values map_entries map_extract
  map_extract_value map_contains element_at
  to_json json_extract json_extract_path json_extract_string json_extract_path_text json_value json_valid json_type json_keys
  json_array_length json_object json_array json_exists json_quote json_structure json_contains typeof unnest
`
const AGGREGATE = `
  any_value arbitrary approx_count_distinct approx_quantile arg_max arg_max_null arg_min arg_min_null argmax argmin array_agg
  avg mean bit_and bit_or bit_xor bool_and bool_or corr count count_star count_if countif covar_pop covar_samp entropy favg
  first last fsum kahan_sum sumkahan geomean geometric_mean group_concat listagg string_agg histogram kurtosis kurtosis_pop list
  mad max max_by median min min_by mode product quantile quantile_cont quantile_disc regr_avgx regr_avgy regr_count
  regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy sem skewness stddev stddev_pop stddev_samp sum sum_no_overflow
  var_pop var_samp variance weighted_avg wavg
  cume_dist dense_rank rank_dense fill first_value lag last_value lead nth_value ntile percent_rank rank row_number
`
const words = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/).filter(Boolean))

export const FUNCTIONS: ReadonlySet<string> = words(SCALAR + AGGREGATE)

/** In FROM. They give row after row, as far as they are read. */
export const TABLE_FUNCTIONS: ReadonlySet<string> = words('unnest generate_series range')

/** The parser writes these itself, with the schema main, for [..], {..}, [.. for ..], EXTRACT, AT TIME ZONE and the like. */
export const PARSER_FUNCTIONS: ReadonlySet<string> = words(
  'list_value struct_pack struct_extract map row list_apply list_filter date_part timezone position substring trim',
)

/** Of casts and constants. Enumerations, and types of somebody's making, are none of them. */
export const TYPES: ReadonlySet<string> = words(
  `BOOLEAN TINYINT SMALLINT INTEGER BIGINT HUGEINT UTINYINT USMALLINT UINTEGER UBIGINT UHUGEINT FLOAT DOUBLE DECIMAL VARCHAR
   CHAR BLOB DATE TIME TIMESTAMP TIMESTAMP_S TIMESTAMP_MS TIMESTAMP_NS TIMESTAMP_WITH_TIME_ZONE TIMESTAMPTZ INTERVAL UUID JSON
   LIST ARRAY STRUCT MAP NULL SQLNULL`,
)
