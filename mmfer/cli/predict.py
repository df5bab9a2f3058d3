"""Predict the expressions of faces in photos, folders and videos or from a camera, with their uncertainty.

    mmfer predict photo.jpg folder/ --draw drawn --out results.csv
    mmfer predict video.mp4 --draw drawn.mp4 --out frames.jsonl
    mmfer predict 0 --show
    mmfer predict model.onnx photo.jpg
    mmfer predict videos/ --out results.parquet/ --jobs 8
    mmfer predict CONFIG CHECKPOINT photo.jpg

Without a model, the shipped one answers. In a video, each face is tracked and its predictions are pooled over frames.
With a folder for the results (--out DIR.parquet/), several processes can share the work, and a stopped run continues.
"""

from __future__ import annotations

import argparse
import difflib
import math
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from . import add_tta

SHARD = 256  # photos
HEADER = ('source', 'face', 'expression', 'probability', 'of 10 people', 'uncertainty (nats)', '')
PEOPLE = HEADER.index('of 10 people')  # a column of models that learned from votes alone


def add_model(parser: argparse.ArgumentParser) -> None:
    """Arguments that name a model and say how it looks at faces."""
    parser.add_argument(
        '--detector',
        default='auto',
        help="auto, yunet, haar or YuNet's FILE.onnx; none if each image is one cropped face [auto]",
    )
    parser.add_argument(
        '--crop',
        metavar='MARGIN',
        help='"align", or the margin around a face, from -0.25 to 1 of its box [the crop of the model]',
    )
    parser.add_argument(
        '--threshold', metavar='NATS', help='uncertainty above which to abstain, or none [the threshold of the model]'
    )
    parser.add_argument('--batch-size', type=int, default=16, metavar='N', help='number of faces in a batch [16]')
    add_tta(parser)
    parser.add_argument('--device', help='e.g. cpu or cuda:1 [a GPU if there is one]')
    parser.add_argument('--threads', type=int, metavar='N', help='threads on the CPU [number of cores, at most 4]')


def split_words(words: Sequence[str]) -> tuple[str | None, str | None, list[str]]:
    """Model and checkpoint, where the first words name them, and the inputs.

    >>> split_words(['model.onnx', 'photo.jpg'])
    ('model.onnx', None, ['photo.jpg'])
    >>> split_words(['raf.py', 'epoch_7.pth', 'a.jpg', 'b.jpg'])
    ('raf.py', 'epoch_7.pth', ['a.jpg', 'b.jpg'])
    >>> split_words(['photo.jpg'])
    (None, None, ['photo.jpg'])
    >>> split_words(['rtsp://camera.local/live'])
    (None, None, ['rtsp://camera.local/live'])
    """
    from mmfer.inference.inferencer import WEIGHTS

    model, checkpoint, rest = None, None, list(words)
    if rest and (Path(rest[0]).suffix.lower() in ('.py', '.onnx') or _is_name(rest[0])):
        model = rest.pop(0)
    late = [word for word in rest if Path(word).suffix.lower() in ('.py', '.onnx')]
    if late:
        raise ValueError(f'{late[0]} is a model. Name it first, before the images.')
    if rest and Path(rest[0]).suffix.lower() in WEIGHTS:
        if model is None:
            raise ValueError(f'{rest[0]} is a checkpoint: give its config first, then the checkpoint.')
        checkpoint = rest.pop(0)
    return model, checkpoint, rest


def _is_name(word: str) -> bool:
    """Whether a word is the name of a model, and neither a file, a folder, the number of a camera nor an address.

    Raises:
        ValueError: It is none of these.
    """
    from mmfer.inference.sources import is_address
    from mmfer.weights import DEFAULT

    if word == DEFAULT:
        return True
    if word.isdigit() or is_address(word) or Path(word).suffix or Path(word).exists():
        return False
    from mmfer.utils.model_index import list_models
    from mmfer.utils.optional import MissingPackageError

    try:
        names = list_models()
    except MissingPackageError:
        hint = f"The models of its index need pip install 'mmfer[train]'; {DEFAULT} ships with mmfer."
        raise ValueError(f'{word} is no file, and no shipped model. {hint} (mmfer explain unknown-model)') from None
    except FileNotFoundError:
        names = [DEFAULT]
    if word.replace('/', '_') not in names:
        near = difflib.get_close_matches(word.replace('/', '_'), names, 1)
        hint = f' The nearest model is {near[0]}.' if near else ''
        raise ValueError(f'{word} is neither a file nor the name of a model.{hint} (mmfer explain unknown-model)')
    return True


def open_inferencer(args: argparse.Namespace, model: str | None, checkpoint: str | None, **options: Any):
    """The inferencer that the arguments of :func:`add_model` describe.

    Raises:
        ValueError: If one of them is wrong; the message names it.
    """
    from mmfer.inference.inferencer import ExpressionInferencer
    from mmfer.inference.videos import silence_opencv
    from mmfer.utils.threads import sensible_threads

    warnings.filterwarnings('ignore', 'Fail to import ``MultiScaleDeformableAttention``')  # of mmcv-lite, not needed
    silence_opencv()
    crop: Any = 'auto'
    if args.crop == 'align':
        crop = dict(type='AlignFace')
    elif args.crop is not None:
        expected = "a margin from -0.25, half the box's width, to 1, three times it, or align"
        crop = dict(type='CropFace', margin=_number('crop', args.crop, expected, -0.25, 1))
    threshold: Any = 'auto'
    if args.threshold is not None:
        is_none = args.threshold.lower() == 'none'
        threshold = None if is_none else _number('threshold', args.threshold, 'a number of nats from 0 on, or none', 0)
    detector = None if args.detector.lower() == 'none' else args.detector
    if detector is None and args.crop is not None:
        raise ValueError('--crop cuts out the faces that a detector finds: without one, leave it out')
    threads = sensible_threads() if args.threads is None else args.threads
    options.update(device=args.device, detector=detector, crop=crop, threshold=threshold, tta=args.tta, threads=threads)
    return ExpressionInferencer(model, checkpoint, batch_size=args.batch_size, **options)


def _number(name: str, text: str, expected: str, least: float, most: float = sys.float_info.max) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise ValueError(f'--{name} {text}: expected {expected}')
    return value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument(
        'inputs',
        nargs='+',
        metavar='[MODEL [CHECKPOINT]] INPUT',
        help='exported .onnx file, config or name of a model [the shipped one]; then images, folders or videos',
    )
    parser.add_argument(
        '--out',
        metavar='PATH',
        help='write the results to FILE.csv, FILE.jsonl or FILE.parquet, or in shards to a folder DIR.parquet/',
    )
    parser.add_argument(
        '--draw',
        type=Path,
        metavar='PATH',
        help='draw boxes and labels: folder for the images, or FILE.mp4 for a video',
    )
    photos = parser.add_argument_group('photos')
    photos.add_argument('--cards', action='store_true', help='also draw a card with bars for each face')
    video = parser.add_argument_group('one video, the number of a camera, or the address of a stream')
    video.add_argument('--show', action='store_true', help='show the video in a window; q or Esc ends it')
    video.add_argument('--stride', type=int, default=1, metavar='N', help='use every N-th frame [1]')
    video.add_argument(
        '--half-life',
        type=float,
        default=5.0,
        metavar='FRAMES',
        help='pooling over frames: age at which a prediction has half the weight; 0 pools nothing [5]',
    )
    video.add_argument(
        '--speed',
        default='balanced',
        choices=['accurate', 'balanced', 'fast'],
        help='accurate detects the faces in each frame; balanced and fast track faces between detections [balanced]',
    )
    video.add_argument(
        '--allow-network',
        action='store_true',
        help='open rtsp:// and http:// addresses, and open them again if the connection drops',
    )
    parser.add_argument(
        '--gpu',
        action='store_true',
        help='use a GPU, as --device cuda:N with the local number N that the launcher gives; an exported model needs '
        'onnxruntime-gpu',
    )
    corpus = parser.add_argument_group('many files: --out DIR.parquet/')
    corpus.add_argument('--jobs', type=int, metavar='N', help='number of processes [1]')
    corpus.add_argument('--shard', type=int, default=SHARD, metavar='N', help=f'photos in a shard [{SHARD}]')
    corpus.add_argument(
        '--part', metavar='K/N', help='begin with part K of N, counted from 0 [the part that the launcher gives]'
    )
    corpus.add_argument(
        '--resume',
        action=argparse.BooleanOptionalAction,
        default=True,
        help='continue with the results in the folder [default]; --no-resume refuses a folder with results',
    )


def run(args: argparse.Namespace) -> int:
    from mmfer.inference.sources import is_address, is_video

    model, checkpoint, inputs = split_words(args.inputs)
    if args.gpu:
        args.device = f'cuda:{_local_number(os.environ)}'
    if not inputs:
        raise ValueError(f'{" ".join(args.inputs)} names a model, but no image. Add the images, folders or a video.')
    if args.out and (args.out.endswith(('/', os.sep)) or Path(args.out).is_dir()):
        return _corpus(args, model, checkpoint, inputs)
    if args.jobs is not None or args.part is not None or args.shard != SHARD or not args.resume:
        raise ValueError(
            '--jobs, --part, --shard and --no-resume are for shards: name their folder, such as --out results.parquet/'
        )
    films = [name for name in inputs if name.isdigit() or is_video(name) or is_address(name)]
    drawn = args.draw is not None and args.draw.suffix.lower() == '.mp4'
    _check_options(args, inputs, films)
    if (films or drawn or args.show) and len(inputs) == 1:
        return _video(args, model, checkpoint, inputs[0])
    if drawn or args.show:
        raise ValueError(f'--draw FILE.mp4 and --show are for one video at a time, not {len(inputs)} inputs')
    return _photos(args, model, checkpoint, inputs)


def _named(rows: list[tuple]) -> list[tuple]:
    """Rows that begin with (source, frame), with a name in its place: the file's, or its path where names are alike."""
    from mmfer.utils.tables import printable

    sources = {source for (source, _), *_ in rows}
    alike = len({Path(source).name for source in sources}) < len(sources)
    named = []
    for (source, frame), *cells in rows:
        name = source if alike else Path(source).name or source
        named.append((printable(name if frame is None else f'{name} {frame}'), *cells))
    return named


def _check_options(args: argparse.Namespace, inputs: list[str], films: list[str]) -> None:
    """Refuse options of videos where there can be none, and those of photos where there are videos alone."""
    if len(films) == len(inputs) and args.cards:
        raise ValueError('--cards are drawn of photos, not of videos: leave it out')
    if films or any(Path(name).is_dir() for name in inputs):
        return
    for name, chosen, usual in (
        ('show', args.show, False),
        ('stride', args.stride, 1),
        ('half-life', args.half_life, 5.0),
        ('speed', args.speed, 'balanced'),
    ):
        if chosen != usual:
            more = ', and name a folder with --draw to see the faces' if name == 'show' else ''
            raise ValueError(f'--{name} is for videos, and {inputs[0]} is none by its name: leave it out{more}')


def _check_draw(folder: Path, inputs: list[str]) -> None:
    """Refuse the name of a picture, and a folder whose images are looked at: drawings would replace them."""
    from mmfer.inference.sources import is_video
    from mmfer.utils.image_files import IMG_EXTENSIONS

    if not folder.is_dir() and (is_video(folder) or folder.suffix.lower() in IMG_EXTENSIONS):
        raise ValueError(f'--draw {folder}: name a folder, into which each photo is drawn under its own name')
    places = {path.resolve() if path.is_dir() else path.resolve().parent for path in map(Path, inputs)}
    if folder.resolve() in places:
        raise ValueError(f'--draw {folder} holds images that are looked at. Name another folder for the drawings.')


def _video(args: argparse.Namespace, model: str | None, checkpoint: str | None, name: str) -> int:
    from mmfer.inference.film import film

    options = dict(half_life=args.half_life, speed=args.speed, allow_network=args.allow_network)
    inferencer = open_inferencer(args, model, checkpoint, **options)
    source = int(name) if name.isdigit() else name
    print(film(inferencer, source, out=args.draw, save=args.out, show=args.show, stride=args.stride))
    return 0


def _local_number(environ: Mapping[str, str]) -> int:
    """Number of this process on its machine, by the launcher, among the GPUs that it may see.

    >>> _local_number({'LOCAL_RANK': '3'}), _local_number({'SLURM_LOCALID': '3', 'CUDA_VISIBLE_DEVICES': '6'})
    (3, 0)
    """
    names = ('LOCAL_RANK', 'OMPI_COMM_WORLD_LOCAL_RANK', 'MPI_LOCALRANKID', 'SLURM_LOCALID')
    number = next((int(environ[name]) for name in names if name in environ), 0)
    visible = [each for each in environ.get('CUDA_VISIBLE_DEVICES', '').split(',') if each]
    return number % len(visible) if visible else number


def _corpus(args: argparse.Namespace, model: str | None, checkpoint: str | None, inputs: list[str]) -> int:
    from mmfer.inference.corpus.plan import find_part
    from mmfer.inference.corpus.run import predict_corpus

    for name in ('draw', 'show', 'cards'):
        if getattr(args, name):
            raise ValueError(f'--{name} is for single photos and videos, not for a folder of results')
    part = find_part(os.environ)
    if args.part is not None:
        number, _, parts = args.part.partition('/')
        if not (number.isdigit() and parts.isdigit()):
            raise ValueError(f'--part {args.part}: expected K/N, such as 0/8')
        part = int(number), int(parts)
    if args.threads is None and (args.jobs or 1) > 1:
        args.threads = 1  # the processes have the cores
    inferencer = open_inferencer(args, model, checkpoint, half_life=args.half_life, speed=args.speed)
    options = dict(jobs=args.jobs or 1, part=part, stride=args.stride, shard=args.shard, resume=args.resume)
    outcome = predict_corpus(inferencer, inputs, args.out, **options)
    print(f'{outcome.done} of {outcome.shards} shards are written to {args.out}')
    for name, holder in list(outcome.held.items())[:3]:
        print(f'note: {name} is in use by {holder}: left to it', file=sys.stderr)
    if outcome.states:
        files = ', '.join(f'{count} {state}' for state, count in sorted(outcome.states.items()))
        print(f'files: {files}; {Path(args.out, "_manifest.csv")} tells which, and why')
    return int(part is None and outcome.done < outcome.shards)


def _photos(args: argparse.Namespace, model: str | None, checkpoint: str | None, inputs: list[str]) -> int:
    from mmfer.structures.label_sets import set_words
    from mmfer.structures.show import people_range
    from mmfer.utils.tables import printable, render_table

    if args.cards and not args.draw:
        raise ValueError('--cards are pictures: name their folder with --draw')
    if args.draw:
        _check_draw(args.draw, inputs)
    if args.out:
        from mmfer.inference.writers import check_output, open_writer

        check_output(args.out)
    options = dict(half_life=args.half_life, speed=args.speed, allow_network=args.allow_network)
    inferencer, drawings = open_inferencer(args, model, checkpoint, **options), None
    if args.draw:
        from mmfer.inference.drawing import Drawings

        drawings = Drawings(args.draw, args.cards, inferencer.interval)
    rows, failed, stopped = [], 0, None
    with open_writer(args.out, inferencer.classes) if args.out else nullcontext() as writer:
        try:
            for image, result in inferencer.stream_images(inputs, stride=args.stride, keep_images=drawings is not None):
                name = (result.source, result.frame)
                if result.error is not None:
                    failed += 1
                    print(f'error: {printable(result.error)}', file=sys.stderr)
                if not result.faces:
                    rows.append((name, '-', 'not answered' if result.error else 'no face found', '', '', '', ''))
                for number, face in enumerate(result.faces):
                    words = ['abstains'] if face.abstain else []
                    if face.label_set is not None:
                        words.append(set_words(face.label_set, len(face.classes)))
                    people = people_range(face, face.classes.index(face.label))
                    figures = (f'{face.score:.3f}', people, f'{face.uncertainty:.3f}', '; '.join(words))
                    rows.append((name, number, face.label, *figures))
                if writer is not None:
                    writer.write(result)
                if drawings is not None and image is not None:
                    drawings.add(image, result)
        except KeyboardInterrupt as error:  # what there is, is kept
            stopped = error
    shown = [HEADER, *_named(rows)]
    if not any(row[PEOPLE] for row in shown[1:]):
        shown = [row[:PEOPLE] + row[PEOPLE + 1 :] for row in shown]
    print(render_table(shown[0], shown[1:]).rstrip('\n'))
    for path in (args.draw, args.out):
        if path:
            print(f'written to {path}')
    if failed:
        print(f'{failed} of the inputs could not be read', file=sys.stderr)
    if stopped is not None:
        stopped.args = ('these are the results until then',)
        raise stopped
    return int(bool(failed))
