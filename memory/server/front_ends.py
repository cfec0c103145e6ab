"""The user's own words in a message that a chat program or a framework composed.

Programs put retrieved texts around a question, and ask for titles in the name of their users. Their
templates are data (front_ends.toml); nothing else is read in any language.
"""

import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Task(_Row):
    program: str
    begins: str
    ends: str = ""


class _Template(_Row):
    program: str
    begins: str
    after: str
    before: str = ""
    question_first: bool = False

    def own_words(self, text: str) -> str | None:
        """The user's words of a text; None if it is not of this template."""
        if not text.startswith(self.begins) or self.after not in text:
            return None
        begin = text.find(self.after) if self.question_first else text.rfind(self.after)
        own = text[begin + len(self.after) :]
        return own.partition(self.before)[0] if self.before else own


class _Retrieved(_Row):
    tag: str

    def outside(self, text: str) -> str:
        """The text outside the tags, up to the last end tag: retrieved text may contain tags."""
        begin, end = text.find(f"<{self.tag}>"), text.rfind(f"</{self.tag}>")
        if not 0 <= begin < end:
            return text
        return f"{text[:begin].rstrip()}\n{text[end + len(self.tag) + 3 :].lstrip()}"


class _FrontEnds(_Row):
    task: Sequence[_Task]
    template: Sequence[_Template]
    retrieved: Sequence[_Retrieved]


def task_of(text: str) -> str:
    """The program whose own task a message is; empty for a message of a user."""
    trimmed = text.strip()
    for task in _front_ends().task:
        if trimmed.startswith(task.begins) and trimmed.endswith(task.ends):
            return task.program
    return ""


def own_words(text: str) -> str:
    """A message without the text that a program wrote and retrieved around it.

    The whole message if nothing else is in it.
    """
    trimmed = text.strip()
    for template in _front_ends().template:
        own = template.own_words(trimmed)
        if own is not None and own.strip():
            return own.strip()
    for retrieved in _front_ends().retrieved:
        trimmed = retrieved.outside(trimmed).strip() or trimmed
    return trimmed


@cache
def _front_ends() -> _FrontEnds:
    path = Path(__file__).with_suffix(".toml")
    return _FrontEnds.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
