"""Measure a translator on a test set, with the field's own metrics."""

from __future__ import annotations

from typing import Any

from unspool.data.batches import Batches
from unspool.data.corpus import ParallelCorpus
from unspool.data.covered import warn_of_unknown
from unspool.errors import UnspoolError
from unspool.tasks.translate.decode_options import DecodeOptions
from unspool.tasks.translate.job import mean_loss, perplexity, same_text
from unspool.tasks.translate.translator import Translator


def evaluate(
    translator: Translator, corpus: ParallelCorpus, options: DecodeOptions | None = None
) -> tuple[dict[str, Any], list[str]]:
    """Translate all sources of `corpus` and compare with its targets.

    Returns:
        metrics: `lines`; `exact_match` (any white space is one space, as in validation); `perplexity` a target symbol
        (of the first run, if there are several); `bleu` and `bleu_lowercase` (13a tokenization, on plain text), `chrf`,
        each with sacreBLEU's `…_signature`; `beam`. And the translations.
    """
    options = options or DecodeOptions()
    warn_of_unknown(translator.target, corpus)
    sources, references = [source for source, _ in corpus], [target for _, target in corpus]
    answers = translator.translate(sources, options)
    batches = Batches(corpus, translator.source, translator.target, max_tokens=4000, max_length=10**6)
    metrics = {
        "lines": len(answers),
        "exact_match": sum(map(same_text, answers, references)) / len(answers),
        "perplexity": perplexity(mean_loss(translator.models[0], batches.epoch(0))),
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
