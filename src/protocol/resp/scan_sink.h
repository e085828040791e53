// Takes the answer of one step of _SCAN apart, for the session commands that walk shards.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/numbers.h"
#include "engine/kv/reply.h"

namespace keelson::resp {

// Takes the answer of _SCAN apart: [cursor, [key, ...]].
class ScanSink final : public kv::ReplySink {
 public:
  [[nodiscard]] uint64_t cursor() const { return cursor_; }
  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] const std::vector<std::string>& keys() const { return keys_; }

  void status(std::string_view) override {}
  void error(std::string_view text) override { failure_ = text; }
  void integer(int64_t value) override { cursor_ = static_cast<uint64_t>(value); }
  void bulk(std::string_view bytes) override {
    if (arrays_ < 2) {
      cursor_ = parse_uint64(bytes).value_or(0);
    } else {
      keys_.emplace_back(bytes);
    }
  }
  void null() override {}
  void null_array() override {}
  void array(size_t) override { ++arrays_; }
  void map(size_t) override {}
  void set(size_t) override {}
  void push(size_t) override {}
  void real(double) override {}
  void boolean(bool) override {}
  void verbatim(std::string_view, std::string_view) override {}
  [[nodiscard]] bool is_resp3() const override { return false; }

 private:
  int arrays_ = 0;
  uint64_t cursor_ = 0;
  std::vector<std::string> keys_;
  std::string failure_;
};

}  // namespace keelson::resp
