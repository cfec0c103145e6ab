"""The names of this room that others use."""

from .files import create_private as create_private
from .files import folder_lock as folder_lock
from .files import tighten as tighten
from .files import whole as whole
from .files import write_whole as write_whole
from .machines import check_over as check_over
from .machines import over_machines as over_machines
from .progress import progress_bar as progress_bar
from .provider_calls import one_line as one_line
from .signals import end_like_ctrl_c as end_like_ctrl_c
from .terminal import clean_line as clean_line
from .terminal import count as count
from .terminal import show_any_character as show_any_character
