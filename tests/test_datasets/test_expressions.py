import pytest

from mmfer.datasets.expressions import EXPRESSIONS, SYNONYMS, canonical_name


def test_canonical_names_map_to_themselves():
    assert len(set(EXPRESSIONS)) == 8
    for name in EXPRESSIONS:
        assert canonical_name(name) == name
        assert canonical_name(f' {name.upper()} ') == name


def test_synonyms_end_at_canonical_names():
    assert set(SYNONYMS.values()) <= set(EXPRESSIONS)
    assert not set(SYNONYMS) & set(EXPRESSIONS)
    assert canonical_name('Happy') == canonical_name('joy') == 'happiness'
    assert canonical_name('angry') == 'anger'
    assert canonical_name('Sad') == 'sadness'


@pytest.mark.parametrize('name', ['boredom', '', 'none', 'calm', '3'])
def test_unknown_name_lists_the_known_ones(name):
    with pytest.raises(ValueError, match='unknown expression') as error:
        canonical_name(name)
    assert all(known in str(error.value) for known in EXPRESSIONS)
