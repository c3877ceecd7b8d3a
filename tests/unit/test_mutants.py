"""The mutator of `make mutants` makes the changes it says, and leaves the rest of the program alone."""

import types
from pathlib import Path

import pytest
from scripts.mutants.mutator import MOST_PER_LINE, choose_per_line, find_mutants
from scripts.mutants.swapping import module_name, swap_code

PLACE = "shop/prices.py"
SOURCE = Path(__file__).parents[2] / "src"
LARGEST = sorted(SOURCE.rglob("*.py"), key=lambda path: path.stat().st_size)[-3:]

CHANGES = {
    "boundary and negation": ("a < b", {"a < b → a <= b", "a < b → a >= b"}),
    "identity": ("a is None", {"a is None → a is not None"}),
    "chain": ("a < b == c", {"a < b == c → a <= b == c", "a < b == c → a >= b == c", "a < b == c → a < b != c"}),
    "and": ("a and b", {"a and b → a or b", "a and b → a", "a and b → b"}),
    "or of three": (
        "a or b or c",
        {"a or b or c → a and b and c", "a or b or c → b or c", "a or b or c → a or c", "a or b or c → a or b"},
    ),
    "not": ("not a", {"not a → a"}),
    "arithmetic": ("a + b", {"a + b → a - b"}),
    "text is not subtracted": ("a + 'x'", {"a + 'x' → a + 'xXX'"}),
    "number": ("x = 5", {"x = 5 → x = 6", "x = 5 → x = 4"}),
    "truth": ("x = True", {"x = True → x = False"}),
    "string": ("x = 'a'", {"x = 'a' → x = 'aXX'"}),
    "bytes": ("x = b'a'", {"x = b'a' → x = b'aXX'"}),
    "formatted string": ("x = f'{a}'", {"f'{a}' → f'{a}' + 'XX'"}),
    "arguments": ("x = f(a, b, *c)", {"a, b → b, a"}),
    "same arguments": ("x = f(a, a)", set()),
    "call": ("f()", {"f() → pass"}),
    "awaited call": ("async def g():\n    await f()", {"await f() → pass"}),
    "attribute": ("a.b = c", {"a.b = c → pass"}),
    "counter": ("a.b += c", {"a.b += c → pass"}),
    "item": ("a[b] = c", {"a[b] = c → pass"}),
    "deletion": ("del a[b]", {"del a[b] → pass"}),
    "local variable": ("a = b", set()),
    "guard": ("if a:\n    b", {"a → True", "a → False"}),
    "loop": ("while a:\n    b", {"a → False"}),
    "endless loop": ("while True:\n    b", {"True → False"}),
    "conditional expression": ("x = b if a else c", {"a → True", "a → False"}),
    "filter": ("x = [b for b in c if a]", {"a → True", "a → False"}),
    "guard of a case": ("match x:\n    case y if a:\n        b", {"a → True", "a → False"}),
    "return": ("def f():\n    return a", {"a → None"}),
    "return of text": ("def f() -> str:\n    return a", {"a → ''"}),
    "return of a list": ("def f() -> list[int]:\n    return a", {"a → []"}),
    "return of a truth": ("def f() -> bool:\n    return a", {"a → False", "a → True"}),
    "cleaning": ("x = a.strip().lower()", {"a.strip().lower() → a.strip()", "a.strip() → a"}),
    "exceptions": (
        "try:\n    pass\nexcept (A, B):\n    pass",
        {"(A, B) → (B,)", "(A, B) → (A,)"},
    ),
    "raise": ("raise a", {"raise a → pass"}),
    "minimum": ("x = min(a, b)", {"min(a, b) → max(a, b)"}),
    "all": ("x = all(a)", {"all(a) → any(a)"}),
}

UNTESTED = {
    "docstring": '"""Text."""',
    "annotation": "def f(a: 'X' = b) -> 'Y':\n    pass",
    "type declaration": "X = Literal['a', 1]",
    "annotated variable": "x: 'Literal[1]' = a",
    "representation": "class A:\n    def __repr__(self):\n        return 'a'",
    "class keywords": "class A(B, frozen=True):\n    pass",
    "decorator": "@f(1)\ndef g():\n    pass",
    "exports": "__all__ = ['a']",
    "cast": "x = cast('X', a)",
    "log text": "x = self._log.info('text', value=1)",
    "key of a pattern": "match x:\n    case {'a': y}:\n        pass",
}


def changes(source: str) -> set[str]:
    return {mutant.change for mutant in find_mutants(PLACE, source.encode())}


@pytest.mark.parametrize(("source", "expected"), CHANGES.values(), ids=CHANGES)
def test_mutator_makes_every_change_of_an_operator(source: str, expected: set[str]) -> None:
    """A reader of the table can trust that the named change was made, and that no other was left out."""
    assert changes(source) == expected


@pytest.mark.parametrize("source", UNTESTED.values(), ids=UNTESTED)
def test_mutator_leaves_out_what_no_test_needs_to_notice(source: str) -> None:
    """Types and texts for developers would only fill the table with survivors."""
    assert changes(source) == set()


@pytest.mark.parametrize("source", [source for source, _ in CHANGES.values()], ids=CHANGES)
def test_mutants_compile_and_differ_from_the_source(source: str) -> None:
    """A mutant that no interpreter takes would count as killed by any test."""
    original = compile(source, PLACE, "exec")
    for mutant in find_mutants(PLACE, source.encode()):
        assert compile(mutant.edit.apply(source.encode()), PLACE, "exec") != original


@pytest.mark.parametrize("file", LARGEST, ids=lambda file: file.stem)
def test_mutants_of_the_product_compile_and_keep_its_lines(file: Path) -> None:
    """Which tests reach a line is only known by its number."""
    source = file.read_bytes()
    mutants = find_mutants(PLACE, source)
    assert len(mutants) > 50
    for mutant in mutants[::20]:
        text = mutant.edit.apply(source)
        assert text.count(b"\n") == source.count(b"\n")
        compile(text, PLACE, "exec")


def test_mutant_names_its_place() -> None:
    """The table leads to the function and the line of a change, also in a file with letters of several bytes."""
    source = "# ü\nclass A:\n    def f(self):\n        x = 'ü', a < b\n"
    [mutant] = [each for each in find_mutants(PLACE, source.encode()) if each.change == "a < b → a <= b"]
    assert (mutant.place, mutant.line, mutant.function) == (PLACE, 4, "A.f")
    assert mutant.edit.apply(source.encode()).decode() == source.replace("a < b", "(a <= b)")


def test_mutants_of_one_function_have_different_names() -> None:
    """The list of equivalent mutants has no line numbers, so that equal changes are numbered."""
    source = b"def f():\n    a.b = c\n    a.b = c\n"
    assert [each.change for each in find_mutants(PLACE, source)] == ["a.b = c → pass", "a.b = c → pass (no. 2)"]


def test_long_change_is_shown_around_the_difference() -> None:
    """A table cell holds what differs, not a whole statement of several lines."""
    [change] = [each for each in changes(f"x = f({'a' * 200}, b, c < d, {'e' * 200})") if "c <= d" in each]
    assert change == "c < d → c <= d"
    [change] = [each for each in changes(f"x = {'a' * 200} and b < c") if each.endswith("or b < c")]
    assert change == f"… {'a' * 29} and b < c → … {'a' * 29} or b < c"


def test_line_gets_at_most_two_mutants() -> None:
    """A crowded line does not crowd out the others, and the seed decides which of its mutants are tried."""
    mutants = find_mutants(PLACE, b"x = f(a, b, c, d, e, g)\ny = 5\n")
    chosen = choose_per_line(mutants, seed=1)
    assert [each.line for each in chosen] == [1] * MOST_PER_LINE + [2, 2]
    assert chosen == choose_per_line(mutants, seed=1)
    assert any(chosen != choose_per_line(mutants, seed) for seed in range(2, 9))


# --- putting a mutant into a process that runs -----------------------------------------------------------------------


CLOSURE = "def h(a):\n    def f():\n"


def swapped(before: str, after: str) -> tuple[bool, dict[str, object]]:
    """Whether the functions of one module could be given the code of another, and that module."""
    names: dict[str, object] = {}
    exec(compile(before, PLACE, "exec"), names)  # noqa: S102 - the source is in this file
    functions = [each for each in names.values() if isinstance(each, types.FunctionType)]
    return swap_code(functions, compile(after, PLACE, "exec")), names


def test_swapped_code_is_run_by_functions_that_exist_already() -> None:
    """What was imported before from the module, and whatever decorates it, meets the mutant too."""
    is_swapped, names = swapped(
        "def f():\n    return 1\ndef g():\n    return f\n", "def f():\n    return 2\ndef g():\n    return f\n"
    )
    assert is_swapped
    function = names["f"]
    assert isinstance(function, types.FunctionType) and function() == 2


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("X = 1\n", "X = 2\n"),
        ("def f(a=1):\n    return a\n", "def f(a=2):\n    return a\n"),
        ("def f():\n    return 1\nf = f, lambda: 1\n", "def f():\n    return 1\nf = f, None\n"),
        (
            "def h(a):\n    def f():\n        return a\n    return f\nf = h(1)\n",
            "def h(a):\n    def f():\n        return 1\n    return f\n",
        ),
    ],
    ids=["constant", "default", "no function", "closure"],
)
def test_change_that_cannot_be_swapped_is_reported(before: str, after: str) -> None:
    """Such a mutant gets a process that imports the product again instead of counting as alive."""
    assert not swapped(before, after)[0]


def test_module_name_follows_from_the_file() -> None:
    """A module that is imported late is mutated on its way in, a package too."""
    assert module_name("shop/prices.py") == "shop.prices"
    assert module_name("shop/__init__.py") == "shop"
