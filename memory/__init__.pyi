"""The public names; everything else is imported from its module."""

from .api import Memory as Memory
from .errors import InputError as InputError
from .errors import MemoryFault as MemoryFault
from .errors import SqlError as SqlError
from .errors import Stop as Stop
from .frameworks.async_memory import AsyncMemory as AsyncMemory
from .models import load_model as load_model
from .operations.tools import memory_tools as memory_tools
from .program import AskMemory as AskMemory
from .program import MemoryProgram as MemoryProgram
from .program import StoreTurns as StoreTurns
from .program import load_program as load_program
from .records import Answer as Answer
from .records import Change as Change
from .records import Fact as Fact
from .records import Hit as Hit
from .records import Rows as Rows
from .records import Turn as Turn
from .store import Store as Store
from .store import open_store as open_store

__version__: str
