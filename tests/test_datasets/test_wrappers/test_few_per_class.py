import pytest

from mmfer.datasets import SynthFER
from mmfer.datasets.wrappers import FewPerClass


@pytest.fixture(scope='module')
def synth():
    return SynthFER(num_samples=300, size=16)


def chosen(dataset):
    return dataset.column('face_index')


def test_chooses_so_many_of_each_class_in_order(synth):
    dataset = FewPerClass(synth, 4)
    assert dataset.class_counts() == dict.fromkeys(synth.classes, 4)
    assert chosen(dataset) == sorted(chosen(dataset))
    assert len(set(chosen(dataset))) == 28
    assert dataset.protocol == 'SynthFER train, 4 of each class (seed 0)'


def test_choice_follows_from_the_seed_and_larger_ones_contain_smaller_ones(synth):
    few = set(chosen(FewPerClass(synth, 3)))
    assert few == set(chosen(FewPerClass(synth, 3)))
    assert few < set(chosen(FewPerClass(synth, 8)))
    assert few != set(chosen(FewPerClass(synth, 3, seed=1)))


def test_classes_with_fewer_samples_are_named(synth):
    counts = synth.class_counts()
    number = sorted(counts.values())[2]
    short = [name for name, count in counts.items() if count < number]
    with pytest.raises(ValueError, match=rf'fewer than num_per_class={number} samples of {short[0]} \(') as error:
        FewPerClass(synth, number)
    assert all(name in str(error.value) for name in short)
    dataset = FewPerClass(synth, number, if_fewer='all')
    assert dataset.class_counts() == {name: min(count, number) for name, count in counts.items()}
    assert f'{number} of each class or all there are' in dataset.protocol


@pytest.mark.parametrize(
    ('option', 'value'), [('num_per_class', 0), ('num_per_class', 2.5), ('seed', -1), ('if_fewer', 'some')]
)
def test_wrong_arguments(synth, option, value):
    with pytest.raises(ValueError, match=f'FewPerClass: {option}={value!r}'):
        FewPerClass(synth, **dict(dict(num_per_class=2), **{option: value}))
