"""Look the versions of a lock up among known faults, by pip-audit: `make audit`.

Exit 0: every version was looked up, and none has a known fault. 1: some have, a line each. 2: there
was no data, or not on all of them, which is said in one line: it is no all-clear.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

SHOWN = 5
"""How many packages that were not looked up are named."""


def audit(pip_audit: str, lock: str) -> tuple[list[str], int]:
    """The lines to print, and the exit code."""
    done = subprocess.run(
        [pip_audit, "--requirement", lock, "--no-deps", "--disable-pip", "--format", "json",
         "--progress-spinner", "off"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        why = (done.stderr.strip() or "pip-audit said nothing").splitlines()[-1]
        return [f"audit: no data ({why}); nothing is known of any version in {lock}"], 2
    return verdict(found, lock)


def verdict(found: list[dict[str, Any]], lock: str) -> tuple[list[str], int]:
    """What pip-audit's answer on each package comes to."""
    faults = [
        f"{one['name']} {one['version']}: {fault['id']}, mended in "
        f"{', '.join(fault['fix_versions']) or 'no version'}"
        for one in found
        for fault in one.get("vulns", [])
    ]
    missed = [one["name"] for one in found if "vulns" not in one]
    if not missed:
        return (faults, 1) if faults else ([f"audit: {len(found)} versions, no known fault"], 0)
    names = ", ".join(missed[:SHOWN]) + (", ..." if len(missed) > SHOWN else "")
    line = f"audit: no data on {len(missed)} of {len(found)} versions in {lock} ({names})"
    return [*faults, line], 2


if __name__ == "__main__":
    LINES, CODE = audit(*sys.argv[1:])
    print(*LINES, sep="\n")
    sys.exit(CODE)
