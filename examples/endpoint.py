"""A chat endpoint that remembers each of its users: uvicorn endpoint:app"""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import FastAPI, responses
from litellm import acompletion
from pydantic import BaseModel, StringConstraints

from memory import AsyncMemory

MODEL = os.environ.get("CHAT_MODEL")  # "openai/gpt-4o-mini", "ollama_chat/qwen2.5:7b", ...
app = FastAPI()
memory = AsyncMemory()  # one memory for each user, in files below MEMORY_HOME
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Message(BaseModel):
    user_id: Line  # take it from your sign-in: anyone who can choose it reads that user's memory
    thread: str
    text: Line


@app.post("/chat")
async def chat(message: Message) -> responses.Response:
    user = memory.of(message.user_id)
    await user.add([{"role": "user", "content": message.text}], run_id=message.thread)
    block = await user.context(message.text, run_id=message.thread)  # from the other threads
    if not MODEL:
        return responses.PlainTextResponse(block)  # what a model would see
    latest = await user.get_all(run_id=message.thread, limit=10)
    messages = [{"role": turn.speaker, "content": turn.text} for turn in latest]
    messages[-1]["content"] += f"\n\n{block}"
    chunks = await acompletion(MODEL, messages=messages, stream=True)

    async def reply() -> AsyncIterator[str]:
        said = ""
        try:
            async for chunk in chunks:
                said += (piece := chunk.choices[0].delta.content or "")
                yield piece
        finally:  # also if the user leaves: what they saw is stored
            turns = [{"role": "assistant", "content": said}] if said else []
            await asyncio.shield(user.add(turns, run_id=message.thread))

    return responses.StreamingResponse(reply(), media_type="text/plain")
