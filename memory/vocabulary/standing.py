"""The default attributes that say what a person wants from every answer."""

INSTRUCTION, PREFERENCE = "instruction", "prefers"
# Only the newest of these counts.
LANGUAGE, LENGTH, CALLED = "answer_language", "answer_length", "wants_to_be_called"
STANDING = (INSTRUCTION, PREFERENCE, LANGUAGE, LENGTH, CALLED)
