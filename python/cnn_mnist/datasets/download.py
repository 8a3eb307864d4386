"""Fetches MNIST's four gzipped IDX files through pooch: all of them or, on any failure, none."""

import contextlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}


class DownloadError(Exception):
    """No mirror gave a file with the published checksum; the message says what each gave."""


def download(folder: Path) -> None:
    """Put the files of MD5 into `folder`, each checked before it gets its name there.

    Raises
    ------
    ModuleNotFoundError
        pooch is not installed.
    DownloadError
        A file could not be had from any of MIRRORS.
    """
    import pooch

    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="download-", dir=folder) as temporary:
            for name in MD5:
                _fetch(pooch, name, temporary)
            for name in MD5:
                os.replace(Path(temporary, name), folder / name)
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()  # succeeds only where the failed download has left it empty


def _fetch(pooch: Any, name: str, folder: str) -> None:
    """One file from the first mirror that has it whole."""
    from requests import RequestException  # pooch's own way to speak HTTP

    failures = []
    for mirror in MIRRORS:
        try:
            pooch.retrieve(
                mirror + name, f"md5:{MD5[name]}", name, folder, progressbar=sys.stderr.isatty()
            )
            return
        except (RequestException, ValueError) as error:  # ValueError: another checksum
            failures.append(f"{mirror}{name}: {error}")
    raise DownloadError("; ".join(failures))
