"""The official conformance suite: what applies has to pass, and what may fail can only get less."""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

BASELINE: Final = Path(__file__).parent / "conformance.toml"
PASSED: Final = frozenset({"SUCCESS", "INFO"})
"""What warns or is skipped has not passed: the baseline says why, or the run fails."""
WIRE: Final = "wire-schema-valid"
"""That each message of the server's is as the protocol's schema says; made in almost every scenario."""

Outcomes = Mapping[str, Mapping[str, str]]
"""The status of each check, by scenario and check."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is expected of one revision of the protocol."""

    applies: frozenset[str]
    left_out: frozenset[str]
    exceptions: frozenset[tuple[str, str]]
    """Scenarios and checks of those that apply, and yet do not pass."""

    @classmethod
    def of(cls, revision: str, path: Path = BASELINE) -> "Baseline":
        """Read it."""
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        return cls(
            applies=frozenset(told["revisions"][revision]["applies"]),
            left_out=frozenset(s for each in told["left_out"] for s in each["scenarios"]),
            exceptions=frozenset(
                (each["scenario"], check)
                for each in told["exceptions"]
                if each["revision"] == revision
                for check in each["checks"]
            ),
        )

    def problems(self, outcomes: Outcomes) -> list[str]:
        """Say where a run is other than expected; nothing if it is not."""
        ran = frozenset(name for name, checks in outcomes.items() if checks)
        failed = {
            (scenario, check): status
            for scenario in self.applies & ran
            for check, status in outcomes[scenario].items()
            if status not in PASSED
        }
        wire = {name: outcomes[name].get(WIRE, "SUCCESS") for name in self.left_out & ran}
        return [
            *(f"{scenario} did not run" for scenario in sorted(self.applies - ran)),
            *(
                f"{scenario} is new: does it apply? Write it into {BASELINE.name}"
                for scenario in sorted(outcomes.keys() - self.applies - self.left_out)
            ),
            *(
                f"{scenario}: {check} is {failed[scenario, check]}, and not among the exceptions"
                for scenario, check in sorted(failed.keys() - self.exceptions)
            ),
            *(
                f"{scenario}: {check} passes now: remove it from {BASELINE.name}"
                for scenario, check in sorted(self.exceptions - failed.keys())
                if scenario in ran
            ),
            *(
                f"{scenario}: {WIRE} is {status}, and has to pass where it is made"
                for scenario, status in sorted(wire.items())
                if status not in PASSED
            ),
        ]

    def summary(self, outcomes: Outcomes) -> str:
        """Count what passed in a run without problems."""
        passed = sum(
            status in PASSED for scenario in self.applies for status in outcomes[scenario].values()
        )
        valid = sum(WIRE in checks for checks in outcomes.values())
        return (
            f"{len(self.applies)} scenarios, {passed} checks passed, {len(self.exceptions)} exceptions;"
            f" messages valid in {valid} scenarios"
        )


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
