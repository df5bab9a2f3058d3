"""Canonical names of the expressions. Results and models cross data sets by these names, never by index."""

from collections.abc import Mapping, Sequence
from typing import Optional

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


def class_indices(source: Sequence, target: Sequence, mapping: Optional[Mapping] = None) -> list:
    """Where each class of ``source`` is found in ``target``, by name.

    Args:
        source (Sequence[str]): Class names.
        target (Sequence[str]): Class names.
        mapping (Mapping, optional): Name in ``source`` -> name in ``target`` that it counts as. Others keep their name.

    Returns:
        list: For each class of ``source`` its index in ``target``, or None where ``target`` lacks it.

    Examples:
        >>> class_indices(('fear', 'anger', 'contempt'), ('anger', 'fear'))
        [1, 0, None]
        >>> class_indices(('fear', 'anger', 'contempt'), ('anger', 'fear'), dict(contempt='anger'))
        [1, 0, 0]
    """
    places = {name: index for index, name in enumerate(target)}
    return [places.get((mapping or {}).get(name, name)) for name in source]


def class_key(name: str) -> str:
    """What classes are matched by: the canonical name of an expression or synonym; any other name as it is.

    Examples:
        >>> class_key('Happy'), class_key('happily surprised')
        ('happiness', 'happily surprised')
    """
    key = name.strip().lower()
    key = SYNONYMS.get(key, key)
    return key if key in EXPRESSIONS else name


def canonical_name(name: str) -> str:
    """Canonical name of an expression given by it or a synonym, in any case.

    Args:
        name (str): Such as ``'Happy'``.

    Returns:
        str: One of :data:`EXPRESSIONS`.

    Raises:
        ValueError: The name is unknown; the message lists the known ones.

    Examples:
        >>> canonical_name('Happy')
        'happiness'
    """
    key = class_key(str(name))
    if key not in EXPRESSIONS:
        raise ValueError(
            f'unknown expression {name!r}; known are {", ".join(EXPRESSIONS)} and the synonyms {", ".join(SYNONYMS)}'
        )
    return key
