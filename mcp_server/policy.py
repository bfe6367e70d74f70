"""What may run: pure functions over mode, toolsets and effect. No I/O, no SDK."""

from enum import IntEnum
from typing import Final

from mcp_server.toolkit import Effect, Spec, ToolFailure


class Mode(IntEnum):
    """How much a server may do; each mode includes those before it."""

    READ_ONLY = 0
    WRITE = 1
    FULL = 2

    @property
    def word(self) -> str:
        """The mode as it is written in settings."""
        return _WORDS[self]


_WORDS: Final = {Mode.READ_ONLY: "read-only", Mode.WRITE: "write", Mode.FULL: "full"}
MODES: Final = {word: mode for mode, word in _WORDS.items()}

_NEEDED: Final = {
    Effect.READ: Mode.READ_ONLY,
    Effect.WRITE: Mode.WRITE,
    Effect.DESTRUCTIVE: Mode.FULL,
}


def needed_mode(effect: Effect) -> Mode:
    """Find the least mode that allows an effect."""
    return _NEEDED[effect]


def is_offered(spec: Spec, mode: Mode, toolsets: frozenset[str]) -> bool:
    """Whether a tool is listed."""
    return mode >= needed_mode(spec.effect) and spec.toolset in toolsets


def check_tool(spec: Spec, mode: Mode, toolsets: frozenset[str]) -> None:
    """Let a call pass to its arguments, or say what setting forbids it.

    Raises:
        ToolFailure: `mode_forbids` or `toolset_off`.
    """
    check_effect(spec.name, spec.effect, mode)
    if spec.toolset not in toolsets:
        raise ToolFailure(
            "toolset_off",
            f"{spec.name} belongs to the toolset {spec.toolset!r}, which this server does not offer",
            hint=f"Whoever runs the server can add it: --toolsets {spec.toolset},...",
        )


def check_effect(tool: str, effect: Effect, mode: Mode) -> None:
    """Let an effect pass, or name the mode it needs.

    Raises:
        ToolFailure: `mode_forbids`.
    """
    needed = needed_mode(effect)
    if mode < needed:
        raise ToolFailure(
            "mode_forbids",
            f"{tool} was refused and nothing was sent: this call needs the mode "
            f"{needed.word!r}, the server runs in {mode.word!r}",
            hint="Tell the person: whoever runs the server can start it with "
            f"--mode {needed.word} (or FIVETRAN_MCP_MODE={needed.word}). No argument changes it.",
        )
