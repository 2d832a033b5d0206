"""A built-in stand-in for GLUE: English from a small grammar, so that every task runs without a download.

The texts have GLUE's shapes and none of its sentences. Scores on them say that the machinery works, and
nothing about GLUE.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from pibench.errors import InputError
from pibench.tasks.glue import Examples, Task

NOISE = 0.04
"""Share of examples whose text is made for a label drawn at random, not for the one they carry."""

Pairs = tuple[tuple[str, str], ...]

# Two wordings of the same thing, side by side.
WHO: Pairs = (
    ("the doctor", "the physician"),
    ("the teacher", "the instructor"),
    ("the lawyer", "the attorney"),
    ("the boy", "the lad"),
    ("the farmer", "the grower"),
    ("the thief", "the robber"),
    ("the pilot", "the aviator"),
    ("the clerk", "the assistant"),
    ("the author", "the writer"),
    ("the boss", "the manager"),
    ("the guest", "the visitor"),
    ("the cook", "the chef"),
)
# Base form, past tense, past tense of a synonym.
DEEDS: tuple[tuple[str, str, str], ...] = (
    ("buy", "bought", "purchased"),
    ("steal", "stole", "swiped"),
    ("find", "found", "discovered"),
    ("hide", "hid", "concealed"),
    ("break", "broke", "damaged"),
    ("build", "built", "constructed"),
    ("choose", "chose", "selected"),
    ("draw", "drew", "sketched"),
    ("keep", "kept", "retained"),
    ("bring", "brought", "delivered"),
)
WHAT: Pairs = (
    ("a car", "an automobile"),
    ("a sofa", "a couch"),
    ("a boat", "a vessel"),
    ("a photo", "a picture"),
    ("a bike", "a bicycle"),
    ("a cup", "a mug"),
    ("a gift", "a present"),
    ("a rug", "a carpet"),
    ("a coat", "a jacket"),
    ("a phone", "a telephone"),
    ("a gem", "a jewel"),
    ("a bag", "a sack"),
)
WHERE: Pairs = (
    ("in the city", "in town"),
    ("near the woods", "near the forest"),
    ("at the shop", "at the store"),
    ("by the sea", "by the ocean"),
    ("in the yard", "in the garden"),
    ("on the road", "on the street"),
    ("at the airport", "at the airfield"),
    ("in the cellar", "in the basement"),
)
WHEN: Pairs = (
    ("last fall", "last autumn"),
    ("at noon", "at midday"),
    ("at dawn", "at sunrise"),
    ("every day", "daily"),
    ("on the weekend", "on saturday"),
    ("before the holiday", "before the vacation"),
    ("in the evening", "at dusk"),
    ("long ago", "years ago"),
)
SLOTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "who": WHO,
    "deed": DEEDS,
    "what": WHAT,
    "where": WHERE,
    "when": WHEN,
}

DENIALS = ("never", "almost", "nearly", "hardly")
HEDGES = ("unclear", "unknown", "a secret", "in dispute")
SPEAKERS = ("police said", "officials said", "a neighbour said", "the report says")
MOTIVES = ("to please a friend", "to win a bet", "for a cousin", "out of boredom")
QUESTIONS = ("how can i {}?", "what is the best way to {}?", "where do i start to {}?")
OTHER_QUESTIONS = ("why should i never {}?", "is it legal to {}?", "how much does it cost to {}?")
UNRELATED = ("{} prices rose {}", "rain will fall over the {} region {}", "the {} team lost a match {}")
TOPICS = ("oil", "northern", "grain", "tourist", "coastal", "silver", "mining", "eastern")

ASPECTS = ("plot", "acting", "script", "music", "cast", "ending", "dialogue", "pace", "camera work", "humour")
ADVERBS = ("truly", "quite", "rather", "often", "simply", "always")
# Blame and praise.
ADJECTIVES: Pairs = (
    ("dull", "charming"),
    ("clumsy", "graceful"),
    ("tedious", "gripping"),
    ("awful", "superb"),
    ("lazy", "lively"),
    ("cold", "warm"),
    ("bland", "witty"),
    ("stale", "fresh"),
    ("shallow", "touching"),
    ("dreadful", "delightful"),
    ("messy", "clever"),
    ("hollow", "honest"),
    ("annoying", "tender"),
    ("limp", "moving"),
    ("dreary", "brilliant"),
    ("tiresome", "splendid"),
)
OPINIONS = ("the {} is {} {}", "a film whose {} is {} {}", "its {} feels {} {}", "i found the {} {} {}")


@dataclass(frozen=True)
class Scene:
    """Who did what, where and when, as indices into the tables."""

    who: int
    deed: int
    what: int
    where: int
    when: int

    def words(self, rng: Random) -> dict[str, str]:
        """Put every slot into words, each in one of its two wordings; the deed in the past tense."""
        words = {slot: rng.choice(table[getattr(self, slot)][-2:]) for slot, table in SLOTS.items()}
        return {**words, "base": DEEDS[self.deed][0]}

    def say(self, rng: Random, form: str = "") -> str:
        """Say the scene as ``form``, or as one of the plain statements."""
        return (form or rng.choice(STATEMENTS)).format(**self.words(rng))


STATEMENTS = (
    "{who} {deed} {what} {where} {when}",
    "{when} {who} {deed} {what} {where}",
    "{where} {who} {deed} {what} {when}",
)


def _scene(rng: Random) -> Scene:
    return Scene(**{slot: rng.randrange(len(table)) for slot, table in SLOTS.items()})


def _changed(rng: Random, scene: Scene, count: int) -> Scene:
    """Change ``count`` slots."""
    slots = rng.sample(sorted(SLOTS), count)
    shift = {s: (getattr(scene, s) + rng.randrange(1, len(SLOTS[s]))) % len(SLOTS[s]) for s in slots}
    return replace(scene, **shift)


def _acceptability(rng: Random, task: Task, label: int) -> tuple[str, ...]:
    """0: not English (a wrong or made-up verb form, a doubled word, a wrong order); 1: English."""
    good = (*STATEMENTS, "{who} did {base} {what} {where}", "{who} will {base} {what} {when}")
    bad = (
        "{who} {base}ed {what} {where} {when}",
        "{when} {who} {deed} {deed} {what}",
        "{who} did {deed} {what} {where}",
        "{who} will {deed} {what} {when}",
        "the {who} {deed} {what} {where}",
        "{who} {what} {deed} {where}",
    )
    return (_scene(rng).say(rng, rng.choice(good if label else bad)),)


def _sentiment(rng: Random, task: Task, label: int) -> tuple[str, ...]:
    """0: blame; 1: praise. A third are mixed, and what follows "but" decides; some negate the opposite."""

    def opinion(side: int) -> str:
        negated = rng.random() < 0.15
        adverb = "never" if negated else rng.choice(ADVERBS)
        return rng.choice(OPINIONS).format(rng.choice(ASPECTS), adverb, rng.choice(ADJECTIVES)[side ^ negated])

    if rng.random() < 1 / 3:
        return (f"{opinion(1 - label)} , but {opinion(label)}",)
    return (f"{opinion(label)} and {opinion(label)}",)


def _paraphrase(rng: Random, task: Task, label: int) -> tuple[str, ...]:
    """0: another event or question, often marked by a word; 1: the same in other words."""
    scene = _scene(rng)
    other = scene if label else _changed(rng, scene, 2)
    marked = not label and rng.random() < 0.7
    if task.columns[0] == "question1":
        tail = "{base} {what} {where} {when}"
        forms = [rng.choice(QUESTIONS), rng.choice(OTHER_QUESTIONS if marked else QUESTIONS)]
        return tuple(s.say(rng, form.format(tail)) for s, form in zip((scene, other), forms, strict=True))
    second = f"{{who}} {rng.choice(DENIALS)} {{deed}} {{what}} {{where}}" if marked else ""
    return scene.say(rng), f"{other.say(rng, second)} , {rng.choice(SPEAKERS)}"


def _similarity(rng: Random, task: Task, label: float) -> tuple[str, ...]:
    """5 is the same event, less one for each part that differs; below 1 the second sentence is off topic."""
    scene = _scene(rng)
    if label < 1:
        when = rng.choice(rng.choice(WHEN))
        return scene.say(rng), rng.choice(UNRELATED).format(rng.choice(TOPICS), when)
    other = _changed(rng, scene, round(5 - label))
    forms = {1: "{who} never {deed} {what}", 2: "{who} almost {deed} {what} {when}"}
    return scene.say(rng), other.say(rng, forms.get(round(label), ""))


def _entailment(rng: Random, task: Task, label: int) -> tuple[str, ...]:
    """Entailed, beyond the premise, or contrary to it; a task of two classes joins the last two."""
    entailed = 1 if task.name == "wnli" else 0
    scene, then = _scene(rng), _scene(rng)
    premise = f"{scene.say(rng)} , and {then.say(rng)}"
    fact = rng.choice((scene, then))
    if label == entailed:
        return premise, fact.say(rng, rng.choice(("{who} {deed} {what}", "someone {deed} {what} {where}")))
    contrary = label == 2 if task.outputs == 3 else rng.random() < 0.5
    if contrary:
        denials = ("{who} did not {base} {what}", "nobody {deed} {what} {where}")
        return premise, fact.say(rng, rng.choice(denials))
    if rng.random() < 0.5:
        return premise, _changed(rng, fact, 4).say(rng, "{who} {deed} {what}")
    return premise, f"{fact.say(rng, '{who} {deed} {what}')} {rng.choice(MOTIVES)}"


def _answer(rng: Random, task: Task, label: int) -> tuple[str, ...]:
    """0: the second text answers the question; 1: it tells of another event, or leaves the answer open."""
    scene = _scene(rng)
    ask, untold = rng.choice(
        (
            ("where did {who} {base} {what}?", "{who} {deed} {what} {when}"),
            ("when did {who} {base} {what}?", "{who} {deed} {what} {where}"),
            ("what did {who} {base} {where}?", "{who} was seen {where} {when}"),
        )
    )
    if not label:
        return scene.say(rng, ask), scene.say(rng)
    left_open = f"where and when {{who}} {{deed}} {{what}} is {rng.choice(HEDGES)}"
    form = rng.choice((untold, left_open, ""))
    return scene.say(rng, ask), (scene if form else _changed(rng, scene, 3)).say(rng, form)


Generator = Callable[[Random, Task, Any], tuple[str, ...]]
GENERATORS: dict[str, Generator] = {
    "cola": _acceptability,
    "sst2": _sentiment,
    "mrpc": _paraphrase,
    "qqp": _paraphrase,
    "stsb": _similarity,
    "mnli": _entailment,
    "qnli": _answer,
    "rte": _entailment,
    "wnli": _entailment,
}


def sample(task: Task, seed: int = 0, train: int = 512, validation: int = 128) -> tuple[Examples, Examples]:
    """Generate a train and a validation split, the same ones for the same arguments.

    No text occurs twice in the two splits together. Every class has the same number of examples (to one), and
    scores are spread evenly from 0 to 5. In a share ``NOISE`` of the examples the text is made for a label
    drawn at random.

    Raises:
        InputError: the grammar has not that many different texts.
    """
    rng = Random(f"{task.name} {seed}")
    grades = [step / 5 for step in range(26)] if task.regression else list(range(task.outputs))
    labels = [grades[i % len(grades)] for i in range(train + validation)]
    texts: dict[tuple[str, ...], None] = {}
    for label in labels:
        meant = rng.choice(grades) if rng.random() < NOISE else label
        texts[_fresh(rng, task, meant, texts)] = None
    rows = list(texts)
    return (
        Examples(tuple(rows[:train]), tuple(labels[:train])),
        Examples(tuple(rows[train:]), tuple(labels[train:])),
    )


def _fresh(rng: Random, task: Task, label: float, taken: Container[tuple[str, ...]]) -> tuple[str, ...]:
    for _ in range(100):
        texts = GENERATORS[task.name](rng, task, label)
        if texts not in taken:
            return texts
    raise InputError(f"the sample grammar of {task.name} is exhausted: ask for fewer examples.")
