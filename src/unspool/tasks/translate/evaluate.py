"""Measure a translator on a test set, with the field's own metrics."""

from __future__ import annotations

import math
from typing import Any

import torch

from unspool.data.batches import Batches
from unspool.data.corpus import ParallelCorpus
from unspool.data.covered import warn_of_unknown
from unspool.errors import UnspoolError
from unspool.tasks.translate.job import symbol_loss
from unspool.tasks.translate.translator import DecodeOptions, Translator


def evaluate(
    translator: Translator, corpus: ParallelCorpus, options: DecodeOptions | None = None
) -> tuple[dict[str, Any], list[str]]:
    """Translate all sources of `corpus` and compare with its targets.

    Returns:
        metrics: `lines`; `exact_match`; `perplexity` a target symbol (of the first run, if there are several);
        `bleu` and `bleu_lowercase` (13a tokenization, on plain text), `chrf`, each with sacreBLEU's `…_signature`;
        `beam`. And the translations.
    """
    options = options or DecodeOptions()
    warn_of_unknown(translator.target, corpus)
    sources, references = [source for source, _ in corpus], [target for _, target in corpus]
    answers = translator.translate(sources, options)
    right = sum(answer == " ".join(reference.split()) for answer, reference in zip(answers, references, strict=True))
    metrics = {
        "lines": len(answers),
        "exact_match": right / len(answers),
        "perplexity": _perplexity(translator, corpus),
        **text_metrics(answers, references),
        "beam": options.beam,
    }
    return metrics, answers


def text_metrics(answers: list[str], references: list[str]) -> dict[str, Any]:
    """Corpus BLEU (cased and not) and chrF, by sacreBLEU (Post 2018, https://aclanthology.org/W18-6319)."""
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    except ImportError as error:
        raise UnspoolError("BLEU needs the sacrebleu library: pip install 'unspool[translate]'") from error
    found: dict[str, Any] = {}
    for name, metric in (("bleu", BLEU()), ("bleu_lowercase", BLEU(lowercase=True)), ("chrf", CHRF())):
        found[name] = round(metric.corpus_score(answers, [references]).score, 2)
        found[f"{name}_signature"] = str(metric.get_signature())
    return found


def _perplexity(translator: Translator, corpus: ParallelCorpus) -> float:
    batches = Batches(corpus, translator.source, translator.target, max_tokens=4000, max_length=10**6)
    loss, symbols = 0.0, 0
    with torch.no_grad():
        for batch in batches.epoch(0):
            total, count = symbol_loss(translator.models[0], batch)
            loss, symbols = loss + float(total), symbols + count
    return math.exp(min(loss / symbols, 700))
