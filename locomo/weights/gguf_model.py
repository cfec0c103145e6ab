"""A GGUF file as transformers' model and tokenizer: the weights and the tokens of llama.cpp."""

from pathlib import Path
from typing import Any

import torch
from gguf import GGUFReader, dequantize
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
)
from transformers.modeling_utils import no_init_weights

from memory.errors import InputError

# The seven linear layers of a decoder layer, by transformers' names -> llama.cpp's names.
LINEAR = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_IN_LAYER = {**LINEAR, "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
_OUTSIDE = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
}
_CONFIGS: dict[str, type[PretrainedConfig]] = {"llama": LlamaConfig, "qwen2": Qwen2Config}
# How llama.cpp splits a text before it merges letters, by the name in `tokenizer.ggml.pre`
# (src/llama-vocab.cpp, `llm_tokenizer_bpe`). Both take each digit alone.
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_SPLITS = {
    "smollm": (r"\p{N}", _GPT2),
    "qwen2": (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ),
}
# llama.cpp's types of a token that is found in a text before it is split.
_CONTROL, _USER_DEFINED = 3, 4


def open_gguf(path: Path) -> GGUFReader:
    """A file of a model that can be tuned. Raises InputError for any other."""
    try:
        reader = GGUFReader(path)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    architecture = _field(reader, "general.architecture")
    if architecture not in _CONFIGS:
        raise InputError(
            f"{path} is of the architecture {architecture!r:.40}: tuned from a file are"
            f" {' and '.join(_CONFIGS)}; give another model's folder or its name on the hub"
        )
    words, split = (_field(reader, f"tokenizer.ggml.{key}", "") for key in ("model", "pre"))
    if words != "gpt2" or split not in _SPLITS:
        raise InputError(
            f"{path} splits texts by {words!r:.40}, {split!r:.40}: known is gpt2 with"
            f" {' or '.join(_SPLITS)}; give another model's folder or its name on the hub"
        )
    return reader


def gguf_model(reader: GGUFReader, name: str, dtype: torch.dtype) -> Any:
    """The file's weights, dequantized one after the other, as a causal LM of transformers.

    Raises InputError for a file whose tensors are not all of its architecture and sizes.
    """
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    config = _config(reader, name, is_tied="output.weight" not in tensors)
    with no_init_weights():
        model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="sdpa")
    model.tie_weights()
    permuted = permuted_heads(config)
    for parameter_name, parameter in model.named_parameters():
        stored = _stored_name(parameter_name)
        tensor = tensors.pop(stored, None)
        if tensor is None:
            raise InputError(f"{name} cannot be tuned: its file has no {stored}")
        weight = torch.tensor(dequantize(tensor.data, tensor.tensor_type))
        if weight.shape != parameter.shape:
            raise InputError(f"{name} cannot be tuned: {stored} has the shape {weight.shape}")
        if heads := permuted.get(stored.split(".")[-2]):
            weight = unpermuted(weight, heads)
        parameter.data.copy_(weight)
    if tensors:
        raise InputError(f"{name} cannot be tuned: {next(iter(tensors)):.60} is not known")
    return model


def gguf_tokenizer(reader: GGUFReader) -> PreTrainedTokenizerFast:
    """The file's own tokens and merges: transformers' GGUF reader splits numbers differently."""
    tokens = _field(reader, "tokenizer.ggml.tokens")
    kinds = _field(reader, "tokenizer.ggml.token_type")
    merges = [tuple(merge.split(" ")) for merge in _field(reader, "tokenizer.ggml.merges")]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token=None))
    splits = _SPLITS[_field(reader, "tokenizer.ggml.pre")]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            *(pre_tokenizers.Split(Regex(split), "isolated") for split in splits),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()

    def of_kind(wanted: int) -> list[str]:
        return [token for token, kind in zip(tokens, kinds, strict=True) if kind == wanted]

    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in of_kind(_USER_DEFINED)])
    end = tokens[_field(reader, "tokenizer.ggml.eos_token_id")]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=end,
        pad_token=tokens[_field(reader, "tokenizer.ggml.padding_token_id", tokens.index(end))],
        additional_special_tokens=of_kind(_CONTROL),
        padding_side="left",
        model_input_names=["input_ids", "attention_mask"],  # a Llama takes no token types
        clean_up_tokenization_spaces=False,
        chat_template=_field(reader, "tokenizer.chat_template"),
    )


def permuted_heads(config: PretrainedConfig) -> dict[str, int]:
    """The layers whose rows llama.cpp has in another order than transformers, and their heads.

    A Llama's rotary embedding pairs neighbouring rows in llama.cpp, the halves of a head in
    transformers. Qwen2's pairs the halves in both.
    """
    if config.model_type != "llama":
        return {}
    return {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}


def permuted(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """A matrix with its rows in llama.cpp's order: the inverse of `unpermuted`."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).transpose(1, 2).reshape(rows, -1)


def unpermuted(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """A matrix with its rows in transformers' order."""
    rows, columns = weight.shape
    return weight.view(heads, rows // heads // 2, 2, columns).transpose(1, 2).reshape(rows, columns)


def _config(reader: GGUFReader, name: str, is_tied: bool) -> PretrainedConfig:
    architecture = _field(reader, "general.architecture")

    def field(key: str, *default: Any) -> Any:
        return _field(reader, f"{architecture}.{key}", *default)

    if field("rope.scaling.type", "none") != "none":
        raise InputError(f"{name} cannot be tuned: it scales its positions (rope.scaling)")
    return _CONFIGS[architecture](
        name_or_path=name,
        vocab_size=len(_field(reader, "tokenizer.ggml.tokens")),
        hidden_size=field("embedding_length"),
        intermediate_size=field("feed_forward_length"),
        num_hidden_layers=field("block_count"),
        num_attention_heads=field("attention.head_count"),
        num_key_value_heads=field("attention.head_count_kv"),
        max_position_embeddings=field("context_length"),
        rope_theta=field("rope.freq_base", 10_000.0),
        rms_norm_eps=field("attention.layer_norm_rms_epsilon"),
        eos_token_id=_field(reader, "tokenizer.ggml.eos_token_id"),
        tie_word_embeddings=is_tied,
    )


def _stored_name(parameter: str) -> str:
    """A parameter's name in the file: `model.layers.3.mlp.up_proj.weight`, `blk.3.ffn_up.weight`"""
    module, _, kind = parameter.rpartition(".")
    if module in _OUTSIDE:
        return f"{_OUTSIDE[module]}.{kind}"
    _, _, layer, inner = module.split(".", 3)
    return f"blk.{layer}.{_IN_LAYER[inner]}.{kind}"


def _field(reader: GGUFReader, key: str, *default: Any) -> Any:
    """What a file says of itself. Raises InputError where it does not, and there is no default."""
    if key in reader.fields:
        return reader.fields[key].contents()
    if default:
        return default[0]
    raise InputError(f"the model cannot be tuned: its file does not say {key}")
