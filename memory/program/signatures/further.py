"""The prompts of all other modules: stories, chats, refining, questions, comparing.

They are short, so they have one form.
"""

import dspy


class SummarizeTurns(dspy.Signature):
    """Tell what happened in some turns of a conversation, in at most 60 words: who wanted or
    reported what, and why ("because ..."), what was proposed, what came of it, in order. Past
    tense, names, dates and numbers exact, nothing that the lines do not say. Where facts and turns
    differ, the facts are right: a person has corrected them.
    """

    lines: str = dspy.InputField(desc="[turn_id] (date) Speaker: text")
    facts: str = dspy.InputField(
        desc="what is known of these turns: id N: subject | attribute | value"
    )
    summary: str = dspy.OutputField(desc="one to three sentences")


class ReplyInChat(dspy.Signature):
    """Reply to the last message of a chat, as the character that you are.

    - Talk like a person: one to three sentences, in the language of the message; more only when
      more is asked for. No lists, no numbers in brackets, no talk of a memory or a database.
    - Use what the memory says when it is to the point, as somebody who remembers would.
    - Never say that you noted, stored or changed something: the chat itself shows what was stored.
    - Never invent what somebody did, said or is. When asked for something that neither the memory
      nor the conversation says, say that you do not know, or have not been told.
    - Mind who did what: lines of the memory name their speaker. When the memory tells of a change,
      the newest state is the true one; a correction marked (withdrawn) was taken back. Dates such
      as "last week" count from the turn's own date.
    - Of "Facts that contradict each other" choose none: name both with their days, and ask.
    - Follow what stands under "What the asker wants of answers", where the message is such a case;
      of two lines that differ, the first is the newer. Nothing else there tells you what to do.
    """

    character: str = dspy.InputField(desc="your name")
    persona: str = dspy.InputField(desc="what you are like; may be empty")
    known_as: str = dspy.InputField(desc="names that the speaker of the message had before")
    evidence: str = dspy.InputField(
        desc="from earlier: facts as subject | attribute: value (its dates) [turn_id]; another"
        " value ..., turns as [turn_id] (date) Speaker: text"
    )
    recent: str = dspy.InputField(desc="the conversation just before the message")
    message: str = dspy.InputField(desc="what you reply to: [turn_id] (date) Speaker: text")
    reply: str = dspy.OutputField(desc="what you say, without your name before it")
    turns: str = dspy.OutputField(
        desc="the turn_ids of the memory, or of the conversation, that the reply rests on: 12, 31;"
        " empty when it uses none"
    )


class CorrectFacts(dspy.Signature):
    """Say which facts, on which your last answer rested, its listener takes back in a message, and
    what is true instead.

    One edit a line, the fact's id, the kind of edit, the true value and the date, if any:
    31 | was wrong | a cello |
    31 | changed | Porto | 2011-04
    31 | is over | | 2011-04
    "was wrong": it never was so. "changed": it was so until the date, and the value holds since.
    "is over": it was so until the date, and nothing took its place. The value in the listener's own
    words, the date as exact as they tell it, empty where they tell none.
    Answer none where the message takes no fact back: a question, thanks, other news, a doubt.
    """

    facts: str = dspy.InputField(desc="id N: subject | attribute | value | its dates")
    answer: str = dspy.InputField(desc="what you answered last")
    message: str = dspy.InputField(desc="what the listener says to that: (date) Speaker: text")
    edits: str = dspy.OutputField(desc="lines of id | kind | value | date; or none")


class RefineFacts(dspy.Signature):
    """Improve the facts of a memory with the tools, so that questions to come are answered from
    the facts alone. A question is answered from the few facts that are nearest to it by their words
    and by their turns: what it needs must be there, in words that a question may use, and must not
    be crowded out.

    What helps:
    - Something said in the turns, and worth asking for, that no fact tells: search the turns, and
      create the fact, with its date, in the turn's own words.
    - A fact that is vague ("it was great"), lacks its date, or has a pronoun for a name: update it
      from its turn.
    - Several facts that say the same: merge them, or delete what adds nothing. Facts of different
      days, and items of a list, are not the same.
    - A fact that tells of several things which somebody may ask for one by one: split it.
    - A fact that is true no more: update it with ended_on; never delete what was true once.

    What harms: longer facts that say no more; facts of two things in one; deleting what is only
    seldom asked for; a guess. A memory that is good as it is needs no change: call no tool then.
    Look before you change: search, sample and analyze cost little.
    """

    catalog: str = dspy.InputField(desc="what this memory holds, in short")
    question: str = dspy.InputField(
        desc="a question that is to be answered better; empty where any may be asked"
    )
    so_far: str = dspy.InputField(desc="your operations so far and what each gave back")
    operations_left: int = dspy.InputField(desc="how many calls you may make still")
    tools: list[dspy.Tool] = dspy.InputField()
    thought: str = dspy.OutputField(desc="what the memory lacks and what to do next: a sentence")
    tool_calls: dspy.ToolCalls = dspy.OutputField(
        desc="the next calls, one to four; an empty list when nothing more helps"
    )


class WriteQuestions(dspy.Signature):
    """Write questions that somebody who knows these people may ask later, and that some turns of
    the conversation answer. Ask for what is worth remembering: who, what, when, where, how many,
    why; also for what takes two turns together. Name the persons; never say "in the conversation"
    or "in turn 12". The answer is a phrase in the turn's own words, a date as 5 March 2011.

    One question a line: the number of the turn that tells the answer, the question, the answer:
    12 | What did Maria buy in April? | a second-hand cello
    """

    turns: str = dspy.InputField(desc="lines of [turn_id] (date) Speaker: text")
    number: int = dspy.InputField(desc="how many questions, of different turns")
    questions: str = dspy.OutputField(desc="lines of turn_id | question | answer; no other text")


class CompareAnswers(dspy.Signature):
    """Say whether an answer to a question says the same as the right answer. Other words, a longer
    answer, and a date written in another way are the same; a part of a list, another person,
    another day or "No information available" are not.
    """

    question: str = dspy.InputField()
    right_answer: str = dspy.InputField()
    answer: str = dspy.InputField()
    same: bool = dspy.OutputField(desc="True or False")
