"""What the packaged model gets instead of the full prompts: few words, examples, a grammar."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from memory.models.grammar import INSERT, ONE_LINE, SELECT, SELECT_END, insert_fact, select_rows
from memory.records import ABSTAIN, Turn
from memory.text.turn_lines import resolved_line

# A model this small gives up too often: this is added to the logit of the first word of an
# abstention (the log has what other values do).
_ABSTENTION_BIAS = -2.0
NO_FACT = "-- none"
_FORMER_NAMES = {"evidence": "memory", "window": "turns"}
# What a tuned model's SQL begins with: the same for every turn and question.
TUNED_INSERT = "INSERT INTO facts (subject, attribute, value, happened_on, turn_id) VALUES ('"
TUNED_SELECT = "SELECT turn_id, subject, attribute, value, happened_on, ended_on FROM facts WHERE"


@dataclass(frozen=True)
class SmallPrompt:
    """How a module of a program asks the packaged model.

    `target` is the module, `inputs` and `outputs` are the fields that identify its prompt;
    `instructions` replace the full ones. `template` renders the inputs of an example and of the
    call. The answer starts with `opening` (or is `declined`, if that is not empty) and follows the
    GBNF that `grammar` makes of the inputs, for at most `max_tokens`. A `closing` whose first
    letter ends the grammar is added. Tuned for it, the model needs no grammar and no examples: its
    answer starts with `tuned_opening` and has at most `tuned_tokens`, and `abstention_bias` is
    added to the logit of ABSTAIN's first word. If it copies into SQL (`tuned_quotes`), quotes are
    doubled first.
    """

    target: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    instructions: str
    template: str
    demos: tuple[Mapping[str, str], ...]
    grammar: Callable[[Mapping[str, Any]], str]
    max_tokens: int
    opening: str = ""
    closing: str = ""
    declined: str = ""
    tuned_opening: str = ""
    tuned_tokens: int = 48
    tuned_quotes: bool = False
    abstention_bias: float = 0.0

    def user(self, inputs: Mapping[str, Any], tuned: bool = False) -> str:
        """The user message for these inputs; what is missing is left empty."""
        texts = {name: str(inputs.get(name) or "") for name in self.inputs}
        if tuned and self.tuned_quotes:
            # Doubled as SQL writes them: what the model copies from its prompt is SQL already.
            texts = {name: text.replace("'", "''") for name, text in texts.items()}
        return self.template.format(**texts).strip()


_STORE = SmallPrompt(
    target="store",
    inputs=("before", "window", "known", "catalog", "attributes", "feedback"),
    outputs=("sql",),
    instructions=(
        "Write one SQL INSERT that stores the fact the turn tells about its speaker, in the words "
        "of the turn. A greeting, a question or small talk tells no fact: write -- none"
    ),
    template="{window}\n{feedback}",
    demos=(
        {
            "window": "[7] Maria: Guess what! I bought a cello for 900 euros.",
            "sql": f"{INSERT}Maria', 'bought', 'a cello for 900 euros.', 7);",
        },
        {"window": "[8] Tom: Wow, great to hear! How are you?", "sql": "-- none"},
        {
            "window": "[31] Tom: Next month I will visit my sister in Oslo.",
            "sql": f"{INSERT}Tom', 'plans', 'visit my sister in Oslo.', 31);",
        },
        {"window": "[32] Maria: What do you do there?", "sql": "-- none"},
    ),
    grammar=lambda inputs: insert_fact(str(inputs["window"])),
    max_tokens=400,
    opening=INSERT,
    declined=NO_FACT,
    tuned_opening=TUNED_INSERT,
    tuned_tokens=256,
    tuned_quotes=True,
)

_RETRIEVE = SmallPrompt(
    target="retrieve",
    inputs=("question", "asker", "today", "catalog", "feedback"),
    outputs=("sql",),
    instructions="Write SQL SELECTs that find what the question asks for.",
    template="{question}\n{feedback}",
    demos=(
        {
            "question": "When did Maria buy the cello?",
            "catalog": "",
            "sql": f"{SELECT}cello%' LIMIT 30;\n"
            "SELECT s.turn_id, t.said_at, t.speaker, t.text FROM search('maria buy cello', 10) s "
            "JOIN turns t ON t.id = s.turn_id ORDER BY s.score DESC;",
        },
        {
            "question": "Which cities in Norway has Tom visited?",
            "catalog": "",
            "sql": f"{SELECT}norway%' OR lower(value) LIKE '%visited%' LIMIT 30;\n"
            "SELECT s.turn_id, t.said_at, t.speaker, t.text FROM search('cities tom', 10) s "
            "JOIN turns t ON t.id = s.turn_id ORDER BY s.score DESC;",
        },
        {
            "question": "What is the name of Ella's dog?",
            "catalog": "",
            "sql": f"{SELECT}dog%' LIMIT 30;\n"
            "SELECT s.turn_id, t.said_at, t.speaker, t.text FROM search('name ella dog', 10) s "
            "JOIN turns t ON t.id = s.turn_id ORDER BY s.score DESC;",
        },
    ),
    grammar=lambda inputs: select_rows(str(inputs["question"])),
    max_tokens=160,
    opening=SELECT,
    closing=SELECT_END,
    tuned_opening=TUNED_SELECT,
    tuned_tokens=128,
    tuned_quotes=True,
)

_ANSWER = SmallPrompt(
    target="answer",
    inputs=("evidence", "question", "asker", "today"),
    outputs=("answer", "turns"),
    instructions=(
        "Answer the question with a few words from the memory. "
        f"If the memory does not say, answer: {ABSTAIN}"
    ),
    template="{evidence}\nQuestion: {question}",
    demos=(
        {
            "evidence": "[7] (Mon 07 Mar 2011) Maria: I bought a cello yesterday, for 900 euros!\n"
            "[9] (Mon 07 Mar 2011) Tom: My sister Ella plays the flute.",
            "question": "What did Maria buy?",
            "answer": "a cello",
        },
        {
            "evidence": "[7] (Mon 07 Mar 2011) Maria: I bought a cello yesterday, for 900 euros!\n"
            "[9] (Mon 07 Mar 2011) Tom: My sister Ella plays the flute.",
            "question": "When did Maria buy the cello?",
            "answer": "6 March 2011",
        },
        {
            "evidence": "[31] (Sat 09 Apr 2011) Tom: Next month I will visit my sister in Oslo.\n"
            "[40] (Sun 17 Apr 2011) Maria: I named the new puppy Figaro.",
            "question": "What is the name of Maria's puppy?",
            "answer": "Figaro",
        },
    ),
    grammar=lambda inputs: ONE_LINE,
    max_tokens=24,
    abstention_bias=_ABSTENTION_BIAS,
)

SMALL: Mapping[tuple[str, ...], SmallPrompt] = {
    (*small.inputs, *small.outputs): small for small in (_STORE, _RETRIEVE, _ANSWER)
}


def prompts_fingerprint(targets: Collection[str]) -> str:
    """The form of prompts for the packaged model tuned for these modules: 16 hex digits.

    From the sha256 of what `SmallModelAdapter` shows them, how their answers begin and end, and how
    turns are shown: it reveals an adapter for other prompts than today's.
    """
    turn = Turn("Ann", "I moved there last Friday.", said_at="2023-05-08", id=7)
    parts: list[object] = [resolved_line(turn), resolved_line(turn, iso=True)]
    for small in sorted(SMALL.values(), key=lambda small: small.target):
        if small.target in targets:
            # Adapters keep their fingerprint: the names of fields are in no prompt.
            names = {name: _FORMER_NAMES.get(name, name) for name in small.inputs}
            message = small.user({name: f"the {former}" for name, former in names.items()})
            parts += [small.target, small.instructions, message]
            parts += [small.tuned_opening, small.declined, small.tuned_tokens]
            if small.tuned_quotes:
                parts.append("quotes")
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
