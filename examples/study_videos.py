"""A study's videos summed up by person: python study_videos.py VIDEOS RESULTS

RESULTS gets frames.parquet, a row for each face in each frame, and people.csv, episodes.csv and transitions.csv.
For thousands of videos: mmfer predict VIDEOS --out frames.parquet/ --jobs 8, then mmfer summarise frames.parquet/.
"""

import sys
from pathlib import Path

from mmfer import ExpressionInferencer, read_results
from mmfer.inference.sources import is_video
from mmfer.inference.summary import summarise, write_summary
from mmfer.inference.writers import open_writer

videos, results = map(Path, sys.argv[1:])
results.mkdir(exist_ok=True)
inferencer = ExpressionInferencer()
with open_writer(results / 'frames.parquet', inferencer.classes) as writer:
    for video in sorted(filter(is_video, videos.rglob('*'))):
        print(video)
        for frame in inferencer.stream(video):
            writer.write(frame)

summary = summarise(read_results(results / 'frames.parquet'))
write_summary(summary, results)
for person in summary.people.itertuples():
    print(
        f'{person.source}, person {person.track}: {person.seconds:.1f} s seen, happy for {person.share_happiness:.0%}'
    )
