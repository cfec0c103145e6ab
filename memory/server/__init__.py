"""The server: MCP over stdio and HTTP, a JSON API and the page, over warm handles of namespaces.

handles.py keeps the handles; tokens.py, sign_in.py and guard.py decide who may do what; app.py puts
the parts together and listen.py serves them.
"""
