"""Sign records off for others to cite, or check the signature: ``pibench check-results``.

``SHA256SUMS`` beside the records lists the hash of each, in the format of ``sha256sum --check``.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

from pibench.arguments import path
from pibench.disk import save_text
from pibench.errors import one_sentence
from pibench.results.records import RESULTS, read_all
from pibench.results.refusal import refusals

SIGNATURE = "SHA256SUMS"


def sums(folder: Path) -> str:
    """Return the hash and the path of every record under ``folder/records``, one per line."""
    paths = sorted((folder / "records").rglob("*.json"))
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}\n" for path in paths]
    return "".join(lines)


def unsigned(folder: Path) -> list[str]:
    """Return one sentence for each record that differs from what was signed off."""
    try:
        signed = _by_path((folder / SIGNATURE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return [f"{folder / SIGNATURE} is missing or is not a list of hashes: sign the records off with --sign"]
    found = _by_path(sums(folder))
    return [
        f"{folder / path} was {'removed' if path not in found else 'added' if path not in signed else 'changed'} after "
        "the records were signed off: restore it, or check it and run again with --sign"
        for path in sorted(signed.keys() | found.keys())
        if signed.get(path) != found.get(path)
    ]


def _by_path(text: str) -> dict[str, str]:
    return {path: digest for digest, path in (line.split("  ", 1) for line in text.splitlines())}


@one_sentence
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, 1 where something is refused, or 2 for bad input."""
    parser = argparse.ArgumentParser(
        prog="pibench check-results", description="Check that records are fit to be cited, or sign them off."
    )
    parser.add_argument("--results", type=path, default=RESULTS, help="folder of records and tables (%(default)s)")
    parser.add_argument("--sign", action="store_true", help="write the signature, if nothing else is refused")
    arguments = parser.parse_args(argv)
    records = read_all(arguments.results / "records")
    reasons = refusals(records)
    if not reasons and arguments.sign:
        save_text(sums(arguments.results), arguments.results / SIGNATURE)
    reasons += unsigned(arguments.results)
    for reason in reasons:
        print(f"refused: {reason}", file=sys.stderr)
    if not reasons:
        print(
            f"{len(records)} records in {arguments.results} belong together, come from committed code, and are signed"
        )
    return int(bool(reasons))
