"""What programs and agents meet: the public endpoints, word for word, and the README's examples."""

import asyncio
import base64
import json
import re
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio.utils import get_function_description
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client

from emo_toolkit.pipeline import EmoPipeline
from emo_toolkit.ui import build_page

README = Path(__file__).parents[2] / "README.md"
CONTRACT = Path(__file__).with_name("endpoints.json")
EXAMPLE = re.compile(r"\n## As a program\n.*?```python\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def page(talker: EmoPipeline) -> gr.Blocks:
    return build_page(talker)


def described(page: gr.Blocks) -> dict[str, Any]:
    """Names, parameters, types and defaults of what programs may call."""
    found = {}
    for name, endpoint in page.get_api_info()["named_endpoints"].items():
        parameters = {
            each["parameter_name"]: {
                "type": each["python_type"]["type"],
                **({"default": each["parameter_default"]} if each["parameter_has_default"] else {}),
            }
            for each in endpoint["parameters"]
        }
        returns = [f"{each['label']}: {each['python_type']['type']}" for each in endpoint["returns"]]
        found[name] = {"parameters": parameters, "returns": returns}
    return found


def test_the_contract_with_programs_is_kept(page: gr.Blocks) -> None:
    found = json.dumps(described(page), indent=2) + "\n"
    assert found == CONTRACT.read_text(), f"programs rely on {CONTRACT.name}; is the change meant? Then put it there"


def test_every_other_event_is_private(page: gr.Blocks) -> None:
    public = {f"/{event.api_name}" for event in page.fns.values() if event.api_visibility != "private"}
    assert public == set(described(page)) and not page.get_api_info()["unnamed_endpoints"]


def test_every_public_endpoint_tells_an_agent_what_it_does(page: gr.Blocks) -> None:
    for event in page.fns.values():
        if event.api_visibility == "private":
            continue
        what, parameters, returns = get_function_description(event.fn)
        assert what.endswith(".") and len(what) > 60 and len(" ".join(returns)) > 20, event.api_name
        for name, meaning in parameters.items():  # one line each: gradio reads no further
            assert meaning.endswith("."), f"{event.api_name}: {name}: {meaning}"


def test_the_example_in_the_readme_runs(
    address: str, astronaut: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(astronaut.read_bytes())
    (code,) = EXAMPLE.findall(README.read_text(encoding="utf-8"))
    assert "http://127.0.0.1:7860" in code
    exec(compile(code.replace("http://127.0.0.1:7860", address), str(README), "exec"), {})
    assert "'neutral': " in capsys.readouterr().out


def test_an_agent_finds_the_tools_and_uses_one(address: str, astronaut: Path, page: gr.Blocks) -> None:
    picture = "data:image/jpeg;base64," + base64.b64encode(astronaut.read_bytes()).decode()
    requests = [{"photo": picture}, {"photo": picture, "face": 1}, {"photo": "/etc/passwd"}, {"photo": __file__}]

    async def visit() -> tuple[Any, list[Any]]:
        async with (
            streamablehttp_client(f"{address}gradio_api/mcp/") as (source, sink, _),
            ClientSession(source, sink) as session,
        ):
            await session.initialize()
            return await session.list_tools(), [await session.call_tool("read_face", each) for each in requests]

    listed, (answer, *refused) = asyncio.run(visit())
    assert {f"/{tool.name}" for tool in listed.tools} == set(described(page))
    (tool,) = (tool for tool in listed.tools if tool.name == "read_face")
    assert tool.inputSchema["properties"]["face"]["type"] == "integer"
    assert all(value.get("description") for value in tool.inputSchema["properties"].values())
    assert not answer.isError and "'label': '" in answer.content[0].text
    assert all(reply.isError and "root:" not in reply.content[0].text for reply in refused)
    assert "no face number 1" in refused[0].content[0].text
