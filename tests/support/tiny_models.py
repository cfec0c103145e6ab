"""Models of sentence-transformers with random weights, too small to know anything."""

from pathlib import Path
from typing import Any

_WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "cat", "dog", "Anna", "Ben"]
_SIZES = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8}


def save_tiny_bert(kind: Any, folder: Path, **settings: Any) -> None:
    """Write a BERT of one layer, of a class of transformers, with a tokenizer of eight words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, PreTrainedTokenizerFast

    vocabulary = {word: number for number, word in enumerate(_WORDS)}
    plain = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]"}
    PreTrainedTokenizerFast(tokenizer_object=plain, **special).save_pretrained(folder)
    config = BertConfig(vocab_size=len(_WORDS), num_hidden_layers=1, **_SIZES, **settings)
    kind(config).save_pretrained(folder)
