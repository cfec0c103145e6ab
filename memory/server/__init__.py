"""The server: MCP over stdio and HTTP, a JSON API and the page.

handles.py keeps the stores open; tokens.py, sign_in.py and guard.py decide who may do what; app.py
combines the parts and listen.py serves them.
"""
