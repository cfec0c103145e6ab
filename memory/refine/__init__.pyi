"""The names of this room that others use."""

from .questions import FactReader as FactReader
from .revisions import Revision as Revision
from .run import memory_in_short as memory_in_short
from .run import tools_tokens as tools_tokens
from .tools import RefiningTools as RefiningTools
from .tools import tool_functions as tool_functions
from .workbench import Draft as Draft
from .workbench import FactSet as FactSet
