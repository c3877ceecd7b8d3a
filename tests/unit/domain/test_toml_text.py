"""TOML is bounded before it is parsed, and every refusal names the place."""

from contextlib import suppress
from time import process_time

import pytest

from tiktok_forwarder.domain.toml_text import UnreadableToml, parse_toml


@pytest.mark.parametrize(
    "text",
    [
        "a = 1",
        f"{'a.' * 15}b = 1",
        f"[{'a.' * 15}b]",
        f"a = {'[' * 32}{']' * 32}",
        f"a = 1{'0' * 399}",
        f'a = "{"b." * 500}"',
        f"a = '{'b.' * 500}{'[' * 500}'",
        f'a = """\n{"b." * 500}"" {"[" * 500}"""',
        f"a = '''\n{'b.' * 500}'' {'[' * 500}'''",
        f"a = 1 # {'b.' * 500}{'[' * 500}{'9' * 500}",
        'a = "\\"" # "',
        f"a = [{'[],' * 1000}]",
        f"#{'x' * 999_999}",
    ],
)
def test_text_within_the_bounds_is_read(text: str) -> None:
    """What stands in strings and comments does not count."""
    parse_toml(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{'a.' * 16}b = 1", "Key with more than 16 parts (at line 1, column 1)"),
        (f"x = 1\n{'a . ' * 16}b = 1", "Key with more than 16 parts (at line 2, column 1)"),
        ('"a.b".' * 16 + "b = 1", "Key with more than 16 parts (at line 1, column 1)"),
        (f"x = {{ {'a.' * 16}b = 1 }}", "Key with more than 16 parts (at line 1, column 7)"),
        (f"[{'a.' * 16}b]", "Key with more than 16 parts (at line 1, column 2)"),
        (f"a = {'[' * 33}{']' * 33}", "Nesting deeper than 32 levels (at line 1, column 37)"),
        (f"a = {'{b=' * 33}1{'}' * 33}", "Nesting deeper than 32 levels (at line 1, column 101)"),
        (f"a = 1{'0' * 400}", "Number with more than 400 digits (at line 1, column 5)"),
        (f"a = 1{'_0' * 400}", "Number with more than 400 digits (at line 1, column 5)"),
        (f"#{'x' * 1_000_000}", "has 1,000,001 characters; the limit is 1,000,000 (at line 1, column 1000001)"),
        ("a =", "is not valid TOML: Invalid value (at line 1, column 4)"),
        (
            "a = 1\nb",
            "is not valid TOML: Expected '=' after a key in a key/value pair (at line 2, column 2)",
        ),
        ('a = "\\uD800"', "is not valid TOML: Escaped character is not a Unicode scalar value (at line 1, column 12)"),
    ],
)
def test_text_beyond_a_bound_is_refused_with_its_place(text: str, message: str) -> None:
    """So is one that is no TOML."""
    with pytest.raises(UnreadableToml) as caught:
        parse_toml(text)
    assert str(caught.value) == message


def test_message_about_a_long_key_is_short() -> None:
    """It begins with what is wrong and ends with the place."""
    with pytest.raises(UnreadableToml) as caught:
        parse_toml(f"[{'k' * 100_000}]\n[{'k' * 100_000}]")
    message = str(caught.value)
    assert len(message) == 320
    assert message.startswith("is not valid TOML: Cannot declare ('kkk")
    assert message.endswith("(at line 2, column 100002)")


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        "a.",
        "a . ",
        '"a".',
        "[",
        "[]",
        '"',
        "'",
        '"" ',
        "\\",
        "{a=",
        "9",
        "1_",
        "a",
        "#",
        "[a.b]\n",
        "[[a]]\n",
        "\n",
        "a=1\n",
    ],
)
def test_parsing_takes_time_linear_in_the_text(piece: str) -> None:
    """Ten times as long a text takes ten times as long, not a hundred times."""

    def least(text: str) -> float:
        times = []
        for _ in range(3):
            begun = process_time()
            with suppress(UnreadableToml):
                parse_toml(text)
            times.append(process_time() - begun)
        return min(times)

    for begin in ("", "a = ", 'a = """'):
        long, short = (begin + piece * (length // len(piece)) for length in (900_000, 90_000))
        assert any(least(long) < 40 * max(least(short), 0.0005) for _ in range(5)), (begin, piece)
