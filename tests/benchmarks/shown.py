"""Whether a block shows what a question needs.

    python -m tests.benchmarks.shown [--misses] [--fresh]
    python -m tests.benchmarks.shown --data FILE... [--facts 0,120,300] [--budgets 2000,6000]

Four people, 60 messages that need one of their lasting facts, and 60 that need nothing of a memory;
with `--fresh` as many others, which were written afterwards, with small talk among them. Counts how
many of the first have the fact in their block, and how many of the second bring a turn.

With conversations: what a hosted model is shown of the evidence for their questions, without a
SELECT, where current facts get so many tokens. `turns` is the share of evidence turns whose lines
are shown, `words` that of the answer's words in these turns, `details` that of its numbers and
names. Facts are those of templates, and of LoCoMo's files also their observations, which stand
for what a digest would store.
"""

import argparse
import json
import random
import re
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from rich.console import Console
from rich.progress import track
from rich.table import Table

from locomo.commands import print_table
from locomo.dataset.format import ABSTENTION, Conversation, load_conversations
from locomo.harness import temporary_memory
from locomo.retrieval.by_ability import details_shown, words_shown
from memory import Memory, Store, Turn
from memory.sql import quoted
from tests.benchmarks import shown_fresh

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


NOT_ASKED = "openai/nobody"  # a hosted model's way of being shown a memory; it is never called


def observations(file: Path) -> dict[str, list[tuple[str, str, str]]]:
    """By conversation of a file of LoCoMo: whom it is about, what was observed, in which turn."""
    if file.suffix != ".json":
        return {}
    observed: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for sample in json.loads(file.read_bytes()):
        for session in sample.get("observation", {}).values():
            for person, noted in session.items():
                for text, sources in noted:
                    source = sources if isinstance(sources, str) else sources[0]
                    observed[sample["sample_id"]].append((person, text, source))
    return observed


def store_observations(store: Store, observed: Sequence[tuple[str, str, str]]) -> None:
    """Store them as facts, as a digest would."""
    ids = {turn.source: turn.id for turn in store.turns()}
    rows = [
        f"({quoted(person)}, 'noted', {quoted(text)}, {ids[source]})"
        for person, text, source in observed
        if source in ids
    ]
    for first in range(0, len(rows), 50):
        store.write(
            "INSERT INTO facts (subject, attribute, value, turn_id) VALUES "
            + ", ".join(rows[first : first + 50]),
            cause="digest",
            window=(1, len(ids)),
        )


Sums = dict[tuple[int, int], dict[str, list[float]]]


def evidence_shown(
    conversation: Conversation,
    observed: Sequence[tuple[str, str, str]],
    *,
    budgets: Sequence[int],
    fact_tokens: Sequence[int],
    questions: int,
    sums: Sums,
) -> None:
    """Add what is shown of the evidence for a conversation's questions to the sums."""
    asked = [q for q in conversation.questions if q.evidence and q.category != ABSTENTION]
    random.Random(57).shuffle(asked)
    with temporary_memory(conversation.turns, None) as store:
        store_observations(store, observed)
        turns = store.turns()
        memory = Memory(store, model=NOT_ASKED)
        plain = memory.program.ask.options
        for question in asked[:questions]:
            text = question.standalone_question
            hits = memory.search(text, 400)
            gold = [turn for turn in turns if turn.source in question.evidence]
            for budget in budgets:
                memory.budget = budget
                for tokens in fact_tokens:
                    memory.program.ask.options = replace(plain, fact_tokens=tokens)
                    block = memory.evidence(text, hits=hits, asker=question.asker)
                    lines = {int(n) for n in re.findall(r"^\[(\d+)\]", block.text, re.MULTILINE)}
                    share = fmean(turn.id in lines for turn in gold)
                    words = words_shown(question, gold, block.text)
                    details = details_shown(question, gold, block.text)
                    values = {"turns": share, "words": words, "details": details}
                    values["fact lines"] = float(len(block.facts))
                    for name, value in values.items():
                        if value is not None:
                            sums[budget, tokens][name].append(value)


def print_evidence(
    files: Sequence[Path],
    budgets: Sequence[int],
    fact_tokens: Sequence[int],
    questions: int,
    most: int,
) -> None:
    """Print what is shown of the evidence with and without current facts."""
    table = Table("data", "tokens", "of facts", "questions", "turns", "words", "details", "lines")
    for file in files:
        sums: Sums = defaultdict(lambda: defaultdict(list))
        observed = observations(file)
        conversations = load_conversations(file)[:most]
        for conversation in track(conversations, console=Console(stderr=True)):
            evidence_shown(
                conversation,
                observed.get(conversation.id, ()),
                budgets=budgets,
                fact_tokens=fact_tokens,
                questions=questions,
                sums=sums,
            )
        for (budget, tokens), values in sums.items():
            means = {name: fmean(shares) for name, shares in values.items()}
            table.add_row(
                file.name,
                f"{budget:,}",
                str(tokens),
                str(len(values["turns"])),
                *(f"{means.get(name, 0):.4f}" for name in ("turns", "words", "details")),
                f"{means['fact lines']:.2f}",
            )
    print_table(Console(), table)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def main() -> None:
    """Print both counts, or the evidence shown of conversations."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--misses", action="store_true", help="name the messages that fail")
    parser.add_argument("--data", type=Path, nargs="+", default=[], help="files of conversations")
    parser.add_argument("--facts", type=_numbers, default=[0, 120, 300], help="tokens of facts")
    parser.add_argument("--budgets", type=_numbers, default=[2_000, 6_000], help="in tokens")
    parser.add_argument("--questions", type=int, default=60, help="of each conversation")
    parser.add_argument("--conversations", type=int, default=99, help="of each file")
    parser.add_argument("--fresh", action="store_true", help="other messages")
    args = parser.parse_args()
    if args.data:
        print_evidence(args.data, args.budgets, args.facts, args.questions, args.conversations)
        return
    needed_facts, not_needed = NEEDED, NOT_NEEDED
    if args.fresh:
        needed_facts, not_needed = shown_fresh.NEEDED, shown_fresh.NOT_NEEDED
    without_fact: list[str] = []
    with_turns: list[str] = []
    tokens: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, person in enumerate(PEOPLE):
            with memory_of(person, Path(folder)) as memory:
                for message, word in needed_facts[person]:
                    block = memory.context(message)
                    if word not in block.text:
                        without_fact.append(f"{person}: {message} ({word})")
                for message in not_needed[number :: len(PEOPLE)]:
                    block = memory.context(message)
                    tokens.append(block.tokens)
                    if block.memories:
                        with_turns.append(f"{person}: {message} -> {len(block.memories)} turns")
    needed = sum(map(len, needed_facts.values()))
    print(f"needed fact shown: {needed - len(without_fact)} of {needed}")
    print(f"no turn brought: {len(not_needed) - len(with_turns)} of {len(not_needed)}")
    print(f"tokens of these blocks: {sum(tokens) / len(tokens):.0f} on average")
    if args.misses:
        print("\n".join(["without the fact:", *without_fact, "with turns:", *with_turns]))


if __name__ == "__main__":
    main()
