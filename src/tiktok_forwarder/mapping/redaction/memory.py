"""Remembers what became of texts while one request is mapped: several connections and events look at the same ones."""

from collections.abc import Callable
from typing import Final

_MAX_CHARACTERS: Final = 2_000_000


_memories: Final[list["TextMemory"]] = []


def remembering(function: Callable[[str], str]) -> "TextMemory":
    """Return the function with a memory that lasts until `forget_texts`."""
    memory = TextMemory(function)
    _memories.append(memory)
    return memory


def forget_texts() -> None:
    """Forget the texts of a request, which may hold addresses."""
    for memory in _memories:
        memory.clear()


class TextMemory:
    """A function from text to text, with its latest results; bounded in characters, not in texts."""

    def __init__(self, function: Callable[[str], str]) -> None:
        self._function = function
        self._results: dict[str, str] = {}
        self._characters = 0

    def __call__(self, text: str) -> str:
        result = self._results.get(text)
        if result is None:
            result = self._function(text)
            self._characters += len(text) + len(result)
            if self._characters > _MAX_CHARACTERS:
                self.clear()
            else:
                self._results[text] = result
        return result

    def clear(self) -> None:
        self._results.clear()
        self._characters = 0
