"""Loggers whose lines a terminal can show: they hold names, paths and errors of strangers."""

import logging

from memory.text.characters import sound_text, visible_text


def clean_logger(name: str) -> logging.Logger:
    """The logger of a name; its messages hold no control characters."""
    logger = logging.getLogger(name)
    logger.addFilter(_clean)  # adding it again changes nothing
    return logger


def _clean(record: logging.LogRecord) -> bool:
    record.msg = visible_text(sound_text(record.getMessage())).replace("\r", "")
    record.args = ()
    return True
