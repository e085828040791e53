// The words in which kv answers; a protocol turns them into its bytes (RESP2, RESP3), replay throws them away.
//
// A container announces its element count first; then exactly that many elements follow (a map: two for each).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/engine.h"

namespace keelson::kv {

class ReplySink : public engine::ReplySink {
 public:
  virtual void status(std::string_view text) = 0;  // +OK
  virtual void error(std::string_view text) = 0;   // code first, without "-": "ERR syntax error"
  virtual void integer(int64_t value) = 0;
  virtual void bulk(std::string_view bytes) = 0;
  virtual void null() = 0;        // RESP2 $-1, RESP3 _
  virtual void null_array() = 0;  // RESP2 *-1, RESP3 _
  virtual void array(size_t count) = 0;
  virtual void map(size_t pairs) = 0;  // RESP2: an array of twice as many
  virtual void set(size_t count) = 0;
  virtual void push(size_t count) = 0;
  virtual void real(double value) = 0;   // RESP2: a bulk string
  virtual void boolean(bool value) = 0;  // RESP2: 1 or 0
  virtual void verbatim(std::string_view format, std::string_view text) = 0;
  // Some commands shape their answer by the protocol (ZRANGE WITHSCORES pairs, HRANDFIELD).
  [[nodiscard]] virtual bool is_resp3() const = 0;
};

// For replay, and for effects nobody waits for.
class NullReply final : public ReplySink {
 public:
  void status(std::string_view) override {}
  void error(std::string_view) override {}
  void integer(int64_t) override {}
  void bulk(std::string_view) override {}
  void null() override {}
  void null_array() override {}
  void array(size_t) override {}
  void map(size_t) override {}
  void set(size_t) override {}
  void push(size_t) override {}
  void real(double) override {}
  void boolean(bool) override {}
  void verbatim(std::string_view, std::string_view) override {}
  [[nodiscard]] bool is_resp3() const override { return false; }
};

}  // namespace keelson::kv
