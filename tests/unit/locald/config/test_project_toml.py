from datetime import date
from pathlib import Path

import pytest
from msgspec.structs import replace

from locald.config.errors import ConfigError
from locald.config.project_schema import read_project_toml
from locald.config.project_toml import License, ProjectToml, Script


def read(folder: Path, text: str) -> ProjectToml:
    file = folder / "project.toml"
    file.write_text(text)
    return read_project_toml(file)


def test_schema_0_2(tmp_path: Path) -> None:
    parsed = read(
        tmp_path,
        """
        [_]
        schema-version = "0.2"
        id = "io.example.shop"
        name = "The Shop"
        version = "1.2"
        authors = ["Ada"]
        source-url = "https://example.org/shop"
        [[_.licenses]]
        type = "MIT"
        [_.metadata]
        anything = [1, 2]
        [io.buildpacks]
        builder = "heroku/builder:24"
        exclude = ["/README.md"]
        include = []
        [[io.buildpacks.group]]
        id = "heroku/nodejs"
        version = "1.0"
        [[io.buildpacks.pre.group]]
        uri = "./first"
        [[io.buildpacks.post.group]]
        id = "me/last"
        script = { api = "0.10", inline = "echo hi" }
        [[io.buildpacks.build.env]]
        name = "BP_JVM_VERSION"
        value = "21"
        [com.heroku]
        whatever = true
        """,
    )
    assert parsed.identity.name == "The Shop"
    assert parsed.identity.licenses == (License(type="MIT"),)
    assert (parsed.include, parsed.exclude) == (None, ("/README.md",))
    assert parsed.builder == "heroku/builder:24"
    assert (parsed.group[0].id, parsed.group[0].version) == ("heroku/nodejs", "1.0")
    assert parsed.pre[0].uri == "./first"
    assert parsed.post[0].script == Script(api="0.10", inline="echo hi")
    assert parsed.variables("production") == {"BP_JVM_VERSION": "21"}
    assert parsed.notes == ()


def test_schema_0_1(tmp_path: Path) -> None:
    parsed = read(
        tmp_path,
        """
        [project]
        id = "shop"
        version = "1"
        [build]
        include = ["src/"]
        builder = "b"
        [[build.buildpacks]]
        id = "x/y"
        [[build.env]]
        name = "A"
        value = "1"
        """,
    )
    assert (parsed.identity.id, parsed.builder, parsed.include) == ("shop", "b", ("src/",))
    assert parsed.group[0].id == "x/y"
    assert parsed.variables("production") == {"A": "1"}


def test_schema_0_3_filters_by_execution_environment(tmp_path: Path) -> None:
    parsed = read(
        tmp_path,
        """
        [_]
        schema-version = "0.3"
        [[io.buildpacks.build.env]]
        name = "A"
        value = "always"
        [[io.buildpacks.build.env]]
        name = "A"
        value = "in tests"
        exec-env = ["test"]
        """,
    )
    assert parsed.variables("production") == {"A": "always"}
    assert parsed.variables("test") == {"A": "in tests"}


def test_the_legacy_place_of_env(tmp_path: Path) -> None:
    text = '[_]\nschema-version = "0.2"\n[[io.buildpacks.env.build]]\nname = "A"\nvalue = "1"\n'
    assert read(tmp_path, text).variables("production") == {"A": "1"}


def test_metadata_and_all_that_says_who_the_project_is(tmp_path: Path) -> None:
    text = """
        name = "The Shop"
        id = "shop"
        version = "1"
        authors = ["Ada", "Bob"]
        documentation-url = "https://example.org/docs"
        source-url = "https://example.org/shop"
        [[{0}.licenses]]
        type = "MIT"
        uri = "https://example.org/license"
    """
    free = 'cdn = "https://cdn.example.org"\nsince = 2020-01-02\n[[{0}.assets]]\nsize = 3\n'
    new = read(
        tmp_path,
        '[_]\nschema-version = "0.2"'
        + text.format("_")
        + "[_.metadata]\n"
        + free.format("_.metadata"),
    )
    old = read(
        tmp_path, "[project]" + text.format("project") + "[metadata]\n" + free.format("metadata")
    )
    assert replace(new.identity, schema_version="") == old.identity
    assert old.identity.authors == ("Ada", "Bob")
    assert old.identity.documentation_url == "https://example.org/docs"
    assert old.identity.licenses == (License(type="MIT", uri="https://example.org/license"),)
    assert old.identity.metadata == {
        "cdn": "https://cdn.example.org", "since": date(2020, 1, 2), "assets": [{"size": 3}],
    }  # fmt: skip


def test_filters_count_in_schema_0_3_only(tmp_path: Path) -> None:
    text = """
        [_]
        schema-version = "{}"
        [[io.buildpacks.group]]
        id = "a"
        exec-env = ["test"]
        [[io.buildpacks.build.env]]
        name = "A"
        value = "1"
        exec-env = ["test"]
    """
    parsed = read(tmp_path, text.format("0.2"))
    assert parsed.variables("production") == {"A": "1"}
    assert parsed.group[0].exec_env == ()
    file = tmp_path / "project.toml"
    assert parsed.notes == (
        f"{file}: io.buildpacks.group[0].exec-env belongs to schema 0.3 and is ignored",
        f"{file}: io.buildpacks.build.env[0].exec-env belongs to schema 0.3 and is ignored",
    )
    parsed = read(tmp_path, text.format("0.3"))
    assert parsed.notes == ()
    assert (parsed.group[0].exec_env, parsed.variables("production")) == (("test",), {})


def test_the_legacy_place_of_env_ended_with_schema_0_2(tmp_path: Path) -> None:
    text = '[_]\nschema-version = "0.3"\n[[io.buildpacks.env.build]]\nname = "A"\nvalue = "1"\n'
    parsed = read(tmp_path, text)
    assert parsed.variables("production") == {}
    assert "io.buildpacks.env.build belongs to schema 0.2" in parsed.notes[0]


def test_a_script_may_have_a_version(tmp_path: Path) -> None:
    script = 'script = { api = "0.10", inline = "true" }\n'
    parsed = read(tmp_path, f'[[io.buildpacks.group]]\nid = "a"\nversion = "1"\n{script}')
    assert (parsed.group[0].version, parsed.group[0].script) == (
        "1",
        Script(api="0.10", inline="true"),
    )


def test_unknown_keys_are_told_wherever_they_are(tmp_path: Path) -> None:
    parsed = read(
        tmp_path,
        """
        [_]
        schema-version = "0.2"
        licence = "MIT"
        metadata = { anything = 1 }
        [[_.licenses]]
        typ = "MIT"
        uri = "x"
        [com.example]
        anything = 1
        [[io.buildpacks.pre.group]]
        id = "a"
        script = { api = "0.10", inline = "true", shel = "/bin/bash" }
        [[io.buildpacks.build.env]]
        name = "A"
        value = "1"
        valeu = "2"
        """,
    )
    told = [
        note.removeprefix(f"{tmp_path}/project.toml: ").partition(":")[0] for note in parsed.notes
    ]
    assert told == [
        "_.licence", "_.licenses[0].typ", "io.buildpacks.pre.group[0].script.shel",
        "io.buildpacks.build.env[0].valeu",
    ]  # fmt: skip


def test_what_is_not_known_is_told(tmp_path: Path) -> None:
    parsed = read(tmp_path, '[project]\nname = "x"\n[io.buildpacks]\nbuildr = "x"\n')
    file = tmp_path / "project.toml"
    assert parsed.notes == (
        f'{file}: io.buildpacks.buildr: unknown key, ignored; did you mean "builder"?',
        f"{file}: _.schema-version is missing; read as 0.2",
        f"{file}: [project] belongs to schema 0.1 and is ignored",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[io.buildpacks]\ninclude = ["a"]\nexclude = ["b"]\n',
            "io.buildpacks: cannot have both include and exclude",
        ),
        ('[_]\nschema-version = "9.0"\n', "_.schema-version: '9.0' is not supported"),
        ("[io.buildpacks]\nbuilder = 1\n", "io.buildpacks.builder: expected text, found integer 1"),
        (
            '[[io.buildpacks.group]]\nid = "a"\nversion = "1"\nuri = "./a"\n',
            "io.buildpacks.group[0]: has uri and version",
        ),
        ("[[io.buildpacks.pre.group]]\n", "io.buildpacks.pre.group[0]: needs an id or a uri"),
        (
            '[[io.buildpacks.build.env]]\nname = "A B"\nvalue = ""\n',
            "io.buildpacks.build.env[0].name: not a variable's name: 'A B'",
        ),
        (
            '[[io.buildpacks.build.env]]\nname = "A"\n',
            "io.buildpacks.build.env[0].value: is missing",
        ),
        (
            '[[io.buildpacks.group]]\nuri = "a"\nscript = { api = "0.10", inline = "true" }\n',
            "io.buildpacks.group[0]: has uri and script",
        ),
        ("[[_.licenses]]\n", "_.licenses[0]: needs a type or a uri"),
        ("[[project.licenses]]\n", "project.licenses[0]: needs a type or a uri"),
        ("[_]\nschema-version = 0.2\n", "_.schema-version: expected text, found number"),
        ("[_]\nmetadata = 3\n", "_.metadata: expected a table, found integer 3"),
        ("io = 3", "io: expected a table, found integer 3"),
        ("[io]\nbuildpacks = 3", "io.buildpacks: expected a table, found integer 3"),
        ("_ = 3", "_: expected a table, found integer 3"),
    ],
)
def test_a_mistake_is_named_with_its_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert caught.value.message == f"{tmp_path}/project.toml: {message}"
