from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertTokenizer

from pibench.errors import InputError
from pibench.tasks.batches import Batch, ordered, pad, shuffled
from pibench.tasks.data import Split
from pibench.tasks.encode import SELECTION_MOST, encode_task
from pibench.tasks.task import Examples, RawTask, Task
from pibench.training import finetune
from pibench.training.budget import Budget
from pibench.training.distill import recover, recover_in_stages
from pibench.training.finetune import label_loss, predict, train
from pibench.training.tune import selection_score
from tests.conftest import MakeData, MakeModel, MakeSplit

PAD = 0
sizes = st.integers(1, 40)


def check(batch: Batch, split: Split) -> None:
    assert len(batch.indices) == len(batch.labels) == len(batch.input_ids)
    for row, index in enumerate(batch.indices):
        ids, segments = split.input_ids[index], split.token_type_ids[index]
        assert batch.input_ids[row].tolist()[: len(ids)] == list(ids)
        assert batch.token_type_ids[row].tolist()[: len(ids)] == list(segments)
        assert batch.keep[row].tolist() == [1] * len(ids) + [0] * (batch.keep.shape[1] - len(ids))
        assert (batch.input_ids[row, len(ids) :] == PAD).all()
        assert (batch.token_type_ids[row, len(ids) :] == 0).all()
        assert batch.labels[row] == split.labels[index]


@settings(max_examples=30)
@given(examples=sizes, size=sizes, seed=st.integers(0, 100))
def test_ordered_yields_every_example_once_shortest_first(
    make_split: MakeSplit, examples: int, size: int, seed: int
) -> None:
    split = make_split(examples, seed=seed)
    batches = list(ordered(split, size, PAD))
    for batch in batches:
        check(batch, split)
        assert batch.input_ids.shape[1] == max(len(split.input_ids[i]) for i in batch.indices)
    seen = np.concatenate([batch.indices for batch in batches])
    assert sorted(seen) == list(range(examples))
    lengths = [len(split.input_ids[i]) for i in seen]
    assert lengths == sorted(lengths)
    assert all(len(batch.indices) == size for batch in batches[:-1])


@settings(max_examples=30)
@given(examples=sizes, size=sizes, most=sizes, seed=st.integers(0, 100))
def test_shuffled_yields_at_most_so_many_examples_once(
    make_split: MakeSplit, examples: int, size: int, most: int, seed: int
) -> None:
    split = make_split(examples)
    batches = list(shuffled(split, size, PAD, np.random.default_rng(seed), most))
    for batch in batches:
        check(batch, split)
    seen = Counter(int(index) for batch in batches for index in batch.indices)
    assert seen.total() == len(seen) == min(examples, most)
    assert len(batches) == -(-min(examples, most) // size)


def test_shuffled_follows_the_seed(make_split: MakeSplit) -> None:
    split = make_split(40)

    def order(seed: int) -> list[int]:
        rng = np.random.default_rng(seed)
        return [int(i) for _ in range(2) for b in shuffled(split, 4, PAD, rng, 40) for i in b.indices]

    assert order(1) == order(1) != order(2)
    assert order(1)[:40] != order(1)[40:]


def test_pad_to_a_given_length(make_split: MakeSplit) -> None:
    split = make_split(3)
    batch = pad(split, [2, 0], PAD, length=17)
    assert batch.input_ids.shape == (2, 17)
    check(batch, split)


BUDGET = Budget(epochs=25, examples=64, batch_size=8, learning_rate=3e-3)


@torch.no_grad()
def mean_loss(model: torch.nn.Module, split: Split) -> float:
    logits = torch.from_numpy(predict(model, split, PAD))
    return float(finetune.task_loss(logits, split.labels))


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_training_learns_a_separable_task(make_model: MakeModel, make_data: MakeData, outputs: int) -> None:
    data, model = make_data(64, outputs), make_model(outputs=outputs)
    before = mean_loss(model, data.selection)
    trained = train(model, data, BUDGET, label_loss, "test")
    assert trained is model
    after = mean_loss(model, data.selection)
    assert after < 0.25
    assert after < before / 4


def test_training_is_deterministic_by_seed(make_model: MakeModel, make_data: MakeData) -> None:
    def run(seed: int, noise: int) -> str:
        torch.manual_seed(noise)
        budget = replace(BUDGET, epochs=2, seed=seed)
        return train(make_model(), make_data(), budget, label_loss, "test").fingerprint()

    with torch.random.fork_rng():
        assert run(1, noise=1) == run(1, noise=2) != run(2, noise=1)


def test_training_leaves_the_global_generator_alone(make_model: MakeModel, make_data: MakeData) -> None:
    state = torch.get_rng_state()
    train(make_model(), make_data(), replace(BUDGET, epochs=1), label_loss, "test")
    assert torch.equal(torch.get_rng_state(), state)


def test_distilling_brings_a_student_closer_than_labels_do(make_model: MakeModel, make_data: MakeData) -> None:
    data, teacher = make_data(64), make_model()
    before = teacher.fingerprint()

    def distance(**changes: Any) -> float:
        """Mean squared gap of all layers' outputs after recovery from a random knock."""
        student = make_model()
        with torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(1)
            for value in student.layers.parameters():
                value.add_(0.1 * torch.randn_like(value))
        recover(student, teacher, data, replace(BUDGET, **changes))
        batch = pad(data.selection, range(len(data.selection)), PAD)
        with torch.no_grad():
            own, goal = (model(batch.input_ids, batch.token_type_ids, batch.keep) for model in (student, teacher))
        keep = batch.keep[:, :, None].bool()
        gaps = [(a - b).square().masked_select(keep).mean() for a, b in zip(own.hidden, goal.hidden, strict=True)]
        return float(sum(gaps))

    distilled = distance(recovery="distill")
    assert distilled < distance(epochs=0) / 5
    assert distilled < distance(recovery="finetune") / 5
    assert teacher.fingerprint() == before
    assert all(value.grad is None for value in teacher.parameters())


def test_fine_tuning_back_ignores_the_teacher_and_keeps_the_embeddings(
    make_model: MakeModel, make_data: MakeData
) -> None:
    frozen = make_model()
    frozen.embeddings.requires_grad_(False)
    data, budget = make_data(), replace(BUDGET, epochs=1, recovery="finetune")
    results = {recover(make_model(), make_model(seed), data, budget).fingerprint() for seed in (1, 2)}
    assert results == {train(frozen, data, budget, label_loss, "test").fingerprint()}


@pytest.mark.parametrize("outputs", [1, 2])
def test_prediction_does_not_depend_on_batching(
    make_model: MakeModel, make_split: MakeSplit, monkeypatch: pytest.MonkeyPatch, outputs: int
) -> None:
    model, split = make_model(outputs=outputs), make_split(20, outputs)
    together = predict(model, split, PAD)
    assert together.shape == (20, outputs)
    assert together.dtype == np.float32
    for size in (1, 3):
        monkeypatch.setattr(finetune, "EVALUATION_BATCH", size)
        np.testing.assert_allclose(predict(model, split, PAD), together, atol=1e-5)
    backwards = Split(split.input_ids[::-1], split.token_type_ids[::-1], split.labels.flip(0))
    np.testing.assert_allclose(predict(model, backwards, PAD)[::-1], together, atol=1e-5)


WORDS = [f"w{i}" for i in range(2000)]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TOKENIZER = BertTokenizer(vocab={word: i for i, word in enumerate(SPECIAL + WORDS)})


def raw(train: int, validation: int = 5, pair: bool = False, outputs: int = 2) -> RawTask:
    """Every text has a word of its own, so that tokens tell which example they come from."""
    task = Task("tiny", ("a", "b") if pair else ("a",), outputs, ("accuracy",))

    def part(start: int, count: int) -> Examples:
        words = WORDS[start : start + count]
        texts = tuple((word, f"{word} w0") if pair else (word,) for word in words)
        labels = tuple(i / 10 if outputs == 1 else i % 2 for i in range(count))
        return Examples(texts, labels)

    return RawTask(task, part(0, train), part(train, validation), "sample")


def words(split: Split) -> list[str]:
    return [WORDS[ids[1] - len(SPECIAL)] for ids in split.input_ids]


def test_selection_is_cut_from_train_and_disjoint_from_it() -> None:
    encoded = encode_task(raw(50), TOKENIZER, 8)
    train, selection = words(encoded.data.train), words(encoded.data.selection)
    assert (len(train), len(selection)) == (45, 5)
    assert sorted(train + selection) == sorted(WORDS[:50])
    for split in (encoded.data.train, encoded.data.selection):
        assert [int(word[1:]) % 2 for word in words(split)] == split.labels.tolist()


def test_validation_is_left_as_it_is() -> None:
    for seed in (0, 1):
        validation = encode_task(raw(50), TOKENIZER, 8, seed).validation
        assert words(validation) == WORDS[50:55]
        assert validation.labels.tolist() == [0, 1, 0, 1, 0]


def test_cut_follows_the_seed() -> None:
    cuts = [words(encode_task(raw(50), TOKENIZER, 8, seed).data.selection) for seed in (0, 0, 1)]
    assert cuts[0] == cuts[1] != cuts[2]


def test_selection_has_at_most_what_it_is_told() -> None:
    assert SELECTION_MOST == 1000
    assert len(encode_task(raw(50), TOKENIZER, 8, most=3).data.selection) == 3


@pytest.mark.parametrize(("count", "enough"), [(10, True), (9, False)])
def test_needs_enough_examples_for_a_selection(count: int, enough: bool) -> None:
    if enough:
        assert len(encode_task(raw(count), TOKENIZER, 8).data.selection) == 1
    else:
        with pytest.raises(InputError, match="at least 10"):
            encode_task(raw(count), TOKENIZER, 8)


def test_pairs_are_cut_to_the_length_and_scores_are_floats() -> None:
    data = encode_task(raw(20, pair=True, outputs=1), TOKENIZER, 5).data
    assert data.train.labels.dtype == torch.float32
    assert {len(ids) for ids in data.train.input_ids} == {5}
    assert all(
        len(ids) == len(segments) and 1 in segments
        for ids, segments in zip(data.train.input_ids, data.train.token_type_ids, strict=True)
    )
    assert encode_task(raw(20), TOKENIZER, 5).data.train.labels.dtype == torch.int64
    assert data.pad_id == TOKENIZER.pad_token_id


def test_recovery_leaves_the_embeddings_to_the_client(make_model: MakeModel, make_data: MakeData) -> None:
    student = make_model(1)
    before = student.embeddings.word.weight.detach().clone()
    recover(student, make_model(), make_data(), replace(BUDGET, epochs=1))
    assert torch.equal(student.embeddings.word.weight, before)
    assert all(value.requires_grad for value in student.parameters())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layers": 1}, "the number of layers differs, 1 in the student and 2 in its teacher: recovery by 'distill'"),
        ({"outputs": 3}, "the number of outputs differs, 3 in the student and 2 in its teacher"),
    ],
)
@pytest.mark.parametrize("recovery", [recover, recover_in_stages])
def test_a_student_that_does_not_fit_its_teacher_is_refused_before_training(
    make_model: MakeModel, make_data: MakeData, changes: dict[str, int], words: str, recovery: Any
) -> None:
    with pytest.raises(InputError, match=words):
        recovery(make_model(**changes), make_model(), make_data(), BUDGET)


def test_a_student_of_fewer_layers_can_be_fine_tuned_back(make_model: MakeModel, make_data: MakeData) -> None:
    budget = replace(BUDGET, epochs=1, recovery="finetune")
    assert len(recover(make_model(layers=1), make_model(), make_data(), budget).layers) == 1


@pytest.mark.parametrize("recovery", [recover, recover_in_stages])
def test_a_coefficient_that_nobody_set_is_refused_before_training(
    make_model: MakeModel, make_data: MakeData, recovery: Any
) -> None:
    dense = make_model()
    student = dense.rebuilt(dense.architecture.with_layers(softmax="power2"))
    with pytest.raises(InputError, match=r"the coefficient 'layers\.0\.softmax_coefficients' was never set"):
        recovery(student, dense, make_data(), BUDGET)
    with pytest.raises(InputError, match="NoneType cannot be recovered"):
        recovery(None, dense, make_data(), BUDGET)


def test_logits_that_are_no_numbers_are_not_selected(make_model: MakeModel, make_data: MakeData) -> None:
    """The largest of NaN and any number would name a class."""
    model = make_model()
    with torch.no_grad():
        model.head["classifier_bias"][0] = torch.nan
    with pytest.raises(InputError, match="tiny cannot be scored: 24 of 24 examples"):
        selection_score(model, make_data())


def test_any_seed_that_is_not_negative_cuts_a_selection_split() -> None:
    assert len(encode_task(raw(20), TOKENIZER, 8, seed=2**64).data.selection) == 2
    with pytest.raises(InputError, match=r"^seed -1 is negative: give 0 or more$"):
        encode_task(raw(20), TOKENIZER, 8, seed=-1)


def test_notes_on_the_data_go_along_with_it() -> None:
    twice = raw(20)
    twice = replace(twice, validation=replace(twice.validation, texts=twice.train.texts[:5]))
    assert encode_task(twice, TOKENIZER, 8).data.notes == twice.notes
    assert twice.notes == ("tiny: 5 of 5 validation examples have the texts of a training example.",)
