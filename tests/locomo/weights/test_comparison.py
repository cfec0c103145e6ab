"""Two models beside each other: on what they may be compared, and what they are called."""

import json
from pathlib import Path

import pytest

from locomo.dataset.format import load_conversations
from locomo.split_data import tuned_conversations
from locomo.weights.comparison import (
    comparison_examples,
    fresh_conversations,
    server_names,
)
from memory import InputError
from tests.support.gguf_adapter import adapter
from tests.support.obedient import houses
from tests.support.talk import talk, talks

RUN = {"made_of": "x", "step": 4, "checkpoint": "step-4", "server_folder": "/d/checkpoint_final"}


def test_both_are_asked_what_neither_was_trained_on(tmp_path: Path) -> None:
    talks(tmp_path / "three.json", talk("a"), talk("b"), talk("c"))
    conversations = load_conversations(tmp_path / "three.json")

    def asked(trained_on: set[str], tested: list[str]) -> list[str]:
        return [one.id for one in fresh_conversations(conversations, trained_on, tested)]

    assert asked({"a"}, ["c"]) == ["c"]
    assert asked({"a"}, []) == ["b", "c"]
    assert asked({"a", "c"}, ["c"]) == ["b"], "tested in another split, trained on in this one"
    with pytest.raises(InputError, match="used for training"):
        asked({"a", "b", "c"}, ["c"])


def test_what_adapters_learnt_stands_on_their_cards(tmp_path: Path) -> None:
    one = adapter(tmp_path / "one", "answer", conversations=["a"])
    two = adapter(tmp_path / "two", "answer", conversations=["b"])
    assert tuned_conversations(one, two / "adapter.gguf", None, tmp_path / "on the server") == {
        "a",
        "b",
    }


@pytest.mark.parametrize(
    ("targets", "kind"), [(("store",), "first"), (("store", "answer"), "question")]
)
def test_facts_alone_are_measured_where_only_storing_was_tuned(
    tmp_path: Path, targets: tuple[str, ...], kind: str
) -> None:
    conversations = load_conversations(houses(tmp_path / "houses.json"))
    examples = comparison_examples(conversations, targets, 4, 3, 0)  # type: ignore[arg-type]
    assert [kind in one for one in examples] == [True] * 3
    with pytest.raises(InputError, match="have no questions"):
        comparison_examples([], ("answer",), 4, 0, 0)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (None, "does not describe a training"),
        ("{", "does not describe a training"),
        ({**RUN, "checkpoint": "step-2"}, "folder of .*step-4 is not known"),
        ({**RUN, "server_folder": None}, "folder of .*step-4 is not known"),
    ],
)
def test_a_checkpoint_that_the_server_does_not_keep_cannot_be_compared_there(
    tmp_path: Path, run: object, message: str
) -> None:
    tuned = tmp_path / "step-4"
    (tmp_path / "run.json").write_text(json.dumps(RUN))
    assert server_names("Q", tuned) == {"start": "Q", "tuned": "/d/checkpoint_final"}
    (tmp_path / "run.json").write_text(run if isinstance(run, str) else json.dumps(run))
    with pytest.raises(InputError, match=message):
        server_names("Q", tuned)
