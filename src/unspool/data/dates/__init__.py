"""Written dates and times in 28 locales, and what they mean in ISO 8601: the default job's data, generated.

A line may start with the tag of its locale, ``<de> 3. Mai 2021``: Babel's name of the locale in angle brackets and one
space. `fields` says what a pattern is compiled to, `locale_data` compiles Babel's, `formats` is the inventory, `sample`
draws from it, `split` holds out, `readings` reads backwards and computes the ceiling.

>>> from unspool.data.dates import default_splits
>>> splits = default_splits(seed=0, train_size=3, valid_size=0, test_size=0, tag_share=0.0)
>>> len(splits.train)
3
"""

from unspool.data.dates.formats import LOCALES, Format, inventory
from unspool.data.dates.readings import Reader, ceiling, readings
from unspool.data.dates.sample import Example, draw, split_tag, with_tag
from unspool.data.dates.split import Splits, default_splits, split_days, split_formats

__all__ = [
    "LOCALES",
    "Example",
    "Format",
    "Reader",
    "Splits",
    "ceiling",
    "default_splits",
    "draw",
    "inventory",
    "readings",
    "split_days",
    "split_formats",
    "split_tag",
    "with_tag",
]
