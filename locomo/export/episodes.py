"""The tool calls of an exported episode: carried out on a draft while verl trains, and again to
score them.

Both sides use the same draft and the same call, so the reward is for the facts that the policy
made.
"""

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError, validate_call

from memory import Fact, InputError, SqlError
from memory.refine import Draft, RefiningTools, Revision
from memory.text import forms_of, is_among, telling_words


class CitedDraft(Draft):
    """A draft whose new facts use only words of the turns that they name.

    Ordinary refinement accepts a value if the turn has half of its words, because a good model
    paraphrases. A policy rewarded for an answer learns to fill in the other half.
    """

    def apply(self, tool: str, reason: str, revision: Revision) -> tuple[str, list[int]]:
        """Apply a revision. Raises InputError when a fact says what its turns do not."""
        before = [*revision.removed, *(old for old, _ in revision.changed)]
        sources = {id_ for fact in revision.removed for id_ in self.state.turn_ids[fact.id]}
        for fact in revision.added:
            self._require_cited(fact, {*sources, fact.turn_id}, before)
        for old, new in revision.changed:
            if (new.subject, new.value) != (old.subject, old.value):
                self._require_cited(new, self.state.turn_ids[old.id], [old])
        return super().apply(tool, reason, revision)

    def _require_cited(self, fact: Fact, turn_ids: Collection[int], before: list[Fact]) -> None:
        """Raise InputError unless turns, or the facts before, have every word of a fact.

        Half of the words must be a turn's own: what it answers is said by the turn before it.
        """
        groups = self.said(sorted(turn_ids)).values()
        cited = forms_of(telling_words(" ".join(f"{old.subject} {old.value}" for old in before)))
        cited = cited.union(*(forms[0] for forms in groups if forms))
        nearby = cited.union(*(forms[1] for forms in groups if len(forms) > 1))
        value = telling_words(fact.value)
        turns = ", ".join(map(str, sorted(turn_ids)))
        if missing := [word for word in value if not is_among(word, nearby)]:
            raise InputError(
                f"turn {turns} does not say {', '.join(missing)}: use the turn's own words, or"
                " name the turn that says so"
            )
        if sum(is_among(word, cited) for word in value) * 2 < len(value):
            raise InputError(f"turn {turns} does not say {fact.value!r}: name the turn that does")
        subjects = forms_of(
            telling_words(" ".join(known.subject for known in self.state.facts.values()))
        )
        named = nearby | subjects
        if strangers := [word for word in telling_words(fact.subject) if not is_among(word, named)]:
            raise InputError(
                f"neither turn {turns} nor a fact names {', '.join(strangers)}: give the subject by"
                " its name"
            )


def call_tool(tools: RefiningTools, name: str, arguments: Any) -> tuple[str, bool]:
    """What a tool gives back, and whether it refused the call.

    Arguments:
        arguments: by name, as a policy wrote them; anything that is no JSON object is refused.
    """
    functions = {tool.__name__: tool for tool in tools.functions()}
    if name not in functions:
        return f"Error: there is no tool {name!r}; there are {', '.join(functions)}", True
    if not isinstance(arguments, Mapping):
        return "Error: the arguments are no JSON object", True
    try:
        return str(validate_call(functions[name])(**arguments)), False
    except (ValidationError, InputError, SqlError, TypeError) as error:
        return f"Error: {error}", True
