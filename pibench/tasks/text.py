"""English text for causal language modelling: from a folder, from the Hugging Face hub, or a built-in sample."""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch

from pibench.errors import InputError, pick
from pibench.tasks.load import SOURCES
from pibench.tasks.registry import TASKS
from pibench.tasks.sample import sample
from pibench.tasks.sources import HubUnavailable, reachable
from pibench.tasks.task import Hub

log = logging.getLogger("pibench")

HUB = Hub("Salesforce/wikitext", "wikitext-2-raw-v1", "main")
HELD_OUT = 10
"""One part in this many, the last one, is held out from a corpus without validation text."""


@dataclass(frozen=True)
class Corpus:
    """Training and validation text; ``source`` is ``folder``, ``hub`` or ``sample``."""

    name: str
    source: str
    train: str
    validation: str

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits of a SHA-256 over both texts."""
        return hashlib.sha256(f"{self.train}\0{self.validation}".encode()).hexdigest()[:16]


def load_corpus(name: str, text_dir: Path | None = None, source: str = "auto") -> Corpus:
    """Load a corpus.

    ``source`` is ``folder`` (``text_dir``, else the environment variable ``PIBENCH_TEXT_DIR``), ``hub`` (always
    wikitext-2), ``sample``, or ``auto``: the folder if one is named, else the hub, else the sample with a
    logged warning. The folder holds ``<name>/train.txt`` and ``<name>/validation.txt``, or any one text file, of which
    the last tenth is then held out.

    Raises:
        InputError: an unknown source, a hub out of reach (``source="hub"``), or text that is missing or unreadable.
    """
    pick("source", source, SOURCES)
    root = text_dir or os.environ.get("PIBENCH_TEXT_DIR")
    if source == "folder" and not root:
        raise InputError("no folder of text is named: pass --text-dir, or set PIBENCH_TEXT_DIR")
    if source == "sample":
        return _sample()
    if root and source != "hub":
        return _from_folder(name, Path(root))
    try:
        return _from_hub()
    except HubUnavailable as error:
        if source == "hub":
            raise
        log.warning("%s: using the built-in sample, which is not real text (%s)", name, error)
        return _sample()


def _from_folder(name: str, root: Path) -> Corpus:
    folders = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    if not folders:
        raise InputError(f"{root} holds no folder with text: name one that has a folder for each corpus")
    folder = root / pick("corpus", name, folders)
    files = sorted(folder.glob("*.txt"))
    if [path.name for path in files] == ["train.txt", "validation.txt"]:
        train, validation = (_read(path) for path in files)
        return Corpus(name, "folder", train, validation)
    if len(files) != 1:
        raise InputError(f"{folder} holds {len(files)} text files: give train.txt and validation.txt, or one file")
    text = _read(files[0])
    cut = len(text) - len(text) // HELD_OUT
    return Corpus(name, "folder", text[:cut], text[cut:])


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not readable as UTF-8 text: {error}") from error
    if len(text.strip()) < HELD_OUT:
        raise InputError(f"{path} is empty: give a file with text")
    return text


def _from_hub() -> Corpus:
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise HubUnavailable("the hub needs the package datasets: pip install 'pibench[hub]'") from error
    if not reachable(HUB):
        raise HubUnavailable(f"{HUB.dataset} on the Hugging Face hub is out of reach: connect, or set PIBENCH_TEXT_DIR")
    try:
        splits: Any = load_dataset(HUB.dataset, HUB.config, revision=HUB.revision)
        train, validation = ("".join(splits[split]["text"]) for split in ("train", "validation"))
    except Exception as error:  # datasets raises errors of many libraries
        raise HubUnavailable(f"{HUB.dataset} on the Hugging Face hub failed ({type(error).__name__})") from error
    return Corpus("wikitext-2", "hub", train, validation)


def _sample() -> Corpus:
    """Return distinct sentences of the built-in grammar in random order."""
    train, _ = sample(TASKS["mnli"], train=4000, validation=0)
    sentences = list(dict.fromkeys(f"{sentence}." for pair in train.texts for sentence in pair))
    Random(0).shuffle(sentences)
    cut = len(sentences) // HELD_OUT
    return Corpus("sample", "sample", "\n".join(sentences[cut:]), "\n".join(sentences[:cut]))


@dataclass(frozen=True)
class TextData:
    """A corpus in tokens: ``train`` and ``validation`` (tokens,), int64; ``bytes_per_token`` of the validation text."""

    corpus: Corpus
    vocabulary: int
    train: torch.Tensor
    validation: torch.Tensor
    bytes_per_token: float


def tokenise(corpus: Corpus, vocabulary: int) -> TextData:
    """Train a byte-level BPE tokenizer of at most ``vocabulary`` words on the training text, and apply it to both.

    Raises:
        InputError: the vocabulary cannot hold the 256 bytes.
    """
    from tokenizers import ByteLevelBPETokenizer

    if vocabulary < 256:
        raise InputError(f"a vocabulary of {vocabulary} words cannot hold all bytes; give at least 256")
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(corpus.train.splitlines(keepends=True), vocabulary, show_progress=False)
    train, validation = (torch.tensor(tokenizer.encode(text).ids) for text in (corpus.train, corpus.validation))
    size = len(corpus.validation.encode())
    return TextData(corpus, tokenizer.get_vocab_size(), train, validation, size / len(validation))
