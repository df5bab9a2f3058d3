import json
import re

import golden
import pytest
import torch

from mmfer.models.backbones import IRNet, MobileFaceNet
from mmfer.models.released.names import KINDS, detect_kind, to_mmfer
from mmfer.models.released.weights import fill
from mmfer.utils.checkpoint_reader import CheckpointError


def empty(entries):
    """A state dict with these names and shapes; values do not matter for names."""
    return {name: torch.empty(shape, device='meta') for name, shape in entries}


def ir50():
    return {
        name: torch.zeros(shape)
        for name, shape in json.loads((golden.GOLDEN / 'ir50_released_keys.json').read_text()).items()
    }


def flat(state):
    """The released IR-50 names in ArcFace's own numbering."""
    sizes = [max(int(m[1]) for n in state if (m := re.match(rf'body{s}\.(\d+)', n))) + 1 for s in (1, 2, 3)]
    starts = {str(s + 1): sum(sizes[:s]) for s in range(3)}
    return {
        re.sub(r'^body(\d)\.(\d+)', lambda m: f'body.{starts[m[1]] + int(m[2])}', name): tensor
        for name, tensor in state.items()
    }


WHOLE = ('poster_var', 'poster_pp', 'poster', 'dan', 'ddamfn', 'scn', 'eac')


def released(kind):
    if kind in WHOLE:
        return empty(golden.manifest(f'{kind}_7')['entries'])
    if kind == 'ir_net':
        return ir50()
    if kind == 'resnet':
        renamed, _ = to_mmfer(released('eac'), 'eac')
        return {name.replace('backbone.', '').replace('head.', ''): tensor for name, tensor in renamed.items()}
    if kind == 'vggface2':
        state = {name: tensor for name, tensor in released('resnet').items() if 'num_batches' not in name}
        return {**state, 'fc.weight': empty([('fc.weight', (8631, 2048))])['fc.weight']}
    if kind == 'mixed_feature_net':
        parts = ('conv1', 'conv2_dw', 'conv_23', 'conv_3', 'conv_34', 'conv_4', 'conv_45', 'conv_5', 'conv_6_sep')
        state = {name: tensor for name, tensor in released('ddamfn').items() if name.startswith('features.')}
        return {re.sub(r'features\.(\d)', lambda m: parts[int(m[1])], name): tensor for name, tensor in state.items()}
    prefix = 'face_landback.'
    entries = golden.manifest('poster_pp_7')['entries']
    return empty([(n[len(prefix) :], s) for n, s in entries if n.startswith(prefix)])


@pytest.mark.parametrize('kind', [k for k in KINDS if k != 'mmfer'])
def test_detect_kind_and_renaming_are_stable(kind):
    state = released(kind)
    assert detect_kind(state) == kind
    renamed, dropped = to_mmfer(state, kind)
    assert len(renamed) + len(dropped) == len(state)
    assert set(dropped) < set(state)
    assert detect_kind(renamed) == 'mmfer'
    assert to_mmfer(renamed, 'mmfer') == (renamed, [])


def test_what_a_whole_model_drops():
    state = released('poster_var') | {'attn1.relative_position_index': torch.zeros(4, dtype=torch.int64)}
    renamed, dropped = to_mmfer(state, 'poster_var')
    assert {re.sub(r'\d', '', '.'.join(n.split('.')[:2])) for n in dropped} == {
        'VIT.CON', 'VIT.IRLinear', 'VIT.blocks', 'VIT.eca_block', 'VIT.head', 'VIT.head_vae', 'VIT.patch_embed',
        'attn.relative_position_index', 'face_landback.output_layer', 'ir_back.output_layer',
    }  # fmt: skip
    assert renamed['head.fc_mean.weight'] is state['VIT.head_vae.fc_mu.weight']
    assert renamed['neck.token_embeds.0.convs.1.weight'] is state['embed_q.2.weight']
    assert renamed['neck.fusions.2.norm2.bias'] is state['ffn3.norm.bias']
    assert (
        renamed['backbone.landmark.stages.1.6.depthwise.act.weight']
        is (state['face_landback.conv_4.model.5.conv_dw.prelu.weight'])
    )


def test_both_numberings_of_ir_net_are_the_same():
    state = ir50()
    numbered = flat(state)
    assert 'body.20.res_layer.1.weight' in numbered
    assert detect_kind(numbered) == 'ir_net'
    assert {n: t.shape for n, t in to_mmfer(numbered, 'ir_net')[0].items()} == {
        n: t.shape for n, t in to_mmfer(state, 'ir_net')[0].items()
    }


@pytest.mark.parametrize('depth', [18, 100])
def test_flat_numbering_of_other_depths_and_a_fourth_stage(depth):
    net = IRNet(depth, out_indices=(3,), channels=(16, 24, 32, 40))
    state, unit = {}, 0
    for name, tensor in net.state_dict().items():
        match = re.match(r'stages\.(\d+)\.(\d+)\.(residual|shortcut)\.(.+)', name)
        if match:
            unit = sum(net.num_blocks_of_depth[depth][: int(match[1])]) + int(match[2])
            layer = 'res_layer' if match[3] == 'residual' else 'shortcut_layer'
            name = f'body.{unit}.{layer}.{match[4]}'
        state[name.replace('stem.', 'input_layer.')] = torch.randn(tensor.shape).to(tensor.dtype)
    renamed, dropped = to_mmfer(state, detect_kind(state))
    assert not dropped
    fill(net, renamed)
    assert torch.equal(net.state_dict()['stages.1.0.shortcut.0.weight'], renamed['stages.1.0.shortcut.0.weight'])


def test_unknown_names():
    with pytest.raises(CheckpointError, match=r'1 tensors, such as layer1\.weight.*POSTER-Var'):
        detect_kind({'layer1.weight': torch.zeros(1)})
    with pytest.raises(ValueError, match="kind='vgg'"):
        to_mmfer({}, 'vgg')
    names = ('embed_q.1.weight', 'embed_q.2.weight')
    with pytest.raises(CheckpointError, match=r'two tensors.*neck\.token_embeds\.0\.convs\.1\.weight'):
        to_mmfer({name: torch.zeros(1) for name in names}, 'poster_pp')


def test_what_ddamfn_drops():
    state = released('ddamfn')
    renamed, dropped = to_mmfer(state, 'ddamfn')
    kept_out = [n for n in dropped if not re.search(r'conv_dw\.(bn|prelu)|CoordAtt\.Linear\.|^bn\.', n)]
    assert kept_out == []
    mixed = state['features.5.model.2.conv_dw.mixed_depthwise_conv.1.weight']
    assert renamed['backbone.stages.1.3.depthwise.convs.1.weight'] is mixed
    assert renamed['neck.heads.1.rows.conv.weight'] is state['cat_head1.CoordAtt.Linear_h.conv.weight']


def test_landmark_head_only_where_there_is_one():
    renamed, dropped = to_mmfer(released('mobile_face_net'), 'mobile_face_net')
    assert not dropped
    assert renamed.keys() == MobileFaceNet(with_landmarks=True).state_dict().keys()
