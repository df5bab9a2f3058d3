"""All photos of a folder as a table, one row a face: python folder_to_table.py PHOTOS table.csv"""

import sys
from collections import Counter

from mmfer import ExpressionInferencer
from mmfer.inference.writers import open_writer

folder, table = sys.argv[1:]
inferencer = ExpressionInferencer()
counts, unread = Counter(), []
with open_writer(table, inferencer.classes) as writer:  # .csv, .jsonl or .parquet; appears when complete
    for result in inferencer.stream(folder):  # holds one batch in memory, however large the folder
        writer.write(result)
        counts.update('abstains' if face.abstain else face.label for face in result.faces)
        if result.error:
            unread.append(result.source)

for label, count in counts.most_common():
    print(f'{label:12s}{count:6d}')
print(f'{sum(counts.values())} faces in {table}; files that could not be read: {len(unread)}')
