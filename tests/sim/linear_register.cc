#include "tests/sim/linear_register.h"

#include <charconv>
#include <optional>
#include <set>
#include <system_error>

namespace keelson::sim_test::linear {

namespace {

using Kind = RegisterCall::Kind;

constexpr std::string_view kNames[] = {"get", "set", "delete", "cas", "setnx", "swap", "append", "expire"};
constexpr std::string_view kNothing = "(nil)";

std::string shown(bool exists, const std::string& value) { return exists ? "\"" + value + "\"" : "nothing"; }

// What each kind has before its answer.
size_t argument_count(Kind kind) {
  return kind == Kind::kCas ? 2 : kind == Kind::kGet || kind == Kind::kDelete ? 0 : 1;
}
bool answers_value(Kind kind) { return kind == Kind::kGet || kind == Kind::kSwap; }

template <class Number>
bool read_number(std::string_view text, Number& into) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
  return error == std::errc() && end == text.data() + text.size();
}

std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> columns;
  for (;;) {
    const size_t tab = line.find('\t');
    columns.push_back(line.substr(0, tab));
    if (tab == std::string_view::npos) return columns;
    line.remove_prefix(tab + 1);
  }
}

std::optional<Kind> kind_of(std::string_view name) {
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == name) return static_cast<Kind>(i);
  }
  return std::nullopt;
}

bool read_answer(std::string_view text, RegisterCall& call) {
  if (answers_value(call.kind)) {
    call.found = text != kNothing;
    if (call.found) call.read = text;
    return true;
  }
  return call.kind == Kind::kSet ? text == "ok" : read_number(text, call.count);
}

bool parse_line(std::string_view line, RegisterHistory& history) {
  const std::vector<std::string_view> columns = split(line);
  if (columns.size() < 6) return false;
  Recorded<RegisterCall> recorded;
  const auto kind = kind_of(columns[4]);
  if (!kind || columns.size() != 6 + argument_count(*kind)) return false;
  recorded.call.kind = *kind;
  if (!read_number(columns[0], recorded.by) || !read_number(columns[1], recorded.called_at)) return false;
  if (columns[2] != "-" && !read_number(columns[2], recorded.returned_at)) return false;
  if (*kind == Kind::kCas) recorded.call.expected = columns[5];
  if (argument_count(*kind) > 0) recorded.call.value = columns[columns.size() - 2];
  if (recorded.is_answered() && !read_answer(columns.back(), recorded.call)) return false;
  if (recorded.is_answered() && recorded.returned_at < recorded.called_at) return false;
  history[std::string(columns[3])].push_back(std::move(recorded));
  return true;
}

// Values that nobody ever saw or asked for, set by calls without an answer, are all one: nothing tells them apart.
std::vector<Recorded<RegisterCall>> without_unseen(std::vector<Recorded<RegisterCall>> calls) {
  std::set<std::string> seen;
  for (const auto& recorded : calls) {
    const RegisterCall& call = recorded.call;
    if (call.kind == Kind::kAppend) return calls;  // parts of values would have to be told apart
    if (call.kind == Kind::kCas) seen.insert(call.expected);
    if (recorded.is_answered()) seen.insert({call.read, call.value});
  }
  for (auto& recorded : calls) {
    if (recorded.call.kind != Kind::kGet && !seen.contains(recorded.call.value)) recorded.call.value = "(unseen)";
  }
  return calls;
}

}  // namespace

bool RegisterModel::step(State& state, const Call& call, bool is_answered) {
  const bool held = state.exists;
  switch (call.kind) {
    case Kind::kGet:
      return !is_answered || (call.found == held && (!held || call.read == state.value));
    case Kind::kSet:
      state = {true, call.value};
      return true;
    case Kind::kDelete:
      state = {};
      return !is_answered || call.count == (held ? 1 : 0);
    case Kind::kCas: {
      const bool fits = held && state.value == call.expected;
      if (fits) state.value = call.value;
      return !is_answered || call.count == (fits ? 1 : 0);
    }
    case Kind::kSetIfAbsent:
      if (!held) state = {true, call.value};
      return !is_answered || call.count == (held ? 0 : 1);
    case Kind::kSwap: {
      const bool fits = call.found == held && (!held || call.read == state.value);
      state = {true, call.value};
      return !is_answered || fits;
    }
    case Kind::kAppend:
      state.exists = true;
      state.value += call.value;
      return !is_answered || call.count == static_cast<int64_t>(state.value.size());
    case Kind::kExpire:
      if (held && state.value == call.value) state = {};
      return !is_answered;
  }
  return false;
}

uint64_t RegisterModel::hash(const State& state) { return hash64(state.value, state.exists ? 1 : 0); }

std::string RegisterModel::text(const State& state) { return shown(state.exists, state.value); }

std::string RegisterModel::text(const Call& call, bool is_answered) {
  std::string text(kNames[static_cast<size_t>(call.kind)]);
  if (call.kind == Kind::kCas) text += " \"" + call.expected + "\"";
  if (argument_count(call.kind) > 0) text += " \"" + call.value + "\"";
  text += " -> ";
  if (!is_answered) return text + "?";
  if (call.kind == Kind::kSet) return text + "ok";
  return text + (answers_value(call.kind) ? shown(call.found, call.read) : std::to_string(call.count));
}

Judgement judge_keys(const RegisterHistory& history, Limits limits) {
  Judgement all;
  for (const auto& [key, calls] : history) {
    Judgement one = judge<RegisterModel>(without_unseen(calls), limits);
    one.steps += all.steps;
    if (one.verdict == Verdict::kViolated) {
      one.explanation = "key " + key + ": " + one.explanation;
      return one;
    }
    if (all.verdict == Verdict::kUndecided) continue;  // a violation of another key would tell more
    if (one.verdict == Verdict::kUndecided) one.explanation = "key " + key + ": " + one.explanation;
    one.order.clear();
    all = std::move(one);
  }
  return all;
}

Result<RegisterHistory> parse_history(std::string_view text) {
  RegisterHistory history;
  size_t number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    if (line.empty() || line.front() == '#') continue;
    if (!parse_line(line, history)) {
      return fail(std::make_error_code(std::errc::invalid_argument),
                  "line " + std::to_string(number) + " is no call: " + std::string(line));
    }
  }
  return history;
}

std::string format_call(const std::string& key, const Recorded<RegisterCall>& recorded) {
  const RegisterCall& call = recorded.call;
  std::string line = std::to_string(recorded.by) + "\t" + std::to_string(recorded.called_at) + "\t" +
                     (recorded.is_answered() ? std::to_string(recorded.returned_at) : "-") + "\t" + key + "\t" +
                     std::string(kNames[static_cast<size_t>(call.kind)]) + "\t";
  if (call.kind == Kind::kCas) line += call.expected + "\t";
  if (argument_count(call.kind) > 0) line += call.value + "\t";
  if (!recorded.is_answered()) return line + "-";
  if (call.kind == Kind::kSet) return line + "ok";
  if (answers_value(call.kind)) return line + (call.found ? call.read : std::string(kNothing));
  return line + std::to_string(call.count);
}

}  // namespace keelson::sim_test::linear
