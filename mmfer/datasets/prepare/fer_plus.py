"""The images of FER+: the rows of FER2013's csv file, under the names that FER+'s list gives them."""

import cv2

from mmfer.datasets.base_fer_dataset import first_names
from mmfer.datasets.csv_table import read_table
from mmfer.datasets.fer2013 import CSV_NAME, SIZE, find_split, parse_pixels
from mmfer.datasets.fer_plus import FERPlus
from mmfer.utils.progress import track

from .output import size_on_disk
from .parallel import in_threads

LIST = 'fer2013new.csv'
_LISTED = ('Usage', 'Image name')


def estimate_images(job) -> int:
    """Bytes of the images that are not there yet, half of what the text of their pixels takes, and of that text."""
    source = job.inputs[CSV_NAME]
    finished = sum(len(list((job.output.root / folder).glob('*.png'))) for folder in FERPlus.FOLDERS.values())
    images = max(0, size_on_disk(source.size) // 2 - finished * size_on_disk(1))
    return images + (0 if source.file is not None else source.size)


def build_images(job) -> list:
    """Write each named row as FER2013Train|Valid|Test/fer0000000.png, grey, 48 x 48 pixels.

    Args:
        job (Job): With ``fer2013.csv`` as input; the list is in OUT_DIR already.

    Returns:
        list: Notes for the user.

    Raises:
        ValueError: The two files have different rows, or pixels are malformed.
    """
    problems: dict = {}

    def report(kind: str, text: str) -> None:
        problems.setdefault(kind, []).append(text)

    names = [cells or ('', '') for _, cells in read_table(str(job.output.root / LIST), _LISTED, 'FERPlus', report)]
    pixels_path = str(job.output.unpacked(job.inputs[CSV_NAME]))
    images: dict = {}  # path -> image, None where it is finished
    count, unnamed, repeated = 0, 0, 0
    rows = read_table(pixels_path, ('pixels', 'Usage'), 'FERPlus', report)
    for index, (row, cells) in enumerate(track(rows, len(names), 'Reading the pixels')):
        count += 1
        if cells is None or index >= len(names):
            continue
        usage, name = names[index]
        split = find_split(usage, FERPlus.USAGES)
        if split is None or find_split(cells[1], FERPlus.USAGES) != split:
            report(f'rows whose Usage differs from that in {LIST}', f'row {row} ({cells[1]!r}, {usage!r})')
            continue
        image = parse_pixels(cells[0])
        if image is None:
            report(f'pixels that are not {SIZE * SIZE} numbers in 0..255', f'row {row}')
        elif not name:
            unnamed += 1
        elif not name.endswith('.png') or '/' in name or name.startswith('.'):
            report('image names that are not such as fer0000000.png', f'row {row} {name!r}')
        elif (target := f'{FERPlus.FOLDERS[split]}/{name}') in images:
            repeated += 1  # the list gives four photographs, which FER2013 has twice, one name: the first is taken
        else:
            images[target] = None if job.output.has_image(target) else image
    if count != len(names):
        report('numbers of rows that disagree', f'{count} in {CSV_NAME}, {len(names)} in {LIST}')
    if problems:
        lines = [f'FERPlus: the rows of {job.inputs[CSV_NAME].path} and of {LIST} do not belong together:']
        raise ValueError(
            '\n'.join(lines + [f'  {len(texts)} {kind}: {first_names(texts)}' for kind, texts in problems.items()])
        )

    def write(item: tuple) -> None:
        target, image = item
        job.output.write(target, [cv2.imencode('.png', image)[1].tobytes()])

    new = [(target, image) for target, image in images.items() if image is not None]
    for _ in track(in_threads(write, new, job.workers), len(new), 'Writing images'):
        pass
    notes = [f'{len(new)} images written, {len(images) - len(new)} finished before']
    notes += [f'{unnamed} rows without an image name left out'] if unnamed else []
    return notes + ([f'{repeated} rows name an image of an earlier row'] if repeated else [])
