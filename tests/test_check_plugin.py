from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from baselines.dense import Dense
from pibench.checks.method import CHECKS, Bench, keeps_contract
from pibench.errors import InputError
from pibench.methods.contract import Skip, Variant
from pibench.model.module import Model
from pibench.tasks.data import TaskData
from pibench.tasks.load import load
from pibench.training.budget import Budget
from tests.conftest import MakeData, MakeModel

ROOT = Path(__file__).resolve().parents[1]


def relu(dense: Model) -> Model:
    return dense.rebuilt(dense.architecture.with_layers(activation="relu")).eval()


class Good:
    info = Dense.info

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Any:
        return relu(dense)


class ChangesDense(Good):
    def compress(self, dense: Model, *rest: Any) -> Any:
        with torch.no_grad():
            next(dense.parameters()).add_(1)
        return relu(dense)


class DrawsFromAnywhere(Good):
    def compress(self, dense: Model, *rest: Any) -> Any:
        model = relu(dense)
        with torch.no_grad():
            model.head["classifier_bias"].add_(torch.randn(2))
        return model


class ReadsTheTask(Good):
    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Any:
        load("sst2", source="sample")
        return relu(dense)


class ReturnsNothing(Good):
    def compress(self, *arguments: Any) -> Any:
        return None


class Raises(Good):
    def compress(self, *arguments: Any) -> Any:
        raise OSError("no licence\nfound")


class SkipsSilently(Good):
    def compress(self, *arguments: Any) -> Any:
        return Skip("")


class Skips(Good):
    def compress(self, *arguments: Any) -> Any:
        return Skip("it needs a longer text")


class Overflows(Good):
    def compress(self, dense: Model, *rest: Any) -> Any:
        model = relu(dense)
        with torch.no_grad():
            model.layer_weights[0]["ffn_in_weight"].mul_(1e8)
            model.layer_weights[0]["ffn_out_weight"].mul_(1e8)
        return model


class HidesState(Good):
    def compress(self, dense: Model, *rest: Any) -> Any:
        class Secret(Model):
            def forward(self, *arguments: Any, **options: Any) -> Any:
                output = super().forward(*arguments, **options)
                return type(output)(output.logits + 1, output.hidden)

        model = relu(dense)
        model.__class__ = Secret
        return model


class FreezesDense(Good):
    def compress(self, dense: Model, *rest: Any) -> Any:
        dense.requires_grad_(False)
        return relu(dense)


class ForgetsCoefficients(Good):
    def compress(self, dense: Model, *rest: Any) -> Any:
        return dense.rebuilt(dense.architecture.with_layers(softmax="power2")).eval()


class Prints(Good):
    def compress(self, dense: Model, *rest: Any) -> Any:
        print("epoch 1")
        return relu(dense)


class ReadsGlue(Good):
    def compress(self, dense: Model, *rest: Any) -> Any:
        if folder := os.environ.get("PIBENCH_GLUE_DIR"):
            (Path(folder) / "sst2" / "validation.parquet").read_bytes()
        return relu(dense)


class Halves(Good):
    def compress(self, dense: Model, *rest: Any) -> Any:
        return relu(dense).half()


class DrawsFromNumpy(Good):
    def compress(self, dense: Model, *rest: Any) -> Any:
        model = relu(dense)
        with torch.no_grad():
            model.head["classifier_bias"].add_(float(np.random.rand()))
        return model


def verdicts(method: Any, make_model: MakeModel, make_data: MakeData) -> tuple[bool, str]:
    lines: list[str] = []
    bench = Bench(method, Variant("exact"), make_model(), make_data())
    return keeps_contract(bench, lines.append), "\n".join(lines)


@pytest.mark.mpc
def test_a_method_that_keeps_the_contract_passes_every_check(make_model: MakeModel, make_data: MakeData) -> None:
    good, text = verdicts(Good(), make_model, make_data)
    assert good, text
    assert text.count("  ok  ") == len(CHECKS)


@pytest.mark.mpc
@pytest.mark.parametrize(
    ("method", "words"),
    [
        (ChangesDense, "it changed the dense model"),
        (FreezesDense, "it changed the dense model"),
        (ForgetsCoefficients, "'layers.0.softmax_coefficients' was never set"),
        (Prints, "it printed to stdout"),
        (ReadsGlue, "a method must use only the data that it is given"),
        (Halves, "return a model in float32 on the CPU"),
        (DrawsFromNumpy, "draw from budget.seed alone"),
        (DrawsFromAnywhere, "draw from budget.seed alone"),
        (ReadsTheTask, "the validation split must not be seen"),
        (ReturnsNothing, "the method returned NoneType"),
        (Raises, "OSError: no licence found"),
        (SkipsSilently, "the method returned a Skip without a reason"),
        (Overflows, "numbers overflow the ring"),
        (HidesState, "keep everything it needs in architecture and weights"),
    ],
)
def test_each_breach_is_named(make_model: MakeModel, make_data: MakeData, method: type, words: str) -> None:
    good, text = verdicts(method(), make_model, make_data)
    assert not good
    assert words in text


def test_a_skip_with_a_reason_is_fine(make_model: MakeModel, make_data: MakeData) -> None:
    good, text = verdicts(Skips(), make_model, make_data)
    assert good
    assert "the remaining checks do not apply" in text


def test_tasks_can_be_loaded_again_after_a_check(make_model: MakeModel, make_data: MakeData) -> None:
    bench = Bench(ReadsTheTask(), Variant("exact"), make_model(), make_data())
    with pytest.raises(InputError):
        bench.compress()
    assert load("sst2", source="sample").task.name == "sst2"


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Install the example distribution into a folder of its own, and return the environment that sees it."""
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", str(folder)]
    subprocess.run([*pip, str(ROOT / "examples" / "squared_relu")], check=True, capture_output=True)
    return os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "TQDM_DISABLE": "1"}


def ran(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.mpc
def test_the_example_keeps_the_contract(example: dict[str, str]) -> None:
    done = ran(example, "-m", "pibench", "check-plugin", "squared_relu")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("  ok  ") == 2 * len(CHECKS)


def test_the_example_is_a_method_and_an_operator_like_the_suite_s_own(example: dict[str, str]) -> None:
    done = ran(
        example,
        "-c",
        "from pibench.methods.registry import METHODS; from pibench.model.operators.softmax import SOFTMAX\n"
        "print(list(METHODS), SOFTMAX['squared_relu'].paper)",
    )
    assert "'squared_relu'" in done.stdout and "made up for the documentation" in done.stdout


def test_an_unknown_method_is_one_sentence() -> None:
    done = ran(dict(os.environ), "-m", "pibench", "check-plugin", "squared_relus")
    assert done.returncode == 2
    assert done.stderr.startswith("error: unknown method or engine 'squared_relus'")
    assert done.stderr.count("\n") == 1
