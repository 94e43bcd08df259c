"""Reads guest/recipes/NAME/: recipe.toml says what goes in, files/ holds what is ours.

There are two kinds: a guest that lives in its initramfs, and one with a root file system, which
boots with the kernel and the initramfs of another recipe (the key boots_with).
"""

import hashlib
import pathlib
import re
import tomllib

RECIPES = pathlib.Path(__file__).resolve().parent / "recipes"

# Every key of a recipe.toml, all required. docs/guest.md explains them.
INITRAMFS_KEYS = {
    "about": str, "kernel": str, "packages": list, "modules": list, "limit_mib": int,
    "applets": str, "files": dict, "links": dict, "fifos": dict, "folders": dict,
}
ROOTFS_KEYS = {
    "about": str, "boots_with": str, "packages": list, "exclude": list, "size_mib": int,
}

KINDS = {str: "a string", int: "a number", list: "a list of strings", dict: "a table of strings"}


class RecipeError(Exception):
    """One sentence that names the recipe and the way out."""


class BuildError(Exception):
    """A recipe that cannot be made: one sentence that names the thing and the way out."""


def names():
    return sorted(p.parent.name for p in RECIPES.glob("*/recipe.toml"))


class Recipe:
    def __init__(self, name):
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name) or name not in names():
            raise RecipeError(f"recipe {name!r}: not there; the recipes are: {', '.join(names())}")
        self.name = name
        self.folder = RECIPES / name
        try:
            table = tomllib.loads((self.folder / "recipe.toml").read_text(encoding="utf-8"))
        except (OSError, ValueError) as exc:
            raise RecipeError(f"recipe {name}: recipe.toml: {exc}") from None
        keys = ROOTFS_KEYS if "boots_with" in table else INITRAMFS_KEYS
        for key in table.keys() - keys.keys():
            raise RecipeError(f"recipe {name}: recipe.toml: unknown key {key!r}; known are "
                              f"{', '.join(keys)}")
        for key, kind in keys.items():
            if not fits(table.get(key), kind):
                raise RecipeError(f"recipe {name}: recipe.toml: {key!r} must be there, as "
                                  f"{KINDS[kind]}")
            setattr(self, key, table[key])
        self.boot = self._boot_recipe() if keys is ROOTFS_KEYS else None
        needed = "finish" if self.boot else "files/init"
        if not (self.folder / needed).is_file() or mode(self.folder / needed) != 0o755:
            raise RecipeError(f"recipe {name}: {needed}: not there or not executable; "
                              + ("it is run in the new system" if self.boot else
                                 "the kernel starts it"))

    def _boot_recipe(self):
        if self.boots_with == self.name:
            raise RecipeError(f"recipe {self.name}: recipe.toml: 'boots_with' is itself")
        try:
            boot = Recipe(self.boots_with)
        except RecipeError as exc:
            raise RecipeError(f"recipe {self.name}: recipe.toml: 'boots_with': {exc}") from None
        if boot.boot:
            raise RecipeError(f"recipe {self.name}: recipe.toml: 'boots_with': {boot.name} has a "
                              "root file system itself")
        return boot

    def own_files(self):
        """(path in the guest, path here), sorted; an editor's leavings are not part of it."""
        top = self.folder / "files"
        for path in sorted(top.rglob("*")):
            if path.is_file() and not path.name.endswith("~") and not path.name.startswith(".#"):
                yield path.relative_to(top).as_posix(), path

    def digest(self):
        """Changes when the recipe, or the code that builds it, does."""
        code = sorted(pathlib.Path(__file__).resolve().parent.glob("*.py"))
        own = [self.folder / "recipe.toml", *([self.folder / "finish"] if self.boot else [])]
        parts = [(p.name, p) for p in [*own, *code]] + list(self.own_files())
        out = hashlib.sha256(self.boot.digest().encode() if self.boot else b"")
        for name, path in parts:
            data = path.read_bytes()
            out.update(f"{name}\0{mode(path):o}\0{len(data)}\0".encode() + data)
        return out.hexdigest()


def fits(value, kind):
    items = value.values() if kind is dict and isinstance(value, dict) else value
    return isinstance(value, kind) and (kind in (str, int)
                                        or all(isinstance(item, str) for item in items))


def mode(path):
    """What a file of ours becomes in the guest, whatever the umask of the checkout was."""
    return 0o755 if path.stat().st_mode & 0o100 else 0o644
