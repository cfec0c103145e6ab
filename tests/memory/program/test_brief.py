"""The form for models of up to 3 billion parameters: code checks their lines, and writes SQL."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from memory import Memory, Turn
from memory.errors import SqlError, UnusableAnswer
from memory.models.brief_prompts import asked_catalog, asked_facts, brief_grammar
from memory.program.brief import Choice, asked_days, choice_in
from memory.program.brief_store import insert_of
from memory.records import ABSTAIN, Answer, Fact, SqlUse
from memory.vocabulary.files import default_vocabulary
from tests.support.gbnf import expression_of
from tests.support.scripted import Pairs, scripted_model

BOTH_STORES = True
SAID = [
    Turn("Maria", "I bought a cello last Saturday, and my sister Ella plays the flute.",
         said_at="2011-04-08"),
    Turn("Tom", "How are you?", said_at="2011-04-08"),
    Turn("Tom", "Thank you!", said_at="2011-04-08"),
    Turn("Tom", "I live in Porto and I sail on Sundays.", said_at="2011-04-09"),
]  # fmt: skip
CATALOG = (
    "turns: 4 in 1 sessions, 2011-04-08 to 2011-04-09\nspeakers: Maria(1), Tom(3)\n"
    "facts of Maria: bought(2), plays_instrument(1)\nfacts of Tom: lives_in(1)"
)


def memory_of(address: str, pairs: Pairs) -> Memory:
    return Memory(address, scripted_model(pairs, window=1, budget=2_000, size="small"))


def test_the_grammars_allow_what_is_read() -> None:
    asked = {"catalog": CATALOG, "question": "What did Maria buy?"}
    choice = expression_of(brief_grammar("retrieve", asked))
    assert choice.fullmatch("none")
    assert choice.fullmatch("count | bought, plays_instrument")
    assert choice.fullmatch("at | bought")
    assert not choice.fullmatch("now | lives_in")  # Tom's
    assert not choice.fullmatch("now | owns")
    assert expression_of(brief_grammar("retrieve", {"catalog": ""})).fullmatch("none")


@pytest.mark.parametrize(
    ("question", "subjects", "attributes"),
    [
        ("Where does tom live?", ["Tom"], ["lives_in"]),
        ("What do Maria and Tom do?", ["Maria", "Tom"], ["bought", "plays_instrument", "lives_in"]),
        ("Who plays the flute?", ["Maria", "Tom"], ["bought", "plays_instrument", "lives_in"]),
    ],
)
def test_a_question_says_whose_facts_are_looked_up(
    question: str, subjects: list[str], attributes: list[str]
) -> None:
    assert asked_facts(CATALOG, question) == (subjects, attributes)
    lines = asked_catalog(CATALOG, question).splitlines()
    assert [line.partition(":")[0] for line in lines] == [f"facts of {who}" for who in subjects]


@pytest.mark.parametrize(
    ("question", "days"),
    [
        ("Where did Tom live in July 2023?", ("2023-07-01", "2023-07-31")),
        ("What did Tom do last week (2026-11-09 to 2026-11-15)?", ("2026-11-09", "2026-11-15")),
        ("Where was Tom on 29 February 2024?", ("2024-02-29", "2024-02-29")),
        ("What did Tom do in May?", ("", "")),
    ],
)
def test_a_question_says_of_which_days(question: str, days: tuple[str, str]) -> None:
    assert asked_days(question) == days


def choice_of(text: str, question: str) -> Choice | None:
    return choice_in(text, CATALOG, question, default_vocabulary())


def test_a_choice_becomes_a_select() -> None:
    assert choice_of("none", "Where does Tom live?") is None
    choice = choice_of("at | lives_in, owns", "Where did Tom live in April 2011?")
    assert choice == Choice("at", ("Tom",), ("lives_in",), ("2011-04-01", "2011-04-30"))
    for wrong in ("ever | lives_in", "now | owns", "Porto", "now | bought"):
        with pytest.raises(SqlError):
            choice_of(wrong, "Where does Tom live?")


LIVED = [
    Fact("Tom", "lives_in", "Porto", happened_on="2010", ended_on="2011-04", turn_id=1),
    Fact("Tom", "lives_in", "Faro", happened_on="2011-04-20", ended_on="2011-08", turn_id=1),
    Fact("Tom", "lives_in", "Lagos", happened_on="2011-08-02", turn_id=1),
    Fact("Tom", "bought", "a canoe", happened_on="2011-03", turn_id=1),
    Fact("Tom", "bought", "a kayak", happened_on="2011-04-05", turn_id=1),
    Fact("Maria", "bought", "a cello", happened_on="2011-04-05", turn_id=1),
]


@pytest.mark.parametrize(
    ("written", "question", "values"),
    [
        ("now | lives_in", "Where does Tom live?", ["Lagos"]),
        ("list | lives_in", "Where has Tom lived?", ["Porto", "Faro", "Lagos"]),
        ("at | lives_in", "Where did Tom live in April 2011?", ["Porto", "Faro"]),
        ("now | lives_in", "Where did Tom live on 3 August 2011?", ["Faro", "Lagos"]),
        ("count | bought", "How many boats did Tom buy in April 2011?", ["a kayak"]),
        ("list | bought", "What did Tom and Maria buy in April 2011?", ["a kayak", "a cello"]),
        ("first | bought", "What did Tom buy first?", ["a canoe", "a kayak"]),
        ("last | lives_in", "Where did Tom move last?", ["Lagos", "Faro", "Porto"]),
    ],
)
def test_dates_of_a_question_are_an_interval(
    address: str, written: str, question: str, values: list[str]
) -> None:
    catalog = "facts of Maria: bought(1)\nfacts of Tom: bought(2), lives_in(3)"
    with memory_of(address, []) as memory:
        memory.add([Turn("Tom", "Hm.")])
        rows = [(f.subject, f.attribute, f.value, f.happened_on, f.ended_on, 1) for f in LIVED]
        columns = "subject, attribute, value, happened_on, ended_on, turn_id"
        cells = ", ".join(map(str, rows)).replace("''", "NULL")
        memory.store.write(f"INSERT INTO facts ({columns}) VALUES {cells}", cause="a test")
        choice = choice_in(written, catalog, question, default_vocabulary())
        assert choice
        read = memory.store.read(choice.select())
    found = [row[read.columns.index("value")] for row in read.rows]
    assert sorted(found) == sorted(values)


SAILING = [
    Turn("Maria", "I keep a red canoe by the pier.", said_at="2011-04-08"),
    Turn("Maria", "There is an old piano in my hall.", said_at="2011-04-09"),
    Turn("Tom", "I am afraid of geese.", said_at="2011-04-10"),
    *(Turn("Tom", f"I saw {n} herons by the river.", said_at="2011-04-11") for n in range(2, 9)),
]


def sailing(address: str, pairs: Pairs, facts: Sequence[Fact] = ()) -> Memory:
    memory = memory_of(address, pairs)
    ids = memory.add(SAILING)
    rows = [replace(fact, turn_id=ids[fact.turn_id]) for fact in facts]
    if rows:
        memory.store.write(insert_of(rows), cause="a test")
    return memory


def test_an_answer_is_asked_for_in_two_texts_and_its_source_is_found(address: str) -> None:
    pairs = [(["Maria: I keep a red canoe by the pier.", "Question: "], "by the pier")]
    memory = sailing(address, pairs)
    answer = with_sql(memory, "never").ask("Where does Maria keep the canoe?")
    memory.model.lm.assert_done()
    [prompt] = memory.model.lm.script.prompts
    assert "##" not in prompt
    assert prompt.index("pier") < prompt.index("Question: ")
    assert (answer.text, answer.basis) == ("by the pier", "model")
    assert [memory.store.turn(turn).text for turn in answer.turns] == [SAILING[0].text]


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("Maria keeps a red kayak.", ABSTAIN),
        ("Maria keeps a red canoe.", "Maria keeps a red canoe."),
        ("A canoe, since April 2011.", "A canoe, since April 2011."),
        ("A canoe, twice, for 3 weeks.", "A canoe, twice, for 3 weeks."),  # computed
    ],
)
def test_an_answer_with_a_word_that_nobody_said_is_none(address: str, said: str, text: str) -> None:
    memory = sailing(address, [(["Question: "], said)])
    assert with_sql(memory, "never").ask("What does Maria keep by the pier?").text == text


def test_the_cited_turn_has_what_the_question_lacks(address: str) -> None:
    memory = memory_of(address, [(["Question: "], "Tom and Ella live in Graz.")])
    memory.add(
        [
            Turn("Tom", "Line 8 again. My wife Ella sleeps then.", said_at="2011-04-08"),
            Turn("Tom", "We moved too, to Graz, because of the garden.", said_at="2011-06-09"),
        ]
    )
    answer = with_sql(memory, "never").ask("Where do Tom and Ella live now?")
    assert [memory.store.turn(turn).text for turn in answer.turns] == [
        "We moved too, to Graz, because of the garden."
    ]


def test_a_mark_says_from_when_until_when_something_was_so(address: str) -> None:
    memory = sailing(address, [(["[outdated: owns canoe from 2010 until 2011-05]"], "canoe")])
    owned = "'Maria', 'owns', 'canoe', '2010', '2011-05', 1"
    columns = "subject, attribute, value, happened_on, ended_on, turn_id"
    memory.store.write(f"INSERT INTO facts ({columns}) VALUES ({owned})", cause="a test")
    with_sql(memory, "never").ask("Where does Maria keep the canoe?")
    memory.model.lm.assert_done()


def test_what_another_person_says_of_themselves_is_no_answer(address: str) -> None:
    memory = sailing(address, [([], "geese")])
    answer = with_sql(memory, "never").ask("What is Maria afraid of?")
    assert (answer.text, answer.turns) == (ABSTAIN, ())


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("Thanks, Maria! Owls are what I am afraid of.", ABSTAIN),
        ("Hey Maria, I am afraid of owls.", ABSTAIN),
        ("Maria and I are afraid of owls.", "owls"),
        ("I know that Maria is afraid of owls.", "owls"),
    ],
)
def test_who_is_spoken_to_is_not_spoken_of(address: str, said: str, answer: str) -> None:
    memory = sailing(address, [([], "owls")])
    memory.add([Turn("Tom", said, said_at="2011-04-13")])
    assert with_sql(memory, "never").ask("What is Maria afraid of?").text == answer


def test_what_a_fact_says_of_the_person_is_an_answer_whoever_said_it(address: str) -> None:
    fact = Fact("Maria", "afraid_of", "geese", turn_id=2)
    memory = with_sql(sailing(address, [([], "geese")], [fact]), "never")
    answer = memory.ask("What is Maria afraid of?")
    assert answer.text == "geese"


def test_a_model_that_says_nothing_is_told(address: str) -> None:
    memory = with_sql(sailing(address, [([], "  ")]), "never")
    with pytest.raises(UnusableAnswer):
        memory.ask("What is Maria afraid of?")


def test_a_template_decides_without_a_call(address: str) -> None:
    memory = sailing(address, [])
    memory.add([Turn("Tom", "I live in Porto.", said_at="2011-04-12")])
    answer = memory.ask("Where does Tom live?")
    assert (answer.text, answer.basis, answer.calls) == ("Porto", "rows", 0)


OWNED = [Fact("Maria", "owns", value, turn_id=n) for n, value in enumerate(["canoe", "piano"])]


def chosen(address: str, pairs: Pairs, question: str) -> Answer:
    """What is answered where the model is asked for a choice."""
    memory = sailing(address, pairs, OWNED)
    answer = with_sql(memory, "always").ask(question)
    memory.model.lm.assert_done()
    return answer


def with_sql(memory: Memory, sql: SqlUse) -> Memory:
    program = memory.program.with_sql(sql)
    return Memory(memory.store, memory.model, program=program)


def test_of_how_many_the_count_decides(address: str) -> None:
    expected = ["facts of Maria: owns(2)", "Question: How many things of her own has Maria?"]
    answer = chosen(address, [(expected, "count | owns")], expected[1][10:])
    assert (answer.text, answer.basis, answer.calls) == ("2 (canoe, piano)", "rows", 1)
    assert len(answer.turns) == 2
    assert answer.sql[0].startswith("SELECT turn_id")


def test_of_several_attributes_no_count_decides(address: str) -> None:
    facts = [*OWNED, Fact("Maria", "keeps", "geese", turn_id=2)]
    memory = sailing(
        address, [([], "count | owns, keeps"), (["canoe", "piano"], "canoe, piano")], facts
    )
    answer = with_sql(memory, "always").ask("How many things does Maria own or keep?")
    assert (answer.text, answer.basis, answer.calls) == ("canoe, piano", "model", 2)


def test_a_model_is_offered_no_attribute_that_is_far_from_the_question(address: str) -> None:
    """It would choose one for what nobody told, too."""
    pairs = [(["canoe", "piano"], "No information available")]
    answer = chosen(address, pairs, "How many children does Maria have?")
    assert (answer.basis, answer.calls) == ("quotes", 1)


def test_the_nearest_attributes_are_offered_by_their_names_and_values(address: str) -> None:
    facts = [
        *OWNED,
        Fact("Maria", "gave_up", "smoking", turn_id=2),
        Fact("Maria", "visited", "the lighthouse", turn_id=2),
    ]
    question = "Since when is Maria without cigarettes?"
    shown = f"facts of Maria: stopped(1)\n\nQuestion: {question}"
    memory = sailing(address, [([shown], "list | stopped")], facts)
    answer = with_sql(memory, "always").ask(question)
    assert answer.text == "smoking"


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How many kilometres did Maria run in May 2011 altogether?", "12 km (7 km, 5 km at noon)"),
        ("How many kilometres did Maria run in June altogether?", "8 km (8 km)"),
        ("How many kilometres did Maria run in July 2011 altogether?", None),  # one has none
    ],
)
def test_code_adds_amounts(address: str, question: str, answer: str | None) -> None:
    ran = [("7 km", "05-01"), ("5 km at noon", "05-08"), ("8 km", "06-02"), ("9 km", "07-01")]
    facts = [
        Fact("Maria", "ran", value, happened_on=f"2011-{day}", turn_id=0) for value, day in ran
    ]
    facts.append(Fact("Maria", "ran", "in the rain", happened_on="2011-07-03", turn_id=1))
    memory = sailing(address, [([], "sum | ran"), ([], "No information available")], facts)
    reply = with_sql(memory, "always").ask(question, now="2011-08-01")
    assert reply.text == answer if answer else reply.basis != "rows"


def test_words_of_the_question_tell_rows_apart(address: str) -> None:
    facts = [
        Fact("Maria", "delivered_to", value, happened_on=f"2011-0{n}", turn_id=0)
        for n, value in enumerate(["Lyon, tulips", "Bergen, an organ", "Lyon", "Cork, an organ"], 1)
    ]
    for question, answer in (
        ("How many organs has Maria delivered?", "2 (Bergen, an organ; Cork, an organ)"),
        ("How often has Maria delivered to Lyon?", "2 (Lyon, tulips; Lyon)"),
        (
            "How many times has Maria delivered?",
            "4 (Lyon, tulips; Bergen, an organ; Lyon; Cork, an organ)",
        ),
    ):
        memory = sailing(address, [([], "count | delivered_to")], facts)
        assert with_sql(memory, "always").ask(question).text == answer
        memory.close()


def test_facts_of_others_say_nothing_of_someone_that_a_question_names(address: str) -> None:
    facts = [Fact("Maria", "age", "41", turn_id=0), Fact("Tom", "age", "39", turn_id=2)]
    memory = sailing(address, [([], "list | age"), ([], "No information available")], facts)
    assert with_sql(memory, "always").ask("What is the age of Birgitte?").basis != "rows"


def test_the_first_of_rows_without_dates_is_the_first_that_was_said(address: str) -> None:
    answer = chosen(address, [([], "first | owns")], "What did Maria own first?")
    assert (answer.text, answer.basis) == ("canoe (told first)", "rows")
    assert [row[answer.rows[0].columns.index("turn_id")] for row in answer.rows[0].rows] == [1, 2]


def test_rows_of_a_span_of_days_are_dated_by_its_first_and_last_day(address: str) -> None:
    facts = [
        Fact("Maria", "ran", "in the park", happened_on="2011-07-04/2011-07-10", turn_id=0),
        Fact("Maria", "ran", "on the beach", happened_on="2011-07-08", turn_id=1),
    ]
    for shape, question, answer in (
        ("list", "When and where did Maria run?",
         "2 (in the park, 4 July 2011 to 10 July 2011; on the beach, 8 July 2011)"),
        ("first", "Where did Maria run first?",
         "in the park and on the beach, 4 July 2011 to 10 July 2011"),
    ):  # fmt: skip
        memory = sailing(address, [([], f"{shape} | ran")], facts)
        assert with_sql(memory, "always").ask(question).text == answer
        memory.close()


@pytest.mark.parametrize("written", ["DROP TABLE facts", "", "now | x' OR 1=1 | --"])
def test_a_choice_that_is_none_ends_in_what_the_ranking_shows(address: str, written: str) -> None:
    pairs: Pairs = [([], written), ([], written), ([], "canoe")]
    assert chosen(address, pairs, "What does Maria own?").text == "canoe"
