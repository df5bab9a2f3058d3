import numpy as np
import pytest

from mmfer.datasets.transforms.occlude import REGIONS, Occlude
from mmfer.registry import TRANSFORMS

COLOR = (104, 116, 124)


def sample(shape=(40, 60), path='/data/fer/test/anger/0001.png'):
    return dict(img=np.zeros((*shape, 3), np.uint8), img_path=path)


def covered(occlude, **options):
    img = occlude(sample(**options))['img']
    mask = (img == COLOR).all(2)
    assert (img[~mask] == 0).all()
    return mask


def corners(mask):
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return rows[0], columns[0], rows[-1] + 1, columns[-1] + 1


@pytest.mark.parametrize('share', [0.1, 0.3, 0.6, 0.95, 1])
def test_a_block_has_the_share_asked_for(share):
    for i in range(30):
        mask = covered(Occlude(share=share), shape=(200, 160), path=f'test/{i}.png')
        top, left, bottom, right = corners(mask)
        assert mask[top:bottom, left:right].all()
        assert mask.mean() == pytest.approx(share, abs=0.01)


def test_the_block_follows_from_name_and_seed_alone():
    first = covered(Occlude(share=0.2))
    np.random.seed(3)
    np.testing.assert_array_equal(first, covered(Occlude(share=0.2)))
    np.testing.assert_array_equal(first, covered(Occlude(share=0.2), path='elsewhere\\anger\\0001.png'))
    others = [dict(path='/data/fer/test/fear/0001.png'), dict(path='/data/fer/test/anger/0002.png')]
    assert all((covered(Occlude(share=0.2), **other) != first).any() for other in others)
    assert (covered(Occlude(share=0.2, seed=1)) != first).any()
    boxes = {Occlude(share=0.2).box(dict(sample_idx=i)) for i in range(50)}
    assert len(boxes) == 50
    with pytest.raises(ValueError, match='without img_path and sample_idx'):
        Occlude(share=0.2)(dict(img=np.zeros((4, 4, 3), np.uint8)))


def test_larger_blocks_cover_what_smaller_ones_do_at_every_size():
    for i in range(20):
        path = f'test/{i}.png'
        boxes = [Occlude(share=share).box(dict(img_path=path)) for share in (0.05, 0.1, 0.2, 0.4, 0.7, 0.9)]
        for small, large in zip(boxes, boxes[1:]):
            assert all(a >= b - 1e-12 for a, b in zip(small[:2], large[:2]))
            assert all(a <= b + 1e-12 for a, b in zip(small[2:], large[2:]))
        masks = [covered(Occlude(share=share), path=path) for share in (0.1, 0.3)]
        assert masks[1][masks[0]].all()
        big = np.array(corners(covered(Occlude(share=0.3), shape=(80, 120), path=path)))
        np.testing.assert_allclose(np.array(corners(masks[1])), big / 2, atol=0.76)


@pytest.mark.parametrize('region', REGIONS)
def test_parts_of_the_face(region):
    mask = covered(Occlude(region))
    expected = [round(value * size) for value, size in zip(REGIONS[region], (40, 60, 40, 60))]
    assert list(corners(mask)) == expected
    assert mask.sum() == (expected[2] - expected[0]) * (expected[3] - expected[1])
    np.testing.assert_array_equal(mask, covered(Occlude(region, seed=4), path='another.png'))


def test_the_array_that_came_in_is_not_written_to():
    img = np.arange(40 * 60 * 3, dtype=np.uint8).reshape(40, 60, 3)
    for given in (img, img[:, ::-1]):
        before = given.copy()
        out = Occlude('eyes', value=7)(dict(img=given, img_path='a.png'))['img']
        np.testing.assert_array_equal(given, before)
        assert out.flags.c_contiguous
        np.testing.assert_array_equal(out[22:], given[22:])
        assert (out[10:22] == 7).all()
    nothing = Occlude(share=0)(dict(img=img, img_path='a.png'))['img']
    assert nothing is img


def test_built_from_its_registry_and_described():
    occlude = TRANSFORMS.build(dict(type='Occlude', share=0.125, seed=2))
    assert occlude.describe() == 'a block covers 12.5 % (seed 2)'
    assert Occlude('eyes').describe() == 'the part eyes is covered'
    assert repr(occlude).startswith("Occlude(region='block', share=0.125, seed=2")


@pytest.mark.parametrize(
    ('options', 'error', 'text'),
    [
        (dict(), ValueError, 'only blocks have a share, and need it'),
        (dict(region='eyes', share=0.2), ValueError, 'only blocks have a share'),
        (dict(region='nose'), ValueError, "region='nose' is not one of block, upper"),
        (dict(share=20), ValueError, r'share=20 must be within \[0, 1\]'),
        (dict(share='0.2'), TypeError, "share='0.2' must be a number"),
        (dict(share=float('nan')), ValueError, 'share=nan'),
        (dict(share=0.2, seed=0.5), TypeError, 'seed=0.5 must be an integer'),
        (dict(share=0.2, value=300), ValueError, 'within 0..255'),
    ],
)
def test_wrong_arguments(options, error, text):
    with pytest.raises(error, match=text):
        Occlude(**options)
