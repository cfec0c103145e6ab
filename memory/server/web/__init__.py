"""The page: a person reads and edits their memories in a browser.

A view turns a request and an open store into a page; templates render it as HTML on the server.
The page works without JavaScript; with it, htmx swaps in the parts that changed. Each module holds
the pages of one subject.
"""

from memory.server.web.pages import routes

__all__ = ["routes"]
