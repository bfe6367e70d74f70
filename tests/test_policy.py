"""What may run."""

import pytest

from mcp_server.policy import MODES, Mode, check_effect, check_tool, is_offered, needed_mode
from mcp_server.server import all_specs
from mcp_server.toolkit import Effect, Spec, ToolFailure

EVERY = frozenset({"connectors", "groups", "schemas", "setup", "syncs"})
SPECS = {spec.name: spec for spec in all_specs()}


@pytest.mark.parametrize(
    ("mode", "effects"),
    [
        (Mode.READ_ONLY, {Effect.READ}),
        (Mode.WRITE, {Effect.READ, Effect.WRITE}),
        (Mode.FULL, {Effect.READ, Effect.WRITE, Effect.DESTRUCTIVE}),
    ],
)
def test_a_mode_offers_the_effects_up_to_its_own(mode: Mode, effects: set[Effect]) -> None:
    """And lets no other pass."""
    offered = {spec.effect for spec in SPECS.values() if is_offered(spec, mode, EVERY)}

    assert offered == effects
    for effect in Effect:
        if effect in effects:
            check_effect("x", effect, mode)
        else:
            with pytest.raises(ToolFailure) as caught:
                check_effect("x", effect, mode)
            assert caught.value.code == "mode_forbids"
            assert f"--mode {needed_mode(effect).word}" in caught.value.hint


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_a_tool_of_another_toolset_is_neither_listed_nor_run(spec: Spec) -> None:
    """Not even in mode full."""
    others = EVERY - {spec.toolset}

    assert not is_offered(spec, Mode.FULL, others)
    with pytest.raises(ToolFailure) as caught:
        check_tool(spec, Mode.FULL, others)
    assert caught.value.code == "toolset_off"
    assert spec.toolset in caught.value.hint


def test_the_words_of_modes_lead_back_to_them() -> None:
    """Settings and messages use the same words."""
    assert {word: mode.word for word, mode in MODES.items()} == {word: word for word in MODES}
