"""The short form of benchmarks/head_distributions.py: heads against their own distributions."""

import head_distributions as bench
import pytest


@pytest.fixture(scope='module')
def found():
    return bench.compare(faces=8, points=2**15, masks=2**13, passes=(50, 2000))


def test_distributional_heads_are_within_a_thousandth(found):
    own = {name: errors for name, errors in found.items() if 'Dropout' not in name}
    assert len(own) == 5
    for name, errors in own.items():
        assert max(errors) < 1e-3, name


def test_dropout_comes_nearer_with_more_masks(found):
    """Errors of sampling, as the docs say: some hundredths with 50 masks, and a sixth of that with 2,000."""
    few, many = (found[f'MCDropoutHead, {number} masks'] for number in ('50', '2,000'))
    assert few[0] < 0.1
    assert many[0] < 0.02
    assert few[3] < found['MCDropoutHead, 50 masks, not balanced'][3]
