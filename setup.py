"""Builds cnn_mnist._core from csrc/; everything else is in pyproject.toml."""

from pathlib import Path

import numpy
from setuptools import Extension, setup

FLAGS = ["-std=c11", "-O3", "-ffp-contract=off", "-fvisibility=hidden",
         "-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes"]

setup(
    ext_modules=[
        Extension(
            "cnn_mnist._core",
            sources=sorted(str(path) for path in Path("csrc").glob("*/*.c")),
            depends=sorted(str(path) for path in Path("csrc").glob("*/*.[hi]*")),
            include_dirs=[numpy.get_include()],
            extra_compile_args=[*FLAGS, "-pthread"],
            extra_link_args=["-pthread"],
            libraries=["m"],
        )
    ]
)
