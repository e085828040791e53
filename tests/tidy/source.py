"""What the tidy rules need to know of C++: comments and strings blanked out, and where functions begin and end.

This is no parser: it follows brackets. It is exact enough for code in the house's format, which is checked as well.
"""
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Function:
    name: str
    first_line: int   # from 1: where its head begins
    last_line: int    # where its closing brace stands

    @property
    def line_count(self) -> int:
        return self.last_line - self.first_line + 1


_TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<delimiter>[^()\\\s]{0,16})\(.*?\)(?P=delimiter)"|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'", re.S)


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def blank_comments_and_strings(text: str) -> str:
    """The same text, line by line, with comments and the insides of literals as blanks. Include lines keep their names."""
    def replace(match: re.Match) -> str:
        token = match.group(0)
        if token.startswith(("//", "/*")):
            return _blank(token)
        line_start = text.rfind("\n", 0, match.start()) + 1
        if text[line_start:match.start()].lstrip().startswith("#include"):
            return token
        return token[0] + _blank(token[1:-1]) + token[-1]
    return _TOKEN.sub(replace, text)


_NOT_FUNCTION = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b")
_CONTROL = re.compile(r"^\s*(if|for|while|switch|do|else|try|catch|return|co_return)\b")


def _function_name(head: str) -> str | None:
    """The name of the function whose head stands before a '{', or None if that is no function."""
    head = re.sub(r"^\s*#.*$", "", head, flags=re.M).strip()
    if "(" not in head or _CONTROL.match(head):
        return None
    plain = re.sub(r"<[^<>]*>", "", re.sub(r"<[^<>]*>", "", head))
    before_arguments = plain.split("(", 1)[0]
    if _NOT_FUNCTION.search(before_arguments) or ("=" in before_arguments and "operator" not in before_arguments):
        return None
    name = re.search(r"([~\w:]+|operator\s*\S+)\s*$", before_arguments)
    return name.group(1) if name else None


def functions(blanked: str) -> list[Function]:
    """The outermost functions of a file whose comments and strings are blanked out, in order."""
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda match: _blank(match.group(0)), blanked, flags=re.M)
    found, head_start, position, brackets = [], 0, 0, 0
    while position < len(code):
        character = code[position]
        if character in "([":
            brackets += 1
        elif character in ")]":
            brackets -= 1
        elif brackets == 0 and character in ";}":
            head_start = position + 1
        elif brackets == 0 and character == "{":
            head = code[head_start:position]
            name = _function_name(head)
            is_initialiser = re.search(r"[=,]\s*$|\breturn\s*$", head) is not None
            if name is not None or is_initialiser or _is_member_initialiser(head):
                end = _closing_brace(code, position)
                if name is not None and not is_initialiser:
                    first = code.count("\n", 0, head_start + len(head) - len(head.lstrip())) + 1
                    if _goes_on(code, end):   # a member initialiser with braces: the body is yet to come
                        position = end + 1
                        continue
                    found.append(Function(name, first, code.count("\n", 0, end) + 1))
                position = end
                head_start = position + 1
            else:
                head_start = position + 1
        position += 1
    return found


def _is_member_initialiser(head: str) -> bool:
    return re.search(r"\w\s*$", head) is not None and "(" not in head and not _NOT_FUNCTION.search(head) and "=" not in head


def _goes_on(code: str, end: int) -> bool:
    """After `a_{1}` of a constructor's initialisers comes ',' or the body's '{'."""
    rest = code[end + 1:end + 200].lstrip()
    return rest.startswith((",", "{"))


def _closing_brace(code: str, opening: int) -> int:
    depth = 0
    for match in re.compile(r"[{}]").finditer(code, opening):
        depth += 1 if match.group(0) == "{" else -1
        if depth == 0:
            return match.start()
    return len(code) - 1
