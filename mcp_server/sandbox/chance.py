"""Choices that look random and are always the same for the same words."""

from collections.abc import Sequence
from typing import TypeVar
from zlib import crc32

_Option = TypeVar("_Option")

ADJECTIVES = (
    "agile", "amused", "arid", "azure", "bald", "bold", "bright", "brave", "civil", "clever",
    "cosmic", "crisp", "curious", "deft", "distant", "eager", "early", "earnest", "fabled", "fair",
    "fervent", "gentle", "gilded", "glad", "golden", "hasty", "hidden", "humble", "icy", "inner",
    "jolly", "keen", "kind", "lavish", "level", "light", "lively", "lucid", "mellow", "misty",
    "modest", "noble", "novel", "olive", "open", "pale", "plain", "polite", "prime", "proud",
    "rapid", "rustic", "serene", "sharp", "silent", "silver", "sincere", "sleek", "smooth", "snug",
    "stable", "steady", "sunny", "tidy", "tranquil", "upper", "vivid", "warm", "witty", "young",
)  # fmt: skip
NOUNS = (
    "acorn", "anchor", "arch", "aspen", "badger", "bay", "beacon", "birch", "bison", "bluff",
    "bridge", "brook", "canyon", "cedar", "cliff", "cloud", "coast", "comet", "coral", "cove",
    "creek", "delta", "dune", "eagle", "ember", "falcon", "fern", "field", "fjord", "forest",
    "garden", "glade", "glen", "grove", "gull", "harbor", "hawk", "heath", "hill", "island",
    "jetty", "lagoon", "lake", "ledge", "lily", "linden", "lynx", "maple", "marsh", "mesa",
    "moon", "moor", "moss", "oak", "oasis", "orchid", "otter", "peak", "pebble", "plain",
    "pond", "quarry", "rain", "reef", "ridge", "robin", "shore", "sparrow", "spruce", "stone",
    "summit", "swan", "tern", "thicket", "trail", "valley", "walnut", "wave", "wren", "yarrow",
)  # fmt: skip


def number(key: str, low: int, high: int) -> int:
    """Choose a number from `low` to `high`, both included."""
    # A checksum keeps keys that differ in one letter close to each other; multiplying by a large
    # odd constant and keeping the upper half spreads them.
    spread = (crc32(key.encode()) * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    return low + (spread >> 32) % (high - low + 1)


def pick(key: str, options: Sequence[_Option]) -> _Option:
    """Choose one of the options."""
    return options[number(key, 0, len(options) - 1)]


def identifier(key: str, turn: int) -> str:
    """Build an id of an adjective and a noun; turns beyond the words' pairs get a number."""
    pairs = len(ADJECTIVES) * len(NOUNS)
    # 4099 shares no factor with the number of pairs, so each round visits every pair once.
    index = (number(key, 0, pairs - 1) + turn * 4099) % pairs
    name = f"{ADJECTIVES[index // len(NOUNS)]}_{NOUNS[index % len(NOUNS)]}"
    return name if turn < pairs else f"{name}_{turn // pairs}"
