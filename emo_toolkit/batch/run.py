"""The batch itself: what is asked -> list of files -> this process's share answered -> all parts joined into one file.

File n belongs to process n modulo the number of processes; a file with a row, whoever wrote it, is done.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import AcquireReturnProxy, FileLock, Timeout

from ..checkpoints import Progress
from ..data.manifest import KIND_OF_SUFFIX
from ..pipeline import MAX_NEW_TOKENS, EmoPipeline, make_prompt
from ..schema import EmoPrediction, FaceAttributes
from .errors import BatchRefused, BatchStopped
from .files import Entry, entries, place_of
from .journal import MERGED, Journal
from .rows import flat_row, schema_of, write_jsonl, write_parquet
from .team import Team

WORKERS = 2  # files in hand at once: one is decoded while another is answered
STATUSES = ("ok", "no_face", "error")


@dataclass(frozen=True)
class BatchRequest:
    """What is asked of which files; `out` ends in .jsonl or .parquet. The rest is as for `EmoPipeline.predict`.

    `answer` also writes the text, which a free question without options gets anyway.
    """

    source: Path
    out: Path
    checkpoint: str = "mini"
    question: str | None = None
    options: tuple[str, ...] = ()
    attributes: FaceAttributes | None = None
    estimate: bool = False
    face: int | None = None
    answer: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        """The options that get a score; none for a free question without options."""
        return make_prompt("image", self.question, self.options).options

    @property
    def max_new_tokens(self) -> int:
        """How long a text may be; 0 where only scores are wanted."""
        return MAX_NEW_TOKENS if self.answer or not self.labels else 0

    def asked(self) -> dict[str, Any]:
        """Everything that changes a row, as JSON, under the words of the command line."""
        folder = Path(self.checkpoint).expanduser()
        weights = max((int(path.stat().st_mtime) for path in folder.glob("*.safetensors")), default=0)
        source = {"input": str(self.source.resolve())}
        if self.source.is_file():
            with self.source.open("rb") as file:
                source["contents of the manifest"] = hashlib.file_digest(file, "sha256").hexdigest()
        return source | {
            "--checkpoint": str(folder.resolve()) if folder.is_dir() else self.checkpoint,
            "weights' time": weights if folder.is_dir() else 0,
            "--question": self.question,
            "--options": list(self.options),
            "--attributes": "estimate" if self.estimate else asdict(self.attributes) if self.attributes else None,
            "--face": self.face,
            "--answer": self.max_new_tokens > 0,
        }


@dataclass(frozen=True)
class Tally:
    """How far a batch is: rows by status, of `total` files; `kept` of the rows are from an earlier run."""

    total: int
    ok: int = 0
    no_face: int = 0
    error: int = 0
    kept: int = 0

    @property
    def done(self) -> int:
        """Files with a row."""
        return self.ok + self.no_face + self.error

    def plus(self, status: str) -> "Tally":
        """With one more row."""
        return replace(self, **{status: vars(self)[status] + 1})


def run_batch(
    request: BatchRequest,
    *,
    restart: bool = False,
    device: str | None = None,
    report: Callable[[Tally], None] = lambda tally: None,
    progress: Progress | None = None,
) -> Tally:
    """Answers every file of a folder or manifest, in as many processes as were launched, and writes `request.out`.

    Called again after any kind of stop, it goes on; called again when finished, it returns at once. A file that
    cannot be read becomes a row with status "error". Memory grows by 17 bytes a file.

    Args:
        restart: throw away the rows of an earlier run.
        device: as for `EmoPipeline`; None gives each process a GPU of its own where there are any.
        report: called by process 0 with the tally of its share, before the first file and after each.
        progress: as for `EmoPipeline.from_checkpoint`.

    Returns:
        The tally of all files.

    Raises:
        BatchRefused: the request is wrong, another run writes this output, or its rows answer another request.
        BatchStopped: the disk is full, the accelerator failed, or another process is gone. Rows are kept.
        CheckpointError: the checkpoint cannot be loaded.
    """
    journal = Journal(request.out)
    with ExitStack() as stack:
        team = stack.enter_context(Team())
        try:
            if team.rank == 0:
                listed = _checked(request)
                stack.enter_context(_alone(journal))
                _prepare(journal, request, listed, restart)
            team.wait()
            state = journal.state()
            if state is None:
                raise BatchStopped(
                    f"process {team.rank} does not see {journal.folder}; --out must be on a shared disk"
                )
            if state["counts"]:
                return Tally(state["files"], **state["counts"], kept=state["files"])
            kept = _answer_share(
                journal,
                request,
                team,
                state["files"],
                report,
                lambda: EmoPipeline.from_checkpoint(
                    request.checkpoint, device=device or team.device, progress=progress
                ),
            )
            team.wait()
            return replace(_join(journal, request), kept=kept) if team.rank == 0 else Tally(state["files"])
        except OSError as error:
            where = f"process {team.rank}: {error.strerror or error} ({error.filename or journal.folder})"
            raise BatchStopped(f"{where}. Mend that, then run the same line again; finished rows are kept") from error


def _checked(request: BatchRequest) -> Iterator[Entry]:
    """The files of a request that makes sense."""
    out = request.out
    if out.suffix.lower() not in (".jsonl", ".parquet"):
        raise BatchRefused(f"--out {out}: the name must end in .jsonl or .parquet")
    if out.is_dir() or out.resolve() == request.source.resolve():
        raise BatchRefused(f"--out {out} is a folder, or the manifest itself; choose another name")
    try:
        "".join((request.question or "", *request.options)).encode()
    except UnicodeEncodeError as error:
        raise BatchRefused(f"the question or the options are no Unicode text: {error.object!a}") from error
    return entries(request.source)


def _alone(journal: Journal) -> AcquireReturnProxy:
    """The lock of an output; a killed run leaves none."""
    journal.folder.mkdir(parents=True, exist_ok=True)
    try:
        return FileLock(journal.folder / "lock", timeout=0).acquire()
    except Timeout as error:
        raise BatchRefused(f"another run is writing {journal.out}; wait for it, or choose another --out") from error


def _prepare(journal: Journal, request: BatchRequest, listed: Iterator[Entry], restart: bool) -> None:
    """Leaves a journal whose list of files is whole and which answers this request."""
    out, asked = journal.out, request.asked()
    state = None if restart else journal.state()
    if state is None and out.exists() and not restart:
        raise BatchRefused(f"{out} exists and nothing tells what made it; choose another --out, or --restart")
    if state and state["asked"] != asked and (state["counts"] or any(journal.rows())):
        pairs = [(name, state["asked"].get(name), asked.get(name)) for name in asked | state["asked"]]
        changed = "; ".join(f"{name} was {old!r} and is {new!r}" for name, old, new in pairs if old != new)
        raise BatchRefused(f"{out} has rows of another request: {changed}. Choose another --out, or --restart")
    if state and state["asked"] == asked and (out.exists() or not state["counts"]):
        if state["counts"]:
            journal.tidy()  # a kill may have come between
    elif not journal.begin(asked, listed):
        journal.clear()
        known = " ".join(sorted(KIND_OF_SUFFIX))
        raise BatchRefused(f"{request.source} has no photo or clip; known are {known}")


def _answer_share(
    journal: Journal,
    request: BatchRequest,
    team: Team,
    files: int,
    report: Callable[[Tally], None],
    load: Callable[[], EmoPipeline],
) -> int:
    """Appends a row for every file of this process that has none; returns how many files of all had one."""
    done, share = np.zeros(files, bool), Tally(len(range(team.rank, files, team.size)))
    with journal.part(team.rank) as part:
        for number, _, _, row in journal.rows():
            if number % team.size == team.rank and not done[number]:
                share = share.plus(row["status"])
            done[number] = True
        kept, share = int(done.sum()), replace(share, kept=share.done)
        if share.done < share.total:
            pipeline = load()
            tell = report if team.rank == 0 else lambda tally: None
            tell(share)
            mine = (item for item in journal.entries() if item[0] % team.size == team.rank and not done[item[0]])
            for number, row in _answers(pipeline, request, mine):
                part.append(number, row)
                share = share.plus(row["status"])
                tell(share)
        part.sync()
    return kept


def _answers(
    pipeline: EmoPipeline, request: BatchRequest, todo: Iterator[tuple[int, Entry]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number, row) of each file, as they are finished; a few files at a time are in memory."""
    pool, running = ThreadPoolExecutor(WORKERS), dict[Future, int]()
    try:
        for number, entry in todo:
            running[pool.submit(_row, pipeline, request, entry)] = number
            if len(running) > WORKERS:
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        for future in list(running):
            yield running.pop(future), future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _row(pipeline: EmoPipeline, request: BatchRequest, entry: Entry) -> dict[str, Any]:
    """One file's row, whatever the file does; only a broken accelerator stops a batch."""
    began, name = time.perf_counter(), pipeline.checkpoint.name
    prediction = EmoPrediction(entry.path, None, "error", checkpoint=name, message=entry.problem)
    if not entry.problem:
        try:
            prediction = pipeline.predict(
                place_of(request.source, entry),
                question=request.question,
                options=request.options,
                attributes=request.attributes,
                estimate=request.estimate,
                face=request.face,
                max_new_tokens=request.max_new_tokens,
            )
        except torch.AcceleratorError as error:  # of no use any more, for any file
            raise BatchStopped(
                f"the accelerator failed at {entry.path!a}: {error}; run the same line again"
            ) from error
        except Exception as error:  # a file must not cost the others
            seconds = round(time.perf_counter() - began, 3)
            prediction = replace(prediction, message=f"{type(error).__name__}: {error}", seconds=seconds)
    text = prediction.text if request.max_new_tokens else None
    return flat_row(replace(prediction, path=entry.path, text=text), request.labels, entry.columns)


def _join(journal: Journal, request: BatchRequest) -> Tally:
    """Writes the rows of all parts in the order of the list, and puts the file in its place."""
    state = journal.state()
    tally, merged = Tally(state["files"]), journal.folder / MERGED

    def counted() -> Iterator[dict[str, Any]]:
        nonlocal tally
        for row in journal.rows_in_order(state["files"]):
            if row is None:
                raise BatchStopped(
                    f"rows are missing; does every machine see {journal.folder}? Run the same line again"
                )
            tally = tally.plus(row["status"])
            yield row

    try:
        if request.out.suffix.lower() == ".jsonl":
            write_jsonl(merged, counted())
        else:
            write_parquet(
                merged, counted(), schema_of(request.labels, (entry.columns for _, entry in journal.entries()))
            )
        journal.publish(state["asked"], {status: vars(tally)[status] for status in STATUSES})
    finally:
        merged.unlink(missing_ok=True)
    return tally
