"""Inferencers in other processes: pickled and copied."""

import copy
import multiprocessing
import pickle
import warnings
from concurrent.futures import ProcessPoolExecutor

import exports
import numpy as np
import pytest

from mmfer.faces.haar import Haar
from mmfer.inference.export.write import export_onnx
from mmfer.inference.inferencer import ExpressionInferencer


@pytest.fixture(scope='module')
def models(tmp_path_factory):
    """Arguments of an inferencer, by the kind of model."""
    folder, config = tmp_path_factory.mktemp('models'), exports.config_of()
    checkpoint = exports.write(config, folder / 'a.pth', calibrated=True, abstention=exports.ABSTENTION)
    export_onnx(config, checkpoint, folder / 'a.onnx')
    config.dump(folder / 'config.py')
    return dict(torch=(folder / 'config.py', checkpoint), onnx=(folder / 'a.onnx',))


FACE = np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8)


@pytest.mark.parametrize('kind', ['torch', 'onnx'])
@pytest.mark.parametrize('detector', [None, Haar()], ids=['none', 'haar'])
def test_copies_answer_the_same(kind, detector, models):
    infer = ExpressionInferencer(*models[kind], device='cpu', detector=detector)
    (own,) = infer.predict([FACE])
    for other in (pickle.loads(pickle.dumps(infer)), copy.deepcopy(infer)):
        assert (other.classes, other.threshold, other.batch_size) == (infer.classes, infer.threshold, 16)
        (its,) = other.predict([FACE])
        np.testing.assert_array_equal(own.scores, its.scores)
        np.testing.assert_array_equal(own.score_low, its.score_low)
        assert [len(result.faces) for result in other(FACE)] == [len(result.faces) for result in infer(FACE)]


def test_a_spawned_process_answers_the_same(models):
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(1, mp_context=context) as pool, warnings.catch_warnings():
        warnings.simplefilter('ignore')
        for arguments in models.values():
            infer = ExpressionInferencer(*arguments, device='cpu', detector=None)
            (own,) = infer.predict([FACE])
            (its,) = pool.submit(infer.predict, [FACE]).result(timeout=120)
            assert (its.label, its.abstain) == (own.label, own.abstain)
            np.testing.assert_allclose(its.scores, own.scores, rtol=0, atol=1e-6)
