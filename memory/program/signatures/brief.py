"""The three modules' prompts for models of up to 8 billion parameters: one line in, lines out.

Such a model copies from its examples whatever fits: code checks its text against the turn, and
writes the SQL around it. Inputs that change least come first, so that the next call shares the
beginning.
"""

import dspy

from memory.records import ABSTAIN


class WriteRows(dspy.Signature):
    """Quote what the message tells about people's lives: what they do, did, have, like, plan,
    where and when, one row each, cut in three:
    who | does what | what, where, when

    A row is copied word for word from one sentence, with the speaker's name for I and we. Leave
    out thanks, praise, wishes, jokes and advice. If there is nothing else: none
    """

    turn: str = dspy.InputField()
    rows: str = dspy.OutputField()


class ChooseColumns(dspy.Signature):
    """Choose what to look up for the question, in one row, or none where no attribute fits:
    shape | attributes

    - Attributes of the catalog that tell what is asked, with commas.
    - Shape: now (what holds today), at (what held on a date), list (also what is over), count (how
      many, how often), sum (money or distances altogether), first, last, span (how long).
    """

    catalog: str = dspy.InputField()
    question: str = dspy.InputField()
    feedback: str = dspy.InputField()
    choice: str = dspy.OutputField()


class AnswerBrieflyFromMemory(dspy.Signature):
    """Answer the question from the memory alone, in a few of its words.
    A list: every item. When: a date. Of what changed, the newest. Mind who did what.
    If the memory does not say it: No information available
    """

    evidence: str = dspy.InputField()
    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


# They come before every turn and stay in llama.cpp's cache, so having many costs no time. A third
# of them "none" and the model writes rows of jokes; a half, and it writes none of a fact either.
EXAMPLES_OF_ROWS = tuple(
    dspy.Example(turn=turn, rows=rows)
    for turn, rows in (
        (
            "Nora: Hey Ben! It's been so busy here. I finally started evening classes in "
            "carpentry last month, and I'm loving it!",
            "Nora | finally started | evening classes in carpentry last month",
        ),
        (
            "Ben: That sounds amazing, well done! Can't wait to see the shelves, you will be "
            "famous soon.",
            "none",
        ),
        (
            "Ben: Same here, thanks. My sister Ella plays the flute, and my dad just retired "
            "from the railway.",
            "My sister Ella | plays | the flute\nmy dad | just retired from | the railway",
        ),
        (
            "Ben: Sounds good. How long have you been running? I hurt my ankle in June and "
            "sold my bike because of it.",
            "Ben | hurt | my ankle in June\nBen | sold | my bike because of it",
        ),
        (
            "Nora: We just got back from the lake. The kids swam every day, Karl burned the "
            "sausages and I read four novels.",
            "Nora | just got back from | the lake\nThe kids | swam | every day\nKarl | "
            "burned | the sausages\nNora | read | four novels",
        ),
        (
            "Nora: Ha ha, I'd sooner eat my hat. You're so kind, it means a lot to me.",
            "none",
        ),
        (
            "Ben: Thanks! Our two cats sleep on the radiator all winter, and Miso hates the snow.",
            "Our two cats | sleep on | the radiator all winter\nMiso | hates | the snow",
        ),
        (
            "Ben: Next month I start as a nurse in Porto, so I'm giving up the flat on Mill "
            "Lane. Wish me luck!",
            "Ben | start as | a nurse in Porto\nBen | giving up | the flat on Mill Lane",
        ),
        (
            "Nora: I'd love to learn sailing one day, but the sea makes me sick. Have you "
            "tried it?",
            "Nora | love to learn | sailing one day\nthe sea | makes | me sick",
        ),
        (
            "Ben: Guess what, Nora! The landlord wants 200 more from May on. I can't pay that, "
            "I've been without work since the mill closed.",
            "The landlord | wants | 200 more from May on\nBen | been without | work since the mill "
            "closed",
        ),
        (
            "Nora: Good luck! You'll be great. I think we should celebrate when I'm back.",
            "none",
        ),
        (
            "Nora: The bakery is called Hearth. I run it with Ana, and we only sell rye bread.",
            "The bakery | is called | Hearth\nNora | run | it with Ana\nNora | only sell | "
            "rye bread",
        ),
        (
            "Ben: I usually go to the market on Saturdays. It clears my head, and the plums "
            "are better there.",
            "Ben | usually go to | the market on Saturdays",
        ),
        (
            "Nora: Yeah, we just did a play about the war! I'm thinking of writing one myself, "
            "with some friends from school.",
            "Nora | just did | a play about the war\nNora | thinking of | writing one myself, "
            "with some friends from school",
        ),
    )
)

# The first one has the catalog for the others, too.
EXAMPLES_OF_CHOICES = tuple(
    dspy.Example(catalog=catalog, question=question, feedback="", choice=choice)
    for catalog, question, choice in (
        (
            "facts of Maria: bought(3), lives_in(2), moved_to(1), plays_instrument(1), visited(4)\n"
            "facts of Tom: allergic_to(1), has_pet(3), lives_in(1), works_as(2), works_at(1)",
            "What is Tom's job?",
            "now | works_as, works_at",
        ),
        ("", "Which countries has Maria been to?", "list | visited"),
        ("", "Where did Maria live in March 2011?", "at | lives_in, moved_to"),
        ("", "How many animals does Tom have?", "count | has_pet"),
        ("", "How often did Maria move in 2010?", "count | moved_to"),
        ("", "How much did Maria's bags cost altogether?", "sum | bought"),
        ("", "How old is Tom's cat?", "list | has_pet"),
        ("", "When did Maria last buy something?", "last | bought"),
        ("", "What was Tom before he became a nurse?", "list | works_as"),
        ("", "How long has Tom been working there?", "span | works_as, works_at"),
    )
)

# One memory for all of them, shown with the first: the part that all calls share is read once.
# Whole sentences keep more of the memory's words than the fewest words do (the log).
_MEMORY_OF_EXAMPLES = """What was said:
[4] (Sun 10 Apr 2011) Tom: I live in Porto now, above a bakery. [outdated: lives in Porto from \
2011-04-01 until 2011-09-12, now Faro]
[8] (Sun 10 Apr 2011) Tom: We hike in winter, because I'm allergic to pollen.
[11] (Mon 02 May 2011) Maria: My sister Ella gave me her old cello last Friday (29 April 2011)!
[21] (Fri 03 Jun 2011) Maria: We sailed to the lighthouse yesterday (2 June 2011).
[44] (Sun 14 Aug 2011) Maria: Today (14 August 2011) our boat took us to the seals."""
EXAMPLES_OF_ANSWERS = tuple(
    dspy.Example(evidence=evidence, question=question, answer=answer)
    for evidence, question, answer in (
        (_MEMORY_OF_EXAMPLES, "Where does Tom live?", "Tom lives in Faro."),
        ("", "Where did Tom live in July 2011?", "Tom lived in Porto."),
        ("", "What is Maria allergic to?", ABSTAIN),
        ("", "What did Ella give Maria?", "Ella gave Maria her old cello."),
        ("", "Where has Maria sailed?", "Maria sailed to the lighthouse and to the seals."),
        ("", "How many times has Maria been sailing?", "Maria has been sailing twice."),
        ("", "Which song does Tom play on his cello?", ABSTAIN),
        (
            "",
            "Why does Tom hike in winter?",
            "Tom hikes in winter because he is allergic to pollen.",
        ),
        ("", "When did Maria get the cello?", "Maria got the cello on 29 April 2011."),
    )
)
