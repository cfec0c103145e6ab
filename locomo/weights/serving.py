"""vLLM on this machine: waited for until it answers, and asked as a model of DSPy."""

import time
from collections.abc import Callable

import dspy
import requests

from locomo.weights.processes import Program
from locomo.weights.trainee import SERVED
from memory.errors import ModelError

SERVER_LOG = "vllm.log"
SERVER_WAIT = 1800.0  # seconds until vLLM answers: it may fetch gigabytes first


def vllm_lm(name: str, address: str, completion_tokens: int) -> dspy.LM:
    """A model that vLLM serves, at temperature 0."""
    return dspy.LM(
        f"{SERVED}{name}",
        api_base=f"{address}/v1",
        api_key="none",
        cache=False,
        max_tokens=completion_tokens,
        num_retries=2,
        temperature=0.0,
    )


def wait_for_server(
    server: Program,
    address: str,
    say: Callable[[str], object],
    longest: float = SERVER_WAIT,
) -> None:
    """Wait until vLLM answers. Raises ModelError when it ends or takes too long."""
    began = told = time.monotonic()
    while True:
        if server.code is not None:
            raise server.failure()
        try:
            if requests.get(f"{address}/health", timeout=5).status_code == 200:
                return
        except requests.RequestException:
            pass  # it is not up yet
        now = time.monotonic()
        if now - began > longest:
            raise ModelError(f"vLLM does not answer after {longest:.0f} s; see {server.log}")
        if now - told >= 30:
            told = now
            say(f"waiting for vLLM: {now - began:.0f} s; {server.log} says what it does")
        time.sleep(0.5)
