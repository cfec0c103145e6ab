"""A memory in the protocols of asyncio and of frameworks.

They are OpenAI's Agents SDK, LangGraph, LiteLLM and Anthropic's memory tool. Each is its own
module, which imports its framework.
"""
