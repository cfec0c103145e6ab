"""What people do in a day: sittings, in each of which a user adds turns and asks questions."""

import asyncio
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from tests.benchmarks.crowd import Client
from tests.benchmarks.scale import chat

SPEAKERS = ("user", "assistant")
SITTINGS_A_DAY = 4  # of a user, each after hours in which others had their turn
DAY_SECONDS = 86_400
_LONGEST_TEXT = 300  # characters, of an answer but 200
PATIENCE_SECONDS = 300.0  # of a client with one request: a busy machine is measured by its CPU
# A quarter asks for a list or a count, for which a model writes SQL first.
QUESTIONS = (
    "What did I say about {}?",
    "When did we talk about {}?",
    "Who told me about {}?",
    "How many times did I mention {}?",
)


@dataclass(frozen=True)
class Sitting:
    """A user's turns and questions in one go; `number` is the memory's, `seed` of its words."""

    number: int
    turns: int
    questions: int
    seed: int


def sittings(users: int, turns: int, questions: int, share: float, seed: int = 0) -> list[Sitting]:
    """So large a share of the sittings of a day, drawn by chance, in the order in which they come.

    Arguments:
        turns, questions: of each user in a whole day.
    """
    drawn = random.Random(seed)
    whole = [(number, part) for number in range(users) for part in range(SITTINGS_A_DAY)]
    chosen = drawn.sample(whole, max(1, round(len(whole) * share)))
    return [
        Sitting(number, _part(turns, part), _part(questions, part), seed + place + 1)
        for place, (number, part) in enumerate(chosen)
    ]


def _part(of_day: int, part: int) -> int:
    """What a sitting has of a day's number; all parts together have all of it."""
    return of_day * (part + 1) // SITTINGS_A_DAY - of_day * part // SITTINGS_A_DAY


@dataclass
class Replay:
    """What the clients saw: milliseconds by kind, statuses, and when each turn was stored."""

    milliseconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    statuses: Counter[int] = field(default_factory=Counter)
    # Texts of answers but 200, each with its status, and how many were the same.
    refusals: Counter[tuple[int, str]] = field(default_factory=Counter)
    late: list[float] = field(default_factory=list)  # seconds that a sitting began too late
    # Of each memory the Unix seconds at which turns were acknowledged, by their ids.
    stored: dict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))

    @property
    def requests(self) -> int:
        return sum(map(len, self.milliseconds.values()))


async def replay(
    plan: Sequence[Sitting],
    port: int,
    token: str,
    *,
    seconds: float,
    clients: int,
    seen: Replay,
    advance: Callable[[], object],
) -> None:
    """Send these sittings, spread evenly over so many seconds, at most `clients` at a time."""
    begin = time.perf_counter()
    places = asyncio.Semaphore(clients)

    async def sit(sitting: Sitting) -> None:
        try:
            await _sit(sitting, port, token, seen)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            seen.statuses[0] += 1  # no answer
        finally:
            places.release()
            advance()

    async with asyncio.TaskGroup() as under_way:
        for place, sitting in enumerate(plan):
            due = begin + seconds * place / len(plan)
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            await places.acquire()
            seen.late.append(time.perf_counter() - due)
            under_way.create_task(sit(sitting))


async def _sit(sitting: Sitting, port: int, token: str, seen: Replay) -> None:
    name = f"m{sitting.number}"
    drawn = random.Random(sitting.seed)
    turns = [*islice(chat(sitting.seed, SPEAKERS), sitting.turns)]
    asked_after = {
        (question + 1) * sitting.turns // (sitting.questions + 1)
        for question in range(sitting.questions)
    }
    left = sitting.questions
    client = Client(port, token)
    await client.connect()
    try:
        for place, turn in enumerate(turns):
            body = {"text": turn.text, "speaker": turn.speaker, "session": f"day {sitting.seed}"}
            if answer := await _timed(client, seen, "turn", f"/api/{name}/turns", body):
                seen.stored[name][answer["id"]] = time.time()
            if place in asked_after and left:
                left -= 1
                await _ask(client, seen, name, drawn, turn.text)
        for _ in range(left):
            await _ask(client, seen, name, drawn, "tea in the morning")
    finally:
        client.close()


async def _ask(client: Client, seen: Replay, name: str, drawn: random.Random, text: str) -> None:
    words = " ".join(text.strip(".!?").split()[:3])
    question = drawn.choice(QUESTIONS).format(words.lower())
    await _timed(client, seen, "question", f"/api/{name}/ask", {"question": question})


async def _timed(
    client: Client, seen: Replay, kind: str, path: str, body: dict[str, str]
) -> dict[str, int]:
    begin = time.perf_counter()
    request = client.exchange("POST", path, json.dumps(body))
    status, answer = await asyncio.wait_for(request, PATIENCE_SECONDS)
    seen.milliseconds[kind].append((time.perf_counter() - begin) * 1000)
    seen.statuses[status] += 1
    if status != 200:
        seen.refusals[
            status, " ".join(str(answer, "utf-8", "replace").split())[:_LONGEST_TEXT]
        ] += 1
    found: dict[str, int] = json.loads(answer) if status == 200 else {}
    return found


async def wait_for_changes(
    port: int, token: str, memories: Sequence[str], seconds: float, begun: Callable[[], object]
) -> int:
    """So many clients wait for a change that does not come; returns how many got an answer."""

    async def wait(name: str) -> int:
        client = Client(port, token)
        await client.connect()
        _, answer = await client.exchange("GET", f"/api/{name}/changes?limit=1")
        [last] = json.loads(answer)["changes"]
        path = f"/api/{name}/changes?after={last['id']}&wait={round(seconds)}"
        ready.release()
        status = await client.send("GET", path)
        client.close()
        return int(status == 200)

    ready = asyncio.Semaphore(0)
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(wait(name)) for name in memories]
        for _ in memories:
            await ready.acquire()
        begun()
    return sum(task.result() for task in waiting)
