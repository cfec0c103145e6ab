"""Models of the Hugging Face hub, fetched once into its cache and checked against our hashes."""

import errno
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from memory.errors import InputError
from memory.models.gguf.header import file_sha256
from memory.models.gguf.models import InstructModel

_ROUNDING = 1.2  # of the sizes in the list of models
_LEAST = 1_000_000  # bytes that a file may have: the hub's client writes small files, too
_TOO_LONG, _FAILED = 3, 4  # exit codes of the process that downloads


def cache_folder() -> Path:
    """Where the hub's clients keep files: HF_HOME, or ~/.cache/huggingface."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def fetched_file(model: InstructModel) -> Path | None:
    """The file of a model that was fetched whole, without asking the hub; None for none."""
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(model.repository, model.file)
    return Path(cached) if isinstance(cached, str) and Path(cached).is_file() else None


def fetch(model: InstructModel) -> Path:
    """Fetch a model's file with a progress bar; what an earlier try has fetched is not again.

    Ctrl-C is safe: the next call goes on where this one ended.
    Raises InputError in one line where the hub, the disk or what was fetched does not serve.
    """
    if cached := fetched_file(model):
        _check(cached, model)
        return cached
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    with _explained(model):
        metadata = get_hf_file_metadata(hf_hub_url(model.repository, model.file))
    _check_size(metadata.size or 0, model)
    file = _download(model, max(metadata.size or 0, _LEAST))
    _check(file, model)
    return file


def _parts(model: InstructModel) -> list[Path]:
    """What was fetched of files that are not whole yet."""
    from huggingface_hub.file_download import repo_folder_name

    folder = cache_folder() / repo_folder_name(repo_id=model.repository, repo_type="model")
    return [*folder.glob("blobs/*.incomplete")]


def _download(model: InstructModel, byte_limit: int) -> Path:
    """Download a file, in a process whose files may not grow beyond `byte_limit` bytes.

    The hub's client reads on for as long as a server sends, whatever size it stated before.
    """
    from huggingface_hub import constants

    order = [model.repository, model.file, str(byte_limit)]
    order += [str(cache_folder()), constants.ENDPOINT]
    done = subprocess.run(
        [sys.executable, "-P", "-m", __name__, *order],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode == _TOO_LONG:
        for part in _parts(model):
            part.unlink()
        raise InputError(
            f"the hub sends more of {model.file} than {byte_limit / 1e9:,.3f} GB, as it stated;"
            " what came was removed; choose another model, or another hub (HF_ENDPOINT)"
        )
    if done.returncode:
        raise _broken_off(model, done.stdout.strip() or "its process was ended")
    return Path(done.stdout.strip())


def _check_size(size: int, model: InstructModel) -> None:
    if size > model.gigabytes * 1e9 * _ROUNDING:
        raise InputError(
            f"{model.repository} holds another {model.file} than the one we know: it has"
            f" {size / 1e9:,.1f} GB, not {model.gigabytes:g}; choose another model"
        )
    folder = cache_folder()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if size > free:
        raise InputError(
            f"{model.name} takes {size / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB are free at"
            f" {cache_folder()}; make room, or set HF_HOME to another disk"
        )


def _check(file: Path, model: InstructModel) -> None:
    """Raise InputError, with the file removed, if it is not the known one."""
    if file_sha256(file.resolve()) != model.sha256:
        file.resolve().unlink()
        file.unlink(missing_ok=True)
        raise InputError(
            f"what came of {model.file} is not the file that we know of {model.repository} (another"
            " sha256), and was removed; run the command again, or choose another model"
        )


@contextmanager
def _explained(model: InstructModel) -> Iterator[None]:
    """Turn the errors of the hub's client into one line."""
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        yield
    except GatedRepoError as error:
        raise InputError(
            f"{model.repository} asks for an account: read its licence on the hub, then run"
            " `hf auth login`"
        ) from error
    except (EntryNotFoundError, RepositoryNotFoundError) as error:
        if isinstance(error, LocalEntryNotFoundError):  # neither there nor within reach
            raise InputError(f"the hub is not within reach ({_first_line(error)})") from error
        raise InputError(
            f"the hub has no {model.file} in {model.repository} any more; choose another model"
        ) from error
    except OSError as error:  # of the disk, and of the network: the errors of both clients are such
        raise _broken_off(model, _first_line(error)) from error


def _broken_off(model: InstructModel, why: str) -> InputError:
    return InputError(
        f"{model.file} was not fetched whole ({why}); run the command again, it goes on where it"
        " ended"
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"{lines[0]:.160}"


def _limit_files(byte_limit: int) -> None:
    """Have the system refuse what makes a file of this process longer, if it can (not Windows)."""
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    if hard == resource.RLIM_INFINITY or byte_limit < hard:
        resource.setrlimit(resource.RLIMIT_FSIZE, (byte_limit, hard))


def _work(repository: str, file: str, byte_limit: int, folder: str, endpoint: str) -> int:
    """Download a file; print where it is, or what failed, and return the exit code."""
    from huggingface_hub import hf_hub_download

    _limit_files(byte_limit)
    try:
        print(hf_hub_download(repository, file, cache_dir=folder, endpoint=endpoint))
    except KeyboardInterrupt:  # the parent got it, too
        return _FAILED
    except Exception as error:  # noqa: BLE001 - the parent says what it was
        print(_first_line(error))
        return _TOO_LONG if getattr(error, "errno", None) == errno.EFBIG else _FAILED
    return 0


if __name__ == "__main__":
    _, repository, file, byte_limit, folder, endpoint = sys.argv
    sys.exit(_work(repository, file, int(byte_limit), folder, endpoint))
