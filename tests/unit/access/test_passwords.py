"""What may be a password, and that hashing one at a time leaves the processor to the events."""

import asyncio
import threading
import time

import pytest
from tests.unit.access.access_rig import GOOD, QuickHasher

from tiktok_forwarder.access.passwords import PasswordHashes, password_problems

LENGTH = ["password: must be 8 to 128 characters; 15 or more are recommended"]
COMMON = ["password: is too common; choose another"]


@pytest.mark.parametrize(
    "password",
    ["password", "Passw0rd123!", "12345678", "qwertyuiop", "aaaaaaaa", "abababab", "dragondragon", "ABABABABABABABAB"],
)
def test_what_others_would_try_first_is_no_password(password: str) -> None:
    """Common passwords are refused in any case, and so are one or two characters again and again."""
    assert password_problems(password, "Ada") == COMMON


@pytest.mark.parametrize("password", ["", "short", "x7#kqz1", "abc" * 43, "e\u0301" * 7])
def test_password_of_other_length_is_refused(password: str) -> None:
    """It must have 8 to 128 characters; an accent that is written as a character of its own does not count."""
    assert password_problems(password, "Ada") == LENGTH


@pytest.mark.parametrize(
    "password", [GOOD, "x7#kqz1p", "ü" * 4 + "abcd", "пароль-для-меня", "q" * 100 + "123", "abcd" * 32, "abcabcabc"]
)
def test_what_is_left_may_be_one(password: str) -> None:
    """There is no rule of signs and digits: length is what counts."""
    assert password_problems(password, "Ada") == []


def test_a_user_is_not_their_own_password() -> None:
    """The user's name is refused in any case, also with digits after it."""
    name = ["password: must not be the user name"]
    for password in ("dana miller", "DANA MILLER", "dana miller1!", "Dana Miller2024"):
        assert password_problems(password, " Dana Miller ") == name
    assert password_problems("dana miller too", "Dana Miller") == []
    assert password_problems(GOOD, "") == []


class WatchedHasher(QuickHasher):
    """Notes in which threads it ran, and how often at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[threading.Thread] = set()
        self.most_at_once = 0
        self._running = 0

    def hash(self, password: bytes) -> str:
        self._note()
        return super().hash(password)

    def verify(self, password: bytes, known: str) -> bool:
        self._note()
        return known == QuickHasher.hash(self, password)

    def _note(self) -> None:
        self._running += 1
        self.most_at_once = max(self.most_at_once, self._running)
        self.threads.add(threading.current_thread())
        time.sleep(0.002)
        self._running -= 1


async def test_passwords_are_hashed_one_at_a_time_in_a_thread() -> None:
    """Many logins at the same time take one core at most, and the event loop goes on in between."""
    hasher = WatchedHasher()
    hashes = PasswordHashes(hasher)
    known = await hashes.hash_of(GOOD)
    found = await asyncio.gather(
        *(hashes.verify(GOOD, known) for _ in range(4)), hashes.hash_of(GOOD), hashes.hash_of("other")
    )
    assert found[:5] == [True, True, True, True, known]
    assert hasher.most_at_once == 1
    assert threading.main_thread() not in hasher.threads


async def test_password_longer_than_any_is_not_hashed() -> None:
    """A megabyte in the password's place costs what an empty one costs, and never fits; 128 characters do."""
    hashes = PasswordHashes(QuickHasher())
    longest = "abcd" * 32
    known = await hashes.hash_of(longest)
    assert await hashes.verify(longest, known)
    assert not await hashes.verify(longest + "e", await hashes.hash_of(longest + "e"))
