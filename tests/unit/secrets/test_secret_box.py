"""Secrets at rest: what opens, what does not, and where the key comes from."""

import base64
from pathlib import Path

import pytest

from tiktok_forwarder.domain.errors import ConfigurationError, SecretUnreadable
from tiktok_forwarder.secrets.secret_box import AesGcmSecretBox, load_key

KEY = bytes(range(32))
VARIABLE = "TIKTOK_FORWARDER_ENCRYPTION_KEY"


@pytest.fixture
def box() -> AesGcmSecretBox:
    return AesGcmSecretBox(KEY)


def test_a_sealed_secret_opens_under_its_record(box: AesGcmSecretBox) -> None:
    """What is sealed comes back whole, whatever letters it has."""
    assert box.open(box.seal("tök-€-123", "cn_1"), "cn_1") == "tök-€-123"


def test_a_sealed_secret_does_not_open_under_another_record(box: AesGcmSecretBox) -> None:
    """Swapping two rows' secrets in the database gives nobody another's token."""
    with pytest.raises(SecretUnreadable, match="cn_2"):
        box.open(box.seal("token", "cn_1"), "cn_2")


def test_every_changed_character_is_noticed(box: AesGcmSecretBox) -> None:
    """No single character of a sealed text can be replaced without its being refused."""
    for length in (20, 21, 22):
        sealed = box.seal("x" * length, "cn_1")
        for place, letter in enumerate(sealed):
            for other in "ABCDQ":
                changed = sealed[:place] + other + sealed[place + 1 :]
                if other != letter:
                    with pytest.raises(SecretUnreadable):
                        box.open(changed, "cn_1")


@pytest.mark.parametrize(
    "sealed", ["", "v1", "v1.", "plain token", "v2.abc.def", "v1.{id}.", "v1.{id}.????", "v1.{id}.é"]
)
def test_what_was_never_sealed_is_refused(box: AesGcmSecretBox, sealed: str) -> None:
    """Text of no or another form is an unreadable secret, not a crash."""
    with pytest.raises(SecretUnreadable):
        box.open(sealed.replace("{id}", box.key_id), "cn_1")


def test_another_key_is_named(box: AesGcmSecretBox) -> None:
    """With a wrong key the message names both keys by their ids, which tell nothing of the keys."""
    other = AesGcmSecretBox(bytes(32))
    with pytest.raises(SecretUnreadable, match=f"{box.key_id}.*{other.key_id}"):
        other.open(box.seal("token", "cn_1"), "cn_1")


def test_no_two_sealed_texts_are_alike(box: AesGcmSecretBox) -> None:
    """Each sealing draws a new nonce: the same secret sealed 10,000 times gives 10,000 nonces."""
    nonces = {base64.urlsafe_b64decode(box.seal("t", "cn_1").rpartition(".")[2])[:12] for _ in range(10_000)}
    assert len(nonces) == 10_000


def test_the_box_does_not_show_its_key(box: AesGcmSecretBox) -> None:
    """What is printed of a box is the key's id."""
    assert repr(box) == f"AesGcmSecretBox({box.key_id})"


@pytest.mark.parametrize(
    "text",
    [
        KEY.hex(),
        KEY.hex().upper(),
        base64.b64encode(bytes([251] * 32)).decode(),
        base64.urlsafe_b64encode(bytes([251] * 32)).decode(),
        base64.urlsafe_b64encode(KEY).decode().rstrip("="),
        f"  {KEY.hex()}\n",
    ],
)
def test_a_key_may_be_written_in_any_usual_form(text: str, tmp_path: Path) -> None:
    """Hexadecimal digits and either base64 alphabet, with or without padding, are read alike."""
    loaded = load_key({VARIABLE: text}, VARIABLE, tmp_path / "key", may_create=False)
    assert loaded.key in (KEY, bytes([251] * 32)) and not loaded.is_new


@pytest.mark.parametrize("text", ["", "short", KEY.hex()[:-2], KEY.hex() + "00", "z" * 64, "é" * 32, "not base64 ***"])
def test_a_bad_key_is_refused_without_being_shown(text: str, tmp_path: Path) -> None:
    """The message names the variable and what is allowed, never the text that was given."""
    with pytest.raises(ConfigurationError, match=VARIABLE) as refused:
        load_key({VARIABLE: text}, VARIABLE, tmp_path / "key", may_create=True)
    assert not text or text not in str(refused.value)
    assert not (tmp_path / "key").exists()


def test_a_key_file_is_made_once(tmp_path: Path) -> None:
    """The first start makes a file that only its owner can read; the next one takes the same key from it."""
    key_file = tmp_path / "encryption.key"
    made = load_key({}, VARIABLE, key_file, may_create=True)
    assert key_file.stat().st_mode & 0o777 == 0o600 and made.is_new
    for may_create in (True, False):
        assert load_key({}, VARIABLE, key_file, may_create=may_create) == (made.key, False)


def test_a_missing_key_file_is_not_replaced(tmp_path: Path) -> None:
    """Where secrets exist already a lost key file is an error, since a new key would lose them for good."""
    with pytest.raises(ConfigurationError, match="missing"):
        load_key({}, VARIABLE, tmp_path / "encryption.key", may_create=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff\xfe", b"0" * 63])
def test_a_damaged_key_file_is_left_alone(content: bytes, tmp_path: Path) -> None:
    """A file that holds no key is refused by name and stays as it was."""
    key_file = tmp_path / "encryption.key"
    key_file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"encryption\.key"):
        load_key({}, VARIABLE, key_file, may_create=True)
    assert key_file.read_bytes() == content


def test_a_key_file_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    """A directory that is not there is told with the file's name."""
    with pytest.raises(ConfigurationError, match=r"nowhere/key: cannot write the key file"):
        load_key({}, VARIABLE, tmp_path / "nowhere" / "key", may_create=True)
