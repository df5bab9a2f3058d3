"""What the authors of a data set hand out: one index over the files of a folder and of the archives in it."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Optional

from mmfer.utils.image_files import walk
from mmfer.utils.progress import track

from .archives import FOREIGN, SUFFIX, Archive, Member, damage_named


class Source(NamedTuple):
    """A file of the raw data.

    Attributes:
        path (str): Below RAW_DIR; an archive counts as a folder: 'Image/aligned.zip/aligned/train_00001.jpg'.
        size (int): Bytes.
        file (Path, optional): Where it lies on disk; None in an archive.
        archive (Archive, optional): The archive that holds ``member``.
        member (Member, optional): Its entry there.
    """

    path: str
    size: int
    file: Optional[Path] = None
    archive: Optional[Archive] = None
    member: Optional[Member] = None

    @property
    def key(self) -> str:
        """The path with the archives' endings removed, as the patterns of the recipes see it."""
        return '/'.join(SUFFIX.sub('', part) for part in self.path.split('/'))

    @contextmanager
    def open(self) -> Iterator:
        """The content as a binary file; errors of a damaged archive name it."""
        if self.file is not None:
            with open(self.file, 'rb') as file:
                yield file
            return
        with self.archive.open(self.member) as file, damage_named(f'{self.archive.name}: {self.member.name}'):
            yield file

    def read(self) -> bytes:
        """The whole content."""
        with self.open() as file:
            return file.read()


def in_reading_order(sources: Sequence) -> list:
    """Files on disk first, then archive by archive in the order of their bytes."""
    order = {id(archive): i for i, archive in enumerate(dict.fromkeys(source.archive for source in sources))}

    def position(source: Source) -> tuple:
        if source.archive is None:
            return -1, 0, source.path
        return order[id(source.archive)], source.archive.position(source.member), source.path

    return sorted(sources, key=position)


class RawData:
    """Index of RAW_DIR, opened for reading only. Use it as a context manager, or call :meth:`close`.

    Args:
        root (Path): A folder, or one archive or other file alone.

    Attributes:
        sources (list): :class:`Source` of every file that is not hidden, those in archives included. Archives in
            archives are looked into once; what is in a third one is not.
        archives (list): :class:`Source` of the archives on disk.
        origin (dict): :class:`Archive` -> the Source on disk that holds it.
        foreign (list): Paths of archives that only other programs can extract (7z, rar, parts of a zip).
        folders (set): Real paths of all folders that were walked.
        locked (list): Paths of archives in archives that are encrypted.

    Raises:
        FileNotFoundError: ``root`` does not exist.
        ValueError: An archive is damaged or has unsafe members.
    """

    def __init__(self, root: Path):
        self.root = root
        self.sources: list = []
        self.archives: list = []
        self.foreign: list = []
        self.locked: list = []
        self.origin: dict = {}
        self.folders: set = set()
        self._open: list = []
        if not root.exists():
            raise FileNotFoundError(f'RAW_DIR not found: {root}')
        try:
            files = list(self._files())
            self.archives = [source for source in files if SUFFIX.search(source.path)]
            self.sources = [source for source in files if not SUFFIX.search(source.path)]
            for source in track(self.archives, len(self.archives), 'Reading the tables of the archives'):
                self._add_archive(source, source)
        except BaseException:
            self.close()
            raise
        self.foreign = [source.path for source in self.sources if FOREIGN.search(source.path)]

    def _files(self) -> Iterator[Source]:
        if self.root.is_file():
            yield Source(self.root.name, self.root.stat().st_size, self.root)
            return

        for folder, names in walk(self.root):
            self.folders.add(os.path.realpath(folder))
            for name in names:
                path = Path(folder, name)
                if path.is_file():
                    yield Source(path.relative_to(self.root).as_posix(), path.stat().st_size, path)

    def _add_archive(self, source: Source, origin: Source) -> None:
        name = str(self.root / source.path) if self.root.is_dir() else str(self.root)
        file = open(source.file, 'rb') if source.file else source.archive.open(source.member)  # noqa: SIM115
        archive = Archive(name, file)  # which closes the file
        self._open.append(archive)
        self.origin[archive] = origin
        for member in archive.members:
            inner = Source(f'{source.path}/{member.name}', member.size, archive=archive, member=member)
            if source is not origin or not SUFFIX.search(member.name):
                self.sources.append(inner)
            elif member.obstacle:
                self.locked.append(inner.path)
            else:
                self._add_archive(inner, origin)

    def close(self) -> None:
        """Close the archives, the inner ones first."""
        while self._open:
            self._open.pop().close()

    def __enter__(self) -> 'RawData':
        return self

    def __exit__(self, *error) -> None:
        self.close()
