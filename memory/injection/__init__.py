"""Memories as a block for a prompt."""

from memory.injection.ago import time_difference
from memory.injection.config import LtmConfig, load_config
from memory.injection.prompt_block import Injected, inject

__all__ = ["Injected", "LtmConfig", "inject", "load_config", "time_difference"]
