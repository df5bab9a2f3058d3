import pytest
from small_runs import ROOT, small_config

from mmfer.apis import build_runner, list_heads, load_config, swap_head

CONFIGS = ROOT / 'configs/poster_var'


@pytest.mark.parametrize('name', sorted(list_heads()))
def test_configs_of_the_heads_are_those_with_the_head_swapped(name):
    base = load_config(CONFIGS / 'synth.py')
    before = base.to_dict()
    swapped = swap_head(base, name)
    written = load_config(CONFIGS / ('synth.py' if name == 'vich' else f'synth_{name}.py'))
    assert swapped.to_dict() == written.to_dict()
    assert base.to_dict() == before
    if name != 'vich':
        parts = {'model', 'train_pipeline', 'train_dataloader'} if swapped.model.head.get('likelihood') else {'model'}
        assert {part for part, value in swapped.to_dict().items() if before[part] != value} == parts


def test_a_head_of_the_user_and_what_it_needs(tmp_path):
    (tmp_path / 'mine.py').write_text(
        "head = dict(type='SCNHead', margin=0.07)\n"
        "custom_hooks = [dict(type='RelabelHook', begin=2)]\n"
        'train_dataloader = dict(batch_size=5)\n'
        "data_preprocessor = dict(type='TwoViewPreprocessor')\n"
    )
    config = small_config(tmp_path / 'work')
    swapped = swap_head(config, tmp_path / 'mine.py')
    runner = build_runner(swapped)
    assert (type(runner.model.head).__name__, runner.model.head.num_classes) == ('SCNHead', 7)
    assert type(runner.model.data_preprocessor).__name__ == 'TwoViewPreprocessor'
    assert swapped.train_dataloader == {**config.train_dataloader, 'batch_size': 5}
    hooks = [type(hook).__name__ for hook in runner.hooks]
    assert 'RelabelHook' in hooks
    assert len(swapped.custom_hooks) == len(config.get('custom_hooks') or ()) + 1


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('head = dict(margin=1)\n', 'no head = dict'),
        ('', 'no head = dict'),
        ("head = dict(type='LinearHead')\nmodel = dict(neck=None)\n", 'it has model; known are head'),
    ],
)
def test_files_that_are_no_heads(text, reason, tmp_path):
    (tmp_path / 'mine.py').write_text(text)
    with pytest.raises(ValueError, match=reason):
        swap_head(small_config(tmp_path), tmp_path / 'mine.py')


def test_unknown_heads_and_models_without_one(tmp_path):
    config = small_config(tmp_path)
    with pytest.raises(FileNotFoundError, match='arcface.*linear'):
        swap_head(config, 'arcfaces')
    del config.model['head']
    with pytest.raises(ValueError, match='no num_classes'):
        swap_head(config, 'arcface')
