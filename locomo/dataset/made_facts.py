"""Numbered facts that later ones overrule, made by a seed: FactConsolidation's task with evidence.

The form is that of Hu et al. (`fact_consolidation`), whose facts are of the real world, overruled
by others. Here all names are invented, so no model knows an answer from elsewhere, and the turns
that hold each answer are marked. A question with one hop asks for what one fact says, one with two
for what is said of what another fact names.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from locomo.dataset.fact_consolidation import CATEGORIES, MULTI_HOP, SINGLE_HOP
from memory import InputError

_COMPANY, _PERSON, _CITY, _SPORT = "company", "person", "city", "sport"
_SHARE_OVERRULED = 0.5  # of the facts, the share that repeats an earlier one
_FACTS_A_SESSION = 100
_SYLLABLES = (
    "ba be bo da do fa ga ka ke la le lo ma mi mo na ne no ra re ri ro sa so ta ti to va vi zo"
)
_SPORTS = ("fencing", "rowing", "judo", "squash", "curling", "archery", "handball", "sailing")


@dataclass(frozen=True)
class _Relation:
    """What facts say of one kind of thing about another.

    `says` has {a} and {b}; `asks` has {a}, and `names` is the same as words within a question.
    """

    of: str
    to: str
    says: str
    asks: str
    names: str = ""


_RELATIONS = (
    _Relation(
        _COMPANY,
        _PERSON,
        "The chief executive officer of {a} is {b}.",
        "Who is the chief executive officer of {a}?",
        "the chief executive officer of {a}",
    ),
    _Relation(
        _COMPANY,
        _PERSON,
        "{a} was founded by {b}.",
        "Who founded {a}?",
        "the founder of {a}",
    ),
    _Relation(
        _COMPANY,
        _CITY,
        "The headquarters of {a} is located in the city of {b}.",
        "In which city is the headquarters of {a}?",
    ),
    _Relation(
        _PERSON,
        _PERSON,
        "{a} is married to {b}.",
        "Who is {a} married to?",
        "the person that {a} is married to",
    ),
    _Relation(_PERSON, _CITY, "{a} lives in the city of {b}.", "In which city does {a} live?"),
    _Relation(_PERSON, _SPORT, "{a} plays {b}.", "Which sport does {a} play?"),
)


def _names(random: Random, count: int, words: int) -> list[str]:
    """Different invented names, this many, of this many words each."""
    names: dict[str, None] = {}
    while len(names) < count:
        names[" ".join(_word(random) for _ in range(words))] = None
    return [*names]


def _word(random: Random) -> str:
    syllables = random.choices(_SYLLABLES.split(), k=random.randint(2, 3))
    return "".join(syllables).capitalize() + random.choice("nrlstx")


def made_facts(facts: int, questions: int, hops: int, seed: int) -> dict[str, Any]:
    """A conversation in LoCoMo's form: a turn for each fact, and questions for what holds now.

    Half of the facts overrule an earlier one. Raises InputError if so few facts do not answer
    that many questions.
    """
    random = Random(seed)  # noqa: S311 - no secret
    names = {
        kind: _names(random, count=max(facts // 8, 4), words=words)
        for kind, words in ((_COMPANY, 1), (_PERSON, 2), (_CITY, 1))
    }
    names[_SPORT] = [*_SPORTS]
    newest: dict[tuple[str, _Relation], tuple[str, str]] = {}  # the value, the turn that says it
    overruled: set[tuple[str, _Relation]] = set()
    conversation: dict[str, Any] = {}
    for number in range(facts):
        if newest and random.random() < _SHARE_OVERRULED:
            subject, relation = random.choice([*newest])
            overruled.add((subject, relation))
        else:
            relation = random.choice(_RELATIONS)
            subject = random.choice(names[relation.of])
        value = random.choice([name for name in names[relation.to] if name != subject])
        session, turn = number // _FACTS_A_SESSION + 1, number % _FACTS_A_SESSION + 1
        newest[subject, relation] = (value, f"D{session}:{turn}")
        said = {
            "speaker": "user",
            "dia_id": f"D{session}:{turn}",
            "text": f"{number}. {relation.says.format(a=subject, b=value)}",
        }
        conversation.setdefault(f"session_{session}_date_time", "")
        conversation.setdefault(f"session_{session}", []).append(said)
    asked = [*(_one_hop if hops == 1 else _two_hops)(newest, overruled)]
    if len(asked) < questions:
        raise InputError(
            f"{facts} facts answer {len(asked)} questions with {hops} hops about what was"
            f" overruled; ask for fewer than {questions}, or make more facts"
        )
    return {
        "sample_id": f"facts-{facts}-{hops}-{seed}",
        "conversation": conversation,
        "qa": random.sample(asked, questions),
    }


_Newest = Mapping[tuple[str, _Relation], tuple[str, str]]


def _one_hop(newest: _Newest, overruled: set[tuple[str, _Relation]]) -> Iterator[dict[str, Any]]:
    for (subject, relation), (value, source) in newest.items():
        if (subject, relation) in overruled:
            yield _question(relation.asks.format(a=subject), value, SINGLE_HOP, source)


def _two_hops(newest: _Newest, overruled: set[tuple[str, _Relation]]) -> Iterator[dict[str, Any]]:
    for (subject, first), (between, source) in newest.items():
        for second in _RELATIONS:
            key = (between, second)
            if not first.names or key not in newest or not {(subject, first), key} & overruled:
                continue
            value, second_source = newest[key]
            text = second.asks.format(a=first.names.format(a=subject))
            yield _question(text, value, MULTI_HOP, source, second_source)


def _question(text: str, answer: str, type_: str, *evidence: str) -> dict[str, Any]:
    return {
        "question": text,
        "answer": answer,
        "category": CATEGORIES[type_],
        "question_type": type_,
        "evidence": [*evidence],
    }
