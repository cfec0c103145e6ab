"""The instruct models that `memory setup --model NAME` fetches."""

from dataclasses import dataclass

from memory.errors import InputError


@dataclass(frozen=True)
class InstructModel:
    """A model of the Hugging Face hub: its file there, its licence, and what it takes.

    `sha256` is the file's, and counts whatever the hub says. `billions` are the model's parameters,
    `gigabytes` its file; `memory` is the least that a machine has in gigabytes, so that a context
    of 8,192 tokens fits. `measured` says what it is good for, "" where it was not measured here.
    """

    name: str
    repository: str
    file: str
    sha256: str
    licence: str
    billions: float
    gigabytes: float
    memory: int
    measured: str = ""


# Of the makers' own repositories, without a form to fill in. Sizes are rounded.
MODELS = {
    model.name: model
    for model in (
        InstructModel(
            "qwen2.5-0.5b",
            "Qwen/Qwen2.5-0.5B-Instruct-GGUF",
            "qwen2.5-0.5b-instruct-q4_k_m.gguf",
            "74a4da8c9fdbcd15bd1f6d01d621410d31c6fc00986f5eb687824e7b93d7a9db",
            "Apache 2.0",
            0.5,
            0.5,
            2,
        ),
        InstructModel(
            "qwen2.5-1.5b",
            "Qwen/Qwen2.5-1.5B-Instruct-GGUF",
            "qwen2.5-1.5b-instruct-q4_k_m.gguf",
            "6a1a2eb6d15622bf3c96857206351ba97e1af16c30d7a74ee38970e434e9407e",
            "Apache 2.0",
            1.5,
            1.1,
            3,
        ),
        InstructModel(
            "qwen2.5-coder-1.5b",
            "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
            "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            "Apache 2.0",
            1.5,
            1.1,
            3,
            measured="answers 52 of 120 everyday questions from a memory, where SQLite's full-text"
            " search gives it 22 right, in 5 to 20 s of one core; it declines 15 of 20 that no one"
            " answered, and chooses facts to look up (30 of 39 useful)",
        ),
        InstructModel(
            "smollm2-1.7b",
            "HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF",
            "smollm2-1.7b-instruct-q4_k_m.gguf",
            "decd2598bc2c8ed08c19adc3c8fdd461ee19ed5708679d1c54ef54a5a30d4f33",
            "Apache 2.0",
            1.7,
            1.1,
            4,
        ),
        InstructModel(
            "qwen3-1.7b",
            "Qwen/Qwen3-1.7B-GGUF",
            "Qwen3-1.7B-Q8_0.gguf",
            "061b54daade076b5d3362dac252678d17da8c68f07560be70818cace6590cb1a",
            "Apache 2.0",
            1.7,
            1.8,
            4,
        ),
        InstructModel(
            "granite-3.3-2b",
            "ibm-granite/granite-3.3-2b-instruct-GGUF",
            "granite-3.3-2b-instruct-Q4_K_M.gguf",
            "ac71e9e32c0bea919b409c5918f69ca74339854b0319c5065e4e9fb6d95c4852",
            "Apache 2.0",
            2.5,
            1.5,
            4,
        ),
        InstructModel(
            "qwen2.5-3b",
            "Qwen/Qwen2.5-3B-Instruct-GGUF",
            "qwen2.5-3b-instruct-q4_k_m.gguf",
            "626b4a6678b86442240e33df819e00132d3ba7dddfe1cdc4fbb18e0a9615c62d",
            "Qwen Research (no commercial use)",
            3.1,
            2.1,
            4,
        ),
        InstructModel(
            "qwen3-4b",
            "Qwen/Qwen3-4B-GGUF",
            "Qwen3-4B-Q4_K_M.gguf",
            "7485fe6f11af29433bc51cab58009521f205840f5b4ae3a32fa7f92e8534fdf5",
            "Apache 2.0",
            4.0,
            2.5,
            6,
        ),
    )
}


def listed(name: str) -> InstructModel:
    """A model of the list by its name. Raises InputError for any other."""
    if name not in MODELS:
        raise InputError(f"there is no model {name!r:.60} to fetch; there are {', '.join(MODELS)}")
    return MODELS[name]
