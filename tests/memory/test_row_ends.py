"""What one answer of a model stores and ends, what a long value costs, and whose word decides."""

from pathlib import Path

from memory import Memory, Turn, memory_tools
from memory.facts import edit
from tests.support.scripted import scripted_model, sql

INSERT = "INSERT INTO facts (subject, attribute, value, happened_on, turn_id) VALUES "
COACH = [
    Turn("Ida", "Bram coaches us, he shouts a lot.", said_at="2025-02-03"),
    Turn("Ida", "Bram moved to Ghent, so that is over.", said_at="2025-05-01"),
    Turn("Ida", "Sanne coaches us now.", said_at="2025-05-09"),
]


def test_an_answer_may_end_a_row_that_it_has_just_inserted(tmp_path: Path) -> None:
    rows = f"{INSERT}('Ida', 'coach', 'Bram', '', 1), ('Ida', 'coach', 'Sanne', '', 3); "
    end = "UPDATE facts SET ended_on = '2025-05-01' WHERE subject = 'Ida' AND value = 'Bram';"
    with Memory(tmp_path / "a.db", model=scripted_model([([], sql(rows + end))])) as memory:
        memory.add(COACH)
        assert memory.digest().ended == 1
        assert {fact.value: fact.ended_on for fact in memory.store.facts()} == {
            "Bram": "2025-05-01",
            "Sanne": "",
        }


def test_an_end_that_names_no_row_ends_none_of_the_same_answer(tmp_path: Path) -> None:
    end = "UPDATE facts SET ended_on = '2025-05-01' WHERE attribute = 'coach'; "
    rows = f"{INSERT}('Ida', 'coach', 'Sanne', '', 3);"
    with Memory(tmp_path / "a.db", model=scripted_model([([], sql(rows + end))])) as memory:
        memory.add(COACH)
        memory.digest()
        assert [fact.ended_on for fact in memory.store.facts()] == [""]


def test_a_value_that_is_too_long_costs_only_its_row(tmp_path: Path) -> None:
    rows = f"{INSERT}('Ida', 'coach', 'Sanne', '', 3), ('Ida', 'sings', '{'la ' * 8000}', '', 3);"
    model = scripted_model([([], sql(rows)), (["empty"], sql("-- none"))])
    with Memory(tmp_path / "a.db", model=model) as memory:
        memory.add(COACH)
        assert memory.digest().failed == 0
        assert [fact.value for fact in memory.store.facts()] == ["Sanne"]


def test_what_an_agent_remembers_of_others_words_ends_nothing(tmp_path: Path) -> None:
    with Memory(tmp_path / "a.db") as memory:
        memory.add(Turn("Ida", "I live in Ghent.", said_at="2025-02-03"))
        tools = {tool.__name__: tool for tool in memory_tools(memory)}
        home = {"subject": "Ida", "attribute": "lives in", "value": "Bruges"}
        tools["remember"](
            turns=[{"text": "Ida lives in Bruges.", "speaker": "Sanne"}], facts=[home]
        )
        assert memory.ask("Where do I live?", asker="Ida").text == "Ghent"
        refused = tools["remember"](
            turns=[{"text": "I don't live in Bruges.", "speaker": "Ida"}], facts=[home]
        )
        assert "Not stored" in refused


def test_a_turn_whose_fact_was_deleted_is_marked(tmp_path: Path) -> None:
    with Memory(tmp_path / "a.db") as memory:
        memory.add(Turn("Ida", "I live in Ghent.", said_at="2025-02-03"))
        edit(memory.store, 1, "was wrong")
        assert "lives in Ghent was wrong" in memory.context("Where do I live?", speaker="Ida").text


def test_a_turn_of_a_wrong_clock_replaces_nothing(tmp_path: Path) -> None:
    with Memory(tmp_path / "a.db") as memory:
        memory.add(Turn("Ida", "I live in Ghent.", said_at="2025-02-03"))
        memory.add(Turn("Ida", "I live in Bruges.", said_at="2191-02-03"))
        assert [fact.value for fact in memory.facts()] == ["Ghent"]


def test_an_assistant_with_a_name_is_none_of_the_people(tmp_path: Path) -> None:
    with Memory(tmp_path / "a.db") as memory:
        reply = {"role": "assistant", "name": "Pim", "content": "I live in Bruges."}
        memory.add([reply, {"speaker": "USER", "text": "I live in Ghent."}])
        assert [(fact.subject, fact.value) for fact in memory.facts()] == [("user", "Ghent")]


def test_a_name_in_small_letters_is_the_person_s(tmp_path: Path) -> None:
    with Memory(tmp_path / "a.db") as memory:
        memory.add(Turn("Ida", "I live in Ghent."))
        [turn_id] = memory.add(Turn("ida", "It rains."))
        assert memory.store.turn(turn_id).speaker == "Ida"
        [turn_id] = memory.add(Turn("IDA", "It rains."))
        assert memory.store.turn(turn_id).speaker == "IDA"
