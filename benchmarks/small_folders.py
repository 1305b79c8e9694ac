"""Write the mini benchmark's images as folders ``{task}/{train,test}/{class}/{image}.png``, a few of each class.

python benchmarks/small_folders.py FOLDER
"""

import sys
from pathlib import Path

from PIL import Image

from remerge.tasks import MINI_TASKS, render

PER_CLASS = {"train": 2, "test": 1}


def write_folders(folder: Path) -> None:
    """Write every task's folder; images that are already there are left alone."""
    for task, described in MINI_TASKS.items():
        splits = render(task)
        for split, count in PER_CLASS.items():
            for label, name in enumerate(described.classes):
                own = splits[split].images[splits[split].labels == label][:count]
                for index, pixels in enumerate(own):
                    path = folder / task / split / name / f"{index}.png"
                    if not path.exists():
                        path.parent.mkdir(parents=True, exist_ok=True)
                        Image.fromarray(pixels).save(path)


if __name__ == "__main__":
    write_folders(Path(sys.argv[1]))
