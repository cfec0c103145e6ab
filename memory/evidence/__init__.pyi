"""The names of this room that others use."""

from .block import Options as Options
from .block import evidence as evidence
from .layout import LONG_TURN as LONG_TURN
from .layout import NOTE_TOLD as NOTE_TOLD
from .layout import Evidence as Evidence
from .layout import lay_out as lay_out
from .lines import LEAST_BUDGET as LEAST_BUDGET
from .lines import RowLine as RowLine
from .lines import named_cells as named_cells
from .lines import named_turns as named_turns
from .lines import refuse_budget as refuse_budget
from .lines import turn_lines as turn_lines
from .question import UserQuestion as UserQuestion
from .reader import MemoryReader as MemoryReader
from .reader import reading as reading
