"""What turns state in plain words, read by rules: subjects, attributes and values.

A statement has an attribute of the default vocabulary where one fits ("bought", "lives_in"). Any
other plain clause gets its own verb as the attribute, an *open* one:

    what happened       the simple past, a particle with it: painted, broke_down, picked_up
    what was done to it was_ and the participle: was_fined
    what holds          the third person of the present: keeps, coaches, starts
    what held           used_to_ and the verb: used_to_fence
    what goes on        is_ and the form in -ing: is_building
    what somebody has   the noun: "my shoe size is 38" is shoe_size, "the code is 12" code
    what was on a day   had: "my driving lesson was yesterday"
    hours of work       works_hours: "I'm on nights", "I only work mornings"
    a duty with a day   has_to: "we have to leave the house by the end of May"
    taken up again      is_back_on: "I'm back on the cigarettes"
    what a thing is     name and age of "Anna's boat": "my boat is called Maris"

Clauses that these leave unread are judged by learnt weights (`worth`): "my brother has the blue
tent" is `has`, "Ben is on a training ship" `is`, "she wants to sell the orchard" `wants`.

What did not happen states nothing, but for what somebody has never done (`never`) or siblings whom
they do not have (`has_no`). What is to come is `plans`, whose value begins with the verb.

The value is the rest of the clause: object, person, place, with its prepositions ("to the clinic"),
without the day, which is `happened_on`. Where nothing is left it is "yes": "my car broke down" is
"Anna's car", broke_down, yes. Another thing is named without its article ("boiler").
"""

from memory.statements.conversation import Conversation
from memory.statements.extract import Told, stated, told
from memory.statements.open_clauses import is_past
from memory.statements.statement import End, Over, Statement
from memory.statements.word_lists import forms_of_verb

__all__ = [
    "Conversation",
    "End",
    "Over",
    "Statement",
    "Told",
    "forms_of_verb",
    "is_past",
    "stated",
    "told",
]
