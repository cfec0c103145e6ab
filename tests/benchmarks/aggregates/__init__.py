"""Aggregates: questions that only a database answers well, with gold that is computed.

talk.py makes a long chat with its facts, chats.py reads facts of our own conversations,
questions.py computes the questions, measure.py shows what facts bring; see `__main__`.
"""
