"""The manual page and the shells' completion, against --help: what one tells, all tell."""

import os
import re
import shutil
import subprocess

import pexpect
import pytest

from conftest import BUILD, ROOT
from machine import TIMEOUT_S

OPTION = re.compile(r"^  (--[a-z-]+)(?: (\S+))?  +(.*)$", re.M)


def run(*args, stdin=None, **kwargs):
    result = subprocess.run([str(a) for a in args], input=stdin or "", capture_output=True, text=True,
                            check=False, timeout=TIMEOUT_S, **kwargs)
    assert result.returncode == 0, f"{args}: {result.stdout}{result.stderr}"
    assert result.stderr == "", f"{args}: {result.stderr}"
    return result.stdout


def need(tool):
    if not shutil.which(tool):
        pytest.fail(f"{tool} is missing; install it (tools/deps.sh test)", pytrace=False)
    return tool


class Help:
    """What --help tells of a command."""

    def __init__(self, program, command):
        self.command = command
        self.text = run(program, *command, "--help")
        usage = self.text.splitlines()[0]
        self.subs = re.findall(r"^  ([a-z]+)  ", self.text, re.M) if " COMMAND" in usage else []
        self.options = [name for name, _, _ in OPTION.findall(self.text)]
        self.words = {}  # of enumerations
        for name, _, rest in OPTION.findall(self.text):
            found = re.search(r"\(([a-z, ]+ or [a-z]+);", rest)
            if found:
                self.words[name] = set(re.split(r", | or ", found.group(1)))


def walk(program, command=()):
    about = Help(program, command)
    return [about] + [h for sub in about.subs for h in walk(program, (*command, sub))]


@pytest.fixture(scope="module")
def helps(program):
    found = walk(program)
    names = {h.command for h in found}
    # Else the comparisons below would be of nothing.
    assert {(), ("boot",), ("disk",), ("disk", "info"), ("doctor",), ("completion",)} <= names
    boot = next(h for h in found if h.command == ("boot",))
    assert {"--smp", "--disk", "--deterministic", "--help"} <= set(boot.options)
    assert boot.words["--accel"] == {"auto", "hvf", "kvm", "soft"}
    return found


@pytest.fixture
def folder(tmp_path):
    """Files to complete, one with a space in its name."""
    path = tmp_path / "files"
    (path / "deep").mkdir(parents=True)
    for name in ("Image", "disk.img", "my disk.img", "deep/inner.img"):
        (path / name).touch()
    return path


# ---- the manual page ----

def test_the_page_tells_every_command_and_option(program, helps):
    page = run(need("man"), "--warnings", "-E", "ascii", "-l", "-", stdin=run(program, "manual"),
               env=dict(os.environ, MANWIDTH="400", LC_ALL="C.UTF-8"))
    page = re.sub(".\b", "", page)
    parts = re.split(r"^   (?=\S)", page.partition("\nCOMMANDS\n")[2], flags=re.M)
    for about in helps:
        head = " ".join(("ignition", *about.command)) if about.command else "Without a command"
        part = next((p for p in parts if re.match(rf"{head}( [^a-z]|$)", p, re.M)), None)
        assert part is not None, f"no {head}"
        if about.subs and about.command:
            continue  # a group has what its commands have
        for option in about.options:
            assert re.search(rf"^ +{option}\b", part, re.M), f"{head} {option}"
    for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "ENVIRONMENT", "EXAMPLES"):
        assert f"\n{heading}\n" in page


def test_formatters_do_not_complain(program, tmp_path):
    page = tmp_path / "ignition.1"
    page.write_text(run(program, "manual"))
    assert run(need("mandoc"), "-Tlint", page) == ""


def test_the_date_is_reproducible(program):
    page = run(program, "manual", env=dict(os.environ, SOURCE_DATE_EPOCH="86400"))
    assert page.startswith('.TH IGNITION 1 "1970-01-02" ')
    for wrong in ("", "yesterday", "1e9", "99999999999999999999", "9223372036854775807"):
        result = subprocess.run([program, "manual"], capture_output=True, text=True, check=False,
                                env=dict(os.environ, SOURCE_DATE_EPOCH=wrong))
        assert result.returncode == 1 and result.stderr.count("\n") == 1, wrong
        assert "SOURCE_DATE_EPOCH" in result.stderr and result.stdout == ""


# ---- completion ----

@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_are_good_syntax(program, tmp_path, shell):
    script = tmp_path / "script"
    script.write_text(run(program, "completion", shell))
    assert run(need(shell), "-n", script) == ""


def test_a_shell_that_there_is_not(program):
    for args, words in ((["tcsh"], "bash, zsh or fish"), ([], "bash, zsh or fish"), (["bash", "zsh"], "at most 1")):
        result = subprocess.run([program, "completion", *args], capture_output=True, text=True, check=False)
        assert result.returncode == 2 and words in result.stderr and result.stderr.count("\n") == 1


@pytest.fixture
def bash(program, folder):
    """bash(*words): what the last word may become, by the script's function as bash calls it."""
    need("bash")
    script = folder.parent / "completion.bash"
    script.write_text(run(program, "completion", "bash"))

    def complete(*words):
        code = ('source "$0"; [[ $(complete -p ignition) == *"-F _ignition "* ]] || exit 9; COMP_WORDS=("$@"); '
                'COMP_CWORD=$(($# - 1)); _ignition ignition "${@: -1}"; '
                '((${#COMPREPLY[@]})) && printf "%s\\n" "${COMPREPLY[@]}"; true')
        return set(run("bash", "--norc", "-c", code, script, "ignition", *words, cwd=folder).splitlines())
    return complete


@pytest.fixture
def fish(program, folder):
    """fish(*words): the same, as fish itself completes the line."""
    need("fish")
    script = folder.parent / "completion.fish"
    script.write_text(run(program, "completion", "fish"))

    def complete(*words):
        line = " ".join(("ignition", *words))
        home = dict(os.environ, HOME=str(folder.parent), XDG_CONFIG_HOME=str(folder.parent / "config"))
        out = run("fish", "--no-config", "-c", 'source $argv[1]; complete -C $argv[2]', script, line, cwd=folder,
                  env=home)
        return {found.split("\t")[0] for found in out.splitlines()}
    return complete


@pytest.fixture(params=["bash", "fish"])
def complete(request):
    return request.getfixturevalue(request.param)


def test_every_command_option_and_word_is_offered(complete, helps):
    for about in helps:
        assert set(about.options) <= complete(*about.command, "--"), about.command
        if about.subs:
            assert set(about.subs) <= complete(*about.command, ""), about.command
        for option, words in about.words.items():
            assert complete(*about.command, option, "") == words, (about.command, option)


def test_only_what_fits(complete, helps):
    assert complete("bo") == {"boot"}
    assert complete("disk", "c") == {"commit", "check"}
    assert complete("boot", "--accel", "s") == {"soft"}
    assert complete("boot", "--no-r") == {"--no-reboot"}
    assert complete("boot", "--smp", "") == set()
    assert complete("nonsense", "") == set()
    assert complete("disk", "info", "--b") == set()
    assert complete("completion", "z") == {"zsh"}
    # A value that is a command's name, and a file that is, too.
    assert complete("boot", "--append", "disk", "--de") == {"--debug", "--deterministic"}
    assert complete("boot", "disk", "--de") == {"--debug", "--deterministic"}


def test_files(complete):
    assert {f.rstrip("/") for f in complete("boot", "")} == {"Image", "deep", "disk.img", "my disk.img"}
    assert complete("boot", "Im") == {"Image"}
    assert complete("boot", "Image", "di") == {"disk.img"}
    assert complete("boot", "--initramfs", "Im") == {"Image"}
    assert complete("boot", "--mem", "1G", "--disk", "deep/i") == {"deep/inner.img"}
    assert complete("disk", "commit", "--base", "di") == {"disk.img"}
    assert complete("disk", "check", "--base", "disk.img", "de") == {"deep/"} or \
        complete("disk", "check", "--base", "disk.img", "de") == {"deep"}


def test_bash_splits_words_at_equals_signs(bash):
    assert bash("boot", "--accel", "=") == {"auto", "hvf", "kvm", "soft"}
    assert bash("boot", "--accel", "=", "k") == {"kvm"}
    assert bash("boot", "--accel", "=", "kvm", "--smp", "=", "2", "Im") == {"Image"}
    assert bash("boot", "--append", "=", "console", "=", "ttyS0", "--no-r") == {"--no-reboot"}
    assert bash("boot", "--append", "root", "=", "a", "Image", "di") == {"disk.img"}
    assert bash("boot", "--disk", "disk.img,overlay", "=", "de") == {"deep"}
    assert bash("boot", "--", "--smp", "") == {"Image", "deep", "disk.img", "my disk.img"}
    assert bash("boot", "--", "--") == set()


class Terminal:
    """An interactive shell. Keys are handled in turn, so the mark of the last says that all are."""

    def __init__(self, command, args, setup, cwd, env):
        self.child = pexpect.spawn(command, args, cwd=cwd, timeout=TIMEOUT_S, encoding="utf-8",
                                   dimensions=(200, 200), env=dict(os.environ, TERM="dumb", **env))
        self.child.delaybeforesend = None
        self.child.sendline(f"{setup}; echo rea''dy")
        self.child.expect("ready\r?\n")

    def type(self, keys):
        """What is on the line after the keys, and all that was shown on the way."""
        self.child.send(f"{keys}\x18\x18")
        self.child.expect(r"<<(.*?)>>")
        return self.child.match.group(1), self.child.before

    def close(self):
        self.child.close(force=True)


@pytest.fixture
def terminal(request, program, folder):
    shell = need(request.param)
    folder.parent.joinpath("_ignition").write_text(run(program, "completion", "zsh"))
    folder.parent.joinpath("ignition.bash").write_text(run(program, "completion", "bash"))
    setups = {
        "bash": (["--norc", "--noprofile", "-i"],
                 'PS1=; source ../ignition.bash; bind "set completion-query-items 0"; '
                 'mark() { printf "<<%s>>" "$READLINE_LINE"; READLINE_LINE=; }; bind -x \'"\\C-x\\C-x": mark\''),
        "zsh": (["-f", "-i"],
                'PS1=; unsetopt zle_bracketed_paste; LISTMAX=0; fpath=(.. $fpath); autoload -U compinit; '
                'compinit -D -u; mark() { print -rn -- "<<$BUFFER>>"; BUFFER= }; zle -N mark; '
                'bindkey "^X^X" mark'),
    }
    args, setup = setups[shell]
    running = Terminal(shell, args, setup, folder, {"HOME": str(folder.parent), "HISTFILE": ""})
    yield running
    running.close()


@pytest.mark.parametrize("terminal", ["bash", "zsh"], indirect=True)
def test_keys_at_a_terminal(terminal, helps):
    for keys, line in (
            ("ignition bo\t", "ignition boot "),
            ("ignition disk ch\t", "ignition disk check "),
            ("ignition boot --no-r\t", "ignition boot --no-reboot "),
            ("ignition boot --accel s\t", "ignition boot --accel soft "),
            ("ignition boot --accel=s\t", "ignition boot --accel=soft "),
            ("ignition boot Im\t", "ignition boot Image "),
            ("ignition boot Image --disk de\ti\t", "ignition boot Image --disk deep/inner.img "),
            ("ignition disk info my\t", "ignition disk info my\\ disk.img "),
            ("ignition disk info my\\ d\t", "ignition disk info my\\ disk.img "),
            ('ignition disk info "my\t', 'ignition disk info "my disk.img" '),
            ("ignition completion z\t", "ignition completion zsh ")):
        assert terminal.type(keys)[0] == line


@pytest.mark.parametrize("terminal", ["zsh"], indirect=True)
def test_zsh_lists_every_command_and_option(terminal, helps):
    for about in helps:
        line = " ".join(("ignition", *about.command))
        shown = terminal.type(f"{line} --\t\t")
        for option in about.options:
            assert option in shown[0] + shown[1], (line, option)
        if about.subs:
            shown = terminal.type(f"{line} \t\t")
            for sub in about.subs:
                assert sub in shown[0] + shown[1], (line, sub)
        for option, words in about.words.items():
            shown = terminal.type(f"{line} {option} \t\t")
            for word in words:
                assert word in shown[0] + shown[1], (line, option, word)


# ---- installation ----

def test_installation(program, tmp_path):
    run("meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", tmp_path)
    prefix = next(tmp_path.rglob("bin/ignition")).parent.parent
    installed = {str(f.relative_to(prefix)) for f in prefix.rglob("*") if f.is_file()}
    want = {
        "bin/ignition": None,
        "share/man/man1/ignition.1": ["manual"],
        "share/bash-completion/completions/ignition": ["completion", "bash"],
        "share/zsh/site-functions/_ignition": ["completion", "zsh"],
        "share/fish/vendor_completions.d/ignition.fish": ["completion", "fish"],
    }
    assert set(want) <= installed
    for name, command in want.items():
        if command:
            text = (prefix / name).read_text().splitlines()[1:]  # the first line of the page has its date
            assert text == run(prefix / "bin" / "ignition", *command).splitlines()[1:], name
    assert (ROOT / "VERSION").read_text().strip() in run(prefix / "bin" / "ignition", "--version")
