import numpy as np
from comparison_runs import make_images, make_predictions, runs_in, write_methods, write_run

from mmfer.experiments import compare
from mmfer.experiments.verdict import TOPICS, verdict


def told(root, **options):
    return verdict(compare(runs_in(root), **options))


def line_with(lines, text):
    (line,) = (line for line in lines if text in line)
    return line


def test_trained_models_and_methods_are_told_apart(tmp_path):
    methods = dict(linear=dict(noise=0.5), bad=dict(noise=9), vich_kl=dict(noise=0.5, deviation='good'))
    lines = told(write_methods(tmp_path, methods, seeds=range(4), num=300))
    assert lines[0].startswith('300 test images; 4 seeds. Primary is the accuracy, the rest is exploratory. Trained')
    assert lines[0].endswith('(Holm over 3 tests, 5 % for each).')
    line = line_with(lines, 'the highest accuracy')
    models, _, methods = line.partition('. The methods: ')
    assert 'These trained models against ' in models
    assert ': worse: bad; no difference shown: ' in models
    assert 'method' not in models
    assert methods.startswith('worse: bad; no difference shown: ')
    assert '95 % interval' in line
    assert line_with(lines, 'the lowest NLL').startswith('Exploratory: ')
    assert not any('ECE' in line for line in lines)
    assert 'takes about: ' in line_with(lines, 'To show such a difference of methods')


def test_one_seed_says_nothing_of_methods(tmp_path):
    methods = {f'm{i}': dict(noise=0.5) for i in range(8)}
    lines = told(write_methods(tmp_path, dict(methods, linear=dict(noise=9)), seeds=(0,), num=300))
    line = line_with(lines, 'the highest accuracy')
    assert ', a rank that is not tested itself. These trained models against linear' in line
    assert ': better: m0, m1, m2, m3' in line
    assert line.endswith('. The methods: not tested, which takes two seeds or more.')


def test_a_difference_of_these_trainings_is_none_of_the_methods(tmp_path):
    truth, labels = make_images(400)
    for method, noises in dict(a=(0.1, 2.0), b=(9.0, 1.9)).items():
        for seed, noise in enumerate(noises):
            records = make_predictions(truth, labels, noise=noise, seed=seed)
            write_run(tmp_path / method / f'seed_{seed}', records)
    test = compare(runs_in(tmp_path)).test('accuracy', 'b', 'a')
    assert test.standing(0.05) == 'worse'
    assert test.standing(0.05, statement='methods') == 'not shown'


def test_a_primary_figure_of_ones_own_or_all(tmp_path):
    root = write_methods(tmp_path, dict(a={}, b=dict(noise=3)), num=200)
    lines = told(root, primary='nll')
    assert lines[1].split(' (')[0].endswith('the lowest NLL, ' + lines[1].split('NLL, ')[1].split(' (')[0])
    assert line_with(lines, 'the highest accuracy').startswith('Exploratory: ')
    lines = told(root, primary='all')
    assert 'No figure is primary.' in lines[0]
    assert lines[0].endswith('(Holm over 5 tests, 5 % for each).')
    assert not any(line.startswith('Exploratory') for line in lines)


def test_few_different_answers_cannot_be_told(tmp_path):
    truth, labels = make_images(100)
    records = make_predictions(truth, labels, noise=0.2)
    write_run(tmp_path / 'a' / 'seed_0', records)
    for record in [record for record in records if record['pred_label'] == record['gt_label']][:4]:
        record['pred_score'] = np.roll(record['pred_score'], 1).tolist()
    write_run(tmp_path / 'b' / 'seed_0', records)
    assert 'cannot be told, too few images are answered differently: ' in told(tmp_path)[1]


def test_few_wrong_answers_are_said(tmp_path):
    truth, _ = make_images(60)
    for method in 'ab':
        records = make_predictions(truth, truth.argmax(1), noise=0.1, seed=ord(method))
        write_run(tmp_path / method / 'seed_0', records)
    result = compare(runs_in(tmp_path))
    assert line_with(verdict(result), 'Too few images for intervals').endswith(' wrongly.')
    assert np.isnan(result.summaries['a']['nll'].low)
    assert result.summaries['a']['accuracy'].low < 98
    assert result.test('nll', 'a', 'b').standing(0.05) == 'not tested'
    assert verdict(compare(runs_in(tmp_path), primary='all'))[0].endswith('(Holm over 1 test, 5 % for each).')


def test_ties_share_the_rank(tmp_path):
    truth, labels = make_images(30)
    for method, seeds in dict(a=(0, 1, 2), b=(1, 2, 0)).items():  # whose means differ by rounding alone
        for seed, place in enumerate(seeds):
            records = make_predictions(truth, labels, seed=place)
            write_run(tmp_path / method / f'seed_{seed}', records)
    lines = told(tmp_path)
    for name, topic in TOPICS.items():
        assert f'a, b share {topic}, ' in line_with(lines, topic), name
    assert not any('takes about' in line for line in lines)


def test_one_method(tmp_path):
    lines = told(write_methods(tmp_path, dict(a={}), seeds=(0,)))
    assert lines[:2] == ['60 test images; 1 seed.', line_with(lines, 'a: accuracy ')]
    assert not any('better' in line for line in lines)


def test_deviation(tmp_path):
    methods = dict(vich_kl=dict(deviation='good'), vich=dict(deviation='noise'), linear={})
    methods['mc_dropout'] = dict(deviation='constant')
    lines = told(write_methods(tmp_path, methods, num=200))
    line = line_with(lines, 'Does the latent deviation rank')
    assert 'vich_kl: yes, 0.9' in line
    assert 'vich: not shown, ' in line
    assert 'mc_dropout: no, it is constant' in line
    assert line_with(lines, 'The Bayes-optimal accuracy')


def test_ranks_and_tests_are_on_the_common_seeds(tmp_path):
    truth, labels = make_images(60)
    for method, seeds in dict(a=(0, 1, 2), b=(1, 2)).items():
        for seed in seeds:
            write_run(tmp_path / method / f'seed_{seed}', make_predictions(truth, labels, seed=seed + ord(method)))
    result = compare(runs_in(tmp_path))
    assert result.seeds == dict(a=(1, 2), b=(1, 2))
    assert list(result.summaries['a']['accuracy'].values) == [1, 2]
    assert 'Left out are seeds that not all methods have: a 0.' in verdict(result)
    write_run(tmp_path / 'c' / 'seed_9', make_predictions(truth, labels, seed=3))
    result = compare(runs_in(tmp_path))
    assert 'no seed is common to all' in verdict(result)[0]
    assert result.test('accuracy', 'a', 'b').seeds == (1, 2)
    assert result.test('accuracy', 'a', 'c').standing(0.05) == 'not tested'
