"""Builds cnn_mnist._core from csrc/; everything else is in pyproject.toml.

Environment: CNN_MNIST_SANITIZE=address,undefined, CNN_MNIST_DEBUG=1 (-O0, asserts),
CNN_MNIST_COVERAGE=1, CNN_MNIST_WERROR=1.
"""

import os
import runpy
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

FLAGS = [
    "-std=c11", "-ffp-contract=off", "-fvisibility=hidden", "-pthread",
    "-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes",
]  # fmt: skip
LINK_FLAGS = ["-pthread"]


def switch(name: str) -> bool:
    return os.environ.get(f"CNN_MNIST_{name}", "") not in ("", "0")


def flags() -> tuple[list[str], list[str]]:
    """Compiler and linker flags for the switches in the environment."""
    compile_flags, link_flags = list(FLAGS), list(LINK_FLAGS)
    if switch("WERROR"):
        compile_flags += ["-Werror"]
    if switch("DEBUG"):
        compile_flags += ["-O0", "-g", "-UNDEBUG"]
    else:
        compile_flags += ["-O3", "-g0", "-DNDEBUG", "-fno-asynchronous-unwind-tables"]
        # A copy of a loop for each case would be 29 kB in all. Without: 2.7 % more instructions in
        # a shuffled epoch, its time and all others as before. clang has no such option.
        compile_flags += ["-fno-unswitch-loops", "-Wno-ignored-optimization-argument"]
        link_flags += ["-s"]
        if sys.platform == "linux":  # parts of the file need not begin on a page: 8 kB less
            link_flags += ["-Wl,-z,noseparate-code"]
    if sanitizers := os.environ.get("CNN_MNIST_SANITIZE", ""):
        added = [f"-fsanitize={sanitizers}", "-fno-omit-frame-pointer", "-g"]
        compile_flags += [*added, "-fno-sanitize-recover=all"]
        link_flags += added
    if switch("COVERAGE"):
        compile_flags += ["--coverage", "-fprofile-update=atomic"]
        link_flags += ["--coverage"]
    return compile_flags, link_flags


class BuildInParallel(build_ext):
    """Compiles the files of the extension side by side."""

    def build_extension(self, ext: Extension) -> None:
        compile_one = self.compiler.compile

        def compile_source(source, *args, extra_postargs=(), **kwargs):
            if "-O3" in extra_postargs and "bindings" in Path(source).parts:
                extra_postargs = [*extra_postargs, "-Os"]  # as fast, and 20 kB smaller
            return compile_one([source], *args, extra_postargs=extra_postargs, **kwargs)

        def compile_all(sources, *args, **kwargs):
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                done = pool.map(lambda source: compile_source(source, *args, **kwargs), sources)
                return [path for paths in done for path in paths]

        self.compiler.compile = compile_all
        try:
            super().build_extension(ext)
        finally:
            self.compiler.compile = compile_one


compile_flags, link_flags = flags()
version = runpy.run_path("python/cnn_mnist/_version.py")["__version__"]

setup(
    cmdclass={"build_ext": BuildInParallel},
    ext_modules=[
        Extension(
            "cnn_mnist._core",
            sources=sorted(str(path) for path in Path("csrc").glob("*/*.c")),
            depends=sorted(str(path) for path in Path("csrc").glob("*/*.[hi]*")),
            include_dirs=[numpy.get_include()],
            define_macros=[
                ("CNN_MNIST_VERSION", f'"{version}"'),
                ("CNN_MNIST_FLAGS", f'"{" ".join(compile_flags)}"'),
            ],
            extra_compile_args=compile_flags,
            extra_link_args=link_flags,
            libraries=["m"],
        )
    ],
)
