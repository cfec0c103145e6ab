"""Examples checked and counted before they leave this machine."""

from collections.abc import Sequence
from dataclasses import dataclass

from locomo.examples.from_teacher import ChatMessages
from memory.errors import InputError
from memory.text import count_tokens

# What a chat format adds to a message: its role and two marks.
_TOKENS_A_MESSAGE = 4


@dataclass(frozen=True)
class CheckedExamples:
    """Examples that a provider will take, and what they come to.

    `tokens` are counted by our own tokenizer, so they are about right for another's. `too_long`
    examples were left out: a provider would cut them, and the answer comes at the end.
    """

    examples: Sequence[ChatMessages]
    tokens: int
    longest: int
    too_long: int
    repeated: int


def checked_examples(examples: Sequence[ChatMessages], *, longest: int) -> CheckedExamples:
    """The examples that can be tuned on.

    Arguments:
        longest: tokens of the longest example that Together reads whole.

    Raises InputError that names the first example in another form, or if none is left.
    """
    for number, messages in enumerate(examples, 1):
        if problem := _problem(messages):
            raise InputError(f"example {number}: {problem}")
    lengths = [tokens_of(messages) for messages in examples]
    fitting = [
        (messages, length)
        for messages, length in zip(examples, lengths, strict=True)
        if length <= longest
    ]
    too_long = len(examples) - len(fitting)
    if not fitting:
        left_out = f" ({too_long} are longer than {longest:,} tokens)" if too_long else ""
        raise InputError(
            f"no example{left_out}: fewer than 50 rarely help; give more --data or --num-train"
        )
    texts = [str(messages) for messages, _ in fitting]
    return CheckedExamples(
        examples=[messages for messages, _ in fitting],
        tokens=sum(length for _, length in fitting),
        longest=max(length for _, length in fitting),
        too_long=too_long,
        repeated=len(texts) - len(set(texts)),
    )


def tokens_of(messages: ChatMessages) -> int:
    """About how many tokens an example has."""
    return sum(_TOKENS_A_MESSAGE + count_tokens(message["content"]) for message in messages)


def _problem(messages: ChatMessages) -> str:
    """What a provider would refuse in an example; empty for nothing."""
    roles = [message["role"] for message in messages]
    turns = roles[1:] if roles[:1] == ["system"] else roles
    if not turns or turns[-1] != "assistant":
        return "it does not end with the assistant's answer"
    if any(role != ("user", "assistant")[place % 2] for place, role in enumerate(turns)):
        return f"user and assistant do not take turns: {', '.join(roles):.100}"
    for message in messages:
        if not message["content"].strip():
            return f"the {message['role']}'s message is empty"
    return ""
