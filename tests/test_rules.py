"""What a policy allows, confirms and denies."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_server.rules import STANDS_FOR, Act, Decision, Rules, Subject, Verdict, load, summary
from mcp_server.rules_tables import PolicyFile
from mcp_server.server import all_specs
from mcp_server.toolkit import Effect

SPECS = {spec.name: spec for spec in all_specs()}
TOOLS = frozenset(SPECS)
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)  # a Tuesday
ORDER: Sequence[Verdict] = ("allow", "confirm", "deny")
PROD = Subject(connector_id="solid_anchor", name="prod_db", service="postgres", group_id="pier")
TEST = Subject(connector_id="dusty_canyon", name="test_db", service="stripe", group_id="dune")
NEW = Subject(name="prod_new", service="postgres", group_id="dune", is_new=True)


def policy(**tables: Any) -> Rules:
    """Make a policy of the tables of a file."""
    return Rules(PolicyFile.model_validate(tables, context=TOOLS))


def rule(verdict: Verdict = "deny", name: str = "r", **conditions: Any) -> dict[str, Any]:
    """Write a rule."""
    return {"name": name, "verdict": verdict, **conditions}


def act(
    *subjects: Subject,
    tool: str = "pause_connector",
    effect: Effect = Effect.WRITE,
    **arguments: Any,
) -> Act:
    """Be about to make a call."""
    return Act(tool=tool, effect=effect, subjects=subjects, arguments=arguments)


def verdict(rules: Rules, call: Act, resyncs_today: int = 0) -> Verdict:
    """Judge a call at noon of a Tuesday."""
    return rules.decide(call, NOW, resyncs_today).verdict


def test_a_policy_without_a_word_on_a_call_allows_it() -> None:
    """The mode has allowed it already."""
    assert policy(caps={"bulk_targets": 1}).decide(act(PROD), NOW) == Decision(verdict="allow")


@pytest.mark.parametrize(
    ("conditions", "call", "held"),
    [
        ({}, act(PROD), True),
        ({}, act(effect=Effect.READ, tool="list_connectors"), True),
        ({"tools": ["pause_connector"]}, act(PROD), True),
        ({"tools": ["PAUSE_*"]}, act(PROD), True),
        ({"tools": ["*_connector"]}, act(PROD), True),
        ({"tools": ["resume_connector", "pause_*"]}, act(PROD), True),
        ({"tools": ["resume_connector"]}, act(PROD), False),
        ({"tools": ["sync_*", "resume_*"]}, act(PROD), False),
        ({"effects": ["write"]}, act(PROD), True),
        ({"effects": ["write"]}, act(PROD, effect=Effect.DESTRUCTIVE), True),
        ({"effects": ["write"]}, act(PROD, effect=Effect.READ), False),
        ({"effects": ["destructive"]}, act(PROD), False),
        ({"effects": ["destructive"]}, act(PROD, effect=Effect.DESTRUCTIVE), True),
        ({"effects": ["read"]}, act(PROD, effect=Effect.READ), True),
        ({"effects": ["read"]}, act(PROD), False),
        ({"groups": ["pier"]}, act(PROD), True),
        ({"groups": ["PIER"]}, act(PROD), True),
        ({"groups": ["dune", "p*"]}, act(PROD), True),
        ({"groups": ["pie"]}, act(PROD), False),
        ({"services": ["postgres"]}, act(PROD), True),
        ({"services": ["post*"]}, act(PROD), True),
        ({"services": ["stripe"]}, act(PROD), False),
        ({"connectors": ["prod_*"]}, act(PROD), True),
        ({"connectors": ["Prod_DB"]}, act(PROD), True),
        ({"connectors": ["*d*b"]}, act(PROD), True),
        ({"connectors": ["prod"]}, act(PROD), False),
        ({"connectors": ["stra\u00dfe"]}, act(replace(PROD, name="STRASSE")), True),
        ({"connectors": ["solid_anchor"]}, act(PROD), True),
        ({"connectors": ["id:solid_*"]}, act(PROD), True),
        ({"connectors": ["ID: Solid_Anchor"]}, act(PROD), True),
        ({"connectors": ["id:prod_db"]}, act(PROD), False),
        ({"connectors": ["nothing", "id:solid_anchor"]}, act(PROD), True),
        ({"connectors": ["id:other", "prod_*"]}, act(NEW), True),
        ({"connectors": ["id:*"]}, act(NEW), False),
        ({"groups": ["pier"], "services": ["postgres"], "connectors": ["prod_*"]}, act(PROD), True),
        (
            {"groups": ["dune"], "services": ["postgres"], "connectors": ["prod_*"]},
            act(PROD),
            False,
        ),
        ({"groups": ["pier"], "services": ["stripe"], "connectors": ["prod_*"]}, act(PROD), False),
        ({"groups": ["pier"], "services": ["postgres"], "connectors": ["test"]}, act(PROD), False),
        ({"tools": ["sync_*"], "groups": ["pier"]}, act(PROD), False),
        ({"groups": ["pier"]}, act(TEST, PROD), True),
        ({"groups": ["pier"]}, act(TEST), False),
    ],
)
def test_a_rule_forbids_where_all_its_conditions_hold(
    conditions: Mapping[str, Any], call: Act, held: bool
) -> None:
    """For all kinds of rules that forbid alike."""
    for forbids in ("deny", "confirm"):
        rules = policy(rules=[rule(forbids, **conditions)])
        assert verdict(rules, call) == (forbids if held else "allow")


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["allow"], "allow"),
        (["confirm"], "confirm"),
        (["deny", "allow"], "deny"),
        (["allow", "deny"], "allow"),
        (["confirm", "allow", "deny"], "confirm"),
        (["confirm", "deny"], "deny"),
        (["deny", "confirm"], "deny"),
        (["confirm", "deny", "allow"], "deny"),
    ],
)
def test_the_strictest_rule_above_the_first_allow_counts(
    verdicts: Sequence[Verdict], expected: Verdict
) -> None:
    """The others might as well not be there."""
    rules = policy(rules=[rule(each, f"{at}", groups=["pier"]) for at, each in enumerate(verdicts)])

    assert verdict(rules, act(PROD)) == expected
    assert verdict(rules, act(TEST)) == "allow"


def test_the_first_of_the_strictest_rules_is_named() -> None:
    """One is enough to know what to change."""
    rules = policy(rules=[rule("confirm", "a"), rule("deny", "b"), rule("deny", "c")])

    assert rules.decide(act(PROD), NOW).rule == "rule 'b'"


UNKNOWN = {
    "nothing is known": Subject(),
    "only the id": Subject(connector_id="solid_anchor"),
    "empty texts": Subject(connector_id="", name="", service="", group_id=""),
    "texts that do not show": Subject(
        connector_id="x", name="\u200b", service="\u2060", group_id="\u202e"
    ),
}


@pytest.mark.parametrize("subject", UNKNOWN.values(), ids=UNKNOWN.keys())
@pytest.mark.parametrize(
    "conditions", [{"groups": ["x"]}, {"services": ["x"]}, {"connectors": ["never"]}]
)
def test_what_is_not_known_of_a_connector_counts_against_a_change(
    subject: Subject, conditions: Mapping[str, Any]
) -> None:
    """And does not count for an exception from a rule."""
    denied = policy(rules=[rule("deny", **conditions)]).decide(act(subject), NOW)
    exception = policy(rules=[rule("allow", "a", **conditions), rule("deny")])

    assert denied.verdict == "deny"
    assert "not all is known" in denied.message
    assert verdict(exception, act(subject)) == "deny"


def test_a_change_that_names_no_connector_counts_as_any() -> None:
    """As if nothing were known of it."""
    rules = policy(protected={"groups": ["pier"]})

    assert verdict(rules, act(tool="update_connector")) == "deny"


def test_what_is_known_not_to_match_is_enough() -> None:
    """The group is unknown, but the service is another."""
    rules = policy(rules=[rule(groups=["pier"], services=["stripe"])])

    assert verdict(rules, act(Subject(connector_id="x", service="postgres"))) == "allow"


def test_a_list_is_about_no_connector_in_particular() -> None:
    """But a read of a connector that is not known is."""
    rules = policy(rules=[rule(groups=["pier"])])

    assert verdict(rules, act(tool="list_connectors", effect=Effect.READ)) == "allow"
    unknown = Subject(connector_id="x")
    assert verdict(rules, act(unknown, tool="get_connector", effect=Effect.READ)) == "deny"


@pytest.mark.parametrize(
    "name",
    [
        "prod_billing",
        "Prod_Billing",
        "prod\u200b_billing",
        "\u2066prod_billing\u2069",
        "prod_\x00billing",
        " prod_billing ",
        "p\u00adrod_billing",
        "\uff50\uff52\uff4f\uff44_billing",
        "prod\ufe0f_billing",
    ],
)
def test_a_name_does_not_dodge_a_rule_by_what_does_not_show(name: str) -> None:
    """Nor by its case, its width, or white space around it."""
    subject = Subject(connector_id="x", name=name, service="s", group_id="g")

    assert verdict(policy(rules=[rule(connectors=["prod_*"])]), act(subject)) == "deny"
    assert verdict(policy(protected={"connectors": ["PROD_BILLING"]}), act(subject)) == "deny"


def test_letters_that_look_alike_are_different_letters() -> None:
    """Which is said where the file is explained; ids cannot be imitated."""
    subject = Subject(connector_id="x", name="pr\u043ed_billing", service="s", group_id="g")

    assert verdict(policy(rules=[rule(connectors=["prod_*"])]), act(subject)) == "allow"
    assert verdict(policy(rules=[rule(connectors=["id:x"])]), act(subject)) == "deny"


@pytest.mark.parametrize(
    ("protected", "subject", "expected"),
    [
        ({"connectors": ["prod_*"]}, PROD, "deny"),
        ({"connectors": ["id:solid_anchor"]}, PROD, "deny"),
        ({"connectors": ["prod_*"]}, TEST, "allow"),
        ({"groups": ["pier"]}, PROD, "deny"),
        ({"groups": ["pier"]}, TEST, "allow"),
        ({"connectors": ["other"], "groups": ["pier"]}, PROD, "deny"),
        ({"connectors": ["prod_*"], "groups": ["other"]}, PROD, "deny"),
        ({"connectors": ["other"], "groups": ["other"]}, PROD, "allow"),
        ({"connectors": ["prod_*"]}, NEW, "deny"),
        ({"groups": ["dune"]}, NEW, "deny"),
    ],
)
def test_what_is_protected_is_only_read(
    protected: Mapping[str, Any], subject: Subject, expected: Verdict
) -> None:
    """Whatever the rules say."""
    rules = policy(protected=protected, rules=[rule("allow")])

    assert verdict(rules, act(subject)) == expected
    assert verdict(rules, act(subject, effect=Effect.DESTRUCTIVE)) == expected
    assert verdict(rules, act(subject, tool="get_connector", effect=Effect.READ)) == "allow"


@pytest.mark.parametrize(
    "tables",
    [
        {"protected": {"groups": ["pier"]}},
        {"rules": [rule(groups=["pier"])]},
        {"freeze": [{"name": "f", "days": ["tue"], "groups": ["pier"]}]},
    ],
)
def test_a_move_is_judged_where_it_goes_too(tables: Any) -> None:
    """Nothing is moved into a group that may not be changed, nor out of it."""
    rules = policy(**tables)
    call: Any = {"tool": "move_connector", "effect": Effect.DESTRUCTIVE}

    assert verdict(rules, act(TEST, **call, group_id="pier")) == "deny"
    assert verdict(rules, act(PROD, **call, group_id="dune")) == "deny"
    assert verdict(rules, act(TEST, **call, group_id="other")) == "allow"
    assert verdict(rules, act(TEST, **call)) == "deny"


@pytest.mark.parametrize(
    ("call", "also"),
    [
        (act(PROD, tool="bulk_update", action="pause"), "pause_connector"),
        (act(PROD, tool="bulk_update", action="resume"), "resume_connector"),
        (act(PROD, tool="bulk_update", action="sync"), "sync_connector"),
        (act(PROD, tool="bulk_update", action="set_sync_frequency"), "set_sync_frequency"),
        (act(PROD, tool="update_connector", paused=True), "pause_connector"),
        (act(PROD, tool="update_connector", paused=False), "resume_connector"),
        (act(PROD, tool="update_connector", sync_frequency=5), "set_sync_frequency"),
        (act(PROD, tool="update_connector", schedule_type="manual"), "set_sync_frequency"),
        (act(PROD, tool="update_connector", run_setup_tests=True), "run_setup_tests"),
        (act(NEW, tool="create_connector", connect_card_redirect_uri="x"), "create_connect_card"),
        (act(PROD, tool="run_setup_tests", trust_certificates=True), "approve_trust"),
    ],
)
def test_a_call_is_taken_for_every_tool_whose_work_it_does(call: Act, also: str) -> None:
    """To forbid, one is enough; to allow, all are needed."""
    assert verdict(policy(rules=[rule(tools=[also])]), call) == "deny"
    assert verdict(policy(rules=[rule("allow", "a", tools=[also]), rule()]), call) == "deny"
    assert verdict(policy(rules=[rule("allow", "a", tools=[call.tool]), rule()]), call) == "deny"
    both = rule("allow", "a", tools=[also, call.tool])
    assert verdict(policy(rules=[both, rule()]), call) == "allow"


@pytest.mark.parametrize(
    "call",
    [
        act(PROD, tool="update_connector", paused=None, sync_frequency=None, config={}),
        act(PROD, tool="run_setup_tests", trust_certificates=False),
        act(PROD, tool="bulk_update", action="sync"),
    ],
)
def test_a_call_is_not_taken_for_a_tool_whose_work_it_does_not_do(call: Act) -> None:
    """An argument that is left out asks for nothing."""
    others = ["pause_connector", "resume_connector", "set_sync_frequency", "approve_trust"]

    assert verdict(policy(rules=[rule(tools=others)]), call) == "allow"


def test_the_tools_that_do_the_work_of_others_are_real() -> None:
    """And so are their arguments; a tool that is renamed must not drop out."""
    for tool, argument, _, other in STANDS_FOR:
        assert argument in inspect.signature(SPECS[tool].fn).parameters
        assert other in SPECS


@pytest.mark.parametrize(
    ("caps", "call", "resyncs", "expected"),
    [
        ({"bulk_targets": 1}, act(PROD, TEST, tool="bulk_update"), 0, "deny"),
        ({"bulk_targets": 2}, act(PROD, TEST, tool="bulk_update"), 0, "allow"),
        ({"bulk_targets": 0}, act(PROD, tool="bulk_update"), 0, "deny"),
        ({"bulk_targets": 0}, act(PROD), 0, "allow"),
        ({"bulk_targets": 0}, act(PROD, tool="bulk_update", effect=Effect.READ), 0, "allow"),
        ({"resyncs_per_day": 2}, act(PROD, tool="resync_connector"), 1, "allow"),
        ({"resyncs_per_day": 2}, act(PROD, tool="resync_connector"), 2, "deny"),
        ({"resyncs_per_day": 0}, act(PROD, tool="resync_connector"), 0, "deny"),
        ({"resyncs_per_day": 2}, act(PROD, tool="sync_connector"), 9, "allow"),
        ({"smallest_sync_frequency": 15}, act(PROD, minutes=5), 0, "deny"),
        ({"smallest_sync_frequency": 15}, act(PROD, minutes=15), 0, "allow"),
        ({"smallest_sync_frequency": 15}, act(PROD, minutes=30.0), 0, "allow"),
        ({"smallest_sync_frequency": 15}, act(PROD, sync_frequency=1), 0, "deny"),
        ({"smallest_sync_frequency": 15}, act(NEW, sync_frequency=60), 0, "allow"),
        ({"smallest_sync_frequency": 15}, act(PROD, minutes=None), 0, "allow"),
        ({"smallest_sync_frequency": 15}, act(PROD, minutes="60"), 0, "deny"),
        ({"smallest_sync_frequency": 15}, act(PROD, minutes=float("nan")), 0, "deny"),
        ({"smallest_sync_frequency": 15}, act(PROD, minutes=1, effect=Effect.READ), 0, "allow"),
        ({"resyncs_per_day": 2}, act(PROD, minutes=1), 0, "allow"),
    ],
)
def test_a_cap_holds(caps: Mapping[str, int], call: Act, resyncs: int, expected: Verdict) -> None:
    """Whatever the rules allow; what is no number is not below it either."""
    rules = policy(caps=caps, rules=[rule("allow")])

    assert verdict(rules, call, resyncs) == expected


def test_a_freeze_stops_changes_where_it_holds() -> None:
    """And nowhere else, and no reads."""
    here = policy(
        freeze=[{"name": "f", "days": ["tue"], "groups": ["pier"]}], rules=[rule("allow")]
    )

    assert verdict(here, act(PROD)) == "deny"
    assert verdict(here, act(TEST)) == "allow"
    assert verdict(here, act(PROD, effect=Effect.READ)) == "allow"
    assert verdict(policy(freeze=[{"name": "f", "days": ["tue"]}]), act(TEST)) == "deny"
    assert verdict(policy(freeze=[{"name": "f", "days": ["wed"]}]), act(TEST)) == "allow"


@pytest.mark.parametrize(
    ("tables", "tool", "effect", "needed"),
    [
        ({"rules": [rule()]}, "pause_connector", Effect.WRITE, False),
        ({"rules": [rule(tools=["pause_*"])]}, "pause_connector", Effect.WRITE, False),
        ({"rules": [rule(groups=["g"])]}, "pause_connector", Effect.WRITE, True),
        ({"rules": [rule(services=["g"])]}, "get_connector", Effect.READ, True),
        ({"rules": [rule("allow", connectors=["g"])]}, "get_connector", Effect.READ, True),
        (
            {"rules": [rule(groups=["g"], effects=["write"])]},
            "get_connector",
            Effect.READ,
            False,
        ),
        (
            {"rules": [rule(groups=["g"], effects=["destructive"])]},
            "reload_schema_config",
            Effect.WRITE,
            True,
        ),
        (
            {"rules": [rule(groups=["g"], effects=["read"])]},
            "pause_connector",
            Effect.WRITE,
            False,
        ),
        ({"rules": [rule(groups=["g"], tools=["sync_*"])]}, "pause_connector", Effect.WRITE, False),
        ({"rules": [rule(groups=["g"], tools=["sync_*"])]}, "bulk_update", Effect.WRITE, True),
        ({"protected": {"groups": ["g"]}}, "pause_connector", Effect.WRITE, True),
        ({"protected": {"connectors": ["g"]}}, "delete_connector", Effect.DESTRUCTIVE, True),
        ({"protected": {"groups": ["g"]}}, "get_connector", Effect.READ, False),
        ({"freeze": [{"name": "f", "days": ["fri"]}]}, "pause_connector", Effect.WRITE, False),
        (
            {"freeze": [{"name": "f", "days": ["fri"], "groups": ["g"]}]},
            "pause_connector",
            Effect.WRITE,
            True,
        ),
        ({"caps": {"bulk_targets": 1}}, "bulk_update", Effect.WRITE, False),
    ],
)
def test_a_connector_is_read_only_where_a_rule_depends_on_it(
    tables: Any, tool: str, effect: Effect, needed: bool
) -> None:
    """So that a policy costs no request that it does not need."""
    assert policy(**tables).needs_subject(tool, effect) is needed


def test_a_refusal_says_which_rule_about_what_and_what_to_do() -> None:
    """In words for the model."""
    rules = policy(rules=[rule(name="Hands off", groups=["pier"], reason="It is production")])

    assert rules.decide(act(PROD), NOW) == Decision(
        verdict="deny",
        rule="rule 'Hands off'",
        message="pause_connector was refused and nothing was changed: rule 'Hands off' (It is"
        " production) forbids it for connector solid_anchor",
        hint="Tell the person: whoever runs the server can change rule 'Hands off' in its policy"
        " file. Do not try any other way.",
        subject_ids=["solid_anchor"],
    )


def test_a_bulk_change_is_refused_for_the_connectors_that_a_rule_is_about() -> None:
    """The others are counted, so that a person can choose them."""
    rules = policy(rules=[rule(groups=["pier"])], protected={"connectors": ["secret"]})
    secret = Subject(connector_id="b", name="secret", service="s", group_id="g")
    decision = rules.decide(act(PROD, TEST, secret, tool="bulk_update"), NOW)

    assert decision.subject_ids == ["solid_anchor", "b"]
    assert "rule 'r' forbids it for connector solid_anchor; [protected]" in decision.message
    assert "rest (1)" in decision.hint
    assert "rule 'r', [protected]" in decision.hint
    assert "dusty_canyon" not in decision.message


def test_a_denial_of_one_connector_weighs_more_than_a_confirmation_of_another() -> None:
    """What is only to be confirmed is not named with it."""
    rules = policy(
        rules=[rule("confirm", "c", groups=["dune"]), rule("deny", "d", groups=["pier"])]
    )
    decision = rules.decide(act(TEST, PROD, tool="bulk_update"), NOW)

    assert decision.verdict == "deny"
    assert decision.subject_ids == ["solid_anchor"]
    assert "'c'" not in decision.message


def test_a_confirmation_says_what_to_show() -> None:
    """And does not tell the model to give up."""
    decision = policy(rules=[rule("confirm", "c")]).decide(act(PROD, TEST), NOW)

    assert decision.message == (
        "pause_connector was not done yet: rule 'c' wants a person to agree first for connectors"
        " solid_anchor, dusty_canyon"
    )
    assert "only if they agree" in decision.hint
    assert "other way" not in decision.hint


def test_what_helps_is_said_only_where_it_is_enough() -> None:
    """Waiting for tomorrow does not help against a rule."""
    caps = {"resyncs_per_day": 0}
    call = act(PROD, tool="resync_connector", effect=Effect.DESTRUCTIVE)

    assert "00:00 UTC" in policy(caps=caps).decide(call, NOW).hint
    assert "00:00 UTC" not in policy(caps=caps, rules=[rule()]).decide(call, NOW).hint


def test_a_freeze_says_when_and_why() -> None:
    """So that a person knows how long to wait."""
    freeze = {"name": "Close", "days": ["tue"], "from": "09:00", "reason": "The books are closed"}
    decision = policy(freeze=[freeze]).decide(act(PROD), NOW)

    assert "(The books are closed; no changes tue from 09:00 (UTC))" in decision.message
    assert "Wait until it is over." in decision.hint


def test_a_refusal_stays_short_however_much_is_refused() -> None:
    """And says how much more there is."""
    many = [
        Subject(connector_id=f"c{at}", name=f"n{at}", service="s", group_id=f"g{at % 8}")
        for at in range(500)
    ]
    rules = policy(rules=[rule(name=f"rule {at}", groups=[f"g{at}"]) for at in range(8)])
    decision = rules.decide(act(*many, tool="bulk_update"), NOW)

    assert len(decision.subject_ids) == 500
    assert "and 53 more" in decision.message
    assert decision.message.endswith("; and 3 more")
    assert len(decision.message) < 1000


def test_a_policy_is_said_in_words() -> None:
    """One line for each of its tables."""
    rules = policy(
        rules=[
            rule("allow", "free", groups=["dune"], effects=["write"]),
            rule("deny", "no", tools=["delete_*"], effects=["write"], connectors=["prod_*"]),
            rule("confirm", "ask", services=[f"s{at}" for at in range(12)], effects=["read"]),
            rule("confirm", "rest"),
        ],
        protected={"connectors": ["billing"], "groups": ["pier"]},
        caps={"bulk_targets": 20, "smallest_sync_frequency": 15},
        freeze=[
            {"name": "f", "days": ["fri"], "groups": ["pier"]},
            {"name": "g", "until": "08:00"},
        ],
    )

    assert summary(rules) == [
        "rule 'free': allow effects write; groups dune",
        "rule 'no': deny tools delete_*; effects write, destructive; connectors prod_*",
        "rule 'ask': confirm effects read; services s0, s1, s2, s3, s4, s5, s6, s7, s8, s9 and 2 more",
        "rule 'rest': confirm everything",
        "[protected]: nothing but reads for connectors billing",
        "[protected]: nothing but reads for groups pier",
        "[caps]: bulk_targets 20, smallest_sync_frequency 15",
        "freeze 'f': no changes fri (UTC) for groups pier",
        "freeze 'g': no changes until 08:00 (UTC)",
    ]
    assert summary(policy(rules=[rule()])) == ["rule 'r': deny everything"]


def test_a_policy_is_read_from_its_file(tmp_path: Path) -> None:
    """With the tools that there are."""
    path = tmp_path / "policy.toml"
    path.write_text('[[rules]]\nname = "no"\ntools = ["delete_*"]\nverdict = "deny"\n')
    rules = load(path, tools=TOOLS)

    assert verdict(rules, act(PROD, tool="delete_connector")) == "deny"
    assert verdict(rules, act(PROD)) == "allow"


def some(values: Sequence[str]) -> st.SearchStrategy[list[str]]:
    """Draw a list of conditions."""
    return st.lists(st.sampled_from(values), min_size=1, max_size=2)


CONDITIONS = st.fixed_dictionaries(
    {},
    optional={
        "tools": some(["pause_connector", "bulk_update", "*_connector", "*"]),
        "effects": some(["read", "write", "destructive"]),
        "groups": some(["pier", "dune", "p*"]),
        "services": some(["postgres", "*"]),
        "connectors": some(["prod_*", "id:a", "test_db"]),
    },
)
RULES = st.builds(
    lambda conditions, kind: rule(kind, **conditions), CONDITIONS, st.sampled_from(ORDER)
)
SUBJECTS = st.builds(
    Subject,
    connector_id=st.sampled_from([None, "a", "b"]),
    name=st.sampled_from([None, "prod_db", "test_db"]),
    service=st.sampled_from([None, "postgres", "stripe"]),
    group_id=st.sampled_from([None, "pier", "dune"]),
    is_new=st.booleans(),
)
ACTS = st.builds(
    lambda tool, effect, subjects, action: act(*subjects, tool=tool, effect=effect, action=action),
    st.sampled_from(["pause_connector", "bulk_update", "get_connector"]),
    st.sampled_from(Effect),
    st.lists(SUBJECTS, max_size=3),
    st.sampled_from(["pause", "sync"]),
)
quick = settings(deadline=None, max_examples=200)


def strictness(rows: Sequence[Mapping[str, Any]], call: Act) -> int:
    """Tell how strictly rules judge a call."""
    named = [{**row, "name": f"{at}"} for at, row in enumerate(rows)]
    tables = {"rules": named} if named else {"caps": {"bulk_targets": 500}}
    return ORDER.index(verdict(policy(**tables), call))


@quick
@given(st.lists(RULES, max_size=5), RULES, st.integers(0, 5), ACTS)
def test_a_rule_that_is_added_loosens_nothing_unless_it_allows(
    rows: list[dict[str, Any]], added: dict[str, Any], at: int, call: Act
) -> None:
    """One that allows tightens nothing, and at the end it changes nothing."""
    before, after = strictness(rows, call), strictness([*rows[:at], added, *rows[at:]], call)

    if added["verdict"] == "allow":
        assert after <= before
        assert strictness([*rows, added], call) == before
    else:
        assert after >= before
        assert after in {before, ORDER.index(added["verdict"])}


@quick
@given(st.lists(RULES, max_size=5), SUBJECTS, st.sampled_from(["name", "service", "group_id"]))
def test_knowing_less_of_a_connector_never_loosens(
    rows: list[dict[str, Any]], subject: Subject, hidden: str
) -> None:
    """So an API that leaves something out opens nothing."""
    parts = {name: getattr(subject, name) for name in Subject.__dataclass_fields__}
    less = Subject(**{**parts, hidden: None})

    assert strictness(rows, act(less)) >= strictness(rows, act(subject))


@quick
@given(st.lists(RULES, max_size=5), ACTS)
def test_a_call_is_judged_as_its_strictest_connector(rows: list[dict[str, Any]], call: Act) -> None:
    """To add a harmless one hides nothing."""
    alone = [
        strictness(rows, act(each, tool=call.tool, effect=call.effect, **call.arguments))
        for each in call.subjects
    ]

    assert strictness(rows, call) == max(alone, default=strictness(rows, call))


@quick
@given(st.lists(RULES, max_size=4), ACTS)
def test_no_rule_opens_what_is_protected_capped_or_frozen(
    rows: list[dict[str, Any]], call: Act
) -> None:
    """Not even one that allows everything."""
    named = [{**row, "name": f"{at}"} for at, row in enumerate([*rows, rule("allow")])]
    frozen = {"freeze": [{"name": "f", "days": ["tue"]}]}
    expected = "deny" if call.effect is not Effect.READ else verdict(policy(rules=named), call)

    assert verdict(policy(rules=named, **frozen), call) == expected
    assert verdict(policy(rules=named, protected={"groups": ["*"]}), call) == expected


@quick
@given(st.lists(RULES, min_size=1, max_size=4), ACTS)
def test_a_call_that_needs_no_connector_is_judged_without_one(
    rows: list[dict[str, Any]], call: Act
) -> None:
    """So the gate may leave it unread."""
    rules = policy(rules=[{**row, "name": f"{at}"} for at, row in enumerate(rows)])
    if not rules.needs_subject(call.tool, call.effect):
        bare = act(tool=call.tool, effect=call.effect, **call.arguments)
        assert verdict(rules, call) == verdict(rules, bare)
