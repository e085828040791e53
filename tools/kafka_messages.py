"""Makes C++ of the messages in src/protocol/kafka/schema/*.kafka; CMake runs it, and tests/tidy for headers alone.

    tools/kafka_messages.py --out FOLDER SCHEMA...          writes only what has changed
    tools/kafka_messages.py --names SCHEMA...               names what it would write, one a line

From schema NAME.kafka, with an API ListOffsets in it: protocol/kafka/messages/list_offsets.h (the structs ListOffsetsRequest
and ListOffsetsResponse, decode() and encode() of each) and protocol/kafka/messages/NAME.cc. And cases.cc, which knows every
message, for tests and fuzzers: src/protocol/kafka/message_test_support.h.

The notation, one thing a line, `#` begins a comment:

    api Fetch 1 versions 0-17 flexible 12+      name, key, versions of both messages, the first with compact fields and tags
    request                                     (or response): its fields follow
      name  TYPE [VERSIONS] [null VERSIONS] [tag N] [= DEFAULT]
    data ConsumerProtocolAssignment versions 0-3     a message without a key; its fields follow

Fields stand in the order of the wire, two spaces deeper than what they belong to. TYPE is bool, int8, int16, int32, int64,
float64, string, bytes, records, uuid, or a struct's name, whose fields follow at its first mention in a message and
hold for the others; []TYPE is an array; a `?` behind it says that null may stand there (in all of the field's versions, or in
those behind `null`). VERSIONS are 3, 3-7 or 3+, and all of the message's if left out. A tagged field has its tag's number.
What a version lacks has its default when decoded (null, zero, empty, if none is given) and is left out when encoded.

Requests and data hold views into the frame; responses own their strings, but for records, which are fragments (writer.h).
"""
import argparse
import re
import sys
from dataclasses import dataclass, field as dataclass_field
from pathlib import Path

NUMBERS = {"bool": ("bool", "boolean", 1), "int8": ("int8_t", "int8", 1), "int16": ("int16_t", "int16", 2),
           "int32": ("int32_t", "int32", 4), "int64": ("int64_t", "int64", 8),
           "float64": ("double", "float64", 8), "uuid": ("Uuid", "uuid", 16)}
TEXTS = {"string", "bytes"}
FOREVER = 10_000


def die(where: str, what: str):
    sys.exit(f"{where}: {what}")


@dataclass
class Field:
    name: str
    type: str             # without [] and ?
    is_array: bool
    is_nullable: bool
    first: int
    last: int
    null_first: int
    null_last: int
    tag: int | None
    default: str | None


@dataclass
class Struct:
    name: str             # "Topic", or the message's own
    fields: list[Field] = dataclass_field(default_factory=list)


@dataclass
class Message:
    name: str             # "FetchRequest"
    api: str
    key: int | None
    kind: str             # request, response, data
    first: int
    last: int
    flexible: int
    structs: list[Struct] = dataclass_field(default_factory=list)  # what others hold comes before them; the message last

    @property
    def owns(self) -> bool:
        return self.kind == "response"

    def struct(self, name: str) -> Struct | None:
        return next((struct for struct in self.structs if struct.name == name), None)

    def cpp(self, struct: str) -> str:
        return self.name if struct == self.name else f"{self.name}::{struct}"


def versions(text: str, last: int) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)(\+|-(\d+))?", text)
    if not match:
        raise ValueError(f"versions are like 3, 3-7 or 3+, not {text}")
    first = int(match[1])
    return first, last if match[2] == "+" else int(match[3]) if match[3] else first


def parse_field(message: Message, text: str) -> Field:
    left, _, default = text.partition(" = ")
    words = left.split()
    name, kind, rest = words[0], words[1], words[2:]
    first, last = message.first, message.last
    if rest and re.match(r"\d", rest[0]):
        first, last = versions(rest.pop(0), message.last)
    null_first, null_last, tag = first, last, None
    while rest:
        word = rest.pop(0)
        if word == "null":
            null_first, null_last = versions(rest.pop(0), message.last)
        elif word == "tag":
            tag = int(rest.pop(0))
        else:
            raise ValueError(f"what is {word}?")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError(f"{name} is no field's name")
    if not message.first <= first <= last <= message.last:
        raise ValueError(f"{name}: versions {first}-{last} are not those of the message")
    return Field(name, kind.strip("[]?"), kind.startswith("[]"), kind.endswith("?"), first, last, null_first, null_last, tag,
                 default.strip() or None)


class Parser:
    def __init__(self, path: Path):
        self.path = path
        self.messages: list[Message] = []
        self.number = 0
        self.api: tuple | None = None
        self.open: list[tuple[int, Struct]] = []  # indent of a struct's fields, and the struct

    def parse(self) -> list[Message]:
        for self.number, line in enumerate(self.path.read_text(encoding="utf-8").split("\n"), 1):
            text = line.split("#")[0].rstrip()
            try:
                if text:
                    self.line(text)
            except (ValueError, IndexError) as error:
                die(f"{self.path}:{self.number}", str(error))
        for message in self.messages:
            check(self.path, message)
        return self.messages

    def line(self, text: str):
        indent = len(text) - len(text.lstrip())
        if indent:
            return self.field(indent, text.strip())
        words = text.split()
        if words[0] == "api":
            first, last = versions(words[4], FOREVER)
            flexible = versions(words[6], FOREVER)[0] if len(words) > 6 else FOREVER
            self.api = (words[1], int(words[2]), first, last, flexible)
        elif words[0] in ("request", "response"):
            name, key, first, last, flexible = self.api
            self.begin(Message(name + words[0].capitalize(), name, key, words[0], first, last, flexible))
        elif words[0] == "data":
            first, last = versions(words[3], FOREVER)
            self.begin(Message(words[1], words[1], None, "data", first, last, FOREVER))
        else:
            raise ValueError(f"a line begins with api, request, response or data, not {words[0]}")

    def begin(self, message: Message):
        self.messages.append(message)
        self.open = [(2, Struct(message.name))]
        message.structs.append(self.open[0][1])

    def field(self, indent: int, text: str):
        message = self.messages[-1]
        while self.open and self.open[-1][0] > indent:
            self.open.pop()
        if not self.open or self.open[-1][0] != indent:
            raise ValueError("the indent fits nothing above")
        field = parse_field(message, text)
        owner = self.open[-1][1]
        owner.fields.append(field)
        if field.type in NUMBERS or field.type in TEXTS or field.type == "records" or message.struct(field.type):
            return
        struct = Struct(field.type)
        message.structs.insert(message.structs.index(owner), struct)
        self.open.append((indent + 2, struct))


def check(path: Path, message: Message):
    for struct in message.structs:
        where = f"{path}: {message.cpp(struct.name)}"
        if not struct.fields and struct.name != message.name:
            die(where, "has no fields")
        tags = [field.tag for field in struct.fields if field.tag is not None]
        if tags != list(range(len(tags))):
            die(where, "tags are 0, 1, 2 in their order")
        for field in struct.fields:
            if field.tag is not None and (field.first < message.flexible or (field.is_nullable and field.default)):
                die(where, f"{field.name} cannot be tagged so")
            if field.type == "records" and (field.is_array or field.tag is not None):
                die(where, f"{field.name}: records stand alone")


# ---- C++

def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def element_type(message: Message, field: Field) -> str:
    if field.type in NUMBERS:
        return NUMBERS[field.type][0]
    if field.type in TEXTS:
        return "std::string" if message.owns else "std::string_view"
    if field.type == "records":
        return "Records" if message.owns else "std::string_view"
    return field.type


def is_optional(message: Message, field: Field) -> bool:
    return field.is_nullable and not (field.type == "records" and message.owns)


def member(message: Message, field: Field, prefix: str = "") -> str:
    kind = element_type(message, field)
    if kind == field.type and field.type not in NUMBERS:
        kind = prefix + kind
    if field.is_array:
        kind = f"std::vector<{kind}>"
    if is_optional(message, field):
        return f"std::optional<{kind}> {field.name}{{}};"
    if field.is_array or field.type not in NUMBERS or field.type == "uuid":
        return f"{kind} {field.name}{{}};"
    return f"{kind} {field.name} = {default_value(field)};"


def default_value(field: Field) -> str:
    if field.default is None:
        return "false" if field.type == "bool" else "0"
    value = {"-2147483648": "std::numeric_limits<int32_t>::min()", "0x7fffffff": "std::numeric_limits<int32_t>::max()"}
    return value.get(field.default, field.default)


def struct_lines(message: Message, struct: Struct) -> list[str]:
    """Stands before its message, which calls it by an alias: a nested struct cannot be held by std::optional there."""
    name = message.name + struct.name
    members = [member(message, field, message.name) for field in struct.fields]
    return [f"struct {name} {{", *(f"  {line}" for line in members), f"  bool operator==(const {name}&) const = default;", "};"]


def versions_text(message: Message, field: Field) -> str:
    if (field.first, field.last) == (message.first, message.last):
        return ""
    until = "+" if field.last == message.last else "" if field.last == field.first else f"-{field.last}"
    return f"  // {field.first}{until}"


def header(messages: list[Message]) -> str:
    lines = [f"// Made by tools/kafka_messages.py of src/protocol/kafka/schema/: {messages[0].api}.", "#pragma once", "",
             "#include <cstdint>", "#include <limits>", "#include <optional>", "#include <string>", "#include <string_view>",
             "#include <vector>", "", '#include "protocol/kafka/reader.h"', '#include "protocol/kafka/writer.h"', "",
             "namespace keelson::kafka {"]
    for message in messages:
        lines.append("")
        for struct in message.structs[:-1]:
            lines += struct_lines(message, struct)
        lines += [f"struct {message.name} {{", *(f"  using {struct.name} = {message.name}{struct.name};" for struct in message.structs[:-1])]
        if message.key is not None:
            lines += [f"  static constexpr int16_t kKey = {message.key};"]
        lines += [f"  static constexpr int16_t kVersionMin = {message.first};",
                  f"  static constexpr int16_t kVersionMax = {message.last};"]
        if message.key is not None:
            never = "std::numeric_limits<int16_t>::max()"
            lines += [f"  static constexpr int16_t kFlexibleFrom = {never if message.flexible == FOREVER else message.flexible};"]
        own = message.structs[-1]
        lines += [f"  {member(message, field)}{versions_text(message, field)}" for field in own.fields]
        lines += [f"  bool operator==(const {message.name}&) const = default;", "};",
                  f"[[nodiscard]] bool decode(Reader& reader, int16_t version, {message.name}& out);",
                  f"void encode(Writer& writer, int16_t version, const {message.name}& message);"]
    return "\n".join([*lines, "", "}  // namespace keelson::kafka", ""])


def condition(message: Message, first: int, last: int) -> str:
    parts = []
    if first > message.first:
        parts.append(f"version >= {first}")
    if last < message.last:
        parts.append(f"version <= {last}")
    return " && ".join(parts)


def size_min(message: Message, type_name: str, is_array: bool = False, is_nullable: bool = False) -> int:
    """The least that a value can take on the wire, in any version."""
    is_compact = message.flexible <= message.last
    if is_array or type_name in ("bytes", "records"):
        return 1 if is_compact else 4
    if type_name == "string":
        return 1 if is_compact else 2
    if type_name in NUMBERS:
        return NUMBERS[type_name][2]
    if is_nullable:
        return 1
    struct = message.struct(type_name)

    def at(version: int) -> int:
        return sum(size_min(message, field.type, field.is_array, field.is_nullable) for field in struct.fields
                   if field.tag is None and field.first <= version <= field.last) + (version >= message.flexible)
    return min(at(version) for version in range(message.first, message.last + 1))


def read_one(message: Message, field: Field, target: str) -> str:
    """Of what is not an array and not nullable."""
    if field.type in NUMBERS:
        return f"{target} = reader.{NUMBERS[field.type][1]}();"
    if field.type in TEXTS:
        return f"{target} = reader.{field.type}(is_compact);"
    if field.type == "records":
        return f"read_records(reader, is_compact, {target});" if message.owns else f"{target} = reader.bytes(is_compact);"
    return f"read(reader, version, {target});"


def read_lines(message: Message, field: Field) -> list[str]:
    target = f"out.{field.name}"
    kind = element_type(message, field)
    if kind == field.type and field.type not in NUMBERS:
        kind = message.cpp(kind)
    if field.is_array:
        name = "read_nullable_array" if field.is_nullable else "read_array"
        least = size_min(message, field.type)
        lines = [f"{name}(reader, is_compact, {least}, {target}, [&]({kind}& element) {{ {read_one(message, field, 'element')} }});"]
    elif field.type == "records" and message.owns:
        lines = [read_one(message, field, target)]
    elif field.is_nullable and (field.type in TEXTS or field.type == "records"):
        lines = [f"{target} = reader.nullable_{'string' if field.type == 'string' else 'bytes'}(is_compact);"]
    elif field.is_nullable:
        lines = [f"if (reader.is_present()) read(reader, version, {target}.emplace());"]
    else:
        lines = [read_one(message, field, target)]
    never_null = f"{target}.is_null" if field.type == "records" and message.owns else f"!{target}"
    if field.type == "records" and message.owns and not field.is_nullable:
        lines.append(f"if ({never_null}) reader.fail();")
    elif field.is_nullable:
        may = condition(message, max(field.first, field.null_first), field.null_last)
        if (field.null_first, field.null_last) != (field.first, field.last) and may:
            lines.append(f"if (!({may}) && {never_null}) reader.fail();")
    return lines


def write_one(message: Message, field: Field, value: str) -> str:
    if field.type in NUMBERS:
        return f"writer.{NUMBERS[field.type][1]}({value});"
    if field.type in TEXTS:
        return f"writer.{field.type}({value}, is_compact);"
    if field.type == "records":
        return f"writer.{'records' if message.owns else 'bytes'}({value}, is_compact);"
    return f"write(writer, version, {value});"


def write_lines(message: Message, field: Field) -> list[str]:
    value = f"message.{field.name}"
    kind = element_type(message, field)
    if kind == field.type and field.type not in NUMBERS:
        kind = message.cpp(kind)
    may_be_null = "true"
    if field.is_nullable and (field.null_first, field.null_last) != (field.first, field.last):
        may_be_null = condition(message, max(field.first, field.null_first), field.null_last) or "true"
    if field.is_array:
        passed = kind if field.type in NUMBERS and field.type != "uuid" else f"const {kind}&"
        each = f"[&]({passed} element) {{ {write_one(message, field, 'element')} }}"
        if field.is_nullable:
            return [f"write_nullable_array(writer, is_compact, {may_be_null}, {value}, {each});"]
        return [f"write_array(writer, is_compact, {value}, {each});"]
    if field.type == "records" and message.owns:
        return [write_one(message, field, value)]
    if field.is_nullable and (field.type in TEXTS or field.type == "records"):
        what = "string" if field.type == "string" else "bytes"
        return [f"write_nullable_{what}(writer, is_compact, {may_be_null}, {value});"]
    if field.is_nullable:
        return [f"writer.presence({value}.has_value());", f"if ({value}) write(writer, version, *{value});"]
    return [write_one(message, field, value)]


def guarded(test: str, lines: list[str]) -> list[str]:
    if not test:
        return lines
    if len(lines) == 1 and not lines[0].startswith("if"):
        return [f"if ({test}) {lines[0]}"]
    return [f"if ({test}) {{", *(f"  {line}" for line in lines), "}"]


def is_set(message: Message, field: Field) -> str:
    """Whether a tagged field differs from its default."""
    value = f"message.{field.name}"
    if is_optional(message, field):
        return f"{value}.has_value()"
    if field.is_array or field.type in TEXTS:
        return f"!{value}.empty()"
    if field.type == "uuid":
        return f"!{value}.is_none()"
    if field.type == "bool":
        return value if default_value(field) == "false" else f"!{value}"
    if field.type in NUMBERS:
        return f"{value} != {default_value(field)}"
    return f"{value} != {message.cpp(field.type)}{{}}"


def tags_read(message: Message, struct: Struct) -> list[str]:
    tagged = [field for field in struct.fields if field.tag is not None]
    if not tagged:
        return ["reader.skip_tags();"]
    lines = ["for (uint32_t left = reader.tags(); left > 0 && !reader.failed(); --left) {", "  const Reader::Tag tag = reader.next_tag();"]
    for field in tagged:
        test = condition(message, field.first, field.last)
        test = f"tag.tag == {field.tag}" + (f" && {test}" if test else "")
        lines += [f"  {'if' if field is tagged[0] else '} else if'} ({test}) {{"]
        lines += [f"    {line}" for line in read_lines(message, field)] + ["    reader.end_tag(tag);"]
    return lines + ["  } else {", "    reader.skip_tag(tag);", "  }", "}"]


def tags_write(message: Message, struct: Struct) -> list[str]:
    tagged = [field for field in struct.fields if field.tag is not None]
    if not tagged:
        return ["writer.uvarint(0);"]
    lines = []
    for field in tagged:
        test = condition(message, max(field.first, message.flexible), field.last)
        if field.first <= message.flexible:
            test = condition(message, message.first, field.last)
        lines.append(f"const bool has_{field.name} = {test + ' && ' if test else ''}{is_set(message, field)};")
    lines.append(f"writer.uvarint({' + '.join(f'(has_{field.name} ? 1U : 0U)' for field in tagged)});")
    for field in tagged:
        lines += [f"if (has_{field.name}) {{", f"  const size_t begun = writer.begin_tag({field.tag});"]
        lines += [f"  {line}" for line in write_lines(message, field)] + ["  writer.end_tag(begun);", "}"]
    return lines


def uses(lines: list[str], word: str) -> bool:
    return any(re.search(rf"\b{word}\b", line) for line in lines)


def function(head: str, message: Message, lines: list[str]) -> list[str]:
    first = []
    if uses(lines, "is_compact"):
        if message.flexible <= message.first:
            first = ["constexpr bool is_compact = true;"]
        elif message.flexible > message.last:
            first = ["constexpr bool is_compact = false;"]
        else:
            first = [f"const bool is_compact = version >= {message.flexible};"]
    return [head, *(f"  {line}" for line in first + lines), "}"]


def codec_of(message: Message, struct: Struct) -> list[str]:
    reads, writes = [], []
    for field in struct.fields:
        if field.tag is None:
            test = condition(message, field.first, field.last)
            reads += guarded(test, read_lines(message, field))
            writes += guarded(test, write_lines(message, field))
    if message.flexible <= message.last:
        test = condition(message, message.flexible, message.last)
        reads += guarded(test, tags_read(message, struct))
        writes += guarded(test, tags_write(message, struct))
    cpp = message.cpp(struct.name)
    return [*function(f"void read([[maybe_unused]] Reader& reader, [[maybe_unused]] int16_t version, [[maybe_unused]] {cpp}& out) {{",
                      message, reads),
            *function(f"void write([[maybe_unused]] Writer& writer, [[maybe_unused]] int16_t version, [[maybe_unused]] const {cpp}& message) {{",
                      message, writes), ""]


def source(messages: list[Message]) -> str:
    lines = ["// Made by tools/kafka_messages.py.", *(f'#include "protocol/kafka/messages/{snake(api)}.h"' for api in apis(messages)),
             '#include "protocol/kafka/message_codec.h"', "", "namespace keelson::kafka {", "namespace {", ""]
    for message in messages:
        for struct in message.structs:
            lines += codec_of(message, struct)
    lines += ["}  // namespace", ""]
    for message in messages:
        lines += [f"bool decode(Reader& reader, int16_t version, {message.name}& out) {{", "  out = {};",
                  "  read(reader, version, out);", "  return !reader.failed();", "}",
                  f"void encode(Writer& writer, int16_t version, const {message.name}& message) {{",
                  "  write(writer, version, message);", "}", ""]
    return "\n".join([*lines, "}  // namespace keelson::kafka", ""])


def fill_lines(message: Message, field: Field) -> list[str]:
    target = f"out.{field.name}"

    def one(to: str) -> str:
        if field.type in NUMBERS or field.type in TEXTS or field.type == "records":
            return f"filler.fill({to});"
        return f"fill(filler, version, {to});"
    inner = f"{target}.emplace()" if is_optional(message, field) else target
    if field.is_array:
        lines = [f"filler.array({inner}, [&](auto& element) {{ {one('element')} }});"]
    else:
        lines = [one(inner)]
    if field.type == "records" and message.owns:
        may = condition(message, field.null_first, field.null_last) if field.is_nullable else "false"
        return [f"filler.records({target}, {may or 'true'});"]
    if is_optional(message, field):
        may = condition(message, max(field.first, field.null_first), field.null_last)
        test = f"!({may}) || filler.coin()" if may and (field.null_first, field.null_last) != (field.first, field.last) else "filler.coin()"
        return guarded(test, lines)
    if field.tag is not None:
        return guarded("filler.coin()", lines)
    return lines


def cases(messages: list[Message]) -> str:
    lines = ["// Made by tools/kafka_messages.py.", *(f'#include "protocol/kafka/messages/{snake(api)}.h"' for api in apis(messages)),
             '#include "protocol/kafka/message_test_support.h"', "",
             "namespace keelson::kafka {", "namespace {", ""]
    for message in messages:
        for struct in message.structs:
            fills = []
            for field in struct.fields:
                fills += guarded(condition(message, field.first, field.last), fill_lines(message, field))
            lines += [f"void fill([[maybe_unused]] Filler& filler, [[maybe_unused]] int16_t version, [[maybe_unused]] {message.cpp(struct.name)}& out) {{",
                      *(f"  {line}" for line in fills), "}"]
    lines += ["", "template <class Message>", "std::string random_bytes(uint64_t seed, int16_t version) {", "  Filler filler(seed);",
              "  Message message;", "  fill(filler, version, message);", "  return encoded_and_checked(version, message);", "}", "",
              "constexpr MessageCase kCases[] = {"]
    for message in messages:
        lines += [f'    {{"{message.name}", {-1 if message.key is None else message.key}, {str(message.kind == "request").lower()}, {message.first}, '
                  f"{message.last}, {message.flexible if message.flexible != FOREVER else 'std::numeric_limits<int16_t>::max()'}, "
                  f"&random_bytes<{message.name}>, &recoded<{message.name}>}},"]
    lines += ["};", "", "}  // namespace", "", "std::span<const MessageCase> message_cases() { return kCases; }", "",
              "}  // namespace keelson::kafka", ""]
    return "\n".join(lines)


def apis(messages: list[Message]) -> list[str]:
    return list(dict.fromkeys(message.api for message in messages))


def made(schemas: list[Path]) -> dict[str, str]:
    files, everything = {}, []
    for path in schemas:
        messages = Parser(path).parse()
        for api in apis(messages):
            files[f"protocol/kafka/messages/{snake(api)}.h"] = header([message for message in messages if message.api == api])
        files[f"protocol/kafka/messages/{path.stem}.cc"] = source(messages)
        everything += messages
    files["protocol/kafka/messages/cases.cc"] = cases(everything)
    return files


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    parser.add_argument("--names", action="store_true")
    parser.add_argument("schemas", nargs="+", type=Path, metavar="SCHEMA")
    options = parser.parse_args()
    for name, text in made(options.schemas).items():
        if options.names:
            print(name)
            continue
        path = options.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
