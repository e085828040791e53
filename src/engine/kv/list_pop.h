// Taking elements off a list's end, as LPOP, LMPOP, LMOVE and their blocking kin share it.
#pragma once

#include <cstddef>
#include <string_view>

#include "engine/kv/command.h"
#include "engine/kv/keyspace.h"

namespace keelson::kv {

[[nodiscard]] inline std::string_view push_event(ListEnd end) { return end == ListEnd::kHead ? "lpush" : "rpush"; }
[[nodiscard]] inline std::string_view pop_event(ListEnd end) { return end == ListEnd::kHead ? "lpop" : "rpop"; }

// Answers with an array of up to `count` elements and takes them off, with the events.
void pop_and_reply(CommandContext& context, std::string_view key, ListValue& list, ListEnd end, size_t count);

// To be called once after elements were taken off: tells the events and removes the key if nothing is left.
void elements_popped(CommandContext& context, std::string_view key, ListValue& list, ListEnd end);

}  // namespace keelson::kv
