"""Debian packages of another architecture, fetched with an apt state of our own.

The host's package database, architectures and configuration are only read: where its Debian
archive is, and how to get there (proxies). Nothing is installed; maintainer scripts never run.

    apt = Apt(folder)                    state, lists and .deb cache live in folder; arm64
    apt.update()                         fetch the package lists; done by itself the first time
    apt.resolve(names, deps=True)        -> [Package], sorted by name; with deps, all that the
                                         names depend on (not what they only recommend)
    apt.download(packages)               -> [path of the .deb], in the same order; cached
    apt.fetch(names, deps=True)          resolve and download; lists that turn out to be out of
                                         date are fetched anew once -> ([Package], [path])
    apt.show(name)                       -> {field: text} of the package's control record, to
                                         follow a metapackage's Depends, for example
    apt.records(packages)                -> [text], the archive's records of them, in that order
    unpack(path, folder)                 the files of a .deb

Package is a named tuple (name, version, arch, uri, file, size, sha256). What goes wrong is an
AptError, one sentence for the user. Several processes may share a folder.
"""

import collections
import contextlib
import fcntl
import hashlib
import os
import pathlib
import re
import subprocess

Package = collections.namedtuple("Package", "name version arch uri file size sha256")

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MIRROR_VARIABLE = "IGNITION_DEBIAN_MIRROR"


class AptError(Exception):
    """One sentence that names the thing and the way out."""


class Apt:
    def __init__(self, folder, arch="arm64", progress=None):
        """progress(text) is called with one short line for each step that takes a while."""
        self.folder = pathlib.Path(folder).resolve()
        self.arch = arch
        self.progress = progress or (lambda text: None)

    def update(self):
        with self._locked():
            self._update()

    def resolve(self, names, deps=True):
        with self._locked():
            if not (self.folder / "updated").exists():
                self._update()
            return self._resolve(names, deps)

    def download(self, packages):
        with self._locked():
            return [self._download(p) for p in packages]

    def fetch(self, names, deps=True):
        packages = self.resolve(names, deps)
        try:
            return packages, self.download(packages)
        except AptError:
            self.update()
            packages = self.resolve(names, deps)
            return packages, self.download(packages)

    def show(self, name):
        with self._locked():
            if not (self.folder / "updated").exists():
                self._update()
            text = self._run(["apt-cache", "show", "--no-all-versions", name],
                             f"package {name}: not in Debian's {self.arch} archive")
        fields, key = {}, None
        for line in text.split("\n\n")[0].splitlines():
            if line[0] in " \t":
                fields[key] += "\n" + line.strip()
            else:
                key, _, value = line.partition(":")
                fields[key] = value.strip()
        return fields

    def records(self, packages):
        with self._locked():
            found = self._records([(p.name, p.version) for p in packages])
        return [found[p.name, p.version] for p in packages]

    @contextlib.contextmanager
    def _locked(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._configure()
            yield

    def _configure(self):
        for sub in ("state/lists/partial", "cache/archives/partial", "debs", "etc/parts"):
            (self.folder / sub).mkdir(parents=True, exist_ok=True)
        (self.folder / "state/status").touch()
        config = [
            f'Dir::State "{self.folder}/state";',
            f'Dir::State::status "{self.folder}/state/status";',
            f'Dir::Cache "{self.folder}/cache";',
            f'Dir::Etc::SourceList "{self.folder}/etc/sources.list";',
            f'Dir::Etc::SourceParts "{self.folder}/etc/parts";',
            f'Dir::Etc::Parts "{self.folder}/etc/parts";',
            f'Dir::Etc::Preferences "{self.folder}/etc/preferences";',
            f'Dir::Etc::PreferencesParts "{self.folder}/etc/parts";',
            f'APT::Architecture "{self.arch}";',
            f'APT::Architectures {{ "{self.arch}"; }};',
            'APT::Install-Recommends "false";',
            'APT::Sandbox::User "";',
            'Acquire::Languages "none";',
            'Acquire::Retries "3";',
        ]
        self._write("etc/apt.conf", "\n".join(_host_proxies() + config) + "\n")
        sources = self.folder / "etc/sources.list"
        lines = "\n".join(debian_sources(self.arch)) + "\n"
        if not sources.exists() or sources.read_text(encoding="utf-8") != lines:
            (self.folder / "updated").unlink(missing_ok=True)
            self._write("etc/sources.list", lines)

    def _write(self, name, text):
        (self.folder / name).write_text(text, encoding="utf-8")

    def _run(self, argv, failure):
        env = dict(os.environ, APT_CONFIG=str(self.folder / "etc/apt.conf"), LC_ALL="C")
        try:
            done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, check=False)
        except FileNotFoundError:
            raise AptError(f"{argv[0]}: not found; Debian packages need Debian's apt and dpkg") from None
        if done.returncode != 0:
            errors = [l for l in done.stderr.splitlines() if l.startswith(("E:", "Err"))]
            detail = errors[0] if errors else (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise AptError(f"{failure} ({detail})")
        return done.stdout

    def _update(self):
        self.progress(f"fetching the package lists for {self.arch}")
        self._run(["apt-get", "update", "-o", "APT::Update::Error-Mode=any"],
                  f"fetch Debian's {self.arch} package lists: is the network there?")
        (self.folder / "updated").touch()

    def _resolve(self, names, deps):
        verb = ["install", "-y"] if deps else ["download"]
        out = self._run(["apt-get", *verb, "--print-uris", "-qq", *names],
                        f"cannot resolve {' '.join(names)} in Debian's {self.arch} archive")
        found = []
        for uri, file, size, hashes in re.findall(r"^'([^']+)' (\S+) (\d+) (\S*)$", out, re.M):
            name, version, arch = file.removesuffix(".deb").split("_")
            kind, _, digest = hashes.partition(":")
            found.append(Package(name, version.replace("%3a", ":"), arch, uri, file, int(size),
                                 digest if kind == "SHA256" else ""))
        records = self._records([(p.name, p.version) for p in found if not p.sha256])
        return sorted(p if p.sha256 else p._replace(sha256=_sha256(p, records)) for p in found)

    def _records(self, versions):
        """{(name, version): the archive's record} of these, in one question."""
        if not versions:
            return {}
        out = self._run(["apt-cache", "show", *(f"{name}={version}" for name, version in versions)],
                        "Debian's package lists changed meanwhile: try again")
        records = {}
        for text in out.strip().split("\n\n"):
            field = dict(re.findall(r"^(Package|Version): (\S+)$", text, re.M))
            records[field["Package"], field["Version"]] = text
        return records

    def _download(self, package):
        path = self.folder / "debs" / package.file  # --print-uris skips what is in apt's own cache
        if path.exists() and _digest(path) == package.sha256:
            return path
        self.progress(f"fetching {package.name} {package.version} ({package.size >> 10} KiB)")
        partial = path.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        self._run(["/usr/lib/apt/apt-helper", "download-file", package.uri, str(partial),
                   f"SHA256:{package.sha256}"], f"package {package.name}: download failed")
        os.replace(partial, path)
        return path


def unpack(path, folder):
    """The files of a .deb into folder, which may hold those of others."""
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["dpkg-deb", "-x", str(path), str(folder)], capture_output=True, text=True,
                          check=False)
    if "No space left on device" in done.stderr:
        raise AptError(f"{folder}: no space left on the device; make room there")
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no message"])[0]
        raise AptError(f"unpack {path}: {reason}; remove the file and try again")


def debian_sources(arch):
    """One-line entries for the Debian archive that this host uses, and for nothing else."""
    mirror = os.environ.get(MIRROR_VARIABLE)
    if mirror:
        entries = [(mirror, "bookworm"), (mirror, "bookworm-updates")]
    else:
        entries = [e for path in _source_files() for e in _parse(path)]
    lines = [f"deb [arch={arch} signed-by={KEYRING}] {uri} {suite} main" for uri, suite in entries]
    if not lines:
        raise AptError("this host's apt knows no archive of Debian 12; name one: "
                       f"{MIRROR_VARIABLE}=http://HOST/debian")
    return list(dict.fromkeys(lines))


def _source_files():
    etc = pathlib.Path("/etc/apt")
    return [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*.list")),
            *sorted((etc / "sources.list.d").glob("*.sources"))]


def _parse(path):
    """(uri, suite) of the entries of one file, of either format, that are Debian's own."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    text = re.sub(r"^#.*\n?", "", text, flags=re.M)
    found = []
    if path.suffix == ".sources":
        for paragraph in re.split(r"\n\s*\n", text):
            fields = dict(re.findall(r"^([\w-]+):[ \t]*((?:.*)(?:\n[ \t].*)*)", paragraph, re.M))
            if "deb" in fields.get("Types", "").split() and fields.get("Enabled") != "no":
                found += [(u, s, fields.get("Components", "").split(), fields.get("Signed-By", ""))
                          for u in fields.get("URIs", "").split()
                          for s in fields.get("Suites", "").split()]
    else:
        for options, uri, suite, components in re.findall(
                r"^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+(.+)$", text, re.M):
            key = re.search(r"signed-by=(\S+)", options)
            found.append((uri, suite, components.split(), key.group(1) if key else ""))
    return [(uri, suite) for uri, suite, components, key in found
            if "main" in components and re.search(r"/debian(-security)?(/|$)", uri)
            and re.fullmatch(r"(bookworm|stable|oldstable)(-updates|-security|/updates)?", suite)
            and (not key or "debian-archive" in key)]


def _host_proxies():
    """How this host's apt reaches the network, and none of its hooks."""
    try:
        dump = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True,
                              check=False).stdout
    except FileNotFoundError:
        raise AptError("apt-config: not found; Debian packages need Debian's apt and dpkg") from None
    return re.findall(r"^Acquire::(?:https?|ForceIPv\d).*;$", dump, re.M | re.I)


def _sha256(package, records):
    match = re.search(r"^SHA256: ([0-9a-f]{64})$", records.get((package.name, package.version), ""),
                      re.M)
    if not match:
        raise AptError(f"package {package.name}: the archive gives no SHA256 for version "
                       f"{package.version}")
    return match.group(1)


def _digest(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()
