"""Why a step cannot become a program."""

from __future__ import annotations


class CannotLower(Exception):
    """The step has a part that no program can express; the message names it, says why and how to change it."""


class BreaksContract(CannotLower):
    """The step does not do what a step must; the reference loop says what is wrong with it."""
