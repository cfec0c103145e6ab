"""Judges answers by OpenAI's Batch API: half the price, within a day.

The requests go up as one file, and the batch's id is kept beside the answers: the same command
after Ctrl-C waits for the same batch. What it leaves without a verdict is judged call by call.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dspy.utils.exceptions import AdapterParseError
from rich.console import Console

from locomo.harness import AnswerLog, Result, fingerprint
from locomo.judge_replies import read_alone
from locomo.llm_judge import Kind, judge_prompt
from locomo.results.judging import question_of, verdict_names
from memory import InputError
from memory.errors import ModelError
from memory.program import CompletionAdapter, Model
from memory.program.costs import Cost, priced
from memory.system.files import write_whole
from memory.system.progress import progress_bar

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types import Batch

PRICE = 0.5  # of what calls cost
BATCH = "judge-batch.json"  # the file of the batch under way
POLL_S = 30.0
_ENDPOINT: Final = "/v1/chat/completions"
_ENDED = ("completed", "failed", "expired", "cancelled")
_SETTINGS = ("temperature", "max_tokens", "max_completion_tokens")


@dataclass(frozen=True)
class _Asked:
    """A verdict that is asked for: of which answer, and by which prompt."""

    result: Result
    kind: Kind

    @property
    def id(self) -> str:
        return f"{fingerprint(self.result.key, self.result.answer)}-{self.kind}"


def judge_by_batch(
    results: Sequence[Result],
    model: Model,
    log: AnswerLog,
    folder: Path,
    console: Console,
    wait: Callable[[float], None] = time.sleep,
) -> tuple[list[Result], Cost]:
    """The results with the verdicts that a batch gave, written to the log, and its cost.

    Arguments:
        folder: gets the batch's id until its verdicts are read.
        wait: for so many seconds before the batch is looked at again.

    Raises InputError for a model or answers that cannot be judged so, ModelError when the server
    refuses the batch.
    """
    if any(result.rubric for result in results):
        raise InputError("--batch judges no rubrics; leave it out")
    wanted = [
        _Asked(result, kind)
        for result in results
        if not result.unusable
        for kind, name in verdict_names(question_of(result), model).items()
        if result.verdicts.get(name) is None
    ]
    if not wanted:
        return list(results), Cost()
    file = folder / BATCH
    requests = [_request(verdict, model) for verdict in wanted]
    with _openai_errors(model), _client(model) as client:
        batch_id = _id_under_way(file, requests) or _sent(client, requests, file)
        batch = _ended_batch(client, batch_id, console, wait)
        lines = _lines(client, batch.output_file_id)
        refusals = _lines(client, batch.error_file_id)
    if not lines:
        file.unlink(missing_ok=True)
        errors = [error.message for error in (batch.errors.data or [])] if batch.errors else []
        reason = next(iter([*errors, *map(json.dumps, refusals)]), "no answers")
        raise ModelError(f"the batch {batch_id} is {batch.status}: {str(reason)[:300]}")
    judged, cost = _with_verdicts(results, wanted, lines, model)
    for result in judged:
        log.add(result)
    file.unlink(missing_ok=True)
    missing = len(wanted) - len(lines)
    if missing:
        console.print(f"the batch left {missing} of {len(wanted)} verdicts out", highlight=False)
    return judged, cost


def _client(model: Model) -> "OpenAI":
    from openai import OpenAI

    provider, _, name = model.name.partition("/")
    if provider != "openai" or not name:
        raise InputError(f"--batch is for judges of OpenAI, as in openai/gpt-4o, not {model.name}")
    return OpenAI(base_url=model.api_base)


@contextmanager
def _openai_errors(model: Model) -> Iterator[None]:
    import openai

    try:
        yield
    except openai.OpenAIError as error:
        raise ModelError(f"{model.name} by batch: {' '.join(str(error).split())[:300]}") from error


def _request(verdict: _Asked, model: Model) -> dict[str, Any]:
    signature, inputs = judge_prompt(
        verdict.kind, question_of(verdict.result), verdict.result.answer
    )
    settings = {name: model.lm.kwargs.get(name) for name in _SETTINGS}
    return {
        "custom_id": verdict.id,
        "method": "POST",
        "url": _ENDPOINT,
        "body": {
            "model": model.name.partition("/")[2],
            "messages": CompletionAdapter().format(signature, demos=[], inputs=inputs),
            **{name: value for name, value in settings.items() if value is not None},
        },
    }


def _id_under_way(file: Path, requests: Sequence[Mapping[str, Any]]) -> str:
    """The id of a batch with these very requests that was sent before; "" for none."""
    try:
        sent = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return ""
    return str(sent["id"]) if sent.get("requests") == fingerprint(*requests) else ""


def _sent(client: "OpenAI", requests: Sequence[Mapping[str, Any]], file: Path) -> str:
    content = "".join(json.dumps(request) + "\n" for request in requests).encode()
    uploaded = client.files.create(file=("judge.jsonl", content), purpose="batch")
    batch = client.batches.create(
        input_file_id=uploaded.id, endpoint=_ENDPOINT, completion_window="24h"
    )
    sent = {"id": batch.id, "requests": fingerprint(*requests)}
    write_whole(file, json.dumps(sent).encode())
    return batch.id


def _ended_batch(
    client: "OpenAI", batch_id: str, console: Console, wait: Callable[[float], None]
) -> "Batch":
    """The batch when it has ended; OpenAI ends each within a day."""
    console.print(f"batch {batch_id}: Ctrl-C leaves it, the same command waits for it again")
    with progress_bar(console) as bar:
        line = bar.add_task("judging by batch", total=None)
        while True:
            batch = client.batches.retrieve(batch_id)
            if counts := batch.request_counts:
                bar.update(line, completed=counts.completed + counts.failed, total=counts.total)
            if batch.status in _ENDED:
                return batch
            wait(POLL_S)


def _lines(client: "OpenAI", file_id: str | None) -> list[dict[str, Any]]:
    if not file_id:
        return []
    text = client.files.content(file_id).text
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def _with_verdicts(
    results: Sequence[Result],
    wanted: Sequence[_Asked],
    lines: Sequence[Mapping[str, Any]],
    model: Model,
) -> tuple[list[Result], Cost]:
    bodies = {line["custom_id"]: (line.get("response") or {}).get("body") or {} for line in lines}
    verdicts: dict[tuple[Any, ...], dict[str, bool | None]] = {}
    tokens_in = tokens_out = 0
    for verdict in wanted:
        body = bodies.get(verdict.id, {})
        usage = body.get("usage") or {}
        tokens_in += usage.get("prompt_tokens", 0)
        tokens_out += usage.get("completion_tokens", 0)
        correct = _correct(verdict, body)
        if correct is not None:
            name = verdict_names(question_of(verdict.result), model)[verdict.kind]
            verdicts.setdefault(verdict.result.key, {})[name] = correct
    judged = [
        replace(result, verdicts={**result.verdicts, **verdicts.get(result.key, {})})
        for result in results
    ]
    cost = priced(model, calls=len(bodies), tokens_in=tokens_in, tokens_out=tokens_out)
    return judged, at_half_price(cost)


def at_half_price(cost: Cost) -> Cost:
    """The cost of the same calls in a batch."""
    return replace(cost, dollars=None if cost.dollars is None else cost.dollars * PRICE)


def _correct(verdict: _Asked, body: Mapping[str, Any]) -> bool | None:
    """What the judge said; None for what cannot be read."""
    try:
        text = str(body["choices"][0]["message"]["content"] or "")
    except (KeyError, IndexError, TypeError):
        return None
    signature, _ = judge_prompt(verdict.kind, question_of(verdict.result), "")
    try:
        return bool(CompletionAdapter().parse(signature, text)["correct"])
    except AdapterParseError as error:
        alone = read_alone(signature, error.lm_response or "")
        return None if alone is None else bool(alone.correct)
