#include "tests/sim/register_calls.h"

#include <array>

namespace keelson::sim_test {

using linear::RegisterCall;
using Kind = RegisterCall::Kind;

std::vector<std::string> command_of(const std::string& key, const RegisterCall& call) {
  switch (call.kind) {
    case Kind::kGet:
      return {"GET", key};
    case Kind::kSet:
      return {"SET", key, call.value};
    case Kind::kDelete:
      return {"DEL", key};
    case Kind::kSetIfAbsent:
      return {"SETNX", key, call.value};
    case Kind::kSwap:
      return {"GETSET", key, call.value};
    case Kind::kAppend:
      return {"APPEND", key, call.value};
    case Kind::kCas:
    case Kind::kExpire:
      break;
  }
  return {"GET", key};
}

Fate fate_of(std::string_view error) {
  constexpr std::array<std::string_view, 6> kNone{"CLUSTERDOWN ", "TRYAGAIN ",           "MOVED ",
                                                  "LOADING ",     "MISCONF The disk of", "ERR max number of clients"};
  constexpr std::array<std::string_view, 3> kOpen{"UNCERTAIN ", "MISCONF Writing to the log", "ERR The server is shut"};
  for (const std::string_view prefix : kNone) {
    if (error.starts_with(prefix)) return Fate::kNoEffect;
  }
  for (const std::string_view prefix : kOpen) {
    if (error.starts_with(prefix)) return Fate::kUnknown;
  }
  return Fate::kUnexpected;
}

bool read_answer(const Reply& reply, RegisterCall& call) {
  switch (call.kind) {
    case Kind::kGet:
    case Kind::kSwap:
      call.found = reply.kind == '$';
      if (call.found) call.read = reply.text;
      return reply.kind == '$' || reply.kind == '_';
    case Kind::kSet:
      return reply.kind == '+' && reply.text == "OK";
    default:
      call.count = reply.kind == ':' ? std::stoll(reply.text) : 0;
      return reply.kind == ':';
  }
}

}  // namespace keelson::sim_test
