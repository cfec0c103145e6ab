"""Whether a block shows what a question needs: `python -m tests.benchmarks.shown [--misses]`.

Four people, 60 messages that need one of their lasting facts, and 60 that need nothing of a memory.
Counts how many of the first have the fact in their block, and how many of the second bring a turn.
"""

import argparse
import tempfile
from pathlib import Path

from memory import Memory, Turn

# What the person said once, among daily talk.
PEOPLE = {
    "Alex": [
        "My name is Alex and I live in Oslo.",
        "I'm allergic to nuts.",
        "I'm vegetarian.",
        "I work as a nurse.",
        "My wife is called Kari.",
        "I speak Norwegian.",
        "I want to run a marathon next year.",
    ],
    "Priya": [
        "Hi, I'm Priya.",
        "I live in Bristol now.",
        "I work as an architect.",
        "I am allergic to penicillin.",
        "I have asthma.",
        "I have a daughter called Mira.",
        "My goal is to buy a house by 2028.",
        "I don't eat pork.",
    ],
    "Tomas": [
        "Hello, my name is Tomas.",
        "I live in Lisbon.",
        "I work at Nordlight Software.",
        "I'm vegan.",
        "I'm allergic to cats.",
        "I speak Portuguese.",
        "I'm learning Japanese.",
        "My son is called Rui.",
        "I have diabetes.",
    ],
    "Ingrid": [
        "I'm called Ingrid.",
        "I moved to Graz.",
        "I work as a violin teacher.",
        "I don't eat gluten.",
        "I'm allergic to shellfish.",
        "My husband is called Jonas.",
        "I want to write a novel.",
        "My native language is Swedish.",
    ],
}
# What no template reads and a digest stores, by the words it is in.
DIGESTED = {
    "run a marathon next year": ("goal", "run a marathon next year"),
    "I have asthma": ("ill_with", "asthma"),
    "buy a house by 2028": ("goal", "buy a house by 2028"),
    "I have diabetes": ("ill_with", "diabetes"),
    "write a novel": ("goal", "write a novel"),
}
TALK = [
    ("user", "The kitchen tap drips again, I tightened it twice."),
    ("assistant", "A worn washer is the usual cause; shut the water off before you open it."),
    ("user", "We watched a long film about whales yesterday."),
    ("assistant", "Whales make good company for an evening."),
    ("user", "I bought new curtains for the bedroom, dark green ones."),
    ("assistant", "Dark green keeps the morning light out well."),
    ("user", "My bike has a flat tyre and the shop opens on Monday."),
    ("assistant", "You could patch it yourself with a small kit."),
    ("user", "The neighbours' party went on until three."),
    ("assistant", "A note through their door may help."),
    ("user", "I finished the book about the lighthouse keeper."),
    ("assistant", "How did it end?"),
    ("user", "He leaves the island. I slept badly afterwards."),
    ("assistant", "Sad endings stay with one for a night."),
    ("user", "The bus was late, so I missed half of the meeting."),
    ("assistant", "Ask a colleague for the notes."),
    ("user", "I planted tomatoes and basil on the balcony."),
    ("assistant", "Basil wants a sheltered place and little wind."),
    ("user", "My phone's battery lasts only until noon."),
    ("assistant", "A replacement battery is cheaper than a new phone."),
]
# A message, and words of which one has to be in its block.
NEEDED = {
    "Alex": [
        ("What should I cook tonight?", "nuts"),
        ("Recommend me a restaurant for Saturday.", "vegetarian"),
        ("Book me a flight home.", "Oslo"),
        ("Write a short bio about me.", "nurse"),
        ("Plan a birthday party for four people, with a cake.", "nuts"),
        ("What could I give my wife for our anniversary?", "Kari"),
        ("Which snacks should I buy for the train?", "nuts"),
        ("Draft a letter of motivation for a new job.", "nurse"),
        ("Suggest a training plan for the winter.", "marathon"),
        ("Where can I go hiking this weekend without a car?", "Oslo"),
        ("Put together a shopping list for the week.", "vegetarian"),
        ("Translate my out-of-office note for my family.", "Norwegian"),
        ("What is the weather going to be like at my place?", "Oslo"),
        ("Help me introduce myself to the new neighbours.", "nurse"),
        ("Which running shoes would you get?", "marathon"),
    ],
    "Priya": [
        ("My doctor wants to give me antibiotics, what do I tell her?", "penicillin"),
        ("Can I go diving on holiday?", "asthma"),
        ("Find a fun museum for a rainy Sunday with my kid.", "Mira"),
        ("How much should I put aside every month?", "house"),
        ("Write my profile for the conference page.", "architect"),
        ("Order dinner for the office party.", "pork"),
        ("What is a good present for my daughter?", "Mira"),
        ("Which train gets me home tonight?", "Bristol"),
        ("Suggest a sport that suits me.", "asthma"),
        ("Fill in the emergency form for the ski trip.", "penicillin"),
        ("Is a holiday in a polluted city a good idea for me?", "asthma"),
        ("Make me a menu for the week.", "pork"),
        ("Which banks should I talk to?", "house"),
        ("Sign the letter with my name and my profession.", "architect"),
        ("Recommend a dentist near me.", "Bristol"),
    ],
    "Tomas": [
        ("Bake something for tonight's dinner.", "vegan"),
        ("Should I adopt a pet?", "cats"),
        ("Plan a dessert for me.", "diabetes"),
        ("Where should I look for a flat share?", "Lisbon"),
        ("Write an introduction of me for the team page.", "Nordlight"),
        ("Which films would help me to practise?", "Japanese"),
        ("What shall I take to the barbecue?", "vegan"),
        ("Book a table for two near me.", "Lisbon"),
        ("Can I take part in a fasting week?", "diabetes"),
        ("A friend offers me to look after her house with two kittens, good idea?", "cats"),
        ("Help me to choose a school.", "Rui"),
        ("Update my CV.", "Nordlight"),
        ("Which language should I put in my app settings?", "Portuguese"),
        ("What do I need to pack for a long flight?", "diabetes"),
        ("Recommend a bakery.", "vegan"),
    ],
    "Ingrid": [
        ("What can I order in an Italian place?", "gluten"),
        ("Plan a seafood evening with friends.", "shellfish"),
        ("Write a short text about me for the concert programme.", "violin"),
        ("Suggest a weekend trip by train.", "Graz"),
        ("Give me a plan for my mornings, with time for what I want to reach.", "novel"),
        ("What shall I get my husband for Christmas?", "Jonas"),
        ("Find me a café to meet a friend.", "Graz"),
        ("How do I introduce myself at the parents' evening?", "violin"),
        ("Which bread should I bake?", "gluten"),
        ("Is paella fine for me?", "shellfish"),
        ("Who should be my emergency contact?", "Jonas"),
        ("Recommend a course for the autumn.", "novel"),
        ("In which language should my will be written?", "Swedish"),
        ("What is there for me to do nearby on Friday?", "Graz"),
        ("Order lunch for me.", "gluten"),
    ],
}
NOT_NEEDED = [
    "What is 17 times 23?",
    "Write a haiku about autumn rain.",
    "What is the capital of Mongolia?",
    "Sort this list: 5, 3, 9, 1.",
    "Explain how a transistor works.",
    "What is the derivative of x squared?",
    "Tell me a joke about penguins.",
    "Who wrote Don Quixote?",
    "Convert 30 miles into kilometres.",
    "Write a regular expression that matches an IPv4 address.",
    "What does HTTP status 418 mean?",
    "Name three moons of Jupiter.",
    "Reverse a linked list in C.",
    "When did the Roman Empire fall?",
    "How many legs does a spider have?",
    "Give me a synonym of enormous.",
    "What is the boiling point of ethanol?",
    "Translate 'good morning' into Finnish.",
    "What is the difference between TCP and UDP?",
    "Summarise the plot of Hamlet.",
    "Solve 3x + 4 = 19.",
    "Who painted The Night Watch?",
    "What is the square root of 1764?",
    "Write a limerick about a goat.",
    "What year was the telephone invented?",
    "How does a heat pump work?",
    "List the prime numbers below 50.",
    "What is the chemical symbol of tungsten?",
    "Explain recursion with an example.",
    "How far is the moon?",
    "Write a SQL query that counts rows by month.",
    "What is the plural of octopus?",
    "Who was the first woman in space?",
    "What is a monad?",
    "Compute 15 percent of 240.",
    "Which planet has the most moons?",
    "Give me a palindrome.",
    "How do I exit vim?",
    "What is photosynthesis?",
    "Rewrite this in passive voice: The cat chased the mouse.",
    "How many bytes are in a mebibyte?",
    "Who discovered penicillin?",
    "What is the longest river in Asia?",
    "Write a bash loop over all text files.",
    "Define entropy.",
    "What is the tallest mountain in Africa?",
    "Roll two dice for me.",
    "Spell the word rhythm backwards.",
    "What colour do blue and yellow make?",
    "Who won the World Cup in 1998?",
    "What is 2 to the power of 16?",
    "Explain the offside rule.",
    "How many strings does a cello have?",
    "Which element has the atomic number 79?",
    "Write a sonnet about the sea.",
    "What does the Latin phrase carpe diem mean?",
    "Generate a random password of 12 characters.",
    "What is the difference between a stack and a queue?",
    "How old is the universe?",
    "Convert the hex number FF into decimal.",
]


def memory_of(person: str, folder: Path) -> Memory:
    """A memory of the person's facts among daily talk."""
    memory = Memory(folder / f"{person}.db")
    said = [("user", text) for text in PEOPLE[person]]
    for number in range(0, len(TALK), 4):
        said[number:number] = TALK[number : number + 4]
    memory.add(
        [
            Turn(speaker, text, session=f"s{number // 6}", said_at=f"2026-03-{1 + number // 6:02}")
            for number, (speaker, text) in enumerate(said)
        ]
    )
    for turn_id, (_, text) in enumerate(said, 1):
        for words, (attribute, value) in DIGESTED.items():
            if words in text:
                memory.store.write(
                    "INSERT INTO facts (subject, attribute, value, turn_id)"
                    f" VALUES ('user', '{attribute}', '{value}', {turn_id})",
                    cause="digest",
                    window=(turn_id, turn_id),
                )
    return memory


def main() -> None:
    """Print both counts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--misses", action="store_true", help="name the messages that fail")
    args = parser.parse_args()
    without_fact: list[str] = []
    with_turns: list[str] = []
    tokens: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, person in enumerate(PEOPLE):
            with memory_of(person, Path(folder)) as memory:
                for message, word in NEEDED[person]:
                    block = memory.context(message)
                    if word not in block.text:
                        without_fact.append(f"{person}: {message} ({word})")
                for message in NOT_NEEDED[number :: len(PEOPLE)]:
                    block = memory.context(message)
                    tokens.append(block.tokens)
                    if block.memories:
                        with_turns.append(f"{person}: {message} -> {len(block.memories)} turns")
    needed = sum(map(len, NEEDED.values()))
    print(f"needed fact shown: {needed - len(without_fact)} of {needed}")
    print(f"no turn brought: {len(NOT_NEEDED) - len(with_turns)} of {len(NOT_NEEDED)}")
    print(f"tokens of these blocks: {sum(tokens) / len(tokens):.0f} on average")
    if args.misses:
        print("\n".join(["without the fact:", *without_fact, "with turns:", *with_turns]))


if __name__ == "__main__":
    main()
