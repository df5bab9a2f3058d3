import re
import shutil
from pathlib import Path

import pytest
import yaml
from demo_model import write_model

from mmfer import ExpressionInferencer
from mmfer.apis import get_model, init_model, list_models, model_info
from mmfer.models.build import find_weights
from mmfer.utils.checkpoint import load_checkpoint, write_checkpoint
from mmfer.utils.model_index import configs_folder

ROOT = Path(__file__).resolve().parents[2]


def entries():
    for path in ROOT.glob('configs/*/metafile.yml'):
        yield from yaml.safe_load(path.read_text())['Models']


def test_all_models_of_all_metafiles():
    assert list_models() == sorted(entry['Name'] for entry in entries())
    assert 'poster_var_raf' in list_models('*_raf*')
    assert all('raf' in name for name in list_models('*_raf*'))
    assert list_models('no such') == []
    assert configs_folder() == ROOT / 'configs'


@pytest.mark.parametrize('entry', list(entries()), ids=lambda entry: entry['Name'])
def test_what_is_known_of_a_model(entry):
    info = model_info(entry['Name'])
    assert Path(info['config']).samefile(ROOT / entry['Config'])
    assert Path(info['readme']).is_file()
    assert info['paper_url'].startswith('https://')
    assert info['parameters'] == entry['Metadata']['Parameters']
    assert 'x'.join(map(str, info['input_size'])) == entry['Metadata']['Input']
    folder, name = Path(entry['Config']).parts[1:]
    assert Path(info['work_dir']) == Path('work_dirs', folder, name[:-3])
    for result, told in zip(entry['Results'] or [], info['results']):
        assert told['dataset'] == result['Dataset']
        assert told['metrics'] == result['Metrics']
        assert told['measured'] == (ROOT / result['Source']).is_file()


def test_what_the_paper_says_is_not_what_was_measured():
    (paper,) = model_info('poster_var_raf')['results']
    assert paper == dict(dataset='RAF-DB', metrics=dict(Accuracy=92.76), measured=False, source='reported by the paper')
    assert model_info('poster_var_synth')['results'][0]['measured']


def test_a_wrong_name_brings_the_nearest():
    with pytest.raises(ValueError, match=r"no model is named 'poster_var_rafdb'; there are .*poster_var_raf"):
        model_info('poster_var_rafdb')
    with pytest.raises(ValueError, match='no model is named'):
        get_model('')


@pytest.fixture
def index(tmp_path, monkeypatch):
    """An index of one model, a small one, in a folder of its own; what it takes is not there yet."""
    folder = tmp_path / 'configs'
    (folder / 'mine').mkdir(parents=True)
    config, checkpoint = write_model(tmp_path, threshold=0.5)
    shutil.copy(config, folder / 'mine/small.py')
    entry = dict(Name='small', Config='configs/mine/small.py', Results=None)
    entry.update({'In Collection': 'Mine', 'Metadata': dict(Parameters=1, FLOPs=2, Input='32x48')})
    collection = dict(Name='Mine', Paper=dict(Title='A paper', URL='https://example.org/paper'), README='README.md')
    (folder / 'mine/metafile.yml').write_text(yaml.safe_dump(dict(Collections=[collection], Models=[entry])))
    monkeypatch.setenv('MMFER_CONFIGS', str(folder))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_model_by_its_name(index):
    assert list_models() == ['small']
    assert model_info('small')['input_size'] == (32, 48)
    model = get_model('small', index / 'epoch_1.pth')
    assert not model.training
    assert model.classes[0] == 'neutral'
    assert model.abstention == dict(threshold=0.5)
    assert init_model('small', index / 'epoch_1.pth').classes == model.classes
    infer = ExpressionInferencer('small', index / 'epoch_1.pth', 'cpu', detector=None)
    assert infer.threshold == 0.5


def test_the_newest_checkpoint_of_the_training_is_taken(index):
    content = load_checkpoint(index / 'epoch_1.pth')
    folder = index / 'work_dirs/mine/small'
    folder.mkdir(parents=True)
    for name in ('epoch_1.pth', 'epoch_10.pth', 'epoch_9.pth', 'best_accuracy_epoch_9.pth'):
        write_checkpoint(content, folder / name)
    info = model_info('small')
    assert find_weights(info).name == 'epoch_10.pth'
    write_checkpoint(content, folder / 'epoch_10_calibrated.pth')
    assert find_weights(info).name == 'epoch_10_calibrated.pth'
    assert get_model('small').abstention == dict(threshold=0.5)
    infer = ExpressionInferencer('small', detector=None, device='cpu')
    assert infer.classifier.source == str(Path('work_dirs/mine/small/epoch_10_calibrated.pth'))
    next(iter(content['state_dict'].values())).add_(1)  # when another training has ended there
    write_checkpoint(content, folder / 'epoch_10.pth')
    assert find_weights(info).name == 'epoch_10.pth'


def test_what_is_missing_is_said(index):
    with pytest.raises(FileNotFoundError) as error:
        get_model('small')
    text = str(error.value)
    assert 'Looked for epoch_*.pth in work_dirs/mine/small' in text
    assert 'mmfer train configs/mine/small.py' in text
    assert 'released (see https://example.org/paper)' in text
    (index / 'work_dirs/mine/small/seed_0').mkdir(parents=True)
    shutil.copy(index / 'epoch_1.pth', index / 'work_dirs/mine/small/seed_0')
    with pytest.raises(FileNotFoundError, match='There are work_dirs/mine/small/seed_0/epoch_1.pth: pass one'):
        get_model('small')


def test_what_a_large_model_needs_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as error:
        get_model('poster_var_raf')
    text = str(error.value)
    assert 'needs the data in data/raf_db, which is not there' in text
    assert 'starts from pretrained/ir50.pth, which is not there: IR-50 trained on' in text
    assert 'starts from pretrained/mobilefacenet_model_best.pth.tar, which is not there' in text
    assert 'mmfer convert RELEASED.pth OUT.pth --config' in text
    (tmp_path / 'pretrained').mkdir()
    (tmp_path / 'pretrained/ir50.pth').touch()
    with pytest.raises(FileNotFoundError, match='starts from pretrained/ir50.pth, which is there'):
        get_model('poster_var_raf')
    with pytest.raises(FileNotFoundError) as error:
        get_model('poster_var_synth')
    assert 'released' not in str(error.value)


def test_all_data_that_are_missing_are_said(index):
    file = index / 'configs/mine/small.py'
    parts = "[dict(type='RAFDB', data_root='a'), dict(type='FewPerClass', dataset=dict(type='KDEF', data_root='b'))]"
    file.write_text(f"{file.read_text()}\ntrain_dataloader['dataset'] = dict(type='ConcatDataset', datasets={parts})\n")
    with pytest.raises(FileNotFoundError) as error:
        get_model('small')
    for root in 'ab':
        assert f'needs the data in {root}, which is not there' in str(error.value)


def test_random_weights_only_on_request(index):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter('error')
        model = get_model('small', pretrained=False)
    assert model.classes is None
    with pytest.raises(ValueError, match='pretrained=False leaves random weights'):
        get_model('small', index / 'epoch_1.pth', pretrained=False)


def test_an_index_that_is_not_there_or_damaged(index, monkeypatch):
    metafile = index / 'configs/mine/metafile.yml'
    text = metafile.read_text()
    for damage in (text.replace('Config:', 'Konfig:'), text[: len(text) // 2], '[', '', text.replace('32x48', 'x')):
        metafile.write_text(damage)
        with pytest.raises(ValueError, match=f'{re.escape(str(metafile))} cannot be read'):
            list_models()
    (index / 'configs/other').mkdir()
    for folder in ('mine', 'other'):
        (index / 'configs' / folder / 'metafile.yml').write_text(text)
    with pytest.raises(ValueError, match='the name small is taken'):
        list_models()
    monkeypatch.setenv('MMFER_CONFIGS', str(index / 'nothing'))
    with pytest.raises(FileNotFoundError, match=r'there is no <folder>/metafile.yml in .*nothing; which MMFER_CONFIGS'):
        list_models()


def test_where_the_index_is_looked_for(tmp_path, monkeypatch):
    """Beside the package, as in a checkout, or in it, as where it was installed."""
    package = tmp_path / 'lib/mmfer'
    monkeypatch.setattr('mmfer.utils.model_index.__file__', str(package / 'apis/models.py'))
    with pytest.raises(FileNotFoundError, match=r'lib/configs and .*lib/mmfer/configs; set MMFER_CONFIGS to'):
        configs_folder()
    for folder in (package / 'configs', package.parent / 'configs'):
        (folder / 'mine').mkdir(parents=True)
        (folder / 'mine/metafile.yml').touch()
        assert configs_folder() == folder
