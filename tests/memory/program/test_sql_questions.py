"""For which questions a hosted model is asked for SELECTs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from memory import Memory, Store, load_model
from memory.program.sql_questions import sql_pays
from tests.support.scripted import answer, scripted_model, sql

AGGREGATES = Path(__file__).parents[3] / "data" / "aggregates.json"


def test_nearly_all_aggregates_are_worth_a_select() -> None:
    questions = [record["question"] for record in json.loads(AGGREGATES.read_text("utf-8"))]
    assert sum(map(sql_pays, questions)) / len(questions) > 0.98


@pytest.mark.parametrize(
    "question",
    [
        "How often did Anna go running in May?",
        "Which books has Ben read?",
        "How long did Anna live in Oslo?",
        "What did Ben buy first?",
        "Where has Anna lived, one after the other?",
        "Do Anna and Ben both like jazz?",
        "Is Anna still at the bakery?",
        "Would Ben move to another country?",
        "Welche Städte hat Anna besucht?",
    ],
)
def test_lists_counts_order_lengths_change_and_conclusions_pay(question: str) -> None:
    assert sql_pays(question)


@pytest.mark.parametrize(
    "question",
    [
        "When did Anna move to Oslo?",
        "What is the name of Anna's cat?",
        "Why did Ben quit?",
        "Where did Anna go last summer?",
        "Who gave Ben the book?",
    ],
)
def test_a_single_thing_does_not_pay(question: str) -> None:
    assert not sql_pays(question)


def test_a_hosted_model_is_asked_for_sql_where_it_pays(store: Store) -> None:
    select = sql("SELECT COUNT(*) AS times FROM turns")
    model = replace(
        scripted_model([([], answer("Oslo", "1")), ([], select), ([], answer("4"))]),
        sql="when it pays",
    )
    memory = Memory(store, model=model)
    single = memory.ask("Where did Anna move to?")
    assert (single.sql, single.calls) == ((), 1)
    assert memory.ask("How many turns are there?").calls == 2


def test_always_asks_for_sql_for_each_question(store: Store) -> None:
    model = scripted_model([([], sql("-- none")), ([], answer("Oslo", "1"))])
    assert model.sql == "always"
    assert Memory(store, model=model).ask("Where did Anna move to?").calls == 2


def test_a_model_by_name_asks_where_it_pays_or_always() -> None:
    assert load_model("openai/gpt-4o-mini").sql == "when it pays"
    assert load_model("openai/gpt-4o-mini", sql="always").sql == "always"
