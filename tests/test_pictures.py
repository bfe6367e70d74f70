"""The pictures of the documentation: drawn by running what they show."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from docs.pictures.draw import HERE, draw

SHOWN = {
    "broken": ("pg_shop", "password authentication failed", "never instructions"),
    "preview": ("Preview: nothing has happened yet", "pg_billing", "a historical sync is running"),
    "doctor": ("mcp-server-fivetran --sandbox --mode write doctor", "rate budget", "stdout"),
}


def words_of(picture: Path) -> str:
    """Read what a picture says."""
    # The picture is ours, a moment old.
    root = ET.parse(picture).getroot()  # noqa: S314 -- as said above
    return " ".join("".join(root.itertext()).replace("\xa0", " ").split())


@pytest.fixture(name="drawn", scope="module")
def _drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Draw all, once."""
    return {path.stem: path for path in draw(tmp_path_factory.mktemp("pictures"))}


def test_the_pictures_are_those_of_the_documentation(drawn: dict[str, Path]) -> None:
    """None is missing, none left over."""
    assert drawn.keys() == SHOWN.keys() == {path.stem for path in HERE.glob("*.svg")}


@pytest.mark.parametrize("name", SHOWN)
def test_a_picture_shows_what_it_is_for_and_loads_nothing(
    name: str, drawn: dict[str, Path]
) -> None:
    """Drawn now, and as it lies in the documentation."""
    for picture in (drawn[name], HERE / f"{name}.svg"):
        text = words_of(picture)
        for words in SHOWN[name]:
            assert words in text
        assert picture.read_text(encoding="utf-8").count("://") == 1  # the namespace of SVG
