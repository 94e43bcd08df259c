"""libignition as an embedder meets it: installed, found by pkg-config, compiled against, run."""

import os
import shutil
import subprocess

import pytest

from conftest import BUILD, ROOT, must_exist
from hosts import MAC


def run(*args, **kwargs):
    return subprocess.run([str(a) for a in args], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, **kwargs)


def tool(name):
    found = shutil.which(name)
    assert found, f"{name} is missing; install what tools/deps.sh test names"
    return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with what `make install` installs."""
    folder = tmp_path_factory.mktemp("installed")
    result = run("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", folder)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


@pytest.fixture(scope="module")
def embed(installed):
    """examples/embed.c, compiled by a stranger to this tree, and the environment that it runs in."""
    found = list(installed.rglob("ignition.pc"))
    assert len(found) == 1, found
    env = dict(os.environ, PKG_CONFIG_PATH=str(found[0].parent), PKG_CONFIG_SYSROOT_DIR=str(installed))
    flags = run(tool("pkg-config"), "--cflags", "--libs", "ignition", env=env)
    assert flags.returncode == 0, flags.stderr
    program = installed / "embed"
    made = run("cc", "-Wall", "-Wextra", "-Werror", ROOT / "examples/embed.c", *flags.stdout.split(),
               "-o", program)
    assert made.returncode == 0, made.stderr
    libraries = "DYLD_LIBRARY_PATH" if MAC else "LD_LIBRARY_PATH"
    return program, dict(os.environ, **{libraries: str(found[0].parent.parent)})


def test_embed_boots_waits_and_powers_off(embed, guest):
    program, env = embed
    result = run(program, guest / "Image", guest / "initramfs", "root@ignition:~# ", "poweroff", env=env)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "tiny is up" in result.stdout
    assert "Power down" in result.stdout


def test_embed_says_what_is_wrong(embed, guest, tmp_path):
    program, env = embed
    missing = tmp_path / "no-kernel"
    result = run(program, missing, guest / "initramfs", "x", "y", env=env)
    assert result.returncode == 1
    assert result.stderr == f"embed: kernel {missing}: No such file or directory\n"
    assert run(program, env=env).returncode == 2


@pytest.mark.linux("the names of an ELF library")
def test_only_the_public_interface_is_exported(installed):
    library = [f for f in installed.rglob("libignition.so.*") if not f.is_symlink()]
    assert len(library) == 1, library
    names = run("nm", "-D", "--defined-only", library[0]).stdout.split()[2::3]
    header = (ROOT / "include/ignition.h").read_text()
    assert names and all(name.startswith("ign_") and f"{name}(" in header for name in names), names


def test_the_header_is_cplusplus(tmp_path):
    source = tmp_path / "stranger.cc"
    source.write_text('#include "ignition.h"\nint main() { ign_options o; ign_options_init(&o); return 0; }\n')
    result = run(tool("clang"), "-fsyntax-only", "-Wall", "-Werror", f"-I{ROOT / 'include'}", source)
    assert result.returncode == 0, result.stderr


@pytest.mark.engine("soft", "any number of its machines fit in one process")
def test_two_linux_guests_in_one_process(guest, ext4):
    before = ext4.read_bytes()
    result = run(must_exist(BUILD / "tests/lib/pair", "build first: make"), guest / "Image",
                 guest / "initramfs", ext4)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout == "pair: ok\n"
    assert ext4.read_bytes() == before
