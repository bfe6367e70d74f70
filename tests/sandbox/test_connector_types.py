"""Metadata of connector types, as the API's documents describe it."""

from typing import Any

import httpx
import pytest

from mcp_server.sandbox import Sandbox
from mcp_server.sandbox.connector_fields import AUTH, CONFIG
from mcp_server.sandbox.connector_names import MODELLED
from mcp_server.sandbox.services import SERVICES

TYPES = "/v1/metadata/connector-types"


async def items(api: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Read the whole list."""
    found: list[dict[str, Any]] = (await api.get(TYPES, params={"limit": 1000})).json()["data"][
        "items"
    ]
    return found


async def config_of(api: httpx.AsyncClient, service: str) -> dict[str, Any]:
    """Read what a type's configuration consists of."""
    config: dict[str, Any] = (await api.get(f"{TYPES}/{service}")).json()["data"]["config"]
    return config


async def test_some_770_types_are_listed_each_once(api: httpx.AsyncClient) -> None:
    """As many as Fivetran has; those that can be connected here are among them."""
    ids = [item["id"] for item in await items(api)]

    assert len(ids) == len(set(ids)) == 770
    assert {*SERVICES, "postgres_rds", "aurora_postgres", "mysql_rds"} <= set(ids)


async def test_types_are_listed_page_by_page(api: httpx.AsyncClient) -> None:
    """A hundred unless said otherwise; the last page has no cursor."""
    seen, params, pages = [], dict[str, str](), 0
    while pages == 0 or params:
        data = (await api.get(TYPES, params=params)).json()["data"]
        seen += data["items"]
        pages += 1
        params = {"cursor": data["next_cursor"]} if "next_cursor" in data else {}

    assert pages == 8
    assert seen == await items(api)


async def test_the_list_tells_what_a_type_is_and_can_but_not_what_it_needs(
    api: httpx.AsyncClient,
) -> None:
    """The needs are told one by one."""
    found = {item["id"]: item for item in await items(api)}

    assert not any({"config", "auth"} & item.keys() for item in found.values())
    assert found["google_ads"]["name"] == "Google Ads"
    assert found["google_sheets"]["supported_features"] == [
        {"id": "API_CONFIGURABLE"},
        {"id": "RE_SYNC", "notes": "Connection level"},
        {"id": "AUTHORIZATION_VIA_API"},
    ]
    postgres = {each["id"]: each for each in found["postgres"]["supported_features"]}
    assert postgres["RE_SYNC"]["notes"] == "Connection and table level"
    assert {"HISTORY", "COLUMN_HASHING"} <= postgres.keys()


async def test_types_differ_in_class_and_status_and_some_cannot_be_set_up_by_api(
    api: httpx.AsyncClient,
) -> None:
    """So that nobody relies on every type being usual."""
    found = await items(api)

    assert {item["connector_class"] for item in found} == {"standard", "lite"}
    assert {item["service_status"] for item in found} == {
        "general_availability", "beta", "private_preview", "sunset", "development",
    }  # fmt: skip
    by_api = [{"id": "API_CONFIGURABLE"} in item["supported_features"] for item in found]
    assert 20 < by_api.count(False) < 100


async def test_an_unknown_type_is_a_404(api: httpx.AsyncClient) -> None:
    """The code names what was looked for."""
    answer = await api.get(f"{TYPES}/nope")

    assert answer.status_code == 404
    assert answer.json()["code"] == "NotFound_ConnectorType"


async def test_a_type_that_is_only_listed_needs_no_more_than_its_name(
    api: httpx.AsyncClient,
) -> None:
    """Nobody described the rest, and it cannot be created here."""
    data = (await api.get(f"{TYPES}/slack")).json()["data"]

    assert list(data["config"]["properties"]) == ["schema"]
    assert "required" not in data["config"]
    assert "auth" not in data
    body = {"group_id": "amber_harbor", "service": "slack", "config": {"schema": "s"}}
    refused = await api.post("/v1/connections", json=body)
    assert refused.status_code == 400
    assert refused.json()["message"] == "Unsupported connector service 'slack'"


@pytest.mark.parametrize("service", SERVICES)
async def test_every_service_is_described(api: httpx.AsyncClient, service: str) -> None:
    """Its fields, its names in the destination, and how it is authorized."""
    data = (await api.get(f"{TYPES}/{service}")).json()["data"]
    properties = data["config"]["properties"]

    assert service in CONFIG
    assert service in MODELLED
    assert {*SERVICES[service].naming, *SERVICES[service].required} <= properties.keys()
    assert data["config"].get("required", []) == list(SERVICES[service].required)
    assert ("auth" in data) is SERVICES[service].oauth is (service in AUTH)


async def test_every_connection_has_only_fields_that_are_described(
    api: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    """The account and the metadata are of one world."""
    for connection in sandbox.connections.values():
        known = (await config_of(api, connection["service"]))["properties"]
        assert connection["config"].keys() <= known.keys(), connection["id"]


async def test_the_flaws_of_the_real_metadata_are_there(api: httpx.AsyncClient) -> None:
    """Unmarked secrets, enumerations of the wrong type, permanent fields that do not say so."""
    auth = (await api.get(f"{TYPES}/google_ads")).json()["data"]["auth"]["properties"]
    assert "format" not in auth["client_access"]["properties"]["client_secret"]
    assert "format" not in auth["refresh_token"]

    postgres = (await config_of(api, "postgres"))["properties"]
    assert postgres["password"]["format"] == "password"
    assert postgres["update_method"]["type"] == "object"
    assert postgres["update_method"]["enum"] == ["WAL_PGOUTPUT", "QUERY_BASED"]
    assert postgres["schema_prefix"]["immutable"] is True

    assert "immutable" not in (await config_of(api, "s3"))["properties"]["table_group_name"]
