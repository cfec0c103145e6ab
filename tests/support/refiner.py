"""A memory of a house and its objects, and a model that refines it by a script of tool calls.

As reader it answers from the facts that it is shown and nothing else; as writer of questions it
asks where each thing is kept; as refiner it makes the calls of the script. A prompt of another
kind fails.
"""

import json
import re
from collections.abc import Sequence
from threading import Lock
from typing import Any

from dspy.lm15 import Message, Request, Response, TextPart, ToolCallPart, Usage

from memory import Turn, open_store
from memory.models import Model
from tests.support.scripted import UnexpectedPrompt, answer, model_over

THINGS = [
    *("lamp", "kite", "drum", "vase", "harp", "coat"),
    *("boat", "flag", "mask", "rope", "sled", "tent"),
]
PLACES = [
    *("attic", "cellar", "shed", "garage", "kitchen", "hall"),
    *("pantry", "loft", "barn", "porch", "study", "den"),
]
INSERT = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES "
Call = tuple[str, dict[str, Any]]


def told(number: int) -> str:
    return f"the {THINGS[number - 1]} in the {PLACES[number - 1]}"


def creating(number: int) -> Call:
    """The call that makes the fact of a turn."""
    return "manage_memory", {
        "action": "create",
        "reason": f"nothing tells of the {THINGS[number - 1]}",
        "subject": "Ann",
        "attribute": "keeps",
        "value": told(number),
        "turn_id": number,
    }


def deleting(number: int) -> Call:
    return "delete_memory", {"fact_id": number, "reason": "it says little"}


def furnished(address: str, without: Sequence[int] = ()) -> str:
    """A memory of twelve turns, and a fact of each but some; ids of facts are in order."""
    with open_store(address) as store:
        store.add(
            [
                Turn("Ann", f"I keep {told(number)}.", "1", "2017-06-12")
                for number in range(1, len(THINGS) + 1)
            ]
        )
        rows = [
            f"('Ann', 'keeps', '{told(number)}', {number})"
            for number in range(1, len(THINGS) + 1)
            if number not in without
        ]
        store.write(INSERT + ", ".join(rows), cause="digest by scripted")
    return address


class Refiner:
    """A DSPy engine; many threads may ask it. `scripts` are the answers to prompts for tool calls.

    With `native` it says that it can call tools, and expects to be handed them.
    """

    def __init__(self, scripts: Sequence[Sequence[Call]], native: bool = False) -> None:
        self.scripts = [list(calls) for calls in scripts]
        self.supports_function_calling = native
        self.supported_params = ("tools", "tool_choice")
        self.prompts: list[str] = []
        self.most_asked = 99  # questions in all
        self.counts = dict.fromkeys(("questions", "answers", "refine", "compare"), 0)
        self._lock = Lock()

    def complete(self, request: Request) -> Response:
        prompt = request.messages[-1].text or ""
        with self._lock:
            parts = self._reply(prompt, request)
        usage = Usage(input_tokens=70, output_tokens=30, total_tokens=100)
        calls = any(isinstance(part, ToolCallPart) for part in parts)
        return Response(
            id=None,
            model="refiner",
            message=Message.assistant(parts),
            finish_reason="tool_call" if calls else "stop",
            usage=usage,
        )

    def _reply(self, prompt: str, request: Request) -> list[Any]:
        if "[[ ## so_far ## ]]" in prompt:
            return self._refine(prompt, request)
        if "[[ ## number ## ]]" in prompt:
            self.counts["questions"] += 1
            text, number = _questions(prompt, self.most_asked)
            self.most_asked -= number
            return [TextPart(text)]
        if "[[ ## right_answer ## ]]" in prompt:
            self.counts["compare"] += 1
            same = re.findall(r"answer ## \]\]\n(.*)", prompt)[:2]
            return [TextPart(f"[[ ## same ## ]]\n{same[0] in same[1]}\n\n[[ ## completed ## ]]")]
        if "[[ ## evidence ## ]]" in prompt and "[[ ## question ## ]]" in prompt:
            self.counts["answers"] += 1
            return [TextPart(_answer(prompt))]
        raise UnexpectedPrompt(prompt)

    def _refine(self, prompt: str, request: Request) -> list[Any]:
        self.prompts.append(prompt)
        index = self.counts["refine"]
        self.counts["refine"] += 1
        if index >= len(self.scripts):
            raise UnexpectedPrompt(f"call {index + 1} of {len(self.scripts)}:\n{prompt}")
        calls = self.scripts[index]
        if self.supports_function_calling:
            assert [tool.name for tool in request.tools][:2] == ["search_memory", "manage_memory"]
            if calls:
                return [
                    ToolCallPart(id=f"call_{index}_{n}", name=name, input=arguments)
                    for n, (name, arguments) in enumerate(calls)
                ]
            return [TextPart("[[ ## thought ## ]]\nAll is well.\n\n[[ ## completed ## ]]")]
        assert not request.tools
        written = json.dumps({"tool_calls": [{"name": n, "args": args} for n, args in calls]})
        text = f"[[ ## thought ## ]]\nOn.\n\n[[ ## tool_calls ## ]]\n{written}\n\n"
        return [TextPart(text + "[[ ## completed ## ]]")]


def _questions(prompt: str, most: int) -> tuple[str, int]:
    lines = re.findall(r"^\[(\d+)\].*I keep the (\w+) in the (\w+)", prompt, re.MULTILINE)
    number = int(re.findall(r"number ## \]\]\n(\d+)", prompt)[0])
    written = [f"{n} | Where does Ann keep the {thing}? | the {place}" for n, thing, place in lines]
    written = written[: min(number, most)]
    text = "\n".join(["Here you are:", *written])
    return f"[[ ## questions ## ]]\n{text}\n\n[[ ## completed ## ]]", len(written)


def _answer(prompt: str) -> str:
    memory, question = prompt.split("[[ ## question ## ]]")
    thing = re.findall(r"keep the (\w+)\?", question)[0]
    match = re.search(rf"\[(\d+)\].*\bthe {thing} in the (\w+)", memory)
    return answer(f"the {match[2]}", match[1]) if match else answer("No information available")


def refiner_model(*scripts: Sequence[Call], native: bool = False) -> tuple[Model, Refiner]:
    """A Model that makes the calls of the scripts, one a prompt, and its engine."""
    engine = Refiner(scripts, native)
    return model_over(engine, "refiner"), engine
