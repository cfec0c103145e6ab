"""The group answers: questions kept with their answers; list, add, show and drop them."""

from dataclasses import asdict
from typing import Annotated

import typer

from memory.cli.options import (
    DEFAULT,
    ApiBase,
    AsJson,
    Asker,
    Db,
    ListByDefault,
    ModelName,
    Namespace,
    open_memory,
)
from memory.cli.output import print_json, undo_line
from memory.errors import InputError
from memory.prompt import turn_line
from memory.records import StandingAnswer
from memory.standing_answers import people, profile_of, standing_answers
from memory.terminal import clean_line, print_clean

app = typer.Typer(
    cls=ListByDefault,
    help="Keep questions with their answers, which `memory digest` makes anew when what they rest"
    " on changes. `memory answers` alone lists them; that asks no model.",
)
_LONGEST = 120  # characters of an answer in a list


@app.command("list")
def list_command(namespace: Namespace = DEFAULT, db: Db = None, as_json: AsJson = False) -> None:
    """List the questions with the beginnings of their answers."""
    with open_memory(namespace, db) as store:
        answers = standing_answers(store)
    for answer in answers:
        if as_json:
            print_json(asdict(answer))
        else:
            print_clean(_head(answer))
            if answer.text:
                print_clean(f"  {_in_short(answer.text)}")
    if not answers and not as_json:
        print_clean(
            'no answer is kept; `memory answers add "Where does the project stand?"` keeps one',
            error=True,
        )


@app.command()
def add(
    question: Annotated[
        str | None, typer.Argument(help="The question, in quotes. A kept one is asked again.")
    ] = None,
    namespace: Namespace = DEFAULT,
    db: Db = None,
    model: ModelName = "local",
    api_base: ApiBase = None,
    speaker: Asker = "",
    people_: Annotated[
        bool, typer.Option("--people", help="Keep a profile of each person who speaks.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Ask a question, and keep it with its answer.

    memory answers add "What is Anna like?"
    """
    from memory.api import Memory  # takes a second
    from memory.settings import Settings

    if bool(question) == people_:
        raise InputError("give a question, or --people")
    with open_memory(namespace, db) as store:
        memory = Memory(store, model=model, api_base=api_base)
        asker = speaker or str(Settings(store).get("user", ""))
        questions = [profile_of(name) for name in people(store)] if people_ else [question or ""]
        for number, text in enumerate(questions):
            answer = memory.keep(text, asker=asker)
            if as_json:
                print_json(asdict(answer))
                continue
            if number:
                print_clean("")
            print_clean(_head(answer))
            for line in answer.text.splitlines():
                print_clean(f"  {clean_line(line)}")
        if questions and not as_json:
            print_clean(undo_line(store.changes(limit=len(questions)), namespace, db))


@app.command()
def show(question: str, namespace: Namespace = DEFAULT, db: Db = None) -> None:
    """Show an answer whole, with the turns that it cites."""
    with open_memory(namespace, db) as store:
        wanted = " ".join(question.split())
        answers = [answer for answer in standing_answers(store) if answer.question == wanted]
        if not answers:
            raise InputError(f"no standing answer has the question {wanted!r:.80}")
        turns = store.turns_by_id(answers[0].turns, missing_ok=True)
    print_clean(_head(answers[0]))
    for line in answers[0].text.splitlines():
        print_clean(f"  {clean_line(line)}")
    for turn in turns:
        print_clean(f"    {clean_line(turn_line(turn))}")


@app.command()
def drop(question: str, namespace: Namespace = DEFAULT, db: Db = None) -> None:
    """Keep a question and its answer no longer."""
    with open_memory(namespace, db) as store:
        change = store.drop_answer(question)
    print_clean(undo_line([change], namespace, db))


def _head(answer: StandingAnswer) -> str:
    """`What is Anna like? (2024-05-03, local; a newer turn speaks of it since 2024-05-07)`."""
    parts = ", ".join(filter(None, [answer.answered_at[:10], answer.model]))
    state = "; ".join(filter(None, [parts, answer.stale and f"stale: {answer.stale}"]))
    return clean_line(f"{answer.question} ({state})")


def _in_short(text: str) -> str:
    line = clean_line("; ".join(text.splitlines()))
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."
