import pytest
import torch
from mmcv.cnn import ConvModule
from torch import nn

from mmfer.inference.export.folding import fold_batch_norms, fold_shifts
from mmfer.models import IRNet


def filled(norm):
    norm.running_mean.normal_(0, 0.3)
    norm.running_var.uniform_(0.5, 2)
    nn.init.uniform_(norm.weight, -1, 1)
    nn.init.normal_(norm.bias)
    return norm


@pytest.mark.parametrize(
    ('layers', 'folded'),
    [
        (lambda: [nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU()], 1),
        (lambda: [ConvModule(3, 4, 3, norm_cfg=dict(type='BN')), ConvModule(4, 4, 1)], 1),
        # behind an activation, or before a convolution, they stay
        (lambda: [nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(4)], 0),
        (lambda: [ConvModule(3, 4, 3, norm_cfg=dict(type='BN'), order=('act', 'conv', 'norm'), inplace=False)], 0),
    ],
)
def test_the_function_stays(layers, folded):
    torch.manual_seed(0)
    model = nn.Sequential(*layers()).double().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            filled(module)
    x = torch.randn(2, 3, 6, 5, dtype=torch.float64)
    with torch.no_grad():
        expected = model(x)
        assert fold_batch_norms(model) == folded
        torch.testing.assert_close(model(x), expected, rtol=1e-12, atol=1e-12)


def test_linear_layers():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), filled(nn.BatchNorm1d(4))).eval()
    x = torch.randn(3, 5)
    with torch.no_grad():
        expected = model(x)
        assert fold_batch_norms(model) == 1
        torch.testing.assert_close(model(x), expected)


def test_layers_that_run_twice_stay():
    conv = nn.Conv2d(3, 3, 1)
    model = nn.Sequential(conv, nn.BatchNorm2d(3), conv).eval()
    assert fold_batch_norms(model) == 0
    assert isinstance(model[1], nn.BatchNorm2d)


def test_a_model_in_training_mode():
    with pytest.raises(ValueError, match='eval'):
        fold_batch_norms(nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)))


def ir_net():
    torch.manual_seed(0)
    net = IRNet(channels=(16, 20), num_blocks=(3, 3), out_indices=(0, 1)).double().eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1)
            nn.init.normal_(module.bias)
    return net


def test_shifts_go_through_the_shortcuts():
    net, x = ir_net(), torch.randn(2, 3, 12, 12, dtype=torch.float64)
    with torch.no_grad():
        expected = net(x)
        fold_batch_norms(net)
        assert fold_shifts(net) == 4
        for found, value in zip(net(x), expected):  # borders included
            torch.testing.assert_close(found, value, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize('weight', [0.0, 1e-4])
def test_a_shift_that_would_cost_digits_stays(weight):
    net, x = ir_net(), torch.randn(2, 3, 12, 12, dtype=torch.float64)
    net.stages[0][1].residual[0].weight.data[2] = weight
    with torch.no_grad():
        expected = net(x)
        fold_batch_norms(net)
        assert fold_shifts(net) == 3
        assert isinstance(net.stages[0][1].residual[0], nn.BatchNorm2d)
        for found, value in zip(net(x), expected):
            torch.testing.assert_close(found, value, rtol=1e-11, atol=1e-11)


def test_shifts_need_folded_batch_normalisation():
    assert fold_shifts(ir_net()) == 0
