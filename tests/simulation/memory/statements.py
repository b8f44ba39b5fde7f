"""SQLAlchemy Core statements over rows in memory: the forms that the services' stores use, and no others.

A form that is not known raises NotImplementedError, so that nothing is silently answered wrongly.
"""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import Delete, Select, Table, Update
from sqlalchemy.sql import elements, functions, operators, selectable

from tests.simulation.memory.database import Database, Row, plain, stored
from tests.simulation.memory.documents import Document

Scope = Mapping[Any, Row]
"""For each table of a statement the row that is looked at."""


class Look:
    """One statement being answered; a subquery that depends on no row of it is answered once."""

    def __init__(self, database: Database, parameters: Mapping[str, Any]) -> None:
        self.database = database
        self.parameters = parameters
        self.answers: dict[int, list[Any]] = {}


def run(statement: Any, parameters: Mapping[str, Any], database: Database) -> list[Row]:
    """The rows that the statement returns."""
    look = Look(database, parameters)
    if isinstance(statement, Select):
        return [_shown(row) for row in _select(statement, look, {})]
    if isinstance(statement, Update):
        return _update(statement, look)
    if isinstance(statement, Delete):
        return _delete(statement, look)
    raise NotImplementedError(f"statement {statement}")


@dataclass(frozen=True)
class Outline:
    """What SQLAlchemy works out of a query slowly, and the same each time: its columns, and where it looks first."""

    columns: tuple[tuple[str, Any], ...]
    sources: tuple[Any, ...]
    grouped: bool


@lru_cache(maxsize=128)
def _outline(query: Any) -> Outline:
    columns = tuple((_name(column), column) for column in query.selected_columns)
    joined = [target for target, *_ in query._setup_joins]
    named = [source for _, column in columns for source in _tables(column)]
    sources = dict.fromkeys((*query._from_obj, *named))
    if not sources:
        raise NotImplementedError(f"a select that names its tables only in conditions: {query}")
    grouped = bool(query._group_by_clauses) or any(_aggregates(column) for _, column in columns)
    return Outline(columns, tuple(source for source in sources if source not in joined), grouped)


def _select(query: Any, look: Look, outer: Scope) -> list[Row]:
    outline = _outline(query)
    columns = outline.columns
    scopes = _scopes(query, outline.sources, look, outer)
    scopes = [scope for scope in scopes if _all_true(query._where_criteria, scope, look)]
    if outline.grouped:
        return _grouped(query, columns, scopes, look)
    for clause in reversed(query._order_by_clauses):
        _sort(scopes, clause, look)
    if query._limit_clause is not None:
        scopes = scopes[: _value(query._limit_clause, {}, look)]
    return [{name: _value(column, scope, look) for name, column in columns} for scope in scopes]


def _name(column: Any) -> str:
    return column if isinstance(column, str) else str(column.name)


def _grouped(
    query: Any, columns: Sequence[tuple[str, Any]], scopes: Sequence[Scope], look: Look
) -> list[Row]:
    groups: dict[tuple[Any, ...], list[Scope]] = {}
    if not query._group_by_clauses:
        groups[()] = list(scopes)
    for scope in scopes if query._group_by_clauses else ():
        key = tuple(_value(clause, scope, look) for clause in query._group_by_clauses)
        groups.setdefault(key, []).append(scope)
    return [
        {
            name: _aggregate(column, members, look)
            if _aggregates(column)
            else _value(column, members[0], look)
            for name, column in columns
        }
        for members in groups.values()
    ]


def _aggregates(column: Any) -> bool:
    inner = column.element if isinstance(column, elements.Label) else column
    return isinstance(inner, functions.FunctionElement) and inner.name in _AGGREGATES


def _aggregate(column: Any, scopes: Sequence[Scope], look: Look) -> Any:
    function = column.element if isinstance(column, elements.Label) else column
    arguments = list(function.clauses)
    if not arguments:
        return len(scopes)
    values = [_value(arguments[0], scope, look) for scope in scopes]
    return _AGGREGATES[function.name]([value for value in values if value is not None])


_AGGREGATES: Mapping[str, Callable[[list[Any]], Any]] = {
    "count": len,
    "min": lambda values: min(values, default=None),
    "max": lambda values: max(values, default=None),
    "sum": lambda values: sum(values) if values else None,
}


def _update(statement: Any, look: Look) -> list[Row]:
    rows = look.database.tables[statement.table.name]
    changed = []
    for number in _matching(statement, look):
        scope = {statement.table: rows.rows[number]}
        values = {_name(column): _value(value, scope, look) for column, value in statement._values.items()}
        changed.append(look.database.update(rows, number, stored(rows, values)))
    return _returned(statement, changed, look)


def _delete(statement: Any, look: Look) -> list[Row]:
    rows = look.database.tables[statement.table.name]
    gone = []
    for number in _matching(statement, look):
        gone.append(rows.rows[number])
        look.database.delete(rows, number)
    return _returned(statement, gone, look)


def _matching(statement: Any, look: Look) -> list[int]:
    rows = look.database.tables[statement.table.name]
    return [
        number
        for number, row in rows.rows.items()
        if _all_true(statement._where_criteria, {statement.table: row}, look)
    ]


def _returned(statement: Any, rows: Iterable[Row], look: Look) -> list[Row]:
    columns = [(_name(column), column) for column in _flat(statement._returning)]
    if not columns:
        return []
    return [
        _shown({name: _value(column, {statement.table: row}, look) for name, column in columns})
        for row in rows
    ]


def _flat(clauses: Iterable[Any]) -> list[Any]:
    return [
        column
        for clause in clauses
        for column in (clause.columns if isinstance(clause, Table) else (clause,))
    ]


def _scopes(query: Any, sources: Iterable[Any], look: Look, outer: Scope) -> list[Scope]:
    scopes: list[Scope] = [outer]
    for source in sources:
        scopes = [{**scope, source: row} for scope in scopes for row in _rows(source, scope, look)]
    for target, condition, _, flags in query._setup_joins:
        if flags["isouter"] or flags["full"]:
            raise NotImplementedError(f"outer join of {target}")
        pairs = [{**scope, target: row} for scope in scopes for row in _rows(target, scope, look)]
        scopes = [pair for pair in pairs if _value(condition, pair, look) is True]
    return scopes


def _tables(column: Any) -> list[Any]:
    inner = column.element if isinstance(column, elements.Label) else column
    if isinstance(inner, functions.FunctionElement):
        if isinstance(inner, functions.next_value):
            return []
        return [table for argument in inner.clauses for table in _tables(argument)]
    table = getattr(inner, "table", None)
    return [] if table is None else [table]


def _rows(source: Any, known: Scope, look: Look) -> list[Row]:
    if isinstance(source, selectable.TableClause):
        return list(look.database.tables[source.name].rows.values())
    if isinstance(source, selectable.CTE | selectable.Subquery):
        return _select(source.element, look, {})
    if isinstance(source, functions.FunctionElement) and source.name == "generate_series":
        first, last = (_value(argument, known, look) for argument in source.clauses)
        return [{"generate_series": number} for number in range(first, last + 1)]
    raise NotImplementedError(f"from {source!r}")


def _sort(scopes: list[Scope], clause: Any, look: Look) -> None:
    down = isinstance(clause, elements.UnaryExpression) and clause.modifier is operators.desc_op
    inner = clause.element if isinstance(clause, elements.UnaryExpression) else clause

    def key(scope: Scope) -> tuple[bool, Any]:
        value = _value(inner, scope, look)
        return value is None, value

    scopes.sort(key=key, reverse=down)


def _all_true(conditions: Iterable[Any], scope: Scope, look: Look) -> bool:
    return all(_value(condition, scope, look) is True for condition in conditions)


def _value(element: Any, scope: Scope, look: Look) -> Any:
    """An expression's value, None for null; conditions know true, false and null."""
    return _reader(element.__class__)(element, scope, look)


@cache
def _reader(kind: type) -> Callable[[Any, Scope, Look], Any]:
    for known, read in _READ:
        if issubclass(kind, known):
            return read
    raise NotImplementedError(f"expression {kind}")


def _column(element: Any, scope: Scope, look: Look) -> Any:
    if element.is_literal:
        return element.name.strip("'")
    return scope[element.table][element.name]


def _bound(element: Any, scope: Scope, look: Look) -> Any:
    value = look.parameters[element.key] if element.required else element.effective_value
    return [plain(one) for one in value] if isinstance(value, list | tuple | set) else plain(value)


def _binary(element: Any, scope: Scope, look: Look) -> Any:
    left = _value(element.left, scope, look)
    right = _value(element.right, scope, look)
    if element.operator in _NULL_SAFE:
        return _NULL_SAFE[element.operator](left, right)
    if left is None or right is None:
        return None
    if element.operator in (operators.in_op, operators.not_in_op):
        among = {tuple(one) if isinstance(one, list) else one for one in right}
        return (left in among) == (element.operator is operators.in_op)
    return _COMPARE[element.operator](left, right)


def _several(element: Any, scope: Scope, look: Look) -> Any:
    values = [_value(clause, scope, look) for clause in element.clauses]
    decisive = element.operator is operators.or_
    if decisive in values:
        return decisive
    return None if None in values else not decisive


def _unary(element: Any, scope: Scope, look: Look) -> Any:
    value = _value(element.element, scope, look)
    if element.operator in (operators.inv, operators.is_false):
        return None if value is None else not value
    if element.operator is operators.is_true:
        return value
    raise NotImplementedError(f"operator {element.operator}")


def _function(element: Any, scope: Scope, look: Look) -> Any:
    if isinstance(element, functions.next_value):
        return look.database.next_value(element.sequence.name)
    raise NotImplementedError(f"function {element}")


def _subquery(element: Any, scope: Scope, look: Look) -> list[Any]:
    known = look.answers.get(id(element))
    if known is None:
        found = _select(element.element, look, {})
        known = look.answers[id(element)] = [next(iter(row.values())) for row in found]
    return known


def _tuple(element: Any, scope: Scope, look: Look) -> tuple[Any, ...]:
    return tuple(_value(clause, scope, look) for clause in element.clauses)


_READ: tuple[tuple[Any, Callable[[Any, Scope, Look], Any]], ...] = (
    (elements.Label, lambda element, scope, look: _value(element.element, scope, look)),
    (elements.ColumnClause, _column),
    (elements.BindParameter, _bound),
    (elements.Null, lambda *_: None),
    (elements.True_, lambda *_: True),
    (elements.False_, lambda *_: False),
    (elements.Tuple, _tuple),
    (elements.BinaryExpression, _binary),
    (elements.BooleanClauseList, _several),
    (elements.Grouping, lambda element, scope, look: _value(element.element, scope, look)),
    (selectable.ScalarSelect, _subquery),
    (selectable.SelectStatementGrouping, _subquery),
    (elements.UnaryExpression, _unary),
    (functions.FunctionElement, _function),
)

_COMPARE: Mapping[Any, Callable[[Any, Any], Any]] = {
    operators.eq: operator.eq,
    operators.ne: operator.ne,
    operators.lt: operator.lt,
    operators.le: operator.le,
    operators.gt: operator.gt,
    operators.ge: operator.ge,
    operators.add: operator.add,
    operators.sub: operator.sub,
}
_NULL_SAFE: Mapping[Any, Callable[[Any, Any], bool]] = {
    operators.is_: lambda left, right: left is right if right is None else left == right,
    operators.is_not: lambda left, right: left is not right if right is None else left != right,
    operators.is_distinct_from: operator.ne,
    operators.is_not_distinct_from: operator.eq,
}


def _shown(row: Row) -> Row:
    return {name: value.read() if isinstance(value, Document) else value for name, value in row.items()}
