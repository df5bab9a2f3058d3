"""Canonical names of the expressions. Classes of models, data sets and results are matched by name, never by index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

EXPRESSIONS = ('neutral', 'happiness', 'sadness', 'surprise', 'fear', 'disgust', 'anger', 'contempt')
"""The canonical names, in the order in which they are listed where no data set prescribes another."""

SYNONYMS = dict(
    neutrality='neutral',
    happy='happiness',
    joy='happiness',
    joyful='happiness',
    sad='sadness',
    surprised='surprise',
    suprise='surprise',  # found in circulating folders; codespell:ignore suprise
    fearful='fear',
    afraid='fear',
    scared='fear',
    disgusted='disgust',
    angry='anger',
    contemptuous='contempt',
)
"""Other names, lower case, of the same expressions; words for another state (calm, none) are left out on purpose."""


def class_indices(
    source: Sequence[str], target: Sequence[str], mapping: Mapping[str, str] | None = None
) -> list[int | None]:
    """Index in ``target`` of each class of ``source``, matched by name; None where ``target`` lacks it.

    Args:
        source: Class names.
        target: Class names.
        mapping: Name in ``source`` -> name in ``target`` that it counts as. Others keep their name.

    >>> class_indices(('fear', 'anger', 'contempt'), ('anger', 'fear'))
    [1, 0, None]
    >>> class_indices(('fear', 'anger', 'contempt'), ('anger', 'fear'), dict(contempt='anger'))
    [1, 0, 0]
    """
    places = {name: index for index, name in enumerate(target)}
    return [places.get((mapping or {}).get(name, name)) for name in source]


def class_key(name: str) -> str:
    """The key by which classes are matched: the canonical name of an expression or synonym, else the name.

    It is in lower case and without surrounding blanks.

    >>> class_key('Happy'), class_key(' Bored')
    ('happiness', 'bored')
    """
    key = name.strip().casefold()
    return SYNONYMS.get(key, key)


def find_class(name: object, classes: Sequence[str]) -> str | None:
    """The class in ``classes`` that ``name`` means, by its name or a synonym; None where they lack it.

    Case and surrounding blanks are ignored; a number counts as its digits.

    >>> find_class('Happy ', ('happiness', 'Bored')), find_class('bored', ('happiness', 'Bored'))
    ('happiness', 'Bored')
    """
    return _by_key(tuple(classes)).get(class_key(str(name)))


@lru_cache(maxsize=64)
def _by_key(classes: tuple[str, ...]) -> dict[str, str]:
    return {class_key(str(name)): name for name in classes}


def own_classes(names: Sequence) -> tuple[str, ...]:
    """Class names of a user: expressions in their canonical names, other names without surrounding blanks.

    Raises:
        ValueError: Two of them are the same class, or one is empty.

    >>> own_classes(['Happy', ' Bored'])
    ('happiness', 'Bored')
    """
    keys = [class_key(str(name)) for name in names]
    classes = tuple(key if key in EXPRESSIONS else str(name).strip() for key, name in zip(keys, names))
    if '' in classes or len(_by_key(classes)) < len(classes):
        raise ValueError(f'classes={tuple(names)} must name each expression once, none twice, and none may be empty')
    return classes


def class_or_expression(name: object, classes: Sequence[str] = ()) -> str:
    """:func:`find_class`, or the expression that is none of ``classes``.

    Raises:
        ValueError: It is neither.
    """
    found = find_class(name, classes)
    return canonical_name(str(name)) if found is None else found


def canonical_name(name: str) -> str:
    """The one of :data:`EXPRESSIONS` that is named, by this name or a synonym in any case.

    Raises:
        ValueError: The name is unknown; the message lists the known ones.

    >>> canonical_name('Happy')
    'happiness'
    """
    key = class_key(str(name))
    if key not in EXPRESSIONS:
        raise ValueError(
            f'unknown expression {name!r}; known are {", ".join(EXPRESSIONS)} and the synonyms {", ".join(SYNONYMS)}'
        )
    return key
