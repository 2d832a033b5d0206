"""Does SPU compute what the floats compute? Whole models, from embedded text to logits."""

from __future__ import annotations

import pytest

from benchmarks.conftest import PLAN
from pibench.engines.security import in_words
from pibench.engines.spu.engine import Semi2k
from pibench.measure.accuracy import first_examples, score_under_mpc
from pibench.measure.plan import Cell
from pibench.measure.spu import SESSION
from pibench.measure.stages import served
from pibench.measure.study import Log, Save
from pibench.measure.workbench import Workbench
from pibench.methods.registry import METHODS
from pibench.model.module import Model
from pibench.training.finetune import predict

MODELS = {"dense": "exact", "ig3d": "within_2.3", "aero": "SM+ScFuFFN"}


def test_spu_accuracy(request: pytest.FixtureRequest, save: Save, log: Log) -> None:
    """``--mpc-examples`` of each of ``--tasks``; models are trained here, or taken from ``runs/models`` to resume."""
    plan, engine, rows = request.config.stash[PLAN], Semi2k(), []
    bench = Workbench(plan)
    with engine.start(SESSION) as parties:
        for task in plan.tasks:
            for method, name in MODELS.items():
                variant = next(one for one in METHODS[method].info.variants if one.name == name)
                cell = Cell(task, method, variant, 0)
                model = served(bench, cell)
                assert isinstance(model, Model)
                data = bench.task(task, 0)
                subset = first_examples(data.validation, plan.mpc_examples)
                logits = predict(model, data.validation, data.data.pad_id)
                found = score_under_mpc(parties, model, data, subset, logits[subset], plan.profile.mpc_batch)
                log(f"{cell.name}: {found['mpc']:.1f} on SPU, {found['float_on_subset']:.1f} in floats")
                about = {"task": task, "method": method, "variant": name, "engine": engine.name}
                rows.append(about | {"weights_hash": model.fingerprint()} | found)
    save("spu_accuracy", rows, "spu", {engine.name: in_words(engine.security(SESSION))})
