"""The server of Arbor, repaired: this folder's modules before those of the installed arbor-ai.

With that, `python -m arbor.cli` in the folder above starts this server. Upstream's own __init__
imports its whole client, with vllm, torch and deepspeed.
"""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
