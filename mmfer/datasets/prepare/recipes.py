"""What the data sets are handed out as, and where each file goes. The resulting trees are those of the classes."""

from mmfer.datasets.affect_net import AffectNet
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

from .affect_net import CROP_OPTIONS, build_crops, build_lists, check_crop_options, estimate_crops
from .fer_plus import LIST, build_images, estimate_images
from .plan import Layout, Plan, Recipe, Rule

IMG = r'\.(?:' + '|'.join(extension.lstrip('.') for extension in IMG_EXTENSIONS) + ')'
_FER2013_FOLDERS = {split: '|'.join(names) for split, names in FER2013.FOLDERS.items()}


def _class_folders(what: str, folder: str, needed: bool = True) -> Rule:
    """Images in ``folder/class_name/``, which keep their paths; ``folder`` is a regular expression."""
    return Rule(what, rf'((?:{folder})/[^/]+/[^/]+{IMG})', r'\1', needed)


def _raf_layouts() -> tuple:
    name = 'list_patition_label.txt'
    return (
        Layout(
            'EmoLabel and Image/aligned',
            (
                Rule(f'the list EmoLabel/{name}', r'list_patition_label\.txt', f'EmoLabel/{name}'),
                Rule(
                    'the images of Image/aligned (or aligned.zip)',
                    rf'((?:train|test)_\d+_aligned{IMG})',
                    r'Image/aligned/\1',
                ),
            ),
        ),
    )


def _fer2013_checks(plan: Plan) -> list:
    folders = {target.split('/')[0].lower() for target in plan.files}
    return [dict(split=split) for split, names in FER2013.FOLDERS.items() if folders.intersection(names)]


def _fer_plus_layout(csv_name: str, pattern: str) -> Layout:
    return Layout(
        f'{LIST} and {csv_name}',
        (
            Rule(f'the list {LIST}', r'fer2013new\.csv', LIST),
            Rule(f'the images {csv_name}', pattern, CSV_NAME, keep=False),
        ),
        build_images,
        estimate_images,
    )


def _sfew_checks(plan: Plan) -> list:
    tops = {target.split('/')[0].lower() for target in plan.files}
    checks = []
    if any('aligned' in top for top in tops):
        checks += [dict(split=split) for split in ('train', 'val')]
    if tops.issuperset(('train', 'val')):
        checks += [dict(split=split, aligned=False) for split in ('train', 'val')]
    return checks


def _affect_net_checks(plan: Plan) -> list:
    return [
        dict(split=split, ann_file=f'{split}.json', num_classes=number)
        for number in (8, 7)
        for split in ('train', 'val')
    ]


_SFEW_FRAMES = (
    _class_folders('frames of Train (train)', 'Train', needed=False),
    _class_folders('frames of Val (validation)', 'Val', needed=False),
)
_AFFECT_NET_PARTS = (('train_set', 'training'), ('val_set', 'validation'))

RECIPES = dict(
    raf_db=Recipe(RAFDB, _raf_layouts(), skip=('compound',)),
    raf_compound=Recipe(RAFDBCompound, _raf_layouts(), skip=('basic',)),
    affectnet=Recipe(
        AffectNet,
        (
            Layout(
                'csv2017',
                (
                    Rule('the list training.csv', r'training\.csv', 'training.csv', keep=False),
                    Rule('the list validation.csv', r'validation\.csv', 'validation.csv', keep=False),
                    Rule('the images Manually_Annotated_Images/NUMBER/*', rf'(\d+/[^/]+{IMG})', r'\1', keep=False),
                ),
                build_crops,
                estimate_crops,
                CROP_OPTIONS,
                ('skip_unreadable',),
                check_crop_options,
                _affect_net_checks,
            ),
            Layout(
                'npy2021',
                (
                    *(
                        Rule(f'{what} images', rf'({part}/images/[^/]+{IMG})', r'\1')
                        for part, what in _AFFECT_NET_PARTS
                    ),
                    *(
                        Rule(
                            f'{what} annotations (*_exp.npy)',
                            rf'({part}/annotations/[^/]+_(?:exp|val|aro)\.npy)',
                            r'\1',
                            keep=False,
                        )
                        for part, what in _AFFECT_NET_PARTS
                    ),
                ),
                build_lists,
                checks=_affect_net_checks,
            ),
        ),
        skip=('Automatically_Annotated', 'Automatically_Annotated_Images', 'Automatically_annotated_file_list'),
    ),
    fer2013=Recipe(
        FER2013,
        (
            Layout('fer2013.csv', (Rule('fer2013.csv', r'fer2013\.csv', CSV_NAME),)),
            Layout('icml_face_data.csv', (Rule('icml_face_data.csv', r'icml_face_data\.csv', CSV_NAME),)),
            Layout(
                'class folders',
                (
                    _class_folders('train/CLASS/*.jpg', _FER2013_FOLDERS['train']),
                    _class_folders('test/CLASS/*.jpg', _FER2013_FOLDERS['test']),
                    _class_folders('val/CLASS/*.jpg', _FER2013_FOLDERS['val'], needed=False),
                ),
                checks=_fer2013_checks,
            ),
        ),
    ),
    ferplus=Recipe(
        FERPlus,
        (
            Layout(
                'PNG files',
                (
                    Rule(f'the list {LIST}', r'fer2013new\.csv', LIST),
                    *(
                        Rule(f'{folder}/*.png', rf'({folder}/fer\d+\.png)', r'\1')
                        for folder in ('FER2013Train', 'FER2013Valid', 'FER2013Test')
                    ),
                ),
            ),
            _fer_plus_layout('fer2013.csv', r'fer2013\.csv'),
            _fer_plus_layout('icml_face_data.csv', r'icml_face_data\.csv'),
        ),
    ),
    sfew=Recipe(
        SFEW,
        (
            Layout(
                'aligned faces',
                (
                    _class_folders('Train_Aligned_Faces/CLASS/*.png', 'Train_Aligned_Faces(?:_new)?'),
                    _class_folders('Val_Aligned_Faces/CLASS/*.png', 'Val_Aligned_Faces(?:_new)?'),
                    *_SFEW_FRAMES,
                ),
                checks=_sfew_checks,
            ),
            Layout('whole frames', tuple(rule._replace(needed=True) for rule in _SFEW_FRAMES), checks=_sfew_checks),
        ),
    ),
    caers=Recipe(
        CAERS,
        (
            Layout(
                'class folders',
                (
                    _class_folders('train/CLASS/*.png', 'train'),
                    _class_folders('test/CLASS/*.png', 'test'),
                ),
            ),
        ),
    ),
    expw=Recipe(
        ExpW,
        (
            Layout(
                'label.lst and origin',
                (
                    Rule('the list label/label.lst', r'label\.lst', 'label/label.lst'),
                    Rule('the images of image/origin', rf'(?:origin|image|images)/([^/]+{IMG})', r'image/origin/\1'),
                ),
            ),
        ),
    ),
    kdef=Recipe(
        KDEF,
        (
            Layout(
                'KDEF_and_AKDEF/KDEF',
                (
                    Rule(
                        'the images of KDEF, such as AF01/AF01AFS.JPG',
                        r'((?:[AB][FM]\d\d/)?(?:[AB][FM]\d\d[A-Z]{3,4}|AF31V|AM31H)\.jpe?g)',
                        r'KDEF/\1',
                    ),
                ),
                checks=lambda plan: [{}, dict(angles='all')],
            ),
        ),
        skip=('AKDEF',),
    ),
    ckplus=Recipe(
        CKPlus,
        (
            Layout(
                'cohn-kanade-images and Emotion',
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
    ),
    jaffe=Recipe(
        JAFFE,
        (
            Layout(
                'jaffe',
                (
                    Rule(
                        'the images of jaffe, such as KA.AN1.39.tiff',
                        r'([A-Z]{2}\.[A-Z]{2}\d\.\d+\.tiff?)',
                        r'jaffe/\1',
                    ),
                ),
            ),
        ),
    ),
)
"""Name of a data set (as in configs/_base_/datasets) -> its :class:`Recipe`."""
