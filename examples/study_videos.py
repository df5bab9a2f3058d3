"""How long each person in a study's videos shows which expression: python study_videos.py VIDEOS table.csv"""

import csv
import sys
from collections import Counter
from pathlib import Path

from mmfer import ExpressionInferencer
from mmfer.inference.sources import is_video

folder, table = sys.argv[1:]
inferencer = ExpressionInferencer()
rows = []
for path in sorted(filter(is_video, Path(folder).rglob('*'))):
    seconds, before = {}, 0.0  # track -> seconds of each label; a track is a person as long as the face is seen
    for frame in inferencer.stream(path):
        if frame.error:
            print(f'note: {frame.error}', file=sys.stderr)
            continue
        for face in frame.faces:
            label = 'abstains' if face.abstain else face.label
            seconds.setdefault(face.track, Counter())[label] += frame.time - before
        before = frame.time
    for track, counts in seconds.items():
        times = {name: round(counts[name], 2) for name in (*inferencer.classes, 'abstains')}
        rows.append(dict(video=path.name, person=track, **times))

with open(table, 'w', newline='') as file:
    writer = csv.DictWriter(file, ['video', 'person', *inferencer.classes, 'abstains'])
    writer.writeheader()
    writer.writerows(rows)
print(f'{len(rows)} persons in {table}')
