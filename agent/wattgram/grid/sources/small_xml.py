"""A small XML document from outside to a tree: without document type, entities, namespaces and attributes."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

from wattgram.base.untrusted import quoted

XML_ELEMENTS = 50_000
"""Largest number of elements, 170 bytes of memory each; a day of quarter hours with twenty series has 6000."""

XML_LEVELS = 16
"""Largest depth of elements."""

NAMESPACE_SEPARATOR = " "


@dataclass(slots=True)
class Element:
    """An element: its name without namespace, its text without surrounding space, and its children in order."""

    name: str
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self, name: str) -> list[Element]:
        """Return the children of a name."""
        return [child for child in self.children if child.name == name]

    def at(self, path: str) -> str:
        """Return the text of the first element at a path such as `timeInterval/start`; ValueError without one."""
        found = self
        for name in path.split("/"):
            children = found.all(name)
            if not children:
                raise ValueError(f"{self.name}: found no {path}")
            found = children[0]
        return found.text


class _Builder:
    """Handlers of the parser."""

    def __init__(self) -> None:
        self.root = Element("")
        self._open = [self.root]
        self._elements = 0

    def begin(self, name: str, _: object) -> None:
        self._elements += 1
        if self._elements > XML_ELEMENTS or len(self._open) > XML_LEVELS:
            raise ValueError(f"found XML with more than {XML_ELEMENTS} elements or {XML_LEVELS} levels")
        element = Element(name.rpartition(NAMESPACE_SEPARATOR)[2])
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, _: str) -> None:
        element = self._open.pop()
        element.text = element.text.strip()

    def text(self, text: str) -> None:
        self._open[-1].text += text

    def refuse(self, *_: object) -> None:
        raise ValueError("found XML with a document type; expected plain elements")


def parsed(data: bytes) -> Element:
    """Return the root element; ValueError for anything but plain elements."""
    builder = _Builder()
    parser = expat.ParserCreate(namespace_separator=NAMESPACE_SEPARATOR)
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = builder.begin, builder.end
    parser.CharacterDataHandler = builder.text
    parser.StartDoctypeDeclHandler = builder.refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise ValueError(f"found {quoted(data)}; expected XML: {error}") from error
    return builder.root.children[0]
