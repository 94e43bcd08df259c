"""The bare-metal test kernel on the engine: system registers, exceptions, MMU, timers, GIC, debug, SMP."""

import subprocess

import pytest

import kernel_text
from conftest import BUILD, must_exist, skip_if_not_in_mode


@pytest.mark.linux("a compiler and an objcopy for bare arm64 machines")
def test_it_prints_what_the_manual_says(program, accel):
    kernel = must_exist(BUILD / "tests" / "kernel" / "kernel.bin",
                        "install aarch64-linux-gnu-gcc (tools/deps.sh test) and build: make")
    skip_if_not_in_mode(kernel_text.ARGS)
    result = subprocess.run([str(program), "boot", str(kernel), *kernel_text.ARGS, *accel],
                            capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=240)
    assert (result.returncode, result.stderr) == (0, "")
    kernel_text.compare(result.stdout, kernel_text.by_manual())
