"""The models that a person can choose on this machine, and a trial of a named one."""

from collections.abc import Sequence
from dataclasses import dataclass

from memory.errors import InputError, ModelError
from memory.models.gguf.download import fetched_file
from memory.models.gguf.files import PREFIX
from memory.models.gguf.models import MODELS, InstructModel
from memory.models.model_names import PACKAGED_MODEL, is_file, is_packaged
from memory.system.ollama import ollama_models
from memory.system.packaged_model import missing_packages
from memory.system.providers import present_keys

_OLLAMA = "ollama_chat/"


@dataclass(frozen=True)
class Choices:
    """The choices: names as `load_model` takes them.

    `packaged` is the packaged model if it is installed, `files` are fetched models, `ollama` are
    Ollama's on this machine. `to_fetch` are not here yet; `keys` are the providers' keys in the
    environment.
    """

    packaged: Sequence[str]
    files: Sequence[str]
    ollama: Sequence[str]
    to_fetch: Sequence[InstructModel]
    keys: Sequence[str]

    @property
    def names(self) -> list[str]:
        """The names of all models that are here."""
        return [*self.packaged, *self.files, *self.ollama]


def choices() -> Choices:
    """The models on this machine now. It may take half a second if Ollama does not answer."""
    is_here = {model.name: fetched_file(model) is not None for model in MODELS.values()}
    return Choices(
        [] if missing_packages() else [PACKAGED_MODEL],
        [f"{PREFIX}{name}" for name in MODELS if is_here[name]],
        [f"{_OLLAMA}{name}" for name in ollama_models()],
        [model for model in MODELS.values() if not is_here[model.name]],
        present_keys(),
    )


def try_model(name: str) -> None:
    """Ask a model once, so that a wrong name or a missing key is found before it is chosen.

    A model in this process is not asked: its file was checked when it was fetched. Raises
    InputError for a file or folder that is not one of `choices`, ModelError, one line, if the model
    does not answer.
    """
    if is_file(name) or is_packaged(name) or name in MODELS:
        if name not in choices().names:
            raise InputError(f"{name!r:.100} is not on this machine; choose one from the list")
        return
    from memory.models.loading import load_model  # with DSPy

    try:
        model = load_model(name, retries=0)
        with model.active():
            model.lm("Hello")
    except ModelError as error:
        raise ModelError(f"nothing was changed: {error}") from error
