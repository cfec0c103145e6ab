"""The commands of python -m memory."""
