"""Completions: what a person may mean who begins to type the argument of a prompt or an address."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    Completion,
    CompletionArgument,
    CompletionContext,
    PromptReference,
    ResourceTemplateReference,
)

from mcp_server.fivetran import Fivetran
from mcp_server.fivetran.errors import FivetranError
from mcp_server.gate import Gate
from mcp_server.toolkit import Spec
from mcp_server.tools.codes import KNOWN
from mcp_server.tools.paging import pages
from mcp_server.untrusted import clean_name, hide

MOST_VALUES: Final = 100
"""The protocol allows no more."""
MOST_PAGES: Final = 5
LONGEST_VALUE: Final = 200
KEPT: Final = timedelta(seconds=60)
"""A person types faster than connectors are made, and each letter asks again."""

Pair = tuple[str, str]
"""An id and a name."""


class Completer:
    """Finds what completes an argument, in what the server's tools could be asked for as well."""

    def __init__(
        self,
        gate: Gate,
        specs: Sequence[Spec],
        arguments: Mapping[str, frozenset[str]],
        fivetran: Callable[[], Fivetran],
    ) -> None:
        """`arguments` are those of each prompt and address; `fivetran` gives the client."""
        self._specs = specs
        self._gate = gate
        self._arguments = arguments
        self._fivetran = fivetran
        self._kept: dict[str, tuple[datetime, tuple[Pair, ...]]] = {}

    async def __call__(
        self,
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        context: CompletionContext | None,
    ) -> Completion:
        """Complete an argument; one that can be anything has no completions.

        Raises:
            MCPError: There is no such prompt, address or argument, or Fivetran did not answer.
        """
        place = ref.name if isinstance(ref, PromptReference) else ref.uri
        if argument.name not in self._arguments.get(place, ()):
            raise MCPError(
                INVALID_PARAMS, "There is no such argument of a prompt or resource template"
            )
        before = (context.arguments if context else None) or {}
        try:
            values = await self._values(argument.name, before)
        except FivetranError as error:
            raise MCPError(
                INTERNAL_ERROR, f"Nothing can be completed at the moment: {error.message}"
            ) from None
        return self._fitting(argument.value, values)

    def _offers(self, tool: str) -> bool:
        """Whether the caller could ask a tool for the same; a policy is not applied to names."""
        spec = next(spec for spec in self._specs if spec.name == tool)
        return self._gate.rules is None and self._gate.offers_caller(spec)

    async def _values(self, name: str, before: Mapping[str, str]) -> Iterable[Pair]:
        """Find all values of an argument, each with the text by which it is also found."""
        match name:
            case "connector" | "connector_id" if self._offers("list_connectors"):
                found = await self._remembered("connectors", self._connectors)
                return found if name == "connector_id" else _by_name(found)
            case "group" if self._offers("list_groups"):
                return _by_name(await self._remembered("groups", self._groups))
            case "service" if self._offers("search_connector_types"):
                types = await self._fivetran().connector_types.all()
                return [(each.id, each.name or "") for each in types]
            case "schema" if self._offers("get_schema_config"):
                return await self._schemas(before)
            case "code":
                return [(code, "") for code in KNOWN]
        return []

    async def _connectors(self) -> tuple[Pair, ...]:
        fivetran = self._fivetran()
        found: dict[str, str] = {}
        walked = 0
        async for _, page in pages(lambda at: fivetran.connections.page(cursor=at), ""):
            found.update({each.id: each.name or "" for each in page.items})
            walked += 1
            if walked == MOST_PAGES:
                break
        return tuple(found.items())

    async def _groups(self) -> tuple[Pair, ...]:
        page = await self._fivetran().groups.page()
        return tuple((each.id, each.name or "") for each in page.items)

    async def _schemas(self, before: Mapping[str, str]) -> list[Pair]:
        """Name the schemas of the connector that was given before, by its id or its name."""
        wanted = before.get("connector_id") or before.get("connector")
        known = await self._remembered("connectors", self._connectors) if wanted else ()
        ids = [id_ for id_, name in known if wanted in {id_, name}]
        if len(ids) != 1:
            return []
        config = await self._fivetran().schemas.get(ids[0])
        return [(name, "") for name in config.schemas]

    async def _remembered(
        self, what: str, read: Callable[[], Awaitable[tuple[Pair, ...]]]
    ) -> tuple[Pair, ...]:
        now = self._fivetran().now()
        until, pairs = self._kept.get(what, (now, ()))
        if until <= now:
            pairs = await read()
            self._kept[what] = (now + KEPT, pairs)
        return pairs

    def _fitting(self, typed: str, values: Iterable[Pair]) -> Completion:
        """Choose what holds the typed text, first what begins with it."""
        wanted = typed.casefold()
        shown = ((clean_name(value), clean_name(also)) for value, also in values)
        fits = {
            value: (not value.casefold().startswith(wanted), value.casefold())
            for value, also in shown
            if value and len(value) <= LONGEST_VALUE and wanted in f"{value}\n{also}".casefold()
        }
        ordered = sorted(fits, key=lambda value: fits[value])
        return Completion(
            values=hide(ordered[:MOST_VALUES], self._gate.vault.known()),
            total=len(ordered),
            has_more=len(ordered) > MOST_VALUES,
        )


def _by_name(pairs: Iterable[Pair]) -> list[Pair]:
    """Offer names, which people know; by its id what has none."""
    return [(name or id_, id_) for id_, name in pairs]
