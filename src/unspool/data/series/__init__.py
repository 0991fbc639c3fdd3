"""Series of numbers over time: on the steps of a frequency, in memory or mapped from disk; no model, no torch."""

from unspool.data.series.columns import SeriesColumns
from unspool.data.series.covariate import Covariate
from unspool.data.series.files import read_series
from unspool.data.series.forecasts import Forecasts
from unspool.data.series.frame import from_frame, to_frame
from unspool.data.series.frequency import Frequency
from unspool.data.series.panel import Panel

__all__ = ["Covariate", "Forecasts", "Frequency", "Panel", "SeriesColumns", "from_frame", "read_series", "to_frame"]
