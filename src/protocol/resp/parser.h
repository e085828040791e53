// The server's side of RESP: turns received bytes into commands, a command being a list of arguments.
//
// A command is an array of bulk strings ("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n") or an inline line ("GET k\r\n") with Redis's
// quoting (Redis serialization protocol specification, "Sending commands to a Redis server" and "Inline commands").
// Errors have the texts of Redis 7.0, and end the connection once they are sent. Like Redis it takes the byte behind a
// '\r' and the two behind a bulk string for a line end without looking at them.
//
// A pure codec: no I/O, no clock. Arguments are views of the input, never copied, except quoted ones of an inline
// command. Work is proportional to the bytes received, however they are cut: a large argument or a long line is not
// scanned again.
//
//   while (parser.next(input.view()) == Parsed::kCommand) gather(parser.args());
//   ... run what was gathered ...
//   input.consume(parser.release());
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::resp {

struct RequestLimits {
  // proto-max-bulk-len: bytes of one argument; at least 9.
  uint64_t bulk_bytes_max = uint64_t{512} << 20;
  // A client that has not shown its password may send only so much, as in Redis: enough for AUTH and HELLO.
  bool is_authenticated = true;
};

// Arguments of one command; Redis's long-standing limit.
inline constexpr uint32_t kRequestArgsMax = 1024 * 1024;
// Bytes of a line (an inline command, or the head of an array or bulk string) before its end has come:
// PROTO_INLINE_MAX_SIZE.
inline constexpr size_t kRequestLineBytesMax = 64 * 1024;
inline constexpr uint32_t kUnauthenticatedArgsMax = 10;
inline constexpr uint64_t kUnauthenticatedBulkBytesMax = 16384;

enum class Parsed : uint8_t {
  kCommand,   // args() holds the next command, at least one argument
  kNeedMore,  // everything complete has been handed out
  kError,     // error() says why; only the connection's end can follow
};

class RequestParser {
 public:
  RequestParser() = default;
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;
  ~RequestParser() = default;

  // Finds the next command. `input` is everything that was received and not consumed by way of release(); between two
  // releases it only grows at its end. While it is not the same memory as in the call before (the buffer grew), what
  // args() gave before is void.
  Parsed next(std::string_view input);

  // The command that next() has just found. These views stay valid, next() or not, until release() or until the input
  // moves.
  [[nodiscard]] std::span<const std::string_view> args() const { return {command_, count_}; }

  // Forgets the commands handed out since the last release, and returns how many bytes of the front of the input they
  // took: the caller consumes exactly those. A command that has come in part is kept.
  size_t release();
  // Bytes that release() would return.
  [[nodiscard]] size_t taken_bytes() const { return taken_; }

  // How many bytes are surely missing from the command that has come in part; 0 if that cannot be told. To read a large
  // argument into one allocation.
  [[nodiscard]] size_t missing_bytes(size_t input_bytes) const;

  // With its code, without "-": "ERR Protocol error: invalid bulk length".
  [[nodiscard]] const std::string& error() const { return error_; }

  // In force from the next head that is parsed.
  void set_limits(const RequestLimits& limits);
  [[nodiscard]] const RequestLimits& limits() const { return limits_; }

  // Part of a command has been seen.
  [[nodiscard]] bool is_in_command() const { return args_left_ != 0; }
  // Gives memory back while the connection is idle; only when nothing is handed out.
  void shrink();
  [[nodiscard]] size_t held_bytes() const;

 private:
  static constexpr uint64_t kLengthUnknown = ~uint64_t{0};

  enum class Line : uint8_t { kFound, kNeedMore, kTooLong };

  Parsed command_found(const char* base, const char* at);
  Parsed need_more(const char* base, const char* at);
  Parsed fail(std::string_view text);
  Line find_line(const char* at, const char* end, char stop, const char*& line_end);
  Parsed parse_array_head(const char*& at, const char* end, int64_t& count);
  Parsed parse_bulk_head(const char*& at, const char* end);
  Parsed parse_inline(const char*& at, const char* end);
  bool split_inline(std::string_view line);
  void add_arg(const char* bytes, size_t size) {
    if (top_ == block_end_) [[unlikely]]
      grow_block();
    *top_++ = std::string_view(bytes, size);
  }
  void grow_block();
  void rebase(const char* base);

  // Offsets from the start of the input.
  size_t taken_ = 0;     // end of the last command handed out
  size_t position_ = 0;  // everything before has been parsed
  size_t scanned_ = 0;   // the line at position_ holds no end before here
  const char* base_ = nullptr;

  // The command under way.
  uint32_t args_left_ = 0;
  uint64_t bulk_bytes_ = kLengthUnknown;

  // Views of the commands handed out, then of the one under way, in blocks that never move. The present block is
  // blocks_.back(); [command_, top_) is the command under way, or the last one handed out.
  std::string_view* command_ = nullptr;
  std::string_view* top_ = nullptr;
  std::string_view* block_end_ = nullptr;
  size_t count_ = 0;
  struct Block {
    std::unique_ptr<std::string_view[]> views;
    size_t size = 0;
  };
  std::vector<Block> blocks_;
  // Arguments of inline commands that had quotes.
  std::vector<std::unique_ptr<std::string>> unquoted_;

  RequestLimits limits_;
  // The least of the limits on an argument.
  uint64_t quick_bulk_bytes_max_ = RequestLimits{}.bulk_bytes_max;
  std::string error_;
};

}  // namespace keelson::resp
