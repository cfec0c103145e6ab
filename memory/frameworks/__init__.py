"""A memory in the protocols of agents' frameworks: OpenAI's Agents SDK, LangGraph, LiteLLM.

Each is a module of its own, which imports its framework.
"""
