"""The tables of studies about decoders: what they learn, and what they cost next to what papers report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean, median, stdev
from typing import Any

from scipy.stats import spearmanr

from pibench.net.profiles import NETWORKS
from pibench.results.cost import MODELLED, modelled_seconds
from pibench.results.methods import source
from pibench.results.records import Record
from pibench.results.render import Cell, Column, Table

Row = dict[str, Any]
MIN_RANKED = 4
LOW, HIGH = 0.25, 0.75
"""A head has collapsed, or is overloaded, if its entropy is in the lowest or the top quarter of the range."""


def language(record: Record) -> Table:
    """Return what each configuration learned: means over seeds, and how many seeds diverged."""
    columns = [
        Column("rung", "configuration"),
        Column("perplexity", "perplexity", 2),
        Column("perplexity_sd", "sd", 2),
        Column("bits_per_byte", "bits a byte", 3),
        Column("over_first", "over the first (%)", 1),
        Column("reported", "paper: perplexity", 2),
        Column("reported_over_first", "paper: over the first (%)", 1),
        Column("collapsed", "heads collapsed (%)", 0),
        Column("overloaded", "heads overloaded (%)", 0),
        Column("diverged", "seeds diverged", 0),
        Column("seeds", "seeds", 0),
        Column("parameters", "million parameters", 2),
    ]
    rungs = list(dict.fromkeys(row["rung"] for row in record["rows"]))
    groups = [[row for row in record["rows"] if row["rung"] == rung] for rung in rungs]
    first, reported_first = _perplexity(groups[0]), groups[0][0]["reported_perplexity"]
    rows = [_learned(group, first, reported_first) for group in groups]
    one = record["rows"][0]
    about = [
        f"Trained from scratch on {one['corpus']}, {one['steps']} steps of {one['batch_size']} windows of "
        f"{one['seq_len']} tokens, a vocabulary of {one['vocabulary']}; scored on text held out.",
        f"Collapsed or overloaded: a head's mean entropy is below {LOW:g} or above {HIGH:g} of log T.",
        "The paper's perplexities are of GPT-2 with 12 layers on CodeParrot, 128 tokens, trained on 2.1 billion: only "
        "their order can be compared." + _agreement(groups),
        source(record),
    ]
    return Table("language", "Decoders without nonlinearities: perplexity", columns, rows, about)


def _agreement(groups: Sequence[Sequence[Row]]) -> str:
    """Say how far the order of configurations is the paper's."""
    pairs = [(_perplexity(rows), rows[0]["reported_perplexity"]) for rows in groups]
    both = [(own, reported) for own, reported in pairs if own is not None and reported is not None]
    if len(both) < MIN_RANKED:
        return ""
    rank = spearmanr(*zip(*both, strict=True)).statistic
    return f" Spearman's rank correlation of the {len(both)} that both have: {rank:.2f}."


def _learned(rows: Sequence[Row], first: float | None, reported_first: float | None) -> list[Cell]:
    learned = [row for row in rows if row["loss"] is not None]
    perplexity, reported = _perplexity(rows), rows[0]["reported_perplexity"]
    heads = [entropy for row in learned for layer in row["entropies"] for entropy in layer]
    return [
        rows[0]["rung"],
        perplexity,
        stdev(row["perplexity"] for row in learned) if len(learned) > 1 else None,
        fmean(row["bits_per_byte"] for row in learned) if learned else None,
        _over(perplexity, first),
        reported,
        _over(reported, reported_first),
        100 * fmean(entropy < LOW for entropy in heads) if heads else None,
        100 * fmean(entropy > HIGH for entropy in heads) if heads else None,
        len(rows) - len(learned),
        len(rows),
        rows[0]["parameters"] / 1e6,
    ]


def _perplexity(rows: Iterable[Row]) -> float | None:
    learned = [row["perplexity"] for row in rows if row["perplexity"] is not None]
    return fmean(learned) if learned else None


def _over(value: float | None, first: float | None) -> float | None:
    return None if value is None or first is None else 100 * (value / first - 1)


def decoder_costs(record: Record) -> Table:
    """Return reported against measured costs of decoders, by size and configuration."""
    columns = [
        Column("layers", "layers", 0),
        Column("seq_len", "tokens", 0),
        Column("rung", "configuration"),
        Column("reported_gigabytes", "paper: GB", 2),
        Column("reported_reduction", "paper: times fewer", 2),
        Column("reported_minutes", "paper: minutes", 2),
        Column("reported_speedup", "paper: speed-up", 2),
        Column("needed_mbits", "paper: least Mbit/s needed", 0),
        Column("gigabytes", "GB", 2),
        Column("vocabulary_gigabytes", "of it vocabulary (GB)", 3),
        Column("reduction", "times fewer", 2),
        Column("rounds", "rounds", 0),
        Column("seconds", "loopback (s)", 2),
        Column("speedup", "speed-up", 2),
        *(Column(f"speedup_{link}", f"{link.upper()} speed-up (modelled)", 2) for link in MODELLED),
    ]
    whole = [row for row in record["rows"] if row["whole"]]
    layers = {(row["architecture"], row["seq_len"]): row for row in record["rows"] if not row["whole"]}
    firsts: dict[tuple[int, int], tuple[Row, dict[str, float]]] = {}
    rows = []
    for row in whole:
        reported = row["reported"]
        seconds = _seconds(row, layers)
        first, dense = firsts.setdefault((reported["layers"], reported["seq_len"]), (row, seconds))
        rows.append(_against(row, seconds, first, dense))
    about = [
        "Reported numbers are the paper's, of another protocol, and enter no ratio with ours: each ratio is to the "
        "first row of its size, within the paper or within this suite.",
        "The least bandwidth is what the reported traffic needs in the reported time, half of it each way at once; the "
        "paper states 100 Mbit/s.",
        "Bytes and rounds are the ledger's for the whole decoder, the words after the last position revealed; seconds "
        "are measured for one layer of each kind between two processes, times the number of such layers, without the "
        "vocabulary.",
        source(record),
    ]
    return Table("decoder_costs", "Decoders at the paper's size: reported against measured", columns, rows, about)


def _seconds(row: Row, layers: dict[tuple[str, int], Row]) -> dict[str, float]:
    """Return the decoder's seconds on loopback and modelled on links: the sum over its layers."""
    own = [layers[key, row["reported"]["seq_len"]] for key in row["layers"]]
    total = {"loopback": sum(median(layer["seconds"]) for layer in own)}
    for link in MODELLED:
        total[link] = sum(modelled_seconds(layer, NETWORKS[link]) or 0.0 for layer in own)
    return total


def _against(row: Row, seconds: dict[str, float], first: Row, dense: dict[str, float]) -> list[Cell]:
    reported, base = row["reported"], first["reported"]
    return [
        reported["layers"],
        reported["seq_len"],
        reported["rung"],
        reported["gigabytes"],
        reported["gigabytes"] and base["gigabytes"] / reported["gigabytes"],
        reported["minutes"],
        reported["minutes"] and base["minutes"] / reported["minutes"],
        reported["needed_mbits"],
        row["bytes_total"] / 1e9,
        row["vocabulary_bytes"] / 1e9,
        first["bytes_total"] / row["bytes_total"],
        row["rounds"],
        seconds["loopback"],
        dense["loopback"] / seconds["loopback"],
        *(dense[link] / seconds[link] for link in MODELLED),
    ]
