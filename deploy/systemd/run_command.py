#!/opt/tiktok-forwarder/bin/python -I
"""Run a command of tiktok-forwarder as the service's user, on its data directory, with the settings of its unit.

    install --mode 0755 deploy/systemd/run_command.py /usr/local/bin/tiktok-forwarder

Root runs it, and it reads the unit's EnvironmentFile as systemd does. That file is not a shell script: `&`, `#`, `$`
and spaces are part of an unquoted value there, such as that of a PostgreSQL URL.
"""

import os
import re
import sys
from pathlib import Path
from typing import Final

_USER: Final = "tiktok-forwarder"
_PROGRAM: Final = "/opt/tiktok-forwarder/bin/tiktok-forwarder"
_DATA_DIR: Final = "/var/lib/tiktok-forwarder"
_ENVIRONMENT_FILE: Final = Path("/etc/tiktok-forwarder/environment")

# The grammar of systemd.exec(5), EnvironmentFile=. Possessive repetitions, so that an open quote matches nothing.
_ENTRY: Final = re.compile(
    r"""[ \t\n]*+(?:
        [#;](?:[^\n]*[^\\\n])?(?=\n|\Z)                                            # a comment
      | (?![#;])(?P<name>[^=\n]++)=
        (?P<value>(?:[ \t]*+(?:'[^']*+'|"(?:\\.|[^"\\])*+"))*+[ \t]*+(?!['"])(?:\\.|[^\\\n])*+)(?=\n|\Z)
      | (?![#;])[^=\n]*+(?=\n|\Z)                                                  # ignored, by systemd too
    )""",
    re.VERBOSE | re.DOTALL,
)
_PIECE: Final = re.compile(
    r"""[ \t]*+(?:'(?P<single>[^']*+)'|"(?P<double>(?:\\.|[^"\\])*+)"|(?P<plain>(?:\\.|[^\\\n])+?)[ \t]*\Z)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def variables_of(text: str) -> dict[str, str]:
    """Return the variables that systemd reads in an environment file.

    Raises `ValueError` for an open quote, and for a backslash that ends the text or a comment: versions of systemd
    differ there.
    """
    variables = {}
    position = 0
    while position < len(text):
        entry = _ENTRY.match(text, position)
        if entry is None:
            line = text.count("\n", 0, len(text) - len(text[position:].lstrip())) + 1
            raise ValueError(f"line {line}: a quote stays open, or a backslash ends a comment or the file")
        position = entry.end() + 1
        name = (entry["name"] or "").rstrip(" \t")
        if _NAME.fullmatch(name):
            variables[name] = "".join(map(_text_of, _PIECE.finditer(entry["value"])))
    return variables


def _text_of(piece: re.Match[str]) -> str:
    if piece["single"] is not None:
        return piece["single"]
    if piece["double"] is not None:
        return _ESCAPED.sub(_in_double_quotes, piece["double"])
    return _ESCAPED.sub(lambda escaped: escaped[1].strip("\n"), piece["plain"])


def _in_double_quotes(escaped: re.Match[str]) -> str:
    """Only these characters can be escaped in double quotes; a line that ends with a backslash continues."""
    return escaped[1].strip("\n") if escaped[1] in '"\\`$\n' else escaped[0]


def main() -> None:
    """Become the command. The file's variables replace those of the caller, and other variables are passed on."""
    try:
        os.environ.update(variables_of(_ENVIRONMENT_FILE.read_text(encoding="utf-8")))
    except FileNotFoundError:
        pass  # As for the unit, the file may be absent.
    except (OSError, ValueError) as error:
        sys.exit(f"{_ENVIRONMENT_FILE} cannot be read: {error}")
    os.environ["TIKTOK_FORWARDER_DATA_DIR"] = _DATA_DIR
    os.execvp("runuser", ["runuser", "-u", _USER, "--", _PROGRAM, *sys.argv[1:]])  # noqa: S606, S607  # no shell


if __name__ == "__main__":
    main()
