"""The forms of the three modules' prompts: for large models, small ones, and the packaged one."""

from typing import Any, Literal

from memory.models.small_prompts import SMALL
from memory.program.signatures.full import AnswerFromMemory, WriteFacts, WriteQuery

# "full" for large models, "brief" for up to 8 billion parameters, "tiny" for the packaged model.
Form = Literal["full", "brief", "tiny"]


def _tiny(signature: Any) -> Any:
    """A prompt with the packaged model's instructions and its fields."""
    return signature.with_instructions(SMALL[tuple(signature.fields)].instructions)


WriteFact = _tiny(WriteFacts)
WriteSearch = _tiny(WriteQuery)
AnswerInWords = _tiny(AnswerFromMemory.delete("catalog").delete("look"))
