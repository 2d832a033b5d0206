"""What the cells of a run share: the backbone, the tasks, the parties, and the cache."""

from __future__ import annotations

import logging
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pibench
from pibench.disk import Cache
from pibench.engines.engine import Engine, Parties
from pibench.errors import InputError
from pibench.measure.identity import compression_code, training_code
from pibench.measure.plan import Cell, Plan
from pibench.measure.provenance import environment
from pibench.methods.registry import METHODS
from pibench.model.backbones.backbone import Backbone, load_backbone
from pibench.results.records import read_all
from pibench.tasks.encode import EncodedTask, encode_task
from pibench.tasks.load import load
from pibench.tasks.task import RawTask
from pibench.training.budget import Budget

log = logging.getLogger("pibench")

THREADS_PER_PARTY = 1


class Workbench:
    """Loads and starts resources on demand, each at most once per run."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.written: set[Path] = set()
        """The records that this run has written."""
        self._caches: dict[str, Cache] = {}
        self._raw: dict[str, RawTask] = {}
        self._encoded: dict[tuple[str, int], EncodedTask] = {}
        self._parties: dict[str, Parties] = {}
        self._running = ExitStack()

    @property
    def environment(self) -> dict[str, Any]:
        """The ``environment`` of a record, with the ``peer`` machine of party 1 if it is another one."""
        peers = [parties.peer for parties in self._parties.values() if parties.peer]
        return self._own_environment | ({"peer": peers[0]} if peers else {})

    @cached_property
    def _own_environment(self) -> dict[str, Any]:
        return environment(THREADS_PER_PARTY)

    @cached_property
    def backbone(self) -> Backbone:
        """The pretrained encoder.

        Raises:
            InputError: it cannot be loaded, or its position table is shorter than the sequence length.
        """
        backbone = load_backbone(self.plan.backbone)
        if self.plan.seq_len > backbone.positions:
            raise InputError(
                f"--seq-len {self.plan.seq_len} is longer than the position table of backbone "
                f"{backbone.name!r}, which holds {backbone.positions}"
            )
        return backbone

    @property
    def dense_models(self) -> Cache:
        """The cache of dense models."""
        return self._cache(training_code())

    def models_of(self, method: str) -> Cache:
        """Return the cache of what a method makes."""
        return self._cache(compression_code(METHODS[method]))

    def _cache(self, code: str) -> Cache:
        about = [self.backbone.fingerprint, code]
        return self._caches.setdefault(code, Cache(self.plan.models, self.plan.resume, about))

    def check(self) -> str:
        """Load everything that the cells need before the first one runs, and return the data source.

        Raises:
            InputError: the backbone, data, engine, address or output folder is unusable, or the folder holds records
                of another run.
        """
        if not self._own_environment["commit"]:
            log.warning(
                "no commit is known of the code that runs, since %s is not a git repository or git is missing: these "
                "records cannot be cited, and pibench tables needs --draft to show them",
                pibench.CHECKOUT,
            )
        for engine in self.plan.running.values():
            engine.check(self.plan.session)
        sources = {self.task(cell.task, cell.seed).data.source for cell in self.plan.cells}
        if len(sources) > 1:
            raise InputError(f"the tasks have data from {' and '.join(sorted(sources))}: run them apart")
        (source,) = sources
        self.plan = replace(self.plan, output=Path(str(self.plan.output).replace("{data}", source)))
        writable(self.plan.records)
        self.refuse_other_records(source)
        return source

    def refuse_other_records(self, source: str) -> None:
        """Raise if a cell in the output folder cannot be compared with those of this run; studies are not checked."""
        own = {
            "data": source,
            "backbone": self.plan.backbone_name,
            "backbone_fingerprint": self.backbone.fingerprint,
            "seq_len": self.plan.seq_len,
            "suite_version": pibench.__version__,
        }
        for record in read_all(self.plan.records):
            if record["kind"] == "study":
                continue
            engine = record["engine"]
            expected = own | ({"security": self.plan.security(engine)} if engine in self.plan.running else {})
            for key in expected.keys() & record.keys():
                if record[key] is not None and record[key] != expected[key]:
                    raise InputError(
                        f"{self.plan.records} holds records with {key} {record[key]}, but this run has "
                        f"{expected[key]}: choose another --output, or remove that folder"
                    )

    def task(self, name: str, seed: int) -> EncodedTask:
        """Return a task, tokenised, with its selection split cut by ``seed``."""
        if name not in self._raw:
            self._raw[name] = load(name, self.plan.glue_dir, self.plan.source)
        if (name, seed) not in self._encoded:
            encoded = encode_task(
                self._raw[name], self.backbone.tokenizer, self.plan.seq_len, seed, self.plan.profile.selection
            )
            _refuse_strange_segments(self.backbone, encoded)
            self._encoded[name, seed] = encoded
        return self._encoded[name, seed]

    def budget(self, cell: Cell) -> Budget:
        """Return the cell's budget."""
        return replace(self.plan.budget, seed=cell.seed)

    def engine(self, name: str) -> Engine:
        """Return an engine of this run."""
        return self.plan.running[name]

    def parties(self, engine: str) -> Parties:
        """Return the running parties of an engine; they are started again after :meth:`stop_parties`."""
        if engine not in self._parties:
            started = self.engine(engine).start(self.plan.session)
            self._parties[engine] = self._running.enter_context(started)
        return self._parties[engine]

    def stop_parties(self) -> None:
        """End all party processes, so that the next use starts fresh ones."""
        self._parties.clear()
        self._running.close()


def _refuse_strange_segments(backbone: Backbone, encoded: EncodedTask) -> None:
    """Raise if a task has more segments than the backbone has token types."""
    types = backbone.token_types
    segments = 1 + max(map(max, encoded.validation.token_type_ids))
    if 0 < types < segments:
        raise InputError(
            f"task {encoded.data.task.name!r} has texts in {segments} segments, but the backbone {backbone.name!r} has "
            f"{types} token type: choose another backbone, or a task of single texts"
        )


def writable(folder: Path) -> None:
    """Make ``folder`` and check that a file can be written there.

    Raises:
        InputError: it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}; choose another folder") from error
