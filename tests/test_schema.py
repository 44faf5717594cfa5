"""The schema that editors use is as strict and as lax as the program itself."""

import json
import os
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import program

# What may stand at any key, right or wrong.
VALUES = [
    None, True, 0, 1, 7, 100, -1, 1.5, 10**12, 10**20, "", "x", "5", "yes", "True", "none", "s3", "60s", "1h30m", ".5s",
    "5 s", "8MiB", "8 KiB", "8MB", "127.0.0.1:2222", "audit", "local", [], ["x"], [5], [["x"]], {}, {"x": "y"}, {"x": {}},
]
# What a program says of a value that its schema can know to be wrong.
WRONG = re.compile(
    "stands here where|unknown (key|value)|is out of bounds|not a (size|duration)|is an empty list|can't be negative"
)
TYPES = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


class Schema:
    """As much of a validator as the schema needs."""

    def __init__(self):
        self.root = json.loads(program.run("config", "schema").stdout)

    def resolve(self, schema):
        reference = schema.get("$ref", "") if isinstance(schema, dict) else ""
        return self.root["$defs"][reference.removeprefix("#/$defs/")] if reference else schema

    def accepts(self, value, schema=None) -> bool:
        schema = self.root if schema is None else schema
        if isinstance(schema, bool):
            return schema
        if "$ref" in schema and not self.accepts(value, self.resolve(schema)):
            return False
        kinds = schema.get("type", list(TYPES))
        if not any(TYPES[kind](value) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
            return False
        same = lambda other: type(other) is type(value) and other == value  # noqa: E731
        if "const" in schema and not same(schema["const"]) or "enum" in schema and not any(map(same, schema["enum"])):
            return False
        if "not" in schema and self.accepts(value, schema["not"]):
            return False
        for name, most in (("oneOf", 1), ("anyOf", len(VALUES))):
            if name in schema and not 1 <= sum(self.accepts(value, one) for one in schema[name]) <= most:
                return False
        return self.accepts_parts(value, schema)

    def accepts_parts(self, value, schema) -> bool:
        if isinstance(value, str):
            return re.search(schema.get("pattern", ""), value) is not None
        if TYPES["number"](value):
            above = value >= schema.get("minimum", value) and value > schema.get("exclusiveMinimum", value - 1)
            return above and value <= schema.get("maximum", value) and value < schema.get("exclusiveMaximum", value + 1)
        if isinstance(value, list):
            items = all(self.accepts(item, schema.get("items", True)) for item in value)
            return items and len(value) >= schema.get("minItems", 0)
        if isinstance(value, dict):
            known, other = schema.get("properties", {}), schema.get("additionalProperties", True)
            return all(self.accepts(entry, known.get(key, other)) for key, entry in value.items())
        return True

    def keys(self, schema=None, path=()):
        """The path of every key, with its schema."""
        schema = self.root if schema is None else schema
        for key, property in schema.get("properties", {}).items():
            yield (*path, key), property
            target = self.resolve(property.get("anyOf", [property])[0])
            yield from self.keys(target, (*path, key))
            if isinstance(entry := target.get("additionalProperties"), dict):
                yield from self.keys(self.resolve(entry), (*path, key, "name"))


def nested(path, value):
    for key in reversed(path):
        value = {key: value}
    return value


def refused(tmp_path, value) -> str:
    """What the program says against a configuration that its schema could have known to be wrong."""
    with tempfile.NamedTemporaryFile("w", dir=tmp_path, suffix=".yaml") as file:
        json.dump(value, file)
        file.flush()
        said = program.run("config", "check", file.name, check=False).stderr.decode()
    return "\n".join(line for line in said.splitlines() if WRONG.search(line))


@pytest.mark.timeout(600)
def test_every_key_takes_what_its_schema_says(tmp_path):
    schema = Schema()

    def judge(path, value):
        config = nested(path, value)
        said = refused(tmp_path, config)
        # Of a text that is a number, a duration or a size no schema knows how much it is.
        if isinstance(value, str) and "is out of bounds" in said:
            return None
        accepted = schema.accepts(config)
        return (json.dumps(config), accepted, said) if accepted == bool(said) else None

    # Thousands of short runs of the program: as many at a time as there are processors.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        judged = [pool.submit(judge, path, value) for path, _ in schema.keys() for value in VALUES]
        differ = [one for one in (future.result() for future in judged) if one]
    assert not differ, "\n".join(map(str, differ))


def test_every_bound_of_the_schema_is_kept(tmp_path):
    schema = Schema()
    bounded = [(path, property) for path, property in schema.keys() if "maximum" in property]
    assert len(bounded) > 20
    for path, property in bounded:
        least, most = property["minimum"], property["maximum"]
        for value in {least, most}:
            config = nested(path, value)
            assert schema.accepts(config) and not refused(tmp_path, config), config
        for value in {least - 1, most + 1}:
            config = nested(path, value)
            assert not schema.accepts(config) and ".".join(path) in refused(tmp_path, config), config


def test_every_number_has_bounds():
    for path, property in Schema().keys():
        if "integer" in property.get("type", ()):
            assert "maximum" in property and " It must lie between `" in property["description"], path
