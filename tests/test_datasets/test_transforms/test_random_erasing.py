import numpy as np
import pytest
import torch
from torchvision import transforms
from torchvision.transforms import functional

from mmfer.datasets.transforms.random_erasing import ImageRandomErasing

MEAN, STD = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])


def image(shape=(50, 40), seed=0):
    return np.random.RandomState(seed).randint(0, 256, (*shape, 3), dtype=np.uint8)


def normalize(img):
    return torch.from_numpy((img[..., ::-1] - MEAN) / STD).permute(2, 0, 1)


def torchvision_boxes(shape, num, scale, ratio):
    """get_params as torchvision gives them; an erased box of the whole image stands for none."""
    torch.manual_seed(0)
    picture = torch.zeros(3, *shape)
    return [transforms.RandomErasing.get_params(picture, scale, ratio, [0.0])[:4] for _ in range(num)]


@pytest.mark.parametrize('box', [(0, 0, 10, 5), (17, 8, 20, 31), (49, 39, 1, 1)])
def test_equals_torchvision_after_normalisation(monkeypatch, box):
    erasing, img = ImageRandomErasing(p=1), image()
    copy = img.copy()
    monkeypatch.setattr(erasing, '_draw', lambda height, width: box)
    out = erasing(dict(img=img))['img']
    assert out.dtype == np.uint8
    assert out.flags.c_contiguous
    np.testing.assert_array_equal(img, copy)
    expected = functional.erase(normalize(img), *box, torch.zeros(1))
    off = (normalize(out) - expected).abs()
    assert off.max() < 0.009  # the mean colour has whole numbers
    assert (off > 0).sum() == 3 * box[2] * box[3]


@pytest.mark.parametrize(
    ('shape', 'scale', 'ratio'),
    [((224, 224), (0.02, 0.1), (0.3, 3.3)), ((60, 40), (0.02, 0.33), (0.3, 3.3)), ((30, 40), (0.5, 0.9), (0.2, 5))],
)
def test_boxes_are_drawn_as_torchvision_draws_them(shape, scale, ratio):
    erasing = ImageRandomErasing(p=1, scale=scale, ratio=ratio)
    np.random.seed(0)
    num = 4000
    ours = [erasing._draw(*shape) or (0, 0, *shape) for _ in range(num)]
    ours, theirs = np.array(ours, float), np.array(torchvision_boxes(shape, num, scale, ratio), float)
    none = [(boxes[:, 2:] == shape).all(axis=1) for boxes in (ours, theirs)]
    assert abs(none[0].mean() - none[1].mean()) < 0.03
    ours, theirs = ours[~none[0]], theirs[~none[1]]
    measures = [
        lambda b: b[:, 0],
        lambda b: b[:, 1],
        lambda b: b[:, 2] * b[:, 3],
        lambda b: np.log(b[:, 2] / b[:, 3]),
    ]
    for measure in measures:
        a, b = measure(ours), measure(theirs)
        assert np.abs(np.quantile(a, [0.1, 0.5, 0.9]) - np.quantile(b, [0.1, 0.5, 0.9])).max() <= 0.12 * np.ptp(b)
        assert abs(a.mean() - b.mean()) < 5 * b.std() / np.sqrt(num / 2)
    assert (ours[:, 0] + ours[:, 2] <= shape[0]).all()
    assert (ours[:, 1] + ours[:, 3] <= shape[1]).all()


def test_where_no_box_fits_nothing_is_erased():
    img = image()
    assert ImageRandomErasing(p=1, scale=(1, 1), ratio=(1, 1))(dict(img=img))['img'] is img


@pytest.mark.parametrize('p', [0, 0.25, 1])
def test_probability(p):
    erasing, img = ImageRandomErasing(p=p), image((20, 20))
    np.random.seed(0)
    share = np.mean([erasing(dict(img=img))['img'] is not img for _ in range(2000)])
    assert share == p if p in (0, 1) else abs(share - p) < 0.04


@pytest.mark.parametrize(
    'kwargs',
    [
        dict(p=1.5),
        dict(scale=(0.2, 0.1)),
        dict(scale=(0.2, 1.1)),
        dict(ratio=(0, 1)),
        dict(value=256),
    ],
)
def test_arguments_out_of_bounds(kwargs):
    with pytest.raises(ValueError, match=f'ImageRandomErasing: {next(iter(kwargs))}='):
        ImageRandomErasing(**kwargs)


@pytest.mark.parametrize('kwargs', [dict(p='1'), dict(scale=0.1), dict(ratio=(1, 2, 3)), dict(value='random')])
def test_arguments_of_a_wrong_type(kwargs):
    with pytest.raises(TypeError, match=f'ImageRandomErasing: {next(iter(kwargs))}='):
        ImageRandomErasing(**kwargs)
