"""The schema says what the engine takes: no more and no less, and its page is up to date."""

import json
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import attrs
import jsonschema
import pytest

from supervision.cli.app import run_command
from supervision.control import ControlError, InvalidParams
from supervision.control.methods import structure_params
from supervision.control.requests import BadRequest, parse_request
from supervision.control.schema import MethodDescription, control_schema, params_schema
from supervision.control_page import control_page
from supervision.service.methods import describe_methods

METHODS = {method.name: method for method in describe_methods()}
SCHEMA = control_schema(METHODS.values(), protocol="1")
PAGE = Path(__file__).parents[2] / "docs" / "control.md"


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@attrs.frozen(kw_only=True)
class Inner:
    size: Decimal


@attrs.frozen(kw_only=True)
class Everything:
    request_id: str
    amount: Decimal | None = None
    colour: Colour = Colour.RED
    count: int = 3
    after_s: float = 0.5
    inner: tuple[Inner, ...] = ()
    rows: list[dict[str, object]] = attrs.field(factory=list)
    sure: bool = False


def sample(schema: Mapping[str, Any]) -> Any:
    """Return something that a schema allows."""
    if "anyOf" in schema:
        return sample(schema["anyOf"][0])
    if "enum" in schema:
        return schema["enum"][-1]
    if "pattern" in schema:
        return "1.5"
    match schema.get("type"):
        case "object":
            return {name: sample(field) for name, field in schema.get("properties", {}).items()}
        case "array":
            return [sample(schema["items"])]
        case "integer" | "number":
            return 7
        case "boolean":
            return True
        case _:
            return "text"


def call(name: str, params: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 1, "method": name, "params": params}


def taken(name: str, line: Mapping[str, object]) -> bool:
    """Tell whether the engine reads a call into the method's class."""
    try:
        request = parse_request(json.dumps(line).encode())
        structure_params(METHODS[name].params, request.params)
    except (BadRequest, ControlError):
        return False
    return True


def allowed(line: Mapping[str, object]) -> bool:
    return jsonschema.Draft202012Validator(SCHEMA).is_valid(line)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)

    assert {"status", "followers.apply", "shutdown", "events.subscribe"} <= SCHEMA["$defs"].keys()


@pytest.mark.parametrize("name", METHODS)
def test_what_the_schema_allows_is_taken_and_what_it_refuses_is_refused(name: str) -> None:
    schema = params_schema(METHODS[name].params)
    whole = sample(schema)
    least = {key: whole[key] for key in schema.get("required", ())}

    for params in (whole, least):
        assert (allowed(call(name, params)), taken(name, call(name, params))) == (True, True), params
    wrong = [{**least, "unknown": 1}, *({k: v for k, v in least.items() if k != gone} for gone in least)]
    wrong += [{**whole, key: {"odd": []}} for key, field in schema["properties"].items() if field]
    for params in wrong:
        assert (allowed(call(name, params)), taken(name, call(name, params))) == (False, False), params
    assert METHODS[name].summary.endswith(".")


def test_every_kind_of_parameter_has_its_schema() -> None:
    schema = params_schema(Everything)

    assert schema["required"] == ["request_id"]
    assert schema["properties"]["colour"] == {"enum": ["red", "blue"], "default": "red"}
    assert structure_params(Everything, sample(schema)).inner == (Inner(size=Decimal("1.5")),)
    for key, value in (("amount", 1.5), ("colour", "green"), ("count", "3"), ("inner", [{}]), ("sure", 1)):
        params = {"request_id": "r", key: value}
        assert not jsonschema.Draft202012Validator(schema).is_valid(params), key
        with pytest.raises(InvalidParams):
            structure_params(Everything, params)


def test_a_type_that_no_call_can_carry_is_refused() -> None:
    @attrs.frozen
    class Odd:
        when: complex

    with pytest.raises(TypeError, match="complex"):
        params_schema(Odd)


def test_the_page_in_the_docs_is_up_to_date() -> None:
    assert PAGE.read_text() == control_page(METHODS.values()), (
        "run: copytrader schema --markdown > docs/control.md"
    )


def test_a_bar_in_a_summary_does_not_break_the_table() -> None:
    page = control_page([MethodDescription(name="x", params=Everything, summary="This | that.")])

    assert page.splitlines()[-1].endswith("This \\| that. |")


def test_the_command_prints_both(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(SCHEMA))
    assert run_command(["schema", "--markdown"]) == 0
    assert capsys.readouterr().out == PAGE.read_text()
