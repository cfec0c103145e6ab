"""One reader answers from ours and from other memories, and does not see whose a prompt is.

python -m locomo.others.blinded FOLDER --data FILE [--num-test N] [--budget TOKENS]

Questions are balanced over categories and conversations, prompts are shuffled. FOLDER gets
`prompts.txt`; whoever reads it, a person or a model by `--model`, writes `answers.txt`, with a line
`17: Paris` for each prompt. Then `to_judge.txt` has each different answer beside the gold one, and
`verdicts.txt` says `17: right` or `17: wrong`, by a person or by `--judge-model`. When all is there
the table is printed: the same command goes on with what is missing. `key.json` says which prompt is
whose. No model stores: the memories hold the turns, and ours what templates read in them.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated

import typer
from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Table
from typer import Argument, Option

from locomo.commands import check_folder, number_table, print_table, run_command
from locomo.dataset.format import (
    ABSTENTION,
    Conversation,
    Question,
    load_conversations,
    read_records,
)
from locomo.harness import temporary_memory
from locomo.json_lines import read_json
from locomo.llm_judge import NOT_MENTIONED, JudgeStrictly, judge
from locomo.metrics import gold, paired_bootstrap, recall, resampled_interval, score
from locomo.others.peers import PEERS
from locomo.others.rankings import Found, peer_version, read_or_rank
from locomo.systems import as_stored
from locomo.tracking.runs import run_data, run_where_tracked
from memory import InputError, Memory, MemoryProgram, load_model
from memory.evidence import lay_out
from memory.models import Model
from memory.program import Question as AskedQuestion
from memory.program import Shown, called
from memory.system import progress_bar, write_whole
from memory.text import count_tokens
from memory.worker import digest_whole

ASK, CONTEXT = "ours, ask", "ours, context"
_PEERS = tuple(name for name in PEERS if name != "ours")
_RANKED = 200  # turns; more than any budget here holds
_BLOCK = 20  # questions whose prompts are shuffled together, so that a part of a run is fair too
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Prompt:
    """What a system shows for a question, under a number that does not tell the system."""

    number: int
    system: str
    data: str
    conversation: str
    index: int
    category: int
    question: str
    asker: str
    today: str
    gold: str
    memory: str
    tokens: int
    recall: float | None

    @property
    def key(self) -> tuple[str, str, int]:
        """Which question it asks."""
        return self.data, self.conversation, self.index

    @property
    def as_question(self) -> Question:
        """The question, as scores and judges take it."""
        return Question(self.index, self.question, self.gold, self.category, ())


@app.command()
def blinded(
    folder: Annotated[Path, Argument(help="prompts, answers and verdicts")],
    data: Annotated[list[Path] | None, Option(help="conversations, for a new folder")] = None,
    num_test: Annotated[int, Option(help="questions of each file", min=1)] = 60,
    budget: Annotated[int, Option(help="tokens of memory shown by ask and by peers")] = 1_000,
    only: Annotated[list[str] | None, Option(help=f"peers: {', '.join(_PEERS)}")] = None,
    seed: Annotated[int, Option(help="draws the questions, shuffles the prompts")] = 0,
    model: Annotated[str | None, Option(help="who answers, PROVIDER/MODEL; else by hand")] = None,
    api_base: Annotated[str | None, Option(help="address of the model's server")] = None,
    judge_model: Annotated[str | None, Option(help="who judges; else by hand")] = None,
    judge_api_base: Annotated[str | None, Option(help="address of the judge's server")] = None,
) -> None:
    """Write what is to be answered and judged next, or print the table.

    Raises InputError, and ModelError where a model is asked.
    """
    check_folder(folder, "FOLDER")
    console = Console(soft_wrap=True)
    file = folder / "key.json"
    if not file.exists():
        if unknown := set(only or ()) - set(_PEERS):
            raise InputError(f"--only {min(unknown)!r:.60}: there are {', '.join(_PEERS)}")
        prompts = list(_prompts(data or [], num_test, budget, only or _PEERS, seed, folder))
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps([asdict(prompt) for prompt in prompts], indent=1).encode())
    prompts = read_json(file, TypeAdapter(list[Prompt]), "give another folder")
    texts = {prompt.number: _page(prompt) for prompt in prompts}
    instructions = MemoryProgram().ask.answer.predictors()[0].signature.instructions
    write_whole(folder / "prompts.txt", "\n".join([instructions, *texts.values()]).encode())
    reader = load_model(model, api_base) if model else None
    params = {"reader": model or "by hand", "judge": judge_model or "by hand", "budget": budget}
    sources = [run_data(path, "evaluation") for path in data or []]
    with run_where_tracked("blinded", params, "peers", data=sources, output=file) as tracked:
        answers = _completed(
            folder / "answers.txt",
            [prompt.number for prompt in prompts],
            lambda number: _answer(prompts[number - 1], reader) if reader else None,
        )
        items = to_judge(prompts, answers)
        pages = [
            f"\n=== {number}\nQuestion: {prompt.question}\nGold: {gold_of(prompt)}\nAnswer: {text}"
            for number, (prompt, text) in enumerate(items, 1)
        ]
        write_whole(
            folder / "to_judge.txt", "\n".join([JudgeStrictly.instructions, *pages]).encode()
        )
        judging = load_model(judge_model, judge_api_base) if judge_model else None
        verdicts = _completed(
            folder / "verdicts.txt",
            range(1, len(items) + 1),
            lambda number: _verdict(*items[number - 1], judging) if judging else None,
        )
        right = {
            (prompt.key, text): verdicts[number] == "right"
            for number, (prompt, text) in enumerate(items, 1)
        }
        table = result_table(prompts, answers, right)
        if tracked:
            tracked.log_artifact(str(folder))
    print_table(console, table)


# --- what is asked --------------------------------------------------------------------------------


def balanced(
    conversations: Sequence[Conversation], number: int, seed: int
) -> list[tuple[Conversation, Question]]:
    """Questions drawn by the seed, so that categories and then conversations have equal shares."""
    waiting = [
        (conversation, question)
        for conversation in conversations
        for question in conversation.questions
    ]
    random.Random(seed).shuffle(waiting)  # noqa: S311
    of_category: Counter[int] = Counter()
    of_conversation: Counter[str] = Counter()
    drawn: list[tuple[Conversation, Question]] = []
    while waiting and len(drawn) < number:
        chosen = min(
            waiting, key=lambda item: (of_category[item[1].category], of_conversation[item[0].id])
        )
        waiting.remove(chosen)
        of_category[chosen[1].category] += 1
        of_conversation[chosen[0].id] += 1
        drawn.append(chosen)
    return drawn


def _prompts(
    data: Sequence[Path], number: int, budget: int, names: Sequence[str], seed: int, folder: Path
) -> Iterator[Prompt]:
    """The prompts of all systems, shuffled within blocks of questions, numbered from 1."""
    if not data:
        raise InputError(f"{folder} has no prompts; give --data FILE")
    shuffled = random.Random(seed)  # noqa: S311
    count = 0
    for path in data:
        drawn = balanced(load_conversations(path), number, seed)
        rankings = _rankings(path, drawn, names, folder)
        by_ours = _shown_by_ours(drawn, budget)
        for start in range(0, len(drawn), _BLOCK):
            block = drawn[start : start + _BLOCK]
            jobs = [(name, *item) for item in block for name in (ASK, CONTEXT, *rankings)]
            shuffled.shuffle(jobs)
            for name, conversation, question in jobs:
                if name in rankings:
                    ranking = rankings[name]
                    text, sources = _shown_by_peer(conversation, question, ranking, budget)
                else:
                    text, sources = by_ours[name, conversation.id, question.index]
                count += 1
                yield Prompt(
                    count,
                    _title(name),
                    path.name,
                    conversation.id,
                    question.index,
                    question.category,
                    question.text,
                    question.asker,
                    question.question_date[:10],
                    question.answer,
                    text,
                    count_tokens(text),
                    recall(sources, question.evidence) if question.evidence else None,
                )


def _title(name: str) -> str:
    return f"{PEERS[name].title} {peer_version(PEERS[name])}" if name in PEERS else name


def _rankings(
    path: Path,
    drawn: Sequence[tuple[Conversation, Question]],
    names: Sequence[str],
    folder: Path,
) -> dict[str, Found]:
    """What each peer that runs here ranks; it stores only the conversations that are asked."""
    wanted = {conversation.id for conversation, _ in drawn}
    records = [record for record in read_records(path) if record["sample_id"] in wanted]
    part = folder / "rankings" / f"{path.stem}.json"
    part.parent.mkdir(parents=True, exist_ok=True)
    write_whole(part, json.dumps(records).encode())
    rankings = {}
    with progress_bar(Console(stderr=True)) as bar:
        for name in names:
            cache = part.with_name(f"{path.stem}-{name}.json")
            ranked = read_or_rank(name, part, _RANKED, cache=cache, bar=bar)
            if isinstance(ranked, str):
                print(f"{PEERS[name].title}: {ranked:.300}")
            else:
                rankings[name] = ranked
    return rankings


def _shown_by_peer(
    conversation: Conversation, question: Question, ranking: Found, budget: int
) -> tuple[str, list[str]]:
    """The best turns of a ranking that fit the budget, with their days, and their sources."""
    by_source = {turn.source: turn for turn in conversation.turns}
    ranked = ranking[conversation.id].ranked[str(question.index)]
    ids = {source: number for number, source in enumerate(by_source, 1)}
    turns = [as_stored(by_source[source], ids[source]) for source in ranked]
    block = lay_out([], turns, budget)
    sources = list(by_source)
    return block.text, [sources[turn_id - 1] for turn_id in block.turn_ids]


def _shown_by_ours(
    drawn: Sequence[tuple[Conversation, Question]], budget: int
) -> Mapping[tuple[str, str, int], tuple[str, list[str]]]:
    """What `ask` shows within the budget, and what `context` shows by default."""
    evidence = {}
    for conversation in {id(asked_of): asked_of for asked_of, _ in drawn}.values():
        sources = [turn.source for turn in conversation.turns]
        with temporary_memory(conversation.turns) as store, closing(Memory(store)) as memory:
            digest_whole(memory)
            for question in (question for asked_of, question in drawn if asked_of is conversation):
                query = AskedQuestion(question.text, question.asker, question.question_date[:10])
                ask = MemoryProgram().ask
                with ask.opening(store, budget) as place:
                    block = ask.gathered(query, place, "never").shown
                context = memory.context(
                    question.text,
                    speaker=question.asker,
                    now=question.question_date or None,
                )
                for name, text, turn_ids in (
                    (ASK, str(block), block.turn_ids),
                    (CONTEXT, context.text, context.turn_ids),
                ):
                    of_turns = [sources[turn_id - 1] for turn_id in turn_ids]
                    evidence[name, conversation.id, question.index] = text, of_turns
    return evidence


def _page(prompt: Prompt) -> str:
    """A prompt as a person reads it."""
    day = f" (asked on {prompt.today})" if prompt.today else ""
    return f"\n=== {prompt.number}\n{prompt.memory}\n--- {prompt.question}{day}"


# --- what is answered and judged ------------------------------------------------------------------

_LINE = re.compile(r"(\d+): *(.*)")


def _completed(
    file: Path, numbers: Sequence[int], ask: Callable[[int], str | None]
) -> dict[int, str]:
    """The lines of a file by number; what is missing is asked and appended, if a model is given.

    Raises InputError for lines that no one gives.
    """
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    texts = {int(match[1]): match[2].strip() for line in lines if (match := _LINE.match(line))}
    missing = [number for number in numbers if number not in texts]
    for number in missing:
        text = ask(number)
        if text is None:
            raise InputError(
                f"{file} lacks {len(missing)} of {len(numbers)} lines, the first is {number}"
            )
        texts[number] = " ".join(text.split())
        with file.open("a", encoding="utf-8") as out:
            out.write(f"{number}: {texts[number]}\n")
    return texts


def _answer(prompt: Prompt, model: Model) -> str:
    """What a model answers by the prompt that ours has for it, whoever shows the memory."""
    with model.active():
        answered = called(
            MemoryProgram().ask.answer,
            question=AskedQuestion(prompt.question, prompt.asker, prompt.today),
            evidence=Shown(prompt.memory),
            asker=prompt.asker,
            today=prompt.today,
            catalog="",
            memory=None,
        )
    return str(answered.answer)


def to_judge(prompts: Sequence[Prompt], answers: Mapping[int, str]) -> list[tuple[Prompt, str]]:
    """Each different answer to a question once, in an order that does not tell the system."""
    items = {(prompt.key, answers[prompt.number]): prompt for prompt in prompts}
    by_text = sorted(items, key=lambda item: (item[0], item[1].casefold()))
    return [(items[item], item[1]) for item in by_text]


def gold_of(prompt: Prompt) -> str:
    """The gold answer as a judge is told it."""
    return NOT_MENTIONED if prompt.category == ABSTENTION else gold(prompt.as_question)


def _verdict(prompt: Prompt, answer: str, model: Model) -> str:
    return "right" if judge("strict", prompt.as_question, answer, model).correct else "wrong"


# --- the table ------------------------------------------------------------------------------------


def result_table(
    prompts: Sequence[Prompt],
    answers: Mapping[int, str],
    right: Mapping[tuple[tuple[str, str, int], str], bool],
) -> Table:
    """A line for each file and system, the first of ours compared with each other one.

    Intervals are of 95 %, over conversations. In F1 a question of LoCoMo's category 5 counts 1 for
    an abstention.
    """
    columns = ("questions", "right", "ask minus it", "F1", "evidence shown", "tokens", "calls")
    table = number_table("one reader, one judge", ("data", "system"), columns)
    for data in dict.fromkeys(prompt.data for prompt in prompts):
        of_data = [prompt for prompt in prompts if prompt.data == data]
        verdict = {
            (prompt.system, prompt.key): float(right[prompt.key, answers[prompt.number]])
            for prompt in of_data
        }
        for system in sorted({prompt.system for prompt in of_data}):
            of_system = [prompt for prompt in of_data if prompt.system == system]
            clusters = [prompt.conversation for prompt in of_system]
            shares = [verdict[system, prompt.key] for prompt in of_system]
            by_ask = [verdict[ASK, prompt.key] for prompt in of_system]
            recalls = [prompt.recall for prompt in of_system if prompt.recall is not None]
            scores = [score(answers[prompt.number], prompt.as_question) for prompt in of_system]
            low, high = paired_bootstrap(by_ask, shares, clusters=clusters)
            gain = f"{fmean(by_ask) - fmean(shares):+.3f} [{low:+.3f}, {high:+.3f}]"
            table.add_row(
                data,
                system,
                str(len(of_system)),
                _share(shares, clusters),
                "" if system == ASK else gain,
                f"{fmean(scores):.3f}",
                f"{fmean(recalls):.3f}" if recalls else "-",
                f"{fmean(prompt.tokens for prompt in of_system):,.0f}",
                "1.0",
            )
    return table


def _share(values: Sequence[float], clusters: Sequence[str]) -> str:
    """`.612 [.50, .72]`, over conversations."""
    of_cluster: dict[str, list[float]] = {}
    for value, cluster in zip(values, clusters, strict=True):
        of_cluster.setdefault(cluster, []).append(value)

    def mean(names: Sequence[str]) -> float:
        return fmean(value for name in names for value in of_cluster[name])

    low, high = resampled_interval([*of_cluster], mean, (0, 1)) or (0.0, 1.0)
    return f"{fmean(values):.3f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    run_command(app, "what is written in the folder stays; the same command goes on")
