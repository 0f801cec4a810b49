"""The documents as data: which there are, their links, code blocks and commands."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("train/*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.S | re.M)
SETTING = re.compile(r"[A-Z_]+=\S*")


def blocks(text: str, language: str) -> list[str]:
    """What stands in the fenced blocks of a language."""
    return [code for name, code in FENCE.findall(text) if name == language]


def prose(text: str) -> str:
    """The text without its fenced blocks."""
    return FENCE.sub("", text)


def commands(text: str) -> Iterator[list[str]]:
    """The words of every command in the bash blocks: comments, settings before it and shell words left away."""
    for block in blocks(text, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\|\||;|\|", line.split(" #")[0]):
                words = shlex.split(part, comments=True)
                while words and (words[0] in ("do", "nohup", "time", "sudo") or SETTING.fullmatch(words[0])):
                    words = words[1:]
                if words:
                    yield words


def anchors(text: str) -> set[str]:
    """The anchors that a host makes of the headings."""
    titles = re.findall(r"^#+ (.+)$", prose(text), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
