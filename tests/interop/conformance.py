"""The official conformance suite: what applies has to pass, and what may fail can only get less."""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

BASELINE: Final = Path(__file__).parent / "conformance.toml"
PASSED: Final = frozenset({"SUCCESS", "INFO", "SKIPPED", "WARNING"})

Outcomes = Mapping[str, Mapping[str, str]]
"""The status of each check, by scenario and check."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is expected of one revision of the protocol."""

    applies: frozenset[str]
    left_out: frozenset[str]
    failures: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, revision: str, path: Path = BASELINE) -> "Baseline":
        """Read it."""
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        return cls(
            applies=frozenset(told["revisions"][revision]["applies"]),
            left_out=frozenset(s for each in told["left_out"] for s in each["scenarios"]),
            failures=frozenset(
                (each["scenario"], each["check"])
                for each in told["failures"]
                if each["revision"] == revision
            ),
        )

    def problems(self, outcomes: Outcomes) -> list[str]:
        """Say where a run is other than expected; nothing if it is not."""
        ran = frozenset(outcomes)
        failed = {
            (scenario, check)
            for scenario in self.applies & ran
            for check, status in outcomes[scenario].items()
            if status not in PASSED
        }
        unknown = ran - self.applies - self.left_out
        return [
            *(f"{scenario} did not run" for scenario in sorted(self.applies - ran)),
            *(
                f"{scenario} is new: does it apply? Write it into {BASELINE.name}"
                for scenario in sorted(unknown)
            ),
            *(
                f"{scenario}: {check} failed, and is not among the expected failures"
                for scenario, check in sorted(failed - self.failures)
            ),
            *(
                f"{scenario}: {check} passes now: remove it from {BASELINE.name}"
                for scenario, check in sorted(self.failures - failed)
            ),
        ]


def read(folder: Path) -> dict[str, dict[str, str]]:
    """Read what the suite wrote: a folder for each scenario, named with the time."""
    outcomes: dict[str, dict[str, str]] = {}
    for file in sorted(folder.glob("*/checks.json")):
        name = re.sub(r"-\d{4}-\d\d-\d\dT[\d-]+Z$", "", file.parent.name)
        checks: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
        outcomes[name.removeprefix("server-")] = worst(checks)
    return outcomes


def worst(checks: list[dict[str, Any]]) -> dict[str, str]:
    """Give each check's status; one that was made several times passes if all of them do."""
    found: dict[str, str] = {}
    for check in checks:
        if found.get(check["id"], "SUCCESS") in PASSED:
            found[check["id"]] = str(check["status"])
    return found
