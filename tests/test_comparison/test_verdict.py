import pytest
from comparison_runs import make_images, make_predictions, write_methods, write_run

from mmfer.comparison.results import load_runs
from mmfer.comparison.statistics import compare
from mmfer.comparison.verdict import listed, standing, verdict


def told(root, **options):
    runs = load_runs([root])
    return verdict(compare(runs, **options), len(runs[0].labels))


def line_with(lines, text):
    (line,) = (line for line in lines if text in line)
    return line


def test_what_is_worse_and_what_is_not_shown(tmp_path):
    methods = dict(linear=dict(noise=0.5), bad=dict(noise=9), vich_kl=dict(noise=0.5, deviation='good'))
    lines = told(write_methods(tmp_path, methods, num=300))
    line = line_with(lines, 'the highest accuracy')
    assert line.startswith('On 300 test images and 2 seeds, ')
    assert '; bad is significantly worse; for ' in line
    assert 'no significant difference was found (paired bootstrap over images, Holm over 3 pairs, 5 %).' in line
    assert '95 % interval' in line
    assert 'bad' in line_with(lines, 'the lowest NLL').split(';')[1]
    assert 'interval' not in line_with(lines, 'the lowest ECE')
    assert 'that takes 7 common seeds for 3 pairs, and there are 2' in lines[-1]


def test_many_methods_are_told_against_the_reference(tmp_path):
    methods = {f'm{i}': dict(noise=0.5) for i in range(8)}
    lines = told(write_methods(tmp_path, dict(methods, linear=dict(noise=9)), seeds=(0,), num=300))
    line = line_with(lines, 'the highest accuracy')
    assert 'a rank that is not tested itself. Against linear (' in line
    assert 'm0, m1, m2, m3, m4, m5, m6 and m7 are significantly better (' in line
    assert line_with(lines, 'One seed alone')


def test_a_difference_that_not_every_seed_has_is_not_claimed(tmp_path):
    truth, labels = make_images(400)
    for method, noises in dict(a=(0.1, 2.0), b=(9.0, 1.9)).items():
        for seed, noise in enumerate(noises):
            records = make_predictions(truth, labels, noise=noise, seed=seed)
            write_run(tmp_path / method / f'seed_{seed}', records)
    runs = load_runs([tmp_path])
    result = compare(runs)
    test = result.test('accuracy', 'b', 'a')
    assert test.adjusted < 0.05
    assert not test.steady
    assert standing(test, 1, 0.05) == 'unsteady'
    line = line_with(verdict(result, 400), 'the highest accuracy')
    assert 'that of b is significant on these images, but not of one sign in all seeds' in line


def test_ties_share_the_rank(tmp_path):
    truth, labels = make_images(30)
    for method in 'ab':
        write_run(tmp_path / method / 'seed_0', make_predictions(truth, labels))
    assert 'a and b share the highest accuracy, ' in told(tmp_path)[0]


def test_one_method(tmp_path):
    lines = told(write_methods(tmp_path, dict(a={}), seeds=(0,)))
    assert lines[0].startswith('On 60 test images and 1 seed, a: ')
    assert 'there is no other method to compare it with' in lines[0]
    assert not any('significant' in line for line in lines)


def test_deviation_and_kl_term(tmp_path):
    methods = dict(vich_kl=dict(deviation='good'), vich=dict(deviation='noise'), linear={})
    methods['mc_dropout'] = dict(deviation='constant')
    lines = told(write_methods(tmp_path, methods, num=200))
    line = line_with(lines, 'Does the latent deviation rank')
    assert 'vich_kl: yes, 0.9' in line
    assert 'vich: not shown, ' in line
    assert 'mc_dropout: no, it is the same for all images' in line
    assert line.endswith('No latent deviation: linear.')
    line = line_with(lines, 'vich_kl minus vich')
    assert 'accuracy not significant (' in line
    assert 'that of vich_kl ranks the true ambiguity significantly better' in line
    assert line_with(lines, 'A perfect observer')


def test_a_single_class_and_nothing_wrong(tmp_path):
    truth, labels = make_images(20)
    truth[:] = 0.02
    truth[:, 0] = 1
    for method in 'ab':
        write_run(tmp_path / method / 'seed_0', make_predictions(truth, 0 * labels, noise=0.1))
    assert 'a and b share the highest accuracy, 100.00 %' in told(tmp_path)[0]


def test_methods_with_other_seeds(tmp_path):
    truth, labels = make_images(30)
    for method, seeds in dict(a=(0, 1), b=(1, 2), c=(9,)).items():
        for seed in seeds:
            write_run(tmp_path / method / f'seed_{seed}', make_predictions(truth, labels, seed=seed + ord(method)))
    lines = told(tmp_path)
    assert line_with(lines, 'different seeds (a: 0 1; b: 1 2; c: 9)')
    assert 'could not be tested (no common seed)' in lines[0]
    assert '1 to 2 seeds a method' in lines[0]


@pytest.mark.parametrize(('names', 'text'), [([], ''), (['a'], 'a'), (['a', 'b'], 'a and b')])
def test_lists(names, text):
    assert listed(names) == text
