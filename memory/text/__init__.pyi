"""The names of this room that others use."""

from .characters import is_visible as is_visible
from .dates import resolve_dates as resolve_dates
from .secrets import mask as mask
from .tokens import count_tokens as count_tokens
from .tokens import own_tokens as own_tokens
from .tokens import packaged_tokens as packaged_tokens
from .turn_lines import resolved_line as resolved_line
from .word_classes import closed_classes as closed_classes
from .word_classes import verb_forms as verb_forms
from .words import STOP_WORDS as STOP_WORDS
from .words import forms_of as forms_of
from .words import is_among as is_among
from .words import telling_words as telling_words
