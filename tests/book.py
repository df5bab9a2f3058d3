"""The book: the blocks of code of its pages, and a checkout in which they run on small networks and few faces.

A block that a test cannot run has the line ``<!-- needs: what -->`` before it; the others are run as they stand.
"""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from demo_model import write_face
from processes import ROOT, environment, load_tool

from mmfer.cli import VERBS

DOCS = ROOT / 'docs'
BLOCK = re.compile(
    r'(?:^<!-- needs: (?P<needs>[^\n]+?) -->\n)?^```(?P<kind>bash|python)\n(?P<text>.*?)^```', re.M | re.S
)
FILE = re.compile(r'# (\S+\.py)\n')
SETTING = re.compile(r'[A-Z_]+=')
STAND_INS = dict(CONFIG='configs/poster_var/synth.py', CHECKPOINT='work_dirs/poster_var/synth/epoch_7.pth')
SMALL = {
    '_base_/models/poster_var_tiny.py': """
model['backbone']['image'].update(channels=(8, 8, 8), num_blocks=(1, 1, 1))
model['backbone']['landmark'].update(width=0.125, num_blocks=(0, 0, 0))
model['neck'].update(image_channels=(8, 8, 8), landmark_channels=(8, 16, 64), num_heads=(2, 2, 2))
""",
    '_base_/datasets/synth_fer.py': """
train_dataloader['dataset'].update(num_samples=256, cache='memory')
val_dataloader['dataset'].update(num_samples=60, cache='memory')
""",
}


@dataclass
class Block:
    """One block: where it is, in which language, its text, and what it needs that tests do not have, or None."""

    page: str
    kind: str
    text: str
    needs: str

    @property
    def file(self):
        """The file that the reader is to write, or None."""
        match = FILE.match(self.text) if self.kind == 'python' else None
        return match and match[1]

    @property
    def commands(self):
        """Its command lines, each a list of words."""
        lines = self.text.replace('\\\n', ' ').splitlines() if self.kind == 'bash' else ()
        return [words for line in lines for words in [shlex.split(line, comments=True)] if words]


def blocks(page):
    """The blocks of a page in the folder of the book."""
    text = (DOCS / page).read_text()
    return [Block(page, m['kind'], m['text'], m['needs']) for m in BLOCK.finditer(text)]


def tool_and_arguments(words):
    """A verb of mmfer or a Python program of the checkout, and what it is given; (None, None) of other commands.

    What the shell does with its output is left out. Configs that are named are those of the checkout.
    """
    if words[0] == 'mmfer':
        start = 3 if ' '.join(words[1:3]) in VERBS else 2
        tool = ' '.join(words[:start])
    elif words[0] == 'python' and words[1].startswith('benchmarks/'):
        start, tool = 2, words[1]
    else:
        return None, None
    end = next((i for i, word in enumerate(words) if word in ('&&', '|', '>', ';')), len(words))
    return tool, [STAND_INS.get(word) or _config(word) or word for word in words[start:end]]


def _config(word):
    """The file below the checkout that the name of a config stands for."""
    path = f'configs/{word}.py'
    return path if word.count('/') == 1 and (ROOT / path).is_file() else None


def write_checkout(folder):
    """What the pages take for granted: the top of a checkout, whose networks and data sets are small, and photos."""
    shutil.copytree(ROOT / 'configs', folder / 'configs', ignore=shutil.ignore_patterns('__pycache__'))
    for name, text in SMALL.items():
        with open(folder / 'configs' / name, 'a') as file:
            file.write(text)
    (folder / 'tools').symlink_to(ROOT / 'tools')
    for name in ('photo.jpg', 'face.jpg', 'a.jpg', 'b.jpg'):
        write_face(folder / name)
    (folder / 'photos').mkdir()
    write_face(folder / 'photos/a.png')
    return folder


def write_photos(folder, names, num=30):
    """Class folders of patterns, no two alike: each class in a colour that is learned at once, but for one in five."""
    rng = np.random.default_rng(0)
    for k, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for i in range(num):
            image = cv2.resize(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8), (60, 60))
            image[..., (k + (i % 5 == 0)) % 3] //= 4
            cv2.imwrite(str(folder / name / f'{i}.png'), image)


@contextlib.contextmanager
def _paths(folder):
    """Modules of the folder can be imported, and are forgotten."""
    known, path = set(sys.modules), list(sys.path)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - known:
            if str(folder) in str(getattr(sys.modules[name], '__file__', '')):
                del sys.modules[name]


def run_page(page, folder, call_tool, changes=(), names=None):
    """Run the blocks of a page, in ``folder``, which is the current one.

    Tools run in this process. ``changes`` are pairs of a text, which must occur, and what stands in its place, to make
    trainings short. Returns the names that the Python blocks have set, and what the tools printed.
    """
    names, told = dict(names or {}), []
    whole = ''.join(block.text for block in blocks(page))
    for old, _ in changes:
        assert old in whole, f'{page}: no {old}'
    with _paths(folder):
        for block in blocks(page):
            if block.needs:
                continue
            for old, new in changes:
                block.text = block.text.replace(old, new)
            if block.file:
                Path(block.file).parent.mkdir(parents=True, exist_ok=True)
                Path(block.file).write_text(block.text)
            elif block.kind == 'python':
                exec(compile(block.text, page, 'exec'), names)
            for words in block.commands:
                told.append(_run_command(page, words, folder, call_tool))
    return names, ''.join(told)


def _run_command(page, words, folder, call_tool):
    tool, arguments = tool_and_arguments(words)
    if tool:
        code, out, err = call_tool(tool, *arguments)
        assert code == 0, f'{page}: {shlex.join(words)}\n{err[-3000:]}'
        return out + err
    if words[:2] == ['python', '-c']:
        exec(compile(words[2], page, 'exec'), {})
        return ''
    env = environment(PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']]))
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f'{page}: {shlex.join(words)}\n{done.stderr[-3000:]}'
    return done.stdout


def understand(words, monkeypatch):
    """Check the options of a command, if it is a verb of mmfer or one of the checkout's Python programs."""
    while SETTING.match(words[0]):
        words = words[1:]
    name, arguments = tool_and_arguments(words)
    if name:
        monkeypatch.setattr(sys, 'argv', [name, *arguments])
        tool = load_tool(name)
        if hasattr(tool, 'parse_args'):
            tool.parse_args()
        else:
            monkeypatch.setattr('mmfer.utils.errors.run_tool', lambda run, **options: 0)
            tool.main()
