#!/usr/bin/env python3
"""
Each header compiles alone, twice in one unit, with every compiler there is. Arguments: the root of
the source, the folder of generated headers, then the compilers to try.
"""

import concurrent.futures
import shutil
import subprocess
import sys

import tree

FLAGS = ["-std=gnu17", "-fsyntax-only", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-Wshadow",
         "-Wundef", "-Wvla", "-Wmissing-prototypes", "-Wstrict-prototypes", "-Wwrite-strings",
         "-Wno-unused-parameter", "-Isrc", "-Iinclude"]

# An operating system's own headers exist only there.
OTHER_OS = {"linux": "*_macos.h", "darwin": "*_linux.h"}


def compile_alone(root, generated, compiler, header):
    include = header.partition("/")[2]
    stub = f'#include "{include}"\n#include "{include}"\n'
    run = subprocess.run([compiler, *FLAGS, f"-I{generated}", "-x", "c", "-"], input=stub, cwd=root,
                         text=True, capture_output=True, check=False)
    if run.returncode:
        return f"{header}: does not compile alone with {compiler}:\n{run.stderr}"
    return None


def check(files, generated, compilers):
    here = [c for c in compilers if shutil.which(c)]
    if not here:
        return [f"no compiler of {', '.join(compilers)} to try the headers with"]
    skip = set(files.match(OTHER_OS.get(sys.platform, "")) if OTHER_OS.get(sys.platform) else [])
    headers = [h for h in files.match("src/*.h", "include/*.h") if h not in skip]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return [f for f in pool.map(lambda job: compile_alone(files.root, generated, *job),
                                    [(c, h) for c in here for h in headers]) if f]


if __name__ == "__main__":
    sys.exit(tree.report(check(tree.Tree(sys.argv[1]), sys.argv[2], sys.argv[3:])))
