import warnings

import numpy as np
import pytest

from mmfer.datasets.transforms import AlignFace
from mmfer.faces.alignment import align_by_box, align_face, arcface_template
from mmfer.registry import TRANSFORMS

IMG = np.random.RandomState(0).randint(0, 256, (150, 200, 3), dtype=np.uint8)
POINTS = (arcface_template(90) + [50, 30]).astype(np.float32)
BOX = (50.0, 20.0, 130.0, 125.0)


def sample(**keys):
    return dict(img=IMG, img_shape=(150, 200), ori_shape=(150, 200), img_path='dir/a.jpg', gt_label=3, **keys)


@pytest.mark.parametrize('options', [dict(size=96), dict(size=(64, 80), margin=0.25, pad='zero'), {}])
def test_equals_the_function(options):
    transform = TRANSFORMS.build(dict(type='mmfer.AlignFace', **options))
    results = transform(sample(face_landmarks=POINTS, face_box=BOX))
    size = options.get('size', 224)
    np.testing.assert_array_equal(results['img'], align_face(IMG, POINTS, **{'size': 224, **options}))
    assert results['img_shape'] == (size if isinstance(size, tuple) else (size, size))
    assert results['ori_shape'] == (150, 200)
    assert results['gt_label'] == 3
    assert not {'face_landmarks', 'face_box'} & set(results)


def test_without_landmarks_by_the_box():
    with pytest.warns(UserWarning, match='without landmarks are centred by their boxes and not turned'):
        results = AlignFace(size=96, margin=0.1)(sample(face_landmarks=None, face_box=BOX))
    np.testing.assert_array_equal(results['img'], align_by_box(IMG, BOX, 96, 0.1))
    assert results['img_shape'] == (96, 96)
    assert not {'face_landmarks', 'face_box'} & set(results)


def test_without_both_the_image_stays():
    given = sample(face_box=None)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert AlignFace()(dict(given)) == given


@pytest.mark.parametrize('keys', [{}, dict(face_box=BOX), dict(face_landmarks=None, face_box=BOX)])
def test_required_landmarks(keys):
    with pytest.raises(ValueError, match=r'AlignFace: dir/a\.jpg has no face_landmarks; .*YuNet.* required=False'):
        AlignFace(required=True)(sample(**keys))


@pytest.mark.parametrize(
    ('keys', 'message'),
    [
        (dict(face_landmarks=POINTS[:3]), r'of shape \(5, 2\)'),
        (dict(face_landmarks=POINTS[[1, 0, 2, 4, 3]]), 'not those of a face'),
        (dict(face_landmarks=POINTS + 1000), 'outside the image of 200 x 150'),
        (dict(face_landmarks=POINTS * np.nan), 'finite'),
    ],
)
def test_errors_name_the_image(keys, message):
    with pytest.raises(ValueError, match=rf'AlignFace: dir/a\.jpg: .*{message}'):
        AlignFace()(sample(**keys))
    with pytest.raises(ValueError, match='AlignFace: sample 7: '):
        AlignFace()(dict(sample(**keys), img_path=None, sample_idx=7))


@pytest.mark.parametrize('options', [dict(size=0), dict(margin=-0.5), dict(pad='reflect')])
def test_wrong_options(options):
    with pytest.raises(ValueError, match=f'AlignFace: {next(iter(options))}='):
        AlignFace(**options)
