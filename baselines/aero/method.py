"""AERO as a method of the suite: configurations from its ladder on an encoder, and its own ladder of decoders."""

from __future__ import annotations

from typing import Any

from baselines.aero.decoder import learn_rung
from baselines.aero.encoder import convert
from baselines.aero.paper import REPORTED
from baselines.aero.rungs import COMPARED, LADDER, parse_rung
from pibench.methods.contract import MethodInfo, Variant
from pibench.model.module import Model
from pibench.tasks.data import TaskData
from pibench.tasks.text import TextData
from pibench.training.budget import Budget
from pibench.training.language import LanguageBudget

RUNGS = ("SM+LN+R", "SM+G", "SM+ScFuFFN", "EReg(SM+ScFuFFN)")


class Aero:
    """Softmax-only, with and without entropy regularisation, and the rungs before it; new on GLUE."""

    info = MethodInfo(
        name="aero",
        version="2",
        summary="LayerNorm and GELU removed, FFNs merged, entropy regularised; on an encoder this is new",
        paper="Jha & Reagen, arXiv 2410.13060 (decoders only)",
        bibtex=(
            "@article{jha2024aero, title={{AERO}: Softmax-Only {LLM}s for Efficient Private Inference}, author={Jha, "
            "Nandan Kumar and Reagen, Brandon}, journal={arXiv:2410.13060}, year={2024}}"
        ),
        variants=tuple(Variant(rung) for rung in RUNGS),
        reported={
            "communication": "up to 4.23x less (GPT-2, 18 layers, 128 tokens); BumbleBee's protocols",
            "latency": "up to 1.94x (GPT-2, 12 layers, 128 tokens); two 32-core machines",
            "accuracy": "none on GLUE; perplexity 2.69 to 3.21 on CodeParrot (12 layers, 128 tokens)",
        },
    )
    configurations = LADDER
    compared = COMPARED
    reported_costs = REPORTED

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model:
        """Convert the dense encoder to the variant's rung."""
        return convert(dense, data, budget, parse_rung(variant.name), self.info.version)

    def learn_language(self, configuration: str, data: TextData, budget: LanguageBudget) -> dict[str, Any]:
        """Train a decoder of that configuration from scratch and return its results (see :func:`learn_rung`)."""
        return learn_rung(configuration, data, budget)
