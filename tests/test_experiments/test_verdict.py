from comparison_runs import make_images, make_predictions, runs_in, write_methods, write_run

from mmfer.experiments import compare
from mmfer.experiments.verdict import verdict


def told(root, **options):
    return verdict(compare(runs_in(root), **options))


def line_with(lines, text):
    (line,) = (line for line in lines if text in line)
    return line


def test_what_is_worse_and_what_is_not_shown(tmp_path):
    methods = dict(linear=dict(noise=0.5), bad=dict(noise=9), vich_kl=dict(noise=0.5, deviation='good'))
    lines = told(write_methods(tmp_path, methods, num=300))
    assert lines[0] == '300 test images; 2 seeds.'
    line = line_with(lines, 'the highest accuracy')
    assert ': significantly worse: bad; no significant difference: ' in line
    assert line.endswith('(paired bootstrap over images, Holm over 3 pairs, 5 %).')
    assert '95 % interval' in line
    assert 'worse: bad' in line_with(lines, 'the lowest NLL')
    assert 'interval' not in line_with(lines, 'the lowest ECE')
    assert 'for 3 pairs that takes 7 common seeds, and there are 2 (standard deviation' in lines[-1]


def test_many_methods_are_told_against_the_reference(tmp_path):
    methods = {f'm{i}': dict(noise=0.5) for i in range(8)}
    lines = told(write_methods(tmp_path, dict(methods, linear=dict(noise=9)), seeds=(0,), num=300))
    line = line_with(lines, 'the highest accuracy')
    assert ', a rank that is not tested itself. Against linear: significantly better: m0, m1, m2, m3' in line
    assert lines[-1].endswith('and there is 1.')


def test_a_difference_that_not_every_seed_has_is_not_claimed(tmp_path):
    truth, labels = make_images(400)
    for method, noises in dict(a=(0.1, 2.0), b=(9.0, 1.9)).items():
        for seed, noise in enumerate(noises):
            records = make_predictions(truth, labels, noise=noise, seed=seed)
            write_run(tmp_path / method / f'seed_{seed}', records)
    result = compare(runs_in(tmp_path))
    test = result.test('accuracy', 'b', 'a')
    assert test.adjusted < 0.05
    assert not test.steady
    assert test.standing(0.05) == 'unsteady'
    line = line_with(verdict(result), 'the highest accuracy')
    assert 'significant on these images, but not of one sign in all seeds: b' in line


def test_ties_share_the_rank(tmp_path):
    truth, labels = make_images(30)
    for method in 'ab':
        write_run(tmp_path / method / 'seed_0', make_predictions(truth, labels))
    assert told(tmp_path)[1].startswith('a, b share the highest accuracy, ')


def test_one_method(tmp_path):
    lines = told(write_methods(tmp_path, dict(a={}), seeds=(0,)))
    assert lines[:2] == ['60 test images; 1 seed.', line_with(lines, 'a: accuracy ')]
    assert not any('significant' in line for line in lines)


def test_deviation_and_kl_term(tmp_path):
    methods = dict(vich_kl=dict(deviation='good'), vich=dict(deviation='noise'), linear={})
    methods['mc_dropout'] = dict(deviation='constant')
    lines = told(write_methods(tmp_path, methods, num=200))
    line = line_with(lines, 'Does the latent deviation rank')
    assert 'vich_kl: yes, 0.9' in line
    assert 'vich: not shown, ' in line
    assert 'mc_dropout: no, it is the same for all images' in line
    assert line_with(lines, 'vich_kl minus vich in that: +').endswith('significantly better.')
    assert line_with(lines, 'The Bayes-optimal accuracy')


def test_methods_with_other_seeds(tmp_path):
    truth, labels = make_images(30)
    for method, seeds in dict(a=(0, 1), b=(1, 2), c=(9,)).items():
        for seed in seeds:
            write_run(tmp_path / method / f'seed_{seed}', make_predictions(truth, labels, seed=seed + ord(method)))
    lines = told(tmp_path)
    assert 'other seeds (a 0 1; b 1 2; c 9)' in lines[0]
    assert 'not tested (no common seed): ' in lines[1]
