"""Finds the mutants of a source file: each is one small change of its text that keeps the numbers of all lines."""

import ast
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from scripts.mutants.operators import Change, Function, changes_of

MOST_PER_LINE: Final = 2
_LOG_METHODS: Final = ("debug", "info", "warning", "error", "exception", "critical")
_TYPE_CALLS: Final = ("TypeVar", "NewType", "ParamSpec", "cast")
_UNTESTED_NAMES: Final = ("__all__", "__slots__")
_UNTESTED_FIELDS: Final = ("annotation", "returns", "decorator_list")
# A key of a pattern must stay a literal: it takes no parentheses.
_UNTESTED_PARTS: Final = ((ast.ClassDef, "keywords"), (ast.MatchMapping, "keys"))
_SHOWN_WITH_CONSTANTS: Final = (ast.expr, ast.keyword, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return)
_LONGEST_SHOWN: Final = 100
_SHOWN_AROUND: Final = 30


class Edit(NamedTuple):
    """Bytes `start` to `end` of a file become `text`."""

    start: int
    end: int
    text: str

    def apply(self, source: bytes) -> bytes:
        return source[: self.start] + self.text.encode() + source[self.end :]


class Mutant(NamedTuple):
    """`place` is the file, as a path inside the source directory. `change` tells it from the others of its function."""

    place: str
    line: int
    last_line: int
    statement_line: int
    function: str
    change: str
    edit: Edit


class _Scope(NamedTuple):
    """Where a node is. `parent` is what a small change is shown with."""

    names: tuple[str, ...]
    function: Function | None
    statement: ast.stmt | None
    parent: ast.AST


def find_mutants(place: str, source: bytes) -> list[Mutant]:
    """All mutants of a file, in the order of its lines."""
    text = _Text(source)
    tree = ast.parse(source)
    found: list[Mutant] = []
    counts: Counter[tuple[str, str]] = Counter()
    for change, scope in _walk(tree, _Scope((), None, None, tree)):
        function = ".".join(scope.names) or "(module)"
        shown = text.describe(change, scope.parent)
        counts[function, shown] += 1
        count = counts[function, shown]
        first = change.first
        found.append(
            Mutant(
                place,
                first.lineno,
                change.last.end_lineno or first.lineno,
                scope.statement.lineno if scope.statement else first.lineno,
                function,
                shown if count == 1 else f"{shown} (no. {count})",
                text.edit(change),
            )
        )
    return sorted(found, key=lambda mutant: mutant.line)


def choose_per_line(mutants: Iterable[Mutant], seed: int) -> list[Mutant]:
    """At most `MOST_PER_LINE` of each line. The choice in one file does not depend on the other files."""
    by_line: dict[tuple[str, int], list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        by_line[mutant.place, mutant.line].append(mutant)
    chosen: list[Mutant] = []
    for (place, line), candidates in by_line.items():
        dice = random.Random(f"{seed} {place} {line}")
        chosen += dice.sample(candidates, min(MOST_PER_LINE, len(candidates)))
    return chosen


def _walk(node: ast.AST, scope: _Scope) -> Iterator[tuple[Change, _Scope]]:
    if _is_untested(node):
        return
    inner = _inner_scope(node, scope)
    own = inner if isinstance(node, ast.stmt) else scope
    yield from ((change, own._replace(parent=scope.parent)) for change in changes_of(node, scope.function))
    # Python 3.11 does not know the positions of what is inside an f-string.
    if isinstance(node, ast.JoinedStr) or _is_log_call(node):
        return
    for child in _children(node):
        yield from _walk(child, inner._replace(parent=node))


def _inner_scope(node: ast.AST, scope: _Scope) -> _Scope:
    if isinstance(node, Function):
        return scope._replace(names=(*scope.names, node.name), function=node, statement=node)
    if isinstance(node, ast.ClassDef):
        return scope._replace(names=(*scope.names, node.name), function=None, statement=node)
    return scope._replace(statement=node) if isinstance(node, ast.stmt) else scope


def _children(node: ast.AST) -> Iterator[ast.AST]:
    for name, value in ast.iter_fields(node):
        if name in _UNTESTED_FIELDS or (type(node), name) in _UNTESTED_PARTS:
            continue
        yield from (each for each in (value if isinstance(value, list) else [value]) if isinstance(each, ast.AST))


def _is_untested(node: ast.AST) -> bool:
    """Docstrings, types, `__repr__` and lists of names: tests cannot or need not see a change of them."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in _UNTESTED_NAMES
        case ast.Call(func=ast.Name(id=name)):
            return name in _TYPE_CALLS
        case (
            ast.Expr(value=ast.Constant())
            | ast.FunctionDef(name="__repr__")
            | ast.Subscript(value=ast.Name(id="Literal"))
            | ast.If(test=ast.Name(id="TYPE_CHECKING"))
        ):
            return True
    return False


def _is_log_call(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=logger, attr=method)):
            return method in _LOG_METHODS and "log" in ast.unparse(logger)
    return False


class _Text:
    """A source file as bytes, which is what the columns of its nodes count."""

    def __init__(self, source: bytes) -> None:
        self._source = source
        self._starts = [0, 0]
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def edit(self, change: Change) -> Edit:
        """The text is padded to as many lines as it replaces."""
        start, end = self._span(change.first, change.last)
        padding = "\n" * (self._source[start:end].count(b"\n") - change.text.count("\n"))
        return Edit(start, end, f"({change.text}{padding})" if change.is_expression else change.text + padding)

    def describe(self, change: Change, parent: ast.AST) -> str:
        """`before → after` on one line; a changed constant is shown with the expression or assignment it is in."""
        start, end = self._span(change.first, change.last)
        outer_start, outer_end = start, end
        if isinstance(change.first, ast.Constant) and isinstance(parent, _SHOWN_WITH_CONSTANTS):
            outer_start, outer_end = self._span(parent, parent)
        head, tail = self._source[outer_start:start].decode(), self._source[end:outer_end].decode()
        before = _one_line(head + self._source[start:end].decode() + tail)
        after = _one_line(head + change.text + tail)
        return " → ".join(_shortened(before, after))

    def _span(self, first: ast.AST, last: ast.AST) -> tuple[int, int]:
        start = self._starts[getattr(first, "lineno", 1)] + int(getattr(first, "col_offset", 0))
        end = self._starts[getattr(last, "end_lineno", 1)] + int(getattr(last, "end_col_offset", 0))
        return start, end


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _shortened(before: str, after: str) -> tuple[str, str]:
    """Long texts are shown from a little before the first difference to a little after the last."""
    if max(len(before), len(after)) <= _LONGEST_SHOWN:
        return before, after
    same_head = _common_length(before, after)
    same_tail = _common_length(before[same_head:][::-1], after[same_head:][::-1])
    return _cut(before, same_head, same_tail), _cut(after, same_head, same_tail)


def _common_length(one: str, other: str) -> int:
    pairs = zip(one, other, strict=False)
    return next((index for index, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))


def _cut(text: str, same_head: int, same_tail: int) -> str:
    start = max(0, same_head - _SHOWN_AROUND)
    end = len(text) - max(0, same_tail - _SHOWN_AROUND)
    middle = text[start:end]
    if len(middle) > 2 * _LONGEST_SHOWN:
        middle = f"{middle[:_LONGEST_SHOWN]} … {middle[-_SHOWN_AROUND:]}"
    return ("… " if start else "") + middle + (" …" if end < len(text) else "")
