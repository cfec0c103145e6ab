"""The program that an optimizer starts from, with the prompts that a model really gets."""

import dspy

from memory.program.local import SmallModelAdapter
from memory.program.model import Model
from memory.program.program import MemoryProgram
from memory.program.small_prompts import SMALL


def starting_program(model: Model) -> MemoryProgram:
    """The program that an optimizer starts from, with the prompts that `model` is really given.

    The packaged model is shown short ones in place of the signatures' own; here they stand on the
    predictors, where optimizers look. The prompts are those of the plain program.
    """
    program = MemoryProgram(model.form)
    if isinstance(model.adapter, SmallModelAdapter):
        for module in (program.store, program.retrieve, program.answer):
            predictor = module.predict
            small = SMALL[tuple(predictor.signature.fields)]
            predictor.signature = predictor.signature.with_instructions(small.instructions)
            predictor.demos = [dspy.Example(**demo) for demo in model.adapter.examples(small)]
    return program
