"""Projects in Claude's data export: their documents and their instructions."""

from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import BaseModel

from memory.exchange.documents.chunking import chunk_text
from memory.exchange.input_files import InputFile
from memory.exchange.items import OBJECTS, short_hash
from memory.exchange.json_files import validated
from memory.records import Skipped, Turn
from memory.text.written_dates import clean_date


class _Document(BaseModel):
    filename: str | None = None
    content: str | None = None
    created_at: str | None = None


class _Project(BaseModel):
    uuid: str
    name: str | None = None
    prompt_template: str | None = None
    created_at: str | None = None
    is_starter_project: bool = False
    docs: Annotated[list[_Document], OBJECTS] = []


def project_names(files: Sequence[InputFile]) -> dict[str, str]:
    """The names of the projects that have one, by their ids."""
    return {
        project.uuid: project.name
        for _, project in validated(files, _Project)
        if isinstance(project, _Project) and project.name
    }


def read_claude_projects(files: Sequence[InputFile], user: str) -> Iterator[Turn | Skipped]:
    """The texts that a person gave to each project, as chunks of documents.

    `user` is the speaker of the instructions. The export does not say which conversations belong to
    a project. A chunk's source contains a hash of its text: what has changed by the next export is
    new.
    """
    for location, project in validated(files, _Project):
        if isinstance(project, str):
            yield Skipped(location, project)
            continue
        if project.is_starter_project:
            yield Skipped(f"{location}: {project.name}", "the application's own project")
            continue
        session = f"Claude's project {project.name or project.uuid}"
        instructions = _Document(content=project.prompt_template, created_at=project.created_at)
        for document in (instructions, *project.docs):
            name = user if document is instructions else document.filename or "document"
            for chunk, _, _ in chunk_text(document.content or ""):
                yield Turn(
                    name,
                    chunk,
                    session=session,
                    said_at=clean_date(document.created_at),
                    source=f"claude:project:{project.uuid}:{short_hash(name, chunk)}",
                    kind="document",
                )
