"""Fine-tune the shipped model on photos sorted into folders: python fine_tune.py FACES [EPOCHS]

FACES/<expression>/*.jpg are faces that are cut out already; `mmfer data align PHOTOS FACES --size 112` cuts them out.
"""

import sys
from pathlib import Path

from mmfer import load_config, train
from mmfer.datasets import canonical_name

folder = Path(sys.argv[1])
epochs = int(sys.argv[2]) if len(sys.argv) > 2 else 20
classes = sorted(canonical_name(each.name) for each in folder.iterdir() if each.is_dir())

config = load_config('poster_var/photos')  # starts from the shipped weights; every fifth photo is for the test
for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
    loader.dataset.dataset.update(data_root=str(folder), classes=classes)
config.model.head.num_classes = len(classes)
config.train_dataloader.batch_size = 16

runner = train(config, work_dir='work_dirs/fine_tuned', epochs=epochs, seed=0)
metrics = runner.test()
print(f'accuracy {metrics["accuracy"]:.1f} % on the photos left out; checkpoints in {runner.work_dir}')
