"""Text data: tokenizers, parallel corpora and batches, under one name."""

from unspool.data.batches import Batch, Batches, encode_source, encode_target, pad
from unspool.data.corpus import ListCorpus, ParallelCorpus, open_parallel
from unspool.data.covered import check_covered, warn_of_unknown
from unspool.data.symbols import END, PAD, START, SYMBOLS, UNKNOWN
from unspool.data.tokenizer import TOKENIZERS, Tokenizer, load_tokenizer, tokenizer_bytes, train_tokenizer

__all__ = [
    "END",
    "PAD",
    "START",
    "SYMBOLS",
    "TOKENIZERS",
    "UNKNOWN",
    "Batch",
    "Batches",
    "ListCorpus",
    "ParallelCorpus",
    "Tokenizer",
    "check_covered",
    "encode_source",
    "encode_target",
    "load_tokenizer",
    "open_parallel",
    "pad",
    "tokenizer_bytes",
    "train_tokenizer",
    "warn_of_unknown",
]
