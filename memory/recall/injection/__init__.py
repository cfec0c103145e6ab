"""Memories as a block for a prompt."""

from memory.recall.injection.ago import time_difference
from memory.recall.injection.config import LtmConfig, load_config
from memory.recall.injection.prompt_block import Injected, inject

__all__ = ["Injected", "LtmConfig", "inject", "load_config", "time_difference"]
