import copy
import json

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from nested_data import KINDS, nested
from small_runs import ROOT, small_config

from mmfer.apis import config_classes, evaluate, init_model, load_config
from mmfer.datasets import LoadImageFromFile, Occlude, PackInputs, SynthFER
from mmfer.engine.evaluate import borrow_test_data
from mmfer.utils.nesting import leaves

ORDER = ('anger', 'disgust', 'fear', 'happiness', 'sadness', 'surprise', 'neutral')  # of FER2013


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A checkpoint of a model whose answers differ from face to face."""
    work = tmp_path_factory.mktemp('work')
    with pytest.warns(UserWarning, match='random weights'):
        model = init_model(small_config(work))
    size = model.backbone.input_size
    faces = [torch.from_numpy(info['img']).permute(2, 0, 1) for info in SynthFER(num_samples=30, size=size)]
    inputs = model.data_preprocessor(dict(inputs=torch.stack(faces), data_samples=None))['inputs']
    fc = model.head.fc_mean
    with torch.no_grad():
        feats = model.extract_feat(inputs)[-1]
        fc.weight.div_(fc(feats).std(0).mean())
        fc.bias.sub_(fc(feats).mean(0))
    meta = dict(dataset_meta=dict(classes=SynthFER.METAINFO['classes']))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), work / 'model.pth')
    return work, work / 'model.pth'


@pytest.fixture(scope='module')
def photos(tmp_path_factory):
    """Faces of SynthFER as files in FER2013's folders, each named by what it shows, and contempt in another tree."""
    root = tmp_path_factory.mktemp('photos')
    faces = SynthFER(split='test', num_samples=40, size=48, num_classes=8)
    for i, info in enumerate(faces):
        name = faces.classes[info['gt_label']]
        for tree in ('eight', 'fer2013'):
            if tree == 'eight' or name != 'contempt':
                folder = root / tree / 'test' / name
                folder.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(folder / f'{i}.png'), info['img'])
    return root


def data_config(root, folder, **dataset):
    """A config as in configs/_base_/datasets, for the files of ``photos``."""
    pipeline = [dict(type=LoadImageFromFile), dict(type='mmcv.Resize', scale=(20, 20)), dict(type=PackInputs)]
    dataset = dict(data_root=str(root / folder), split='test', pipeline=pipeline, test_mode=True, **dataset)
    loader = dict(batch_size=3, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False), dataset=dataset)
    return Config(dict(test_dataloader=loader))


def expected(config, checkpoint, files):
    """Probabilities of each file, by name, computed without data sets, loops and evaluators."""
    model = init_model(config, checkpoint)
    size = model.backbone.input_size
    scores = {}
    for file in files:
        img = cv2.resize(cv2.imread(str(file)), (size, size))
        batch = dict(inputs=torch.from_numpy(img).permute(2, 0, 1)[None], data_samples=None)
        with torch.no_grad():
            logits = model(model.data_preprocessor(batch)['inputs'], mode='tensor')[0]
        scores[file.name] = dict(zip(model.classes, logits.softmax(0).tolist()))
    return scores


def model_config(work):
    config = small_config(work)
    size = config.model.backbone.input_size
    config.test_dataloader.dataset.pipeline[1] = dict(type='mmcv.Resize', scale=(size, size))
    config.filename = str(ROOT / 'configs/poster_var/synth.py')
    return config


def test_another_label_order_is_read_by_name(trained, photos, tmp_path):
    work, checkpoint = trained
    data = data_config(photos, 'fer2013', type='FER2013')
    out = tmp_path / 'result.json'
    metrics = evaluate(model_config(work), checkpoint, out=out, work_dir=tmp_path, data=data)
    result = json.loads(out.read_text())
    assert tuple(result['classes']) == ORDER
    assert 'classes by name: anger, disgust' in result['class_rule']
    assert result['protocol'].startswith('FER2013 test, in the classes anger')
    files = sorted((photos / 'fer2013').rglob('*.png'))
    scores = expected(model_config(work), checkpoint, files)
    assert len(result['predictions']) == len(files)
    right = 0
    for record in result['predictions']:
        name, truth = record['img_path'].split('/')[-1], record['img_path'].split('/')[-2]
        assert ORDER[record['gt_label']] == truth
        np.testing.assert_allclose(record['pred_score'], [scores[name][c] for c in ORDER], atol=1e-5)
        right += max(scores[name], key=scores[name].get) == truth
    assert metrics['accuracy'] == pytest.approx(100 * right / len(files))
    assert len({r['pred_label'] for r in result['predictions']}) > 1


def test_classes_that_one_side_lacks(trained, photos, tmp_path):
    work, checkpoint = trained
    files = list((photos / 'eight').rglob('*.png'))
    contempt = [file for file in files if file.parent.name == 'contempt']
    assert contempt
    folders = dict(type='FolderDataset')
    out = tmp_path / 'result.json'
    evaluate(model_config(work), checkpoint, out, tmp_path, data=data_config(photos, 'eight', **folders))
    result = json.loads(out.read_text())
    assert len(result['predictions']) == len(files) - len(contempt)
    assert 'images of contempt are left out, as the model has no such class' in result['class_rule']
    assert f'{len(contempt)} of contempt' in result['protocol']

    data = data_config(photos, 'eight', **folders)
    evaluate(model_config(work), checkpoint, out, tmp_path, data=data, class_map=dict(contempt='Disgusted'))
    result = json.loads(out.read_text())
    assert len(result['predictions']) == len(files)
    assert 'contempt counts as disgust' in result['class_rule']

    others = ('anger', 'disgust', 'fear', 'happiness', 'surprise', 'contempt')
    names = dict(classes=['sadness', 'neutral'], class_map=dict.fromkeys(others))
    data = data_config(photos, 'eight', **folders, **names)
    evaluate(model_config(work), checkpoint, out, tmp_path, data=data)
    result = json.loads(out.read_text())
    assert result['classes'] == ['sadness', 'neutral']
    assert "the model's scores of happiness, surprise, fear, disgust, anger are left out" in result['class_rule']
    assert all(sum(r['pred_score']) == pytest.approx(1, abs=1e-5) for r in result['predictions'])
    with pytest.raises(ValueError, match="missing='error'.*contempt are left out"):
        evaluate(
            model_config(work),
            checkpoint,
            work_dir=tmp_path,
            data=data_config(photos, 'eight', **folders),
            missing='error',
        )
    with pytest.raises(ValueError, match="names 'boredom'"):
        evaluate(
            model_config(work),
            checkpoint,
            work_dir=tmp_path,
            data=data_config(photos, 'eight', **folders),
            class_map=dict(boredom='anger'),
        )


def test_own_data_are_not_translated(trained, tmp_path):
    work, checkpoint = trained
    out = tmp_path / 'result.json'
    evaluate(model_config(work), checkpoint, out, tmp_path)
    result = json.loads(out.read_text())
    assert result['class_rule'] is None
    assert result['protocol'] == 'SynthFER test'
    assert 'gt_distribution' in result['predictions'][0]


def test_a_checkpoint_of_another_label_order_is_noticed(trained, tmp_path):
    work, checkpoint = trained
    content = torch.load(checkpoint, weights_only=True)
    reversed_path = tmp_path / 'reversed.pth'
    state = dict(content['state_dict'])
    for name in ('head.fc_mean.weight', 'head.fc_mean.bias', 'head.fc_logvar.weight', 'head.fc_logvar.bias'):
        state[name] = state[name].flip(0)
    classes = content['meta']['dataset_meta']['classes']
    torch.save(dict(state_dict=state, meta=dict(dataset_meta=dict(classes=classes[::-1]))), reversed_path)
    plain = evaluate(model_config(work), checkpoint, work_dir=tmp_path)
    assert evaluate(model_config(work), reversed_path, work_dir=tmp_path)['accuracy'] == plain['accuracy']


def test_a_config_for_tests_alone_names_the_classes_of_its_model_and_not_of_other_data(trained, photos, tmp_path):
    work, checkpoint = trained
    data = data_config(photos, 'fer2013', type='FER2013')
    named = evaluate(model_config(work), checkpoint, work_dir=tmp_path, data=data)
    nameless, config = tmp_path / 'nameless.pth', model_config(work)
    torch.save(dict(state_dict=torch.load(checkpoint, weights_only=True)['state_dict']), nameless)
    for part in ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler'):
        config.pop(part)
    assert evaluate(config, nameless, work_dir=tmp_path, data=data) == named


def test_classes_of_configs():
    for name, classes in (('synth', SynthFER.METAINFO['classes']), ('fer2013', ORDER), ('raf', None)):
        found = config_classes(load_config(ROOT / f'configs/poster_var/{name}.py'))
        assert found[0] == ('surprise' if name == 'raf' else classes[0])
        assert len(found) == 7
    config = load_config(ROOT / 'configs/poster_var/synth.py')
    config.train_dataloader.dataset = dict(
        type='NoisyLabels', rate=0.1, dataset=dict(config.train_dataloader.dataset, num_classes=8)
    )
    assert config_classes(config)[-1] == 'contempt'
    config.train_dataloader.dataset = dict(type='FolderDataset', data_root='nowhere')
    assert config_classes(config) is None
    config.train_dataloader.dataset.classes = ('happy', 'Bored')
    assert config_classes(config) == ('happiness', 'Bored')  # as the data set names them
    config.train_dataloader.dataset = dict(type='CustomDataset')
    with pytest.warns(UserWarning, match=r'synth\.py: the data set cannot tell its classes .*set classes='):
        assert config_classes(config) is None
    config.train_dataloader.dataset.classes = ('happy', 'sad')
    assert config_classes(config) == ('happy', 'sad')


@pytest.mark.parametrize('kind', KINDS)
def test_classes_of_joined_data(kind):
    config = load_config(ROOT / 'configs/poster_var/synth.py')
    part = config.train_dataloader.dataset
    config.train_dataloader.dataset = nested(kind, part, part)
    assert config_classes(config) == SynthFER.METAINFO['classes']
    config.train_dataloader.dataset = nested(kind, part, dict(part, num_classes=8))
    if kind == 'mmengine.ConcatDataset':
        with pytest.raises(ValueError, match='have different classes: neutral, .*; neutral, .*contempt. Join them'):
            config_classes(config)
    else:
        assert config_classes(config)[7:] == ('contempt',)
    config.train_dataloader.dataset = nested(kind, part, dict(type='FolderDataset', data_root='nowhere'))
    assert config_classes(config) is None


def test_config_objects_stay_and_their_test_cfg_counts(trained, photos, tmp_path):
    work, checkpoint = trained
    config, data = model_config(work), data_config(photos, 'fer2013', type='FER2013')
    before = config.to_dict(), data.to_dict()
    evaluate(config, checkpoint, work_dir=tmp_path, data=data, cfg_options={'test_dataloader.batch_size': 2})
    assert (config.to_dict(), data.to_dict()) == before
    config.test_dataloader.dataset.num_classes = 8
    with pytest.raises(ValueError, match='lacks contempt'):
        evaluate(config, checkpoint, work_dir=tmp_path)
    out = tmp_path / 'result.json'
    config.test_cfg = dict(type='FERTestLoop', class_map=dict(contempt='anger'))
    evaluate(config, checkpoint, out, tmp_path)
    assert 'contempt counts as anger' in json.loads(out.read_text())['class_rule']
    config.test_cfg = dict(type='FERTestLoop', missing='drop')
    evaluate(config, checkpoint, out, tmp_path)
    assert 'images of contempt are left out' in json.loads(out.read_text())['class_rule']
    with pytest.raises(ValueError, match='lacks contempt'):
        evaluate(config, checkpoint, work_dir=tmp_path, cfg_options={'test_cfg.missing': 'drop'}, missing='keep')
    config.test_cfg = dict(type='mmengine.runner.OtherLoop')
    with pytest.raises(ValueError, match='OtherLoop cannot match classes by name'):
        evaluate(config, checkpoint, missing='error')


def test_wrong_arguments(trained, tmp_path):
    work, checkpoint = trained
    with pytest.raises(ValueError, match=r'name a file that ends in \.json'):
        evaluate(model_config(work), checkpoint, out=tmp_path / 'x.csv')
    with pytest.raises(ValueError, match='no test_dataloader'):
        evaluate(model_config(work), checkpoint, data=Config(dict(model=1)))


def test_faces_covered_by_the_other_config_stay_covered():
    own, other = (load_config(ROOT / f'configs/poster_var/{name}.py') for name in ('synth', 'synth_occluded'))
    borrow_test_data(own, other)
    steps = own.test_dataloader.dataset.pipeline
    covered = dict(type=Occlude, region='block', share=0.2, seed=0)
    assert [step for step in steps if step['type'] is Occlude] == [covered]
    assert steps[-1]['type'] is PackInputs


@pytest.mark.parametrize('kind', KINDS)
def test_every_part_of_joined_data_is_preprocessed_as_the_model_needs(kind, photos):
    own = load_config(ROOT / 'configs/poster_var/synth.py')
    own.test_dataloader.dataset.pipeline[-1].votes = True
    other = data_config(photos, 'fer2013', type='FolderDataset')
    part = other.test_dataloader.dataset
    cropped = dict(part, pipeline=[part.pipeline[0], dict(type='CropFace'), *part.pipeline[1:]])
    other.test_dataloader.dataset = nested(kind, part, cropped)
    expected = copy.deepcopy(own.test_dataloader.dataset.pipeline[1:])
    borrow_test_data(own, other)
    first, second = (each.pipeline for each in leaves(own.test_dataloader.dataset))
    assert first[0]['type'] is LoadImageFromFile
    assert [second[0], second[2:]] == [first[0], first[1:]]
    assert second[1]['type'] == 'CropFace'
    for option in ('keep_score', 'votes'):  # which photos do not have
        assert first[-1].pop(option) is False
        assert expected[-1].pop(option)
    assert first[1:] == expected
    own.test_dataloader.dataset = nested(kind, part, dict(part, pipeline=part.pipeline[:-1]))
    with pytest.raises(ValueError, match='test_dataloader are preprocessed in different ways. Give them the same'):
        borrow_test_data(own, data_config(photos, 'fer2013', type='FolderDataset'))


@pytest.mark.parametrize('kind', KINDS[:2])
def test_a_test_on_joined_data(kind, trained, tmp_path):
    """Every image of both is tested, whatever the label order of one of them."""
    work, checkpoint = trained
    config = model_config(work)
    part = config.test_dataloader.dataset
    parts = [part, dict(part, seed=1)]
    if kind == 'ConcatDataset':
        parts[1] = dict(type='MapClasses', dataset=parts[1], classes=ORDER)
    other = Config(dict(test_dataloader=dict(config.test_dataloader, dataset=nested(kind, *parts))))
    evaluate(config, checkpoint, data=other, out=tmp_path / 'both.json', work_dir=tmp_path)
    both = json.loads((tmp_path / 'both.json').read_text())['predictions']
    config = model_config(work)
    config.test_dataloader.dataset.seed = 1
    evaluate(config, checkpoint, out=tmp_path / 'second.json', work_dir=tmp_path)
    second = json.loads((tmp_path / 'second.json').read_text())['predictions']
    assert len(both) == 2 * len(second)
    for a, b in zip(both[len(second) :], second):
        assert (a['img_path'], a['gt_label'], a['pred_label']) == (b['img_path'], b['gt_label'], b['pred_label'])
