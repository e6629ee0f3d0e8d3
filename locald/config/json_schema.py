"""JSON schemas (draft 7) of locald.toml and config.toml, for editors: made from the same structs
that read the files.
"""

import inspect as python_inspect

from msgspec import NODEFAULT, inspect

from locald.config.key_meaning import MEANINGS
from locald.config.locald_toml import (
    SERVICE_NAME,
    SERVICE_TYPES,
    Build,
    HealthCheck,
    Project,
    Service,
)
from locald.config.user_config import UserConfig

Schema = dict[str, object]

_DRAFT = "http://json-schema.org/draft-07/schema#"


def locald_toml_schema() -> Schema:
    """Of locald.toml."""
    services: Schema = {
        "type": "object",
        "propertyNames": {"pattern": f"^{SERVICE_NAME.pattern}$"},
        "additionalProperties": _table(Service),
    }
    known_types: Schema = {
        "additionalProperties": {"properties": {"type": {"enum": list(SERVICE_TYPES)}}}
    }
    return {
        "$schema": _DRAFT,
        "title": "locald.toml",
        "description": "A project and its services: how each becomes an image, and how it runs.",
        "type": "object",
        "properties": {
            "project": {"description": "What holds for the whole project.", **_table(Project)},
            "service": {"description": "The services by name: [service.NAME].", **services},
            "services": {"description": "Another spelling of `service`.", **services},
            "plugins": {"description": "Accepted for other tools.", "type": "object"},
            "worktrees": {"description": "Accepted for other tools.", "type": "object"},
        },
        "additionalProperties": False,
        # Plugins bring types of their own.
        "if": {"not": {"required": ["plugins"]}},
        "then": {"properties": {"service": known_types, "services": known_types}},
        "definitions": {
            "Project": _struct(Project),
            "Service": {
                **_struct(Service),
                "if": {"properties": {"type": {"const": "site"}}, "required": ["type"]},
                "else": {"properties": {"build": {"type": ["boolean", "object"]}}},
            },
            "Build": {
                **_struct(Build),
                "dependencies": {"include": {"not": {"required": ["exclude"]}}},
            },
            "HealthCheck": _struct(HealthCheck),
        },
    }


def user_config_schema() -> Schema:
    """Of the user's config.toml."""
    head = {"$schema": _DRAFT, "title": "config.toml of locald", "type": "object"}
    return {**head, **_struct(UserConfig)}


def _struct(kind: type) -> Schema:
    """Of a table, without its type: some keys take something else instead."""
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    properties: Schema = {}
    for field in info.fields:
        meaning = MEANINGS[kind][field.encode_name]
        schema = {**_type(field.type), **meaning.limits}
        if field.default not in (NODEFAULT, None, ()):
            schema["default"] = field.default
        properties[field.encode_name] = {"description": meaning.text, **schema}
    required = [field.encode_name for field in info.fields if field.required]
    return {
        "description": _described(kind),
        "properties": properties,
        "additionalProperties": False,
        **({"required": required} if required else {}),
    }


def _type(kind: inspect.Type) -> Schema:
    match kind:
        case inspect.UnionType(types=types):
            # TOML has no null: None stands for a key that is not there.
            members = [_type(one) for one in types if not isinstance(one, inspect.NoneType)]
            return members[0] if len(members) == 1 else _any_of(members)
        case inspect.StructType(cls=cls):
            return _table(cls)
        case inspect.DictType(value_type=value):
            return {"type": "object", "additionalProperties": _type(value)}
        case inspect.VarTupleType(item_type=item):
            return {"type": "array", "items": _type(item)}
        case inspect.EnumType(cls=cls):
            return {"enum": [member.value for member in cls]}
        case inspect.LiteralType(values=values):
            return {"enum": list(values)}
        case inspect.BoolType():
            return {"type": "boolean"}
        case inspect.IntType(ge=lowest, le=highest):
            limits = {"minimum": lowest, "maximum": highest}
            return {"type": "integer", **{k: v for k, v in limits.items() if v is not None}}
        case inspect.StrType(min_length=shortest):
            return {"type": "string", **({"minLength": shortest} if shortest else {})}
        case _:
            raise TypeError(f"no JSON schema for {kind}")


def _any_of(members: list[Schema]) -> Schema:
    """One schema for values of several types. With `anyOf` editors would only say that none fits;
    but each keyword is about one type only, so that all can stand side by side.
    """
    together: Schema = {}
    for member in members:
        together |= member
    return {**together, "type": [member["type"] for member in members]}


def _table(kind: type) -> Schema:
    # Draft 7 ignores what stands beside `$ref`, such as a description.
    return {"type": "object", "allOf": [{"$ref": f"#/definitions/{kind.__name__}"}]}


def _described(kind: type) -> str:
    """The first paragraph of the class's docstring."""
    text = python_inspect.cleandoc(kind.__doc__ or "")
    return text.partition("\n\n")[0].replace("\n", " ")
