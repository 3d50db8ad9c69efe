"""Reads the conditions of a query over a plugin's tables, and finds its fields by their names."""

from typing import Any, Final, cast, get_args

from kernel.plugin_data.model import Condition, Field, Group, Operator, Where
from kernel.plugin_data.values import read_value
from kernel.sandbox.host import HostError
from kernel.tap.capability import ColumnKind, Table

DEPTH_MAX: Final = 5
CONDITIONS_MAX: Final = 50
CHOICES_MAX: Final = 500
FIELDS_MAX: Final = 200
_SHOWN: Final = 64

_OPERATORS: Final = get_args(Operator)
_WITHOUT_VALUE: Final = ("is null", "is not null")
_ORDERED: Final[frozenset[ColumnKind]] = frozenset({"text", "integer", "number", "time", "uuid"})
_OF_TEXT: Final = ("contains", "starts_with")


class Scope:
    """The tables of one query by the names that it calls them by; fields of the first one need no table's name."""

    def __init__(self, first: Table) -> None:
        self._first = first.name
        self._numbers: dict[str, int] = {}
        self._kinds: dict[str, dict[str, ColumnKind]] = {}
        self.add(first.name, first)

    def add(self, alias: str, table: Table) -> None:
        """Raises HostError when the name is taken."""
        if alias in self._numbers:
            raise HostError(
                "bad-payload", f"Two tables are called {alias!r}; give the joined one another name with as."
            )
        self._numbers[alias] = len(self._numbers)
        self._kinds[alias] = {"id": "uuid", **{column.name: column.kind for column in table.columns}}

    def names_of_first(self) -> list[str]:
        return list(self._kinds[self._first])

    def find(self, name: object) -> Field:
        """By `column`, or `table.column`. Raises HostError."""
        if isinstance(name, str):
            alias, dot, column = name.rpartition(".")
            alias = alias if dot else self._first
            kind = self._kinds.get(alias, {}).get(column)
            if kind is not None:
                return Field(self._numbers[alias], column, kind, name)
        tables = "; ".join(f"{alias}: {', '.join(kinds)}" for alias, kinds in self._kinds.items())
        raise HostError("bad-payload", f"There is no field {repr(name)[:_SHOWN]}. There are {tables}.")


def read_where(scope: Scope, data: Any) -> Where:
    """A list whose parts all hold; `{"any": […]}` and `{"all": […]}` stand for parts of their own. Raises HostError."""
    return _Reader(scope).read_group(data, is_any=False, depth=1)


class _Reader:
    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._count = 0

    def read_group(self, data: Any, *, is_any: bool, depth: int) -> Group:
        if not isinstance(data, list):
            raise HostError("bad-payload", "conditions must be a list.")
        if depth > DEPTH_MAX:
            raise HostError("bad-payload", f"conditions may be nested {DEPTH_MAX} levels deep.")
        if depth > 1 and not data:
            raise HostError("bad-payload", "any and all must hold one condition at least.")
        return Group(is_any, tuple(self._read_part(part, depth) for part in data))

    def _read_part(self, data: Any, depth: int) -> Where:
        if not isinstance(data, dict):
            raise HostError("bad-payload", 'A condition must be a JSON object, {"field", "op", "value"}.')
        self._count += 1
        if self._count > CONDITIONS_MAX:
            raise HostError("bad-payload", f"There may be {CONDITIONS_MAX} conditions.")
        for key in ("any", "all"):
            if key in data:
                if len(data) > 1:
                    raise HostError("bad-payload", f"Beside {key} nothing else may stand.")
                return self.read_group(data[key], is_any=key == "any", depth=depth + 1)
        return self._read_condition(data)

    def _read_condition(self, data: dict[str, Any]) -> Condition:
        if unknown := data.keys() - {"field", "op", "value"}:
            shown = repr(min(unknown))[:_SHOWN]
            raise HostError("bad-payload", f"A condition has field, op and value, and no {shown}.")
        field = self._scope.find(data.get("field"))
        told = data.get("op", "=")
        if told not in _OPERATORS:
            known = ", ".join(_OPERATORS)
            raise HostError("bad-payload", f"There is no op {repr(told)[:_SHOWN]}; there are {known}.")
        operator = cast("Operator", told)
        _check_operator(field, operator)
        if operator in _WITHOUT_VALUE:
            if "value" in data:
                raise HostError("bad-payload", f"{operator} takes no value.")
            return Condition(field, operator)
        return Condition(field, operator, _read_operand(field, operator, data.get("value")))


def _check_operator(field: Field, operator: Operator) -> None:
    fits = operator in _WITHOUT_VALUE or field.kind != "json"
    if operator in ("<", "<=", ">", ">="):
        fits = field.kind in _ORDERED
    if operator in _OF_TEXT:
        fits = field.kind == "text"
    if not fits:
        raise HostError("bad-payload", f"{operator} cannot be asked of {field.name}, which is {field.kind}.")


def _read_operand(field: Field, operator: Operator, value: Any) -> Any:
    if operator == "in":
        if not isinstance(value, list) or len(value) > CHOICES_MAX:
            raise HostError("bad-payload", f"in takes a list of at most {CHOICES_MAX} values.")
        return tuple(read_value(field.kind, choice, f"Each value for {field.name}") for choice in value)
    if value is None:
        raise HostError(
            "bad-payload", f"{field.name} {operator} needs a value; for an empty one ask is null."
        )
    return read_value(field.kind, value, f"The value for {field.name}")
