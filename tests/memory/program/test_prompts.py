"""No prompt may hold an answer of a benchmark: whoever repeats its prompt would be right."""

import inspect
import json
import re
from pathlib import Path

import dspy
import pytest

from locomo import llm_judge
from memory.operations.tools import memory_tools
from memory.program import MemoryProgram, in_phrases, in_sentences
from memory.program.signatures import brief, full, further

ROOT = Path(__file__).parents[3]
DATA = [
    *(ROOT / "data" / name for name in ("sample.json", "chats.json")),
    ROOT / "tests" / "held_out_chats.json",
    ROOT.parent / "shared" / "data" / "locomo7.json",
]
# Words that an instruction must use, whatever the answers are.
COMMON = {"likely", "yes", "no", "not", "mentioned", "information", "available", "none"}


def prompt_texts() -> list[str]:
    texts = []
    for module in (full, brief, further, llm_judge):
        for signature in vars(module).values():
            if inspect.isclass(signature) and issubclass(signature, dspy.Signature):
                texts.append(signature.instructions)
                texts += [field.json_schema_extra["desc"] for field in signature.fields.values()]
    for examples in (
        brief.EXAMPLES_OF_ROWS,
        brief.EXAMPLES_OF_CHOICES,
        brief.EXAMPLES_OF_ANSWERS,
    ):
        texts += [text for example in examples for text in example.values()]
    return [*texts, inspect.getsource(memory_tools)]


def plain(text: str) -> str:
    words = re.findall(r"[^\W_]+", text.lower())
    return f" {' '.join(words)} "


def tells(answer: str) -> bool:
    """Whether an answer is more than a word: a phrase, or a date with its year."""
    words = set(plain(answer).split()) - COMMON
    return len(words) > 1 or any(re.fullmatch(r"(19|20)\d\d", word) for word in words)


def answers_in(texts: list[str], answers: list[str]) -> list[str]:
    prompts = plain(" ".join(texts))
    return [answer for answer in answers if tells(answer) and plain(answer) in prompts]


def test_an_answer_within_a_prompt_is_seen():
    instruction = "Write 7 May 2023, or only as exact as known: 2022."
    answers = ["7 May 2023", "2022", "9 May 2023", "yes", "Write"]
    assert answers_in([instruction], answers) == ["7 May 2023", "2022"]


@pytest.mark.parametrize("path", DATA, ids=lambda path: path.stem)
def test_no_prompt_holds_an_answer_of_a_data_file(path: Path):
    if not path.exists():
        pytest.skip(f"{path.name} is not at hand: its licence keeps it out of the repository")
    conversations = json.loads(path.read_text())
    questions = [question for talk in conversations for question in talk["qa"]]
    answers = [str(question["answer"]) for question in questions if question.get("answer")]
    assert len(answers) >= 20
    assert answers_in(prompt_texts(), answers) == []


def test_answers_are_phrases_for_facts_and_for_benchmarks_alone() -> None:
    product = MemoryProgram().answer.predict.signature.instructions
    benchmark = in_phrases(MemoryProgram()).answer.predict.signature.instructions
    assert "sentences, as many as it takes" in product
    assert "Leave out what is near" in product
    assert "Leave out what is near" in benchmark
    assert "its first and last day" in product
    assert "its first and last day" not in benchmark
    assert "sentences" not in benchmark
    assert "A phrase, not a sentence" in benchmark
    assert benchmark.partition("- A list:")[2] == product.partition("- A list:")[2]
    compiled = MemoryProgram()
    compiled.answer.predict.signature = compiled.answer.predict.signature.with_instructions("Hi.")
    assert in_phrases(compiled).answer.predict.signature.instructions == "Hi."
    assert in_sentences(compiled).answer.predict.signature.instructions == "Hi."
    again = in_sentences(in_phrases(MemoryProgram()))
    assert again.answer.predict.signature.instructions == product


def test_a_query_is_told_how_many_selects_it_may_have():
    """A strong reader that was not told wrote six for one question in eight."""
    assert full.MOST_SELECTS == 5
    assert "At most five SELECTs" in full.WriteQuery.instructions


@pytest.mark.parametrize(
    "signature",
    [
        full.WriteFacts,
        full.WriteQuery,
        full.AnswerFromMemory,
        further.ReplyInChat,
        further.RefineFacts,
    ],
)
def test_a_prompt_has_at_most_five_hundred_words(signature: type[dspy.Signature]) -> None:
    assert len(signature.instructions.split()) <= 500
