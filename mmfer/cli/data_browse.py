"""Draw samples of a config's data set before and after augmentation, with labels and soft labels.

Each row of the contact sheet shows a sample: its class, file and soft label (bars, if the data set has one), its image
before the pipeline, and several augmented views. The views are what the model gets: they pass the config's data
preprocessor, and the normalisation is then reversed. Their channels are drawn as red, green and blue. So faces look
blue if the channel order is wrong, and their colours look odd if the mean or standard deviation is wrong.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from mmfer.options import add_cfg_options

CELL, NAMES = 120, 250


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('config', help='config file')
    parser.add_argument('--out', type=Path, required=True, metavar='SHEET.png', help='picture to write')
    parser.add_argument(
        '--split', default='train', choices=['train', 'val', 'test'], help='which part of the data [train]'
    )
    parser.add_argument('--num', type=int, default=12, help='number of samples, spread over the classes [12]')
    parser.add_argument('--views', type=int, default=4, help='augmented views of each sample [4]')
    parser.add_argument('--seed', type=int, default=0, help='seed of the chosen samples and the views [0]')
    add_cfg_options(parser)


def choose(labels, num: int, seed: int) -> list:
    """Random samples: one of each class in turn, until there are ``num``; sorted by class."""
    import numpy as np

    order = np.random.default_rng(seed).permutation(len(labels))
    turn: dict = {}
    ranked = []
    for i in order.tolist():
        turn[labels[i]] = turn.get(labels[i], 0) + 1
        ranked.append((turn[labels[i]], i))
    chosen = [i for _, i in sorted(ranked, key=lambda item: item[0])[:num]]
    return sorted(chosen, key=lambda i: labels[i])


def draw_view(packed, preprocessor):
    """A packed sample as the model gets it, as a BGR picture."""
    import numpy as np

    if not isinstance(packed, dict) or 'inputs' not in packed:
        raise ValueError("the data set's pipeline does not end with PackInputs, so there is nothing that a model gets")
    inputs = packed['inputs'][None]
    if preprocessor is None:  # BGR, as pipelines give it
        img = inputs[0].numpy().transpose(1, 2, 0)
    else:
        inputs = preprocessor(dict(inputs=inputs))['inputs']
        if hasattr(preprocessor, 'mean'):
            inputs = inputs * preprocessor.std + preprocessor.mean
        img = inputs[0].cpu().numpy().transpose(1, 2, 0)[..., ::-1]
    return np.ascontiguousarray(np.clip(np.rint(img), 0, 255).astype(np.uint8))


def make_row(dataset, classes, index: int, views: int, preprocessor):
    import cv2

    from mmfer.datasets import LoadImageFromFile
    from mmfer.visualization.contact_sheet import SheetRow, fit_image

    info = dataset.get_data_info(index)
    before = LoadImageFromFile()(dict(info))['img']
    pictures = [draw_view(dataset[index], preprocessor) for _ in range(views)]
    sizes = [f'{img.shape[1]} x {img.shape[0]}' for img in (before, *pictures[:1])]
    notes = [Path(str(info.get('img_path') or f'sample {index}')).name, ' -> '.join(sizes)]
    clean = info.get('clean_label')
    if clean is not None and clean != info['gt_label']:
        notes.append(f'label was {classes[clean]}')
    if info.get('face_box') is not None:
        x1, y1, x2, y2 = (round(float(value)) for value in info['face_box'])
        thick = max(1, round(max(before.shape[:2]) / CELL))
        before = cv2.rectangle(before.copy(), (x1, y1), (x2, y2), (0, 215, 255), thick)
    images = [fit_image(img, CELL) for img in (before, *pictures)]
    return SheetRow(int(info['gt_label']), images, notes=notes, score=info.get('gt_score'))


def run(args: argparse.Namespace) -> None:
    import cv2
    import numpy as np
    import torch
    from mmengine.registry import DefaultScope

    from mmfer.apis import load_config
    from mmfer.datasets.samplers import labels_of
    from mmfer.datasets.verify import build_dataset, split_settings
    from mmfer.registry import MODELS
    from mmfer.utils.files import whole_file
    from mmfer.utils.nesting import protocol_of
    from mmfer.visualization.contact_sheet import contact_sheet

    if args.num < 1 or args.views < 1 or args.seed < 0:
        raise ValueError(f'--num {args.num} and --views {args.views} must be at least 1, --seed {args.seed} at least 0')
    if args.out.suffix != '.png' or not args.out.absolute().parent.is_dir():
        raise ValueError(f'--out {args.out} must end in .png and lie in a folder that exists')
    config = load_config(args.config, args.cfg_options)
    dataset = build_dataset(split_settings(config, args.split))
    settings = (config.get('model') or {}).get('data_preprocessor')
    preprocessor, wanted = None, ['views: as the pipeline gives them (the config has no data_preprocessor)']
    if settings:
        with DefaultScope.overwrite_default_scope('mmfer'):
            preprocessor = MODELS.build(settings)
        rgb = getattr(preprocessor, 'rgb', preprocessor.to_rgb)  # mmfer's own does it itself, mmpretrain's part is off
        wanted = [f'views: the model gets {"RGB" if rgb else "BGR (to_rgb is not set), drawn as if it were RGB"}']
        if hasattr(preprocessor, 'mean'):
            mean, std = (np.round(v.flatten().tolist(), 3).tolist() for v in (preprocessor.mean, preprocessor.std))
            wanted.append(f'mean {mean}, std {std}')
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    classes = dataset.metainfo['classes']
    chosen = choose(labels_of(dataset).tolist(), args.num, args.seed)
    rows = [make_row(dataset, classes, i, args.views, preprocessor) for i in chosen]
    header = [f'{args.config}, {args.split}', f'{protocol_of(dataset)}: {len(dataset)} samples', *wanted]
    titles = [(0, 'before', False), (1, 'views', False)]
    soft = any(row.score is not None for row in rows)
    sheet = contact_sheet(rows, classes, titles, header, names_width=NAMES, legend=soft)
    with whole_file(args.out) as part:
        part.write_bytes(cv2.imencode('.png', sheet, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes())
    print(f'{len(rows)} samples of {len(dataset)} in {args.out} ({sheet.shape[1]} x {sheet.shape[0]} pixels)')
