"""Configurations: frozen dataclasses, read from YAML and written to it, with every mistake named.

A configuration may hold other dataclasses, numbers, words, lists and None. A float may be written without its point;
nothing else is converted. Ranges are the business of each dataclass's own `__post_init__`.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import dacite
import yaml

C = TypeVar("C")


def read_mapping(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises
    ------
    ValueError
        If the file is no YAML, or holds anything but a mapping.
    OSError
        If it cannot be read.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold a mapping of names to values, got {type(content).__name__}")
    return content


def load(kind: type[C], source: str | Path | Mapping[str, Any]) -> C:
    """A configuration from a YAML file or a mapping.

    Parameters
    ----------
    kind : dataclass type
        What to make.
    source : path or mapping
        Where from. What it leaves out keeps its default.

    Raises
    ------
    ValueError
        If a key is unknown or missing, or a value has the wrong type or range; the message has the dotted key.
    """
    where = "" if isinstance(source, Mapping) else f"{source}: "
    content = source if isinstance(source, Mapping) else read_mapping(source)
    rules = dacite.Config(strict=True, cast=[tuple], type_hooks={float: _number})
    try:
        return dacite.from_dict(kind, content, rules)
    except dacite.UnexpectedDataError as error:
        key = ", ".join(sorted(map(str, error.keys)))
        raise ValueError(f"{where}unknown key {key}; known are {', '.join(keys(kind))}") from None
    except dacite.MissingValueError as error:
        raise ValueError(f"{where}{error.field_path} is missing") from None
    except dacite.WrongTypeError as error:
        wanted = getattr(error.field_type, "__name__", str(error.field_type).replace("typing.", ""))
        raise ValueError(f"{where}{error.field_path} must be {wanted}, got {error.value!r}") from None
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where}{error}") from None


def _number(value: Any) -> Any:
    """Whole numbers as floats; what is no number is left for the check of types."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def keys(kind: type) -> list[str]:
    """Dotted names of everything that a dataclass holds."""
    found = []
    for field in dataclasses.fields(kind):
        inner = _annotation(kind, field.name)
        nested = dataclasses.is_dataclass(inner)
        found += [f"{field.name}.{key}" for key in keys(inner)] if nested else [field.name]
    return found


def _annotation(kind: type, name: str) -> Any:
    import typing

    return typing.get_type_hints(kind)[name]


def as_mapping(config: Any) -> dict[str, Any]:
    """A configuration as nested mappings and lists, as YAML writes them."""
    return _plain(dataclasses.asdict(config))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    return value


def dump(config: Any, path: str | Path) -> None:
    """Write a configuration as YAML; the file is there completely or not at all."""
    mapping = dict(config) if isinstance(config, Mapping) else as_mapping(config)
    write_atomically(path, yaml.safe_dump(mapping, sort_keys=False, allow_unicode=True).encode())


def write_atomically(path: str | Path, content: bytes) -> None:
    """Write a file so that a reader, and a crash, find the old content or the new one and nothing between."""
    target = Path(path)
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def differences(old: Any, new: Any, prefix: str = "") -> list[str]:
    """What two configurations (or mappings of one) do not share, one line each: `key: old -> new`."""
    if dataclasses.is_dataclass(old) and not isinstance(old, type):
        old = as_mapping(old)
    if dataclasses.is_dataclass(new) and not isinstance(new, type):
        new = as_mapping(new)
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return [] if old == new else [f"{prefix}: {old!r} -> {new!r}"]
    lines = []
    for key in [*old, *(key for key in new if key not in old)]:
        name = f"{prefix}.{key}" if prefix else str(key)
        if key not in old or key not in new:
            lines.append(f"{name}: {old.get(key, 'absent')!r} -> {new.get(key, 'absent')!r}")
        else:
            lines += differences(old[key], new[key], name)
    return lines


def override(mapping: Mapping[str, Any], assignments: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping with some dotted keys replaced; keys that are not there are added, for `load` to judge."""
    result = _plain(mapping)
    for dotted, value in assignments.items():
        inner, *path = result, *dotted.split(".")
        for part in path[:-1]:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise ValueError(f"{dotted} is unknown: {part} holds no other keys")
        inner[path[-1]] = value
    return result


def layered(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings laid over each other: what a later one says holds, down to the single keys."""
    found: dict[str, Any] = {}
    for layer in layers:
        found = override(found, dict(_leaves(layer)))
    return found


def _leaves(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values of what is no mapping."""
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def assignments(texts: Sequence[str]) -> dict[str, Any]:
    """`KEY=VALUE` as typed, values as YAML reads them.

    Raises
    ------
    ValueError
        If there is no `=`, or a key is given twice.
    """
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise ValueError(f"an override must be KEY=VALUE, got {text!r}")
        if key in found:
            raise ValueError(f"{key} is given twice")
        try:
            found[key] = _number_like(yaml.safe_load(value))
        except yaml.YAMLError:
            raise ValueError(f"{key} must be a YAML value, got {value!r}") from None
    return found


def _number_like(value: Any) -> Any:
    """YAML 1.1 takes 1e-3 for a word; whoever types it means the number."""
    if isinstance(value, list):
        return [_number_like(inner) for inner in value]
    if isinstance(value, str) and value[:1] in "+-.0123456789":
        try:
            return float(value)
        except ValueError:
            return value
    return value
