"""Conversations about objects in a house, and a model that does only what its prompt says.

Of the modules in `missing` it expects a rule that the instructions do not have. As prompt model it
writes that rule when its prompt shows what went wrong without it, and fails when it does not. It
may be told to follow rules in a share of its calls only, and to come upon them by chance.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from dspy.lm15 import Message, Request, Response, TextPart, Usage

from memory.models import Model
from tests.support.locomo_records import question, record, turn, write
from tests.support.scripted import UnexpectedPrompt, answer, model_over, sql, window

COLOURS = ("blue", "green", "white")
THINGS = (
    "lamp kite drum vase harp coat boot flag mask rope sled tent bell ball cap pen",
    "boat desk fork glue iron jar knot ladle mop nail oar pipe quilt rake saw tray",
)
COLUMNS = "id, turn_id, subject, attribute, value"
PLACES = ["attic", "cellar", "shed", "garage", "kitchen", "hall", "pantry", "loft"]
RULES = {
    "answer": "Add the floor, as in: hall on the ground floor.",
    "retrieve": "Write LIKE, never REGEXP.",
    "store": "Store where things are kept.",
    "refine": "Search, then create what is missing.",
}
# What a prompt writer must have been shown to come to the rule.
SIGNS = {
    "answer": "on the ground floor",
    "retrieve": "REGEXP",
    "store": "in the ",
    "refine": "on the ground floor",
}
KINDS = {
    "simba": "[[ ## better_program_trajectory ## ]]",
    "gepa": "[[ ## current_instruction ## ]]",
    "mipro": "[[ ## basic_instruction ## ]]",
    "module": "[[ ## module ## ]]",
    "program": "[[ ## program_example ## ]]",
    "observe": "[[ ## examples ## ]]",
    "summary": "[[ ## observations ## ]]",
    "refine": "[[ ## so_far ## ]]",
    "answer": "[[ ## evidence ## ]]",
    "retrieve": "[[ ## question ## ]]",
    "store": "[[ ## window ## ]]",
    "probe": "Say yes.",
}


def house(id_: str, start: int, numbered: bool = False) -> dict[str, Any]:
    """A conversation of 16 turns and a question about each, of its own things and places.

    With `numbered`, turns call things by their numbers, so that facts alone name them.
    """
    things = THINGS[start % 2].split()
    places = [PLACES[(number + start) % 8] for number in range(len(things))]
    kept_in = list(zip(things, places, strict=True))
    turns = [
        turn(f"D1:{n}", f"I keep {_number(thing) if numbered else f'the {thing}'} in the {place}.")
        for n, (thing, place) in enumerate(kept_in, 1)
    ]
    questions = [
        question(
            4,
            question=f"Where does Ann keep the {thing}?",
            answer=f"{place} on the ground floor",
            evidence=[f"D1:{n}"],
        )
        for n, (thing, place) in enumerate(kept_in, 1)
    ]
    return record(id_, questions, session_1=turns, session_1_date_time="9:00 am on 12 June, 2017")


def _number(thing: str) -> str:
    return f"number {' '.join(THINGS).split().index(thing) + 1}"


def _named(text: str) -> str:
    """A text of numbers with the names of things."""
    names = " ".join(THINGS).split()
    return re.sub(r"number (\d+)", lambda number: f"the {names[int(number[1]) - 1]}", text)


def houses(path: Path) -> Path:
    """A data file of two such conversations."""
    return write(path, house("red-house", 0), house("blue-house", 3))


def houses_to_hold_out(folder: Path, numbered: bool = False) -> Path:
    """A folder of data: one such conversation trains, and three others measure the gain."""
    (folder / "validation").mkdir(parents=True)
    write(folder / "red-house.json", house("red-house", 0, numbered))
    held_out = [
        house(f"{colour}-house", start, numbered) for start, colour in enumerate(COLOURS, 1)
    ]
    write(folder / "validation" / "houses.json", *held_out)
    return folder


class Obedient:
    """A DSPy engine; many threads may ask it.

    Arguments:
        missing: the modules whose rule is not in the instructions yet.
        replies: take the place of what a kind of prompt is told.
        obedience: the share of calls in which a rule that is there is followed.
        luck: the share of calls that do as the rule says without it; None: every third time that a
            prompt is sampled, whatever other threads ask.
        seed: of both.
        columns: of facts that its SELECTs ask for.
    """

    def __init__(
        self,
        missing: Collection[str],
        replies: Mapping[str, Callable[[str], str]],
        *,
        obedience: float = 1.0,
        luck: float | None = None,
        seed: int = 0,
        columns: str = COLUMNS,
    ) -> None:
        self.columns = columns
        self.missing, self.replies = set(missing), dict(replies)
        self.obedience, self.luck = obedience, luck
        self._random = random.Random(seed)
        self._lock, self.prompts = Lock(), list[tuple[str, str]]()
        self.requests = list[tuple[str, str]]()
        self._sampled = Counter[str]()  # how often each prompt
        self.rule_call: int | None = None  # the number of the first call that was told a rule

    def calls(self) -> dict[str, int]:
        return dict(Counter(kind for kind, _ in self.prompts))

    def prompts_for(self, kind: str) -> list[str]:
        return [prompt for of, prompt in self.prompts if of == kind]

    def seen(self, *kinds: str) -> list[str]:
        """The whole prompts of these kinds: the system's, the examples and the question."""
        return [text for of, text in self.requests if of in kinds]

    def complete(self, request: Request) -> Response:
        prompt, system = request.messages[-1].text or "", str(request.system or "")
        kind = next((name for name, sign in KINDS.items() if sign in prompt), None)
        if kind is None:
            raise UnexpectedPrompt(prompt)
        told = kind in self.missing and RULES[kind] in system
        with self._lock:
            self.prompts.append((kind, prompt))
            texts = [system, *(message.text or "" for message in request.messages)]
            self.requests.append((kind, "\n".join(texts)))
            if told and self.rule_call is None:
                self.rule_call = len(self.prompts)
            obeys = self._random.random() < self.obedience
            if self.luck is None:
                is_sampled = bool(request.config.temperature)
                self._sampled[prompt] += is_sampled
                lucky = is_sampled and self._sampled[prompt] % 3 == 0
            else:
                lucky = self._random.random() < self.luck
        knows = kind not in self.missing or (told and obeys) or lucky
        reply = self.replies.get(kind)
        text = reply(prompt) if reply else self.reply(kind, prompt, knows)
        usage = Usage(input_tokens=70, output_tokens=30, total_tokens=100)
        message = Message.assistant([TextPart(text)])
        return Response(
            id=None, model="obedient", message=message, finish_reason="stop", usage=usage
        )

    def reply(self, kind: str, prompt: str, knows: bool) -> str:
        """What is said to a prompt of this kind, by one who knows the rule or does not."""
        if kind in RULES:
            return getattr(self, f"_{kind}")(prompt, knows)
        if kind in ("simba", "gepa", "mipro"):
            return self._proposal(kind, prompt)
        signs = " ".join(sign for sign in SIGNS.values() if sign in prompt)
        return {
            "probe": "yes",
            "observe": _fields(observations=f"Seen: {signs}"),
            "summary": _fields(summary=f"Seen: {signs}"),
            "program": _fields(program_description="A memory."),
            "module": _fields(module_description="A part of it."),
        }[kind]

    def _answer(self, prompt: str, knows: bool) -> str:
        memory, question_text = prompt.split("[[ ## question ## ]]")
        thing = re.findall(r"keep the (\w+)", question_text)[0]
        # A fact of a list has its turn behind it, a turn's line before it.
        match = re.search(
            rf"the {thing} in the (?P<place>\w+) \([^;]*\[(?P<turn>\d+)\]", memory
        ) or re.search(rf"\[(?P<turn>\d+)\].*the {thing} in the (?P<place>\w+)", memory)
        # A row without its turn.
        match = match or re.search(rf"the {thing} in the (?P<place>\w+)(?P<turn>)", memory)
        if not match:
            return answer("No information available")
        place = match["place"] + (" on the ground floor" if knows else "")
        return answer(place, match["turn"])

    def _retrieve(self, prompt: str, knows: bool) -> str:
        thing = re.findall(r"keep the (\w+)", prompt)[0]
        like = "LIKE" if knows else "REGEXP"
        return sql(f"SELECT {self.columns} FROM facts WHERE value {like} '%{thing}%'")

    def _store(self, prompt: str, knows: bool) -> str:
        turns = re.findall(r"^\[(\d+)\].*?(\w+): I keep (.*)\.$", window(prompt), re.MULTILINE)
        rows = ", ".join(f"('{who}', 'keeps', '{_named(what)}', {n})" for n, who, what in turns)
        if not knows:
            return sql("-- none")
        return sql(f"INSERT INTO facts (subject, attribute, value, turn_id) VALUES {rows};")

    def _refine(self, prompt: str, knows: bool) -> str:
        """Search for the thing asked for, create its fact, and be done; or be done at once."""
        thing = re.findall(r"keep the (\w+)", prompt)[0]
        so_far = prompt.split("[[ ## so_far ## ]]")[1].split("[[ ## operations_left ## ]]")[0]
        calls: list[dict[str, Any]] = []
        has_looked = "search_memory(" in so_far
        if knows and not has_looked:
            calls = [{"name": "search_memory", "args": {"query": thing, "type": "turn"}}]
        elif has_looked and "manage_memory(" not in so_far:
            [(turn_id, value)] = re.findall(rf"\[(\d+)\].*(the {thing} in the \w+)", so_far)
            fact = {"subject": "Ann", "attribute": "keeps", "value": value}
            arguments = {"action": "create", "turn_id": int(turn_id), "reason": "missing", **fact}
            calls = [{"name": "manage_memory", "args": arguments}]
        return _fields(thought="So.", tool_calls=json.dumps({"tool_calls": calls}))

    def _proposal(self, kind: str, prompt: str) -> str:
        (target,) = self.missing
        # The first proposal of MIPROv2 shows no example, so it may not show what went wrong.
        if kind == "mipro" and "No task demos provided." in prompt and SIGNS[target] not in prompt:
            return _fields(proposed_instruction="Do your task.")
        if "proposed_prefix_for_output_field" in prompt:  # of COPRO, which shows no example either
            return _fields(
                proposed_instruction=f"Do your task. {RULES[target]}",
                proposed_prefix_for_output_field="From the memory:",
            )
        if SIGNS[target] not in prompt:
            raise UnexpectedPrompt(f"a proposal for {target} without {SIGNS[target]!r}:\n{prompt}")
        if kind == "simba":
            names = prompt.rpartition("[[ ## module_names ## ]]")[2]
            [name] = {*re.findall(rf"[\w.]*\b{target}\.(?:\w+\.)?predict", names)}
            return _fields(discussion="So.", module_advice=json.dumps({name: RULES[target]}))
        if kind == "mipro":
            return _fields(proposed_instruction=f"Do your task. {RULES[target]}")
        instruction = {"new_instruction": f"Do your task. {RULES[target]}"}
        as_json = "Respond with a JSON object" in prompt
        return json.dumps(instruction) if as_json else _fields(**instruction)


def _fields(**values: str) -> str:
    parts = [f"[[ ## {name} ## ]]\n{value}\n\n" for name, value in values.items()]
    return "".join(parts) + "[[ ## completed ## ]]"


def obedient(
    *missing: str,
    name: str = "obedient",
    window: int = 4,
    obedience: float = 1.0,
    luck: float | None = None,
    seed: int = 0,
    columns: str = COLUMNS,
    **replies: Callable[[str], str],
) -> tuple[Model, Obedient]:
    """A Model that needs a rule for each of these modules, and its engine.

    By the packaged model's name it works as that one.
    """
    engine = Obedient(missing, replies, obedience=obedience, luck=luck, seed=seed, columns=columns)
    return model_over(engine, name, window=window), engine
