from types import SimpleNamespace

from mmfer.experiments.terms import check_terms, other_settings, run_facts, terms_of


def finished(backbone='b', neck='n', samples='s', inputs='i', **settings):
    weights = dict(backbone=backbone, head='h', **(dict(neck=neck) if neck else {}))
    settings = {'model.backbone.depth': 18, 'model.neck.type': 'N', **settings}
    return dict(initial_weights=weights, first_batch=dict(samples=samples, inputs=inputs), settings=settings, git='1')


def test_equal_terms():
    runs = {(method, seed): finished(backbone=f'b{seed}') for method in ('vich', 'linear') for seed in (0, 1)}
    equal, unequal = check_terms(runs)
    assert equal == ['initial backbone', 'initial neck', 'first batch', 'augmentation of the first batch']
    assert unequal == []


def test_a_difference_without_reason_is_named_for_all_its_seeds():
    runs = {(method, seed): finished() for method in ('vich', 'linear', 'focal') for seed in (0, 1)}
    runs.update({('focal', seed): finished(backbone='other') for seed in (0, 1)})
    equal, (line,) = check_terms(runs)
    assert 'initial backbone' not in equal
    assert line == (
        'seeds 0, 1: the initial backbone is not the same: vich, linear; focal, although their settings are'
    )


def test_a_difference_by_settings_is_told_as_such():
    other = finished(backbone='c', neck='d', **{'model.backbone.depth': 50})
    equal, unequal = check_terms({('a', 0): finished(), ('b', 0): other})
    assert [line.rpartition(', ')[2] for line in unequal] == ['as their settings differ'] * 2
    assert equal == ['first batch', 'augmentation of the first batch']


def test_what_is_not_recorded_is_unknown():
    old = dict(settings={}, git='1')
    assert check_terms({('a', 0): old, ('b', 0): old})[0] == []
    assert all('is unknown' in line for line in check_terms({('a', 0): old, ('b', 0): old})[1])
    assert 'of b' in check_terms({('a', 0): finished(), ('b', 0): old})[1][0]


def test_one_run_has_nothing_to_differ_from():
    assert check_terms({('a', 0): finished()}) == ([], [])
    assert check_terms({('a', 0): finished(), ('b', 1): finished(backbone='c')}) == ([], [])


def test_models_without_a_neck():
    assert run_facts(finished(neck=None))['initial neck'] == 'none'
    assert check_terms({(m, 0): finished(neck=None) for m in 'ab'})[1] == []


def test_another_state_of_the_code_is_said():
    runs = {('a', 0): finished(), ('b', 0): dict(finished(), git='2')}
    assert check_terms(runs)[1] == ['the runs were made with 2 states of the source code']


def test_sentences_of_each_condition_of_training():
    def runs(checkpoint, **options):
        made = [
            (method, dict(finished(**options), settings=dict(lr=method))) for method in ('vich', 'linear', 'vich_kl')
        ]
        made[2][1]['settings'] = dict(lr='vich')
        return [SimpleNamespace(method=m, seed=0, name=m, finished=f, checkpoint=checkpoint) for m, f in made]

    noisy = runs('work/best_accuracy_epoch_2.pth')
    noisy[1].finished = None
    lines = terms_of({'clean': runs('epoch_7.pth'), 'noise 20 %': noisy})
    every = 'In every seed all methods had the same initial backbone, initial neck, first batch, augmentation'
    assert [line.partition(' of the first')[0] for line in lines[:3]] == [
        every,
        "linear also sets lr='linear'",
        f'noise 20 %: {every}',
    ]
    assert lines[3].startswith('WARNING: noise 20 %: how linear began is unknown')
    assert lines[4].startswith('WARNING: mixed checkpoints: the last of vich, linear, vich_kl, the other of the rest.')
    same = terms_of({'clean': runs('work/best_accuracy_epoch_2.pth')})
    assert same[-1].startswith('Tested: the best checkpoint of each training, chosen by validation')


def test_settings_beside_the_head():
    usual = {'model.head.type': 'A', 'lr': 1, 'hooks': ['x']}
    settings = dict(vich=usual, eac=dict(usual, **{'model.head.type': 'B', 'views': 2}), linear=dict(usual, lr=2))
    assert other_settings(settings) == dict(eac=['views=2'], linear=['lr=2'])
