import golden
import pytest
import torch

from mmfer.models import MobileFaceNet


def test_maps_and_points():
    net = MobileFaceNet(with_landmarks=True).eval()
    *maps, points = net(torch.randn(2, 3, 112, 112))
    assert [tuple(m.shape[1:]) for m in maps] == [(64, 28, 28), (128, 14, 14), (512, 7, 7)]
    assert points.shape == (2, 68, 2)


def test_only_what_is_used_exists():
    net = MobileFaceNet(out_indices=(0, 1))
    assert len(net.stages) == 2
    assert net.expand is None
    assert net.landmark_head is None


def test_width_scales_channels():
    maps = MobileFaceNet(width=0.25, num_blocks=(1, 1, 1))(torch.randn(1, 3, 48, 48))
    assert [m.shape[1] for m in maps] == [16, 32, 128]


def test_landmarks_need_their_size():
    with pytest.raises(ValueError, match='112x112'):
        MobileFaceNet(with_landmarks=True).eval()(torch.randn(1, 3, 224, 224))


@pytest.mark.parametrize(
    ('wrong', 'name'), [(dict(out_indices=(3,)), 'out_indices'), (dict(num_blocks=(1,)), 'num_blocks')]
)
def test_wrong_arguments_are_named(wrong, name):
    with pytest.raises(ValueError, match=name):
        MobileFaceNet(**wrong)


def test_real_weights_find_the_face():
    """On a real portrait the points form a face: eyes above nose above mouth above chin."""
    cv2 = pytest.importorskip('cv2')
    weights = golden.SHARED / 'weights' / 'mobilefacenet_68.safetensors'
    photo = golden.SHARED / 'photos' / 'astronaut.png'
    if not weights.exists() or not photo.exists():
        pytest.skip('the real weights and photos lie beside the repository only where they are shared')
    net = MobileFaceNet(out_indices=(), with_landmarks=True, init_cfg=dict(type='Pretrained', checkpoint=str(weights)))
    net.init_weights()
    image = cv2.imread(str(photo))
    x0, y0, size = 160, 57, 125  # around the face
    crop = cv2.resize(image[y0 : y0 + size, x0 : x0 + size], (112, 112))[:, :, ::-1] / 255.0
    points = net.eval()(torch.from_numpy(crop.transpose(2, 0, 1).copy()).float()[None])[-1][0].detach()
    assert points.min() > 0
    assert points.max() < 1
    eyes, nose, mouth, chin = points[36:48], points[30], points[48:68], points[8]
    assert eyes[:, 1].mean() < nose[1] < mouth[:, 1].mean() < chin[1]
    assert points[36:42, 0].mean() < nose[0] < points[42:48, 0].mean()
