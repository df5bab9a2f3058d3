import pytest

from mmfer.structures.expressions import (
    EXPRESSIONS,
    SYNONYMS,
    canonical_name,
    class_or_expression,
    find_class,
    own_classes,
)


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


def test_own_names_are_found_in_any_case_and_synonyms_where_the_expression_is_a_class():
    classes = own_classes((' Bored', 'happy', 3))
    assert classes == ('Bored', 'happiness', '3')
    names = ('bored', 'BORED ', 'Joy', 'happiness', 3, '3', 'sad', 'calm')
    assert [find_class(name, classes) for name in names] == [
        *('Bored', 'Bored', 'happiness', 'happiness', '3', '3'),
        *(None, None),
    ]
    assert class_or_expression('Sad', classes) == 'sadness'
    with pytest.raises(ValueError, match="unknown expression 'calm'"):
        class_or_expression('calm', classes)


@pytest.mark.parametrize('names', [('bored', 'Bored'), ('joy', 'happy'), ('bored', ' ')])
def test_own_names_are_each_given_once(names):
    with pytest.raises(ValueError, match='must name each expression once'):
        own_classes(names)
