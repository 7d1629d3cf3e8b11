/**
 * What a member of a node may hold: nothing; a mere value (texts and numbers that name nothing outside the statement);
 * a node; nodes; lists of nodes; or something that has a rule of its own in `sql-check.ts`.
 */
export type Rule =
  | 'nothing'
  | 'value'
  | 'node'
  | 'nodes'
  | 'rows'
  | 'statement'
  | 'ctes'
  | 'cte'
  | 'table'
  | 'function'
  | 'schema'
  | 'table function'
  | 'type'
  | 'constant'
  | 'parameter'
  | 'operator'
  | 'cases'
  | 'replacements'

type Members = Readonly<Record<string, Rule>>

const ANY: Members = { type: 'value', alias: 'value', query_location: 'value' }
const EXPRESSION: Members = { ...ANY, class: 'value' }
const SOURCE: Members = { ...ANY, sample: 'nothing' }
const QUERY: Members = { type: 'value', modifiers: 'nodes', cte_map: 'ctes' }
const ORDER: Members = { type: 'value', null_order: 'value', expression: 'node' }

/** The nodes of DuckDB's parse tree that are understood here, with all their members. What is not listed is refused. */
export const GRAMMAR: ReadonlyMap<string, Members> = new Map<string, Members>([
  [
    'SELECT_NODE',
    {
      ...QUERY,
      select_list: 'nodes',
      from_table: 'node',
      where_clause: 'node',
      group_expressions: 'nodes',
      group_sets: 'value',
      aggregate_handling: 'value',
      having: 'node',
      sample: 'nothing',
      qualify: 'node',
    },
  ],
  ['SET_OPERATION_NODE', { ...QUERY, setop_type: 'value', setop_all: 'value', left: 'node', right: 'node' }],
  [
    'RECURSIVE_CTE_NODE',
    {
      ...QUERY,
      cte_name: 'cte',
      union_all: 'value',
      left: 'node',
      right: 'node',
      aliases: 'value',
      key_targets: 'nothing',
    },
  ],
  ['ORDER_MODIFIER', { type: 'value', orders: 'nodes' }],
  ['LIMIT_MODIFIER', { type: 'value', limit: 'node', offset: 'node' }],
  ['DISTINCT_MODIFIER', { type: 'value', distinct_on_targets: 'nodes' }],
  ['ASCENDING', ORDER],
  ['DESCENDING', ORDER],
  ['ORDER_DEFAULT', ORDER],
  ['EMPTY', SOURCE],
  [
    'BASE_TABLE',
    {
      ...SOURCE,
      schema_name: 'nothing',
      catalog_name: 'nothing',
      at_clause: 'nothing',
      table_name: 'table',
      column_name_alias: 'value',
    },
  ],
  ['SUBQUERY', { ...SOURCE, subquery: 'statement', column_name_alias: 'value' }],
  [
    'JOIN',
    {
      ...SOURCE,
      left: 'node',
      right: 'node',
      condition: 'node',
      join_type: 'value',
      ref_type: 'value',
      using_columns: 'value',
      delim_flipped: 'nothing',
      duplicate_eliminated_columns: 'nothing',
    },
  ],
  ['EXPRESSION_LIST', { ...SOURCE, expected_names: 'value', expected_types: 'nothing', values: 'rows' }],
  [
    'TABLE_FUNCTION',
    { ...SOURCE, function: 'table function', column_name_alias: 'value', with_ordinality: 'value' },
  ],
  ['expression BETWEEN', { ...EXPRESSION, input: 'node', lower: 'node', upper: 'node' }],
  ['expression CASE', { ...EXPRESSION, case_checks: 'cases', else_expr: 'node' }],
  ['expression CAST', { ...EXPRESSION, child: 'node', cast_type: 'type', try_cast: 'value' }],
  ['expression COLUMN_REF', { ...EXPRESSION, column_names: 'value' }],
  ['expression COMPARISON', { ...EXPRESSION, left: 'node', right: 'node' }],
  ['expression CONJUNCTION', { ...EXPRESSION, children: 'nodes' }],
  ['expression CONSTANT', { ...EXPRESSION, value: 'constant' }],
  [
    'expression FUNCTION',
    {
      ...EXPRESSION,
      function_name: 'function',
      schema: 'schema',
      catalog: 'nothing',
      children: 'nodes',
      filter: 'node',
      order_bys: 'node',
      distinct: 'value',
      is_operator: 'value',
      export_state: 'nothing',
    },
  ],
  ['expression LAMBDA', { ...EXPRESSION, lhs: 'node', expr: 'node' }],
  ['expression OPERATOR', { ...EXPRESSION, type: 'operator', children: 'nodes' }],
  ['expression PARAMETER', { ...EXPRESSION, identifier: 'parameter' }],
  [
    'expression STAR',
    {
      ...EXPRESSION,
      relation_name: 'value',
      exclude_list: 'value',
      qualified_exclude_list: 'value',
      replace_list: 'replacements',
      rename_list: 'value',
      columns: 'nothing',
      expr: 'nothing',
    },
  ],
  [
    'expression SUBQUERY',
    { ...EXPRESSION, subquery_type: 'value', subquery: 'statement', child: 'node', comparison_type: 'value' },
  ],
  [
    'expression WINDOW',
    {
      ...EXPRESSION,
      function_name: 'function',
      schema: 'schema',
      catalog: 'nothing',
      children: 'nodes',
      partitions: 'nodes',
      orders: 'nodes',
      start: 'value',
      end: 'value',
      start_expr: 'node',
      end_expr: 'node',
      offset_expr: 'node',
      default_expr: 'node',
      ignore_nulls: 'value',
      filter_expr: 'node',
      exclude_clause: 'value',
      distinct: 'value',
      arg_orders: 'nodes',
    },
  ],
])

/** Those of the class OPERATOR. OPERATOR_UNPACK (*COLUMNS) is none of them. */
export const OPERATORS: ReadonlySet<string> = new Set([
  'COMPARE_IN',
  'COMPARE_NOT_IN',
  'OPERATOR_NOT',
  'OPERATOR_IS_NULL',
  'OPERATOR_IS_NOT_NULL',
  'OPERATOR_COALESCE',
  'OPERATOR_NULLIF',
  'OPERATOR_TRY',
  'ARRAY_EXTRACT',
  'ARRAY_SLICE',
  'ARRAY_CONSTRUCTOR',
  'STRUCT_EXTRACT',
  'GROUPING_FUNCTION',
])
