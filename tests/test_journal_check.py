"""The check of a journal: what was altered is found, what was only interrupted is told."""

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_server.journal_check import LONGEST_READ, MOST_TOLD, Told, Verification, verify
from mcp_server.journal_file import LONGEST_LINE, NOTHING, JournalError, encoded, hash_of, sealed
from tests.journals import KEY, journal, kept, pausing


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a file that is not there yet."""
    return tmp_path / "audit.jsonl"


def put(path: Path, lines: list[bytes]) -> None:
    """Write lines in place of a file's own."""
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def found(path: Path, key: bytes | None = None) -> list[Told]:
    """Check a file that is not as it was."""
    verification = verify(path, key)
    assert not verification.ok
    return verification.problems


def test_a_whole_record_is_found_whole(path: Path) -> None:
    """Its last hash is what an operator keeps."""
    lines = kept(path, key=KEY)

    assert verify(path, KEY) == Verification(
        ok=True,
        lines=7,
        last=hash_of(lines[-1]),
        sealed=True,
        problems=[],
        warnings=[],
        more_problems=0,
        more_warnings=0,
    )
    assert not verify(path).sealed
    assert verify(path).ok


def text(old: bytes, new: bytes) -> Callable[[list[bytes]], list[bytes]]:
    """Alter the fourth line."""
    return lambda lines: [*lines[:3], lines[3].replace(old, new), *lines[4:]]


@pytest.mark.parametrize(
    ("tamper", "problems"),
    [
        (
            text(b"connector_1", b"connector_9"),
            [(4, "was altered: the next line is chained to what it was")],
        ),
        (
            text(b'{"n":3', b'{"n":8'),
            [
                (4, "has a wrong number: it was altered"),
                (4, "was altered: the next line is chained to what it was"),
            ],
        ),
        (text(b"{", b""), [(4, "is no entry: it was altered, or put in")]),
        (
            lambda lines: [*lines[:3], *lines[5:]],
            [(4, "2 missing before it: lines were taken out")],
        ),
        (lambda lines: lines[4:], [(1, "4 missing at the beginning: lines were taken out")]),
        (
            lambda lines: [*lines[:4], lines[3], *lines[4:]],
            [(5, "stands in the wrong place, or twice")],
        ),
        (
            lambda lines: [*lines[:3], b"hello", *lines[3:]],
            [(4, "is no entry: it was altered, or put in")],
        ),
        (
            lambda lines: [*lines[:3], b"x" * (LONGEST_READ * 2 + 5), *lines[3:]],
            [(4, "is no entry: it was altered, or put in")],
        ),
        (
            lambda lines: [*lines, b"x", b"y"],
            [(8, "is no entry: it was altered, or put in")],
        ),
        (
            lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
            [
                (2, "1 missing before it: lines were taken out"),
                (3, "stands in the wrong place, or twice"),
                (4, "1 missing before it: lines were taken out"),
            ],
        ),
        (
            lambda lines: [lines[0].replace(b'"0000', b'"1000'), *lines[1:]],
            [
                (1, "does not begin a chain: it was altered"),
                (1, "was altered: the next line is chained to what it was"),
            ],
        ),
        (lambda _: [], [(1, "there is no entry")]),
    ],
)
def test_what_was_altered_is_found_with_its_line(
    path: Path, tamper: Callable[[list[bytes]], list[bytes]], problems: list[Told]
) -> None:
    """Altered, taken out, put in, moved, twice."""
    put(path, tamper(kept(path)))

    assert found(path) == problems


def test_whoever_has_no_key_cannot_make_the_chain_anew(path: Path) -> None:
    """Without one they can: the check says that it was not used."""
    kept(path, key=KEY)
    forger = path.with_name("forged")
    lines = kept(forger, key=None)

    assert verify(forger).ok
    assert "as far as that shows without a key" in verify(forger).in_words()[0]
    assert len(found(forger, KEY)) == len(lines)
    assert found(forger, KEY)[0] == (1, "has no mac: it was not written with the key")
    assert found(path, KEY[::-1])[0] == (1, "has a wrong mac: it was not written with this key")


def test_a_line_that_was_altered_and_sealed_with_another_key_is_found(path: Path) -> None:
    """Also the last one, which no line follows."""
    lines = kept(path, key=KEY)
    forged = {k: v for k, v in json.loads(lines[-1]).items() if k != "mac"} | {"outcome": "no"}
    put(path, [*lines[:-1], sealed(encoded(forged), b"another")])

    assert found(path, KEY) == [(7, "has a wrong mac: it was not written with this key")]


def test_lines_that_were_cut_off_at_the_end_are_found_with_a_hash_that_was_kept(path: Path) -> None:
    """The file itself shows nothing. Lines that came since do no harm."""
    lines = kept(path)
    expected = verify(path).last
    kept(path)
    assert verify(path, expected=f" {expected.upper()}\n").ok
    put(path, lines[:-2])

    assert verify(path).ok
    assert verify(path, expected=expected).problems == [
        (5, "no line has the expected hash: lines were cut off or rewritten")
    ]


def test_an_act_without_an_end_is_a_warning(path: Path) -> None:
    """As is an end without a beginning, which may be in an older file."""
    with journal(path) as opened:
        act = opened.intend(pausing())
        lost = opened.intend(pausing())
        path.rename(path.with_suffix(".1"))
        lost.done(outcome="ok")

    assert verify(path.with_suffix(".1")).warnings == [
        (n, f"act {id_} (pause_connector) was intended, and it is not known whether it was done")
        for n, id_ in ((2, act.id), (3, lost.id))
    ]
    assert (2, f"act {lost.id} was not intended in this file") in verify(path).warnings
    assert verify(path).ok


def test_a_torn_line_at_the_end_is_a_warning(path: Path) -> None:
    """Its writer was killed, or is just writing it."""
    kept(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])

    assert verify(path).ok
    assert verify(path).warnings[0][1].startswith("is not whole")


def test_a_torn_line_is_chained_like_the_others(path: Path) -> None:
    """It cannot be altered or taken out either."""
    kept(path)
    path.write_bytes(path.read_bytes()[:-30])
    lines = kept(path, acts=1)
    torn = lines[6]
    assert verify(path).ok

    put(path, [*lines[:6], torn[:-5], *lines[7:]])
    assert found(path) == [(7, "is no entry: it was altered, or put in")]
    put(path, [*lines[:6], *lines[7:]])
    assert found(path) == [(7, "the torn line before it is missing")]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"n": 0, "prev": NOTHING, "phase": "done"}, "is not the beginning of a journal"),
        (
            {"n": 0, "prev": NOTHING, "phase": "log", "format": 2},
            "has another format than 1, which this version reads",
        ),
    ],
)
def test_a_file_that_begins_otherwise_is_told(
    path: Path, entry: dict[str, object], problem: str
) -> None:
    """It was not written by this version, or not at all."""
    put(path, [encoded(entry)])

    assert found(path) == [(1, problem)]


@pytest.mark.parametrize(
    "line",
    [
        *(b'{"n":1}', b'{"n":true,"prev":""}', b'{"n":1,"prev":2}', b"[]", b"\xff"),
        *(b"1" * 5_000, b"[" * 16_000, b'{"n":1,"prev":"' + b"x" * LONGEST_LINE + b'"}'),
    ],
)
def test_what_is_no_entry_is_told(path: Path, line: bytes) -> None:
    """Whatever it is."""
    (header,) = kept(path, acts=0)
    put(path, [header, line])

    assert found(path) == [(2, "is no entry: it was altered, or put in")]


def test_of_very_many_problems_the_first_are_told(path: Path) -> None:
    """The others are counted."""
    (header, *_) = kept(path)
    with journal(path) as opened:
        for _ in range(MOST_TOLD + 5):
            opened.intend(pausing())
    lines = path.read_bytes().splitlines()
    put(path, [header, *lines[1:8], *(each for line in lines[8:] for each in (line, b"noise"))])
    verification = verify(path)

    assert len(verification.problems) == len(verification.warnings) == MOST_TOLD
    assert verification.more_problems
    assert verification.more_warnings
    words = verification.in_words()
    assert words[MOST_TOLD] == f"... and {verification.more_problems} more problems"
    assert words[-3] == f"... and {verification.more_warnings} more warnings"
    assert "the record was altered, or is not whole" in words[-2]


def test_an_operator_reads_a_verdict_and_the_hash_to_keep(path: Path) -> None:
    """And each warning with its line."""
    with journal(path, KEY) as opened:
        opened.intend(pausing(id="0123456789ab"))
    verification = verify(path, KEY)

    ((_, warning),) = verification.warnings
    assert verification.in_words() == [
        f"line 2: warning: {warning}",
        "2 lines: the record is whole",
        f"last hash: {verification.last}",
    ]


def test_a_file_that_cannot_be_read_is_an_error(path: Path) -> None:
    """It is not there, or is a directory."""
    with pytest.raises(JournalError, match="No such file"):
        verify(path)
    with pytest.raises(JournalError, match="Is a directory"):
        verify(path.parent)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Keep a journal, of which every byte counts."""
    path = tmp_path_factory.mktemp("journal") / "audit.jsonl"
    kept(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    kept(path)
    return path.read_bytes()


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_any_byte_of_any_line_that_is_altered_is_found(written: bytes, data: st.DataObject) -> None:
    """Against the hash that an operator kept."""
    place = data.draw(st.integers(0, len(written) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda other: other != written[place]))
    with TemporaryDirectory() as folder:
        path = Path(folder, "audit.jsonl")
        path.write_bytes(written)
        whole = verify(path)
        assert whole.ok
        path.write_bytes(written[:place] + bytes([byte]) + written[place + 1 :])

        assert not verify(path, expected=whole.last).ok
