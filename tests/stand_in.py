"""A script that stands in for ``python -m mmfer train`` and ``test``, and takes no time."""

import json
import sys

# plan.json beside it says what goes wrong: "<method> <seed> <train or name of predictions>" -> exit code or 'wait'.
# settings.json: config -> the settings of its training.
SCRIPT = """
import json, pathlib, random, signal, sys, time
what, config, *words = sys.argv[1:]
here = pathlib.Path(__file__).parent
value = lambda name: words[words.index(name) + 1]
folder = pathlib.Path(value('--work-dir'))
folder = folder if what == 'train' else folder.parent
folder.mkdir(parents=True, exist_ok=True)
method, seed = folder.parent.name, int(folder.name[5:])
name = what if what == 'train' else pathlib.Path(value('--out')).stem
with open(here / 'order', 'a') as file:
    file.write(f'{name} {method} {seed}\\n')
code = json.loads((here / 'plan.json').read_text()).get(f'{method} {seed} {name}', 0)
if code == 'wait':
    signal.signal(signal.SIGTERM, lambda *_: ((folder / 'epoch_1.pth').touch(), sys.exit(143)))
    (here / 'ready').touch()
    time.sleep(60)
if code:
    print('error: told to fail', file=sys.stderr)
    sys.exit(code)
if what == 'train':
    (folder / 'epoch_3.pth').touch()
    (folder / 'best_accuracy_epoch_2.pth').touch()
    metrics = dict(accuracy=70.0 + seed, macro_f1=None if seed == 2 else 60.0)
    settings = json.loads((here / 'settings.json').read_text())[str(pathlib.Path(config).resolve())]
    weights = dict(backbone='b', neck='n' if method == 'mine' else 'other', head=method)
    content = dict(seed=seed, processes=1, epochs=3, last=metrics, best=dict(metrics, accuracy=90.0 + seed),
                   best_by='accuracy', best_epoch=2, best_checkpoint='best_accuracy_epoch_2.pth', settings=settings,
                   initial_weights=weights, first_batch=dict(samples='s', inputs='i'), git='1')
    (folder / 'finished.json').write_text(json.dumps(content))
else:
    rng, other = random.Random(f'{method} {seed} {name}'), name.startswith('ood')
    records = []
    for i in range(20 + other):
        score = rng.random()
        records.append(dict(img_path=f'{other}{i}.png', gt_label=i % 2, pred_score=[score, 1 - score]))
    content = dict(config=config, checkpoint=words[0], seed=seed, metrics=dict(accuracy=80.0 + seed),
                   classes=['a', 'b'], protocol='Other faces' if other else 'Faces', predictions=records)
    pathlib.Path(value('--out')).write_text(json.dumps(content))
"""


class StandIn:
    """Takes the place of ``mmfer.experiments.schedule.command``; its files lie in ``folder``."""

    def __init__(self, folder):
        self.folder, self.settings = folder, {}
        (folder / 'mmfer.py').write_text(SCRIPT)
        self.plan()

    def __call__(self, verb, *words, processes=1):
        (self.folder / 'settings.json').write_text(json.dumps(self.settings))
        return [sys.executable, '-S', str(self.folder / 'mmfer.py'), verb, *map(str, words)]

    def plan(self, **what):
        (self.folder / 'plan.json').write_text(json.dumps(what))

    def done(self):
        """What was done since this was asked last."""
        order = self.folder / 'order'
        lines = order.read_text().splitlines() if order.exists() else []
        order.unlink(missing_ok=True)
        return lines
