"""Judges beside labels: agreement, kappa, and the labelled answers themselves."""

import json
from collections import Counter
from pathlib import Path

import pytest

from locomo.dataset.format import load_conversations
from locomo.results import agreement
from locomo.results.agreement import (
    LABELLED,
    LabelledAnswer,
    cohens_kappa,
    read_labelled,
)
from memory import InputError
from tests.support.commands import run_in_process
from tests.support.talk import talker

DATA = LABELLED.parent


def test_cohens_kappa_is_that_of_a_worked_table() -> None:
    # Cohen (1960): 20 both yes, 5 and 10 one of them, 15 both no: (.7 - .5) / (1 - .5).
    pairs = [
        *[(True, True)] * 20,
        *[(True, False)] * 5,
        *[(False, True)] * 10,
        *[(False, False)] * 15,
    ]
    assert cohens_kappa(pairs) == pytest.approx(0.4)
    assert cohens_kappa([(True, False), (False, True)]) == -1
    assert cohens_kappa([(True, True), (True, True)]) is None
    assert cohens_kappa([]) is None
    # Three ratings: (3 / 4 - 5 / 16 by chance) / (1 - 5 / 16).
    assert cohens_kappa([(0, 0), (0.5, 0.5), (1, 1), (0.5, 1)]) == pytest.approx(7 / 11)


def test_the_labelled_answers_are_to_questions_of_our_data_and_of_all_sorts() -> None:
    conversations = [
        conversation
        for name in ("sample.json", "chats.json")
        for conversation in load_conversations(DATA / name)
    ]
    questions = {
        (conversation.id, question.index): question
        for conversation in conversations
        for question in conversation.questions
    }
    answers = read_labelled(LABELLED)
    assert len(answers) == 60
    for answer in answers:
        question = questions[answer.conversation, answer.index]
        assert (answer.question, answer.gold) == (question.text, question.answer)
        assert answer.category == question.category
        assert answer.lenient or not answer.strict  # what is right in full would do
    assert len(Counter(answer.kind for answer in answers)) == 7
    assert set(Counter(answer.category for answer in answers)) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize("text", ["", "[]", '[{"answer": "7 May"}]'])
def test_a_file_that_holds_no_labels_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "labels.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"labels\.json"):
        read_labelled(path)


def test_the_command_says_how_far_a_judge_agrees_and_where_it_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled = [
        LabelledAnswer("c", 0, 4, "Which pet?", "a cat", "a cat", "right", True, True),
        LabelledAnswer("c", 1, 4, "Which pet?", "a cat", "a pet", "vague", True, False),
    ]
    path = tmp_path / "labels.json"
    path.write_text(json.dumps([vars(answer) for answer in labelled]))
    model, engine = talker(name="a/judge")  # to which everything is correct
    monkeypatch.setattr(agreement, "load_model", lambda name, api_base: model)
    done = run_in_process(agreement.app, "--judge-model", "a/judge", "--labels", path)
    assert done.returncode == 0, done.stderr
    assert engine.calls() == {"probe": 1, "judge": 4}
    lines = [line.split() for line in done.stdout.replace("|", " ").splitlines()]
    rows = {words[0]: words for words in lines if words}
    assert rows["lenient"][:4] == ["lenient", "2", "0", "1.00"]
    assert rows["strict"][:4] == ["strict", "2", "0", "0.50"]
    assert "strict: vague, 'a pet' is labelled 0: 1, so" in done.stdout
