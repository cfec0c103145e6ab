"""A memory in the protocols of asyncio and of frameworks: OpenAI's Agents SDK, LangGraph, LiteLLM.

Each is a module of its own, which imports its framework.
"""
