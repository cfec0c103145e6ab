"""What turns state: facts of everyday sentences, and what must not become one."""

from collections.abc import Collection

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory.records import Kind, Turn
from memory.statements import End, Statement, stated
from memory.statements.rules import possession_rules, rule_verbs, rules_of
from memory.vocabulary import default_vocabulary

SAID_AT = "2025-03-12T09:00"  # a Wednesday
SPEAKERS = ("Anna", "Tom")


def statements(
    text: str, speaker: str = "Anna", speakers: Collection[str] = SPEAKERS
) -> list[Statement]:
    return stated(Turn(speaker, text, said_at=SAID_AT), speakers)


def facts(text: str, speaker: str = "Anna") -> list[tuple[str, str, str]]:
    return [(fact.subject, fact.attribute, fact.value) for fact in statements(text, speaker)]


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        # home
        ("I live in Porto now", ("Anna", "lives_in", "Porto")),
        ("We live over the bakery in Lund", ("Anna", "lives_in", "Lund")),
        ("I live next to the station in Lund with Tom", ("Anna", "lives_in", "Lund")),
        ("I moved to Lund with my two cats", ("Anna", "lives_in", "Lund")),
        ("I live in a house with a garden", ("Anna", "lives_in", "house with a garden")),
        ("we live in Graça, Rua das Beatas", ("Anna", "lives_in", "Graça, Rua das Beatas")),
        ("I moved from Aarhus to Lyon in June", ("Anna", "lives_in", "Lyon")),
        ("I used to live in Braga", ("Anna", "lived_in", "Braga")),
        ("I'm originally from Recife", ("Anna", "comes_from", "Recife")),
        ("I'm at 5 Quarry Lane now", ("Anna", "lives_in", "5 Quarry Lane")),
        # work and study
        ("I'm a hospital pharmacist", ("Anna", "works_as", "hospital pharmacist")),
        ("I work as a nurse at the Royal", ("Anna", "works_as", "nurse")),
        ("I work as a nurse at the Royal", ("Anna", "works_at", "Royal")),
        ("I'm at the tax office till 4 most days", ("Anna", "works_at", "tax office")),
        ("The zoo has hired me as a keeper", ("Anna", "works_as", "keeper")),
        ("They made me head nurse", ("Anna", "works_as", "head nurse")),
        ("I talked to Noa, a midwife", ("Noa", "works_as", "midwife")),
        ("I'm on days since Monday", ("Anna", "works_hours", "days")),
        ("I'm doing a master's in law here, two years", ("Anna", "studies", "law")),
        ("Tom did a PhD in physics", ("Tom", "studied", "physics")),
        ("I was born in Faro", ("Anna", "born_in", "Faro")),
        # word order, shouting, and what a full stop cuts in two
        ("I PASSED MY DRIVING TEST", ("Anna", "passed", "driving test")),
        ("I MOVED. To Lund, at last.", ("Anna", "lives_in", "Lund")),
        ("It's my birthday on the 19th", ("Anna", "birthday", "19 March")),
        ("I went to Siena and on Monday to Lucca", ("Anna", "travelled_to", "Lucca")),
        ("we must leave the house by 3 May", ("Anna", "has_to", "leave the house")),
        ("my sister Carla in Basel has a room", ("Carla", "lives_in", "Basel")),
        ("my driving lesson was yesterday", ("Anna", "had", "driving lesson")),
        ("me, Tom and Noor watched A Quiet Year", ("Noor", "watched", "Quiet Year")),
        ("me, Tom and Noor watched A Quiet Year", ("Anna", "watched", "Quiet Year")),
        ("Noor moved in yesterday", ("Noor", "moved_in", "yes")),
        ("I danced on Monday", ("Anna", "danced", "yes")),
        ("New job: head nurse at the Royal", ("Anna", "works_as", "head nurse")),
        ("I weigh 91", ("Anna", "weight", "91")),
        ("I'm down to 88 kilos", ("Anna", "weight", "88 kilos")),
        ("I'm 33 til March", ("Anna", "age", "33")),
        ("Mr Ongpin, seventy-one, jumped in", ("Mr Ongpin", "age", "71")),
        ("One son, Jiho, seven years old", ("Jiho", "age", "7")),
        ("Hasan the plumber lifted the boards", ("Hasan", "works_as", "plumber")),
        ("our boat is called Maris", ("Anna's boat", "name", "Maris")),
        ("still at the Pint and Anchor", ("Anna", "works_at", "Pint and Anchor")),
        ("I was a river engineer", ("Anna", "worked_as", "river engineer")),
        ("I'm learning Gaelic", ("Anna", "learns", "Gaelic")),
        # people and animals
        ("My sister Elena moved to Porto", ("Elena", "lives_in", "Porto")),
        ("My sister Elena moved to Porto", ("Anna", "has_sister", "Elena")),
        ("My sister works at the harbour.", ("Anna's sister", "works_at", "harbour")),
        ("Mum's called Ilse", ("Anna's mum", "name", "Ilse")),
        ("This is my flatmate Bo", ("Anna", "has_flatmate", "Bo")),
        ("I have two kids, Lena and Tom", ("Anna", "has_child", "Lena")),
        ("I have two sisters", ("Anna", "has_sister", "2 sisters")),
        ("I've one daughter. Lena. she's 15", ("Lena", "age", "15")),
        ("I'm seeing somebody. Priyan. he's a farrier", ("Priyan", "works_as", "farrier")),
        ("We got a dog. He's called Biscuit", ("Anna", "has_pet", "Biscuit, a dog")),
        ("Sofia and I are engaged!", ("Anna", "engaged_to", "Sofia")),
        ("me and Maeve are done", ("Anna", "separated_from", "Maeve")),
        # health, likes, possessions
        ("I'm allergic to olives, nuts and eggs", ("Anna", "allergic_to", "nuts")),
        ("I never eat fish", ("Anna", "does_not_eat", "fish")),
        ("I can't have dairy", ("Anna", "does_not_eat", "dairy")),
        ("I'm vegetarian", ("Anna", "diet", "vegetarian")),
        ("I'm 34", ("Anna", "age", "34")),
        ("My birthday is on 3 May", ("Anna", "birthday", "3 May")),
        ("i turn 29 on the 20th", ("Anna", "birthday", "20 March")),
        ("My favourite colour is green", ("Anna", "favourite_colour", "green")),
        ("Tom speaks Greek", ("Tom", "speaks", "Greek")),
        ("I play the cello", ("Anna", "plays_instrument", "cello")),
        ("my bike was stolen", ("Anna", "lost", "bike")),
        ("my address is 7 Harold Street", ("Anna", "address", "7 Harold Street")),
        # what happened
        ("finished Middlemarch last night", ("Anna", "read", "Middlemarch")),
        ("I read two books: Dracula and Kidnapped", ("Anna", "read", "Kidnapped")),
        ("I've been to Rome", ("Anna", "travelled_to", "Rome")),
        ("went running on Sunday", ("Anna", "went_running", "a run")),
        ("I ran 7k", ("Anna", "went_running", "7k")),
        ("bought a telescope", ("Anna", "bought", "telescope")),
        ("I inherited a crate from my gran", ("Anna", "inherited", "crate from my gran")),
        # what is to come
        ("I'm moving to Rome in May", ("Anna", "plans", "move to Rome")),
        ("The wedding is on 14 June", ("Anna", "appointment", "wedding")),
    ],
)
def test_a_plain_sentence_states_a_fact(text: str, fact: tuple[str, str, str]) -> None:
    assert fact in facts(text)


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("We painted the shed on Saturday", ("Anna", "painted", "shed")),
        ("I picked Mum up from the station", ("Anna", "picked_up", "Mum from the station")),
        ("Tom fell off the ladder", ("Tom", "fell_off", "ladder")),
        ("Dad keeps his maps in the shed", ("Anna's dad", "keeps", "maps in the shed")),
        ("Tom is building a shed", ("Tom", "is_building", "shed")),
        ("I used to fence for the county", ("Anna", "used_to_fence", "for the county")),
        ("Tom was fined 90 euro", ("Tom", "was_fined", "90 euro")),
        ("I walked for three hours", ("Anna", "walked", "for three hours")),
        ("my shift starts at 6:30", ("Anna's shift", "starts", "at 6:30")),
        ("I got a bike, sixty quid", ("Anna", "got", "bike, sixty quid")),
        ("Tom has a stairlift", ("Tom", "has", "stairlift")),
        ("I already have a snake plant", ("Anna", "has", "snake plant")),
        # what belongs to somebody, and other things
        ("Tom's car broke down", ("Tom's car", "broke_down", "yes")),
        ("my back door is leaking on the mat", ("Anna's back door", "is_leaking", "on the mat")),
        ("My sister's husband came from Lyon", ("Anna's sister's husband", "came", "from Lyon")),
        ("the boiler broke on Monday", ("boiler", "broke", "yes")),
        ("the shop sold my bike", ("shop", "sold", "Anna's bike")),
    ],
)
def test_a_clause_without_a_rule_has_its_verb_as_the_attribute(
    text: str, fact: tuple[str, str, str]
) -> None:
    assert facts(text) == [fact]


@pytest.mark.parametrize(
    "text",
    [
        "I think the shed fell down",
        "the party took a while",
        "I had a really good time",
        "my heart sank",
        "it fell off the ladder",
        "Tom fixed it",
        "I looked at a seal",
        "Tom went grey",
        "this makes my sister feel strong",
        "The news made sense",
        "I could paint the shed",
        "I almost painted the shed",
        "I didn't paint the shed",
        "WE GOT ITTTT",
        "What if Tom painted the shed",
    ],
)
def test_moods_idioms_and_what_did_not_happen_are_no_facts(text: str) -> None:
    assert facts(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "Do you live in Porto?",
        "You moved to Porto, right?",
        "So I live in Porto?",
        "Maybe I live in the wrong town",
        "If I live in Porto, I swim",
        "I might be allergic to nuts",
        "I wish I lived in Porto",
        "I would love a dog",
        "I almost bought a telescope",
        "I don't have a car",
        "I didn't move to Porto",
        "I am not vegetarian",
        "I haven't been to Rome",
        'She said "I live in Porto"',
        "> I live in Porto",
        "```\nI live in Porto\n```",
        "You live in Porto",
        "They bought a telescope",
        "I died laughing",
        "I'm 214 today",
        "I'll let you know",
        "I love it",
        "Reminder mailed at seven",
        "Offer accepted on Monday",
        "They made me laugh",
        "I must say it was hot on Monday",
        "I met my sister in Paris?",
        "I'm at the beach since Monday",
        "my exam was great",
        "my driving lesson is off",
        "Bus 12, Ghent, 30, leaves late",
        "I danced",
        "I went on Monday",
        "new job: same old story",
        "Lost his job in May.",
        "Poor thing. Fell off her ladder on Sunday.",
    ],
)
def test_what_is_not_stated_becomes_no_fact(text: str) -> None:
    assert facts(text) == []


def test_what_begins_a_fragment_is_nobody() -> None:
    told = facts("I lost my dad. Service is on the 16th in Lund. He taught me dovetails.")
    assert "Service" not in {subject for subject, _, _ in told}


@pytest.mark.parametrize("speaker", ["Assistant", "AI", "ChatGPT", "", " "])
def test_an_assistant_states_nothing_of_itself(speaker: str) -> None:
    assert facts("I live in Porto", speaker) == []


@pytest.mark.parametrize("kind", ["document", "tool"])
def test_documents_and_tool_uses_state_nothing(kind: Kind) -> None:
    assert stated(Turn("Anna", "I live in Porto", kind=kind)) == []


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("Nour turned ten on the 5th", ("Nour", "age", "10")),
        ("Dad is eighty-two", ("Anna's dad", "age", "82")),
        ("My daughter Nour who's 9 and Malachy who's 14", ("Nour", "age", "9")),
        ("my locker is 214", ("Anna", "locker", "214")),
        ("the new code is 2903", ("Anna", "code", "2903")),
        ("wifi password is otter7", ("Anna", "wifi_password", "otter7")),
        ("rent goes to 655 each from july", ("Anna", "rent", "655 each")),
        ("Nour's hamster is General", ("Nour", "has_pet", "General, a hamster")),
        ("boiler was serviced on Tuesday by Tom", ("boiler", "was_serviced", "by Tom")),
        ("I start on Monday at Pryce's", ("Anna", "works_at", "Pryce's")),
        ("I quit Fretwell's. friday was my last day", ("Anna", "left_job", "Fretwell's")),
        ("my last day at the Alfred is the 30th", ("Anna", "left_job", "Alfred")),
        ("Leela moved the wedding, it's 28 June now", ("Leela", "appointment", "wedding")),
        ("I bought a van, nine hundred quid", ("Anna", "owns", "van")),
        ("Nour is allergic to nuts and figs, write it down", ("Nour", "allergic_to", "figs")),
    ],
)
def test_what_a_chat_states_in_few_words(text: str, fact: tuple[str, str, str]) -> None:
    assert fact in facts(text)


def test_a_number_with_decimals_is_no_age() -> None:
    assert facts("Anna is 5 now!", "Tom") == [("Anna", "age", "5")]
    assert "5" not in [value for *_, value in facts("Cholesterol is 5.2 now!")]


def test_weather_is_no_illness() -> None:
    assert facts("Oslo is cold.") == facts("I'm cold") == []


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("I quit Fretwell's. friday was my last day", "2025-03-07"),
        ("boiler was serviced on Tuesday by Tom", "2025-03-11"),
        ("rent goes to 655 each from july", "2025-07"),
        ("I bought a cello yesterday", "2025-03-11"),
        ("I bought a cello on Saturday", "2025-03-08"),
        ("I bought a cello on the 5th", "2025-03-05"),
        ("I bought a cello on 20 December", "2024-12-20"),
        ("I bought a cello in 2019", "2019"),
        ("I bought a cello", ""),
        ("I've lived in Porto since 2019", "2019"),
        ("I'm off meat since the first of September", "2024-09-01"),
        ("I'm director of the hotel from 1 April", "2025-04-01"),
        ("my exam is on the 5th", "2025-04-05"),
        ("I'm flying to Rome on Friday", "2025-03-14"),
        ("ran on Thursday, first time since the 3rd", "2025-03-06"),
    ],
)
def test_the_day_is_the_one_that_the_words_name(text: str, day: str) -> None:
    assert {fact.happened_on for fact in statements(text)} == {day}


def test_without_a_date_of_the_turn_no_day_is_guessed() -> None:
    turn = Turn("Anna", "I bought a lamp on Saturday")
    assert stated(turn) == [Statement("Anna", "bought", "lamp")]


@pytest.mark.parametrize(
    ("text", "attribute", "values"),
    [
        ("I read Middlemarch, then Emma and Persuasion.", "read", "Middlemarch|Emma|Persuasion"),
        ("I watched War and Peace, Emma and Clueless.", "watched", "War and Peace|Emma|Clueless"),
        ("I read Pride and Prejudice.", "read", "Pride and Prejudice"),
        ("I read Dracula and The Trial.", "read", "Dracula and The Trial"),
        ("I speak French, German and a bit of Dutch.", "speaks", "French|German|Dutch"),
        # A list keeps its last item behind a comma of its own; a verb there is another deed.
        ("I'm allergic to kiwi, nuts, and raw carrots.", "allergic_to", "kiwi|nuts|raw carrots"),
        ("I collect thimbles, bells, and old maps.", "collects", "thimbles|bells|old maps"),
        ("I collect thimbles and maps.", "collects", "thimbles|maps"),
        ("I listen to fado, ska, and slow blues.", "listens_to", "fado|ska|slow blues"),
        ("I live in Porto, Rua das Flores, and love it.", "lives_in", "Porto, Rua das Flores"),
        # Each kind of animal, with its names or without.
        (
            "I have two cats, Tig and Mo, and a hamster called Pip.",
            "has_pet",
            "Tig, a cat|Mo, a cat|Pip, a hamster",
        ),
        ("We have a cat, Tig, and two hens.", "has_pet", "Tig, a cat|two hens"),
        ("I've got a dog and a hamster named Pip.", "has_pet", "dog|Pip, a hamster"),
        ("I have a cat called Tig and a sister called Mo.", "has_pet", "Tig, a cat"),
        ("I went to Trinidad, then Cuba and Peru.", "travelled_to", "Trinidad|Cuba|Peru"),
        ("I met Lea and Ben yesterday.", "met", "Lea|Ben"),
        ("I live in Oslo, Ben and Mia moved to Bergen.", "lives_in", "Oslo"),
    ],
)
def test_each_name_of_a_series_is_a_value(text: str, attribute: str, values: str) -> None:
    of_anna = [fact for fact in stated(Turn("Anna", text)) if fact.subject == "Anna"]
    assert [fact.value for fact in of_anna if fact.attribute == attribute] == values.split("|")


def test_a_series_has_the_day_behind_it() -> None:
    turn = Turn("Anna", "We visited Rome, Naples and Amalfi in May.", said_at="2024-06-02")
    assert {fact.happened_on for fact in stated(turn)} == {"2024-05"}


def test_each_item_of_a_list_has_its_own_day() -> None:
    text = "we've had two camping trips so far: Sandbanks in May and Bon Echo in June"
    assert statements(text) == [
        Statement("Anna", "went_camping", "Sandbanks", "2024-05"),
        Statement("Anna", "went_camping", "Bon Echo", "2024-06"),
    ]


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("I quit my job at the bakery", End("works_at")),
        ("I left the bakery", End("works_as")),
        ("I lost my job", End("works_at")),
        ("I don't work at the bakery any more", End("works_at")),
        ("I retired last year", End("works_at")),
        ("I moved to Porto", End("lives_in")),
        ("I moved out of the flat", End("lives_in", "flat")),
        ("I no longer live in Porto", End("lives_in", "Porto")),
        ("i sold my bike", End("owns", "bike")),
        ("I finished The Overstory yesterday", End("reading", "Overstory")),
        ("my bike was stolen", End("owns", "bike")),
        ("I gave up the piano", End("plays_instrument", "piano")),
        ("I don't play the piano any more", End("plays_instrument", "piano")),
        ("I stopped learning Greek", End("learns", "learning Greek")),
        ("I eat dairy again", End("does_not_eat", "dairy")),
        ("me and Maeve are done", End("partner")),
        ("I got divorced", End("married_to")),
        ("My mum died in 2019", End("*")),
        ("my dog Rex died", End("has_pet", "Rex")),
        ("I moved my dentist appointment to Friday", End("appointment", "dentist appointment")),
        ("The wedding is on 28 June now", End("appointment", "wedding")),
        ("I cancelled the trip to Rome", End("booked", "trip to Rome")),
        ("Leela moved the wedding, it's 28 June now", End("appointment", "wedding")),
        ("my last day at the Alfred is the 30th", End("works_at")),
        ("the new code is 2903", End("code")),
        ("I start at the clinic on Monday", End("works_at")),
    ],
)
def test_a_statement_names_what_is_over_with_it(text: str, end: End) -> None:
    assert end in {end for fact in statements(text) for end in fact.ends}


@pytest.mark.parametrize(
    "text",
    ["I left the house at eight", "I sold out", "I stopped at the shop", "I lost my temper", "bye"],
)
def test_what_ends_no_state_ends_nothing(text: str) -> None:
    assert [end for fact in statements(text) for end in fact.ends] == []


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("Ich heiße Katrin", ("name", "Katrin")),
        ("Ich wohne jetzt in Köln", ("lives_in", "Köln")),
        ("Ich arbeite als Krankenschwester", ("works_as", "Krankenschwester")),
        ("Ich arbeite bei Siemens", ("works_at", "Siemens")),
        ("Ich habe einen Hund", ("has_pet", "einen Hund")),
        ("Wir haben eine Katze namens Minka", ("has_pet", "eine Katze namens Minka")),
        ("Ich habe zwei Kinder", ("has_child", "zwei Kinder")),
        ("Ich bin allergisch gegen Nüsse", ("allergic_to", "Nüsse")),
        ("Ich bin 34 Jahre alt", ("age", "34")),
        ("Ich bin mit Jens verheiratet", ("married_to", "Jens")),
        ("Ich spreche Türkisch", ("speaks", "Türkisch")),
        ("Wir sind nach Hamburg gezogen", ("lives_in", "Hamburg")),
        ("Mein Geburtstag ist am 3. Mai", ("birthday", "3. Mai")),
        ("Je m'appelle Claire", ("name", "Claire")),
        ("J'habite à Lyon", ("lives_in", "Lyon")),
        ("Je travaille comme infirmière", ("works_as", "infirmière")),
        ("Je travaille chez Renault", ("works_at", "Renault")),
        ("J'ai un chien", ("has_pet", "un chien")),
        ("J'ai un chat qui s'appelle Filou", ("has_pet", "un chat qui s'appelle Filou")),
        ("J'ai deux enfants", ("has_child", "deux enfants")),
        ("Je suis allergique aux noix", ("allergic_to", "noix")),
        ("J'ai 34 ans", ("age", "34")),
        ("Je suis mariée avec Paul", ("married_to", "Paul")),
        ("Je parle allemand", ("speaks", "allemand")),
        ("J'ai déménagé à Nantes", ("lives_in", "Nantes")),
        ("Je suis née le 3 mai 1990", ("born_on", "3 mai 1990")),
        ("Me llamo Lucía", ("name", "Lucía")),
        ("Vivo en Sevilla", ("lives_in", "Sevilla")),
        ("Trabajo como enfermera", ("works_as", "enfermera")),
        ("Trabajo en un banco", ("works_at", "un banco")),
        ("Tengo un perro", ("has_pet", "un perro")),
        ("Tengo una gata llamada Nube", ("has_pet", "una gata llamada Nube")),
        ("Tengo dos hijos", ("has_child", "dos hijos")),
        ("Soy alérgica a las nueces", ("allergic_to", "nueces")),
        ("Tengo 34 años", ("age", "34")),
        ("Estoy casada con Pablo", ("married_to", "Pablo")),
        ("Hablo inglés", ("speaks", "inglés")),
        ("Me mudé a Granada", ("lives_in", "Granada")),
        ("Nací el 3 de mayo de 1990", ("born_on", "3 de mayo de 1990")),
    ],
)
def test_the_commonest_statements_in_three_more_languages(text: str, fact: tuple[str, str]) -> None:
    assert facts(text) == [("Anna", *fact)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Ich bin Bäcker bei Kamps", {"works_as": "Bäcker", "works_at": "Kamps"}),
        ("Ich arbeite als Werkleiter bei Bayer", {"works_as": "Werkleiter", "works_at": "Bayer"}),
        ("Ich lebe in Jena und arbeite bei Zeiss", {"lives_in": "Jena", "works_at": "Zeiss"}),
        ("Je vis à Brest et travaille chez Thales", {"lives_in": "Brest", "works_at": "Thales"}),
        ("Je suis comptable chez Thales", {"works_as": "comptable", "works_at": "Thales"}),
        ("Vivo en León y trabajo en Correos", {"lives_in": "León", "works_at": "Correos"}),
        ("Soy contable en Correos", {"works_as": "contable", "works_at": "Correos"}),
        # Whose verb it is, a subject of its own says.
        ("Ich wohne in Jena und mein Bruder arbeitet bei Zeiss", {"lives_in": "Jena"}),
    ],
)
def test_a_sentence_of_another_language_tells_of_home_and_work(
    text: str, told: dict[str, str]
) -> None:
    assert facts(text) == [("Anna", *fact) for fact in told.items()]


@pytest.mark.parametrize(
    "text", ["Wohnst du in Bonn?", "Er wohnt in Bonn", "Theo will jetzt Linsen"]
)
def test_other_german_sentences_state_nothing(text: str) -> None:
    assert facts(text) == []


def test_curly_quotation_marks_change_nothing() -> None:
    assert facts("I\u2019m allergic to nuts") == facts("I'm allergic to nuts") != []


def test_of_a_very_long_turn_only_the_beginning_is_read() -> None:
    text = "I live in Porto. " + "It rains. " * 30_000 + "I speak Greek."
    assert facts(text) == [("Anna", "lives_in", "Porto")]


@pytest.mark.parametrize(
    "text",
    [
        *("I live in ", "a ", "my ", ", and ", "x", "I have ", "A", "1 ", "(", "'", '"', "just "),
        *("My sister Elena ", "Anna ", "I went to the big ", "not ", "my old ", "Elena and ", "\n"),
    ],
)
def test_a_long_turn_without_end_is_read_to_its_end(text: str) -> None:
    stated(Turn("Anna", text * (300_000 // len(text)), said_at=SAID_AT))


_WORDS = (
    "I we my sister Elena Tom's moved to Porto in May on the 3rd of 2019 and , . ? ! not any more"
    " 's had been a dog called Rex ( ) : she he's 9 31 February Ich wohne j'ai"
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(_WORDS.split()), max_size=40))
def test_any_words_give_facts_with_a_subject_and_a_short_value(text: list[str]) -> None:
    for fact in statements(" ".join(text)):
        assert fact.subject.strip()
        assert fact.attribute.strip()
        assert 0 < len(fact.value) <= 200


def test_rules_use_the_names_of_the_default_vocabulary() -> None:
    """Another name of an attribute would be stored under the attribute's own."""
    rules = [*possession_rules(), *(rule for verb in rule_verbs() for rule in rules_of(verb))]
    names = {name for rule in rules for name in (rule.now, rule.past, rule.denied, rule.future)}
    names |= {end.rstrip("=") for rule in rules for end in rule.ends}
    vocabulary = default_vocabulary()
    for attribute in vocabulary.attributes:
        assert not names & {*attribute.other_names}, attribute.name
