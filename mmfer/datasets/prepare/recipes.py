"""What the data sets are handed out as, and where each file goes. The resulting trees are those of the classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from mmfer.datasets.affect_net import AffectNet
from mmfer.datasets.base_fer_dataset import FERDataset
from mmfer.datasets.caer_s import CAERS
from mmfer.datasets.ck_plus import CKPlus
from mmfer.datasets.exp_w import ExpW
from mmfer.datasets.fer2013 import CSV_NAME, FER2013
from mmfer.datasets.fer_plus import FERPlus
from mmfer.datasets.jaffe import JAFFE
from mmfer.datasets.kdef import KDEF
from mmfer.datasets.raf_db import RAFDB
from mmfer.datasets.raf_db_compound import RAFDBCompound
from mmfer.datasets.sfew import SFEW
from mmfer.utils.image_files import IMG_EXTENSIONS

from .affect_net import build_crops, build_lists
from .fer_plus import LIST, build_images

IMG = r'\.(?:' + '|'.join(extension.lstrip('.') for extension in IMG_EXTENSIONS) + ')'


class Rule(NamedTuple):
    """Which raw files become which prepared ones.

    Attributes:
        what: What they are, for messages.
        pattern: Regular expression of the end of the raw path, from the beginning of a folder's or file's name on; case
            does not matter, and an archive counts as a folder without its ending.
        target: The path below OUT_DIR, with the groups of the pattern as in ``re.sub``.
        needed: At least one file has to match.
        keep: The file is brought into OUT_DIR; otherwise ``build`` reads it under the name of its target.
    """

    what: str
    pattern: str
    target: str = r'\1'
    needed: bool = True
    keep: bool = True


class Layout(NamedTuple):
    """A form in which a data set is handed out.

    Attributes:
        dataset: Its class, which knows the resulting tree.
        rules: A file goes by the first that matches.
        build: Called with the raw files by target, the folder to write to, the number of threads and its options;
            makes further files and returns notes for the user.
        options: Options of ``build`` and their defaults.
        skip: Names of folders or archives that hold something else.
        checks: Arguments of the class for each part to count, from the paths below OUT_DIR; None: one for each split.
    """

    dataset: type[FERDataset]
    rules: tuple[Rule, ...]
    build: Callable[..., list[str]] | None = None
    options: Mapping = {}
    skip: tuple[str, ...] = ()
    checks: Callable[[Iterable[str]], list[dict]] | None = None


def _class_folders(what: str, folder: str, needed: bool = True) -> Rule:
    """Images in ``folder/class_name/``, which keep their paths; ``folder`` is a regular expression."""
    return Rule(what, rf'((?:{folder})/[^/]+/[^/]+{IMG})', needed=needed)


_RAF = (
    Rule('the list EmoLabel/list_patition_label.txt', r'(list_patition_label\.txt)', r'EmoLabel/\1'),
    Rule('the images of Image/aligned (or aligned.zip)', rf'((?:train|test)_\d+_aligned{IMG})', r'Image/aligned/\1'),
    Rule('the attributes', r'((?:train|test)_\d+_manu_attri\.txt)', r'Annotation/manual/\1', needed=False),
)


def _affect_net_checks(targets: Iterable[str]) -> list[dict]:
    lists = [dict(split=split, ann_file=f'{split}.json') for split in ('train', 'val')]
    return [dict(part, num_classes=number) for number in (8, 7) for part in lists]


_AUTOMATIC = ('Automatically_Annotated', 'Automatically_Annotated_Images', 'Automatically_annotated_file_list')
_NUMBERS = r'annotations/[^/]+_(?:exp|val|aro)\.npy'


def _fer2013_checks(targets: Iterable[str]) -> list[dict]:
    folders = {target.split('/')[0].lower() for target in targets}
    return [dict(split=split) for split, names in FER2013.FOLDERS.items() if folders.intersection(names)]


_VOTES = Rule(f'the list {LIST}', r'fer2013new\.csv', LIST)


def _pixels(name: str, keep: bool) -> Rule:
    return Rule(f'the images {name}', name.replace('.', r'\.'), CSV_NAME, keep=keep)


def _sfew_checks(targets: Iterable[str]) -> list[dict]:
    tops = {target.split('/')[0].lower() for target in targets}
    parts = [{}] if any('aligned' in top for top in tops) else []
    parts += [dict(aligned=False)] if tops.issuperset(('train', 'val')) else []
    return [dict(split=split, **part) for part in parts for split in ('train', 'val')]


_SFEW_FRAMES = (_class_folders('frames of Train (train)', 'Train'), _class_folders('frames of Val (validation)', 'Val'))
_SFEW_ALIGNED = (
    _class_folders('Train_Aligned_Faces/CLASS/*.png', 'Train_Aligned_Faces(?:_new)?'),
    _class_folders('Val_Aligned_Faces/CLASS/*.png', 'Val_Aligned_Faces(?:_new)?'),
    *(rule._replace(needed=False) for rule in _SFEW_FRAMES),
)

RECIPES: dict[str, tuple[Layout, ...]] = dict(
    raf_db=(Layout(RAFDB, _RAF, skip=('compound',)),),
    raf_compound=(Layout(RAFDBCompound, _RAF, skip=('basic',)),),
    affectnet=(
        Layout(
            AffectNet,
            (
                Rule('the list training.csv', r'training\.csv', 'training.csv', keep=False),
                Rule('the list validation.csv', r'validation\.csv', 'validation.csv', keep=False),
                Rule('the images Manually_Annotated_Images/NUMBER/*', rf'(\d+/[^/]+{IMG})', keep=False),
            ),
            build_crops,
            dict(margin=0.0, max_size=256, skip_unreadable=False),
            _AUTOMATIC,
            _affect_net_checks,
        ),
        Layout(
            AffectNet,
            (
                Rule('training images', rf'(train_set/images/[^/]+{IMG})'),
                Rule('validation images', rf'(val_set/images/[^/]+{IMG})'),
                Rule('training annotations (*_exp.npy)', rf'(train_set/{_NUMBERS})', keep=False),
                Rule('validation annotations (*_exp.npy)', rf'(val_set/{_NUMBERS})', keep=False),
            ),
            build_lists,
            skip=_AUTOMATIC,
            checks=_affect_net_checks,
        ),
    ),
    fer2013=(
        Layout(FER2013, (_pixels('fer2013.csv', True),)),
        Layout(FER2013, (_pixels('icml_face_data.csv', True),)),
        Layout(
            FER2013,
            tuple(
                _class_folders(f'{split}/CLASS/*.jpg', '|'.join(names), split != 'val')
                for split, names in FER2013.FOLDERS.items()
            ),
            checks=_fer2013_checks,
        ),
    ),
    ferplus=(
        Layout(
            FERPlus,
            (_VOTES, *(Rule(f'{name}/*.png', rf'({name}/fer\d+\.png)') for name in FERPlus.FOLDERS.values())),
        ),
        Layout(FERPlus, (_VOTES, _pixels('fer2013.csv', False)), build_images),
        Layout(FERPlus, (_VOTES, _pixels('icml_face_data.csv', False)), build_images),
    ),
    sfew=(Layout(SFEW, _SFEW_ALIGNED, checks=_sfew_checks), Layout(SFEW, _SFEW_FRAMES, checks=_sfew_checks)),
    caers=(Layout(CAERS, (_class_folders('train/CLASS/*.png', 'train'), _class_folders('test/CLASS/*.png', 'test'))),),
    expw=(
        Layout(
            ExpW,
            (
                Rule('the list label/label.lst', r'(label\.lst)', r'label/\1'),
                Rule('the images of image/origin', rf'(?:origin|image|images)/([^/]+{IMG})', r'image/origin/\1'),
            ),
        ),
    ),
    kdef=(
        Layout(
            KDEF,
            (
                Rule(
                    'the images of KDEF, such as AF01/AF01AFS.JPG',
                    r'((?:[AB][FM]\d\d/)?(?:[AB][FM]\d\d[A-Z]{3,4}|AF31V|AM31H)\.jpe?g)',
                    r'KDEF/\1',
                ),
            ),
            skip=('AKDEF',),
            checks=lambda targets: [{}, dict(angles='all')],
        ),
    ),
    ckplus=(
        Layout(
            CKPlus,
            (
                Rule(
                    'the frames of cohn-kanade-images, such as S005/001/S005_001_00000001.png',
                    r'(S\d+/\d+/S\d+_\d+_\d+\.png)',
                    r'cohn-kanade-images/\1',
                ),
                Rule(
                    'the labels of Emotion, such as S005/001/S005_001_00000011_emotion.txt',
                    r'(S\d+/\d+/[^/]+_emotion\.txt)',
                    r'Emotion/\1',
                ),
            ),
        ),
    ),
    jaffe=(
        Layout(
            JAFFE,
            (Rule('the images of jaffe, such as KA.AN1.39.tiff', r'([A-Z]{2}\.[A-Z]{2}\d\.\d+\.tiff?)', r'jaffe/\1'),),
        ),
    ),
)
"""Name of a data set, as in configs/_base_/datasets -> the forms in which it circulates; the first that fits."""
