"""The record: what is written of an act, and how it is found again."""

import errno
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from mcp_server import journal as journals
from mcp_server.journal import MOST_KEPT, Journal, Page, Record
from mcp_server.journal_check import verify
from mcp_server.journal_file import LONGEST_LINE, JournalError
from tests.journals import KEY, NOON, journal, now, pause, pausing

CANARY = "canary-77-secret"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a file that is not there yet."""
    return tmp_path / "audit.jsonl"


@pytest.fixture(params=["memory", "file"])
def opened(request: pytest.FixtureRequest, path: Path) -> Iterator[Journal]:
    """Open a journal, of either kind."""
    with journal(path if request.param == "file" else None) as opened:
        yield opened


def entries(path: Path) -> list[dict[str, Any]]:
    """Read the entries of a file, without its header."""
    return [json.loads(line) for line in path.read_bytes().splitlines()[1:]]


def connectors(page: Page) -> list[str]:
    """Read which connectors the entries of a page are about."""
    return [entry["connector_id"] for entry in page.entries]


def full(*_: Any) -> int:
    """Fail as a full disk does."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_an_act_is_written_before_it_begins_and_after_it_ended(path: Path) -> None:
    """Both lines have its id, and either stands for itself."""
    with journal(path) as opened:
        act = opened.intend(pausing(name="north_pine", principal="ops", arguments={"x": 1}))
        (intended,) = entries(path)
        assert act.done(outcome="ok", status=200, seconds=0.12345)

    _, done = entries(path)
    assert intended["phase"] == "intended"
    assert intended["name"] == "north_pine"
    assert intended["at"] == "2026-03-10T12:00:00.000Z"
    assert intended["id"] == done["id"] == act.id
    same = {"tool", "effect", "connector_id", "name", "principal", "arguments"}
    assert {name: done[name] for name in same} == {name: intended[name] for name in same}
    result = {name: done[name] for name in ("phase", "outcome", "status", "seconds")}
    assert result == {"phase": "done", "outcome": "ok", "status": 200, "seconds": 0.123}


def test_a_refusal_says_what_decided(opened: Journal) -> None:
    """It is not an act: nothing follows."""
    assert opened.refuse(pausing(), "deny", "rule freeze")

    (entry,) = opened.recent(5).entries
    assert entry["phase"] == "refused"
    assert (entry["decision"], entry["by"]) == ("deny", "rule freeze")


def test_an_approval_has_the_id_of_its_act(opened: Journal) -> None:
    """It comes before."""
    record = pausing()
    assert opened.approve(replace(record, by="person"), NOON)
    opened.intend(record).done(outcome="ok")

    done, approved = opened.recent(5).entries
    assert (approved["phase"], done["phase"]) == ("approved", "done")
    assert approved["id"] == done["id"]


def test_of_those_who_use_the_same_approval_the_first_has_it(path: Path) -> None:
    """Of all processes with the file, and as far back as is asked; what is no entry counts not."""
    mine, theirs = (pausing(approval=mark) for mark in ("yes", "yes"))
    with journal(path) as here, journal(path) as there:
        assert here.approve(mine, NOON)
        path.write_bytes(path.read_bytes() + b"no entry\n")
        pause(here)
        assert there.approve(pausing(approval="another"), NOON)
        assert not there.approve(theirs, NOON)
        assert here.approve(pausing(), NOON)
        later = NOON + timedelta(seconds=1)
        assert there.approve(pausing(approval="yes"), later)


def test_of_two_who_look_before_either_writes_the_first_line_has_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other finds it when it has written its own."""
    with journal(path) as here, journal(path) as there:

        def nothing_yet(_: object) -> dict[str, str]:
            monkeypatch.undo()
            assert here.approve(pausing(approval="yes"), NOON)
            return {}

        monkeypatch.setattr(there, "_approvals", nothing_yet)
        assert not there.approve(pausing(approval="yes"), NOON)


def test_without_a_file_approvals_are_nobody_elses_business() -> None:
    """Whoever keeps them in memory has to see to it that none is used twice."""
    with journal() as opened:
        assert opened.approve(pausing(approval="yes"), NOON)
        assert opened.approve(pausing(approval="yes"), NOON)


def test_every_entry_is_one_line_of_log(path: Path) -> None:
    """Without what would undo it, and without credentials."""
    with capture_logs() as logs, journal(path) as opened:
        pause(opened, arguments={"password": CANARY}, undo={"tool": "resume_connector"})

    assert [line["event"] for line in logs] == ["audit", "audit"]
    assert [line["phase"] for line in logs] == ["intended", "done"]
    assert logs[1]["can_undo"] is True
    assert "undo" not in logs[1]
    assert CANARY not in str(logs)
    assert CANARY not in path.read_text()


def test_with_a_key_hashes_of_credentials_compare_across_restarts(path: Path) -> None:
    """Without one they are made anew, so that nothing can be guessed from them."""

    def hashed(place: Path, key: bytes | None) -> str:
        with journal(place, key) as opened:
            pause(opened, arguments={"password": CANARY})
        hash_of: str = entries(place)[-1]["arguments"]["password"]
        return hash_of

    assert hashed(path, KEY) == hashed(path, KEY)
    other = path.with_name("other")
    assert hashed(other, None) != hashed(other, None)


def test_what_undoes_an_act_may_be_known_only_after_it(opened: Journal) -> None:
    """Then it takes the place of what was known before."""
    act = opened.intend(pausing(undo={"was": "guessed"}))
    before = opened.find(act.id)
    act.done(outcome="ok", undo={"was": "read"})
    after = opened.find(act.id)

    assert before is not None
    assert after is not None
    assert (before.is_done, before.entry["undo"]) == (False, {"was": "guessed"})
    assert (after.is_done, after.entry["undo"]) == (True, {"was": "read"})
    assert after.undone_by is None
    assert opened.find("0" * 12) is None


def test_an_act_that_was_taken_back_names_the_one_that_did(opened: Journal) -> None:
    """Only if that one went well."""
    first = pause(opened)
    opened.intend(pausing(undo_of=first)).done(outcome="timeout")
    failed = opened.find(first)
    undo = pause(opened, undo_of=first)
    found = opened.find(first)

    assert failed is not None
    assert failed.undone_by is None
    assert found is not None
    assert found.undone_by == undo


def test_an_intention_that_cannot_be_written_is_an_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log says it loudly, and the journal says why until it works again."""
    with journal(path) as opened, capture_logs() as logs:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            with pytest.raises(JournalError):
                opened.intend(pausing())
        assert "No space left" in str(opened.problem)
        pause(opened)
        assert opened.problem is None

    assert logs[0]["event"] == "audit_not_written"
    assert logs[0]["log_level"] == "error"
    assert logs[0]["connector_id"] == "solid_anchor"


def test_an_outcome_that_cannot_be_written_does_not_hide_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log has it, and the file has an act whose end is not known."""
    with journal(path) as opened, capture_logs() as logs:
        act = opened.intend(pausing())
        monkeypatch.setattr(os, "write", full)
        assert act.done(outcome="ok") is False
        assert opened.refuse(pausing(), "deny", "mode") is False

    assert [line["event"] for line in logs] == ["audit", "audit_not_written", "audit_not_written"]
    assert logs[1]["outcome"] == "ok"
    ((line, what),) = verify(path).warnings
    assert line == 2
    assert act.id in what


def test_the_newest_come_first_and_an_act_comes_once(opened: Journal) -> None:
    """One that was not done is shown as intended."""
    pause(opened, "first")
    opened.intend(pausing("second"))
    pause(opened, "third")
    page = opened.recent(10)

    assert connectors(page) == ["third", "second", "first"]
    assert [entry["phase"] for entry in page.entries] == ["done", "intended", "done"]
    assert page.before is None
    assert not {"prev", "mac"} & page.entries[0].keys()


def test_pages_follow_each_other(opened: Journal) -> None:
    """Each act comes once, also where two were going on at the same time."""
    acts = [opened.intend(pausing(f"c{number}")) for number in range(7)]
    for act in acts:
        act.done(outcome="ok")
    opened.refuse(pausing("c7"), "deny", "mode")
    seen, before = list[str](), None
    while True:
        page = opened.recent(3, before=before)
        assert len(page.entries) == min(3, 8 - len(seen))
        seen += connectors(page)
        before = page.before
        if before is None:
            break

    assert seen == [f"c{number}" for number in range(7, -1, -1)]


def test_a_cursor_names_only_acts_whose_beginning_is_to_come(opened: Journal) -> None:
    """It stays short however many there were."""
    acts = [pause(opened) for _ in range(5)]
    before = opened.recent(4).before

    assert before is not None
    assert len(before) < 2 * len(acts[0]) + 2


def test_entries_are_found_by_connector_and_by_tool(opened: Journal) -> None:
    """An act on several is about each of them."""
    pause(opened, "a")
    opened.refuse(Record(tool="bulk_update", effect="write", connector_ids=["a", "b"]), "deny", "x")
    pause(opened, "b")

    assert [entry["tool"] for entry in opened.recent(9, connector_id="a").entries] == [
        "bulk_update",
        "pause_connector",
    ]
    assert connectors(opened.recent(9, tool="pause_connector")) == ["b", "a"]
    assert opened.recent(9, connector_id="b", tool="bulk_update").entries
    assert not opened.recent(9, connector_id="c").entries


@pytest.mark.parametrize("before", ["", "x", "-1", "1,zz", "1" * 19, "1" + ",0123456789ab" * 101])
def test_a_page_that_was_not_given_is_refused(opened: Journal, before: str) -> None:
    """A model may make one up."""
    with pytest.raises(ValueError, match="not one that a page gave"):
        opened.recent(5, before=before)


def test_acts_whose_beginning_is_elsewhere_do_not_make_a_cursor_endless(path: Path) -> None:
    """Their first lines are in a file that was rotated away."""
    with journal(path) as opened:
        acts = [opened.intend(pausing(f"c{number}")) for number in range(130)]
        path.rename(path.with_suffix(".1"))
        for act in acts:
            act.done(outcome="ok")
        page = opened.recent(120)
        assert page.before is not None
        rest = opened.recent(120, before=page.before)

    assert len(page.before) < 1_500
    assert connectors(rest) == [f"c{number}" for number in range(9, -1, -1)]


def test_a_question_looks_through_only_so_many_entries(
    opened: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left is told with a cursor."""
    first = pause(opened, "rare")
    for _ in range(10):
        pause(opened, "usual")
    monkeypatch.setattr(journals, "MOST_LOOKED_THROUGH", 15)
    page = opened.recent(5, connector_id="rare")

    assert page.entries == []
    assert page.before is not None
    assert connectors(opened.recent(5, connector_id="rare", before=page.before)) == ["rare"]
    assert opened.find(first) is None


def test_lines_that_are_no_entries_are_counted(path: Path) -> None:
    """Somebody wrote them, or was killed as they did."""
    with journal(path) as opened:
        act = pause(opened)
        with path.open("ab") as file:
            file.write(b'noise\n{"n":1,"prev":""}\n{"n":1,"prev":"","phase":"done","id":"x"}\n')
            file.write(b'{"n":1,"prev":"","phase":"done","id":"0123456789ab","connector_ids":7}\n')
        page = opened.recent(5, connector_id="solid_anchor")
        found = opened.find(act)

    assert len(page.entries) == 1
    assert page.unreadable == 4
    assert found is not None


def test_without_a_file_the_newest_are_kept_in_memory() -> None:
    """However many there were: 10,000 entries take no more room than 1,000."""
    with journal() as opened:
        assert opened.path is None
        for number in range(5_000):
            pause(opened, f"c{number}", arguments={"tables": ["t"]})
        kept = len(opened._kept)  # noqa: SLF001 -- what takes the room
        page = opened.recent(MOST_KEPT)

    assert kept == MOST_KEPT
    assert len(page.entries) == MOST_KEPT // 2
    assert connectors(page)[:2] == ["c4999", "c4998"]


def test_threads_write_one_chain(path: Path) -> None:
    """Calls of tools run at the same time."""
    with journal(path) as opened, ThreadPoolExecutor(8) as threads:
        acts = list(threads.map(lambda number: pause(opened, f"c{number}"), range(40)))

    assert len(set(acts)) == 40
    assert verify(path).ok
    assert len(entries(path)) == 80


def test_the_longest_entry_fits_into_a_line(path: Path) -> None:
    """Whatever a model wrote; with a key, and after a torn line."""
    wide = "\U0001f600" * 10_000
    record = Record(
        tool=wide,
        effect=wide,
        connector_id=wide,
        name=wide,
        connector_ids=[wide] * 300,
        arguments={f"{number}{wide}": wide for number in range(200)},
        principal=wide,
        client=wide,
        protocol=wide,
        decision=wide,
        by=wide,
        undo_of=wide,
        undo={"x": wide},
    )
    with journal(path, KEY) as opened:
        with path.open("ab") as file:
            file.write(b"torn")
        assert opened.intend(record).done(outcome=wide, status=200, seconds=1.5)

    lines = path.read_bytes().splitlines()
    assert max(map(len, lines)) <= LONGEST_LINE
    assert verify(path, KEY).ok


def test_the_time_is_told_by_the_clock_unless_another_is_given() -> None:
    """In UTC, with milliseconds."""
    opened = Journal()
    opened.refuse(pausing(), "deny", "mode")
    (entry,) = opened.recent(1).entries

    assert entry["at"] > now().isoformat()[:10]
    assert entry["at"].endswith("Z")
    assert len(entry["at"]) == len("2026-03-10T12:00:00.000Z")
