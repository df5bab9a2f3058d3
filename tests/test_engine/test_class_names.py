"""Classes are matched by name wherever data, model and checkpoint meet."""

import copy

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import EMAHook
from mmengine.registry import DefaultScope
from mmengine.runner import Runner, ValLoop
from small_runs import shallow_config

from mmfer.apis import build_runner, evaluate, init_model, list_heads
from mmfer.datasets import FolderDataset, MapClasses, SynthFER
from mmfer.engine.class_names import MatchedData, check_num_classes, class_axes, classes_of, match_rows, meta_of
from mmfer.evaluation import ClassMapEvaluator
from mmfer.registry import DATASETS, MODELS
from mmfer.utils.checkpoint import load_checkpoint

OWN = SynthFER.METAINFO['classes']
OTHER = ('anger', 'disgust', 'fear', 'happiness', 'sadness', 'surprise', 'neutral')


def mapped(dataset, classes, mapping=None):
    return dict(type=MapClasses, dataset=copy.deepcopy(dataset), classes=classes, mapping=mapping)


def last_accuracy(runner):
    return float(runner.message_hub.get_scalar('val/accuracy').current())


@pytest.fixture
def config(tmp_path):
    config = shallow_config(tmp_path / 'work')
    config.val_dataloader.dataset.num_samples = config.test_dataloader.dataset.num_samples = 60
    config.custom_hooks = []
    return config


def test_validation_in_another_order_is_the_test(config, tmp_path):
    plain = build_runner(copy.deepcopy(config), tmp_path / 'plain')
    plain.train()
    config.val_dataloader.dataset = mapped(config.val_dataloader.dataset, OTHER)
    config.test_dataloader = config.val_dataloader
    runner = build_runner(config, tmp_path / 'work')
    runner.train()
    assert last_accuracy(runner) == last_accuracy(plain)
    tested = evaluate(config, tmp_path / 'work/epoch_1.pth', work_dir=tmp_path / 'test')
    assert tested['accuracy'] == last_accuracy(runner)
    assert runner.val_loop.class_rule.startswith(f'labels mapped by name from {", ".join(OTHER)}')


def test_a_validation_part_that_lacks_a_class(tmp_path):
    """A folder without images of one class moves the indices of the others."""
    for name in ('fear', 'sadness'):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / '0.png'), np.full((8, 8, 3), 90, np.uint8))
    data = FolderDataset(data_root=str(tmp_path))
    model = ('anger', 'fear', 'sadness')
    assert data.get_gt_labels().tolist() != [1, 2]
    matched = MatchedData(data, [], model)
    truth = [model[label] for label in matched.dataset.get_gt_labels()]
    assert truth == [path.split('/')[-2] for path in matched.dataset.column('img_path')]
    assert 'no anger, which mean class accuracy and macro F1 leave out' in matched.rule
    with pytest.raises(ValueError, match=r"error'.*anger"):
        MatchedData(data, [], model, missing='error')


def test_scores_stay_where_images_of_foreign_classes_are_left_out(tmp_path):
    """Uncertainties over fewer classes would be lower, so those of other data could not be compared with them."""
    for name in ('fear', 'bored', 'sadness'):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / '0.png'), np.full((8, 8, 3), 90, np.uint8))
    data = FolderDataset(data_root=str(tmp_path), classes=('bored', 'fear', 'sadness'))
    model, evaluator = ('sadness', 'anger', 'fear'), []
    matched = MatchedData(data, evaluator, model, missing='images')
    assert matched.evaluator is evaluator
    assert [model[label] for label in matched.dataset.get_gt_labels()] == ['fear', 'sadness']
    assert 'images of bored are left out' in matched.rule
    with pytest.raises(ValueError, match='lacks bored, fear, sadness'):
        MatchedData(data, [], ('anger', 'contempt'), missing='images')


def test_more_classes_than_the_model_has(config, tmp_path):
    config.val_dataloader.dataset.num_classes = 8
    with pytest.raises(ValueError, match=r'val_dataloader has 8 classes .* 7 classes .* lacks contempt'):
        build_runner(config, tmp_path).train()
    assert not list(tmp_path.glob('*.pth'))
    config.val_cfg = dict(type='FERValLoop', missing='drop')
    runner = build_runner(config, tmp_path)
    runner.train()
    assert 'images of contempt are left out' in runner.val_loop.class_rule
    assert isinstance(runner.val_loop.evaluator, ClassMapEvaluator)


def test_keep_with_a_class_that_counts_as_another():
    """The model goes on answering with classes that the data lack."""
    data = MapClasses(SynthFER(num_samples=60, num_classes=8), ('contempt', 'anger', 'neutral'))
    matched = MatchedData(data, [], OWN, class_map=dict(contempt='disgusted'))
    names = [{'contempt': 'disgust'}.get(data.classes[label], data.classes[label]) for label in data.get_gt_labels()]
    assert [OWN[label] for label in matched.dataset.get_gt_labels()] == names
    assert matched.evaluator == []
    assert 'contempt counts as disgust; the data have no happiness, sadness, surprise, fear, which' in matched.rule
    with pytest.raises(ValueError, match=r"answers of anger, which missing='keep' keeps. Set missing='drop'"):
        MatchedData(data, [], OWN, class_map=dict(contempt='disgust', anger='disgust'))
    with pytest.raises(ValueError, match="class_map names 'boredom'"):
        MatchedData(data, [], OWN, class_map=dict(boredom='anger'))


def test_synonyms_are_the_same_class():
    data = SynthFER(num_samples=10)
    assert MatchedData(data, [], ('neutral', 'happy', 'sad', 'surprised', 'fearful', 'disgusted', 'angry')).rule is None
    assert MatchedData(MapClasses(data, ('Smile', 'fear'), dict(joy='Smile')), [], ('smile', 'Scared')).rule is None
    matched = MatchedData(data, [], ('angry', 'neutral', 'happy', 'sad', 'surprised', 'fearful', 'disgusted'))
    assert matched.dataset.get_gt_labels().tolist() == ((data.get_gt_labels() + 1) % 7).tolist()


def test_loops_of_mmengine_do_not_compare_by_index(config, tmp_path):
    config.val_cfg = dict(type=ValLoop)
    config.test_cfg = dict(type='mmengine.runner.TestLoop')
    build_runner(copy.deepcopy(config), tmp_path / 'same').train()
    for part in ('val', 'test'):
        loader = f'{part}_dataloader'
        other = copy.deepcopy(config)
        other[loader].dataset = mapped(config[loader].dataset, OTHER)
        runner = build_runner(other, tmp_path / 'other', load_from=tmp_path / 'same/epoch_1.pth')
        with pytest.raises(ValueError, match=rf'ValLoop|TestLoop.*by index.*Set {part}_cfg=dict\(type=FER'):
            runner.train() if part == 'val' else runner.test()


@pytest.mark.parametrize('number', [5, 9])
def test_head_of_another_size(config, tmp_path, number):
    config.model.head.num_classes = number
    with pytest.raises(ValueError, match=rf'num_classes={number}, but the training data have 7 classes \(neutral'):
        build_runner(config, tmp_path).train()
    checkpoint = tmp_path / 'x.pth'
    with pytest.warns(UserWarning, match='random weights'):
        model = init_model(config)
    meta = dict(dataset_meta=dict(classes=OWN))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), checkpoint)
    text = rf'num_classes={number}, but the weights of .*x.pth have 7 classes'
    with pytest.raises(ValueError, match=text):
        init_model(config, checkpoint)
    with pytest.raises(ValueError, match=text):
        evaluate(config, checkpoint, work_dir=tmp_path)
    torch.save(dict(state_dict=model.state_dict()), checkpoint)
    config.train_dataloader.dataset = dict(type='FolderDataset', data_root='nowhere')  # so nothing names the classes
    with pytest.raises(ValueError, match=rf'num_classes={number}, but the data of test_dataloader have 7 classes'):
        evaluate(config, checkpoint, work_dir=tmp_path)


def test_data_without_names_are_looked_at():
    class Labels:
        def __len__(self):
            return 3

        def get_gt_labels(self):
            return [0, 5, 2]

    model = torch.nn.Module()
    model.head = torch.nn.Module()
    model.head.num_classes = 5
    with pytest.raises(ValueError, match='num_classes=5, but these data have the label 5'):
        check_num_classes(model, (), 'these data', Labels())
    model.head.num_classes = 6
    check_num_classes(model, (), 'these data', Labels())


@pytest.mark.parametrize('classes', [OTHER, OTHER[:4], (*OTHER, 'bored')], ids=['order', 'subset', 'superset'])
def test_load_from_takes_the_head_by_name(config, tmp_path, classes):
    build_runner(copy.deepcopy(config), tmp_path / 'first').train()
    checkpoint = tmp_path / 'first/epoch_1.pth'
    known = [name for name in classes if name in OWN]
    for loader in (config.train_dataloader, config.val_dataloader):
        loader.dataset.num_samples = 200
        loader.dataset = mapped(loader.dataset, classes)
    config.model.head.num_classes = len(classes)
    config.custom_hooks = [dict(type=EMAHook)]
    runner = build_runner(config, tmp_path / 'second', load_from=checkpoint)
    seen = {}

    class Stop(Exception):
        pass

    def look(*_, **__):
        ema = next(hook for hook in runner.hooks if isinstance(hook, EMAHook))
        seen.update(own=copy.deepcopy(runner.model.state_dict()), ema=copy.deepcopy(ema.ema_model.module.state_dict()))
        raise Stop

    runner.hooks[0].before_train = look
    with pytest.raises(Stop):
        runner.train()
    state = load_checkpoint(checkpoint)['state_dict']
    for weights in seen.values():
        for name in ('fc_mean.weight', 'fc_mean.bias', 'fc_logvar.weight'):
            new, old = weights[f'head.{name}'], state[f'head.{name}']
            for each in known:
                torch.testing.assert_close(new[classes.index(each)], old[OWN.index(each)], rtol=0, atol=0)


def test_a_checkpoint_without_names_is_said_to_be(config, tmp_path):
    with pytest.warns(UserWarning, match='random weights'):
        torch.save(dict(state_dict=init_model(config).state_dict()), tmp_path / 'x.pth')
    runner = build_runner(config, tmp_path / 'work', load_from=tmp_path / 'x.pth')
    runner.train()
    (log,) = (tmp_path / 'work').glob('*/*.log')
    assert f'does not name its classes: those of its head are taken to be {", ".join(OWN)}' in log.read_text()


@pytest.mark.parametrize('name', sorted(list_heads()))
def test_rows_of_every_head(name):
    """A head whose rows were put into another order gives its logits, and all else of a class, in that order."""
    cfg = dict(Config.fromfile(str(list_heads()[name])).to_dict()['head'], num_classes=4, in_channels=12)
    old, new = ('a', 'b', 'c', 'd'), ('c', 'a', 'd', 'b')
    with DefaultScope.overwrite_default_scope('mmfer'):
        first, second = MODELS.build(dict(cfg)).eval(), MODELS.build(dict(cfg)).eval()
    axes = class_axes(cfg)
    assert axes
    state = {f'head.{key}': value.clone() for key, value in first.state_dict().items()}
    own = {f'head.{key}': value for key, value in second.state_dict().items()}
    assert set(match_rows(state, own, cfg, old, new)) == {f'head.{key}' for key in axes}
    second.load_state_dict({key[len('head.') :]: value for key, value in state.items()})
    x = torch.randn(3, 12, 2, 2) if name == 'eac' else torch.randn(3, 12)
    order = [old.index(each) for each in new]
    with torch.no_grad():
        torch.testing.assert_close(second((x,)), first((x,))[:, order])
        found, expected = (head.predictive(head.pre_logits((x,))) for head in (second, first))
        for field in {'pred_mean', 'pred_std', 'pred_factor', 'pred_concentration'} & found.keys():
            torch.testing.assert_close(found[field], expected[field][:, order])


def test_rows_of_a_head_of_mmpretrain():
    cfg = dict(type='mmpretrain.LinearClsHead', num_classes=3, in_channels=5)
    assert class_axes(cfg) == {'fc.weight': (0, 1, 1), 'fc.bias': (0, 1, 1)}


def test_rows_do_not_use_up_random_numbers():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    class_axes(dict(type='CosineHead', num_classes=3, in_channels=5))
    assert torch.equal(torch.rand(2), expected)


def joined(*parts, **options):
    parts = [dict(type='SynthFER', split='test', num_samples=20, size=32, pipeline=[], **part) for part in parts]
    return dict(type='mmengine.ConcatDataset', datasets=parts, **options)


def test_joined_by_mmengine():
    """Its ConcatDataset tells classes and protocol of the first part alone."""
    with DefaultScope.overwrite_default_scope('mmfer'):
        same = DATASETS.build(joined({}, dict(seed=1), ignore_keys=['observer_accuracy', 'protocol']))
        other = DATASETS.build(joined({}, dict(num_classes=8), ignore_keys=['observer_accuracy', 'classes']))
    assert classes_of(same) == OWN
    assert meta_of(same)['protocol'].count('SynthFER test') == 2
    assert 'observer_accuracy' not in meta_of(same)
    assert meta_of(SynthFER(num_samples=20))['observer_accuracy'] > 0.5
    with pytest.raises(ValueError, match=r"different classes.* contempt\. Use mmfer's ConcatDataset"):
        classes_of(other)


def test_under_the_runner_of_mmengine(config, tmp_path):
    """It knows nothing of names, so the loop asks the training data or the checkpoint."""
    plain = build_runner(copy.deepcopy(config), tmp_path / 'plain')
    plain.train()
    config.val_dataloader.dataset = mapped(config.val_dataloader.dataset, OTHER)
    config.update(work_dir=str(tmp_path / 'other'), load_from=str(tmp_path / 'plain/epoch_1.pth'))
    config.default_hooks = dict(checkpoint=dict(type='mmengine.CheckpointHook', interval=10))
    assert Runner.from_cfg(config).val()['accuracy'] == pytest.approx(last_accuracy(plain))
