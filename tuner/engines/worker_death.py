"""Why a worker died, in a line for the user."""

from __future__ import annotations

import re

DEATH_CHARACTERS = 500
LOW_MEMORY = "node running low on memory"
"""What Ray says when it ends a worker lest the system end another process."""
NODE_DIED = "its node has died"
"""What Ray says when a worker went with its node, which is nobody's fault."""
KILLED_FOR_MEMORY = "the worker was killed for memory"


def cause_of_death(said: str) -> str:
    """One line for the user out of the page that Ray writes about a worker that died."""
    said = " ".join(said.split())
    if LOW_MEMORY in said:
        used = re.search(r"was (\S+ used / \S+ limit)", said)
        return f"{KILLED_FOR_MEMORY}: {used[1] if used else 'no memory was left'}, on its node"
    _, found, detail = said.partition("Worker exit detail: ")
    if found:
        reason = detail.partition(" Some common causes")[0]
        return f"the worker died (killed, crashed, or out of memory): {reason}"
    return f"the worker died: {said[-DEATH_CHARACTERS:]}"
