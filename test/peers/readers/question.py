"""The peers' common ground: the question on standard input, the answer on standard output (see question.ts)."""

import json
import sys
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any, Callable

SCALE = 8
NUMBERS = ("int", "long", "decimal")


def answer(version: str, answer_table: Callable[[dict], dict]) -> None:
    """Reads the question, asks `answer_table` for each of its tables and prints what came."""
    question = json.load(sys.stdin)
    tables = {}
    for table in question["tables"]:
        try:
            tables[table["name"]] = answer_table(table)
        except Exception as error:  # The comparison reports it as this table's failure.
            tables[table["name"]] = {"error": f"{type(error).__name__}: {error}"}
    json.dump({"version": version, "tables": tables}, sys.stdout)


def number_text(value: Any, scale: int = 0) -> str | None:
    """Whole-number text of a value times 10^scale. Refuses a value that is not whole then."""
    if value is None:
        return None
    with localcontext() as context:
        context.prec = 100
        scaled = Decimal(value).scaleb(scale)
        if scaled != scaled.to_integral_value():
            raise ValueError(f"{value} has more than {scale} decimals")
        return str(int(scaled))


def decimal_of(scaled: str) -> Decimal:
    """The decimal whose scaled text the question holds."""
    return Decimal(scaled).scaleb(-SCALE)


@dataclass(frozen=True)
class Dialect:
    """How one SQL engine spells what the question needs. Templates take a column, or a value's text, as {}."""

    text: str
    micros: str
    day: str
    wide: str
    date: str
    decimal_literal: str
    date_literal: str
    time_literal: str


def answer_by_sql(table: dict, relation: str, query: Callable[[str], list], dialect: Dialect) -> dict:
    """Answers with one statement for all columns, one for the days, and one for each predicate.

    `query` gives a statement's rows as lists of text or None.
    """
    columns = table["columns"]
    values = [column_text(column, dialect) for column in columns]
    products = [f"sum({dialect.wide.format(a)} * {dialect.wide.format(b)})" for a, b in table["products"]]
    facts = [fact for column, value in zip(columns, values, strict=True) for fact in facts_of(column, value, dialect)]
    facts += products + ["count(*)"]
    row = query(f"SELECT {', '.join(dialect.text.format(fact) for fact in facts)} FROM {relation}")[0]
    count = int(row[-1])
    day = dialect.day.format(table["dayColumn"])
    days = query(f"SELECT {dialect.text.format(day)}, {dialect.text.format('count(*)')} FROM {relation} GROUP BY 1")
    return {
        "count": str(count),
        "columns": {
            column["name"]: {
                "min": value_text(column, row[4 * index]),
                "max": value_text(column, row[4 * index + 1]),
                "nulls": str(count - int(row[4 * index + 2])),
                "sum": number_text(row[4 * index + 3], SCALE if column["type"] == "decimal" else 0),
            }
            for index, column in enumerate(columns)
        },
        "days": dict(days),
        "products": {
            f"{a}*{b}": number_text(row[4 * len(columns) + index], 2 * SCALE)
            for index, (a, b) in enumerate(table["products"])
        },
        "predicates": [
            query(f"SELECT {dialect.text.format('count(*)')} FROM {relation} WHERE {condition}")[0][0]
            for condition in (condition_of(predicate, columns, dialect) for predicate in table["predicates"])
        ],
    }


def facts_of(column: dict, value: str, dialect: Dialect) -> list[str]:
    total = f"sum({dialect.wide.format(column['name'])})" if column["type"] in NUMBERS else "NULL"
    return [f"min({value})", f"max({value})", f"count({value})", total]


def column_text(column: dict, dialect: Dialect) -> str:
    match column["type"]:
        case "timestamptz":
            return dialect.micros.format(column["name"])
        case "date":
            return dialect.date.format(column["name"])
        case "binary":
            return f"lower(hex({column['name']}))"
        case _:
            return column["name"]


def value_text(column: dict, value: str | None) -> str | None:
    return number_text(value, SCALE) if column["type"] == "decimal" else value


def condition_of(predicate: dict, columns: list, dialect: Dialect) -> str:
    name, op = predicate["column"], predicate["op"]
    if op == "is null":
        return f"{name} IS NULL"
    kind = next(column["type"] for column in columns if column["name"] == name)
    values = [literal(kind, value, dialect) for value in predicate["values"]]
    return f"{name} IN ({', '.join(values)})" if op == "in" else f"{name} {op} {values[0]}"


def literal(kind: str, value: str, dialect: Dialect) -> str:
    match kind:
        case "string":
            return "'" + value.replace("'", "''") + "'"
        case "timestamptz":
            return dialect.time_literal.format(value)
        case "date":
            return dialect.date_literal.format(value)
        case "decimal":
            return dialect.decimal_literal.format(f"{decimal_of(value):f}")
        case _:
            return value
