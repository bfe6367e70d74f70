"""Credentials in a configuration: named instead of written, never shown, never lost to a mask."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from mcp_server.toolkit import ToolFailure
from mcp_server.tools.config_fields import join
from mcp_server.tools.targets import listed
from mcp_server.untrusted import (
    REDACTED,
    clean,
    is_mask,
    is_reference,
    is_secret_name,
    scrub,
)
from mcp_server.vault import NoSecretError, Source, Vault

SOURCES: Final[tuple[Source, ...]] = ("$env", "$file")
CLOSED: Final = (
    "this server looks up no references: whoever runs it can open variables"
    " (FIVETRAN_MCP_SECRET_ENV) or a directory (FIVETRAN_MCP_SECRET_DIR)"
)
MALFORMED: Final = 'write a reference as {"$env": "NAME"} or {"$file": "name"} and nothing else'
_STAND_IN: Final = re.compile(rf".*{re.escape(REDACTED)}.*|.*… \[\d+ more characters\]", re.DOTALL)
"""What `mcp_server.untrusted` writes in place of a value."""


def texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Walk over every text of a configuration, each with its path."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from texts(item, join(path, str(name)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from texts(item, f"{path}[{index}]")
    elif isinstance(value, str):
        yield path, value


def refuse_masks(fields: Mapping[str, Any]) -> None:
    """Refuse what is shown in place of a value: sent back it would overwrite the value.

    Raises:
        ToolFailure: Some value is a mask, redacted or shortened.
    """
    masked = [
        path
        for root, value in fields.items()
        for path, text in texts(value, root)
        if is_mask(text) or _STAND_IN.fullmatch(text)
    ]
    if masked:
        raise ToolFailure(
            "invalid_arguments",
            "Nothing was sent: what is given here is only shown in place of a value (a mask, redacted"
            f" or shortened) and would overwrite it: {listed(masked)}",
            hint="Leave the field out to keep its present value, or give the real one.",
        )


@dataclass(frozen=True, slots=True)
class Filler:
    """Puts values in the place of references, and collects what is wrong with them, by path."""

    vault: Vault
    problems: list[str] = field(default_factory=list)

    def fill(self, value: Any, path: str) -> Any:
        """Copy a configuration with every reference replaced; one that gives nothing stays."""
        if isinstance(value, Mapping):
            if any(source in value for source in SOURCES):
                return self._look_up(value, path)
            return {name: self.fill(item, join(path, str(name))) for name, item in value.items()}
        if isinstance(value, list):
            return [self.fill(item, f"{path}[{index}]") for index, item in enumerate(value)]
        return value

    def _look_up(self, reference: Mapping[str, Any], path: str) -> Any:
        if not is_reference(reference):
            self.problems.append(f"{path}: {MALFORMED}")
            return reference
        if not self.vault.is_open:
            self.problems.append(f"{path}: {CLOSED}")
            return reference
        ((source, name),) = reference.items()
        try:
            return self.vault.value(cast("Source", source), name)
        except NoSecretError as error:
            known = listed(self.vault.names(cast("Source", source))) or "none"
            self.problems.append(f"{path}: {source} {clean(name, 100)!r}: {error}; open: {known}")
            return reference


def shown(value: Any, path: str, secret_paths: Collection[str]) -> Any:
    """Copy a configuration as a person may see it: references as they are, credentials redacted."""
    if is_reference(value):
        return value
    if isinstance(value, Mapping):
        return {str(k): shown(v, join(path, str(k)), secret_paths) for k, v in value.items()}
    if isinstance(value, list):
        return [shown(item, f"{path}[{index}]", secret_paths) for index, item in enumerate(value)]
    name = path.rpartition(".")[2].partition("[")[0]
    if path in secret_paths or (isinstance(value, str) and is_secret_name(name)):
        return REDACTED
    return clean(scrub(value)) if isinstance(value, str) else value
