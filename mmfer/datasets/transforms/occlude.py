"""Occlusion on purpose, to see what methods make of it."""

import hashlib
from collections.abc import Sequence
from numbers import Real
from typing import Optional, Union

import numpy as np

from mmfer.faces.resizing import contiguous, is_whole
from mmfer.registry import TRANSFORMS

from .image_args import ImageTransform, check_color

REGIONS = dict(
    upper=(0.0, 0.0, 0.5, 1.0),
    lower=(0.5, 0.0, 1.0, 1.0),
    left=(0.0, 0.0, 1.0, 0.5),
    right=(0.0, 0.5, 1.0, 1.0),
    eyes=(0.25, 0.0, 0.55, 1.0),
    mouth=(0.6, 0.2, 0.95, 0.8),
)
"""Parts of a cropped face: (top, left, bottom, right), as fractions of its height and width; left is that of the
picture. Eyes are a band as of sunglasses, the mouth a patch as of a hand."""

ASPECTS = (0.5, 2.0)  # of blocks, height by width


@TRANSFORMS.register_module()
class Occlude(ImageTransform):
    """Cover a part of each face with one colour, for test images: the same part in every run and for every model.

    A 'block' is a rectangle of a given share of the area, at a place and with a shape that follow from the image's path
    and the seed alone. Only the last two parts of the path count (class folder and file), so that the data may lie
    elsewhere; samples without a path go by ``sample_idx``. The block is drawn in fractions of the image: it covers the
    same of a face at every size, and a larger share covers all that a smaller one does. Sides are rounded to pixels.
    Its height by width is from 1/2 to 2 of the image's, uniform in its logarithm; a block that would be longer than the
    image is as long as it, and broader.

    It belongs after the face is loaded and cropped, and before the resizing of a model.

    Occlusion-RAF-DB, -FERPlus and -AffectNet (https://arxiv.org/abs/1905.04075) are parts of the test sets where
    people found something before the face; read these with ``ListSubset`` and their lists. Their shares of covered
    area are unknown, which is what this transform is for.

    Required and changed key: ``img`` (uint8 BGR (H, W, 3)). The array that came in is not written to.

    Args:
        region: 'block', or the name of a part in ``REGIONS``.
        share: Share of the area that a block covers, in [0, 1]; needed for blocks, and only there.
        seed: Another seed gives other blocks.
        value: Colour (b, g, r), or one number for all three. Defaults to (104, 116, 124), ImageNet's mean, which
            ``ImageRandomErasing`` paints in training: a model trained with it knows the sight.

    Raises:
        TypeError: An argument is of a wrong type.
        ValueError: An argument is out of bounds, or ``share`` does not fit the region.

    Examples:
        >>> sample = dict(img=np.zeros((200, 200, 3), np.uint8), img_path='test/0001.png')
        >>> round(float((Occlude(share=0.25)(sample)['img'] > 0).mean()), 2)
        0.25
    """

    def __init__(
        self,
        region: str = 'block',
        share: Optional[float] = None,
        seed: int = 0,
        value: Union[int, Sequence[int]] = (104, 116, 124),
    ):
        if region not in ('block', *REGIONS):
            raise ValueError(f'Occlude: region={region!r} is not one of block, {", ".join(REGIONS)}')
        if (region == 'block') != (share is not None):
            raise ValueError(
                f'Occlude: region={region!r} and share={share!r} do not fit: only blocks have a share, and need it'
            )
        if share is not None and (isinstance(share, bool) or not isinstance(share, Real)):
            raise TypeError(f'Occlude: share={share!r} must be a number')
        if share is not None and not 0 <= share <= 1:
            raise ValueError(f'Occlude: share={share} must be within [0, 1]')
        if not is_whole(seed):
            raise TypeError(f'Occlude: seed={seed!r} must be an integer')
        self.region = region
        self.share = None if share is None else float(share)
        self.seed = int(seed)
        self.value = check_color('Occlude: value', value)

    def box(self, results: dict) -> tuple:
        """What is covered of a sample: (top, left, bottom, right) in fractions of its image."""
        if self.region != 'block':
            return REGIONS[self.region]
        rng = np.random.default_rng(_digest(self.seed, results))
        down, along = rng.random(2)
        aspect = float(np.exp(rng.uniform(*np.log(ASPECTS))))
        height = min(1.0, max(self.share, (self.share * aspect) ** 0.5))  # neither side beyond the image
        width = self.share / height if height else 0.0
        top, left = down * (1 - height), along * (1 - width)
        return top, left, top + height, left + width

    def transform(self, results: dict) -> dict:
        """The sample, with a new ``img`` where something was covered."""
        img = results['img']
        height, width = img.shape[:2]
        box = self.box(results)
        top, bottom = (round(value * height) for value in box[::2])
        left, right = (round(value * width) for value in box[1::2])
        if top < bottom and left < right:
            img = img.copy() if img.flags.c_contiguous else contiguous(img)
            img[top:bottom, left:right] = self.value
            results['img'] = img
        return results

    def describe(self) -> str:
        """What is covered, in a few words."""
        if self.region == 'block':
            return f'a block covers {100 * self.share:g} % (seed {self.seed})'
        return f'the part {self.region} is covered'


def _digest(seed: int, results: dict) -> int:
    path = results.get('img_path')
    if path:
        name = '/'.join(str(path).replace('\\', '/').split('/')[-2:])
    elif results.get('sample_idx') is not None:
        name = f'sample {results["sample_idx"]}'
    else:
        raise ValueError('Occlude: a sample without img_path and sample_idx has no place for its block')
    return int.from_bytes(hashlib.blake2b(f'{seed}/{name}'.encode(), digest_size=8).digest(), 'big')
