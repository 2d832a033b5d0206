"""``pibench costs``: measure the costs of architectures that have accuracy records but no cost record."""

from __future__ import annotations

import argparse
from typing import Any

from pibench.arguments import at_least, path
from pibench.cli.run import nothing_more


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    costs = commands.add_parser(
        "costs",
        help="measure the costs that records lack",
        description="Run each architecture that has an accuracy record but no cost record between real parties, with "
        "random weights of its shapes, interleaved with the dense model.",
    )
    costs.add_argument("--output", type=path, required=True, metavar="FOLDER", help="the folder that holds records/")
    costs.add_argument("--seq-len", type=at_least(3), default=128, help="tokens (%(default)s)")
    costs.add_argument("--pairs", type=at_least(1, 1000), default=8, help="interleaved pairs of runs (%(default)s)")
    costs.set_defaults(run=_costs)


def _costs(chosen: argparse.Namespace, rest: list[str]) -> int:
    nothing_more(chosen, rest)
    from pibench.engines.registry import HEADLINE
    from pibench.measure.missing import measure_missing, missing
    from pibench.measure.options import defaults
    from pibench.measure.plan import Plan
    from pibench.measure.workbench import Workbench
    from pibench.results.records import read_all

    records = read_all(chosen.output / "records")
    engines = {engine for _, engine in missing(records, chosen.seq_len)} or {HEADLINE}
    plan = Plan.from_options(defaults(engine=",".join(sorted(engines)), output=chosen.output, seq_len=chosen.seq_len))
    for engine in plan.running.values():
        engine.check(plan.session)
    bench = Workbench(plan)
    try:
        failed = measure_missing(bench, records, chosen.pairs, lambda line: print(line, flush=True))
    finally:
        bench.stop_parties()
    print(f"{len(bench.written) - failed} costs measured, {failed} failed; records are in {plan.records}")
    return int(failed > 0)
