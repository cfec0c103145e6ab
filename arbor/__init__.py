"""The training server and its deployment, in front of the installed package of the same name.

`python -m arbor.cli`, Arbor's command, finds ours in a clone; all other modules are Arbor's.
"""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
