"""Credentials that a model names and never sees."""

import os
from pathlib import Path

import pytest

from mcp_server.vault import LARGEST, MOST_HIDDEN, NoSecretError, Source, Vault


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Lay out a directory of secrets, and one beside it that is none of ours."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "other").write_text("canary-outside")
    (inside / "plain").write_text("canary-plain\n")
    return inside


def why_not(vault: Vault, source: Source, name: str) -> str:
    """Name something that gives nothing; the reason."""
    with pytest.raises(NoSecretError) as caught:
        vault.value(source, name)
    return str(caught.value)


def test_a_closed_vault_gives_nothing() -> None:
    """The default."""
    vault = Vault()

    assert not vault.is_open
    assert vault.names("$env") == []
    assert vault.names("$file") == []
    assert why_not(vault, "$env", "HOME") == "no such variable was opened to this server"
    assert why_not(vault, "$file", "plain") == "no directory was opened to this server"
    assert vault.known() == frozenset()


def test_only_opened_variables_are_given_and_all_of_them_are_hidden() -> None:
    """Whether they were used or not."""
    vault = Vault({"PG_PASSWORD": "canary", "EMPTY": ""}, hidden=["the-key", ""])

    assert vault.is_open
    assert vault.names("$env") == ["EMPTY", "PG_PASSWORD"]
    assert vault.value("$env", "PG_PASSWORD") == "canary"
    assert why_not(vault, "$env", "EMPTY") == "it is empty"
    assert "opened" in why_not(vault, "$env", "pg_password")
    assert vault.known() == {"canary", "the-key"}


def test_a_file_is_given_without_the_line_break_at_its_end(folder: Path) -> None:
    """Editors add one, passwords have none."""
    (folder / "windows").write_bytes(b"canary-windows\r\n")
    vault = Vault(directory=folder)

    assert vault.is_open
    assert vault.value("$file", "plain") == "canary-plain"
    assert vault.value("$file", "windows") == "canary-windows"
    assert vault.names("$file") == ["plain", "windows"]


@pytest.mark.parametrize(
    "name",
    [
        *["../outside/other", "..", ".", "", "/etc/passwd", "inside/../plain", "plain/", ".hidden"],
        *["..\\outside\\other", "sub/key"],
    ],
)
def test_a_name_that_is_more_than_a_name_is_refused(folder: Path, name: str) -> None:
    """There is no way out of the directory, nor deeper into it."""
    (folder / ".hidden").write_text("canary-hidden")
    (folder / "sub").mkdir()
    (folder / "sub" / "key").write_text("canary-sub")

    assert why_not(Vault(directory=folder), "$file", name) == "it is not the plain name of a file"


def test_links_are_followed_inside_and_never_out(folder: Path) -> None:
    """Mounted secrets are links inside their directory."""
    data = folder / "..data"
    data.mkdir()
    (data / "token").write_text("canary-token")
    (folder / "token").symlink_to(Path("..data") / "token")
    (folder / "out").symlink_to(folder.parent / "outside" / "other")
    (folder / "gone").symlink_to("nothing")
    (folder / "round").symlink_to("round")
    vault = Vault(directory=folder)

    assert vault.value("$file", "token") == "canary-token"
    for name in ("out", "gone", "round", "nothing", "nul\x00"):
        assert "no such file" in why_not(vault, "$file", name)
    assert vault.names("$file") == ["plain", "token"]
    assert vault.known() == {"canary-plain", "canary-token"}


def test_what_is_no_small_text_file_is_refused_without_waiting(folder: Path) -> None:
    """A pipe would never end, a device neither."""
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()
    (folder / "binary").write_bytes(b"\xff\xfe")
    (folder / "large").write_bytes(b"x" * (LARGEST + 1))
    (folder / "empty").write_text("\n")
    vault = Vault(directory=folder)

    for name in ("pipe", "folder", "binary", "large"):
        assert "no such file of text" in why_not(vault, "$file", name)
    assert why_not(vault, "$file", "empty") == "it is empty"
    assert vault.known() == {"canary-plain"}


def test_a_file_that_cannot_be_opened_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that is not there."""

    def refuse(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "open", refuse)

    assert "no such file" in why_not(Vault(directory=folder), "$file", "plain")


def test_a_directory_that_went_away_gives_nothing(folder: Path) -> None:
    """And hides what was known before."""
    vault = Vault(directory=folder)
    vault.value("$file", "plain")
    folder.rename(folder.with_name("moved"))

    assert vault.names("$file") == []
    assert "no such file" in why_not(vault, "$file", "plain")
    assert vault.known() == {"canary-plain"}


def test_a_value_that_was_replaced_stays_hidden(folder: Path) -> None:
    """An answer of before may still hold it."""
    vault = Vault(directory=folder)
    vault.known()
    (folder / "plain").write_text("canary-new")

    assert vault.known() == {"canary-plain", "canary-new"}


def test_values_to_hide_are_remembered_within_bounds() -> None:
    """A server that runs for months does not grow; the opened ones are never forgotten."""
    vault = Vault({"A": "canary"})
    for number in range(MOST_HIDDEN + 5):
        vault.hide(f"value-{number}")
        vault.hide("again")

    assert len(vault.known()) == MOST_HIDDEN + 1
    assert {"canary", "again", f"value-{MOST_HIDDEN + 4}"} <= vault.known()
    assert "value-0" not in vault.known()
