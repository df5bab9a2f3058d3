import pytest
import torch

from mmfer.models import IRNet


@pytest.mark.parametrize(
    ('out_indices', 'shapes'),
    [((0, 1, 2), [(64, 56), (128, 28), (256, 14)]), ((3,), [(512, 7)]), ((1, 0), [(64, 56), (128, 28)])],
)
def test_maps(out_indices, shapes):
    maps = IRNet(depth=18, out_indices=out_indices).eval()(torch.randn(1, 3, 112, 112))
    assert [tuple(m.shape) for m in maps] == [(1, c, s, s) for c, s in shapes]


@pytest.mark.parametrize(('depth', 'units'), [(50, [3, 4, 14]), (100, [3, 13, 30]), (152, [3, 8, 36])])
def test_units_of_each_depth(depth, units):
    assert [len(stage) for stage in IRNet(depth=depth).stages] == units


def test_only_what_is_used_exists():
    assert len(IRNet(out_indices=(0,)).stages) == 1


@pytest.mark.parametrize(
    ('wrong', 'name'),
    [(dict(depth=20), 'depth'), (dict(out_indices=(4,)), 'out_indices')],
)
def test_wrong_arguments_are_named(wrong, name):
    with pytest.raises(ValueError, match=name):
        IRNet(**wrong)
