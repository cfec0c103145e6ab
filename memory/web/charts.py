"""Charts of a memory over time and by subject, and of evaluation results."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import accumulate
from statistics import fmean
from typing import Any

from memory.errors import InputError
from memory.store import Store
from memory.web.page_request import Page, PageRequest, PageResponse, PageRoute
from memory.web.svg import Chart, columns, rows_of_bars, scatter

_SUBJECTS = 12
_MOST_MONTHS = 120  # beyond them, years are shown
_LARGEST_FILE = 3_000_000  # bytes; the server accepts larger forms
_DATED = "said_at BETWEEN '1' AND '3'"


def charts(request: PageRequest, store: Store) -> PageResponse:
    """Charts of a memory: its growth and its subjects."""
    return Page("charts.html", {"charts": _of_memory(request, store), "name": ""})


async def results(request: PageRequest) -> PageResponse:
    """Charts of scores, recall and cost, from a file that `evaluate.py` wrote."""
    if not request.inputs.files:
        raise InputError("choose a file first: evaluation_results.json")
    [file, *_] = request.inputs.files
    content = await file.read(_LARGEST_FILE + 1)
    if len(content) > _LARGEST_FILE:
        raise InputError(f"{file.filename}: larger than {_LARGEST_FILE:,} bytes")
    return Page("charts.html", {"charts": of_results(content), "name": file.filename})


def _of_memory(request: PageRequest, store: Store) -> list[Chart]:
    def turns_of(period: str) -> str:
        return request.address("conversation", since=period, until=period)

    def facts_about(subject: str) -> str:
        return request.address("subject", name=subject)

    turns = store.read(
        "SELECT SUBSTR(said_at, 1, 7) AS month, COUNT(*) AS turns, SUM(LENGTH(text)) AS size"
        f" FROM turns WHERE {_DATED} GROUP BY 1 ORDER BY 1"
    ).rows
    facts = store.read(
        "SELECT SUBSTR(t.said_at, 1, 7) AS month, COUNT(*) AS facts FROM facts f"
        f" JOIN turns t ON t.id = f.turn_id WHERE t.{_DATED} GROUP BY 1 ORDER BY 1"
    ).rows
    subjects = store.read(
        "SELECT subject, COUNT(*) AS facts FROM facts GROUP BY subject"
        f" ORDER BY 2 DESC, 1 LIMIT {_SUBJECTS}"
    ).rows
    turn_counts = _over_time([(month, count) for month, count, _ in turns])
    fact_counts = _over_time([(month, count) for month, count in facts])
    sizes = _over_time([(month, size) for month, _, size in turns])
    total = accumulate(size / 1_000 for _, size in sizes)
    return [
        columns("Turns over time", ("when", "turns"), turn_counts, turns_of),
        columns("Facts over time", ("when", "facts"), fact_counts, turns_of),
        rows_of_bars("Facts by subject", ("subject", "facts"), subjects, facts_about),
        columns(
            "Size of the conversation",
            ("when", "thousand characters"),
            [(month, round(size, 1)) for (month, _), size in zip(sizes, total, strict=True)],
            turns_of,
        ),
    ]


def _over_time(counts: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """Counts by month, including empty months; by year when there are too many months."""
    by_date = dict(counts)
    months = sorted(month for month in by_date if len(month) == 7 and month[4] == "-")
    first, last = (months[0], months[-1]) if months else ("", "")
    all_months = _months(first, last)
    if months and len(all_months) <= _MOST_MONTHS and len(months) == len(by_date):
        return [(month, by_date.get(month, 0)) for month in all_months]
    years: dict[str, float] = defaultdict(float)
    for date, count in counts:
        years[date[:4]] += count
    return sorted(years.items())


def _months(first: str, last: str) -> list[str]:
    """All months from `2017-05` to `2018-01`; none when these are not months."""
    try:
        start, end = (int(month[:4]) * 12 + int(month[5:]) - 1 for month in (first, last))
    except ValueError:
        return []
    return [f"{number // 12:04}-{number % 12 + 1:02}" for number in range(start, end + 1)]


# ---------------------------------------------------------------------------- result files


def of_results(content: bytes) -> list[Chart]:
    """The charts of an `evaluation_results.json`. Raises InputError for another file."""
    try:
        results = [_result(record) for record in json.loads(content)["results"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError(
            "this is not an evaluation_results.json, which evaluate.py writes"
        ) from None
    if not results:
        raise InputError("this file has no results")
    systems = list(dict.fromkeys(str(result["system"]) for result in results))
    by_system = {
        system: [result for result in results if result["system"] == system] for system in systems
    }
    scores = [
        rows_of_bars(f"Score of {system}", ("category", "mean score"), _by_category(answers))
        for system, answers in by_system.items()
    ]
    judges = sorted({judge for result in results for judge in result["judged"]})
    judged = [
        rows_of_bars(
            f"Score of {system}, {judge}", ("category", "mean score"), _by_category(of_judge, judge)
        )
        for judge in judges
        for system, answers in by_system.items()
        if (of_judge := [answer for answer in answers if judge in answer["judged"]])
    ]
    return [
        *scores,
        *judged,
        scatter(
            "Recall by tokens",
            ("system", "tokens per question", "recall"),
            [
                (
                    _counted(system, with_evidence),
                    _mean(with_evidence, "tokens"),
                    min(_mean(with_evidence, "recall"), 1.0),
                )
                for system, answers in by_system.items()
                if (with_evidence := [a for a in answers if a["recall"] is not None])
            ],
        ),
        rows_of_bars(
            "Model calls per question",
            ("system", "calls"),
            [
                (_counted(system, answers), _mean(answers, "calls"))
                for system, answers in by_system.items()
            ],
        ),
        rows_of_bars(
            "Seconds per question",
            ("system", "seconds"),
            [
                (_counted(system, answers), _mean(answers, "seconds"))
                for system, answers in by_system.items()
            ],
        ),
    ]


def _result(record: Mapping[str, Any]) -> dict[str, Any]:
    """The measures of a result; recall is None where the question names no evidence."""
    measures = ("score", "tokens", "calls", "seconds")
    numbers = {name: max(float(record.get(name, 0)), 0.0) for name in measures}
    recall = record.get("recall")
    return {
        "system": str(record["system"]),
        "category": str(record["category"]),
        "recall": None if recall is None else max(float(recall), 0.0),
        "judged": _judged(record),
        **numbers,
    }


def _judged(record: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Each judge's score of an answer, and the score if what it could not read were right."""
    verdicts = {
        str(judge): (float(verdict is True), float(verdict is not False))
        for judge, verdict in record.get("verdicts", {}).items()
    }
    rubrics = {}
    for judge, scores in record.get("rubric_scores", {}).items():
        points = scores["points"]
        least = fmean(point or 0.0 for point in points)
        most = fmean(1.0 if point is None else point for point in points)
        rubrics[str(judge)] = (least, most)
    return verdicts | rubrics


def _by_category(answers: Sequence[Mapping[str, Any]], judge: str = "") -> list[tuple[str, float]]:
    """The mean score of each category, F1 or a judge's, which may be a bracket."""
    by_category: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for answer in answers:
        by_category[answer["category"]].append(answer)
    means = []
    for category, of_category in sorted(by_category.items()):
        label = _counted(category, of_category)
        if judge:
            least = fmean(answer["judged"][judge][0] for answer in of_category)
            most = fmean(answer["judged"][judge][1] for answer in of_category)
            if most > least:
                label += f", up to {most:.2f}"
        else:
            least = fmean(answer["score"] for answer in of_category)
        means.append((label, round(least, 3)))
    return means


def _counted(name: str, answers: Sequence[Mapping[str, Any]]) -> str:
    return f"{name}, n = {len(answers)}"


def _mean(answers: Sequence[Mapping[str, Any]], name: str) -> float:
    return round(fmean(answer[name] for answer in answers), 3)


PAGES: list[PageRoute] = [("GET", "/charts", charts), ("POST", "/charts", results)]
