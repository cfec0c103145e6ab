"""The names of models, read without loading one: DSPy takes more than a second to import."""

# The packaged model as it comes with this package, tuned; and without its adapters.
PACKAGED_MODEL, UNTUNED_MODEL = "local", "local-base"


def is_packaged(name: str) -> bool:
    """Whether a name means the packaged model, which runs in this process: by name or adapter."""
    from memory.models.adapter_card import is_adapter  # with pydantic

    return name in (PACKAGED_MODEL, UNTUNED_MODEL) or is_adapter(name)


def is_of_packaged(name: str) -> bool:
    """Whether a loaded model of this name is the packaged one, with whatever adapter."""
    return name.partition("+")[0] in (PACKAGED_MODEL, UNTUNED_MODEL)


def is_file(name: str) -> bool:
    """Whether a name means a GGUF file, which runs in this process."""
    return name.startswith("gguf:")


def is_local_lm(name: str) -> bool:
    """Whether a DSPy model of this name runs in this process: its calls cost nothing."""
    return name.startswith("gguf/")


def model_option(name: str) -> str:
    """What `--model` takes for the model of this name: an adapter is given by its folder."""
    return "FOLDER" if name.startswith(f"{PACKAGED_MODEL}+") else name


def stores_facts(name: str) -> bool:
    """Whether a digest asks the model of this name for facts: not the packaged one."""
    return not is_of_packaged(name)
