"""What the cells of a run share: the backbone, the tasks, trained models and the two parties."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pibench
from pibench.disk import load as load_saved
from pibench.disk import save, save_text
from pibench.engines.crypten.compat import import_crypten
from pibench.engines.lean.parties import Parties
from pibench.engines.lean.remote import Listener, RemoteParties, parse_address
from pibench.engines.lean.rescale import rescaled
from pibench.errors import InputError
from pibench.measure.plan import Cell, Plan
from pibench.measure.provenance import environment
from pibench.methods.contract import Skip
from pibench.methods.registry import METHODS
from pibench.model.architecture import Architecture
from pibench.model.backbones.backbone import Backbone, build_model, load_backbone
from pibench.model.module import Model
from pibench.net.processes import free_port
from pibench.results.records import read_all
from pibench.tasks.encode import EncodedTask, encode_task
from pibench.tasks.load import load
from pibench.tasks.task import RawTask
from pibench.training.budget import Budget
from pibench.training.tune import Grid, Tuned, tune

THREADS_PER_PARTY = 1
TUNED_SEED = 0
"""The seed at which a task's learning rate is chosen."""


class Workbench:
    """Loads, trains and caches on demand; everything is made at most once a run."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.written: set[Path] = set()
        self._raw: dict[str, RawTask] = {}
        self._encoded: dict[tuple[str, int], EncodedTask] = {}
        self._models: dict[str, Model | Skip] = {}
        self._failures: dict[str, Exception] = {}
        self._parties: Parties | None = None
        self._running = ExitStack()

    @property
    def environment(self) -> dict[str, Any]:
        """The ``environment`` of a record, with the ``peer`` machine of party 1 if it is another one."""
        peer = self._listener and self._listener.peer
        return self._own_environment | ({"peer": peer} if peer else {})

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

    def check(self, cells: list[Cell]) -> str:
        """Load all that the cells need, before the first of them runs, and return the data source.

        Raises:
            InputError: backbone, data, CrypTen, address or output folder is bad, or the folder holds other records.
        """
        import_crypten()
        free_port(self.plan.port)
        _ = self._listener
        sources = {self.task(cell.task, cell.seed).data.source for cell in cells}
        if len(sources) > 1:
            raise InputError(f"the tasks come from {' and '.join(sorted(sources))}: choose one with --data")
        (source,) = sources
        self.plan = replace(self.plan, output=Path(str(self.plan.output).format(data=source)))
        writable(self.plan.records)
        if not self.plan.resume:
            shutil.rmtree(self.plan.scratch, ignore_errors=True)
        self.refuse_other_records(source)
        return source

    def refuse_other_records(self, source: str) -> None:
        """Raise if a cell in the output folder does not belong beside those of this run; studies stand alone."""
        own = {
            "data": source,
            "backbone": self.plan.backbone_name,
            "seq_len": self.plan.seq_len,
            "suite_version": pibench.__version__,
            "security": self.plan.security,
        }
        cells = [record for record in read_all(self.plan.records) if record["kind"] != "study"]
        for record in cells:
            for key in own.keys() & record.keys():
                if record[key] is not None and record[key] != own[key]:
                    raise InputError(
                        f"{self.plan.records} holds records with {key} {record[key]}, but this run has {own[key]}: "
                        "choose another --output, or remove that folder"
                    )

    def task(self, name: str, seed: int) -> EncodedTask:
        """Return a task, tokenised, with its selection split cut by ``seed``."""
        if name not in self._raw:
            self._raw[name] = load(name, self.plan.glue_dir, self.plan.source)
        if (name, seed) not in self._encoded:
            self._encoded[name, seed] = encode_task(
                self._raw[name], self.backbone.tokenizer, self.plan.seq_len, seed, self.plan.profile.selection
            )
        return self._encoded[name, seed]

    def budget(self, cell: Cell) -> Budget:
        """Return what the cell may spend."""
        return replace(self.plan.budget, seed=cell.seed)

    def dense(self, cell: Cell) -> Model:
        """Return the dense model of the cell's task and seed, tuned on the task."""

        def make() -> Model:
            tuned = self._tuned(cell, self._grid(cell))
            save_text(json.dumps(tuned.report()), self._tuning_path(cell))
            return tuned.model

        model = self._cached(self._dense_key(cell), make)
        assert isinstance(model, Model)
        return model

    def tuning(self, cell: Cell) -> dict[str, Any]:
        """Return how the dense model of the cell's task and seed came about (see :meth:`Tuned.report`)."""
        self.dense(cell)
        return json.loads(self._tuning_path(cell).read_text())

    def _tuned(self, cell: Cell, grid: Grid) -> Tuned:
        data = self.task(cell.task, cell.seed).data
        return tune(lambda: build_model(self.backbone, data.task.outputs, cell.seed), data, self.budget(cell), grid)

    def _grid(self, cell: Cell) -> Grid:
        """Return the grid of the first seed; the others take its learning rate and choose their epoch alone."""
        grid = self.plan.profile.grid
        if cell.seed == TUNED_SEED:
            return grid
        return replace(grid, learning_rates=(self.tuning(replace(cell, seed=TUNED_SEED))["learning_rate"],))

    def _dense_key(self, cell: Cell) -> str:
        plan, task = self.plan, self.task(cell.task, cell.seed).data
        spent = [plan.budget.examples, plan.budget.batch_size, asdict(plan.profile.grid), cell.seed]
        return _key(
            cell, "dense", "tuned", [plan.backbone, task.fingerprint, plan.seq_len, *spent, pibench.__version__]
        )

    def _tuning_path(self, cell: Cell) -> Path:
        return self.plan.models / f"{self._dense_key(cell)}.json"

    def compressed(self, cell: Cell, budget: Budget | None = None) -> Model | Skip:
        """Return what the cell's method makes of the dense model, within the cell's budget or another one.

        Public factors keep it inside the engine's domains, as far as they can.
        """
        method, spent = METHODS[cell.method], budget or self.budget(cell)
        dense = self.dense(cell)

        def make() -> Model | Skip:
            data = replace(self.task(cell.task, cell.seed).data, scratch=self.plan.scratch)
            return method.compress(dense, data, spent, cell.variant)

        parts = [self._dense_key(cell), asdict(spent), method.info.version, dict(cell.variant.options)]
        made = self._cached(_key(cell, cell.method, cell.variant.name, parts), make)
        if isinstance(made, Skip):
            return made
        data = self.task(cell.task, cell.seed).data
        return rescaled(made, data.selection, data.pad_id)

    @property
    def parties(self) -> Parties:
        """The running server and client; started again after :meth:`stop_parties`."""
        if self._parties is None:
            self._parties = self._running.enter_context(self._new_parties())
        return self._parties

    def _new_parties(self) -> Parties:
        if self._listener is None:
            return Parties(self.plan.deadline, self.plan.port, dealer=self.plan.dealer)
        return RemoteParties(self._listener, self.plan.deadline)

    @cached_property
    def _listener(self) -> Listener | None:
        """Party 0's door for a party 1 on another machine, if the plan has one."""
        if self.plan.listen is None:
            return None
        if self.plan.certificates is None:
            raise InputError("--listen needs --certificates: parties on two machines speak TLS alone")
        return Listener(parse_address(self.plan.listen), self.plan.certificates)

    def stop_parties(self) -> None:
        """End both party processes, so that the next use starts fresh ones."""
        self._parties = None
        self._running.close()

    def _cached(self, key: str, make: Any) -> Model | Skip:
        """Return the model of ``key``: from this run, from disk when resuming, or made and saved now."""
        if key in self._models:
            return self._models[key]
        if key in self._failures:
            raise self._failures[key]
        path = self.plan.models / f"{key}.pt"
        if self.plan.resume and path.exists():
            model = self._load(path)
        else:
            try:
                model = make()
            except Exception as error:
                self._failures[key] = error
                raise
            self._models[key] = model
            if isinstance(model, Model):
                spec = model.architecture.spec()
                save({"architecture": spec, "state": model.state_dict(), "notes": model.notes}, path)
        return self._models.setdefault(key, model)

    def _load(self, path: Path) -> Model:
        saved = load_saved(path)
        outputs = saved["architecture"]["outputs"]
        model = build_model(self.backbone, outputs).rebuilt(Architecture.from_spec(saved["architecture"]))
        model.load_state_dict(saved["state"])
        model.notes = saved["notes"]
        return model.eval()


def writable(folder: Path) -> None:
    """Make ``folder`` and prove that it takes a file.

    Raises:
        InputError: it does not.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}; choose another folder") from error


def _key(cell: Cell, method: str, variant: str, parts: list[Any]) -> str:
    """Return the file name, without its ending, of a model that depends on ``parts`` (JSON types)."""
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]
    return quote(f"{cell.task}--{method}--{variant}--s{cell.seed}--{digest}", safe="")
