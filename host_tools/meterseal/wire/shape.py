"""Shapes of the arrays in a payload: types, ranges and lengths as tables (WIRE_FORMAT 4 to 9)."""

from typing import Any, Final, NamedTuple, NoReturn

from meterseal.errors import MalformedBatch

U64_MAX: Final = (1 << 64) - 1

_KINDS: Final = {int: "an integer", bytes: "a byte string", str: "a text", list: "an array"}


class Field(NamedTuple):
    """A member: its type and the range of its value (integers) or of its length in bytes."""

    name: str
    kind: type
    low: int
    high: int


def uint(name: str, low: int = 0, high: int = U64_MAX) -> Field:
    """An unsigned integer."""
    return Field(name, int, low, high)


def sint(name: str) -> Field:
    """An integer of either sign: CBOR majors 0 and 1."""
    return Field(name, int, -U64_MAX - 1, U64_MAX)


def bstr(name: str, low: int = 0, high: int = U64_MAX) -> Field:
    """A byte string."""
    return Field(name, bytes, low, high)


def tstr(name: str, low: int = 0, high: int = U64_MAX) -> Field:
    """A text string; its length counts in bytes."""
    return Field(name, str, low, high)


def array(name: str, low: int = 0, high: int = U64_MAX) -> Field:
    """An array of `low` to `high` items."""
    return Field(name, list, low, high)


class Shape:
    """An array of fixed members, checked in one go."""

    def __init__(self, name: str, *fields: Field) -> None:
        self.name = name
        self.fields = fields
        self._types = tuple(field.kind for field in fields)
        self._ranges = [
            (index, field.low, field.high)
            for index, field in enumerate(fields)
            if field.kind is int
        ]
        self._lengths = [
            (index, field.low, field.high)
            for index, field in enumerate(fields)
            if field.kind is not int and (field.low, field.high) != (0, U64_MAX)
        ]

    def check(self, item: Any) -> list[Any]:
        """The array itself. Raises MalformedBatch `field-` type, missing, unexpected or range."""
        if type(item) is not list or tuple(map(type, item)) != self._types:
            self._refuse_form(item)
        for index, low, high in self._ranges:
            if not low <= item[index] <= high:
                check_field(item[index], self.fields[index], self.name)
        for index, _, _ in self._lengths:
            check_field(item[index], self.fields[index], self.name)
        members: list[Any] = item
        return members

    def _refuse_form(self, item: Any) -> NoReturn:
        if type(item) is not list:
            refuse_type(self.name, list, item)
        for value, field in zip(item, self.fields, strict=False):
            if type(value) is not field.kind:
                refuse_type(f"{self.name}: {field.name}", field.kind, value)
        code = "field-missing" if len(item) < len(self.fields) else "field-unexpected"
        refuse(code, self.name, f"{len(self.fields)} members", str(len(item)))


def check_field(value: Any, field: Field, where: str = "") -> Any:
    """The value itself, if it has the type and range of a field."""
    name = f"{where}: {field.name}" if where else field.name
    if type(value) is not field.kind:
        refuse_type(name, field.kind, value)
    size = _size(value)
    if field.low <= size <= field.high:
        return value
    if field.kind is int and size < 0 <= field.low:
        refuse_type(name, int, value)
    what = "" if field.kind is int else "a length of "
    refuse("field-range", name, f"{what}{field.low} to {field.high}", str(size))


def _size(value: Any) -> int:
    """The number itself, or the length of a string (in bytes) or array."""
    if isinstance(value, int):
        return value
    return len(value.encode()) if isinstance(value, str) else len(value)


def refuse(code: str, where: str, expected: str, found: str) -> NoReturn:
    """Raise MalformedBatch."""
    raise MalformedBatch(code, f"{where}: expected {expected}, found {found}")


def refuse_type(where: str, kind: type, value: Any) -> NoReturn:
    """Raise MalformedBatch `field-type`."""
    found = "a map" if isinstance(value, dict) else _KINDS[type(value)]
    if isinstance(value, int) and value < 0:
        found = "a negative integer"
    refuse("field-type", where, _KINDS[kind], found)
