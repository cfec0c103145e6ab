"""An assistant in a channel, and in a private chat with each member: uvicorn group:app"""

from contextlib import suppress
from typing import Annotated

from fastapi import FastAPI, responses
from pydantic import BaseModel, StringConstraints

from memory import AsyncMemory, InputError

app = FastAPI()
memory = AsyncMemory()  # one memory for the channel and one for each private chat
CHANNEL = "channel"
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Message(BaseModel):
    person: Line  # take it from your sign-in, as whoever is named here reads that private chat
    text: Line


@app.post("/channel")
async def in_channel(message: Message) -> responses.Response:
    """What the model sees for a message in the channel: only what was said there."""
    said = [{"role": "user", "name": message.person, "content": message.text}]
    await memory.add(said, user_id=CHANNEL)
    block = await memory.context(message.text, speaker=message.person, user_id=CHANNEL)
    return responses.PlainTextResponse(block)


@app.post("/private")
async def in_private(message: Message) -> responses.Response:
    """What the model sees for a private message: the private chat and the channel."""
    own = f"private {message.person}"
    said = [{"role": "user", "name": message.person, "content": message.text}]
    await memory.add(said, user_id=own)
    block = await memory.context(message.text, speaker=message.person, user_id=own, also=[CHANNEL])
    return responses.PlainTextResponse(block)


@app.delete("/people/{person}")
async def forget(person: Line) -> None:
    """Forget a person: their turns in the channel, with replies that quote them, and the chat."""
    with suppress(InputError):  # they never wrote there
        await memory.forget(speaker=person, user_id=CHANNEL)
    with suppress(InputError):
        await memory.delete_all(f"private {person}")
