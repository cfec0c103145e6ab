"""The three modules' prompts for models of up to 3 billion parameters: one line in, lines out.

Such a model copies from its examples whatever fits: what it writes is checked against its turn, and
SQL is written around it. Its inputs stand in the order in which they change: what is the same in
the next call comes first.
"""

import dspy

from memory.records import ABSTAIN


class WriteRows(dspy.Signature):
    """Write what the line tells that is worth knowing next year, one row each:
    subject | attribute | value | date

    The value is in words of the line. The date is one in brackets, or empty. The subject is the
    speaker for I, else the name of who or what it is about. Small talk, a joke, a question: none
    """

    turn: str = dspy.InputField()
    rows: str = dspy.OutputField()


class ChooseColumns(dspy.Signature):
    """Choose what to look up for the question, in one row, or none where no attribute fits:
    shape | attributes

    - Attributes of the catalog that tell what is asked, with commas.
    - Shape: now (what holds today), at (what held on a date), list (also what is over), count (how
      many), first, last, span (how long).
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

    memory: str = dspy.InputField()
    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


# Half of them are none: without, rows are made of every turn.
EXAMPLES_OF_ROWS = tuple(
    dspy.Example(turn=turn, rows=rows)
    for turn, rows in (
        (
            "Maria: My sister Ella plays the flute, and I bought a cello last Saturday"
            " (2011-04-02)! You should hear us.",
            "Ella | plays_instrument | the flute |\nMaria | bought | a cello | 2011-04-02",
        ),
        ("Tom: Ha, I will believe it when I hear it. Shall I bring earplugs?", "none"),
        (
            "Tom: Work is fine, thanks. We hike in winter, because I'm allergic to pollen.",
            "Tom | activity | hike in winter |\nTom | allergic_to | pollen |",
        ),
        ("Maria: That is so kind of you. The kettle is on, and the rain has stopped.", "none"),
        ("Maria: He got the job at the mill, by the way!", "none"),
        (
            "Tom: Next month (2011-05) I start as a nurse in Porto.",
            "Tom | works_as | a nurse in Porto | 2011-05",
        ),
    )
)

# The first one has the catalog that the others are about, too.
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
        ("", "How old is Tom's cat?", "list | has_pet"),
        ("", "When did Maria last buy something?", "last | bought"),
        ("", "What was Tom before he became a nurse?", "list | works_as"),
        ("", "How long has Tom been working there?", "span | works_as, works_at"),
    )
)

# One memory for all of them, shown with the first: what is the same in each call is read once.
# Whole sentences keep more of the memory's words than the fewest words do (the log).
_MEMORY_OF_EXAMPLES = """What was said:
[4] (Sun 10 Apr 2011) Tom: I live in Porto now, above a bakery. [outdated: lives in Porto from \
2011-04-01 until 2011-09-12, now Faro]
[8] (Sun 10 Apr 2011) Tom: We hike in winter, because I'm allergic to pollen.
[11] (Mon 02 May 2011) Maria: My sister Ella gave me her old cello last Friday (29 April 2011)!
[21] (Fri 03 Jun 2011) Maria: We sailed to the lighthouse yesterday (2 June 2011).
[44] (Sun 14 Aug 2011) Maria: Today (14 August 2011) our boat took us to the seals."""
EXAMPLES_OF_ANSWERS = tuple(
    dspy.Example(memory=memory, question=question, answer=answer)
    for memory, question, answer in (
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
