from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.logging import MessageHub
from mmengine.runner import IterBasedTrainLoop
from small_runs import shallow_config

from mmfer.apis import build_runner
from mmfer.engine.resume.checkpoint_hook import SafeCheckpointHook
from mmfer.utils.checkpoint import load_checkpoint, write_checkpoint


class Runner(SimpleNamespace):
    """What the hook uses of a runner; notes in which order files come and go."""

    def __init__(self, work_dir, resumed=None, **options):
        hub = MessageHub(str(work_dir))
        logger = SimpleNamespace(info=print, warning=lambda text: self.warnings.append(text))
        settings = dict(epoch=0, iter=0, max_epochs=9, max_iters=90, rank=0, train_loop=None)
        settings.update(work_dir=str(work_dir), message_hub=hub, logger=logger, resumed=resumed, warnings=[], log=[])
        super().__init__(**{**settings, **options})

    def save_together(self, filename, meta, save_optimizer=True, save_param_scheduler=True):
        before = sorted(path.name for path in Path(self.work_dir).glob('*.pth'))
        self.log.append((filename, before))
        content = dict(meta=meta, hub=dict(self.message_hub.runtime_info))
        write_checkpoint(dict(content, optimizer={}) if save_optimizer else content, Path(self.work_dir, filename))
        return Path(self.work_dir, filename)

    def files(self):
        return sorted(path.name for path in Path(self.work_dir).glob('*.pth'))


def run(hook, runner, scores):
    """An epoch of ten iterations for each score."""
    hook.before_train(runner)
    for score in scores:
        runner.iter += 10
        hook.after_train_epoch(runner)
        runner.epoch += 1
        if score is not None:
            hook.after_val_epoch(runner, dict(accuracy=score, loss=-score))
    return runner


def test_the_new_file_comes_before_the_old_one_goes(tmp_path):
    runner = run(SafeCheckpointHook(max_keep_ckpts=1, save_best='accuracy'), Runner(tmp_path), [1.0, 2.0, 1.5])
    assert runner.files() == ['best_accuracy_epoch_2.pth', 'epoch_3.pth']
    saves = dict(runner.log[::-1])
    assert saves['epoch_2.pth'] == ['best_accuracy_epoch_1.pth', 'epoch_1.pth']
    assert 'best_accuracy_epoch_1.pth' in saves['best_accuracy_epoch_2.pth']
    best = load_checkpoint(tmp_path / 'best_accuracy_epoch_2.pth')
    assert (best['meta'], 'optimizer' in best) == (dict(epoch=2, iter=20, validated=True), False)


def test_newest_checkpoint_tells_the_best_score(tmp_path):
    runner = run(SafeCheckpointHook(save_best='accuracy'), Runner(tmp_path), [3.0, 2.0])
    contents = [load_checkpoint(tmp_path / f'epoch_{i}.pth') for i in (1, 2)]
    assert [content['hub']['best_score'] for content in contents] == [3.0, 3.0]
    assert contents[1]['hub']['best_ckpt'] == 'best_accuracy_epoch_1.pth'  # no path: the folder may move
    assert contents[0]['meta'] == dict(epoch=1, iter=10, validated=True)
    assert contents[1]['meta'] == dict(epoch=2, iter=20)
    assert [name for name, _ in runner.log] == [
        'epoch_1.pth',
        'best_accuracy_epoch_1.pth',
        'epoch_1.pth',
        'epoch_2.pth',
    ]


def test_last_checkpoint_is_validated_in_any_case(tmp_path):
    run(SafeCheckpointHook(save_best='accuracy'), Runner(tmp_path, max_epochs=2), [3.0, 2.0])
    assert load_checkpoint(tmp_path / 'epoch_2.pth')['meta']['validated'] is True


def test_best_score_survives_a_resume(tmp_path):
    first = run(SafeCheckpointHook(save_best='accuracy', max_keep_ckpts=1), Runner(tmp_path), [3.0])
    later = Runner(tmp_path, dict(path=tmp_path / 'epoch_1.pth', epoch=1, iter=10, chosen=False), epoch=1, iter=10)
    later.message_hub.update_info_dict(dict(first.message_hub.runtime_info))
    run(SafeCheckpointHook(save_best='accuracy', max_keep_ckpts=1), later, [2.0])
    assert later.files() == ['best_accuracy_epoch_1.pth', 'epoch_2.pth']
    later.resumed = dict(path=tmp_path / 'epoch_2.pth', epoch=2, iter=20, chosen=False)
    run(SafeCheckpointHook(save_best='accuracy', max_keep_ckpts=1), later, [4.0])
    assert later.files() == ['best_accuracy_epoch_3.pth', 'epoch_3.pth']
    assert later.warnings == []


def test_several_metrics(tmp_path):
    hook = SafeCheckpointHook(save_best=['accuracy', 'loss'], rule=['greater', 'less'], max_keep_ckpts=1)
    runner = run(hook, Runner(tmp_path), [1.0, 2.0])
    assert runner.files() == ['best_accuracy_epoch_2.pth', 'best_loss_epoch_2.pth', 'epoch_2.pth']
    assert runner.message_hub.get_info('best_score_loss') == -2.0
    (tmp_path / 'best_accuracy_top2_epoch_1.pth').write_bytes(b'of another metric')
    hook.after_val_epoch(runner, dict(accuracy=9.0, loss=9.0))
    assert (tmp_path / 'best_accuracy_top2_epoch_1.pth').exists()


def test_first_metric(tmp_path):
    runner = run(SafeCheckpointHook(save_best='auto', max_keep_ckpts=1), Runner(tmp_path), [1.0])
    assert runner.files() == ['best_accuracy_epoch_1.pth', 'epoch_1.pth']


def test_whether_more_is_better_goes_by_the_metric_also_where_an_option_sets_it(tmp_path):
    for name, rule in dict(
        accuracy='greater', macro_f1='greater', nll='less', adaptive_ece='less', top_error='less'
    ).items():
        options = {'default_hooks.checkpoint.save_best': name}
        hooks = build_runner(shallow_config(tmp_path), cfg_options=options).hooks
        assert next(hook.rules for hook in hooks if isinstance(hook, SafeCheckpointHook)) == [rule]


def test_not_a_number_is_not_the_best(tmp_path):
    runner = run(SafeCheckpointHook(save_best='accuracy'), Runner(tmp_path), [float('nan'), 1.0, float('nan')])
    assert 'best_accuracy_epoch_2.pth' in runner.files()
    assert runner.message_hub.get_info('best_score') == 1.0


def test_unknown_metric_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"save_best='f1': the evaluators give accuracy, loss"):
        run(SafeCheckpointHook(save_best='f1', rule='greater'), Runner(tmp_path), [1.0])


def test_intervals(tmp_path):
    hook = SafeCheckpointHook(interval=2, save_best='accuracy', max_keep_ckpts=2)
    runner = run(hook, Runner(tmp_path, max_epochs=5), [1.0, 2.0, 3.0, 1.0, 1.0])
    assert runner.files() == ['best_accuracy_epoch_3.pth', 'epoch_4.pth', 'epoch_5.pth']
    assert 'epoch_3.pth' not in dict(runner.log)


def test_within_epochs(tmp_path):
    runner = Runner(tmp_path, epoch=2, iter=24)
    hook = SafeCheckpointHook(interval=5, by_epoch=False, max_keep_ckpts=2)
    hook.before_train(runner)
    for _ in range(3):
        for _ in range(5):
            hook.after_train_iter(runner, batch_idx=0)
            runner.iter += 1
    assert runner.files() == ['epoch_2_iter_30.pth', 'epoch_2_iter_35.pth']
    assert load_checkpoint(tmp_path / 'epoch_2_iter_35.pth')['meta'] == dict(epoch=2, iter=35)
    hook.after_train_epoch(runner)
    assert len(runner.files()) == 2
    with pytest.raises(ValueError, match='Set by_epoch=False'):
        SafeCheckpointHook().before_train(Runner(tmp_path, train_loop=IterBasedTrainLoop.__new__(IterBasedTrainLoop)))


def test_what_was_left_half_written_is_removed(tmp_path):
    (tmp_path / '.epoch_3.pth.part').write_bytes(b'half')
    run(SafeCheckpointHook(), Runner(tmp_path), [])
    assert list(tmp_path.iterdir()) == []


def earlier(folder):
    return sorted(path.name for path in folder.glob('earlier_*/*'))


@pytest.mark.parametrize('best', ['accuracy', 'auto', 'loss', None])
def test_a_new_training_moves_the_files_of_an_earlier_one(tmp_path, best):
    run(SafeCheckpointHook(save_best='accuracy'), Runner(tmp_path), [1.0, 2.0, 3.0])
    runner = run(SafeCheckpointHook(save_best=best, max_keep_ckpts=1), Runner(tmp_path), [1.0])
    assert len(runner.files()) == 2 - (best is None)
    assert earlier(tmp_path) == ['best_accuracy_epoch_3.pth', 'epoch_1.pth', 'epoch_2.pth', 'epoch_3.pth']
    assert 'epoch_3.pth' in runner.warnings[0]


def test_newer_files_do_not_stand_in_the_way(tmp_path):
    run(SafeCheckpointHook(save_best='accuracy'), Runner(tmp_path), [1.0, 2.0, 3.0])
    resumed = dict(path=tmp_path / 'epoch_2.pth', epoch=2, iter=20, chosen=False)  # epoch_3.pth did not load
    runner = run(SafeCheckpointHook(save_best='accuracy'), Runner(tmp_path, resumed), [])
    assert runner.files() == ['best_accuracy_epoch_3.pth', 'epoch_1.pth', 'epoch_2.pth']
    assert earlier(tmp_path) == ['epoch_3.pth']
    resumed = dict(path=tmp_path / 'epoch_1.pth', epoch=1, iter=10, chosen=True)
    runner = run(SafeCheckpointHook(save_best='accuracy'), Runner(tmp_path, resumed), [])
    assert runner.files() == ['epoch_1.pth']


def test_a_file_of_another_folder(tmp_path):
    for name in ('a', 'b'):
        (tmp_path / name).mkdir()
        run(SafeCheckpointHook(), Runner(tmp_path / name), [1.0, 2.0])
    resumed = dict(path=tmp_path / 'a/epoch_1.pth', epoch=1, iter=10, chosen=True)
    runner = run(SafeCheckpointHook(), Runner(tmp_path / 'b', resumed, epoch=1, iter=10), [None])
    assert runner.files() == ['epoch_2.pth']
    assert earlier(tmp_path / 'b') == ['epoch_1.pth', 'epoch_2.pth']
    assert not earlier(tmp_path / 'a')


def test_other_processes_touch_nothing(tmp_path):
    run(SafeCheckpointHook(), Runner(tmp_path), [1.0, 2.0])
    run(SafeCheckpointHook(max_keep_ckpts=1), Runner(tmp_path, rank=1), [])
    assert len(list(tmp_path.glob('epoch_*.pth'))) == 2


def test_evaluation_alone_saves_nothing(tmp_path):
    SafeCheckpointHook(save_best='accuracy').after_val_epoch(Runner(tmp_path), dict(accuracy=1.0))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('options', [dict(interval=0), dict(max_keep_ckpts=0), dict(max_keep_ckpts=1.5)])
def test_wrong_arguments(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        SafeCheckpointHook(**options)
    with pytest.raises(TypeError, match='out_dir'):
        SafeCheckpointHook(out_dir='elsewhere')
