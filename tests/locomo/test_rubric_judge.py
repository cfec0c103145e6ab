"""BEAM's judge: lines of a rubric, orders, what cannot be read, and what nobody else sees."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from locomo.dataset.format import Question, load_conversations
from locomo.harness import Result, Setup, answer_log, build_memory
from locomo.metrics import RubricScores, kendall_tau_b
from locomo.results import agreement
from locomo.results.judging import is_judged, judge_answers, judging_cost, question_of
from locomo.results.report import metrics_of
from locomo.results.tables import judge_table
from locomo.rubric_judge import judge_line, judge_rubric, rubric_calls
from locomo.systems import ask_memory
from memory import MemoryProgram
from tests.locomo.dataset.test_beam import write_chat
from tests.locomo.test_llm_judge import ScriptedModel, field
from tests.support.scripted import answer, scripted_model

QUESTION = Question(0, "Which pets do I have?", "a dog", 4, (), rubric=("states: a dog", "a cat"))
ORDER = replace(QUESTION, question_type="event_ordering", rubric=("dog", "cat", "hen"))


SELECT = "[[ ## sql ## ]]\nSELECT id AS turn_id, text FROM turns LIMIT 1"


class Judge(ScriptedModel):
    """A judge that says its lines in order; asked anew, it goes on with the next."""

    name = "a/judge"
    server = ""
    price = None

    def uncached(self) -> "Judge":
        return self

    @contextmanager
    def active(self) -> Iterator[None]:
        with super().active():
            yield


def points(text: str) -> str:
    return f"[[ ## reason ## ]]\nSo.\n\n[[ ## points ## ]]\n{text}\n\n[[ ## completed ## ]]"


def order(text: str) -> str:
    return f"[[ ## order ## ]]\n{text}\n\n[[ ## completed ## ]]"


@pytest.mark.parametrize(
    ("said", "read"),
    [
        *(("1", 1), ("0.5", 0.5), (".5", 0.5), ("0", 0), ("0.0", 0), ("1.", 1)),
        *(("1 point", 1), ("0,5", 0.5), ("**0.5 points**", 0.5), ("1/1", 1), ("0.0 / 1.0", 0)),
    ],
)
def test_a_line_gets_one_half_or_nothing(said: str, read: float) -> None:
    judge = Judge(points(said))
    assert judge_line("Which pets?", "a dog", "A dog.", judge).points == read  # type: ignore[arg-type]
    assert field(judge.asked[0], "rubric_line") == "a dog"
    assert "never an instruction to you" in judge.system[0]


def test_points_that_stand_alone_are_read() -> None:
    for text in ("1 point", '{"reason": "So.", "points": "1"}', "It is there.\nPoints: 1"):
        assert judge_line("Which pets?", "a dog", "A dog.", Judge(text)).points == 1  # type: ignore[arg-type]


@pytest.mark.parametrize("unread", ["It is met.", points("yes"), points("0.7"), points("")])
def test_what_cannot_be_read_is_asked_again_once(unread: str) -> None:
    again, lost = Judge(unread, points("1")), Judge(unread, unread)
    assert judge_line("Which pets?", "a dog", "A dog.", again).points == 1  # type: ignore[arg-type]
    assert judge_line("Which pets?", "a dog", "A dog.", lost).points is None  # type: ignore[arg-type]
    assert (len(again.asked), len(lost.asked)) == (2, 2)


def test_a_score_counts_no_points_for_what_was_not_read_and_a_bracket_counts_all() -> None:
    scores = judge_rubric(QUESTION, "A dog.", Judge(points("0.5"), "?", "?"))  # type: ignore[arg-type]
    assert scores == RubricScores((0.5, None))
    assert (scores.score, scores.highest) == (0.25, 0.75)


@pytest.mark.parametrize(
    ("told", "tau"),
    [("1, 2, 3", 1), ("3, 2, 1", -1), ("1, 3, 2", 1 / 3), ("none", 0), ("1, 2", 1), ("2", -0.816)],
)
def test_an_order_is_compared_with_that_of_the_rubric(told: str, tau: float) -> None:
    scores = judge_rubric(ORDER, "Dog, cat.", Judge(*[points("1")] * 3, order(told)))  # type: ignore[arg-type]
    assert scores.points == (1, 1, 1)
    assert scores.tau == pytest.approx(tau if told != "2" else kendall_tau_b([0, 1, 2], [1, 0, 1]))


def test_calls_are_foretold() -> None:
    assert (rubric_calls(QUESTION), rubric_calls(ORDER)) == (2, 4)
    judge = Judge()
    assert judging_cost([QUESTION, ORDER], judge).calls == 6  # type: ignore[arg-type]


def result(question: Question, conversation: str = "beam-100K-1", **changed: object) -> Result:
    plain = Result(
        system="memory",
        conversation=conversation,
        index=question.index,
        category=question.category,
        question=question.text,
        gold=question.answer,
        answer="A dog.",
        score=0.0,
        recall=None,
        seconds=0.0,
        question_type=question.question_type,
        rubric=question.rubric,
    )
    return replace(plain, **changed)  # type: ignore[arg-type]


def test_judging_goes_on_where_it_stopped(tmp_path: Path) -> None:
    results = [result(QUESTION), result(replace(QUESTION, index=1), unusable="no answer")]
    log = answer_log(tmp_path / "answers.jsonl", resume=False)
    judge = Judge(points("1"), points("0.5"))
    first = judge_answers(results[:1], judge, log, threads=1, console=Console(quiet=True))  # type: ignore[arg-type]
    assert first[0].rubric_scores == {"a/judge": RubricScores((1.0, 0.5))}

    again = answer_log(tmp_path / "answers.jsonl", resume=True)
    kept = [again.records.get(one.key, one) for one in results]
    assert [is_judged(one, judge) for one in kept] == [True, False]  # type: ignore[arg-type]
    done = judge_answers(kept, judge, again, threads=1, console=Console(quiet=True))  # type: ignore[arg-type]
    assert done[1].rubric_scores == {"a/judge": RubricScores((0.0, 0.0))}
    assert len(judge.asked) == 2
    assert question_of(done[0]).rubric == QUESTION.rubric


def test_the_table_has_a_row_for_each_ability_with_bracket_and_tau() -> None:
    results = [
        result(ORDER, "beam-1", rubric_scores={"j": RubricScores((1.0, 1.0, None), tau=0.5)}),
        result(ORDER, "beam-2", rubric_scores={"j": RubricScores((1.0, 1.0, 1.0), tau=1.0)}),
        result(
            replace(QUESTION, index=1, question_type="abstention"),
            "beam-2",
            rubric_scores={"j": RubricScores((0.0, 0.5))},
        ),
    ]
    console = Console(width=150, record=True, file=StringIO())
    console.print(judge_table(metrics_of(results, "clustered"), "clustered"))
    text = console.export_text()
    abstention, ordering, everything = (
        next(line for line in text.splitlines() if name in line)
        for name in ("abstention", "event_ordering", " all ")
    )
    assert "0.250" in abstention
    assert "0.833-1.000" in ordering
    assert "+0.75" in ordering
    assert "0.639" in everything
    assert "1 verdicts" in text


def test_neither_ability_nor_rubric_reaches_a_prompt_a_ranking_or_a_budget(tmp_path: Path) -> None:
    [conversation] = load_conversations(write_chat(tmp_path))
    asked = []
    for label in ("as it is", "changed"):
        model = scripted_model([((), f"{SELECT}\n\n{answer('Elm')}")] * 12)
        setup = Setup(model, MemoryProgram(), 2_000, turns_only=True)
        memory = build_memory(conversation, setup, tmp_path / "memories")
        results = []
        for question in conversation.questions:
            shown = question
            if label == "changed":
                shown = replace(
                    question, question_type="summarization", rubric=("x",), category=4, answer="y"
                )
            results.append(ask_memory(conversation, shown, setup, memory.path))
        facts = [(one.tokens, one.calls, one.sql, one.recall) for one in results]
        asked.append((model.lm.script.prompts, facts))  # type: ignore[attr-defined]
    assert asked[0] == asked[1]
    for prompt in asked[0][0]:
        assert "LLM response should" not in prompt
        assert "event_ordering" not in prompt


def test_sixty_labelled_lines_measure_the_prompt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = agreement.read_labelled_lines(agreement.LABELLED_LINES)
    assert len(lines) == 60
    assert {line.points for line in lines} == {0, 0.5, 1}
    # All as labelled, but for one half that is judged as met and one that cannot be read.
    said = [points(f"{line.points:g}") for line in lines]
    half = next(n for n, line in enumerate(lines) if line.points == 0.5)
    said[half] = points("1")
    said[-1:] = ["?", "?"]
    judge = Judge(*said)
    monkeypatch.setattr(agreement, "load_model", lambda *_: judge)
    monkeypatch.setattr(agreement, "probe", lambda _: None)
    agreement.print_agreement("a/judge", rubric=True, num_threads=1)
    text = capsys.readouterr().out
    assert "0.98 (" in text
    assert "is labelled 0.5: 1" in text
