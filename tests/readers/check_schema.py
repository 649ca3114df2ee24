"""Holds the JSON Schema of the pipeline file against a validator that others wrote, and against `tenure check`.

    tests/readers/check_schema.py TENURE

The pipelines that ship must be valid. A hundred and more broken ones, made of them by misspelling a key, giving a value of
another type or a word that is none, must be refused by the schema and by `tenure check --no-data` alike.
"""

import copy
import json
import pathlib
import subprocess
import sys
import tempfile
import tomllib

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parents[2]


def toml(value, inline=False):
    """A value as TOML, tables inline."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return "[" + ", ".join(toml(one) for one in value) + "]"
    return "{ " + ", ".join(f"{json.dumps(key)} = {toml(one)}" for key, one in value.items()) + " }"


def text(document):
    return "".join(f"{json.dumps(key)} = {toml(value)}\n" for key, value in document.items())


def places(node, path=()):
    """Every key of a document, with the path of the table that it stands in."""
    for key, value in node.items():
        yield path, key, value
        if isinstance(value, dict):
            yield from places(value, (*path, key))


def table(document, path):
    for part in path:
        document = document[part]
    return document


# Names of the user's own choice: any is right there.
FREE = [("segments",), ("stages",), ("sources", "customers", "columns")]


def broken(document):
    """Documents with one mistake each, and what the mistake is."""
    for path, key, value in places(document):
        name = ".".join((*path, key))
        if path not in FREE:
            wrong = copy.deepcopy(document)
            home = table(wrong, path)
            home[key + "q"] = home.pop(key)
            yield f"{name} misspelt", wrong
        other = 0.5 if isinstance(value, (dict, list, str)) else {"a": 1}
        wrong = copy.deepcopy(document)
        table(wrong, path)[key] = other
        yield f"{name} of another type", wrong
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            wrong = copy.deepcopy(document)
            table(wrong, path)[key] = -5
            yield f"{name} out of range", wrong
    for path, key, value in places(document):
        if key in ("period", "basis", "week_start", "mode", "kind") and isinstance(value, str) and path[-1:] != ("columns",):
            wrong = copy.deepcopy(document)
            table(wrong, path)[key] = value + "ly"
            yield f"{'.'.join((*path, key))} is no word", wrong


def main():
    tenure = sys.argv[1]
    schema = json.loads(subprocess.run([tenure, "schema"], check=True, capture_output=True).stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    faults, tried = [], 0
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "pipeline.toml"

        def accepted(document):
            file.write_text(text(document))
            return subprocess.run([tenure, "check", "--no-data", file], capture_output=True).returncode == 0

        for pipeline in sorted((ROOT / "pipelines").glob("*.toml")):
            document = tomllib.loads(pipeline.read_text())
            document = json.loads(json.dumps(document, default=str))
            for error in validator.iter_errors(document):
                faults.append(f"{pipeline.name} is refused by the schema: {error.json_path}: {error.message}")
            if not accepted(document):
                faults.append(f"{pipeline.name}, written anew, is refused by tenure check")
            for what, wrong in broken(document):
                tried += 1
                if validator.is_valid(wrong):
                    faults.append(f"{pipeline.name}, {what}: the schema accepts it")
                if accepted(wrong):
                    faults.append(f"{pipeline.name}, {what}: tenure check accepts it")
    for fault in faults:
        print(fault, file=sys.stderr)
    if tried < 100:
        faults.append(f"only {tried} broken pipelines were tried")
    print(f"{tried} broken pipelines, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
