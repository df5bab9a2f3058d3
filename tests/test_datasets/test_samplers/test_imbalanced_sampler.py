import numpy as np
import pytest

from mmfer.datasets import SynthFER
from mmfer.datasets.samplers import ImbalancedSampler
from mmfer.registry import DATA_SAMPLERS


@pytest.fixture(scope='module')
def synth():
    return SynthFER(num_samples=200, size=16)


def test_length(synth):
    sampler = DATA_SAMPLERS.build(dict(type='ImbalancedSampler', dataset=synth, seed=0))
    assert len(sampler) == len(list(sampler)) == 200
    sampler = ImbalancedSampler(synth, num_samples=33, seed=0)
    assert len(sampler) == len(list(sampler)) == 33


def test_weights_are_the_inverse_of_the_class_size(synth):
    labels = synth.get_gt_labels()
    sizes = np.bincount(labels)
    assert sizes.max() > 1.3 * sizes.min()
    indices = np.array(list(ImbalancedSampler(synth, num_samples=70000, seed=1)))
    np.testing.assert_allclose(np.bincount(labels[indices]), 10000, atol=500)
    expected = 10000 / sizes[labels]
    times = np.bincount(indices, minlength=200)
    assert (abs(times - expected) < 5 * np.sqrt(expected)).all()


@pytest.mark.parametrize('number', [0, 1.5])
def test_wrong_arguments(synth, number):
    with pytest.raises(ValueError, match=f'ImbalancedSampler: num_samples={number!r}'):
        ImbalancedSampler(synth, num_samples=number)
