"""The processes of one `accelerate launch` or `torchrun`: which one is this, how many are there, are all here?

They only ever wait for each other (gloo, CPU): rows travel through files. A plain process is a team of one.
"""

import os
import time
from datetime import timedelta

import torch
from torch import distributed

from .errors import BatchStopped

PATIENCE = timedelta(days=30)  # how long a fast process waits for a slow one
GLANCE = 0.1  # s between two looks at the others, so that a signal is heard


def launched() -> bool:
    """Whether a launcher watches over this process."""
    return distributed.is_torchelastic_launched()


def leads() -> bool:
    """Whether this is process 0 of its launch, which prepares, reports and joins the rows."""
    return not launched() or os.environ["RANK"] == "0"


class Team:
    """This process among the others: `rank` of `size`."""

    def __init__(self) -> None:
        self.rank, self.size = 0, 1
        if launched():
            self.rank, self.size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        if self.size > 1:
            distributed.init_process_group("gloo", timeout=PATIENCE)

    def __enter__(self) -> "Team":
        return self

    def __exit__(self, *_: object) -> None:
        if self.size > 1:
            distributed.destroy_process_group()

    @property
    def device(self) -> str | None:
        """A GPU of its own for each process of a machine; None leaves the choice to the checkpoint."""
        if self.size > 1 and (gpus := torch.cuda.device_count()):
            return f"cuda:{int(os.environ['LOCAL_RANK']) % gpus}"
        return None

    def wait(self) -> None:
        """Returns when every process has come here.

        Raises:
            BatchStopped: one of them is gone.
        """
        if self.size == 1:
            return
        try:
            gathering = distributed.barrier(async_op=True)
            while not gathering.is_completed():
                time.sleep(GLANCE)
            gathering.wait()
        except RuntimeError as error:
            raise BatchStopped(
                f"process {self.rank}: another process is gone, and its own message says why; run the same line again"
            ) from error
