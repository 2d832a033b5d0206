"""What every reader of files and command lines does with damaged and made-up input."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded

from pibench.errors import InputError
from pibench.measure.study import Log, Save
from pibench.testing.readers import Reader, readers


def test_inputs(request: pytest.FixtureRequest, tmp_path: Path, save: Save, log: Log) -> None:
    """Every reader returns a value, raises our own error of one sentence, or ends the command with status 2."""
    rows = []
    for name, reader in readers(tmp_path).items():
        counts = _tried(reader, tmp_path / "file", request.config.getoption("inputs"))
        others = sorted(counts.keys() - {"value", "sentence"})
        rows.append(
            {
                "reader": name,
                "tried": counts.total(),
                "read": counts["value"],
                "refused": counts["sentence"],
                "others": sum(counts[other] for other in others),
                "which": ", ".join(others) or None,
            }
        )
        log(f"{rows[-1]}")
    save("reliability_inputs", rows)
    assert not any(row["others"] for row in rows)


def _tried(reader: Reader, path: Path, times: int) -> Counter[str]:
    counts: Counter[str] = Counter()

    @seeded(0)
    @settings(
        max_examples=times,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(reader.contents)
    def every(content: bytes) -> None:
        path.write_bytes(content)
        try:
            status = reader.read(path)
            counts["sentence" if status == 2 else "value"] += 1
        except InputError as error:
            counts["sentence" if len(str(error).splitlines()) == 1 else "several lines"] += 1
        except Exception as error:
            counts[type(error).__name__] += 1

    every()
    return counts
