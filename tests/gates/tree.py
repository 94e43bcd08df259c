"""What the gates share: the files of the tree, and how a gate reports."""

import fnmatch
import pathlib
import re
import subprocess
import sys


class Tree:
    """The files under a root that are, or would be, in the repository."""

    def __init__(self, root):
        self.root = pathlib.Path(root).resolve()
        self.names = sorted(self._git() or self._walk())

    def _git(self):
        # Only a repository of its own: an unpacked archive may lie inside somebody else's.
        if not (self.root / ".git").exists():
            return []
        out = subprocess.run(["git", "-C", self.root, "ls-files", "-z", "-co", "--exclude-standard"],
                             capture_output=True, check=False).stdout.decode()
        return [name for name in out.split("\0") if name and (self.root / name).is_file()]

    def _walk(self):
        found = []
        for path in self.root.rglob("*"):
            name = path.relative_to(self.root).as_posix()
            if path.is_file() and not re.match(r"(build|\.git|\.cache)/|.*__pycache__/", name):
                found.append(name)
        return found

    def match(self, *patterns):
        """Names that match a pattern, in which * stands for any characters, slashes too."""
        return [n for n in self.names if any(fnmatch.fnmatchcase(n, p) for p in patterns)]

    def text(self, name):
        """The file as text, or None for a binary."""
        data = (self.root / name).read_bytes()
        try:
            return None if b"\0" in data else data.decode()
        except UnicodeDecodeError:
            return None


def without_comments(text):
    """C source with comments and strings blanked, line numbers kept."""
    def blank(found):
        return re.sub(r"[^\n]", " ", found.group(0)) if found.group(0)[0] == "/" else '""'
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


def report(findings):
    """Print findings; the exit status of a gate."""
    for finding in findings:
        print(finding)
    return 1 if findings else 0


def main(check):
    """Run check(tree) on the root given as the first argument."""
    sys.exit(report(check(Tree(sys.argv[1]))))
