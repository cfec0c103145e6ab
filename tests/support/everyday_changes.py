"""Thirty everyday changes of facts by hand: what was said before, the change, and a question.

Ten correct a fact, ten end one and ten add what nobody had told. What was said stays in the turns,
so a change must decide against them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from memory import Answer, Turn
from memory.program.quotations import quotation_line

Kind = Literal["wrong", "changed", "over", "new"]
OWNER = "Nora"  # whose memory it is, and who asks
# How an answer says that something is over; the last is that of an abstention.
OVER = ("until", "no more", "any more", "no longer", "no,", "no:", "not hold", "no information")


@dataclass(frozen=True)
class EverydayChange:
    """A change of a fact and the question that it answers.

    Arguments:
        name: of the case.
        said: (speaker, day, text) of what was said before.
        kind: what a person says of the fact: it was wrong, it changed, it is over, or it is new.
        subject: of the fact.
        value: the new value; "" for an end, and where only the day was wrong.
        question: as the owner asks it.
        holds: what the answer has, any one of them, in small letters.
        lacks: what it must not tell as if it were so now, in small letters.
        old: words of the value that the fact has before; "" for a new one.
        attribute: of a new fact, or of one that a person has written before; "" where a template
            has stored it of what was said.
        on: the day of the change (ISO).
    """

    name: str
    said: Sequence[tuple[str, str, str]]
    kind: Kind
    subject: str
    question: str
    holds: Sequence[str]
    value: str = ""
    lacks: Sequence[str] = ()
    old: str = ""
    attribute: str = ""
    on: str = ""

    @property
    def turns(self) -> list[Turn]:
        return [
            Turn(speaker, text, session=day, said_at=f"{day}T18:00")
            for speaker, day, text in self.said
        ]

    def miss(self, answer: Answer) -> str:
        """What is wrong with an answer, or with the first of the nearest turns; "" for a right one.

        The turn that holds a fact comes first, with what a person has done to it.
        """
        if answer.basis != "rows":
            first = quotation_line(answer.quotations[0]).lower()
            is_shown = self.value.lower() in first or any(part in first for part in OVER)
            return "" if is_shown else f"does not show {self.value or 'its end'} first: {first}"
        text = " ".join(answer.text.lower().split())
        if not any(part in text for part in self.holds):
            return f"lacks {' or '.join(self.holds)}: {text}"
        # "Lyon, since ...; before that Ghent" tells the old value as past.
        now = text.partition("before that")[0]
        if wrong := [part for part in self.lacks if part in now]:
            return f"tells {wrong[0]}: {text}"
        return ""


CORRECTIONS = [
    EverydayChange(
        name="own home",
        said=[
            ("Nora", "2024-01-08", "I live in Ghent with two friends."),
            ("Nora", "2024-02-03", "Ghent is so wet at the moment, my flat smells of socks."),
        ],
        kind="changed",
        subject="Nora",
        old="Ghent",
        value="Lyon",
        on="2025-02-01",
        attribute="lives in",
        question="Where do I live?",
        holds=["lyon"],
        lacks=["ghent"],
    ),
    EverydayChange(
        name="job",
        said=[
            ("Jasper", "2024-01-09", "I work as a plumber these days."),
            ("Jasper", "2024-03-09", "Being a plumber means cold hands all winter."),
        ],
        kind="changed",
        subject="Jasper",
        old="plumber",
        value="roofer",
        on="2025-03",
        question="What does Jasper do for a living?",
        holds=["roofer"],
        lacks=["plumber"],
    ),
    EverydayChange(
        name="employer",
        said=[("Tilda", "2024-01-10", "The Harbour Bank is draughty, my desk is by the door.")],
        kind="wrong",
        subject="Tilda",
        attribute="works_at",
        old="Harbour Bank",
        value="Harbour Trust",
        question="Where does Tilda work?",
        holds=["harbour trust"],
        lacks=["harbour bank"],
    ),
    EverydayChange(
        name="name of a pet",
        said=[
            ("Wim", "2024-01-11", "I have a dog called Bruno."),
            ("Wim", "2024-01-19", "Bruno ate my slippers last night."),
        ],
        kind="wrong",
        subject="Wim",
        old="Bruno",
        value="a dog called Brutus",
        question="What is the name of Wim's dog?",
        holds=["brutus"],
        lacks=["bruno"],
    ),
    EverydayChange(
        name="own phone",
        said=[("Nora", "2024-01-12", "My phone number is 0473 55 12, by the way.")],
        kind="changed",
        attribute="phone",
        subject="Nora",
        old="0473 55 12",
        value="0499 81 30",
        on="2025-04-01",
        question="What is my phone number?",
        holds=["0499 81 30"],
        lacks=["0473"],
    ),
    EverydayChange(
        name="birthday",
        said=[("Petra", "2024-01-13", "My birthday is on 14 March, do come round.")],
        kind="wrong",
        subject="Petra",
        old="14 March",
        value="24 March",
        attribute="birthday",
        question="When is Petra's birthday?",
        holds=["24 march"],
        lacks=["14 march"],
    ),
    EverydayChange(
        name="allergy",
        said=[
            ("Ansel", "2024-01-14", "I am allergic to walnuts."),
            ("Ansel", "2024-02-14", "No cake for me, there are walnuts in it."),
        ],
        kind="wrong",
        subject="Ansel",
        old="walnuts",
        value="almonds",
        question="Is Ansel allergic to almonds?",
        holds=["yes"],
        lacks=["walnuts"],
    ),
    EverydayChange(
        name="partner",
        said=[("Greta", "2024-01-15", "My boyfriend is called Ruben, we met at the pool.")],
        kind="changed",
        subject="Greta",
        old="Ruben",
        value="Milan",
        on="2025-05-02",
        question="Who is Greta's partner now?",
        holds=["milan"],
        lacks=["ruben"],
    ),
    EverydayChange(
        name="day of an event",
        said=[("Ivo", "2024-01-16", "We got married on 4 May 2019, in the rain.")],
        kind="wrong",
        subject="Ivo",
        old="married",
        on="2019-05-11",
        attribute="got married",
        question="When did Ivo get married?",
        holds=["11 may 2019"],
        lacks=["4 may 2019"],
    ),
    EverydayChange(
        name="favourite thing",
        said=[("Hanne", "2024-01-17", "My favourite colour is green.")],
        kind="changed",
        attribute="favourite_colour",
        subject="Hanne",
        old="green",
        value="orange",
        on="2025-06",
        question="What is Hanne's favourite colour?",
        holds=["orange"],
        lacks=["green"],
    ),
]

ENDS = [
    EverydayChange(
        name="own job",
        said=[
            ("Nora", "2024-01-20", "I work as a librarian."),
            ("Nora", "2024-04-20", "The library was full of children today."),
        ],
        kind="over",
        subject="Nora",
        old="librarian",
        on="2025-05-03",
        question="What is my job?",
        holds=OVER,
    ),
    EverydayChange(
        name="pet that died",
        said=[
            ("Jasper", "2024-01-21", "I have a cat called Mitzi."),
            ("Jasper", "2024-05-21", "Mitzi sleeps on the radiator all day."),
        ],
        kind="over",
        subject="Jasper",
        old="Mitzi",
        on="2025-01-17",
        question="Does Jasper have a cat?",
        holds=OVER,
        lacks=["yes"],
    ),
    EverydayChange(
        name="car that was sold",
        said=[("Tilda", "2024-01-22", "I drive a red Skoda to work.")],
        kind="over",
        subject="Tilda",
        old="red Skoda",
        on="2025-02-20",
        attribute="drives",
        question="Does Tilda still have the Skoda?",
        holds=OVER,
        lacks=["yes"],
    ),
    EverydayChange(
        name="subscription",
        said=[("Wim", "2024-01-23", "I subscribe to the Evening Post.")],
        kind="over",
        subject="Wim",
        attribute="subscribes_to",
        old="Evening Post",
        on="2025-03-31",
        question="Does Wim subscribe to the Evening Post?",
        holds=OVER,
        lacks=["yes"],
    ),
    EverydayChange(
        name="moved out",
        said=[
            ("Petra", "2024-01-24", "I live in Utrecht."),
            ("Petra", "2024-06-24", "Utrecht is lovely in June."),
        ],
        kind="over",
        subject="Petra",
        old="Utrecht",
        on="2025-07-01",
        question="Where does Petra live now?",
        holds=OVER,
    ),
    EverydayChange(
        name="vegetarian",
        said=[("Ansel", "2024-01-25", "I am a vegetarian, so no ham for me.")],
        kind="over",
        subject="Ansel",
        old="vegetarian",
        on="2025-04-04",
        question="Is Ansel a vegetarian?",
        holds=OVER,
        lacks=["yes"],
    ),
    EverydayChange(
        name="instrument",
        said=[("Greta", "2024-01-26", "I play the clarinet.")],
        kind="over",
        attribute="plays_instrument",
        subject="Greta",
        old="clarinet",
        on="2025-01-31",
        question="Which instruments does Greta play?",
        holds=OVER,
    ),
    EverydayChange(
        name="flatmate",
        said=[("Ivo", "2024-01-27", "Karel snores, I hear it through the wall of our flat.")],
        kind="over",
        subject="Ivo",
        attribute="lives_with",
        old="Karel",
        on="2025-08-31",
        question="Who does Ivo live with?",
        holds=OVER,
    ),
    EverydayChange(
        name="course",
        said=[("Hanne", "2024-01-28", "I am learning Norwegian.")],
        kind="over",
        attribute="learns",
        subject="Hanne",
        old="Norwegian",
        on="2025-02-28",
        question="Is Hanne learning Norwegian?",
        holds=OVER,
        lacks=["yes"],
    ),
    EverydayChange(
        name="own club",
        said=[("Nora", "2024-01-29", "I am a member of the chess club.")],
        kind="over",
        subject="Nora",
        attribute="member_of",
        old="chess club",
        on="2025-06-30",
        question="When did I leave the chess club?",
        holds=["30 june 2025"],
    ),
]

ADDITIONS = [
    EverydayChange(
        name="own allergy",
        said=[("Nora", "2024-02-01", "We had soup at the fair.")],
        kind="new",
        subject="Nora",
        attribute="allergic to",
        value="penicillin",
        question="What am I allergic to?",
        holds=["penicillin"],
    ),
    EverydayChange(
        name="sister",
        said=[("Jasper", "2024-02-02", "Family came for lunch, all of them.")],
        kind="new",
        subject="Jasper",
        attribute="sister",
        value="Wanda",
        question="What is Jasper's sister called?",
        holds=["wanda"],
    ),
    EverydayChange(
        name="age",
        said=[("Tilda", "2024-02-03", "The candles on my cake set off the alarm.")],
        kind="new",
        subject="Tilda",
        attribute="age",
        value="44",
        on="2026-02-03",
        question="How old is Tilda?",
        holds=["44"],
    ),
    EverydayChange(
        name="languages",
        said=[("Wim", "2024-02-04", "The film had no subtitles at all.")],
        kind="new",
        subject="Wim",
        attribute="language spoken",
        value="Frisian",
        question="Which languages does Wim speak?",
        holds=["frisian"],
    ),
    EverydayChange(
        name="a deed with its day",
        said=[("Petra", "2024-02-05", "The garage is too small for everything.")],
        kind="new",
        subject="Petra",
        attribute="bought",
        value="a green canoe",
        on="2025-05-09",
        question="When did Petra buy the canoe?",
        holds=["9 may 2025"],
    ),
    EverydayChange(
        name="count of children",
        said=[("Ansel", "2024-02-06", "The playground was closed again.")],
        kind="new",
        subject="Ansel",
        attribute="number of children",
        value="3",
        question="How many children does Ansel have?",
        holds=["3"],
    ),
    EverydayChange(
        name="home of one who told none",
        said=[("Greta", "2024-02-07", "The train home was late by two hours.")],
        kind="new",
        subject="Greta",
        attribute="place of residence",
        value="Bruges",
        on="2024-10",
        question="In which city does Greta live?",
        holds=["bruges"],
    ),
    EverydayChange(
        name="blood group",
        said=[("Ivo", "2024-02-08", "The nurse was kind and the needle small.")],
        kind="new",
        subject="Ivo",
        attribute="blood group",
        value="AB negative",
        question="What is Ivo's blood group?",
        holds=["ab negative"],
    ),
    EverydayChange(
        name="a place that was visited",
        said=[("Hanne", "2024-02-09", "My suitcase is broken.")],
        kind="new",
        subject="Hanne",
        attribute="visited",
        value="Porto",
        on="2025-08",
        question="Has Hanne been to Porto?",
        holds=["yes"],
    ),
    EverydayChange(
        name="own doctor",
        said=[("Nora", "2024-02-10", "The waiting room had new chairs.")],
        kind="new",
        subject="Nora",
        attribute="doctor",
        value="Dr Amsel",
        question="Who is my doctor?",
        holds=["amsel"],
    ),
]

CHANGES = [*CORRECTIONS, *ENDS, *ADDITIONS]
