from pathlib import Path

import pytest
import torch

from mmfer.apis import init_model, load_config

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / 'configs/poster_var/synth.py'


def test_without_checkpoint_warns():
    with pytest.warns(UserWarning, match='random weights'):
        model = init_model(CONFIG)
    assert not model.training
    assert model.classes is None
    assert model(torch.randn(2, 3, 48, 48), mode='tensor').shape == (2, 7)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'(?s)syth\.py.*synth\.py'):
        init_model(CONFIG.with_name('syth.py'))
    with pytest.raises(FileNotFoundError, match='none.pth'):
        init_model(CONFIG, tmp_path / 'none.pth')


@pytest.mark.parametrize('config', ['raf', 'raf_linear'])
def test_full_model_does_not_need_the_pretrained_parts(config):
    config = load_config(ROOT / f'configs/poster_var/{config}.py')
    assert not Path(config.model.backbone.image.init_cfg.checkpoint).exists()
    with pytest.warns(UserWarning, match='random weights'):
        model = init_model(config)
    assert model.backbone.frozen


def test_what_lies_beside_a_missing_checkpoint_is_named(tmp_path):
    (tmp_path / 'epoch_3.pth').touch()
    with pytest.raises(FileNotFoundError, match=r'(?s)epoch_7.pth \(in .*: epoch_3.pth\).*Train with mmfer train'):
        init_model(CONFIG, tmp_path / 'epoch_7.pth')
    with pytest.raises(FileNotFoundError, match='is a folder, which holds epoch_3.pth: name one of them'):
        init_model(CONFIG, tmp_path)


def test_released_weights_are_told_from_own_ones(tmp_path):
    names = ('ir_back.body1.0.res_layer.1.weight', 'VIT.head_vae.fc_mu.weight')
    torch.save({'state_dict': {name: torch.zeros(2) for name in names}}, tmp_path / 'released.pth')
    with pytest.raises(ValueError, match=r'POSTER-Var .* Convert it first: mmfer convert '):
        init_model(CONFIG, tmp_path / 'released.pth')


def test_a_model_is_named_by_the_index_as_well():
    with pytest.warns(UserWarning, match='random weights'):
        assert init_model('poster_var_synth').head.num_classes == 7
    with pytest.raises(ValueError, match="no model is named 'poster_var'"):
        init_model('poster_var')


def test_a_shipped_model_is_named_as_checkpoint():
    model = init_model('poster_var/ferplus_small_refit', 'poster_var_ferplus_small')
    assert model.classes[:2] == ('neutral', 'happiness')
    assert model.head.calibration is not None
    with pytest.raises(FileNotFoundError, match='poster_var_nothing'):
        init_model('poster_var/ferplus_small_refit', 'poster_var_nothing')
