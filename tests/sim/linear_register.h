// One key of a key-value store, as linear.h judges it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tests/sim/linear.h"

namespace keelson::sim_test::linear {

struct RegisterCall {
  enum class Kind : uint8_t {
    kGet,          // -> the value
    kSet,          // value
    kDelete,       // -> count
    kCas,          // expected, value -> count: 1 if it held `expected` and holds `value` now
    kSetIfAbsent,  // value -> count
    kSwap,         // value -> the old value
    kAppend,       // value -> count: the length now
    kExpire,       // value: what was set with this value goes away if it is still there; never answered
  };
  Kind kind = Kind::kGet;
  std::string expected;
  std::string value;
  // The answer.
  bool found = false;
  std::string read;
  int64_t count = 0;
};

struct RegisterModel {
  struct State {
    bool exists = false;
    std::string value;
    bool operator==(const State&) const = default;
  };
  using Call = RegisterCall;
  static bool step(State& state, const Call& call, bool is_answered);
  static bool is_read(const Call& call) { return call.kind == Call::Kind::kGet; }
  static uint64_t hash(const State& state);
  static std::string text(const State& state);
  static std::string text(const Call& call, bool is_answered);
};

using RegisterHistory = std::map<std::string, std::vector<Recorded<RegisterCall>>>;  // by key

// The first key whose history is not linearizable, or could not be judged.
Judgement judge_keys(const RegisterHistory& history, Limits limits = {});

// A history as text, one call in each line, columns apart by one tab:
//   client  called  returned or '-'  key  name  arguments...  answer
// Names: get, set, delete, cas, setnx, swap, append, expire. A value that is not there is "(nil)". Without an answer
// the last column is '-'. Lines that begin with '#' are comments.
//   3  1000  1200  x  set  v17     ok
//   4  1100  -     x  cas  v17  v18  -
//   3  1300  1310  x  get  v17
Result<RegisterHistory> parse_history(std::string_view text);
[[nodiscard]] std::string format_call(const std::string& key, const Recorded<RegisterCall>& recorded);

}  // namespace keelson::sim_test::linear
