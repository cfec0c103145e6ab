"""The attributes of the default vocabulary that say what somebody wants of every answer."""

INSTRUCTION, PREFERENCE = "instruction", "prefers"
# Of these the newest is in force.
LANGUAGE, LENGTH, CALLED = "answer_language", "answer_length", "wants_to_be_called"
STANDING = (INSTRUCTION, PREFERENCE, LANGUAGE, LENGTH, CALLED)
