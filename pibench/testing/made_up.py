"""Made-up but valid records, for tests."""

from typing import Any

from pibench import __version__

ENVIRONMENT = {
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "dirty": False,
    "python": "3.11.9",
    "packages": {"torch": "2.6.0", "crypten": None},
    "threads": 1,
    "machine": {"cpu_model": "Made Up 3000", "cores": 2, "ram_gb": 8.0, "system": "Linux x86_64"},
    "load_1m": 0.1,
}
BUDGET = {
    "epochs": 3,
    "examples": 10_000,
    "batch_size": 32,
    "learning_rate": 5e-5,
    "tolerance": 2.3,
    "recovery": "distill",
    "seed": 0,
}
SHARED = {
    "schema_version": 2,
    "suite_version": __version__,
    "status": "ok",
    "error": None,
    "engine": "lean",
    "security": {"parties": 2, "adversary": "semi-honest"},
    "switches": {"raw_sockets": True, "prefetch": False, "fraction_bits": 13},
    "seq_len": 128,
    "environment": ENVIRONMENT,
    "started_utc": "2026-01-02T03:04:05Z",
    "seconds_total": 12.5,
    "last_error": None,
    "architecture_spec": {"layers": []},
}


def accuracy_record(task: str, method: str, variant: str, score: float | None, **changes: Any) -> dict[str, Any]:
    """Return an accuracy record; its score is the same in floats and in fixed point."""
    return (
        SHARED
        | {
            "kind": "accuracy",
            "task": task,
            "data": "glue",
            "data_fingerprint": f"data-of-{task}",
            "backbone": "bert-small",
            "weights_hash": None,
            "method": method,
            "method_version": "1",
            "variant": variant,
            "seed": 0,
            "notes": {},
            "tuning": None,
            "training_step_ratio": None,
            "budget": BUDGET,
            "metric": "accuracy",
            "metrics": {"accuracy": score},
            "float": score,
            "fixed": None,
            "mpc": None,
            "n": 100,
            "n_mpc": 0,
            "majority": 50.0,
            "mpc_check": None,
            "fixed_check": None,
            "outside_domain": None,
            "architecture": "dense",
        }
        | changes
    )


def failed_accuracy(task: str, method: str, variant: str, status: str, **changes: Any) -> dict[str, Any]:
    """Return an accuracy record of a cell without a result."""
    empty = {"status": status, "error": "no luck\nat all", "n": 0, "metrics": {}, "architecture": None}
    return accuracy_record(task, method, variant, None, **(empty | changes))


def cost_record(architecture: str, bytes_sent: list[int], seconds: list[float], **changes: Any) -> dict[str, Any]:
    """Return a cost record of the lean engine."""
    return (
        SHARED
        | {
            "kind": "cost",
            "architecture": architecture,
            "batch": 1,
            "weights": "trained",
            "bytes_total": sum(bytes_sent),
            "bytes_sent": bytes_sent,
            "rounds": 10,
            "multiplications": None,
            "operators": [],
            "seconds": seconds,
            "compute_seconds": [value / 2 for value in seconds],
            "baseline": None,
            "offline": {"source": "dealer", "elements": 5_000_000, "bytes_if_sent": 250_000_000, "seconds": [0.5]},
            "round_trips": 2.0,
            "scope": ["share", "encoder", "reveal"],
        }
        | changes
    )


def dense_baseline(seconds: list[float], **changes: Any) -> dict[str, Any]:
    """Return the part of a cost record about the dense model that ran beside it."""
    return {
        "architecture": "dense",
        "seconds": seconds,
        "compute_seconds": [value / 2 for value in seconds],
        "bytes_total": 8_000_000,
        "rounds": 20,
        "round_trips": 2.0,
    } | changes
