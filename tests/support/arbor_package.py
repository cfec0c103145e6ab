"""The patched code of Arbor, imported anew for a test, without the parts that need a GPU."""

import importlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[2] / "arbor"))
machine: Any = importlib.import_module("machine")
patched: Any = importlib.import_module("patched")
sampling: Any = importlib.import_module("sampling")
SPLIT = machine.GpuSplit((0,), (1, 2))
WORKERS = [
    {"pid": 1, "role": "inference", "gpus": [0]},
    {"pid": 2, "role": "training", "gpus": [1]},
    {"pid": 3, "role": "training", "gpus": [2]},
]


class Stub(ModuleType):
    """Stands for a module of the GPU machine: every name in it is a class."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Exception,), {})


@cache
def patched_copy() -> Path:
    """The patched copy, made once for all tests of a process."""
    storage = tempfile.TemporaryDirectory(prefix="arbor-")
    patched_copy.kept = storage  # type: ignore[attr-defined]
    copy: Path = patched.patched_copy(Path(storage.name))
    return copy


def is_arbor(name: str) -> bool:
    """Whether a module belongs to Arbor."""
    return name.split(".")[0] == "arbor"


@contextmanager
def stubbed(monkeypatch: pytest.MonkeyPatch, stubs: Mapping[str, ModuleType]) -> Iterator[None]:
    """Let the patched Arbor be imported, with these modules in place of others."""
    before = dict(sys.modules)
    monkeypatch.syspath_prepend(str(patched_copy()))
    for name in filter(is_arbor, before):
        del sys.modules[name]
    sys.modules.update(stubs)
    yield
    for name in [name for name in sys.modules if is_arbor(name) or name in stubs]:
        del sys.modules[name]
    sys.modules.update({k: v for k, v in before.items() if is_arbor(k) or k in stubs})


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Arbor's patched code, imported anew, without what needs a GPU."""
    absent = ["coolname", "transformers", "trl", "trl.data_utils"]
    absent += ["arbor.server.services.inference.vllm_client", "arbor.training.grpo.config"]
    absent += [] if find_spec("zmq") else ["zmq"]
    with stubbed(monkeypatch, {name: Stub(name) for name in absent}):
        yield


def initialize_request(
    inference: int = 1, training: int = 2, model: str = "m", **fields: Any
) -> Any:
    """A request to initialize, as Arbor's own schema."""
    schemas = importlib.import_module("arbor.server.api.schemas")
    return schemas.GRPOInitializeRequest.model_validate(
        {
            "model": model,
            "trainer_config": {"num_training_gpus": training},
            "inference_config": {"model": model},
            "gpu_config": {
                "type": "multi",
                "multi": {"num_inference_gpus": inference, "num_training_gpus": training},
            },
            **fields,
        }
    )


def starting(storage: Path, start: Callable[..., None]) -> Any:
    """A job whose start is `start`, that counts how often it was ended."""
    module = importlib.import_module("arbor.server.services.jobs.grpo_job")
    module.GRPOJob._start = start
    module.processes = lambda: WORKERS
    job = object.__new__(module.GRPOJob)
    job.id, job.status, job.ended = "grpo:x", module.JobStatus.CREATED, []
    job.config, job.log_file_path = SimpleNamespace(storage_path=storage), str(storage / "x.log")
    job.gpu_manager = SimpleNamespace(split=SPLIT)
    job.terminate_process = lambda **how: job.ended.append(how)
    return job


def runs(self: Any, request: Any, manager: Any) -> None:
    """A start that succeeds."""
    self.started = request
    self.status = importlib.import_module("arbor.server.api.schemas").JobStatus.RUNNING


class Words:
    """A tokenizer whose template ends an answer as given: 7 is the end of a turn, 9 the EOS."""

    all_special_ids = (7, 9)
    eos_token_id = 9

    def __init__(self, tail: str) -> None:
        self.tail = tail

    def apply_chat_template(self, chat: list[dict[str, str]], tokenize: bool) -> str:
        return f"<user>{chat[0]['content']}<assistant>{chat[1]['content']}{self.tail}"

    def __call__(self, text: str, add_special_tokens: bool) -> dict[str, list[int]]:
        known = {"<|im_end|>": 7, "\n": 5, " ": 6}
        return {"input_ids": [known[w] for w in known if w in text]}


def configured() -> Any:
    """What a job's start makes of the settings of its trainer."""
    module = importlib.import_module("arbor.server.services.jobs.grpo_job")
    config = SimpleNamespace()
    module.ArborGRPOConfig = lambda **_: config
    request = SimpleNamespace(trainer_config=SimpleNamespace(model_dump=lambda **_: {}))
    return module.GRPOJob._build_trainer_config(SimpleNamespace(id="j"), request, "out", 1)


def tiny(folder: Path) -> Path:
    """A policy of two layers in bfloat16, with a template that ends answers by <|end|>, newline."""
    transformers, tokenizers, torch = map(
        importlib.import_module, ("transformers", "tokenizers", "torch")
    )
    torch.set_num_threads(1)
    torch.manual_seed(0)
    words = ["<pad>", "<|end|>", "\n", "u", "a", "hi", "answer", "good", "bad", "word"]
    model = tokenizers.models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="word")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Split(tokenizers.Regex(" "), "removed")
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<|end|>"
    )
    fast.chat_template = (
        "{% for m in messages %}{{ m['role'][0] }} {{ m['content'] }} <|end|> \n {% endfor %}"
    )
    fast.save_pretrained(folder)
    config = transformers.LlamaConfig(
        vocab_size=16, hidden_size=32, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=64, pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder
