"""Compares what came out with what a case expects, matchers included."""

import datetime
import json
import re
import uuid


def is_timestamp(value):
    try:
        datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    except (AttributeError, ValueError):
        return False
    return True


def is_uuid(value):
    try:
        uuid.UUID(value)
    except (AttributeError, TypeError, ValueError):
        return False
    return True


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


KINDS = {
    "string": lambda value: isinstance(value, str),
    "number": is_number,
    "integer": lambda value: is_number(value) and value == int(value),
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "null": lambda value: value is None,
    "timestamp": is_timestamp,
    "uuid": is_uuid,
}


def parsed(text):
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return None


def fits_kind(wanted, value):
    kind = KINDS.get(wanted["$any"])
    if kind is not None and not kind(value):
        return False
    low, high = wanted.get("$min"), wanted.get("$max")
    return (low is None or value >= low) and (high is None or value <= high)


def has_matcher(value):
    """Tells whether a value expected is anything but plain data."""
    if isinstance(value, dict):
        return any(key in value for key in ("$any", "$regex", "$json", "$partial")) or any(
            has_matcher(member) for member in value.values())
    return isinstance(value, list) and any(has_matcher(element) for element in value)


def matches(wanted, value):
    if isinstance(wanted, dict):
        if "$any" in wanted:
            return fits_kind(wanted, value)
        if "$regex" in wanted:
            return isinstance(value, str) and re.search(wanted["$regex"], value) is not None
        if "$json" in wanted:
            return isinstance(value, str) and matches(wanted["$json"], parsed(value))
        if "$partial" in wanted:
            return isinstance(value, dict) and all(
                key in value and matches(member, value[key]) for key, member in wanted["$partial"].items())
        return isinstance(value, dict) and wanted.keys() == value.keys() and all(
            matches(member, value[key]) for key, member in wanted.items())
    if isinstance(wanted, list):
        return isinstance(value, list) and len(wanted) == len(value) and all(
            matches(*pair) for pair in zip(wanted, value))
    if is_number(wanted):
        return is_number(value) and wanted == value
    return type(wanted) is type(value) and wanted == value
