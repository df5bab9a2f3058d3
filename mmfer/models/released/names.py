"""The names of released weights, and what mmfer calls the same tensors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from torch import Tensor

from mmfer.utils.checkpoint_reader import CheckpointError, show

KINDS = {
    'poster_var': 'POSTER-Var (the whole model)',
    'poster_pp': 'POSTER++ (the whole model)',
    'poster': 'POSTER (the whole model)',
    'dan': 'DAN (the whole model)',
    'ddamfn': 'DDAMFN (the whole model)',
    'scn': 'SCN (the whole model)',
    'eac': 'EAC or another ResNet with a linear layer (the whole model)',
    'resnet': "a ResNet by torchvision's names (a backbone)",
    'vggface2': 'the ResNet-50 of VGGFace2 (a backbone)',
    'mixed_feature_net': 'MixedFeatureNet (a backbone)',
    'ir_net': 'IR-50 or another IR-Net (an image stream)',
    'mobile_face_net': 'MobileFaceNet (a landmark stream)',
    'mmfer': "a model under mmfer's own names",
}

# Released name -> mmfer's name. <n> is a number that counts from 1 there and from 0 here ({before}), or one that moves
# up by one ({after}); <unit> is a number that stays; <rest> is all that follows. What no rule names is dropped.
IR_NET = {
    'input_layer.<rest>': 'stem.{rest}',
    'body<n>.<unit>.res_layer.<rest>': 'stages.{before}.{unit}.residual.{rest}',
    'body<n>.<unit>.shortcut_layer.<rest>': 'stages.{before}.{unit}.shortcut.{rest}',
}
MOBILE_FACE_NET = {
    'conv1.<rest>': 'stem.0.{rest}',
    'conv2_dw.<rest>': 'stem.1.{rest}',
    'conv_6_sep.<rest>': 'expand.{rest}',
}
for _stage, (_first, _others) in enumerate((('conv_23', 'conv_3'), ('conv_34', 'conv_4'), ('conv_45', 'conv_5'))):
    for _old, _new in (('conv', 'expand'), ('conv_dw', 'depthwise'), ('project', 'project')):
        MOBILE_FACE_NET[f'{_first}.{_old}.<rest>'] = f'stages.{_stage}.0.{_new}.{{rest}}'
        MOBILE_FACE_NET[f'{_others}.model.<n>.{_old}.<rest>'] = f'stages.{_stage}.{{after}}.{_new}.{{rest}}'
LANDMARK_HEAD = {
    'output_layer.conv_6_dw.<rest>': 'landmark_head.depthwise.{rest}',
    'output_layer.linear.<rest>': 'landmark_head.linear.{rest}',
    'output_layer.bn.<rest>': 'landmark_head.bn.{rest}',
}
# The whole models use no landmark head, and only part of what their code declares.
TWO_STREAMS = {
    **{f'ir_back.{old}': f'backbone.image.{new}' for old, new in IR_NET.items()},
    **{f'face_landback.{old}': f'backbone.landmark.{new}' for old, new in MOBILE_FACE_NET.items()},
}
PYRAMID_FUSION = {
    **TWO_STREAMS,
    'conv<n>.<rest>': 'neck.image_projections.{before}.{rest}',
    'last_face_conv.<rest>': 'neck.landmark_projections.2.{rest}',
    'window<n>.norm.<rest>': 'neck.fusions.{before}.norm1.{rest}',
    'attn<n>.qkv.<rest>': 'neck.fusions.{before}.attn.kv.{rest}',
    'attn<n>.proj.<rest>': 'neck.fusions.{before}.attn.proj.{rest}',
    'attn<n>.relative_position_bias_table': 'neck.fusions.{before}.attn.relative_position_bias_table',
    'ffn<n>.gamma1': 'neck.fusions.{before}.gamma1',
    'ffn<n>.gamma2': 'neck.fusions.{before}.gamma2',
    'ffn<n>.mlp.<rest>': 'neck.fusions.{before}.mlp.{rest}',
    'ffn<n>.norm.<rest>': 'neck.fusions.{before}.norm2.{rest}',
    'embed_q.0.<rest>': 'neck.token_embeds.0.convs.0.{rest}',
    'embed_q.1.<rest>': 'neck.token_embeds.0.convs.1.{rest}',
    'embed_q.2.<rest>': 'neck.token_embeds.0.convs.1.{rest}',  # POSTER-Var has a GELU at 1
    'embed_k.0.<rest>': 'neck.token_embeds.1.convs.0.{rest}',
    'embed_v.0.<rest>': 'neck.token_embeds.2.convs.0.{rest}',
    'embed_v.proj.<rest>': 'neck.token_embeds.2.convs.0.{rest}',
    'level_embeds': 'neck.level_embed',
    'fusion_norm.<rest>': 'neck.token_norm.{rest}',
    'VIT.cls_token': 'neck.encoder.cls_token',
    'VIT.pos_embed': 'neck.encoder.pos_embed',
    'VIT.norm.<rest>': 'neck.encoder.norm.{rest}',
    **{f'VIT.blocks.<unit>.{p}.<rest>': f'neck.encoder.blocks.{{unit}}.{p}.{{rest}}' for p in ('norm1', 'norm2')},
    **{f'VIT.blocks.<unit>.{p}.<rest>': f'neck.encoder.blocks.{{unit}}.{p}.{{rest}}' for p in ('attn', 'mlp')},
    'VIT.se_block.linear1.<rest>': 'neck.gate.fc1.{rest}',
    'VIT.se_block.linear2.<rest>': 'neck.gate.fc2.{rest}',
}
STREAM_FUSION = {
    'norm1': 'image.norm1',
    'attn_img': 'image.attn',
    'norm2': 'image.norm2',
    'mlp1': 'image.mlp',
    'norm3': 'landmark.norm1',
    'attn_lm': 'landmark.attn',
    'norm4': 'landmark.norm2',
    'mlp2': 'landmark.mlp',
    'conv': 'mix',
}
POSTER = {  # its class token is a left-over that no forward pass reaches
    **TWO_STREAMS,
    'ir_layer.<rest>': 'neck.image_projection.{rest}',
    'pyramid_fuse.pos_embed': 'neck.pos_embed',
    'pyramid_fuse.norm.<rest>': 'neck.norm.{rest}',
    'se_block.linear1.<rest>': 'neck.gate.fc1.{rest}',
    'se_block.linear2.<rest>': 'neck.gate.fc2.{rest}',
    'head.linear.<rest>': 'head.fc.{rest}',
}
for _i, _scale in enumerate('lms'):
    for _old, _new in STREAM_FUSION.items():
        POSTER[f'pyramid_fuse.blocks.<unit>.block_{_scale}.{_old}.<rest>'] = (
            f'neck.blocks.{{unit}}.scales.{_i}.{_new}.{{rest}}'
        )
for _i, _scale in enumerate('ms'):
    POSTER[f'pyramid_fuse.downsample_{_scale}.<rest>'] = f'neck.downsamples.{_i}.{{rest}}'
    POSTER[f'pyramid_fuse.blocks.<unit>.upsample_{_scale}.<rest>'] = f'neck.blocks.{{unit}}.upsamples.{_i}.{{rest}}'
# ResNets keep the names inside their layers. DAN, SCN and EAC hold them in a list, with pooling at 2 and 3.
RESNET_LAYERS = {'0': 'conv1', '1': 'bn1', '4': 'layer1', '5': 'layer2', '6': 'layer3', '7': 'layer4'}
RESNET_LIST = {f'features.{i}.<rest>': f'backbone.{layer}.{{rest}}' for i, layer in RESNET_LAYERS.items()}
# A coordinate attention, in the units of MixedFeatureNet and in the attention heads of DDAMFN.
COORDINATE_ATTENTION = {
    'Linear_h': 'rows',
    'Linear_w': 'columns',
    'conv1': 'reduce',
    'bn1': 'bn',
    'conv2': 'row_weights',
    'conv3': 'column_weights',
}
MIXED_UNIT = {  # a batch normalisation and a PReLU in its conv_dw are left-overs
    'conv': 'expand',
    'conv_dw.mixed_depthwise_conv': 'depthwise.convs',
    **{f'CA.{old}': f'attention.{new}' for old, new in COORDINATE_ATTENTION.items()},
    'project': 'project',
}


def _mixed_feature_net(parts: tuple[str, ...]) -> dict[str, str]:
    """Rules of a MixedFeatureNet whose parts have these names.

    They are nine: two convolutions, a unit and a row of units for each of three stages, and a convolution.
    """
    stem, depthwise, *units, top = parts
    rules = {f'{stem}.<rest>': 'backbone.stem.0.{rest}', f'{depthwise}.<rest>': 'backbone.stem.1.{rest}'}
    for stage in range(3):
        first, others = units[2 * stage : 2 * stage + 2]
        for old, new in MIXED_UNIT.items():
            rules[f'{first}.{old}.<rest>'] = f'backbone.stages.{stage}.0.{new}.{{rest}}'
            rules[f'{others}.model.<n>.{old}.<rest>'] = f'backbone.stages.{stage}.{{after}}.{new}.{{rest}}'
    return {**rules, f'{top}.<rest>': 'backbone.expand.{rest}'}


CROSS_ATTENTION = {
    'sa.conv1x1': 'spatial.reduce',
    'sa.conv_3x3': 'spatial.square',
    'sa.conv_1x3': 'spatial.row',
    'sa.conv_3x1': 'spatial.column',
    'ca.attention.0': 'channel.fc1',
    'ca.attention.1': 'channel.bn',
    'ca.attention.3': 'channel.fc2',
}
DAN = {
    **RESNET_LIST,
    **{f'cat_head<unit>.{old}.<rest>': f'neck.heads.{{unit}}.{new}.{{rest}}' for old, new in CROSS_ATTENTION.items()},
    'fc.<rest>': 'head.fc.{rest}',
    'bn.<rest>': 'head.bn.{rest}',
}
DDAMFN = {  # its bn, and a Linear in each attention head, are left-overs that no forward pass reaches
    **_mixed_feature_net(tuple(f'features.{i}' for i in range(9))),
    **{
        f'cat_head<unit>.CoordAtt.{old}.<rest>': f'neck.heads.{{unit}}.{new}.{{rest}}'
        for old, new in COORDINATE_ATTENTION.items()
    },
    'Linear.<rest>': 'neck.linear.{rest}',
    'fc.<rest>': 'head.fc.{rest}',
}
RULES = {
    'poster_var': {  # its VIT.head.linear is a left-over that no forward pass reaches
        **PYRAMID_FUSION,
        'VIT.head_vae.fc_mu.<rest>': 'head.fc_mean.{rest}',
        'VIT.head_vae.fc_logvar.<rest>': 'head.fc_logvar.{rest}',
    },
    'poster_pp': {**PYRAMID_FUSION, 'VIT.head.linear.<rest>': 'head.fc.{rest}'},
    'poster': POSTER,
    'dan': DAN,
    'ddamfn': DDAMFN,
    'scn': {**RESNET_LIST, 'fc.<rest>': 'head.fc.{rest}', 'alpha.0.<rest>': 'head.alpha.{rest}'},
    'eac': {**RESNET_LIST, 'fc.<rest>': 'head.fc.{rest}'},
    **dict.fromkeys(
        ('resnet', 'vggface2'), {f'{layer}.<rest>': f'backbone.{layer}.{{rest}}' for layer in RESNET_LAYERS.values()}
    ),
    'mixed_feature_net': _mixed_feature_net(
        ('conv1', 'conv2_dw', 'conv_23', 'conv_3', 'conv_34', 'conv_4', 'conv_45', 'conv_5', 'conv_6_sep')
    ),
    'ir_net': IR_NET,
    'mobile_face_net': {**MOBILE_FACE_NET, **LANDMARK_HEAD},
    'mmfer': {'<rest>': '{rest}'},
}


def _is_own_mixed_feature_net(names: Iterable[str]) -> bool:
    return 'stages.0.0.depthwise.convs.0.weight' in names


def own_part(names: Iterable[str]) -> str | None:
    """The class, IRNet or MobileFaceNet, that has these names in mmfer; None if neither."""
    names = set(names)
    if _is_own_mixed_feature_net(names):
        return None
    if 'stem.0.conv.weight' in names:
        return 'MobileFaceNet'
    return 'IRNet' if 'stem.0.weight' in names and any('.residual.' in name for name in names) else None


def detect_kind(state: dict[str, Tensor]) -> str:
    """What a state dict is, told by its names, and of VGGFace2 by its 8631 people: a key of ``KINDS``.

    Raises:
        CheckpointError: If it is none of them; the message shows some of the names.
    """

    def has(pattern: str) -> bool:
        return any(re.match(pattern, name) for name in state)

    if has(r'ir_back\.body\d?\.') and has(r'VIT\.'):
        if has(r'VIT\.head_vae\.fc_mu\.'):
            return 'poster_var'
        if has(r'VIT\.head\.linear\.'):
            return 'poster_pp'
    if has(r'ir_back\.body\d?\.') and has(r'pyramid_fuse\.'):
        return 'poster'
    if has(r'cat_head0\.CoordAtt\.'):
        return 'ddamfn'
    if has(r'cat_head0\.sa\.'):
        return 'dan'
    if has(r'features\.4\.0\.conv1\.') and has(r'fc\.'):
        return 'scn' if has(r'alpha\.0\.') else 'eac'
    if has(r'conv1\.weight') and has(r'layer1\.0\.conv1\.'):
        of_caffe = len(state.get('fc.weight', ())) == 8631 and not has(r'bn1\.num_batches_tracked')
        return 'vggface2' if of_caffe else 'resnet'
    if has(r'conv2_dw\.conv\.') and has(r'conv_23\.conv_dw\.mixed_depthwise_conv\.'):
        return 'mixed_feature_net'
    if has(r'input_layer\.') and has(r'body\d?\.\d+\.(\d+\.)?res_layer\.'):
        return 'ir_net'
    if has(r'conv2_dw\.conv\.') and has(r'conv_23\.conv_dw\.'):
        return 'mobile_face_net'
    if own_part(state) or _is_own_mixed_feature_net(state) or has(r'backbone\.'):
        return 'mmfer'
    names = ', '.join(show(name) for name in list(state)[:8])
    raise CheckpointError(
        f'unknown weights: {len(state)} tensors, such as {names}. Known are: {"; ".join(KINDS.values())}.'
    )


def _staged(names: list[str]) -> list[str]:
    """Names with ArcFace's flat numbering ``body.N.`` as ``bodyS.M.``: each unit with a shortcut opens a stage."""
    flat = re.compile(r'(ir_back\.)?body\.(\d+)\.(.+)')
    matches = [flat.fullmatch(name) for name in names]
    opening = {int(m[2]) for m in matches if m and m[3].startswith('shortcut_layer.')}
    starts = sorted(opening | {0})
    staged = []
    for name, match in zip(names, matches):
        if match:
            start = max(s for s in starts if s <= int(match[2]))
            name = f'{match[1] or ""}body{starts.index(start) + 1}.{int(match[2]) - start}.{match[3]}'
        staged.append(name)
    return staged


def to_mmfer(state: dict[str, Tensor], kind: str) -> tuple[dict[str, Tensor], list[str]]:
    """``state`` under mmfer's names, and the released names that mmfer has no use for.

    Args:
        state: A state dict with released names.
        kind: What :func:`detect_kind` says.

    Raises:
        CheckpointError: If two tensors would get the same name.
    """
    if kind not in RULES:
        raise ValueError(f'kind={kind!r}: choose from {sorted(RULES)}')
    rules = []
    for old, new in RULES[kind].items():
        pattern = re.escape(old).replace('<n>', r'(?P<n>\d+)').replace('<unit>', r'(?P<unit>\d+)')
        rules.append((re.compile(pattern.replace('<rest>', '(?P<rest>.+)')), new))
    renamed, dropped = {}, []
    for name, staged in zip(state, _staged(list(state))):
        for pattern, new in rules:
            match = pattern.fullmatch(staged)
            if match:
                groups = match.groupdict()
                n = int(groups.get('n') or 0)
                rest = re.sub(r'^prelu\.', 'act.', groups.get('rest') or '')
                renamed[name] = new.format(before=n - 1, after=n + 1, unit=groups.get('unit'), rest=rest)
                break
        else:
            dropped.append(name)
    twice = [name for name, count in Counter(renamed.values()).items() if count > 1]
    if twice:
        raise CheckpointError(f'two tensors of the file mean {show(twice[0])}: it is of an unknown variant')
    return {new: state[name] for name, new in renamed.items()}, dropped
