"""Two small runs of evaluate.py as written: a memory of four turns, questions, traces, verdicts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from locomo.harness import Result
from locomo.results.traces import ModelCall, RowsRead, Trace
from memory import Turn, open_store

# What a page must not read as markup, in each place where a model or a user may write it.
MARKUP = "</script><script>document.title = 'run'</script><img src=x onerror=alert(1)>&amp;<!--"
JUDGE = "strict (a/judge)"
TURNS = [
    Turn(speaker="Ann", text="I moved to Lyon.", said_at="2023-05-07", source="D1:1"),
    Turn(speaker="Bo", text=f"Good for you {MARKUP}", said_at="2023-05-07", source="D1:2"),
    Turn(speaker="Ann", text="Rex came along.", said_at="2023-05-08", source="D1:3"),
    Turn(speaker="Bo", text="And the cat?", said_at="2023-05-08", source="D1:4"),
]
RESULTS = [
    Result(
        *("memory", "chat", 0, 4, "Where does Ann live?", "Lyon", "Lyon", 1.0, 1.0, 0.25),
        sql=("SELECT turn_id, value FROM facts WHERE subject = 'Ann'",),
        rows=1,
        cited=("D1:1",),
        shown="1-3",
        evidence=("D1:1",),
        verdicts={JUDGE: True},
    ),
    Result(
        *("memory", "chat", 1, 1, f"Who came along? {MARKUP}", "Rex, the cat", MARKUP, 0.0, 0.5),
        0.5,
        shown="1 3",
        evidence=("D1:3", "D1:4"),
        without_fact=("D1:4",),
        verdicts={JUDGE: False},
    ),
    Result(
        *("memory", "chat", 2, 5, "What is Bo's car?", "", "A Seat", 0.0, None, 0.5),
        shown="2",
        verdicts={JUDGE: None},
    ),
    Result("baseline", "chat", 0, 4, "Where does Ann live?", "Lyon", "Paris", 0.0, 0.0, 0.1),
]
TRACE = Trace(
    RESULTS[0],
    rows=(RowsRead(RESULTS[0].sql[0], ("turn_id", "value"), (("1", f"Lyon {MARKUP}"),)),),
    refusals=("Refused:\nSELECT nothing\nBecause: there is no column nothing",),
    calls=(ModelCall((("system", "Answer."), ("user", "Where does Ann live?")), ("Lyon",)),),
)


def write_runs(folder: Path) -> tuple[Path, Path]:
    """The folders of a run with traces, and of one without in which one answer got better."""
    first = _write(folder / "first", RESULTS, [TRACE])
    with open_store(first / "memories" / "chat.db") as store:
        store.add(TURNS)
    better = replace(RESULTS[1], answer="Rex and the cat", score=0.9, verdicts={JUDGE: True})
    return first, _write(folder / "second", [RESULTS[0], better, RESULTS[2]])


def _write(folder: Path, results: Sequence[Result], traces: Sequence[Trace] = ()) -> Path:
    (folder / "memories").mkdir(parents=True)
    params: Mapping[str, Any] = {"model": f"a/model {folder.name}", "answers": "answers-1.jsonl"}
    memories = [{"conversation": "chat", "path": "chat.db", "turns": len(TURNS)}]
    written = {"params": params, "memories": memories, "results": [asdict(r) for r in results]}
    (folder / "evaluation_results.json").write_text(json.dumps(written))
    if traces:
        lines = [json.dumps(asdict(trace)) for trace in traces]
        (folder / "traces-1.jsonl").write_text("\n".join(lines) + "\n")
    return folder
