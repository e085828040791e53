#include "protocol/resp/parser.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/numbers.h"

namespace keelson::resp {
namespace {

using Command = std::vector<std::string>;

// What came out of some bytes: the commands, and the error that ended them, if any.
struct Outcome {
  std::vector<Command> commands;
  std::string error;
  bool operator==(const Outcome&) const = default;
};

std::ostream& operator<<(std::ostream& to, const Outcome& outcome) {
  for (const Command& command : outcome.commands) {
    to << "[";
    for (const std::string& arg : command) to << " '" << arg.substr(0, 40) << "'";
    to << " ] ";
  }
  return to << "error '" << outcome.error << "'";
}

// Feeds the bytes in pieces whose sizes `next_size` gives, through a buffer that moves, as a session does.
template <class NextSize>
Outcome parse_in_pieces(std::string_view bytes, RequestLimits limits, NextSize&& next_size) {
  Buffer input;
  RequestParser parser;
  parser.set_limits(limits);
  Outcome outcome;
  while (true) {
    Parsed parsed;
    std::vector<std::span<const std::string_view>> batch;
    while ((parsed = parser.next(input.view())) == Parsed::kCommand) batch.push_back(parser.args());
    // The views of all commands are read only now, as a batch would.
    for (const auto& args : batch) outcome.commands.emplace_back(args.begin(), args.end());
    if (parsed == Parsed::kError) {
      outcome.error = parser.error();
      EXPECT_EQ(parser.next(input.view()), Parsed::kError);
      return outcome;
    }
    EXPECT_LE(parser.taken_bytes(), input.size());
    input.consume(parser.release());
    if (bytes.empty()) return outcome;
    const size_t size = std::min(bytes.size(), std::max<size_t>(1, next_size()));
    const size_t missing = parser.missing_bytes(input.size());
    EXPECT_LE(missing, limits.bulk_bytes_max + 2);
    // An exact allocation, so that the sanitizer sees reads behind the end; and it moves every time.
    Buffer moved;
    moved.append(input.view());
    moved.append(bytes.substr(0, size));
    input = std::move(moved);
    bytes.remove_prefix(size);
  }
}

Outcome parse_whole(std::string_view bytes, RequestLimits limits = {}) {
  return parse_in_pieces(bytes, limits, [&] { return bytes.size(); });
}

// The plainest reading of the rules, without any memory between calls.
class Oracle {
 public:
  Oracle(std::string_view bytes, RequestLimits limits) : rest_(bytes), limits_(limits) {}

  Outcome run() {
    Outcome outcome;
    while (outcome.error.empty() && !rest_.empty()) {
      const std::string_view before = rest_;
      Command command;
      const auto error = rest_[0] == '*' ? read_array(command) : read_inline(command);
      if (!error) {
        // Not complete.
        rest_ = before;
        return outcome;
      }
      outcome.error = *error;
      if (error->empty() && !command.empty()) outcome.commands.push_back(command);
    }
    return outcome;
  }

 private:
  static std::string protocol(const std::string& why) { return "ERR Protocol error: " + why; }

  // Nothing: incomplete. Otherwise the error, or an empty one.
  using Step = std::optional<std::string>;

  Step read_head(std::string_view& digits, const std::string& too_big) {
    const size_t end = rest_.find('\r');
    if (end == std::string_view::npos) {
      return rest_.size() > kRequestLineBytesMax ? Step(protocol(too_big)) : std::nullopt;
    }
    if (rest_.size() < end + 2) return std::nullopt;
    digits = rest_.substr(1, end - 1);
    return "";
  }
  void drop_line() { rest_.remove_prefix(rest_.find('\r') + 2); }

  Step read_array(Command& command) {
    std::string_view digits;
    Step step = read_head(digits, "too big mbulk count string");
    if (!step || !step->empty()) return step;
    const auto count = parse_int64(digits);
    if (!count || *count > kRequestArgsMax) return protocol("invalid multibulk length");
    if (*count > 10 && !limits_.is_authenticated) return protocol("unauthenticated multibulk length");
    drop_line();
    for (int64_t i = 0; i < *count; ++i) {
      if (rest_.empty()) return std::nullopt;
      const char kind = rest_[0];
      step = read_head(digits, "too big bulk count string");
      if (!step || !step->empty()) return step;
      if (kind != '$') return protocol(std::string("expected '$', got '") + kind + "'");
      const auto bytes = parse_int64(digits);
      if (!bytes || *bytes < 0 || static_cast<uint64_t>(*bytes) > limits_.bulk_bytes_max) {
        return protocol("invalid bulk length");
      }
      if (*bytes > 16384 && !limits_.is_authenticated) return protocol("unauthenticated bulk length");
      drop_line();
      if (rest_.size() < static_cast<uint64_t>(*bytes) + 2) return std::nullopt;
      command.emplace_back(rest_.substr(0, static_cast<size_t>(*bytes)));
      rest_.remove_prefix(static_cast<size_t>(*bytes) + 2);
    }
    return "";
  }

  Step read_inline(Command& command) {
    const size_t end = rest_.find('\n');
    if (end == std::string_view::npos) {
      return rest_.size() > kRequestLineBytesMax ? Step(protocol("too big inline request")) : std::nullopt;
    }
    std::string line(rest_.substr(0, end));
    if (line.ends_with('\r')) line.pop_back();
    if (!split(line, command)) return protocol("unbalanced quotes in request");
    rest_.remove_prefix(end + 1);
    return "";
  }

  // Redis's sdssplitargs(), as a state machine over characters.
  static bool split(const std::string& line, Command& command) {
    enum { kBetween, kPlain, kDouble, kSingle } state = kBetween;
    std::string arg;
    const auto blank = [](char c) { return std::string_view(" \t\n\v\f\r").find(c) != std::string_view::npos; };
    const auto hex = [](char c) {
      return std::string_view("0123456789abcdefABCDEF").find(c) != std::string_view::npos;
    };
    for (size_t i = 0; i < line.size(); ++i) {
      const char c = line[i];
      const bool is_last = i + 1 == line.size();
      if (state == kBetween) {
        if (blank(c)) continue;
        state = kPlain;
        arg.clear();
      }
      if (state == kPlain) {
        if (c == '"') {
          state = kDouble;
        } else if (c == '\'') {
          state = kSingle;
        } else if (blank(c)) {
          command.push_back(arg);
          state = kBetween;
        } else {
          arg += c;
        }
      } else if (state == kDouble && c == '\\' && i + 3 < line.size() && line[i + 1] == 'x' && hex(line[i + 2]) &&
                 hex(line[i + 3])) {
        arg += static_cast<char>(std::strtol(line.substr(i + 2, 2).c_str(), nullptr, 16));
        i += 3;
      } else if (state == kDouble && c == '\\' && !is_last) {
        const std::string_view escapes = "nrtba";
        const size_t known = escapes.find(line[++i]);
        arg += known == std::string_view::npos ? line[i] : "\n\r\t\b\a"[known];
      } else if (state == kSingle && c == '\\' && !is_last && line[i + 1] == '\'') {
        arg += line[++i];
      } else if ((state == kDouble && c == '"') || (state == kSingle && c == '\'')) {
        if (!is_last && !blank(line[i + 1])) return false;
        command.push_back(arg);
        state = kBetween;
      } else {
        arg += c;
      }
    }
    if (state == kPlain) command.push_back(arg);
    return state == kBetween || state == kPlain;
  }

  std::string_view rest_;
  RequestLimits limits_;
};

Outcome oracle(std::string_view bytes, RequestLimits limits = {}) { return Oracle(bytes, limits).run(); }

std::string encode(const Command& command) {
  std::string bytes = "*" + std::to_string(command.size()) + "\r\n";
  for (const std::string& arg : command) bytes += "$" + std::to_string(arg.size()) + "\r\n" + arg + "\r\n";
  return bytes;
}

std::string error_of(std::string_view bytes, RequestLimits limits = {}) { return parse_whole(bytes, limits).error; }

TEST(RequestParser, ReadsPipelinedCommands) {
  const Command set = {"SET", "key:000000000042", std::string(64, 'v')};
  const Command get = {"GET", "key:000000000042"};
  const Command large(300, std::string(1000, 'x'));
  const Outcome outcome = parse_whole(encode(set) + encode(get) + encode(large) + encode({"PING"}) + encode({"", ""}));
  EXPECT_EQ(outcome, (Outcome{{set, get, large, {"PING"}, {"", ""}}, ""}));
}

TEST(RequestParser, SkipsEmptyCommands) {
  EXPECT_EQ(parse_whole("*0\r\n*-1\r\n\r\n\n  \r\n*1\r\n$4\r\nPING\r\n"), (Outcome{{{"PING"}}, ""}));
  RequestParser parser;
  EXPECT_EQ(parser.next("*0\r\n\r\n"), Parsed::kNeedMore);
  EXPECT_EQ(parser.release(), 6U);
}

TEST(RequestParser, ReadsInlineCommandsWithQuotes) {
  const Outcome outcome = parse_whole(
      "PING\r\n  SET  k\tv  \nECHO \"a b\\x41\\n\\\"\\q\" 'it\\'s\\n'\r\n\"\" ''\r\nab\"c d\"\r\n\"\\xzz\"\n");
  const std::vector<Command> expected = {{"PING"}, {"SET", "k", "v"}, {"ECHO", "a bA\n\"q", "it's\\n"},
                                         {"", ""}, {"abc d"},         {"xzz"}};
  EXPECT_EQ(outcome, (Outcome{expected, ""}));
}

TEST(RequestParser, RefusesUnbalancedQuotes) {
  for (const std::string_view line : {"ECHO \"a\n", "ECHO 'a\n", "ECHO \"a\"b\n", "ECHO 'a'b\n", "ECHO \"a\\\"\n"}) {
    EXPECT_EQ(error_of(line), "ERR Protocol error: unbalanced quotes in request") << line;
  }
}

TEST(RequestParser, AnswersRedissErrors) {
  EXPECT_EQ(error_of("*x\r\n"), "ERR Protocol error: invalid multibulk length");
  EXPECT_EQ(error_of("*1048577\r\n"), "ERR Protocol error: invalid multibulk length");
  EXPECT_EQ(error_of("*99999999999999999999\r\n"), "ERR Protocol error: invalid multibulk length");
  EXPECT_EQ(error_of("*\r\n"), "ERR Protocol error: invalid multibulk length");
  EXPECT_EQ(error_of("*+1\r\n"), "ERR Protocol error: invalid multibulk length");
  EXPECT_EQ(error_of("*01\r\n"), "ERR Protocol error: invalid multibulk length");
  EXPECT_EQ(error_of("*1\r\n:4\r\n"), "ERR Protocol error: expected '$', got ':'");
  EXPECT_EQ(error_of("*1\r\nPING\r\n"), "ERR Protocol error: expected '$', got 'P'");
  EXPECT_EQ(error_of("*1\r\n$-1\r\n"), "ERR Protocol error: invalid bulk length");
  EXPECT_EQ(error_of("*1\r\n$04\r\nPING\r\n"), "ERR Protocol error: invalid bulk length");
  EXPECT_EQ(error_of("*1\r\n$1 \r\nPING\r\n"), "ERR Protocol error: invalid bulk length");
  EXPECT_EQ(error_of("*1\r\n$536870913\r\n"), "ERR Protocol error: invalid bulk length");
  EXPECT_EQ(error_of("*1\r\n$12a4567\r\nPING\r\n"), "ERR Protocol error: invalid bulk length");
}

TEST(RequestParser, LimitsLines) {
  const std::string fits(kRequestLineBytesMax, 'a');
  const std::string digits(kRequestLineBytesMax, '1');
  EXPECT_EQ(error_of(fits), "");
  EXPECT_EQ(error_of(fits + "a"), "ERR Protocol error: too big inline request");
  EXPECT_EQ(error_of("*" + digits), "ERR Protocol error: too big mbulk count string");
  EXPECT_EQ(error_of("*1\r\n$" + digits), "ERR Protocol error: too big bulk count string");
}

TEST(RequestParser, LimitsClientsWithoutPassword) {
  const RequestLimits limits{.is_authenticated = false};
  EXPECT_EQ(error_of("*11\r\n", limits), "ERR Protocol error: unauthenticated multibulk length");
  EXPECT_EQ(error_of("*1\r\n$16385\r\n", limits), "ERR Protocol error: unauthenticated bulk length");
  const Command allowed(10, std::string(16384, 'p'));
  EXPECT_EQ(parse_whole(encode(allowed), limits), (Outcome{{allowed}, ""}));
}

TEST(RequestParser, ObeysTheBulkLimit) {
  const RequestLimits limits{.bulk_bytes_max = 1000};
  EXPECT_EQ(error_of("*1\r\n$1001\r\n", limits), "ERR Protocol error: invalid bulk length");
  const Command allowed = {std::string(1000, 'p')};
  EXPECT_EQ(parse_whole(encode(allowed), limits), (Outcome{{allowed}, ""}));
}

TEST(RequestParser, TellsWhatIsMissing) {
  RequestParser parser;
  const std::string bytes = "*2\r\n$3\r\nSET\r\n$100000\r\nabc";
  EXPECT_EQ(parser.next(bytes), Parsed::kNeedMore);
  EXPECT_TRUE(parser.is_in_command());
  EXPECT_EQ(parser.missing_bytes(bytes.size()), 100000U + 2 - 3);
  EXPECT_EQ(parser.release(), 0U);
}

TEST(RequestParser, HoldsLittleMemoryAfterLargeCommands) {
  const std::string bytes = encode(Command(100'000, "x"));
  RequestParser parser;
  ASSERT_EQ(parser.next(bytes), Parsed::kCommand);
  ASSERT_EQ(parser.args().size(), 100'000U);
  EXPECT_EQ(parser.release(), bytes.size());
  EXPECT_LT(parser.held_bytes(), 64U << 10);
}

TEST(RequestParser, ClaimedLengthsCostNothing) {
  RequestParser parser;
  ASSERT_EQ(parser.next("*1048576\r\n$536870912\r\n"), Parsed::kNeedMore);
  EXPECT_LT(parser.held_bytes(), 64U << 10);
}

TEST(RequestParser, WaitsForTheEndOfEveryHead) {
  // Lengths of one to seven digits, cut at every byte of their head: the bytes behind the cut must not be taken for
  // granted.
  for (const std::string_view head : {"$7", "$77", "$777", "$7777", "$77777", "$777777", "$7777777"}) {
    const std::string bytes = "*1\r\n" + std::string(head) + "\r\n";
    for (size_t cut = 0; cut <= bytes.size(); ++cut) {
      const std::unique_ptr<char[]> exact(new char[cut]);
      std::copy_n(bytes.begin(), cut, exact.get());
      RequestParser parser;
      ASSERT_EQ(parser.next({exact.get(), cut}), Parsed::kNeedMore) << head << " " << cut;
      ASSERT_EQ(parser.missing_bytes(cut) != 0, cut == bytes.size()) << head << " " << cut;
    }
  }
}

// Commands of every shape the fast way takes, and of those that it leaves to the careful way.
std::string mixed_input() {
  std::string bytes;
  for (const size_t size : {0, 1, 9, 10, 63, 99, 100, 999, 1000}) {
    bytes += encode({"SET", "k" + std::to_string(size), std::string(size, 'v')});
    bytes += "inline " + std::to_string(size) + " \"q\\x20\"\r\n";
  }
  bytes += encode(Command(12, "many"));
  return bytes;
}

TEST(RequestParser, DoesNotCareWhereTheBytesAreCut) {
  const std::string bytes = mixed_input();
  const Outcome expected = oracle(bytes);
  ASSERT_EQ(expected.commands.size(), 19U);
  ASSERT_EQ(parse_whole(bytes), expected);
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    size_t piece = 0;
    ASSERT_EQ(parse_in_pieces(bytes, {}, [&] { return piece++ == 0 ? cut : bytes.size(); }), expected) << cut;
  }
  for (size_t size = 1; size < 40; ++size) {
    ASSERT_EQ(parse_in_pieces(bytes, {}, [size] { return size; }), expected) << size;
  }
}

// Bytes that are nearly right, so that every rule is met at its edge.
std::string nearly_right(std::mt19937_64& random) {
  const auto below = [&random](uint64_t bound) { return random() % bound; };
  std::string bytes;
  for (uint64_t commands = 1 + below(6); commands != 0; --commands) {
    switch (below(4)) {
      case 0: {
        const std::string_view words[] = {"PING", "\"a b\"", "'c'", " ", "\"\\x4", "\\", "\"", "k"};
        for (uint64_t n = below(5); n != 0; --n) bytes += std::string(words[below(8)]) + (below(3) != 0 ? " " : "");
        bytes += below(2) != 0 ? "\r\n" : "\n";
        break;
      }
      default: {
        Command command(below(14));
        for (std::string& arg : command) arg.assign(below(8) == 0 ? below(20'000) : below(120), 'a');
        bytes += encode(command);
      }
    }
  }
  for (uint64_t flips = below(4); flips != 0 && below(2) != 0; --flips) {
    const std::string_view alphabet = "*$\r\n-0123456789 \"'x";
    bytes[below(std::min<uint64_t>(bytes.size(), 60))] = alphabet[below(alphabet.size())];
  }
  return bytes;
}

TEST(RequestParser, AgreesWithAPlainParserOnRandomBytes) {
  std::mt19937_64 random(20261123);
  size_t commands = 0, errors = 0;
  for (int round = 0; round < 3000; ++round) {
    const std::string bytes = nearly_right(random);
    if (bytes.empty()) continue;
    const RequestLimits limits{.bulk_bytes_max = random() % 4 == 0 ? 10'000U : 512U << 20,
                               .is_authenticated = random() % 4 != 0};
    const Outcome expected = oracle(bytes, limits);
    commands += expected.commands.size();
    errors += expected.error.empty() ? 0 : 1;
    ASSERT_EQ(parse_whole(bytes, limits), expected) << round;
    ASSERT_EQ(parse_in_pieces(bytes, limits, [&random] { return 1 + random() % 100; }), expected) << round;
  }
  EXPECT_GT(commands, 3000U);
  EXPECT_GT(errors, 500U);
}

}  // namespace
}  // namespace keelson::resp
