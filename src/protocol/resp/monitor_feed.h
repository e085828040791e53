// MONITOR: shows every command of every client to those who asked.
#pragma once

#include <cstdint>

#include "engine/kv/command.h"

namespace keelson::resp {

class Session;

// The session's reactor, before a command runs, while local().monitor_count is not 0: sends the line to the monitors on
// every reactor. Skips commands that are not shown (kSkipMonitor, kAdmin) and hides the arguments of AUTH and HELLO's.
void feed_monitors(Session& from, const kv::CommandSpec& spec, kv::Args args);

// The session's reactor: it was in MONITOR and ends, or RESET takes it out of it. A no-op if it was not.
void leave_monitor(Session& session);

}  // namespace keelson::resp
