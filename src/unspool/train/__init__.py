"""Training: a job's model, its run folder, and the loop that stops, resumes and scales without changing a bit."""

from unspool.train.interrupt import Interrupted
from unspool.train.job import Job
from unspool.train.loop import Summary, fit
from unspool.train.run import Run
from unspool.train.settings import TrainSettings

__all__ = ["Interrupted", "Job", "Run", "Summary", "TrainSettings", "fit"]
