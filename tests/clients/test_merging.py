"""The server in a client's file: put in, and nothing lost; or left alone, and told why."""

import json
import tomllib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_server.clients import formats
from mcp_server.clients.jsonc import comments, parse
from mcp_server.clients.known import CLIENTS, SECRETS, Server
from mcp_server.clients.merging import BOM, CannotMergeError, difference, merge

KEY, SECRET = SECRETS
CURSOR, VSCODE, CODEX = CLIENTS["cursor"], CLIENTS["vscode"], CLIENTS["codex"]
SERVER = Server()
FULL = Server(args=("--mode", "full"))

ZED_SETTINGS = """// Zed settings
{
  "theme": "One Dark", // dark
  "context_servers": {
    /* another one */
    "other": { "command": "x", "args": [], "env": { "TOKEN": "canary" } },
  },
  "languages": { "Python": { "tab_size": 4, }, },
}
"""


def test_a_zed_file_with_comments_gets_one_member_more() -> None:
    """Every line that was there is there, in its order."""
    after = merge(ZED_SETTINGS, CLIENTS["zed"], SERVER).after

    lines = iter(after.splitlines())
    assert all(line in lines for line in ZED_SETTINGS.splitlines())
    content = parse(after)
    assert content["context_servers"].pop("fivetran") == CLIENTS["zed"].entry(SERVER)
    assert content == parse(ZED_SETTINGS)


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
@pytest.mark.parametrize("text", ["", " \n", BOM])
def test_an_empty_file_becomes_the_printed_one(client: Any, text: str) -> None:
    """With its byte order mark, if it has one."""
    assert merge(text, client, SERVER).after == text.strip() + client.text(SERVER)


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
def test_the_same_again_changes_nothing(client: Any) -> None:
    """Whatever the client."""
    once = client.text(SERVER)
    merged = merge(once, client, SERVER)

    assert merged.after == once
    assert not merged.replaces


def test_windows_line_ends_and_a_byte_order_mark_stay() -> None:
    """In what is added too."""
    before = BOM + '{\r\n\t"mcpServers": {}\r\n}\r\n'
    after = merge(before, CURSOR, SERVER).after

    assert after.startswith(BOM + '{\r\n\t"mcpServers": {\r\n\t\t"fivetran": {\r\n')
    assert "\n" not in after.replace("\r\n", "")


def test_vs_code_gets_the_inputs_that_are_missing() -> None:
    """Beside those that are there."""
    before = '{"inputs": [{"id": "fivetran-key", "type": "x"}, {"id": ["mine"]}, 1], "servers": {}}'
    content = parse(merge(before, VSCODE, SERVER).after)

    assert content["inputs"][:3] == parse(before)["inputs"]
    assert [one["id"] for one in content["inputs"][3:]] == ["fivetran-secret"]
    assert [one["id"] for one in parse(merge("{}", VSCODE, SERVER).after)["inputs"]] == [
        "fivetran-key",
        "fivetran-secret",
    ]


def test_two_accounts_in_vs_code_are_asked_for_apart() -> None:
    """By the name of the server."""
    first = merge("{}", VSCODE, SERVER).after
    content = parse(merge(first, VSCODE, Server(name="staging")).after)

    assert len(content["inputs"]) == 4
    assert content["servers"]["staging"]["env"][KEY] == "${input:staging-key}"


def test_a_person_who_gives_the_key_another_way_is_not_asked() -> None:
    """Nor is what is there overwritten."""
    entry = VSCODE.entry(SERVER)
    entry["env"] = {KEY: "${env:MY_KEY}", SECRET: "filled in"}
    merged = merge(json.dumps({"servers": {"fivetran": entry}}), VSCODE, SERVER)

    assert merged.after == merged.before
    assert merged.keeps == (KEY, SECRET)


def test_what_a_person_added_to_the_entry_stays_when_it_is_replaced() -> None:
    """Filled-in secrets, switches, variables; an empty secret is none."""
    entry = CURSOR.entry(SERVER)
    entry["env"] = {KEY: "canary", SECRET: "", "FIVETRAN_MCP_LOG_LEVEL": "debug"}
    entry["disabled"] = True
    merged = merge(json.dumps({"mcpServers": {"fivetran": entry}}), CURSOR, FULL)

    assert merged.replaces
    assert merged.keeps == (KEY, SECRET)
    entry["args"] = ["--mode", "full"]
    entry["env"][SECRET] = CURSOR.entry(SERVER)["env"][SECRET]
    assert json.loads(merged.after) == {"mcpServers": {"fivetran": entry}}


CODEX_FILE = """model = "m" # the model

[mcp_servers.other]
command = "x" # mine
[mcp_servers.other.env]
TOKEN = "canary"

[mcp_servers.fivetran] # ours
command = "old" # was here
enabled = false
env_vars = ["HOME"]

[profiles.p]
ratio = nan
"""


@pytest.mark.parametrize(
    "before", [CODEX_FILE, CODEX_FILE.rstrip(), CODEX_FILE.replace("\n", "\r\n")]
)
def test_a_codex_file_gets_a_table_at_its_end(before: str) -> None:
    """All before it stays letter by letter; the new lines end as the old ones do."""
    after = merge(before, CODEX, Server(name="staging")).after

    assert after.startswith(before)
    assert tomllib.loads(after)["mcp_servers"]["staging"] == CODEX.entry(SERVER)
    assert after.count("\r\n") in {0, after.count("\n")}


def test_a_codex_entry_is_changed_where_it_stands() -> None:
    """With its comments, its switches and the variables it passes on already."""
    merged = merge(CODEX_FILE, CODEX, SERVER)

    assert merged.replaces
    for kept in ("# ours", "# was here", "# mine", "enabled = false", "ratio = nan"):
        assert kept in merged.after
    entry = tomllib.loads(merged.after)["mcp_servers"]["fivetran"]
    assert entry == {
        **CODEX.entry(SERVER),
        "enabled": False,
        "env_vars": ["HOME", KEY, SECRET],
    }
    assert merge(merged.after, CODEX, SERVER).after == merged.after


@pytest.mark.parametrize(
    ("client", "text", "why"),
    [
        (CURSOR, '{"mcpServers": {}', "not valid JSON: line 1, column 18"),
        (CURSOR, "[]", "no JSON object"),
        (CURSOR, '{"mcpServers": []}', "mcpServers in it is not an object"),
        (CURSOR, '{"mcpServers": {"fivetran": "x"}}', "mcpServers.fivetran in it is not an object"),
        (CURSOR, '{"mcpServers": {"fivetran": {"url": "https://x"}}}', "reached by a URL"),
        (CURSOR, '{"mcpServers": {"fivetran": {"env": []}}}', "fivetran.env is not an object"),
        (CURSOR, '{"a": 1, "a": 2}', "line 1, column 10: .*twice"),
        (CURSOR, '{"mcpServers": {"fivetran": {"args": [/* why */]}}}', "losing a comment"),
        (VSCODE, '{"inputs": {}}', "inputs in it is not a list"),
        (CODEX, "a = 1\na = 2\n", "not valid TOML: .*line 2"),
        (CODEX, f"a = {'9' * 5000}", "not valid TOML: .*4300 digits"),
        (CODEX, "a = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        (CODEX, "mcp_servers = []", "mcp_servers in it is not an object"),
        (CODEX, "mcp_servers = {x = {}}", "could not be changed: .*by hand"),
        (CODEX, "mcp_servers = {fivetran = {}}", "written as { ... }"),
        (CODEX, "[mcp_servers.fivetran]\nargs = [\n# why\n]", "losing a comment"),
    ],
)
def test_a_file_that_cannot_be_changed_safely_is_refused(client: Any, text: str, why: str) -> None:
    """With what is wrong, and where."""
    with pytest.raises(CannotMergeError, match=why):
        merge(text, client, SERVER)


def test_what_only_one_reader_understands_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """TOML is read by two libraries; one of them may know less."""
    import tomlkit  # noqa: PLC0415 -- only this test needs it

    def fail(_text: str) -> None:
        raise tomlkit.exceptions.ParseError(1, 1)

    monkeypatch.setattr(tomlkit, "parse", fail)
    with pytest.raises(CannotMergeError, match=r"cannot be changed here; add .* by hand"):
        merge(CODEX_FILE, CODEX, SERVER)


def test_a_text_with_a_hash_is_no_comment() -> None:
    """Nor are quotes in a comment a text."""
    text = 'a = \'#1\'\nb = "#2" # "3\nc = \'\'\'\n#4\'\'\'\nd = """\\"\n#5"""\n'

    assert formats.TOML.comments(text) == ['# "3']


def test_a_difference_shows_no_text_of_others() -> None:
    """They may be secrets; keys, and what this server's entry says, are shown."""
    before = """{"mcpServers": {
        "a": {"env": {"T": "canary \\" x"}}, // "canary"
        "o": {"env": {"T": "canary"}} // don't "canary"
    }}"""
    for client, text in ((CURSOR, before), (CODEX, CODEX_FILE.replace("HOME", "canary"))):
        shown = difference(merge(text, client, FULL), client, FULL, "/x")
        assert "canary" not in shown
        assert shown.startswith("--- /x\n+++ /x\n@@")
        assert '"full"' in shown
    one_line = json.dumps({"mcpServers": {"a": {"args": ["canary", 'can"ary']}}})
    assert "can" not in difference(merge(one_line, CURSOR, FULL), CURSOR, FULL, "/x")


TRIVIA = st.lists(
    st.sampled_from([" ", "\n", "\t", "\r\n", "/* c */", "// c\n", '// "x": {\n', "/* } */"]),
    max_size=3,
).map("".join)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Draw an object as a person may have written it, with servers or without."""

    def written(value: Any) -> str:
        if not (isinstance(value, dict | list) and value):
            return json.dumps(value, ensure_ascii=draw(st.booleans()))
        pairs = value.items() if isinstance(value, dict) else ((None, one) for one in value)
        members = [
            draw(TRIVIA)
            + ("" if key is None else json.dumps(key) + draw(TRIVIA) + ":" + draw(TRIVIA))
            + written(one)
            + draw(TRIVIA)
            for key, one in pairs
        ]
        body = ",".join(members) + ("," + draw(TRIVIA) if draw(st.booleans()) else "")
        return "{" + body + "}" if isinstance(value, dict) else "[" + body + "]"

    values = st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
        max_leaves=8,
    )
    content = draw(st.dictionaries(st.text(max_size=5), values, max_size=3))
    if draw(st.booleans()):
        content["servers"] = draw(st.dictionaries(st.text(max_size=5), values, max_size=3))
    if draw(st.booleans()):
        content["inputs"] = draw(st.lists(values, max_size=3))
    return draw(TRIVIA) + written(content) + draw(TRIVIA)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents())
def test_merging_changes_nothing_else_and_once_is_enough(text: str) -> None:
    """Whatever was there before: values, comments, every character but blanks in its order."""
    after = merge(text, VSCODE, SERVER).after

    content, before = parse(after), parse(text)
    assert content["servers"].pop("fivetran") == VSCODE.entry(SERVER)
    assert content["servers"] == before.pop("servers", {})
    there = before.pop("inputs", [])
    assert content["inputs"] == [*there, *VSCODE.inputs(SERVER)]
    del content["servers"], content["inputs"]
    assert content == before
    assert comments(after) == comments(text)
    characters = iter(after)
    assert all(character in characters for character in "".join(text.split()))
    assert merge(after, VSCODE, SERVER).after == after
