"""Messages between machines: what goes in comes out, and nothing else gets in."""

from __future__ import annotations

import io
import json
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pibench.engines.engine import Cost
from pibench.engines.lean.messages import packed, unpacked
from pibench.engines.lean.party import PartyView
from pibench.engines.lean.switches import LEAN
from pibench.errors import InputError
from pibench.model.architecture import Architecture, Layer
from pibench.net.processes import Failure

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(plain)
def test_plain_values_survive(value: Any) -> None:
    assert unpacked(packed(value)) == value


@given(arrays.arrays(st.sampled_from([np.int8, np.int64, np.float32]), arrays.array_shapes(min_side=0, max_dims=4)))
def test_arrays_survive(value: np.ndarray) -> None:
    found = unpacked(packed({"here": [value, value]}))["here"]
    for one in found:
        assert one.dtype == value.dtype
        np.testing.assert_array_equal(one, value)


def test_what_the_parties_exchange_survives() -> None:
    architecture = Architecture(16, (Layer(2, 8, 32), Layer(1, 8, 0, norm="none")), 2)
    seen = PartyView(np.ones((2, 2)), 1.5, 1.0, {"layer0": Cost(8, 1)}, {"layer0": (1.0, 0.5)}, 1024, None, 3)
    value = ["load", ["name", architecture, LEAN, None], Failure(1.0, "what"), seen]
    command, arguments, failure, found = unpacked(packed(value))
    assert (command, arguments, failure) == (value[0], value[1], value[2])
    assert (found.costs, found.seconds, found.wraps) == (seen.costs, seen.seconds, seen.wraps)
    np.testing.assert_array_equal(found.logits, seen.logits)


@settings(max_examples=300)
@given(st.binary(max_size=400))
def test_garbage_is_our_own_error(data: bytes) -> None:
    with pytest.raises(InputError, match=r"^the other party sent an invalid message \(\w+\)$"):
        unpacked(data)


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_message_is_a_message_or_our_own_error(data: st.DataObject) -> None:
    message = bytearray(packed(["infer", ["name", np.arange(6.0).reshape(2, 3), LEAN]]))
    for _ in range(data.draw(st.integers(1, 4))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    try:
        unpacked(bytes(message))
    except InputError as error:
        assert "\n" not in str(error)


names = st.sampled_from(["array", "architecture", "kind", "fields", "items", "Cost", "Switches", "layers"]) | st.text()


@settings(max_examples=300)
@given(st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(names, inner | names), max_leaves=10))
def test_any_json_in_the_place_of_a_message_is_a_message_or_our_own_error(value: Any) -> None:
    file = io.BytesIO()
    np.savez(file, message=np.frombuffer(json.dumps(value).encode(), np.uint8))
    try:
        unpacked(file.getvalue())
    except InputError as error:
        assert "\n" not in str(error)


def test_pickles_stay_closed() -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return pytest.fail, ("unpickled",)

    with pytest.raises(InputError):
        unpacked(pickle.dumps(Trap()))
    with pytest.raises(TypeError):
        packed(Trap())
    with pytest.raises(TypeError, match="would be pickled"):
        packed(np.array([None]))
