#include "protocol/resp/monitor_feed.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

#include "protocol/resp/command_helpers.h"
#include "protocol/resp/session.h"

namespace keelson::resp {

namespace {

// As Redis's sdscatrepr(): printable ASCII, the usual escapes, "\xff" for the rest.
void append_quoted(std::string& line, std::string_view bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  line += '"';
  for (const char c : bytes) {
    switch (c) {
      case '\\':
      case '"':
        line += '\\';
        line += c;
        break;
      case '\n':
        line += "\\n";
        break;
      case '\r':
        line += "\\r";
        break;
      case '\t':
        line += "\\t";
        break;
      case '\a':
        line += "\\a";
        break;
      case '\b':
        line += "\\b";
        break;
      default:
        if (c >= ' ' && c <= '~') {
          line += c;
        } else {
          const auto byte = static_cast<uint8_t>(c);
          line += "\\x";
          line += kHex[byte >> 4];
          line += kHex[byte & 15];
        }
    }
  }
  line += '"';
}

// +1339518083.107412 [0 127.0.0.1:60866] "set" "key" "value"
std::string monitor_line(Session& from, const kv::CommandSpec& spec, kv::Args args) {
  const int64_t wall_ms = from.reactor().clock().wall_ms();
  char time[48];
  std::snprintf(time, sizeof time, "+%lld.%06lld", static_cast<long long>(wall_ms / 1000),
                static_cast<long long>(wall_ms % 1000 * 1000));
  std::string line = time;
  line += " [" + std::to_string(from.client().database) + ' ' + from.remote().text() + ']';
  // Redis hides what follows HELLO ... AUTH one by one; nobody needs the rest of it.
  const bool hides = spec.name == "AUTH" || spec.name == "HELLO";
  for (size_t i = 0; i < args.size(); ++i) {
    line += ' ';
    append_quoted(line, i != 0 && hides ? "(redacted)" : args[i]);
  }
  line += "\r\n";
  return line;
}

void show(Local& local, std::string_view line) {
  for (Session* monitor : local.monitors) monitor->push(line);
}

}  // namespace

void feed_monitors(Session& from, const kv::CommandSpec& spec, kv::Args args) {
  if ((spec.flags & (kv::kSkipMonitor | kv::kAdmin)) != 0) return;
  auto line = std::make_shared<const std::string>(monitor_line(from, spec, args));
  KvService& service = from.service();
  for (unsigned i = 0; i < service.reactor_count(); ++i) {
    if (i == from.reactor().index()) {
      show(from.local(), *line);
    } else {
      service.reactor(i).post([&service, i, line] { show(service.local(i), *line); });
    }
  }
}

void leave_monitor(Session& session) {
  if (!session.client().is_monitor) return;
  session.client().is_monitor = false;
  std::erase(session.local().monitors, &session);
  KvService& service = session.service();
  for (unsigned i = 0; i < service.reactor_count(); ++i) {
    if (i == session.reactor().index()) {
      --session.local().monitor_count;
    } else {
      service.reactor(i).post([&service, i] { --service.local(i).monitor_count; });
    }
  }
}

Task<void> cmd_monitor(Session& session, kv::Args) {
  if (!session.client().is_monitor) {
    session.client().is_monitor = true;
    session.local().monitors.push_back(&session);
    co_await session.service().on_each_reactor(session.reactor(), [](Local& local) { ++local.monitor_count; });
  }
  session.out().ok();
}

}  // namespace keelson::resp
