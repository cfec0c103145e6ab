"""A chat endpoint that remembers each of its users: uvicorn endpoint:app"""

import os
from typing import Annotated

from fastapi import FastAPI
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
async def chat(message: Message) -> str:
    user = memory.of(message.user_id)
    await user.add([{"role": "user", "content": message.text}], run_id=message.thread)
    block = await user.context(message.text, run_id=message.thread)  # from the other threads
    if not MODEL:
        return block.text  # what a model would see
    turns = await user.get_all(run_id=message.thread, limit=10)
    messages = [{"role": turn.speaker, "content": turn.text} for turn in turns]
    messages[-1]["content"] += f"\n\n{block.text}"
    completion = await acompletion(MODEL, messages=messages)
    reply: str = completion.choices[0].message.content
    await user.add([{"role": "assistant", "content": reply}], run_id=message.thread)
    return reply
