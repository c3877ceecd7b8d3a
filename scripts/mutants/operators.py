"""The changes that mutation testing makes to one node of a program, as replacement text."""

import ast
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

Function = ast.FunctionDef | ast.AsyncFunctionDef

_BOUNDARY: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
_NEGATED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
}
_OPPOSITE_FUNCTIONS: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}
_CLEANING_METHODS: Final = ("strip", "lstrip", "rstrip", "lower", "upper", "casefold")
_EMPTY_VALUES: Final = {
    "str": ("''",),
    "bytes": ("b''",),
    "int": ("0",),
    "float": ("0.0",),
    "bool": ("False", "True"),
    "list": ("[]",),
    "dict": ("{}",),
    "Mapping": ("{}",),
    "tuple": ("()",),
    "Sequence": ("()",),
    "set": ("set()",),
    "frozenset": ("frozenset()",),
    "Iterator": ("iter(())",),
}
_SUFFIX: Final = "XX"


class Change(NamedTuple):
    """Replaces everything from the start of `first` to the end of `last` with `text`.

    `is_expression` says that `text` can be put in parentheses, so that it keeps its meaning wherever it is.
    """

    first: ast.expr | ast.stmt
    last: ast.expr | ast.stmt
    text: str
    is_expression: bool = True


def changes_of(node: ast.AST, function: Function | None) -> Iterator[Change]:
    """All changes of a node, not of its children. `function` is the innermost one that the node is in."""
    for operator in _OPERATORS:
        yield from operator(node)
    if isinstance(node, ast.Return) and function is not None:
        yield from _empty_returns(node, function)


def _expression(node: ast.expr, text: str) -> Change:
    return Change(node, node, text)


def _statement_removed(node: ast.stmt) -> Change:
    return Change(node, node, "pass", is_expression=False)


def _comparisons(node: ast.AST) -> Iterator[Change]:
    if not isinstance(node, ast.Compare):
        return
    for index, operator in enumerate(node.ops):
        for table in (_BOUNDARY, _NEGATED):
            other = table.get(type(operator))
            if other is not None:
                operators = [*node.ops[:index], other(), *node.ops[index + 1 :]]
                yield _expression(node, ast.unparse(ast.Compare(node.left, operators, node.comparators)))


def _and_or(node: ast.AST) -> Iterator[Change]:
    if not isinstance(node, ast.BoolOp):
        return
    other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    yield _expression(node, ast.unparse(ast.BoolOp(other, node.values)))
    for index in range(len(node.values)):
        left = [*node.values[:index], *node.values[index + 1 :]]
        yield _expression(node, ast.unparse(left[0] if len(left) == 1 else ast.BoolOp(node.op, left)))


def _not_removed(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield _expression(node, ast.unparse(node.operand))


def _arithmetic(node: ast.AST) -> Iterator[Change]:
    if not isinstance(node, ast.BinOp) or _is_text(node.left) or _is_text(node.right):
        return
    other = _ARITHMETIC.get(type(node.op))
    if other is not None:
        yield _expression(node, ast.unparse(ast.BinOp(node.left, other(), node.right)))


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))


def _constants(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.JoinedStr):
        yield _expression(node, f"{ast.unparse(node)} + {_SUFFIX!r}")
    elif isinstance(node, ast.Constant):
        for value in _other_values(node.value):
            yield _expression(node, repr(value))


def _other_values(value: object) -> tuple[object, ...]:
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int | float):
        return (value + 1, value - 1)
    if isinstance(value, str):
        return (value + _SUFFIX,)
    if isinstance(value, bytes):
        return (value + _SUFFIX.encode(),)
    return ()


def _arguments_swapped(node: ast.AST) -> Iterator[Change]:
    if not isinstance(node, ast.Call) or _is_order_free(node.func):
        return
    for left, right in zip(node.args, node.args[1:], strict=False):
        texts = ast.unparse(left), ast.unparse(right)
        if not isinstance(left, ast.Starred) and not isinstance(right, ast.Starred) and texts[0] != texts[1]:
            yield Change(left, right, f"{texts[1]}, {texts[0]}", is_expression=False)


def _is_order_free(function: ast.expr) -> bool:
    return isinstance(function, ast.Name) and function.id in ("min", "max")


def _opposite_functions(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _OPPOSITE_FUNCTIONS:
        opposite = ast.Name(_OPPOSITE_FUNCTIONS[node.func.id], ast.Load())
        yield _expression(node, ast.unparse(ast.Call(opposite, node.args, node.keywords)))


def _cleaning_removed(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CLEANING_METHODS:
        yield _expression(node, ast.unparse(node.func.value))


def _effects_removed(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Expr(value=ast.Call() | ast.Await(value=ast.Call())):
            yield _statement_removed(node)
        case ast.Assign(targets=targets) | ast.Delete(targets=targets) if all(map(_is_part, targets)):
            yield _statement_removed(node)
        case ast.AugAssign(target=target) if _is_part(target):
            yield _statement_removed(node)
        case ast.AnnAssign(target=target, value=ast.expr()) if _is_part(target):
            yield _statement_removed(node)
        case ast.Raise():
            yield _statement_removed(node)


def _is_part(target: ast.expr) -> bool:
    return isinstance(target, ast.Attribute | ast.Subscript)


def _guards(node: ast.AST) -> Iterator[Change]:
    """A loop is never made endless: the mutant would only be killed by a time limit."""
    match node:
        case ast.If(test=test) | ast.IfExp(test=test) | ast.match_case(guard=ast.expr() as test):
            guards = [(test, "True"), (test, "False")]
        case ast.While(test=test):
            guards = [(test, "False")]
        case ast.comprehension(ifs=tests):
            guards = [(test, value) for test in tests for value in ("True", "False")]
        case _:
            return
    yield from (_expression(test, value) for test, value in guards if not isinstance(test, ast.Constant))


def _fewer_exceptions(node: ast.AST) -> Iterator[Change]:
    if not isinstance(node, ast.ExceptHandler) or not isinstance(node.type, ast.Tuple):
        return
    caught = node.type.elts
    for index in range(len(caught) if len(caught) > 1 else 0):
        yield _expression(node.type, ast.unparse(ast.Tuple([*caught[:index], *caught[index + 1 :]], ast.Load())))


def _empty_returns(node: ast.Return, function: Function) -> Iterator[Change]:
    if node.value is None:
        return
    annotation = function.returns
    name = ast.unparse(annotation.value if isinstance(annotation, ast.Subscript) else annotation) if annotation else ""
    written = ast.unparse(node.value)
    for text in _EMPTY_VALUES.get(name, ("None",)):
        if text != written and not (name == "bool" and written in ("True", "False")):
            yield _expression(node.value, text)


_OPERATORS: Final[tuple[Callable[[ast.AST], Iterator[Change]], ...]] = (
    _comparisons,
    _and_or,
    _not_removed,
    _arithmetic,
    _constants,
    _arguments_swapped,
    _opposite_functions,
    _cleaning_removed,
    _effects_removed,
    _guards,
    _fewer_exceptions,
)
