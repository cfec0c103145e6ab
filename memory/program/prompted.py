"""The base of a memory's modules: a prompt, its examples, and `acall`."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import dspy

from memory.evidence.question import UserQuestion
from memory.program.examples import example_tokens, traced_examples
from memory.program.predict import MemoryPredict
from memory.program.signatures.forms import PROMPTS, Form, Prompts
from memory.text.dates import dated_question


class MemoryModule(dspy.Module):
    """A module that may be awaited: it waits in a thread, without code of its subclass."""

    async def aforward(self, *args: Any, **kwargs: Any) -> Any:
        """As `forward`."""
        return await dspy.asyncify(type(self).forward)(self, *args, **kwargs)


class PromptedModule(MemoryModule):
    """A module with one prompt, which gets the inputs that it has fields for.

    `example_tokens` is how much of a call an example shows (`memory.program.examples`), and
    `plain_examples` are the ones that it comes with.
    """

    plain_examples: Sequence[dspy.Example] = ()

    def __init__(self, signature: type[dspy.Signature], form: Form = "full") -> None:
        super().__init__()
        self.form = form
        self.plain_instructions = signature.instructions
        self.predict = MemoryPredict(signature)
        self.example_tokens: int | None = example_tokens(PROMPTS[form].budget)

    @property
    def is_compiled(self) -> bool:
        """Whether an optimizer changed its examples or its instructions."""
        examples = [dict(demo) for demo in self.predict.demos]
        plain = [dict(example) for example in self.plain_examples]
        return examples != plain or self.predict.signature.instructions != self.plain_instructions

    @property
    def prompts(self) -> Prompts:
        """The prompts of its form, and what they show."""
        return PROMPTS[self.form]

    def _traced(self) -> AbstractContextManager[None]:
        """A block whose calls are traced as examples."""
        return traced_examples(self.predict, self.example_tokens)

    def _predicted(self, **inputs: Any) -> dspy.Prediction:
        """What the model says to the inputs that the prompt has."""
        fields = self.predict.signature.input_fields
        return self.predict(**{name: inputs[name] for name in fields})


def question_text(question: UserQuestion, prompts: Prompts) -> str:
    """A question for a model: with its dates, and for a tiny model its asker's name too."""
    if prompts.follows:  # the asker is a separate input
        return dated_question(question.text, question.today)
    return question.ranked_text
