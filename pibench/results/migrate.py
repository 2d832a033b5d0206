"""Bring records of schema 1 to schema 2: ``python -m pibench.results.migrate FOLDER``.

Schema 1 called two engines ``crypten`` and told them apart by a field ``lowering``: ``fair`` ran on our own engine, now
``lean``, and ``stock`` on CrypTen's own tensors. The dense model's variants were named after it; they are now one
variant, ``exact``, on two engines. Schema 1 also kept in a free-form ``extra`` what tables read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from pibench.arguments import path
from pibench.errors import InputError, one_sentence
from pibench.results.records import SCHEMA_VERSION, Record, file_name, write

ENGINES = {"fair": "lean", "stock": "crypten"}
"""Today's engine of each lowering of schema 1."""
_ALWAYS = ("plain_config", "raw_sockets", "direct_shares")
_SPU = ("semi2k", "aby3", "cheetah")


def migrated(old: Record) -> Record:
    """Return a record of schema 1 converted to schema 2, or one of schema 2 unchanged; ``old`` is not modified."""
    if old["schema_version"] == SCHEMA_VERSION:
        return old
    if old["schema_version"] != 1:
        raise InputError(f"schema {old['schema_version']} is unknown: migrate takes records of schema 1")
    record = {**old, "schema_version": SCHEMA_VERSION}
    if record["kind"] == "study":
        return _study(record)
    engine, extra = ENGINES[record.pop("lowering")], record.pop("extra", {})
    record |= {"engine": engine, "last_error": extra.get("error"), "switches": _switches(engine, record["switches"])}
    return _accuracy(record, extra) if record["kind"] == "accuracy" else _cost(record, extra)


def _switches(engine: str, old: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return today's settings of an engine: what the lean engine now always does is no longer a switch."""
    if old is None:
        return None
    if engine == "crypten":
        kept = ("prefetch", "plain_config", "raw_sockets", "fraction_bits")
        return {"lowering": "stock"} | {name: old[name] for name in kept}
    return {name: value for name, value in old.items() if name not in _ALWAYS}


def _accuracy(record: Record, extra: dict[str, Any]) -> Record:
    dense = record["method"] == "dense" and record["variant"] in ENGINES
    return record | {
        "variant": "exact" if dense else record["variant"],
        "notes": extra.get("method") or {},
        "tuning": extra.get("dense"),
        "training_step_ratio": extra.get("training_step_ratio"),
    }


def _cost(record: Record, extra: dict[str, Any]) -> Record:
    baseline = record["baseline"] and {key: value for key, value in record["baseline"].items() if key != "lowering"}
    return record | {"baseline": baseline, "weights": extra.get("weights", "trained")}


def _study(record: Record) -> Record:
    names = {"crypten": "lean"} | {protocol: f"spu-{protocol}" for protocol in _SPU}
    security = record["security"]
    if record["engine"] == "spu":
        security = {names[engine]: words for engine, words in security.items()}
    rows = [_row(row, names) for row in record["rows"]]
    return record | {"engine": names.get(record["engine"], record["engine"]), "security": security, "rows": rows}


def _row(row: Record, names: dict[str, str]) -> Record:
    """Return a study's row with today's names of the engine and of the dense variant."""
    engine = {"engine": names[row["engine"]]} if row.get("engine") in names else {}
    variant = {"variant": "exact"} if (row.get("method"), row.get("variant")) == ("dense", "fair") else {}
    return row | engine | variant


@one_sentence
def main(argv: Sequence[str] | None = None) -> int:
    """Migrate every record in a folder, in place; return 0, or 2 for bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m pibench.results.migrate", description="Migrate records to schema 2."
    )
    parser.add_argument("folder", type=path, help="folder of records, such as results/v1/records")
    folder = parser.parse_args(argv).folder
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}: name the folder of the records")
    count = 0
    for file in sorted(folder.rglob("*.json")):
        old = json.loads(file.read_text(encoding="utf-8"))
        new = migrated(old)
        if new is not old:
            write(new, folder / file_name(new))
            count += 1
            if file != folder / file_name(new):
                file.unlink()
    print(f"{count} records migrated in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
