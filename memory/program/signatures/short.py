"""The short prompts of the three modules, for models of 3 to 8 billion parameters.

A rule that such a model cannot follow makes it drop others: these prompts ask for rows of facts and
for states that end, and show how. No summaries, contradictions or aliases.
"""

import dspy

_FEEDBACK = "why your last answer was refused; empty at first"


class WriteFactsShort(dspy.Signature):
    """Store what the turns tell as rows of facts: events, plans, likes, possessions, people, pets,
    places, work, health, numbers, advice. No row for greetings, thanks, questions, known facts.

    subject: whom it is about, by name. attribute: of `attributes` where one fits, else a short
    name. value: in the turn's words, names and numbers exact. happened_on: '2011-04-02', '2011-04',
    '2011' or ''; a date in brackets behind words is theirs. turn_id: of the turn that says it.
    A known fact that is true no more, or rests on one, is ended by its id.

    known: id 31: Maria | lives_in | Porto
    window: [12] (Fri 08 Apr 2011) Maria: I moved to Rome last Saturday (2011-04-02)!
    [13] (Fri 08 Apr 2011) Tom: Great! I'll sell you Ana's cello.
    sql: UPDATE facts SET ended_on = '2011-04-02' WHERE id = 31;
    INSERT INTO facts (subject, attribute, value, happened_on, turn_id) VALUES
      ('Maria', 'lives_in', 'Rome', '2011-04-02', 12),
      ('Tom', 'plans', 'sell Maria Ana''s cello', '', 13);

    window: [14] (Fri 08 Apr 2011) Maria: Thank you! How are you?
    sql: -- none
    """

    window: str = dspy.InputField(desc="[turn_id] (date) Speaker: text")
    known: str = dspy.InputField(desc="facts")
    attributes: str = dspy.InputField()
    feedback: str = dspy.InputField(desc=_FEEDBACK)
    sql: str = dspy.OutputField(desc="SQL only, or -- none")


class WriteQueryShort(dspy.Signature):
    """Write one to three SELECTs for the question.

    SELECT turn_id, subject, attribute, value, happened_on, ended_on FROM facts
    WHERE subject = 'Maria' AND (attribute IN ('bought', 'owns') OR lower(value) LIKE '%cello%')
    ORDER BY happened_on LIMIT 30;
    SELECT s.turn_id, t.said_at, t.speaker, t.text FROM search('cello lesson', 10) s
    JOIN turns t ON t.id = s.turn_id ORDER BY s.score DESC;

    - Attributes from the catalog that fit; word stems in LIKE, joined with OR.
    - COUNT(*), SUM(number(value)) for amounts; the rows in a second SELECT.
    - Dates are text: happened_on LIKE '2011-03%'. A quote in a text is doubled: 'Ana''s'.
    """

    question: str = dspy.InputField()
    asker: str = dspy.InputField(desc="I, me, my")
    catalog: str = dspy.InputField(desc="what the memory holds")
    feedback: str = dspy.InputField(desc=_FEEDBACK)
    sql: str = dspy.OutputField(desc="SQL only")


class AnswerFromMemoryShort(dspy.Signature):
    """Answer from the memory alone, in a few of its words.

    - A list: every item. How many: the number.
    - When: a date, 5 March 2011; "last Saturday" counts from the date of its turn.
    - Of a change, the newest. Mind who did what.
    - Do what the asker wants of answers.
    - If the memory does not say it: No information available
    """

    evidence: str = dspy.InputField()
    question: str = dspy.InputField()
    asker: str = dspy.InputField(desc="I, me, my")
    today: str = dspy.InputField()
    answer: str = dspy.OutputField()
    turns: str = dspy.OutputField(desc="turn_ids: 12, 31")
