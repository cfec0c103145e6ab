"""The names of this room that others use."""

from .asker import standalone_question as standalone_question
from .embed import DIM as DIM
from .embed import load_embedder as load_embedder
