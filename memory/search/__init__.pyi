"""The names of this room that others use."""

from .embed import DIM as DIM
from .embed import load_embedder as load_embedder
from .question import standalone_question as standalone_question
