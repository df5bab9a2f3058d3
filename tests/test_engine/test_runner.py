import json
import logging
import os
import shutil
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import DefaultSampler
from mmengine.hooks import IterTimerHook
from mmengine.runner import EpochBasedTrainLoop, Runner, ValLoop
from small_runs import ROOT, shallow_config, small_config

from mmfer.apis import build_runner, evaluate, init_model, load_config
from mmfer.datasets import SynthFER
from mmfer.engine import FERRunner, GuardHook
from mmfer.utils.folder_lock import sole_run


def test_checkpoint_round_trip_through_init_model(trained):
    model = init_model(small_config(trained), trained / 'epoch_2.pth')
    assert model.classes == SynthFER.METAINFO['classes']
    assert not model.training
    state = torch.load(trained / 'epoch_2.pth', weights_only=True)['state_dict']
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_testing_writes_scores(trained, tmp_path):
    out = tmp_path / 'results.json'
    metrics = evaluate(small_config(tmp_path), trained / 'epoch_2.pth', out=out)
    content = json.loads(out.read_text())
    assert content['metrics'] == pytest.approx(metrics)
    assert len(content['predictions']) == 14
    first = content['predictions'][0]
    assert sum(first['pred_score']) == pytest.approx(1, abs=1e-5)
    assert len(first['pred_std']) == 7
    assert sum(first['gt_distribution']) == pytest.approx(1, abs=1e-5)
    hits = [p['pred_label'] == p['gt_label'] for p in content['predictions']]
    assert metrics['accuracy'] == pytest.approx(100 * sum(hits) / 14)
    with pytest.raises(ValueError, match=r'\.json'):
        evaluate(small_config(tmp_path), trained / 'epoch_2.pth', out=tmp_path / 'results.pkl')


@pytest.mark.parametrize('options', [dict(resume=True), dict(resume='epoch_2.pth'), dict(load_from='epoch_2.pth')])
@pytest.mark.parametrize('part', ['val', 'test'])
def test_what_would_be_continued_is_tested(trained, part, options, tmp_path):
    config = small_config(shutil.copytree(trained, tmp_path / 'work'))
    config.update({key: str(trained / file) if file is not True else file for key, file in options.items()})
    runner = build_runner(config)
    getattr(runner, part)()
    state = torch.load(trained / 'epoch_2.pth', weights_only=True)['state_dict']
    assert all(torch.equal(value, state[name]) for name, value in runner.model.state_dict().items())


def test_testing_with_another_head_is_an_error(trained, tmp_path):
    config = small_config(tmp_path)
    config.model.head = dict(type='LinearHead', num_classes=7, in_channels=16)
    with pytest.raises(
        ValueError, match=r'(?s)not in the file:\s+head\.fc\.weight.*no place in the model:\s+head\.fc_mean'
    ):
        evaluate(config, trained / 'epoch_2.pth')


def test_fine_tuning_may_change_the_head(trained, tmp_path):
    config = small_config(tmp_path)
    config.model.head = dict(type='LinearHead', num_classes=7, in_channels=16)
    config.optim_wrapper.optimizer.lr = 0.0
    config.param_scheduler = []
    runner = build_runner(config, load_from=trained / 'epoch_2.pth')
    runner.train()
    source = torch.load(trained / 'epoch_2.pth', weights_only=True)['state_dict']
    assert torch.equal(runner.model.neck.gate.fc1.weight, source['neck.gate.fc1.weight'])


def test_everything_missing_is_reported_at_once(tmp_path):
    options = {
        'train_dataloader.dataset.data_root': str(tmp_path / 'raf'),
        'model.backbone.image.init_cfg.checkpoint': str(tmp_path / 'ir50.pth'),
        'model.backbone.landmark.init_cfg.checkpoint': str(tmp_path / 'mobile.pth.tar'),
    }
    runner = build_runner(ROOT / 'configs/poster_var/raf.py', work_dir=tmp_path / 'work', cfg_options=options)
    with pytest.raises(FileNotFoundError) as error:
        runner.train()
    text = str(error.value)
    for part in (str(tmp_path / 'raf'), 'list_patition_label.txt', 'ir50.pth', 'mobile.pth.tar', 'init_cfg=None'):
        assert part in text
    assert not list((tmp_path / 'work').glob('*.pth'))


def test_teachers_are_read_and_matched_by_name_before_the_first_step(trained, tmp_path):
    config = small_config(tmp_path)
    teacher = dict(config=str(trained / 'synth.py'), checkpoint=str(trained / 'epoch_2.pth'))
    config.model.data_preprocessor.update(type='TeacherPreprocessor', teachers=[teacher])
    runner = build_runner(config)
    runner.train()
    assert runner.model.data_preprocessor._orders == [list(range(7))]
    assert 'teacher' not in ' '.join(torch.load(tmp_path / 'epoch_1.pth', weights_only=True)['state_dict'])
    for other in ('absent.pth', 'renamed.pth'):
        teacher['checkpoint'] = str(tmp_path / other)
        content = torch.load(trained / 'epoch_2.pth', weights_only=True)
        content['meta']['dataset_meta']['classes'] = tuple('abcdefg')
        torch.save(content, tmp_path / 'renamed.pth')
        config.work_dir = str(tmp_path / other.split('.')[0])
        config.model.data_preprocessor.teachers = [teacher]
        with pytest.raises((FileNotFoundError, ValueError), match='absent.pth|A teacher has the classes a, b'):
            build_runner(config).train()
        assert not list(Path(config.work_dir).glob('*.pth'))


def test_a_second_training_in_a_work_dir_is_refused(trained, tmp_path):
    work_dir = shutil.copytree(trained, tmp_path / 'work')
    lock = work_dir / 'training.lock'
    assert not lock.exists()  # the training that made it has removed it

    def files():
        return {path: path.read_bytes() for path in work_dir.iterdir() if path.is_file() and path != lock}

    before = files()
    config = small_config(work_dir)
    config.optim_wrapper.optimizer.lr = 0.5
    with sole_run(lock):
        with pytest.raises(ValueError, match=rf'is in use: .*process {os.getpid()} on '):
            build_runner(config).train()
        assert files() == before  # and the config is still that of the first
        evaluate(small_config(work_dir), work_dir / 'epoch_2.pth')
        assert files() == before
    build_runner(config).train()
    assert 'lr=0.5' in (work_dir / 'synth.py').read_text()


def test_all_processes_end_where_the_first_is_refused(tmp_path, monkeypatch):
    runner = build_runner(small_config(tmp_path))
    monkeypatch.setattr(type(runner), 'rank', 1)
    monkeypatch.setattr('mmfer.engine.processes.broadcast_object_list', lambda told: told.__setitem__(1, 'is in use'))
    with pytest.raises(ValueError, match='is in use'):
        runner.train()
    assert not (tmp_path / 'training.lock').exists()


# ---- what the config names is what runs ------------------------------------------------------------------------------
def plain_config(work_dir):
    """One in MMEngine's style, which names nothing of mmfer's engine."""
    config = shallow_config(work_dir, epochs=2).to_dict()
    loader = dict(batch_size=7, num_workers=0, sampler=dict(type=DefaultSampler, shuffle=True))
    train, val = (dict(loader, dataset=config[f'{part}_dataloader']['dataset']) for part in ('train', 'val'))
    train['dataset']['pipeline'].insert(0, dict(type='RandomFlip', prob=0.5))
    return Config(
        dict(
            default_scope='mmfer',
            work_dir=str(work_dir),
            model=config['model'],
            train_dataloader=train,
            val_dataloader=val,
            val_evaluator=dict(type='Accuracy'),
            train_cfg=dict(by_epoch=True, max_epochs=2),
            val_cfg=dict(),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
            randomness=dict(seed=3),
        )
    )


def test_a_config_of_mmengine_runs_as_mmengine_runs_it(tmp_path):
    runners = []
    for kind in (Runner, FERRunner):
        runners.append(kind.from_cfg(plain_config(tmp_path / kind.__name__)))
        runners[-1].train()
    theirs, ours = runners
    assert [type(hook) for hook in ours.hooks] == [type(hook) for hook in theirs.hooks]
    assert (type(ours.train_loop), type(ours.val_loop)) == (EpochBasedTrainLoop, ValLoop)
    assert type(ours.train_dataloader.dataset) is SynthFER
    assert type(ours.train_dataloader.sampler) is DefaultSampler
    state = theirs.model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in ours.model.state_dict().items())
    for name in ('train/loss', 'val/accuracy/top1'):
        histories = [runner.message_hub.log_scalars[name].data[0].tolist() for runner in runners]
        assert histories[0] == histories[1]
    later = plain_config(tmp_path / 'FERRunner')
    later.resume = True
    later = FERRunner.from_cfg(later)
    later.train()
    assert later.resumed['epoch'] == 2


def test_a_hook_that_the_config_drops_is_not_there(tmp_path):
    config = load_config(small_config(tmp_path), {'default_hooks.guard': None, 'default_hooks.timer': None})
    dropped = [name for name, hook in config.default_hooks.items() if hook is None]
    assert dropped == ['timer', 'guard']
    assert not any(isinstance(hook, (GuardHook, IterTimerHook)) for hook in build_runner(config).hooks)
    config = small_config(tmp_path)
    names = {type(hook).__name__ for hook in build_runner(config).hooks}
    assert names == {hook['type'].rpartition('.')[2] for hook in config.to_dict()['default_hooks'].values()}


def test_the_log_is_in_utf_8_whatever_the_encoding_of_the_system(tmp_path):
    runner = build_runner(small_config(tmp_path))
    (file,) = (handler for handler in runner.logger.handlers if isinstance(handler, logging.FileHandler))
    assert file.encoding == 'utf-8'  # another would be None, or 'locale'
    runner.logger.info('ängstlich ──')
    assert 'ängstlich ──' in Path(file.baseFilename).read_text(encoding='utf-8')


def test_runs_of_one_second_share_nothing(tmp_path):
    runners = [build_runner(small_config(tmp_path)) for _ in range(3)]
    assert len({id(runner.message_hub) for runner in runners}) == 3
    assert len({runner.log_dir for runner in runners}) == 3


def test_weights_of_another_model_are_not_taken_for_a_start(tmp_path):
    torch.save(dict(state_dict={'other.weight': torch.ones(2, 2)}), tmp_path / 'other.pth')
    runner = build_runner(small_config(tmp_path / 'work'), load_from=tmp_path / 'other.pth')
    with pytest.raises(ValueError, match=r'other\.pth does not fit: none of its 1 tensors'):
        runner.train()


def test_deterministic_runs_set_what_gpus_need(tmp_path, monkeypatch):
    monkeypatch.delenv('CUBLAS_WORKSPACE_CONFIG', raising=False)
    config = small_config(tmp_path)
    build_runner(config)
    assert 'CUBLAS_WORKSPACE_CONFIG' not in os.environ
    config.randomness = dict(seed=0, deterministic=True)
    try:
        build_runner(config)
        assert torch.are_deterministic_algorithms_enabled()
        assert os.environ['CUBLAS_WORKSPACE_CONFIG'] == ':4096:8'
    finally:
        torch.use_deterministic_algorithms(False)
        os.environ.pop('CUBLAS_WORKSPACE_CONFIG', None)


def test_the_text_of_the_config_is_laid_out_once(monkeypatch):
    runner = object.__new__(FERRunner)
    runner.cfg = load_config(ROOT / 'configs/poster_var/synth.py')
    laid_out = []
    monkeypatch.setattr('mmengine.config.config.FormatCode', lambda text, **_: (laid_out.append(text) or text, True))
    assert runner._config_text == runner._config_text == runner.cfg.pretty_text == runner.cfg.pretty_text
    assert laid_out == [runner._config_text]
