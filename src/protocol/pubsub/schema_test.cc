#include "protocol/pubsub/schema.h"

#include <gtest/gtest.h>

#include "protocol/pubsub/avro.h"

namespace keelson::pubsub {
namespace {

constexpr std::string_view kAvro = R"({
  "type": "record", "name": "Order", "namespace": "shop.v1", "fields": [
    {"name": "id", "type": "long"},
    {"name": "note", "type": ["null", "string", "shop.v1.Order"]},
    {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["NEW", "PAID"]}},
    {"name": "tags", "type": {"type": "array", "items": "string"}},
    {"name": "prices", "type": {"type": "map", "values": "double"}},
    {"name": "hash", "type": {"type": "fixed", "name": "Hash", "size": 2}},
    {"name": "raw", "type": {"type": "bytes", "logicalType": "decimal"}},
    {"name": "again", "type": "State"}
  ]})";

bool fits(SchemaKind kind, std::string_view definition, SchemaEncoding encoding, std::string message) {
  EXPECT_EQ(check_schema_definition(kind, definition), std::nullopt);
  return !check_schema_message(kind, definition, encoding, {&message, 1});
}

TEST(Avro, SchemasAreChecked) {
  EXPECT_EQ(check_schema_definition(SchemaKind::kAvro, kAvro), std::nullopt);
  for (
      const char* bad :
      {"", "{", "\"string\"", "[]", R"({"type":"record"})", R"({"type":"record","name":"R"})",
       R"({"type":"record","name":"1R","fields":[]})", R"({"type":"record","name":"R","fields":[{"name":"a"}]})",
       R"({"type":"record","name":"R","fields":[{"name":"a","type":"nothing"}]})",
       R"({"type":"record","name":"R","fields":[{"name":"a","type":["int","int"]}]})",
       R"({"type":"record","name":"R","fields":[{"name":"a","type":["int",["null"]]}]})",
       R"({"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]})",
       R"({"type":"record","name":"R","fields":[{"name":"a","type":{"type":"enum","name":"R","symbols":[]}}]})",
       R"({"type":"record","name":"R","fields":[{"name":"a","type":{"type":"array"}}]})",
       R"({"type":"record","name":"R","fields":[{"name":"a","type":{"type":"fixed","name":"F","size":-1}}]})",
       R"({"type":"record","name":"R","fields":[{"name":"a","type":{"type":"enum","name":"E","symbols":["A","A"]}}]})"}) {
    EXPECT_NE(check_schema_definition(SchemaKind::kAvro, bad), std::nullopt) << bad;
  }
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += R"({"type":"array","items":)";
  deep += "\"int\"" + std::string(100, '}');
  EXPECT_NE(check_schema_definition(SchemaKind::kAvro,
                                    R"({"type":"record","name":"R","fields":[{"name":"a","type":)" + deep + "}]}"),
            std::nullopt);
}

TEST(Avro, MessagesInJson) {
  const auto json = [](std::string text) { return fits(SchemaKind::kAvro, kAvro, SchemaEncoding::kJson, text); };
  const std::string rest = R"("state":"NEW","tags":["a"],"prices":{"x":1.5},"hash":"ÿa","raw":"ab","again":"PAID"})";
  EXPECT_TRUE(json(R"({"id":1,"note":null,)" + rest));
  EXPECT_TRUE(json(R"({"id":1,"note":{"string":"x"},)" + rest));
  EXPECT_TRUE(json(R"({"id":1,"note":{"shop.v1.Order":{"id":2,"note":null,)" + rest + "}," + rest));
  EXPECT_FALSE(json(R"({"id":1,"note":"x",)" + rest)) << "a union says which branch";
  EXPECT_FALSE(json(R"({"id":"1","note":null,)" + rest));
  EXPECT_FALSE(json(R"({"note":null,)" + rest));
  EXPECT_FALSE(json(R"({"id":1,"more":1,"note":null,)" + rest));
  EXPECT_FALSE(json(R"({"id":9223372036854775808,"note":null,)" + rest));
  EXPECT_FALSE(json(R"({"id":1,"note":null,"state":"OLD","tags":[],"prices":{},"hash":"ab","raw":"","again":"NEW"})"));
  EXPECT_FALSE(json(R"({"id":1,"note":null,"state":"NEW","tags":[],"prices":{},"hash":"abc","raw":"","again":"NEW"})"));
  EXPECT_FALSE(json("x"));
}

TEST(Avro, MessagesInBinary) {
  const auto binary = [](std::string_view bytes) {
    return fits(SchemaKind::kAvro, kAvro, SchemaEncoding::kBinary, std::string(bytes));
  };
  using namespace std::string_view_literals;
  // id 1, note "x", NEW, ["a"], {"x": 1.5}, hash, raw "ab", PAID.
  constexpr std::string_view kGood =
      "\x02\x02\x02x\x00\x02\x02"
      "a\x00\x02\x02x\x00\x00\x00\x00\x00\x00\xf8?\x00\xff"
      "a\x04"
      "ab\x02"sv;
  EXPECT_TRUE(binary(kGood));
  for (size_t i = 0; i < kGood.size(); ++i) EXPECT_FALSE(binary(kGood.substr(0, i))) << i;
  EXPECT_FALSE(binary(std::string(kGood) + '\0'));
  std::string other(kGood);
  other[1] = 8;  // no such branch
  EXPECT_FALSE(binary(other));
}

TEST(Avro, NothingsCannotBeCountedForEver) {
  constexpr std::string_view kNulls =
      R"({"type":"record","name":"R","fields":[{"name":"n","type":{"type":"array","items":"null"}}]})";
  EXPECT_TRUE(fits(SchemaKind::kAvro, kNulls, SchemaEncoding::kBinary, std::string("\x06\x00", 2)));
  EXPECT_FALSE(fits(SchemaKind::kAvro, kNulls, SchemaEncoding::kBinary, "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
}

// Records of nothing: each has two fields of the one before.
TEST(Avro, NothingsOfNothingsCannotBeCountedForEver) {
  std::string type = R"({"type":"record","name":"R0","fields":[]})";
  for (int i = 1; i < 40; ++i) {
    const std::string before = "R" + std::to_string(i - 1);
    type = R"({"type":"record","name":"R)" + std::to_string(i) + R"(","fields":[{"name":"a","type":)" + type +
           R"(},{"name":"b","type":")" + before + R"("}]})";
  }
  EXPECT_FALSE(fits(SchemaKind::kAvro, type, SchemaEncoding::kBinary, ""));
}

TEST(Avro, JsonOfTooManyValuesIsNotRead) {
  constexpr std::string_view kList =
      R"({"type":"record","name":"R","fields":[{"name":"n","type":{"type":"array","items":["null","string"]}}]})";
  const auto list = [&](const std::string& item, size_t count) {
    std::string text = R"({"n":[)" + item;
    for (size_t i = 1; i < count; ++i) text += "," + item;
    return fits(SchemaKind::kAvro, kList, SchemaEncoding::kJson, text + "]}");
  };
  EXPECT_TRUE(list("null", kAvroJsonValuesMax - 10));
  EXPECT_FALSE(list("null", kAvroJsonValuesMax + 1));
  // What stands in a string is no value.
  const std::string marks(kAvroJsonValuesMax, '[');
  EXPECT_TRUE(list(R"({"string":"\"[,)" + marks + R"("})", 2));
  EXPECT_FALSE(fits(SchemaKind::kAvro, kList, SchemaEncoding::kJson, R"({"n":)" + marks));
}

TEST(ProtocolBuffers, SchemasAndMessages) {
  constexpr std::string_view kProto = "syntax = \"proto3\"; message M { int32 a = 1; string s = 2; }";
  const auto kind = SchemaKind::kProtocolBuffer;
  EXPECT_TRUE(fits(kind, kProto, SchemaEncoding::kBinary, "\x08\x01\x12\x01x"));
  EXPECT_FALSE(fits(kind, kProto, SchemaEncoding::kBinary, "\x08"));
  EXPECT_TRUE(fits(kind, kProto, SchemaEncoding::kJson, R"({"a":1,"s":"x"})"));
  EXPECT_FALSE(fits(kind, kProto, SchemaEncoding::kJson, R"({"a":"x"})"));
  EXPECT_FALSE(fits(kind, kProto, SchemaEncoding::kJson, R"({"b":1})"));
  for (const char* bad :
       {"message", "syntax = \"proto3\";", "syntax = \"proto3\"; message A {} message B {}",
        "syntax = \"proto3\"; import \"x.proto\"; message A {}", "syntax = \"proto3\"; message A { Gone g = 1; }",
        "syntax = \"proto3\"; message A { int32 a = 1; int32 b = 1; }"}) {
    EXPECT_NE(check_schema_definition(kind, bad), std::nullopt) << bad;
  }
}

// Two bytes each for objects of thousands of fields.
TEST(ProtocolBuffers, SmallMessagesAreNotMuchMemory) {
  std::string proto = "syntax = \"proto3\"; message M { repeated B b = 1; message B {";
  for (int i = 1; i <= 5000; ++i) proto += " int64 f" + std::to_string(i) + " = " + std::to_string(i + 20'000) + ";";
  proto += "} }";
  const auto binary = [&](size_t count) {
    std::string message;
    for (size_t i = 0; i < count; ++i) message += std::string("\x0a\x00", 2);
    return fits(SchemaKind::kProtocolBuffer, proto, SchemaEncoding::kBinary, message);
  };
  const auto json = [&](size_t count) {
    std::string text = R"({"b":[{})";
    for (size_t i = 1; i < count; ++i) text += ",{}";
    return fits(SchemaKind::kProtocolBuffer, proto, SchemaEncoding::kJson, text + "]}");
  };
  EXPECT_TRUE(binary(1000));
  EXPECT_TRUE(json(1000));
  EXPECT_FALSE(binary(10'000));
  EXPECT_FALSE(json(10'000));
}

// Groups, and messages in messages, are read as before.
TEST(ProtocolBuffers, Nested) {
  constexpr std::string_view kProto =
      "syntax = \"proto2\"; message M { optional group G = 1 { optional M m = 2; } required int32 a = 3; }";
  const auto binary = [&](std::string message) {
    return fits(SchemaKind::kProtocolBuffer, kProto, SchemaEncoding::kBinary, std::move(message));
  };
  EXPECT_TRUE(binary("\x18\x01"));
  EXPECT_TRUE(binary("\x0b\x12\x02\x18\x01\x0c\x18\x01"));
  EXPECT_FALSE(binary("\x0b\x12\x02\x18\x01\x18\x01")) << "the group does not end";
  EXPECT_FALSE(binary("\x0b\x12\x04\x18\x01\x0c\x18\x01"));
  EXPECT_FALSE(binary("\x0b\x0c")) << "a is missing";
}

}  // namespace
}  // namespace keelson::pubsub
