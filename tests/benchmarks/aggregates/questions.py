"""Questions whose answer is computed from facts, and the SELECTs that a careful writer writes."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from memory.sql import quoted
from tests.benchmarks.aggregates.talk import PEOPLE, StatedFact

KINDS = (
    *("list", "between", "count", "count between", "first", "last", "how long", "changes"),
    *("who both", "most often", "who most"),
)


@dataclass(frozen=True)
class Spec:
    """What a question asks of the facts of a memory.

    `first` and `before` bound the dates (ISO text; `before` itself is out). `value` is the state
    whose length is asked for.
    """

    memory: str
    kind: str
    text: str
    subjects: tuple[str, ...]
    attribute: str
    first: str = ""
    before: str = ""
    value: str = ""


@dataclass(frozen=True)
class Aggregate:
    """A question with its computed gold.

    `evidence` are the sources of the turns that tell the answer; `sums` are texts of which all
    stand in what a SELECT that counts brings; without any the evidence itself is the answer.
    """

    memory: str
    kind: str
    question: str
    answer: str
    evidence: tuple[str, ...]
    sums: tuple[str, ...]
    sql: str


def computed(spec: Spec, facts: Sequence[StatedFact]) -> Aggregate:
    """The question with its answer. Raises ValueError where facts do not say it."""
    matching = sorted(
        (fact for fact in facts if _matches(spec, fact)),
        key=lambda fact: fact.happened_on,
    )
    if not matching:
        raise ValueError(f"no fact for {spec.text!r} in {spec.memory}")
    answer, used, sums = _gold(spec, matching)
    if spec.kind == "how long":
        # Turns tell an end where the next state begins.
        used = [*used, *(f for f in facts if _begins_at_end(f, used[0]))]
    return Aggregate(
        memory=spec.memory,
        kind=spec.kind,
        question=spec.text,
        answer=answer,
        evidence=tuple(dict.fromkeys(fact.source for fact in used)),
        sums=sums,
        sql=_select(spec),
    )


def _matches(spec: Spec, fact: StatedFact) -> bool:
    return (
        fact.attribute == spec.attribute
        and (not spec.subjects or fact.subject in spec.subjects)
        and (not spec.value or fact.value == spec.value)
        and spec.first <= fact.happened_on
        and (not spec.before or fact.happened_on < spec.before)
    )


def _begins_at_end(fact: StatedFact, ended: StatedFact) -> bool:
    same_state = (fact.subject, fact.attribute) == (ended.subject, ended.attribute)
    return same_state and fact.happened_on == ended.ended_on


def _gold(
    spec: Spec, facts: Sequence[StatedFact]
) -> tuple[str, Sequence[StatedFact], tuple[str, ...]]:
    """The answer, the facts that it takes, and the sums that tell it."""
    values = [fact.value for fact in facts]
    match spec.kind:
        case "list" | "between" | "changes":
            return ", ".join(dict.fromkeys(values)), facts, ()
        case "count" | "count between":
            return str(len(facts)), facts, (f"times: {len(facts)}",)
        case "first" | "last":
            dated = [fact for fact in facts if fact.happened_on]
            fact = dated[0 if spec.kind == "first" else -1]
            return fact.happened_on if spec.text.startswith("When") else fact.value, [fact], ()
        case "how long":
            begin, end = facts[0].happened_on, facts[0].ended_on
            if not end:
                raise ValueError(f"it has not ended: {spec.text}")
            return f"{begin} to {end}", facts[:1], (begin, end)
        case "who both":
            by_subject = [{f.value for f in facts if f.subject == name} for name in spec.subjects]
            shared = set.intersection(*by_subject)
            if not shared:
                raise ValueError(f"nothing is shared: {spec.text}")
            both = [fact for fact in facts if fact.value in shared]
            return ", ".join(sorted(shared)), both, ()
        case "most often":
            value, times = _most(Counter(values), spec)
            return value, facts, (f"{value} | times: {times}",)
        case "who most":
            name, times = _most(Counter(fact.subject for fact in facts), spec)
            return name, facts, (f"{name} | times: {times}",)
    raise ValueError(f"the kind {spec.kind!r} is unknown")


def _most(counts: Counter[str], spec: Spec) -> tuple[str, int]:
    (name, times), *others = counts.most_common(2)
    if others and others[0][1] == times:
        raise ValueError(f"two come first: {spec.text}")
    return name, times


def _select(spec: Spec) -> str:
    """The SELECTs for a question, as a careful writer writes them."""
    conditions = [f"attribute = {quoted(spec.attribute)}"]
    if spec.subjects:
        names = ", ".join(map(quoted, spec.subjects))
        conditions.insert(0, f"subject IN ({names})")
    if spec.value:
        conditions.append(f"value = {quoted(spec.value)}")
    if spec.first:
        conditions.append(f"happened_on >= {quoted(spec.first)}")
    if spec.before:
        conditions.append(f"happened_on < {quoted(spec.before)}")
    where = " AND ".join(conditions)
    dates = "turn_id, subject, attribute, value, happened_on, ended_on"
    match spec.kind:
        case "list" | "between":
            return f"SELECT turn_id, subject, attribute, value FROM facts WHERE {where}"
        case "changes" | "how long":
            return f"SELECT {dates} FROM facts WHERE {where} ORDER BY happened_on"
        case "first" | "last":
            order = " DESC" if spec.kind == "last" else ""
            return (
                f"SELECT {dates} FROM facts WHERE {where} AND happened_on <> ''"
                f" ORDER BY happened_on{order}, id{order} LIMIT 1"
            )
        case "who both":
            one, two = spec.subjects
            return (
                "SELECT turn_id, subject, attribute, value FROM facts"
                f" WHERE {where} AND value IN (SELECT a.value FROM facts a JOIN facts b"
                f" ON b.value = a.value AND b.attribute = a.attribute"
                f" WHERE a.attribute = {quoted(spec.attribute)} AND a.subject = {quoted(one)}"
                f" AND b.subject = {quoted(two)})"
            )
        case "most often" | "who most":
            column = "value" if spec.kind == "most often" else "subject"
            return (
                f"SELECT {column}, COUNT(*) AS times FROM facts WHERE {where}"
                f" GROUP BY {column} ORDER BY times DESC LIMIT 3"
            )
    return (
        f"SELECT COUNT(*) AS times FROM facts WHERE {where};"
        f" SELECT turn_id, value, happened_on FROM facts WHERE {where} LIMIT 30"
    )


# What is asked about the long chat, by attribute: all, those of a time, one of them.
_LISTS = {
    "read": ("Which books has {name} read", "Which books did {name} read"),
    "watched": ("Which films has {name} watched", "Which films did {name} watch"),
    "visited": ("Which cities has {name} visited", "Which cities did {name} visit"),
    "bought": ("What has {name} bought", "What did {name} buy"),
}
_ENDS = {
    "read": ("Which book did {name} read first?", "Which book did {name} read last?"),
    "watched": ("Which film did {name} watch first?", "Which film did {name} watch last?"),
    "visited": ("Which city did {name} visit first?", "Which city did {name} visit last?"),
    "bought": ("What did {name} buy first?", "What did {name} buy last?"),
}
_BOTH = {
    "read": "Which books have both {name} and {friend} read?",
    "visited": "Which cities have both {name} and {friend} visited?",
}
_COUNTS = {
    "went_running": "How often did {name} go running",
    "cooked": "How often did {name} cook",
    "ate_at": "How often did {name} eat out",
    "ill_with": "How often was {name} ill",
}
_MOST = {
    "cooked": "Which dish does {name} cook most often?",
    "ate_at": "Which restaurant does {name} go to most often?",
}
_STATES = {
    "lives_in": ("Where has {name} lived, one after the other?", "How long did {name} live in {}?"),
    "works_at": (
        "Where has {name} worked, one after the other?",
        "How long did {name} work at {}?",
    ),
}
_SPANS = (
    ("in 2021", "2021", "2022"),
    ("in 2020", "2020", "2021"),
    ("between March 2021 and June 2022", "2021-03", "2022-07"),
    ("between October 2019 and May 2020", "2019-10", "2020-06"),
    ("in the summer of 2022, from June to August", "2022-06", "2022-09"),
    ("in 2023", "2023", "2024"),
)


def of_long_chat(facts: Sequence[StatedFact], memory: str = "long") -> list[Aggregate]:
    """The questions about the long chat; those without an answer are left out."""
    questions = []
    for spec in _specs_of_long_chat(facts, memory):
        try:
            questions.append(computed(spec, facts))
        except ValueError:
            continue
    return questions


def _specs_of_long_chat(facts: Sequence[StatedFact], memory: str) -> Iterator[Spec]:
    """The same forms for all six, of attributes and times that go round."""
    attributes = list(_LISTS)
    for number, name in enumerate(PEOPLE):
        first, second, third = (attributes[(number + step) % len(attributes)] for step in range(3))
        spans = (_SPANS[number], _SPANS[(number + 1) % len(_SPANS)])
        subject = (name,)
        text = _LISTS[first][0].format(name=name)
        yield Spec(memory, "list", f"{text}?", subject, first)
        for attribute, (words, begin, before) in zip((second, first), spans, strict=True):
            text = f"{_LISTS[attribute][1].format(name=name)} {words}?"
            yield Spec(memory, "between", text, subject, attribute, begin, before)
        for attribute, asks in _COUNTS.items():
            yield Spec(memory, "count", f"{asks.format(name=name)} in all?", subject, attribute)
        for attribute, (words, begin, before) in zip(
            ("went_running", "cooked"), spans, strict=True
        ):
            text = f"{_COUNTS[attribute].format(name=name)} {words}?"
            yield Spec(memory, "count between", text, subject, attribute, begin, before)
        for attribute in (second, third):
            for kind, text in zip(("first", "last"), _ENDS[attribute], strict=True):
                yield Spec(memory, kind, text.format(name=name), subject, attribute)
        for attribute, (changes, length) in _STATES.items():
            yield Spec(memory, "changes", changes.format(name=name), subject, attribute)
            state = next(f for f in facts if (f.subject, f.attribute) == (name, attribute))
            text = length.format(state.value, name=name)
            yield Spec(memory, "how long", text, subject, attribute, value=state.value)
        for attribute, text in _MOST.items():
            yield Spec(memory, "most often", text.format(name=name), subject, attribute)
        friend = PEOPLE[(number + 1) % len(PEOPLE)]
        for attribute, text in _BOTH.items():
            text = text.format(name=name, friend=friend)
            yield Spec(memory, "who both", text, (name, friend), attribute)
    for words, begin, before in _SPANS:
        text = f"Who went running most often {words}?"
        yield Spec(memory, "who most", text, (), "went_running", begin, before)
