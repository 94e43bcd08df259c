"""Reads guest/recipes/NAME/: recipe.toml says what goes in, files/ holds what is ours."""

import hashlib
import pathlib
import re
import tomllib

RECIPES = pathlib.Path(__file__).resolve().parent / "recipes"

# Every key of a recipe.toml, all required. docs/guest.md explains them.
KEYS = {
    "about": str, "kernel": str, "packages": list, "modules": list, "limit_mib": int,
    "applets": str, "files": dict, "links": dict, "fifos": dict, "folders": dict,
}

KINDS = {str: "a string", int: "a number", list: "a list of strings", dict: "a table of strings"}


class RecipeError(Exception):
    """One sentence that names the recipe and the way out."""


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
        for key in table.keys() - KEYS.keys():
            raise RecipeError(f"recipe {name}: recipe.toml: unknown key {key!r}; known are "
                              f"{', '.join(KEYS)}")
        for key, kind in KEYS.items():
            if not fits(table.get(key), kind):
                raise RecipeError(f"recipe {name}: recipe.toml: {key!r} must be there, as "
                                  f"{KINDS[kind]}")
            setattr(self, key, table[key])
        init = self.folder / "files/init"
        if not init.is_file() or mode(init) != 0o755:
            raise RecipeError(f"recipe {name}: files/init: not there or not executable; the kernel "
                              "starts it")

    def own_files(self):
        """(path in the guest, path here), sorted; an editor's leavings are not part of it."""
        top = self.folder / "files"
        for path in sorted(top.rglob("*")):
            if path.is_file() and not path.name.endswith("~") and not path.name.startswith(".#"):
                yield path.relative_to(top).as_posix(), path

    def digest(self):
        """Changes when the recipe, or the code that builds it, does."""
        code = sorted(pathlib.Path(__file__).resolve().parent.glob("*.py"))
        parts = [(p.name, p) for p in [self.folder / "recipe.toml", *code]] + list(self.own_files())
        out = hashlib.sha256()
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
