// The bytes of an event against the encoding that Protocol Buffers' documentation gives, read by a decoder of its own.
#include "coord/event.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/coding.h"

namespace keelson::coord {
namespace {

struct Fields {
  std::map<unsigned, uint64_t> numbers;
  std::map<unsigned, std::string> bytes;
};

Fields decode(std::string_view from) {
  Fields fields;
  while (!from.empty()) {
    uint64_t tag = 0;
    uint64_t number = 0;
    std::string_view bytes;
    EXPECT_TRUE(read_varint(from, tag));
    if ((tag & 7U) == 0) {
      EXPECT_TRUE(read_varint(from, number));
      fields.numbers[static_cast<unsigned>(tag >> 3)] = number;
    } else {
      EXPECT_EQ(tag & 7U, 2U);
      EXPECT_TRUE(read_string(from, bytes));
      fields.bytes[static_cast<unsigned>(tag >> 3)] = bytes;
    }
  }
  return fields;
}

void expect_state(std::string_view encoded, const KeyValue& kv) {
  Fields fields = decode(encoded);
  EXPECT_EQ(fields.bytes[1], kv.key);
  EXPECT_EQ(fields.numbers[2], static_cast<uint64_t>(kv.create_revision));
  EXPECT_EQ(fields.numbers[3], static_cast<uint64_t>(kv.mod_revision));
  EXPECT_EQ(fields.numbers[4], static_cast<uint64_t>(kv.version));
  EXPECT_EQ(fields.bytes[5], kv.value);
  EXPECT_EQ(fields.numbers[6], static_cast<uint64_t>(kv.lease));
}

TEST(WatchEvent, LeavesOutWhatIsZero) {
  const WatchEvent put({.kv = {.key = "a", .value = "1", .create_revision = 2, .mod_revision = 2, .version = 1}});
  EXPECT_EQ(put.wire(false), std::string_view("\x12\x0c\x0a\x01"
                                              "a\x10\x02\x18\x02\x20\x01\x2a\x01"
                                              "1"));
  EXPECT_EQ(put.wire(true), put.wire(false));
  EXPECT_TRUE(put.is_create());
  const WatchEvent gone({.kv = {.key = "a", .value = "", .mod_revision = 3}});
  EXPECT_EQ(gone.wire(false), std::string_view("\x08\x01\x12\x05\x0a\x01"
                                               "a\x18\x03"));
  EXPECT_TRUE(gone.is_deletion());
  EXPECT_FALSE(gone.is_create());
}

TEST(WatchEvent, HasThePreviousStateBehind) {
  const std::string value(300, 'v');
  const KeyValue before{.key = "key", .value = value, .create_revision = 5, .mod_revision = 1'000'000, .version = 9};
  const KeyValue now{
      .key = "key", .value = "new", .create_revision = 5, .mod_revision = int64_t{1} << 40, .version = 10, .lease = -7};
  const WatchEvent event({.kv = now, .prev_kv = &before});
  Fields with = decode(event.wire(true));
  Fields without = decode(event.wire(false));
  EXPECT_EQ(with.bytes.size(), 2U);
  EXPECT_EQ(without.bytes.size(), 1U);
  EXPECT_EQ(with.bytes[2], without.bytes[2]);
  expect_state(with.bytes[2], now);
  expect_state(with.bytes[3], before);
  EXPECT_EQ(event.kv(), now);
  ASSERT_NE(event.prev_kv(), nullptr);
  EXPECT_EQ(*event.prev_kv(), before);
}

TEST(Shared, FreesOnce) {
  auto first = Shared<WatchEvent>::make(Event{.kv = {.key = "a", .value = "", .mod_revision = 3}});
  Shared<WatchEvent> second = first;
  EXPECT_EQ(first, second);
  first = {};
  EXPECT_FALSE(first);
  EXPECT_EQ(second->kv().key, "a");
  second = std::move(second);
  EXPECT_EQ(second->revision(), 3);
}

}  // namespace
}  // namespace keelson::coord
