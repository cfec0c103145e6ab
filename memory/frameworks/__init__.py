"""A memory in the protocols of asyncio and of frameworks: OpenAI's Agents SDK, LangGraph, LiteLLM.

Each is its own module, which imports its framework.
"""
