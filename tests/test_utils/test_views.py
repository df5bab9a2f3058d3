import numpy as np
import pytest
import torch

from mmfer.utils.views import VIEWS, check_views, make_views, merge_views

NUM_CLASSES, NUM_IMAGES = 4, 5


def prediction(seed, **fields):
    rng = np.random.default_rng(seed)
    score = rng.dirichlet(np.ones(NUM_CLASSES), NUM_IMAGES).astype(np.float32)
    return dict(pred_score=score, **{name: make(rng).astype(np.float32) for name, make in fields.items()})


def latent(rng):
    return rng.uniform(0.1, 2, (NUM_IMAGES, NUM_CLASSES))


def entropies(score):
    """Nats, image by image."""
    return np.array([-sum(p * np.log(p) for p in row if p > 0) for row in np.float64(score)])


def test_formulas_against_sums_over_views():
    fields = dict(pred_mean=latent, pred_std=latent, vacuity=lambda rng: rng.random(NUM_IMAGES))
    views = [prediction(seed, **fields) for seed in range(3)]
    merged = merge_views(views)
    score = sum(np.float64(view['pred_score']) for view in views) / 3
    np.testing.assert_allclose(merged['pred_score'], score, atol=1e-7)
    np.testing.assert_allclose(merged['uncertainty'], entropies(score), atol=1e-6)
    aleatoric = sum(entropies(view['pred_score']) for view in views) / 3
    np.testing.assert_allclose(merged['aleatoric'], aleatoric, atol=1e-6)
    np.testing.assert_allclose(merged['epistemic'], entropies(score) - aleatoric, atol=1e-6)
    np.testing.assert_allclose(merged['vacuity'], sum(view['vacuity'] for view in views) / 3, atol=1e-6)
    assert {value.dtype for value in merged.values()} == {np.dtype(np.float32)}
    rng = np.random.default_rng(9)  # moments of the mixture from draws of it
    mean, std = (np.stack([view[name] for view in views]) for name in ('pred_mean', 'pred_std'))
    chosen = rng.integers(0, 3, 100000)
    draws = mean[chosen, 0] + std[chosen, 0] * rng.standard_normal((100000, NUM_CLASSES))
    np.testing.assert_allclose(merged['pred_mean'][0], draws.mean(0), atol=0.02)
    np.testing.assert_allclose(merged['pred_std'][0], draws.std(0), atol=0.02)


def test_the_covariance_of_correlated_logits_is_that_of_the_mixture():
    views = [
        prediction(seed, pred_mean=latent, pred_factor=lambda rng: rng.normal(size=(5, 4, 2))) for seed in range(3)
    ]
    for view in views:
        view['pred_std'] = np.sqrt(0.3 + np.square(view['pred_factor']).sum(-1))
    own = [view['pred_factor'] @ view['pred_factor'].swapaxes(1, 2) + 0.3 * np.eye(4) for view in views]
    apart = np.stack([view['pred_mean'] for view in views]) - np.mean([view['pred_mean'] for view in views], 0)
    merged = merge_views(views)
    factor, rest = merged['pred_factor'], np.square(merged['pred_std']) - np.square(merged['pred_factor']).sum(-1)
    found = factor @ factor.swapaxes(1, 2) + rest[..., None] * np.eye(4)
    np.testing.assert_allclose(found, np.mean(own, 0) + np.einsum('vnk,vnl->nkl', apart, apart) / 3, atol=1e-5)


def test_parts_of_heads_that_have_them_are_averaged():
    views = [prediction(seed, aleatoric=lambda rng: rng.uniform(0, 0.01, 5)) for seed in range(4)]
    merged = merge_views(views)
    np.testing.assert_allclose(merged['aleatoric'], np.mean([view['aleatoric'] for view in views], 0), atol=1e-7)
    np.testing.assert_allclose(merged['aleatoric'] + merged['epistemic'], merged['uncertainty'], atol=1e-6)


def test_certain_and_wholly_uncertain_predictions():
    for score, total in (([1, 0, 0, 0], 0), ([0.25] * 4, np.log(4))):
        merged = merge_views([dict(pred_score=np.float32([score]))] * 2)
        assert merged['uncertainty'][0] == pytest.approx(total, abs=1e-6)
        assert 0 <= merged['uncertainty'][0] <= np.log(4)
        assert merged['epistemic'][0] == 0
    disagreeing = [dict(pred_score=np.float32([row])) for row in ([1, 0], [0, 1])]
    assert merge_views(disagreeing)['epistemic'][0] == pytest.approx(np.log(2))


def test_views_of_an_image():
    image = np.arange(3 * 4, dtype=np.float32).reshape(1, 1, 3, 4)
    rows = [view[0, 0].tolist() for view in make_views(image, 'flip+shifts')]
    assert rows[:5] == [
        [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]],
        [[1, 2, 3, 3], [5, 6, 7, 7], [9, 10, 11, 11]],  # to the left
        [[0, 0, 1, 2], [4, 4, 5, 6], [8, 8, 9, 10]],
        [[4, 5, 6, 7], [8, 9, 10, 11], [8, 9, 10, 11]],  # up
        [[0, 1, 2, 3], [0, 1, 2, 3], [4, 5, 6, 7]],
    ]
    assert sorted(rows[5:]) == sorted([[row[::-1] for row in view] for view in rows[:5]])
    assert [view[0, 0].tolist() for view in make_views(image, 'flip')] == [rows[0], rows[5]]
    large = np.broadcast_to(np.arange(224.0), (1, 1, 2, 224))
    assert [list(make_views(large, 'flip+shifts'))[i][0, 0, 0, 100] for i in (1, 2)] == [106, 94]


@pytest.mark.parametrize('name', VIEWS)
def test_a_mirror_image_has_the_same_views(name):
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 41, 83), np.uint8)
    both = (images, images[..., ::-1].copy())
    views, mirrored = (sorted(view.tobytes() for view in make_views(side, name)) for side in both)
    assert views == mirrored
    assert len(set(views)) == len(VIEWS[name])
    for mine, theirs in zip(make_views(images, name), make_views(torch.from_numpy(images), name)):
        np.testing.assert_array_equal(mine, theirs.numpy())


@pytest.mark.parametrize('name', ['flips', 2, ['flip']])
def test_views_that_do_not_exist(name):
    with pytest.raises(ValueError, match=r"tta=.*Choose one of 'flip', 'flip\+shifts'"):
        check_views(name)
