"""The three modules' prompts for models of up to 3 billion parameters: one line in, lines out.

Such a model copies from its examples whatever fits: what it writes is checked against its turn, and
SQL is written around it. Its inputs stand in the order in which they change: what is the same in
the next call comes first.
"""

import dspy


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
    shape | subject | attributes

    - Attributes of the catalog that fit the question, with commas.
    - Shape: now (what holds today), at (what held on the date), list, count (how many), first,
      last, span (how long).
    - Behind those of "at" the date of the question: at | subject | attributes | 2011-04
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
