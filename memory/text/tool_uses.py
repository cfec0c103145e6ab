"""Tool uses of coding agents: what their tags say was done, as facts.

Of a tool use what the agent did counts, by the turn's tags, which no output can forge. What a
command printed tells only with which line it failed.

    touched       of a session: a file that was changed in it
    failed_with   of a command: the line that says why it failed
    fixed_by      of a command that failed before: the files changed until it worked
"""

import re
from collections.abc import Iterator

from memory.records import Assertion, Minted, Turn

AGENT_TAG, FILE_TAG, OUTCOME_TAG, FIXED_TAG = "agent", "file", "outcome", "fixed_by"
FAILED_OUTCOME = "failed"
_AGENTS = ("claude-code:", "codex:", "opencode:")  # before the ids of their transcripts' turns
TOUCHED, FAILED_WITH, FIXED_BY = "touched", "failed_with", "fixed_by"
# What a model or a person stores of decisions: the second about the value of the first.
DECIDED, BECAUSE = "decided", "because"
_LONGEST_VALUE = 200  # characters
_LONGEST_COMMAND = 120  # as a subject
# Exit codes and names of errors, as programs print them.
_ERROR = re.compile(r"error|exception|fail|fatal|denied|traceback|panic", re.IGNORECASE)


def is_agents(turn: Turn) -> bool:
    """Whether a turn is a tool use from an agent transcript, by an id that only imports give."""
    is_transcripts = isinstance(turn.source, Minted) and turn.source.startswith(_AGENTS)
    return turn.kind == "tool" and AGENT_TAG in turn.tags and is_transcripts


def tool_assertions(turn: Turn) -> Iterator[Assertion]:
    """The facts of a coding agent's tool use; empty for any other turn."""
    if not is_agents(turn):
        return
    head, _, output = turn.text.partition("\n")
    command = head.partition(": ")[2].strip()[:_LONGEST_COMMAND]
    for file in _values(turn, FILE_TAG):
        yield Assertion(turn.session, TOUCHED, file)
    if _values(turn, OUTCOME_TAG) == [FAILED_OUTCOME] and command:
        lines = [line.strip() for line in output.splitlines()[:-1]]
        if errors := [line for line in lines if _ERROR.search(line)]:
            yield Assertion(command, FAILED_WITH, errors[-1][:_LONGEST_VALUE])
    if command and (files := _values(turn, FIXED_TAG)):
        yield Assertion(command, FIXED_BY, ", ".join(files)[:_LONGEST_VALUE])


def _values(turn: Turn, tag: str) -> list[str]:
    values = turn.tags.get(tag, ())
    return [values] if isinstance(values, str) else list(values)
