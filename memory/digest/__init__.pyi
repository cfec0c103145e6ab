"""The names of this room that others use."""

from .story_telling import MOST_RETOLD as MOST_RETOLD
from .windows import Digest as Digest
