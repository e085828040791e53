// Every message of the codec, for tests and fuzzers: filled at random, decoded, encoded again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "protocol/kafka/reader.h"
#include "protocol/kafka/writer.h"

namespace keelson::kafka {

struct Recoded {
  std::string bytes;     // encoded anew
  size_t rest_size = 0;  // what decoding left unread
};

struct MessageCase {
  std::string_view name;
  int16_t key = -1;  // -1: data within another message
  bool is_request = false;
  int16_t version_min = 0;
  int16_t version_max = 0;
  int16_t flexible_from = 0;
  // A message of that version with random content, encoded; checked to be decoded as the same message.
  std::string (*random_bytes)(uint64_t seed, int16_t version);
  // nullopt: they are refused.
  std::optional<Recoded> (*recoded)(std::string_view bytes, int16_t version);
};

// By the order of the schemas; from the generated cases.cc.
[[nodiscard]] std::span<const MessageCase> message_cases();

// Random content of each type, small; owns what views point to.
class Filler {
 public:
  explicit Filler(uint64_t seed) : chance_(seed) {}
  [[nodiscard]] bool coin() { return chance_() % 2 == 0; }
  void fill(bool& out) { out = coin(); }
  void fill(double& out) { out = static_cast<double>(static_cast<int32_t>(chance_())) / 8; }
  template <std::integral Number>
  void fill(Number& out) {
    // Extremes come often.
    const uint64_t kind = chance_() % 4;
    out = kind == 0   ? std::numeric_limits<Number>::min()
          : kind == 1 ? std::numeric_limits<Number>::max()
                      : static_cast<Number>(chance_());
  }
  void fill(Uuid& out) {
    for (uint8_t& byte : out.bytes) fill(byte);
  }
  void fill(std::string& out) {
    out.resize(chance_() % 16 == 0 ? 200 : chance_() % 8);
    for (char& letter : out) letter = static_cast<char>('a' + chance_() % 26);
  }
  void fill(std::string_view& out) {
    fill(held_.emplace_back());
    out = held_.back();
  }
  void records(Records& out, bool may_be_null) {
    out.is_null = may_be_null && coin();
    if (out.is_null) return;
    for (uint64_t left = chance_() % 3; left > 0; --left) {
      std::string_view bytes;
      fill(bytes);
      out.fragments.push_back({nullptr, bytes});
    }
  }
  template <class Element, class Fill>
  void array(std::vector<Element>& out, Fill fill_one) {
    out.resize(chance_() % 4);
    for (Element& element : out) fill_one(element);
  }

 private:
  std::mt19937_64 chance_;
  std::deque<std::string> held_;
};

template <class Message>
std::string encoded_and_checked(int16_t version, const Message& message) {
  Writer writer;
  encode(writer, version, message);
  std::string bytes = writer.flattened();
  Reader reader(bytes);
  Message again;
  KEELSON_CHECK(decode(reader, version, again), "kafka: what was encoded is not decoded");
  KEELSON_CHECK(reader.rest().empty(), "kafka: decoding leaves a rest");
  KEELSON_CHECK(again == message, "kafka: a message changes on its way");
  return bytes;
}

template <class Message>
std::optional<Recoded> recoded(std::string_view bytes, int16_t version) {
  Reader reader(bytes);
  Message message;
  if (!decode(reader, version, message)) return std::nullopt;
  Writer writer;
  encode(writer, version, message);
  return Recoded{writer.flattened(), reader.rest().size()};
}

}  // namespace keelson::kafka
