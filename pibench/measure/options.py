"""The options of a run, declared once: pytest, ``pibench compress`` and ``pibench submit`` read the same ones."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from pibench.arguments import at_least, checkpoint, path, seed, words
from pibench.engines.security import DEALERS
from pibench.errors import InputError
from pibench.measure.profiles import PROFILES
from pibench.net.profiles import MODELLED, NETWORKS
from pibench.results.records import NEXT

_WEEK_S = 7 * 24 * 3600.0
_LINKS = ", ".join(name for name in NETWORKS if name not in ("loopback", *MODELLED))
OPTIONS: dict[str, dict[str, Any]] = {
    "--tasks": {
        "default": "sst2",
        "help": "tasks or TOML files of your own data, comma-separated (default: %(default)s)",
    },
    "--methods": {
        "default": "all",
        "help": "methods, comma-separated; METHOD/VARIANT for one variant alone (default: all that are installed)",
    },
    "--profile": {"default": "quick", "help": f"{' or '.join(PROFILES)} (default: %(default)s)"},
    "--seq-len": {"type": at_least(3), "help": "longest sequence in tokens (default: the profile's)"},
    "--engine": {
        "help": "engines, comma-separated; NAME:METHOD or NAME:METHOD/VARIANT runs that alone (default: lean, and "
        "crypten:dense/exact if CrypTen is installed)"
    },
    "--mpc-examples": {
        "type": at_least(0),
        "help": "validation examples scored under MPC, 0 for none (default: the profile's)",
    },
    "--network": {"default": "lan", "help": f"one more link to model: {_LINKS}, or a link such as '3Gbit,1ms'"},
    "--seeds": {"default": "0", "help": "seeds, comma-separated (default: %(default)s)"},
    "--backbone": {"type": checkpoint, "default": "minilm", "help": "hub id, folder, or minilm (default: %(default)s)"},
    "--recovery": {"default": "distill", "help": "distill from the dense model, or finetune (default: %(default)s)"},
    "--resume": {"action": "store_true", "help": "keep finished cells and trained models of an earlier run"},
    "--glue-dir": {"type": path, "help": "folder of GLUE parquet files (default: $PIBENCH_GLUE_DIR)"},
    "--data": {"default": "auto", "help": "auto, folder, hub or sample (default: %(default)s)"},
    "--output": {"type": path, "help": "where records and tables go (default: the profile's)"},
    "--dealer": {
        "default": "first-party",
        "help": f"{' or '.join(DEALERS)}, see docs/security.md (default: %(default)s)",
    },
    "--listen": {
        "metavar": "HOST:PORT",
        "help": "address to listen on for party 1 on another machine, see `pibench party --help`",
    },
    "--certificates": {"type": path, "help": "folder of this party's certificates (with --listen)"},
    "--port": {
        "type": at_least(1, 2**16 - 1),
        "help": "TCP port on loopback for the two parties (default: a free one)",
    },
    "--deadline": {
        "type": at_least(0.01, _WEEK_S),
        "default": 900.0,
        "help": "longest wait for an answer from a party, in seconds (default: %(default)s)",
    },
    "--studies": {
        "type": path,
        "default": NEXT / "records",
        "help": "where studies' records go (default: %(default)s)",
    },
    "--corpus": {
        "default": "warandpeace",
        "help": "text to train decoders on, the name of a folder (default: %(default)s)",
    },
    "--text-dir": {"type": path, "help": "folder with one subfolder of text per corpus (default: $PIBENCH_TEXT_DIR)"},
    "--vocabulary": {
        "type": at_least(256, 2**16),
        "default": 2048,
        "help": "vocabulary size of the decoders' tokenizer (default: %(default)s)",
    },
}
"""Each option with the keyword arguments of argparse's ``add_argument``."""


def declare(add: Callable[..., object]) -> None:
    """Declare all options by ``add``: argparse's ``add_argument``, or pytest's ``addoption``.

    Their values stay texts until :func:`convert`, so that both refuse a bad one in the same words.
    """
    for name, details in OPTIONS.items():
        add(name, **{key: value for key, value in details.items() if key != "type"})


def convert(options: Namespace) -> None:
    """Replace the texts in ``options`` by values of the options' types.

    Raises:
        InputError: an option has an invalid value, such as an empty one.
    """
    for name, details in OPTIONS.items():
        key = name[2:].replace("-", "_")
        given = getattr(options, key)
        if isinstance(given, str):
            try:
                setattr(options, key, details.get("type", words)(given))
            except ArgumentTypeError as error:
                raise InputError(f"{name} {error}") from error


class _Parser(ArgumentParser):
    """Raises an error of one sentence instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"pibench run: {message}")


def read(arguments: Sequence[str]) -> Namespace:
    """Return the options of a run from a command line.

    Raises:
        InputError: an option is unknown or has an invalid value.
    """
    parser = _Parser(allow_abbrev=False, add_help=False)
    declare(parser.add_argument)
    options = parser.parse_args(arguments)
    convert(options)
    return options


def defaults(**given: Any) -> Namespace:
    """Return all options with their defaults, except those ``given`` by name."""
    return Namespace(**{**vars(read([])), **given})


def listed(option: str, text: str) -> list[str]:
    """Return the distinct non-empty values of ``--option``; raises :class:`InputError` if there are none."""
    values = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not values:
        raise InputError(f"--{option} is empty; give at least one, comma-separated")
    return values


def seeds(text: str) -> list[int]:
    """Return the values of ``--seeds``; raises :class:`InputError` for anything but seeds."""
    try:
        return list(dict.fromkeys(map(seed, listed("seeds", text))))
    except ArgumentTypeError as error:
        raise InputError(f"--seeds {error}; give seeds such as 0,1,2") from error
