"""What people run: the commands of python -m memory, chat, tools for agents."""
