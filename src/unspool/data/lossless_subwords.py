"""Lossless subwords, by the `tokenizers` and the `sentencepiece` libraries."""

from __future__ import annotations

import io
import json
from array import array
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Self

import numpy as np

from unspool.data.lossless_base import BYTES, LosslessTokenizer, lines_of
from unspool.data.needed import needed
from unspool.data.subwords import LONGEST_LINE
from unspool.errors import ConfigError, UnspoolError

AT_A_TIME = 10_000
"""Lines that are encoded at once."""


class ByteBPETokenizer(LosslessTokenizer):
    """Byte-pair encoding over bytes (Radford et al. 2019, section 2.2,
    https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf)."""

    kind = "bpe"

    def __init__(self, model: Any) -> None:
        letters = {letter: byte for byte, letter in enumerate(_byte_letters())}
        names = [model.id_to_token(i) for i in range(model.get_vocab_size())]
        super().__init__([bytes(letters[letter] for letter in name) for name in names])
        if len({content for content in self.contents if len(content) == 1}) < BYTES:
            raise ValueError("it lacks some of the 256 bytes")
        self._model = model

    @classmethod
    def train(cls, texts: Sequence[str], *, vocabulary: int, min_count: int) -> Self:
        hf = needed("tokenizers", "making subwords", "language")
        tokenizer = hf.Tokenizer(hf.models.BPE())
        tokenizer.pre_tokenizer = hf.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
        trainer = hf.trainers.BpeTrainer(
            vocab_size=vocabulary, min_frequency=min_count, show_progress=False, initial_alphabet=_byte_letters()
        )
        tokenizer.train_from_iterator(_lines(texts), trainer)
        return cls(tokenizer)

    def _encode(self, text: str) -> np.ndarray:
        ids = array("i")
        lines = list(lines_of(text))
        for at in range(0, len(lines), AT_A_TIME):
            for found in self._model.encode_batch_fast(lines[at : at + AT_A_TIME], add_special_tokens=False):
                ids.extend(found.ids)
        return np.frombuffer(ids, dtype=np.intc)

    def to_bytes(self) -> bytes:
        return self._model.to_str().encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        try:
            model = needed("tokenizers", "making subwords", "language").Tokenizer.from_buffer(content)
        except UnspoolError:
            raise
        except Exception as error:  # the library raises no class of its own
            raise ValueError(f"the tokenizers library cannot read it: {error}") from error
        return cls(model)


class ByteUnigramTokenizer(LosslessTokenizer):
    """A unigram model by sentencepiece (Kudo & Richardson 2018, https://arxiv.org/abs/1808.06226) over the text as it
    is, with ids 0 to 255 for the bytes of what the model does not know, line ends among them."""

    kind = "sentencepiece"

    def __init__(self, model: bytes) -> None:
        self._content = model
        self._model = needed("sentencepiece", "this tokenizer", "language").SentencePieceProcessor(model_proto=model)
        # The library's id 0 is an unknown symbol, which bytes make needless: all ids are one less here.
        names = [self._model.id_to_piece(i) for i in range(1, self._model.get_piece_size())]
        if names[:BYTES] != [f"<0x{byte:02X}>" for byte in range(BYTES)]:
            raise ValueError("it has no bytes to fall back to")
        single = [bytes([byte]) for byte in range(BYTES)]
        super().__init__([*single, *(name.replace("▁", " ").encode() for name in names[BYTES:])])

    @classmethod
    def train(cls, texts: Sequence[str], *, vocabulary: int, min_count: int) -> Self:
        if min_count > 1:
            raise ConfigError(f"min_count is {min_count}; sentencepiece knows no such bound, expected 1")
        written = io.BytesIO()
        try:
            needed("sentencepiece", "this tokenizer", "language").SentencePieceTrainer.train(
                sentence_iterator=_lines(texts), model_writer=written, vocab_size=vocabulary, hard_vocab_limit=False,
                character_coverage=1.0, num_threads=1, max_sentence_length=LONGEST_LINE, byte_fallback=True,
                normalization_rule_name="identity", add_dummy_prefix=False, remove_extra_whitespaces=False,
                allow_whitespace_only_pieces=True, unk_id=0, bos_id=-1, eos_id=-1, pad_id=-1, minloglevel=2,
            )  # fmt: skip
        except RuntimeError as error:
            raise ConfigError(f"sentencepiece cannot learn {vocabulary} symbols from this text: {error}") from error
        return cls(written.getvalue())

    def _encode(self, text: str) -> np.ndarray:
        return np.frombuffer(array("i", chain.from_iterable(map(self._line, lines_of(text)))), dtype=np.intc)

    def _line(self, line: str) -> Sequence[int]:
        """A line that the model would change (it has "▁" itself, say) is spelled in bytes."""
        ids, exact = [i - 1 for i in self._model.encode(line)], line.encode()
        return ids if b"".join(self.contents[i] if i >= 0 else b"" for i in ids) == exact else exact

    def to_bytes(self) -> bytes:
        return json.dumps({"bytes": len(self._content)}).encode() + b"\n" + self._content

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        head, model = content.split(b"\n", 1)
        if len(model) != (size := json.loads(head)["bytes"]):  # the library accepts a model that has lost its end
            raise ValueError(f"it holds a model of {len(model)} bytes instead of {size}")
        return cls(model)


def _lines(texts: Sequence[str]) -> Iterator[str]:
    return (line for text in texts for line in lines_of(text))


def _byte_letters() -> list[str]:
    """The letter that stands for each byte in the `tokenizers` library: printable ones for themselves, the others,
    in order, for code points from 256 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(256, 512))
    return [chr(byte if byte in printable else next(others)) for byte in range(BYTES)]
