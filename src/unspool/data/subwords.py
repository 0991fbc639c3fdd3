"""Subword tokenizers, by the `tokenizers` and the `sentencepiece` libraries."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import Any

from unspool.data.needed import needed
from unspool.data.symbols import END, PAD, START, SYMBOLS, UNKNOWN
from unspool.errors import ConfigError

LONGEST_LINE = 1 << 20
"""Bytes of a line beyond which sentencepiece does not learn from it (its own default is 4192)."""


class SubwordTokenizer:
    """Byte-pair encoding (Sennrich et al. 2016, https://arxiv.org/abs/1508.07909) over words, punctuation marks and
    digits.

    `decode(encode(x))` gives x back, in Unicode's normal form C and without a space at its start, where all its
    characters are known.
    """

    kind = "bpe"

    def __init__(self, model: Any) -> None:
        self._model = model
        model.encode_special_tokens = True  # "<s>" in a text is three characters, never the start symbol

    @classmethod
    def train(cls, texts: Iterable[str], *, vocabulary: int, min_count: int, lowercase: bool) -> SubwordTokenizer:
        hf = needed("tokenizers", "making subwords", "translate")
        tokenizer = hf.Tokenizer(hf.models.BPE(unk_token=SYMBOLS[UNKNOWN]))
        steps = [hf.normalizers.NFC(), *([hf.normalizers.Lowercase()] if lowercase else [])]
        tokenizer.normalizer = hf.normalizers.Sequence(steps)
        # Metaspace keeps where the spaces were; punctuation is split off, so that "dog." shares its word with "dog";
        # each digit is a symbol, so that numbers never met are read as well as those met.
        tokenizer.pre_tokenizer = hf.pre_tokenizers.Sequence(
            [
                hf.pre_tokenizers.Metaspace(prepend_scheme="always"),
                hf.pre_tokenizers.Punctuation("isolated"),
                hf.pre_tokenizers.Digits(individual_digits=True),
            ]
        )
        tokenizer.decoder = hf.decoders.Metaspace(prepend_scheme="always")
        trainer = hf.trainers.BpeTrainer(
            vocab_size=vocabulary, min_frequency=min_count, special_tokens=list(SYMBOLS), show_progress=False
        )
        tokenizer.train_from_iterator(texts, trainer)
        if (size := tokenizer.get_vocab_size()) > vocabulary:
            raise ConfigError(f"vocabulary is {vocabulary}; the different characters of this text alone need {size}")
        return cls(tokenizer)

    @property
    def size(self) -> int:
        return self._model.get_vocab_size()

    def encode(self, text: str) -> list[int]:
        return self._model.encode(_whole(text), add_special_tokens=False).ids

    def decode(self, ids: Iterable[int]) -> str:
        names = ["⁇" if i == UNKNOWN else self._model.id_to_token(i) for i in ids if i >= UNKNOWN]
        return self._model.decoder.decode(names)

    def pieces(self, ids: Iterable[int]) -> list[str]:
        return [self._model.id_to_token(i) for i in ids]

    def to_bytes(self) -> bytes:
        return self._model.to_str().encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> SubwordTokenizer:
        if not isinstance(json.loads(content), dict):  # the library raises a bare Exception on what is not JSON
            raise ValueError("it is not a JSON object")
        return cls(needed("tokenizers", "making subwords", "translate").Tokenizer.from_buffer(content))


class SentencePieceTokenizer:
    """A unigram model by sentencepiece (Kudo & Richardson 2018, https://arxiv.org/abs/1808.06226).

    Text is brought to Unicode's form KC, and runs of spaces to one space, as sentencepiece does by default.
    """

    kind = "sentencepiece"

    def __init__(self, model: bytes, lowercase: bool) -> None:
        self._content, self._lowercase = model, lowercase
        self._model = needed("sentencepiece", "this tokenizer", "translate").SentencePieceProcessor(model_proto=model)

    @classmethod
    def train(cls, texts: Iterable[str], *, vocabulary: int, min_count: int, lowercase: bool) -> SentencePieceTokenizer:
        if min_count > 1:
            raise ConfigError(f"min_count is {min_count}; sentencepiece knows no such bound, expected 1")
        written = io.BytesIO()
        try:
            needed("sentencepiece", "this tokenizer", "translate").SentencePieceTrainer.train(
                sentence_iterator=iter(text.lower() if lowercase else text for text in texts), model_writer=written,
                vocab_size=vocabulary, hard_vocab_limit=False, character_coverage=1.0, num_threads=1,
                max_sentence_length=LONGEST_LINE,
                pad_id=PAD, bos_id=START, eos_id=END, unk_id=UNKNOWN, minloglevel=2,
            )  # fmt: skip
        except RuntimeError as error:
            raise ConfigError(f"sentencepiece cannot learn {vocabulary} symbols from this text: {error}") from error
        return cls(written.getvalue(), lowercase)

    @property
    def size(self) -> int:
        return self._model.get_piece_size()

    def encode(self, text: str) -> list[int]:
        return self._model.encode(_whole(text.lower() if self._lowercase else text))

    def decode(self, ids: Iterable[int]) -> str:
        return self._model.decode([i for i in ids if i >= UNKNOWN]).replace(" ⁇ ", "⁇")

    def pieces(self, ids: Iterable[int]) -> list[str]:
        return [self._model.id_to_piece(i) for i in ids]

    def to_bytes(self) -> bytes:
        head = {"lowercase": self._lowercase, "bytes": len(self._content)}
        return json.dumps(head).encode() + b"\n" + self._content

    @classmethod
    def from_bytes(cls, content: bytes) -> SentencePieceTokenizer:
        head, model = content.split(b"\n", 1)
        found = json.loads(head)
        if len(model) != found["bytes"]:  # the library itself accepts a model that has lost its end
            raise ValueError(f"it holds a model of {len(model)} bytes instead of {found['bytes']}")
        return cls(model, bool(found["lowercase"]))


def _whole(text: str) -> str:
    """`text` with each lone surrogate, which no library takes, as characters that are in no vocabulary."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
