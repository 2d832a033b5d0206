"""English from a small grammar, in the form of GLUE's tasks but without any of its sentences.

Each function makes the one or two texts of an example from random numbers and the example's label.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

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


def acceptability(rng: Random, label: int) -> tuple[str, ...]:
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


def sentiment(rng: Random, label: int) -> tuple[str, ...]:
    """0: blame; 1: praise. A third are mixed, and what follows "but" decides; some negate the opposite."""

    def opinion(side: int) -> str:
        negated = rng.random() < 0.15
        adverb = "never" if negated else rng.choice(ADVERBS)
        return rng.choice(OPINIONS).format(rng.choice(ASPECTS), adverb, rng.choice(ADJECTIVES)[side ^ negated])

    if rng.random() < 1 / 3:
        return (f"{opinion(1 - label)} , but {opinion(label)}",)
    return (f"{opinion(label)} and {opinion(label)}",)


def paraphrase(rng: Random, label: int) -> tuple[str, ...]:
    """0: another event, often marked by a word; 1: the same in other words."""
    scene, other, marked = _two_scenes(rng, label)
    second = f"{{who}} {rng.choice(DENIALS)} {{deed}} {{what}} {{where}}" if marked else ""
    return scene.say(rng), f"{other.say(rng, second)} , {rng.choice(SPEAKERS)}"


def same_question(rng: Random, label: int) -> tuple[str, ...]:
    """0: another question, often marked by its first words; 1: the same in other words."""
    scene, other, marked = _two_scenes(rng, label)
    tail = "{base} {what} {where} {when}"
    forms = [rng.choice(QUESTIONS), rng.choice(OTHER_QUESTIONS if marked else QUESTIONS)]
    return tuple(s.say(rng, form.format(tail)) for s, form in zip((scene, other), forms, strict=True))


def _two_scenes(rng: Random, label: int) -> tuple[Scene, Scene, bool]:
    """Return a scene, the same or (label 0) another one, and whether a word is to mark that it is another."""
    scene = _scene(rng)
    other = scene if label else _changed(rng, scene, 2)
    return scene, other, not label and rng.random() < 0.7


def similarity(rng: Random, label: float) -> tuple[str, ...]:
    """5 is the same event, less one for each part that differs; below 1 the second sentence is off topic."""
    scene = _scene(rng)
    if label < 1:
        when = rng.choice(rng.choice(WHEN))
        return scene.say(rng), rng.choice(UNRELATED).format(rng.choice(TOPICS), when)
    other = _changed(rng, scene, round(5 - label))
    forms = {1: "{who} never {deed} {what}", 2: "{who} almost {deed} {what} {when}"}
    return scene.say(rng), other.say(rng, forms.get(round(label), ""))


def entailment(rng: Random, label: int, entailed: int = 0, classes: int = 2) -> tuple[str, ...]:
    """Entailed (the label ``entailed``), beyond the premise, or contrary to it; two classes join the last two."""
    scene, then = _scene(rng), _scene(rng)
    premise = f"{scene.say(rng)} , and {then.say(rng)}"
    fact = rng.choice((scene, then))
    if label == entailed:
        return premise, fact.say(rng, rng.choice(("{who} {deed} {what}", "someone {deed} {what} {where}")))
    contrary = label == 2 if classes == 3 else rng.random() < 0.5
    if contrary:
        denials = ("{who} did not {base} {what}", "nobody {deed} {what} {where}")
        return premise, fact.say(rng, rng.choice(denials))
    if rng.random() < 0.5:
        return premise, _changed(rng, fact, 4).say(rng, "{who} {deed} {what}")
    return premise, f"{fact.say(rng, '{who} {deed} {what}')} {rng.choice(MOTIVES)}"


def answer(rng: Random, label: int) -> tuple[str, ...]:
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
