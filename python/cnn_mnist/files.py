"""save and load: state dicts as safetensors files, which torch and others read and write."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import dtypes
from .nn import Module
from .operations.common import array_like, check_device, to_array
from .tape import wrap
from .tensor import Tensor

__all__ = ["load", "save"]

_DTYPES = {
    "F32": dtypes.float32,
    "F64": dtypes.float64,
    "I8": dtypes.int8,
    "I16": dtypes.int16,
    "I32": dtypes.int32,
    "I64": dtypes.int64,
    "U8": dtypes.uint8,
    "BOOL": dtypes.bool_,
}


def save(obj: Module | Mapping[str, Any], f: str | os.PathLike[str]) -> None:
    """Write a module's state, or a dict of Tensors or arrays, as a safetensors file.

    The file appears whole or not at all: it is written beside `f`, brought to the disk and
    then renamed. A file that was there stays as it was until then.

    Parameters
    ----------
    obj : Module or mapping of str to Tensor or array
    f : path

    Raises
    ------
    TypeError
        When `obj` is neither, or a member has no dtype that such a file can hold.
    OSError
        When the file cannot be written; nothing is left behind.

    Notes
    -----
    Format: https://github.com/huggingface/safetensors#format. ``safetensors.torch.load_file``
    reads it, and `load` reads what ``safetensors.torch.save_file`` writes.
    """
    import safetensors.numpy

    members = obj.state_dict() if isinstance(obj, Module) else obj
    if not isinstance(members, Mapping):
        raise TypeError(
            f"expected a Module or a mapping of names to Tensors, got {type(obj).__name__}"
        )
    arrays = {name: _plain(name, member) for name, member in members.items()}
    write_atomically(f, safetensors.numpy.save(arrays))


def load(
    f: str | os.PathLike[str], map_location: Any = None, *, weights_only: bool = True
) -> dict[str, Tensor]:
    """Read a safetensors file: the dict that `Module.load_state_dict` takes, in the file's order.

    Such a file holds nothing but weights, whether `weights_only` or not.

    Parameters
    ----------
    f : path
    map_location : optional
        Where Tensors go: the CPU is the only place, which functions and dicts end at, too.
    weights_only : bool

    Raises
    ------
    FileNotFoundError
        When there is none.
    ValueError
        When it is no whole safetensors file, or holds a dtype that Tensors do not have.
    RuntimeError
        When `map_location` is another device.
    """
    import safetensors

    if not callable(map_location) and not isinstance(map_location, Mapping):
        check_device(map_location)
    with open(f, "rb") as file:
        data = file.read()
    try:
        members = safetensors.deserialize(data)  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as error:
        raise ValueError(
            f"{os.fspath(f)}: not a safetensors file, or a damaged one ({error})"
        ) from None
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    tensors = {}
    for name, member in sorted(members, key=lambda each: header[each[0]]["data_offsets"]):
        if member["dtype"] not in _DTYPES:
            raise ValueError(
                f"{os.fspath(f)}: {name} is of dtype {member['dtype']}, which Tensors do not have"
            )
        kind = _DTYPES[member["dtype"]].dtype
        stored = np.frombuffer(member["data"], kind.newbyteorder("<"))
        tensors[name] = wrap(stored.astype(kind).reshape(member["shape"]))
    return tensors


def _plain(name: Any, member: Any) -> NDArray[Any]:
    """A contiguous array in native byte order."""
    if not isinstance(name, str):
        raise TypeError(f"expected names that are str, got {name!r}")
    if not array_like(member):
        raise TypeError(f"{name}: expected a Tensor or an array, got {type(member).__name__}")
    array = to_array(member)
    if array.dtype.newbyteorder("=") not in _DTYPES.values():
        raise TypeError(f"{name}: expected a dtype that Tensors have, got {array.dtype}")
    return array.astype(array.dtype.newbyteorder("="), order="C", copy=False)


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` beside `path` and rename it; after an error there is no trace of it.

    What is there and is no regular file (a device, a pipe) is written to, not replaced.
    """
    path = os.path.realpath(path)
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as file:
            file.write(data)
        return
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{os.urandom(8).hex()}")
    try:
        try:
            with open(temporary, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if os.path.exists(path):
                os.chmod(temporary, stat.S_IMODE(os.stat(path).st_mode))
            os.replace(temporary, path)
        except BaseException:
            if os.path.exists(temporary):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)  # the rename, too, must survive a crash
    finally:
        os.close(directory)
