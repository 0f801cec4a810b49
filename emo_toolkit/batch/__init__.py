"""Batch prediction: a folder or a manifest -> one row a file, in one process or many, resumable at any moment."""

from .errors import BatchRefused, BatchStopped
from .run import BatchRequest, Tally, run_batch
from .team import launched, leads

__all__ = ["BatchRefused", "BatchRequest", "BatchStopped", "Tally", "launched", "leads", "run_batch"]
