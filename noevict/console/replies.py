"""Formats replies as redis-cli does: for people at a terminal, and plain for programs."""

from noevict.client.resp import ErrorReply, Reply, SimpleString

# Commands whose text is for people: lines, not one quoted string.
_FOR_PEOPLE = {
    (b"info",), (b"lolwut",), (b"client", b"list"), (b"client", b"info"), (b"cluster", b"info"),
    (b"cluster", b"nodes"), (b"latency", b"doctor"), (b"latency", b"graph"), (b"memory", b"doctor"),
    (b"memory", b"malloc-stats"),
}  # fmt: skip
_ESCAPES = {
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\\t",
    7: "\\a",
    8: "\\b",
    ord('"'): '\\"',
    ord("\\"): "\\\\",
}


def is_for_people(words: list[bytes]) -> bool:
    """Whether the reply to this command is lines of text."""
    command = [word.lower() for word in words[:2]]
    return tuple(command) in _FOR_PEOPLE or tuple(command[:1]) in _FOR_PEOPLE


def readable(reply: Reply, *, lines: bool = False, indent: str = "") -> str:
    """Format a reply so that its kind can be seen, without control characters. ``lines``: see ``is_for_people``."""
    if isinstance(reply, SimpleString):
        return _without_control(reply.text)
    if isinstance(reply, ErrorReply):
        return f"(error) {_without_control(str(reply).encode())}"
    if isinstance(reply, bytes):
        return _without_control(reply).rstrip("\n") if lines else _quoted(reply)
    if isinstance(reply, list):
        return _numbered(reply, indent)
    return "(nil)" if reply is None else f"(integer) {reply}"


def raw(reply: Reply) -> bytes:
    """Return only what was sent, an element a line."""
    if isinstance(reply, SimpleString):
        return reply.text
    if isinstance(reply, ErrorReply):
        return str(reply).encode()
    if isinstance(reply, list):
        return b"\n".join(map(raw, reply))
    if isinstance(reply, int):
        return b"%d" % reply
    return reply or b""


def _numbered(replies: list[Reply], indent: str) -> str:
    if not replies:
        return "(empty array)"
    width = len(str(len(replies)))
    deeper = indent + " " * (width + 2)
    elements = (f"{n:{width}}) {readable(each, indent=deeper)}" for n, each in enumerate(replies, 1))
    return f"\n{indent}".join(elements)


def _quoted(text: bytes) -> str:
    characters = (
        _ESCAPES.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}")
        for byte in text
    )  # fmt: skip
    return f'"{"".join(characters)}"'


def _without_control(text: bytes) -> str:
    plain = text.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    return "".join(
        each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode()
        for each in plain
    )
