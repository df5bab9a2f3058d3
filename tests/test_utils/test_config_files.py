from pathlib import Path

import pkg_resources
import pytest
from processes import ROOT

from mmfer.apis import load_config
from mmfer.utils.config_files import read_config

HEAD = 'from mmengine.config import read_base\nwith read_base():\n    '


def write(folder, text, name='mine.py'):
    (folder / name).write_text(text)
    return folder / name


@pytest.mark.parametrize(
    'text',
    [
        'from mmfer.configs.poster_var.synth import *',
        'from mmfer.configs._base_.datasets.synth_fer import *\n    from mmfer.configs._base_.models.poster_var_tiny '
        'import *\n    from mmfer.configs._base_.schedules.tiny import *',
        'from .base import *',
    ],
    ids=['leaf', 'parts', 'by a base'],
)
def test_configs_anywhere_begin_from_those_of_mmfer(tmp_path, text):
    write(tmp_path, HEAD + 'from mmfer.configs.poster_var.synth import *\n', 'base.py')
    config = load_config(write(tmp_path, f'{HEAD}{text}\ntrain_cfg.max_epochs = 3\nmodel.head.update(kl_weight=0.5)\n'))
    expected = load_config(ROOT / 'configs/poster_var/synth.py')
    expected.merge_from_dict({'train_cfg.max_epochs': 3, 'model.head.kl_weight': 0.5})
    for name in ('model', 'train_dataloader', 'param_scheduler', 'train_cfg'):
        assert config.to_dict()[name] == expected.to_dict()[name]


def test_an_installation_elsewhere_is_not_read(tmp_path):
    """As an editable install, of which only the metadata are found."""
    place = pkg_resources.Distribution(str(tmp_path), project_name='mmfer', version='0')
    pkg_resources.working_set.add(place, replace=True)
    read_config(write(tmp_path, HEAD + 'from mmfer.configs.poster_var.synth import *\n'))
    assert pkg_resources.get_distribution('mmfer').location == str(ROOT)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (HEAD + 'from configs.poster_var.synth import *', 'in no installed package'),
        (HEAD + 'from no_such_package.poster_var.synth import *', 'in no installed package'),
        (f'_base_ = [{str(ROOT / "configs/poster_var/synth.py")!r}]', '_base_ cannot name'),
        ("_base_ = ['mmfer::poster_var/synth.py']", '_base_ cannot name'),
        ('from mmfer.configs.poster_var.synth import *', 'inside "with read_base'),
        ('from mmfer.configs.poster_var.synth import model\nmodel.head.num_classes = 3', 'inside "with read_base'),
        ('import mmfer.configs.poster_var.synth as synth\nmodel = synth.model', 'inside "with read_base'),
        (HEAD + 'from mmfer.configs.poster_var.synht import *', r'missing \(.*poster_var/synht.py not found'),
        (HEAD + 'from ..poster_var.synth import *', r'missing \(.*poster_var/synth.py not found'),
    ],
)
def test_ways_that_do_not_work_name_the_one_that_does(tmp_path, text, message):
    with pytest.raises(ValueError, match=f'mine.py: .*{message}') as caught:
        load_config(write(tmp_path, text))
    assert 'from mmfer.configs.poster_var.synth import *' in str(caught.value)


def test_errors_of_the_config_itself_stay(tmp_path):
    with pytest.raises(RuntimeError, match='^mine$'):
        load_config(write(tmp_path, "raise RuntimeError('mine')"))


def test_configs_of_mmfer_have_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load_config('poster_var/synth')
    assert Path(config.filename).parts[-3:] == ('configs', 'poster_var', 'synth.py')
    with pytest.raises(FileNotFoundError, match=r'config not found: poster_var/nothing .*such as poster_var/synth'):
        load_config('poster_var/nothing')


def test_other_files_are_no_configs(tmp_path):
    (tmp_path / 'notes.txt').write_text('accuracy 92.1')
    with pytest.raises(ValueError, match=r'notes\.txt is no config\. Name a \.py file'):
        load_config(tmp_path / 'notes.txt')
