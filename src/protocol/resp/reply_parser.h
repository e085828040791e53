// The client's side of RESP2 and RESP3: turns received bytes into replies. For keelson cli and for tests.
//
// Follows the Redis serialization protocol specification; streamed strings and aggregates, which Redis never sends, are
// errors. A pure codec. However the bytes are cut, each is looked at about once. A server is not trusted: nesting,
// lines and lengths have limits, and memory is taken only for what has come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::resp {

enum class ReplyType : uint8_t {
  kStatus,
  kError,  // "-" or "!"
  kInteger,
  kBulk,
  kNull,  // also RESP2's $-1 and *-1
  kArray,
  kMap,  // elements: key, value, key, value ...
  kSet,
  kPush,
  kReal,
  kBoolean,    // integer is 0 or 1
  kVerbatim,   // text, without its format
  kBigNumber,  // text: its digits
};

struct Reply {
  ReplyType type = ReplyType::kNull;
  std::string text = {};  // of kStatus, kError, kBulk, kReal (as sent), kVerbatim, kBigNumber
  int64_t integer = 0;
  double real = 0;
  std::vector<Reply> elements = {};

  [[nodiscard]] bool is_error() const { return type == ReplyType::kError; }
  friend bool operator==(const Reply& a, const Reply& b) = default;
};

// Aggregates within aggregates.
inline constexpr size_t kReplyDepthMax = 128;
inline constexpr size_t kReplyLineBytesMax = size_t{1} << 20;
inline constexpr int64_t kReplyBulkBytesMax = int64_t{1} << 30;
inline constexpr int64_t kReplyElementsMax = int64_t{1} << 31;

class ReplyParser {
 public:
  // Takes bytes off the front of `input`, up to the end of one reply, and returns how many: the caller drops those and
  // calls again with what is left and what has come. Takes nothing while a reply waits for take(), or after an error.
  size_t feed(std::string_view input);

  // A whole reply is there. Attributes that came before it are dropped.
  [[nodiscard]] bool has_reply() const { return reply_.has_value(); }
  [[nodiscard]] Reply take();

  // What is wrong with the bytes, or empty. Nothing can follow: where the next reply begins is unknown.
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  struct Open {
    Reply reply;
    int64_t left = 0;
    bool is_attribute = false;
  };

  bool step(std::string_view input, size_t& at);
  bool parse_line(std::string_view line);
  bool begin_bulk(char kind, std::string_view length);
  bool begin_aggregate(char kind, std::string_view length);
  bool parse_real(std::string_view text);
  void add(Reply reply);
  bool fail(std::string_view why);

  std::vector<Open> open_;
  int64_t bulk_bytes_ = -1;  // of the bulk string whose bytes come next; -1: none
  char bulk_kind_ = '$';
  size_t scanned_ = 0;  // of the line that has not ended yet
  std::optional<Reply> reply_;
  std::string error_;
};

}  // namespace keelson::resp
