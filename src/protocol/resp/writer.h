// Writes answers as RESP2 or RESP3 (Redis serialization protocol specification) at the end of a Buffer.
//
// A pure codec: no I/O, no clock. Numbers look as Redis 7.0 prints them (base/numbers.h). Belongs to one thread at a
// time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/buffer.h"
#include "engine/kv/reply.h"

namespace keelson::resp {

// Writes the decimal form of `value` at `to` (20 bytes of room are enough) and returns its end.
char* write_integer(char* to, int64_t value);
char* write_unsigned(char* to, uint64_t value);

class RespWriter final : public kv::ReplySink {
 public:
  // `target` outlives the writer, or set_target() is called before the next word.
  explicit RespWriter(Buffer& target, bool is_resp3 = false) : target_(&target), is_resp3_(is_resp3) {}

  void set_target(Buffer& target) { target_ = &target; }
  [[nodiscard]] Buffer& target() { return *target_; }
  void set_resp3(bool is_resp3) { is_resp3_ = is_resp3; }

  // Line ends within the text become blanks.
  void status(std::string_view text) override;
  void error(std::string_view text) override;
  void integer(int64_t value) override;
  void bulk(std::string_view bytes) override;
  void null() override;
  void null_array() override;
  void array(size_t count) override;
  void map(size_t pairs) override;
  void set(size_t count) override;
  void push(size_t count) override;
  void real(double value) override;
  void boolean(bool value) override;
  void verbatim(std::string_view format, std::string_view text) override;
  [[nodiscard]] bool is_resp3() const override { return is_resp3_; }

  void ok() { raw("+OK\r\n"); }
  // Bytes that are RESP already.
  void raw(std::string_view encoded) { target_->append(encoded); }

  // Errors written so far, and the code word of the last one ("WRONGTYPE"), for the counters of INFO.
  [[nodiscard]] uint64_t error_count() const { return error_count_; }
  [[nodiscard]] std::string_view last_error_code() const { return {last_code_.data(), last_code_size_}; }

 private:
  void head(char kind, uint64_t number);
  void line(char kind, std::string_view text);

  Buffer* target_;
  bool is_resp3_;
  uint8_t last_code_size_ = 0;
  std::array<char, 30> last_code_{};
  uint64_t error_count_ = 0;
};

}  // namespace keelson::resp
