"""Write faces of the synthetic data set to disk: images, a table of their labels and a contact sheet; or videos.

The folder gets images/000000.png ..., labels.csv and contact_sheet.png. labels.csv has file, label, and for each class
the intensity, the true probability and the votes. The sheet in the documentation was made with

    mmfer data synth --out DIR --num 400 --size 224 --split test --plain-sheet

With --video, the folder gets videos/000000.mp4 ... of people who enter, leave, cross and turn, and faces.csv. For each
frame and face, faces.csv has file, frame, time (s), person, x1, y1, x2, y2 (pixels), visible (share, 0..1) and the
intensities of the expressions. A video depends only on the seed and its number:

    mmfer data synth --video --out DIR --num 3 --seconds 10 --people 6
"""

from __future__ import annotations

import argparse
import csv
import math
from dataclasses import replace
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--out', type=Path, required=True, help='folder to write; must not exist, or be empty')
    parser.add_argument('--num', type=int, required=True, help='number of faces, or of videos')
    parser.add_argument('--size', type=int, help='side of the images in pixels [224], or height of the videos [720]')
    parser.add_argument('--seed', type=int, default=0, help='seed of the data set [0]')
    parser.add_argument(
        '--split', default='train', choices=['train', 'val', 'test'], help='which part of the data set [train]'
    )
    parser.add_argument('--num-classes', type=int, default=7, help='7, or 8 with contempt [7]')
    parser.add_argument('--sheet-columns', type=int, default=8, help='faces in a row of the contact sheet [8]')
    parser.add_argument('--sheet-size', type=int, default=112, help='side of the faces on the sheet in pixels [112]')
    parser.add_argument(
        '--plain-sheet',
        action='store_true',
        help='draw the faces on the sheet without blur, noise and occlusion, in fewer shades: a much smaller file',
    )
    video = parser.add_argument_group('videos')
    video.add_argument('--video', action='store_true', help='write videos instead of faces')
    video.add_argument('--seconds', type=float, default=10.0, help='length of each video in seconds [10]')
    video.add_argument('--people', type=int, default=6, help='people in each video [6]')
    video.add_argument('--rate', type=float, default=30.0, help='frames per second [30]')
    video.add_argument(
        '--faces',
        type=float,
        nargs=2,
        default=(20.0, 300.0),
        help='smallest and largest height of the faces in pixels [20 300]',
    )


def write_png(path: Path, image, compression: int = 3) -> None:
    import cv2

    if not cv2.imwrite(str(path), image, [cv2.IMWRITE_PNG_COMPRESSION, compression]):
        raise OSError(f'cannot write {path}')


def write_sheet(path: Path, dataset, infos: list, args: argparse.Namespace) -> None:
    import numpy as np

    from mmfer.datasets.synth import render_face
    from mmfer.datasets.synth.sheet import choose_faces, face_sheet

    blends = args.sheet_columns * 3 // 8
    intensities = np.stack([info['intensities'] for info in infos])
    labels = np.array([info['gt_label'] for info in infos])
    labels[labels != intensities.argmax(axis=1)] = -1  # rows show their class, not the annotators' slips
    rows = choose_faces(labels, intensities, dataset.num_classes, args.sheet_columns, blends)

    def draw(index: int):
        person = dataset.person(index)
        if args.plain_sheet:
            person = replace(person, blur=0.0, noise=0.0, occlusion='none')
        return render_face(person, dict(zip(dataset.classes, intensities[index].tolist())), args.sheet_size)

    faces = [[draw(i) for i in row] for row in rows]
    scores = [[infos[i]['gt_score'] for i in row] for row in rows]
    sheet = face_sheet(faces, scores, dataset.classes, blends)
    if args.plain_sheet:
        sheet = sheet // 5 * 5  # 255 stays white
    write_png(path, sheet, compression=9)


def write_folder(folder: Path, dataset, args: argparse.Namespace) -> None:
    from mmfer.utils.progress import track

    (folder / 'images').mkdir()
    infos = []
    columns = [f'{what}_{name}' for what in ('intensity', 'true', 'votes') for name in dataset.classes]
    with open(folder / 'labels.csv', 'w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(['file', 'label', *columns])
        for i in track(range(len(dataset)), len(dataset), 'Drawing faces'):
            info = dataset.get_data_info(i)
            name = f'images/{i:06d}.png'
            write_png(folder / name, info.pop('img'))
            row = [f'{value:.6f}' for key in ('intensities', 'gt_score') for value in info[key].tolist()]
            writer.writerow([name, dataset.classes[info['gt_label']], *row, *info['votes'].tolist()])
            infos.append(info)
    write_sheet(folder / 'contact_sheet.png', dataset, infos, args)


def write_videos(folder: Path, args: argparse.Namespace) -> None:
    from mmfer.datasets.synth.film import CLASSES, synth_film
    from mmfer.inference.drawing import VideoWriter
    from mmfer.utils.progress import track

    (folder / 'videos').mkdir()
    size = round(args.size * 8 / 9) * 2, args.size  # even, and nearly 16 to 9
    columns = ('file', 'frame', 'time', 'person', 'x1', 'y1', 'x2', 'y2', 'visible')
    with open(folder / 'faces.csv', 'w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow([*columns, *(f'intensity_{name}' for name in CLASSES)])
        for number in track(range(args.num), args.num, 'Drawing videos'):
            name = f'videos/{number:06d}.mp4'
            video = VideoWriter(folder / name, args.rate)
            film = synth_film((args.seed, number), args.seconds, args.people, size, args.rate, tuple(args.faces))
            for frame, (image, faces) in enumerate(film):
                video.write(image, frame / args.rate)
                for face in faces:
                    figures = [f'{frame / args.rate:.6f}', face.person, *(f'{value:.2f}' for value in face.box)]
                    figures += [f'{value:.4f}' for value in (face.visible, *face.intensities)]
                    writer.writerow([name, frame, *figures])
            video.close()


def run(args: argparse.Namespace) -> None:
    from mmfer.datasets.prepare.raw import new_folder, put_in_place
    from mmfer.datasets.synth.render import MIN_SIZE
    from mmfer.datasets.synth_fer import SynthFER

    out = args.out.expanduser().absolute()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f'--out {args.out} exists and is not an empty folder: name another one, or remove it first')
    if args.video:
        _run_videos(args, out)
        return
    if args.sheet_columns < 1 or args.sheet_size < MIN_SIZE:
        raise ValueError(f'--sheet-columns must be at least 1, --sheet-size at least {MIN_SIZE}')
    dataset = SynthFER(
        split=args.split, num_samples=args.num, size=args.size or 224, seed=args.seed, num_classes=args.num_classes
    )
    with new_folder(out) as folder:
        write_folder(folder, dataset, args)
        put_in_place(folder, out)
    print(f'{len(dataset)} faces in {args.out}; the Bayes-optimal accuracy is {dataset.observer_accuracy:.1%}')


def _run_videos(args: argparse.Namespace, out: Path) -> None:
    from mmfer.datasets.prepare.raw import new_folder, put_in_place

    args.size = args.size or 720
    if args.num < 1 or args.people < 0 or args.size < 64 or args.size % 2:
        raise ValueError('--num must be at least 1, --people at least 0, --size an even number from 64 on')
    if not (0 < args.seconds < math.inf and 0 < args.rate <= 240 and 16 <= args.faces[0] <= args.faces[1]):
        raise ValueError('--seconds must be above 0, --rate in (0, 240], --faces two heights from 16 on')
    with new_folder(out) as folder:
        write_videos(folder, args)
        put_in_place(folder, out)
    print(f'{args.num} videos of {args.seconds:g} s and faces.csv in {args.out}')
