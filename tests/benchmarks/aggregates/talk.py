"""A long chat of six friends, from a seed: what they say over years, and the facts it tells."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from memory import Turn

TURNS = 20_000
PEOPLE = ("Ines", "Tobias", "Maeve", "Ravi", "Linnea", "Oskar")
_FIRST_DAY = date(2019, 1, 5)
_TURNS_A_DAY = (6, 14)

_TITLE_WORDS = (
    ("Salt", "Winter", "Glass", "Hollow", "Crooked", "Borrowed", "Silent", "Copper", "Northern"),
    ("Orchard", "Harbour", "Ledger", "Lantern", "Causeway", "Almanac", "Staircase", "Estuary"),
)
BOOKS = tuple(f"The {first} {second}" for first in _TITLE_WORDS[0] for second in _TITLE_WORDS[1])
_FILM_WORDS = (
    ("Night Bus to", "Goodbye to", "A Summer in", "The Thieves of", "Letters from", "Waiting for"),
    ("Marseille", "Eleanor", "Harlem", "Zanzibar", "Tuesday", "Antwerp", "Violet", "Valparaíso"),
)
FILMS = tuple(f"{first} {second}" for first in _FILM_WORDS[0] for second in _FILM_WORDS[1])
CITIES = (
    *("Ghent", "Porto", "Kraków", "Turin", "Bergen", "Seville", "Leipzig"),
    *("Tallinn", "Lyon", "Cork", "Utrecht", "Zagreb", "Bologna", "Gdańsk"),
    *("Malmö", "Valencia", "Graz", "Riga", "Nantes", "Aarhus", "Palermo"),
    *("Basel", "Bilbao", "Tartu", "York", "Split", "Rouen", "Trieste"),
    *("Vilnius", "Coimbra", "Ljubljana", "Odense", "Girona", "Bath", "Maastricht"),
    *("Brno",),
)
DISHES = (
    *("lentil soup", "mushroom risotto", "shakshuka", "dumplings", "fish pie", "ramen", "moussaka"),
    *("pea curry", "gnocchi"),
)
RESTAURANTS = ("the Blue Heron", "Casa Pepa", "the Tin Kettle", "Hanoi Corner", "Zum Anker")
GOODS = (
    *("a rain jacket", "a desk lamp", "a second-hand bicycle", "a bread knife", "a tent"),
    *("noise-cancelling headphones", "a rocking chair", "a waffle iron", "a film camera"),
    *("hiking boots", "a record player", "a fig tree", "a yoga mat", "a telescope", "a kayak"),
    *("a sewing machine", "a coffee grinder", "a wool blanket", "a chess set", "a suitcase"),
)
ILLNESSES = ("a cold", "the flu", "a stomach bug", "tonsillitis", "a migraine", "bronchitis")
HOMES = (
    *("Antwerp", "Hamburg", "Bristol", "Gothenburg", "Toulouse", "Vienna", "Dublin", "Warsaw"),
    *("Lisbon", "Helsinki"),
)
JOBS = (
    *("the harbour office", "Mill Lane Bakery", "the city archive", "Fernley Architects"),
    *("the tram depot", "Nordlys Media", "the botanical garden", "Kestrel Insurance"),
    *("the language school", "Hartmann Optics"),
)


@dataclass(frozen=True)
class StatedFact:
    """A fact with the source of the turn that states it. Dates are ISO text or ""."""

    subject: str
    attribute: str
    value: str
    happened_on: str
    ended_on: str
    source: str


@dataclass(frozen=True)
class _Event:
    """Something that somebody tells on a day: an attribute with its value."""

    attribute: str
    value: str


_SAID: Mapping[str, Sequence[str]] = {
    "read": (
        "Finished {value} {when}, and I keep thinking about the ending.",
        "I read the last page of {value} {when}.",
        "{value} is done! Closed it {when} with a sigh.",
        "So, {value}: read it to the end {when}. Slow start, then I couldn't stop.",
    ),
    "watched": (
        "We watched {value} {when}. Better than its poster.",
        "Saw {value} {when}, cried twice, no regrets.",
        "{value} was on {when}, so I finally watched it.",
        "I watched {value} {when} with popcorn for dinner.",
    ),
    "visited": (
        "Greetings from the train: I was in {value} {when}.",
        "I spent a day in {value} {when}, my feet hurt and I loved it.",
        "{value} {when} was grey and lovely. I'd go again.",
        "Took the early bus and visited {value} {when}.",
    ),
    "went_running": (
        "Went running {when}, {value}.",
        "I ran {when}: {value}. Legs of lead.",
        "{value} of running {when}, who am I?",
        "Out for a run {when}, {value}, not a soul around.",
    ),
    "cooked": (
        "I cooked {value} {when} and there's enough left for a week.",
        "{value} {when}, made by yours truly.",
        "Made {value} {when}. The kitchen will recover.",
        "Cooked {value} {when}, too much pepper, still gone in minutes.",
    ),
    "ate_at": (
        "We ate at {value} {when}, the waiter remembered me.",
        "Dinner at {value} {when}. I should stop ordering for three.",
        "Ended up at {value} {when}, as one does.",
    ),
    "bought": (
        "I bought {value} {when}. Needed? No. Happy? Very.",
        "Look what I bought {when}: {value}.",
        "Gave in {when} and bought {value}.",
    ),
    "ill_with": (
        "In bed with {value} since {when}, send soup.",
        "I came down with {value} {when}.",
        "{value} got me {when}. Voice like a frog.",
    ),
    "lives_in": (
        "The boxes are in: I moved to {value} {when}.",
        "New address, everybody. I moved to {value} {when}!",
        "I live in {value} now, moved {when}. The stairs nearly killed us.",
    ),
    "works_at": (
        "First day at {value} {when}, I've forgotten all the names.",
        "I started at {value} {when}. They have a piano in the canteen.",
        "So it's official, I work at {value}, started {when}.",
    ),
}
# Of these a new value ends the one before.
_STATES = {"lives_in": HOMES, "works_at": JOBS}
# How often each happens to a person, least and most, and the values it takes.
_OFTEN: Mapping[str, tuple[int, int, Sequence[str]]] = {
    "read": (9, 24, BOOKS),
    "watched": (9, 26, FILMS),
    "visited": (8, 20, CITIES),
    "bought": (6, 15, GOODS),
}
_REPEATED: Mapping[str, tuple[int, int, Sequence[str]]] = {
    "cooked": (25, 60, DISHES),
    "ate_at": (12, 30, RESTAURANTS),
    "ill_with": (4, 9, ILLNESSES),
}
_RUNS = (15, 90)
_SMALL_TALK = (
    "Has anybody read {book}? Somebody left it on the tram.",
    "{book} is on my pile, but the pile is tall.",
    "My sister swears by {book}. I haven't opened it.",
    "They're showing {film} at the open-air place, shall we?",
    "I keep seeing the poster of {film} everywhere.",
    "My aunt is in {city} this week and sends pictures of doors.",
    "One day I'll go to {city}. One day.",
    "Is {city} worth the trip in {month}?",
    "I should go running again. Tomorrow. Or the day after.",
    "You and your running, {friend}. I get tired from reading about it.",
    "Who has a good recipe for {dish}?",
    "I dreamt of {dish}, is that normal?",
    "{friend}, did you ever try {restaurant}? I hear it changed hands.",
    "Thinking about buying {thing}. Talk me out of it.",
    "My neighbour has {thing} and I am not jealous at all.",
    "The meeting took two hours and could have been a postcard.",
    "It has been raining since breakfast.",
    "Ha, {friend}, that is so you.",
    "Good morning from the bus.",
    "How did it go, {friend}?",
    "I'm late again, start without me.",
    "The upstairs neighbour is practising the drums.",
    "Can somebody water my plants in {month}?",
    "I lost a glove. The left one, as always.",
    "Happy {weekday}, everybody.",
    "No news here, only laundry.",
    "My phone is at four percent, so be brief.",
    "{friend}, call me when you can, nothing bad.",
    "The heating is back. We are saved.",
    "Who took the good scissors?",
    "I could sleep for a week.",
    "That sounds lovely, {friend}.",
    "Oh no. And then?",
    "I'm with {friend} on this.",
    "The coffee machine at work died today. A moment of silence.",
    "Does anyone remember the name of that song?",
    "My mother says hello to all of you.",
    "I have {number} umbrellas and all of them are elsewhere.",
    "{number} unread messages and every one is a picture of soup.",
    "Whoever finished {book} first may explain it to me.",
    "Somebody on the train was reading {book} upside down.",
    "Was {film} the one with the dog?",
    "I fell asleep in {film} years ago and never dared to ask.",
    "A postcard from {city}! From whom? No name on it.",
    "The weather map says {number} degrees in {city}. In {month}!",
    "{friend} promised to make {dish} some day. We are waiting.",
    "The cook of {restaurant} waved at me through the window.",
    "I saw {thing} in a shop window for {number} euros and walked on, bravely.",
    "There are {number} steps to my front door, I counted.",
    "{friend}, your umbrella is still here. Since {month}.",
    "I've been on hold for {number} minutes. They play the flute.",
    "What's everybody doing in {month}?",
    "Bus number {number} did not come. Bus number {number} never comes.",
    "My colleague runs {number} km before breakfast. I admire it from afar.",
    "I'd move to {city} tomorrow if somebody packed for me.",
    "They sell {thing} at the flea market, it has one owner before you.",
    "{dish} or a sandwich? The eternal question.",
)
_TAILS = ("", "", "", " Anyway.", " Long story.", " More tonight.", " Don't ask.", " That's all.")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)


def long_chat(turns: int = TURNS, seed: int = 0) -> tuple[list[Turn], list[StatedFact]]:
    """The turns of a chat, and what they state, with the ends that later turns tell."""
    chance = random.Random(seed)
    days = turns // (sum(_TURNS_A_DAY) // 2) + 1
    events = _events(chance, days)
    said: list[Turn] = []
    facts: list[StatedFact] = []
    for number in range(days):
        day = _FIRST_DAY + timedelta(days=number)
        lines = [
            *((person, event) for person, event in events.get(number, ())),
            *((chance.choice(PEOPLE), None) for _ in range(chance.randint(*_TURNS_A_DAY))),
        ]
        chance.shuffle(lines)
        patterns = iter(chance.sample(_SMALL_TALK, len(_SMALL_TALK)))
        for place, (person, event) in enumerate(lines, start=1):
            source = f"D{number + 1}:{place}"
            if event is None:
                text = _small_talk(chance, patterns, person=person, day=day)
            else:
                text, happened_on = _told(chance, event, day)
                facts.append(
                    StatedFact(person, event.attribute, event.value, happened_on, "", source)
                )
            session = f"session_{number + 1}"
            said.append(Turn(person, text, session, f"{day.isoformat()}T18:30", source))
    last = said[:turns][-1].said_at[:10]
    present = {turn.source for turn in said[:turns]}
    known = [fact for fact in facts if fact.source in present and fact.happened_on <= last]
    return said[:turns], list(_with_ends(known))


def _events(chance: random.Random, days: int) -> dict[int, list[tuple[str, _Event]]]:
    """What each person tells on which day."""
    events: dict[int, list[tuple[str, _Event]]] = {}

    def tell(person: str, attribute: str, values: Sequence[str]) -> None:
        for day, value in zip(sorted(chance.sample(range(days), len(values))), values, strict=True):
            events.setdefault(day, []).append((person, _Event(attribute, value)))

    for person in PEOPLE:
        for attribute, (least, most, values) in _OFTEN.items():
            tell(person, attribute, chance.sample(values, chance.randint(least, most)))
        for attribute, (least, most, values) in _REPEATED.items():
            weights = [1 / (rank + 1) for rank in range(len(values))]
            order = chance.sample(values, len(values))
            tell(person, attribute, chance.choices(order, weights, k=chance.randint(least, most)))
        ways = ("along the canal", "in the park", "up the hill", "round the lake")
        runs = [
            f"{chance.randint(4, 16)} km {chance.choice(ways)}"
            for _ in range(chance.randint(*_RUNS))
        ]
        tell(person, "went_running", runs)
        for attribute, states in _STATES.items():
            tell(person, attribute, chance.sample(states, chance.randint(3, 5)))
    return events


def _told(chance: random.Random, event: _Event, day: date) -> tuple[str, str]:
    """A sentence for an event, and its date."""
    ago = chance.choice((0, 0, 1, 1, 2, 3, 4))
    happened = day - timedelta(days=ago)
    when = {0: "today", 1: "yesterday"}.get(ago, f"last {happened:%A}")
    text = chance.choice(_SAID[event.attribute]).format(value=event.value, when=when)
    text = text[0].upper() + text[1:] + chance.choice(_TAILS)
    return text, happened.isoformat()


def _small_talk(chance: random.Random, patterns: Iterator[str], *, person: str, day: date) -> str:
    """One or two sentences that state nothing; no pattern comes twice on a day."""
    sentences = [next(patterns) for _ in range(chance.choice((1, 1, 2)))]
    text = " ".join(sentences).format(
        book=chance.choice(BOOKS),
        film=chance.choice(FILMS),
        city=chance.choice(CITIES),
        dish=chance.choice(DISHES),
        restaurant=chance.choice(RESTAURANTS),
        thing=chance.choice(GOODS),
        month=chance.choice(_MONTHS),
        weekday=f"{day:%A}",
        friend=chance.choice([name for name in PEOPLE if name != person]),
        number=chance.randint(2, 40),
    )
    return text + chance.choice(_TAILS)


def _with_ends(facts: Sequence[StatedFact]) -> Iterator[StatedFact]:
    """The facts, states ended by the next value."""
    for number, fact in enumerate(facts):
        later = (
            after.happened_on
            for after in facts[number + 1 :]
            if fact.attribute in _STATES
            and (after.subject, after.attribute) == (fact.subject, fact.attribute)
        )
        yield replace(fact, ended_on=next(later, ""))
