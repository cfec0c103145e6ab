"""The page: what somebody sees of their memories in a browser, and changes there.

A view turns a request and an open store into a page; templates make HTML of it on the server. It
works without JavaScript; with it, htmx takes the new parts out of whole pages. The modules are the
pages by subject.
"""

from memory.web.pages import routes

__all__ = ["routes"]
