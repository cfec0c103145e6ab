"""Signals that end a process end it as Ctrl-C does."""

import signal
import threading


def end_like_ctrl_c() -> None:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt, unless someone handles or ignores them.

    A process asked to end finishes what must not be half done, and says what it kept.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # only the main thread of a process may set handlers
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
