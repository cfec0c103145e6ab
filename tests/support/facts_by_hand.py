"""Facts that a person adds, corrects and ends, with the questions that they answer."""

from dataclasses import dataclass

from memory import Turn


@dataclass(frozen=True)
class ByHand:
    """A fact as somebody types it, the question for it, and its new value."""

    subject: str
    attribute: str
    value: str
    on: str
    question: str
    answer: str  # in small letters
    new_value: str
    new_answer: str = ""

    @property
    def corrected(self) -> str:
        return self.new_answer or self.new_value.lower()


# What was said before anybody corrected anything; some of it is not true any more.
TURNS = [
    Turn("Mira", "I live in Ghent with two friends.", "s1", said_at="2024-01-08T18:00"),
    Turn("Otto", "The rain does not stop here.", "s1", said_at="2024-01-08T18:01"),
    Turn("Mira", "I work at the town museum, mostly in the archive.", "s1", said_at="2024-01-08"),
    Turn("Otto", "My car broke down again.", "s2", said_at="2024-02-11T09:00"),
    Turn("Mira", "Otto and I had pancakes.", "s2", said_at="2024-02-11T09:05"),
]
CASES = [
    ByHand("Mira", "lives in", "Turku", "2024-06", "Where does Mira live now?", "turku", "Vaasa"),
    ByHand(
        "Mira",
        "Works at",
        "Blue Door Clinic",
        "2023-09",
        "Where is Mira working?",
        "blue door clinic",
        "Red Roof Clinic",
    ),
    ByHand("Mira", "job", "midwife", "", "What is Mira's job?", "midwife", "nurse"),
    ByHand(
        "Mira",
        "has pet",
        "a rabbit called Nils",
        "",
        "Which pets does Mira have?",
        "nils",
        "a hare called Lumi",
    ),
    ByHand("Mira", "Allergic to", "pollen", "", "What is Mira allergic to?", "pollen", "latex"),
    ByHand("Mira", "likes", "tango", "", "What does Mira like?", "tango", "fado"),
    ByHand(
        "Mira", "plays instrument", "viola", "", "Which instrument does Mira play?", "viola", "oboe"
    ),
    ByHand("Mira", "partner", "Jonas", "2021-03-02", "Who is Mira's boyfriend?", "jonas", "Elias"),
    ByHand("Mira", "birthday", "9 August", "", "When is Mira's birthday?", "9 august", "8 August"),
    ByHand("Mira", "sister", "Saskia", "", "What is Mira's sister called?", "saskia", "Sanne"),
    ByHand("Mira", "has child", "Pim", "", "What is the name of Mira's child?", "pim", "Tim"),
    ByHand("Mira", "locker code", "4471", "", "What is Mira's locker code?", "4471", "9982"),
    ByHand("Otto", "lives in", "Graz", "2020", "In which city does Otto live?", "graz", "Linz"),
    ByHand(
        "Otto",
        "went running",
        "6 km",
        "2024-07-14",
        "How far did Otto go running in July 2024?",
        "6 km",
        "7 km",
    ),
    ByHand(
        "Otto",
        "favourite cake",
        "carrot cake",
        "",
        "What is Otto's favourite cake?",
        "carrot cake",
        "nut cake",
    ),
    ByHand("Otto", "shoe size", "46", "", "What shoe size does Otto have?", "46", "47"),
    ByHand("Otto", "speaks", "Basque", "", "Which languages does Otto speak?", "basque", "Welsh"),
    ByHand("Otto", "studies", "botany", "", "What does Otto study?", "botany", "geology"),
    ByHand("Otto", "diet", "vegetarian", "", "What is Otto's diet?", "vegetarian", "vegan"),
    ByHand("Otto", "afraid of", "lifts", "", "What is Otto afraid of?", "lifts", "wasps"),
    ByHand("Otto", "hobby", "beekeeping", "", "What are Otto's hobbies?", "beekeeping", "knitting"),
    ByHand(
        "Otto", "phone number", "0421 77", "", "What is Otto's phone number?", "0421 77", "0421 88"
    ),
    ByHand("Otto", "born in", "Kiel", "", "Where was Otto born?", "kiel", "Lübeck"),
    ByHand(
        "Otto",
        "painted",
        "the garden shed",
        "2024-03",
        "What did Otto paint in March 2024?",
        "garden shed",
        "the back door",
    ),
    ByHand(
        "Otto", "wifi password", "heron7", "", "What is Otto's wifi password?", "heron7", "stork9"
    ),
]
# Of attributes with no template for a question: quoted among the nearest turns, in any place.
QUOTED = [
    ByHand("Mira", "age", "83", "", "How old is Mira?", "83", "84"),
    ByHand(
        "Mira",
        "visited",
        "Riga",
        "2024-04-19",
        "Which place did Mira visit in April 2024?",
        "riga",
        "Tallinn",
    ),
    ByHand(
        "Mira",
        "bought",
        "a green canoe",
        "2024-05",
        "What did Mira buy in May 2024?",
        "green canoe",
        "a yellow canoe",
    ),
    ByHand(
        "Mira",
        "read",
        "The Long Ebb",
        "2024-02",
        "What are the names of the books Mira has read?",
        "long ebb",
        "The Short Flood",
    ),
]


# How an answer says that something is over.
OVER = ("until", "no more", "any more", "no information", "no longer")
