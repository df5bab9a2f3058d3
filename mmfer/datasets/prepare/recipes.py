"""What the data sets are handed out as, and where each file goes. The resulting trees are those of the classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

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

from .affect_net import CROP_OPTIONS, build_crops, build_lists
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
        keep: The file is brought into OUT_DIR; otherwise the layout's ``build`` reads it under the name of its target.
    """

    what: str
    pattern: str
    target: str = r'\1'
    needed: bool = True
    keep: bool = True


class Layout(NamedTuple):
    """A form in which a data set is handed out.

    Attributes:
        name: For messages.
        rules: A file goes by the first that matches.
        build: Makes further files of a :class:`~mmfer.datasets.prepare.staging.Job`, and returns notes for the user.
        options: Options of ``build`` and their defaults.
        checks: Takes the paths below OUT_DIR, gives arguments of the data set class for each part of the final table;
            without it there is one part for each of its SPLITS.
    """

    name: str
    rules: tuple[Rule, ...]
    build: Callable | None = None
    options: dict = {}
    checks: Callable[[Iterable[str]], list[dict]] | None = None


class Recipe(NamedTuple):
    """How a data set is prepared.

    Attributes:
        dataset: Its class, which knows the resulting tree.
        layouts: The forms in which it circulates; the first that fits is taken.
        skip: Names of folders or archives that hold something else.
    """

    dataset: type[FERDataset]
    layouts: tuple[Layout, ...]
    skip: tuple[str, ...] = ()


def _class_folders(what: str, folder: str, needed: bool = True) -> Rule:
    """Images in ``folder/class_name/``, which keep their paths; ``folder`` is a regular expression."""
    return Rule(what, rf'((?:{folder})/[^/]+/[^/]+{IMG})', needed=needed)


_RAF = Layout(
    'EmoLabel and Image/aligned',
    (
        Rule('the list EmoLabel/list_patition_label.txt', r'(list_patition_label\.txt)', r'EmoLabel/\1'),
        Rule(
            'the images of Image/aligned (or aligned.zip)', rf'((?:train|test)_\d+_aligned{IMG})', r'Image/aligned/\1'
        ),
    ),
)


def _affect_net_checks(targets: Iterable[str]) -> list[dict]:
    lists = [dict(split=split, ann_file=f'{split}.json') for split in ('train', 'val')]
    return [dict(part, num_classes=number) for number in (8, 7) for part in lists]


_AFFECT_NET_2017 = Layout(
    'csv2017',
    (
        Rule('the list training.csv', r'training\.csv', 'training.csv', keep=False),
        Rule('the list validation.csv', r'validation\.csv', 'validation.csv', keep=False),
        Rule('the images Manually_Annotated_Images/NUMBER/*', rf'(\d+/[^/]+{IMG})', keep=False),
    ),
    build_crops,
    CROP_OPTIONS,
    _affect_net_checks,
)
_NUMBERS = r'annotations/[^/]+_(?:exp|val|aro)\.npy'
_AFFECT_NET_2021 = Layout(
    'npy2021',
    (
        Rule('training images', rf'(train_set/images/[^/]+{IMG})'),
        Rule('validation images', rf'(val_set/images/[^/]+{IMG})'),
        Rule('training annotations (*_exp.npy)', rf'(train_set/{_NUMBERS})', keep=False),
        Rule('validation annotations (*_exp.npy)', rf'(val_set/{_NUMBERS})', keep=False),
    ),
    build_lists,
    checks=_affect_net_checks,
)
_FER2013_FOLDERS = {split: '|'.join(names) for split, names in FER2013.FOLDERS.items()}


def _fer2013_csv(name: str) -> Layout:
    return Layout(name, (Rule(name, name.replace('.', r'\.'), CSV_NAME),))


def _fer2013_checks(targets: Iterable[str]) -> list[dict]:
    folders = {target.split('/')[0].lower() for target in targets}
    return [dict(split=split) for split, names in FER2013.FOLDERS.items() if folders.intersection(names)]


_FER2013_TREE = Layout(
    'class folders',
    tuple(
        _class_folders(f'{split}/CLASS/*.jpg', _FER2013_FOLDERS[split], split != 'val') for split in _FER2013_FOLDERS
    ),
    checks=_fer2013_checks,
)
_VOTES = Rule(f'the list {LIST}', r'fer2013new\.csv', LIST)
_FER_PLUS_PNG = Layout(
    'PNG files',
    (_VOTES, *(Rule(f'{name}/*.png', rf'({name}/fer\d+\.png)') for name in FERPlus.FOLDERS.values())),
)


def _fer_plus_csv(name: str) -> Layout:
    pixels = Rule(f'the images {name}', name.replace('.', r'\.'), CSV_NAME, keep=False)
    return Layout(f'{LIST} and {name}', (_VOTES, pixels), build_images)


def _sfew_checks(targets: Iterable[str]) -> list[dict]:
    tops = {target.split('/')[0].lower() for target in targets}
    parts = [{}] if any('aligned' in top for top in tops) else []
    parts += [dict(aligned=False)] if tops.issuperset(('train', 'val')) else []
    return [dict(split=split, **part) for part in parts for split in ('train', 'val')]


_SFEW_FRAMES = (_class_folders('frames of Train (train)', 'Train'), _class_folders('frames of Val (validation)', 'Val'))

_SFEW_ALIGNED = Layout(
    'aligned faces',
    (
        _class_folders('Train_Aligned_Faces/CLASS/*.png', 'Train_Aligned_Faces(?:_new)?'),
        _class_folders('Val_Aligned_Faces/CLASS/*.png', 'Val_Aligned_Faces(?:_new)?'),
        *(rule._replace(needed=False) for rule in _SFEW_FRAMES),
    ),
    checks=_sfew_checks,
)


def _recipe(cls: type[FERDataset], name: str, *rules: Rule, skip: tuple[str, ...] = (), **options: Any) -> Recipe:
    return Recipe(cls, (Layout(name, rules, **options),), skip)


RECIPES = dict(
    raf_db=Recipe(RAFDB, (_RAF,), skip=('compound',)),
    raf_compound=Recipe(RAFDBCompound, (_RAF,), skip=('basic',)),
    affectnet=Recipe(
        AffectNet,
        (_AFFECT_NET_2017, _AFFECT_NET_2021),
        skip=('Automatically_Annotated', 'Automatically_Annotated_Images', 'Automatically_annotated_file_list'),
    ),
    fer2013=Recipe(FER2013, (_fer2013_csv('fer2013.csv'), _fer2013_csv('icml_face_data.csv'), _FER2013_TREE)),
    ferplus=Recipe(FERPlus, (_FER_PLUS_PNG, _fer_plus_csv('fer2013.csv'), _fer_plus_csv('icml_face_data.csv'))),
    sfew=Recipe(SFEW, (_SFEW_ALIGNED, Layout('whole frames', _SFEW_FRAMES, checks=_sfew_checks))),
    caers=_recipe(
        CAERS,
        'class folders',
        _class_folders('train/CLASS/*.png', 'train'),
        _class_folders('test/CLASS/*.png', 'test'),
    ),
    expw=_recipe(
        ExpW,
        'label.lst and origin',
        Rule('the list label/label.lst', r'(label\.lst)', r'label/\1'),
        Rule('the images of image/origin', rf'(?:origin|image|images)/([^/]+{IMG})', r'image/origin/\1'),
    ),
    kdef=_recipe(
        KDEF,
        'KDEF_and_AKDEF/KDEF',
        Rule(
            'the images of KDEF, such as AF01/AF01AFS.JPG',
            r'((?:[AB][FM]\d\d/)?(?:[AB][FM]\d\d[A-Z]{3,4}|AF31V|AM31H)\.jpe?g)',
            r'KDEF/\1',
        ),
        skip=('AKDEF',),
        checks=lambda targets: [{}, dict(angles='all')],
    ),
    ckplus=_recipe(
        CKPlus,
        'cohn-kanade-images and Emotion',
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
    jaffe=_recipe(
        JAFFE,
        'jaffe',
        Rule('the images of jaffe, such as KA.AN1.39.tiff', r'([A-Z]{2}\.[A-Z]{2}\d\.\d+\.tiff?)', r'jaffe/\1'),
    ),
)
"""Name of a data set (as in configs/_base_/datasets) -> its :class:`Recipe`."""
