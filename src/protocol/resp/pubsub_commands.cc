// SUBSCRIBE and its relatives, PUBLISH, PUBSUB.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/resp/pubsub.h"
#include "protocol/resp/session.h"
#include "protocol/resp/session_handlers.h"

namespace keelson::resp {

namespace {

// What the confirmation counts: channels and patterns together, shard channels by themselves.
size_t shown_count(Session& session, ChannelKind kind) {
  const Session::Subscriptions& names = session.subscriptions();
  return kind == ChannelKind::kShardChannel ? names.shard_channels.size()
                                            : names.channels.size() + names.patterns.size();
}

std::vector<std::string> all_names(Session& session, ChannelKind kind) {
  const Session::Subscriptions& names = session.subscriptions();
  const auto& of_kind = kind == ChannelKind::kChannel   ? names.channels
                        : kind == ChannelKind::kPattern ? names.patterns
                                                        : names.shard_channels;
  return {of_kind.begin(), of_kind.end()};
}

Task<void> subscribe_all(Session& session, ChannelKind kind, std::string_view word, kv::Args names) {
  for (const std::string_view name : names) {
    co_await session.service().pubsub().subscribe(session, kind, std::string(name));
    session.out().push(3);
    session.out().bulk(word);
    session.out().bulk(name);
    session.out().integer(static_cast<int64_t>(shown_count(session, kind)));
  }
}

Task<void> unsubscribe_all(Session& session, ChannelKind kind, std::string_view word, kv::Args names) {
  std::vector<std::string> wanted =
      names.empty() ? all_names(session, kind) : std::vector<std::string>(names.begin(), names.end());
  for (std::string& name : wanted) {
    co_await session.service().pubsub().unsubscribe(session, kind, name);
    session.out().push(3);
    session.out().bulk(word);
    session.out().bulk(name);
    session.out().integer(static_cast<int64_t>(shown_count(session, kind)));
  }
  if (!wanted.empty()) co_return;
  session.out().push(3);
  session.out().bulk(word);
  session.out().null();
  session.out().integer(static_cast<int64_t>(shown_count(session, kind)));
}

Task<void> publish(Session& session, ChannelKind kind, kv::Args args) {
  const size_t receivers =
      co_await session.service().pubsub().publish(session.reactor(), kind, std::string(args[1]), std::string(args[2]));
  session.out().integer(static_cast<int64_t>(receivers));
}

Task<void> list_channels(Session& session, ChannelKind kind, kv::Args args) {
  const std::vector<std::string> names = co_await session.service().pubsub().names(
      session.reactor(), kind, args.size() > 2 ? std::string(args[2]) : std::string());
  session.out().array(names.size());
  for (const std::string& name : names) session.out().bulk(name);
}

Task<void> count_subscribers(Session& session, ChannelKind kind, kv::Args args) {
  const kv::Args names = args.subspan(2);
  session.out().array(names.size() * 2);
  for (const std::string_view name : names) {
    const size_t count =
        co_await session.service().pubsub().subscriber_count(session.reactor(), kind, std::string(name));
    session.out().bulk(name);
    session.out().integer(static_cast<int64_t>(count));
  }
}

}  // namespace

Task<void> cmd_subscribe(Session& session, kv::Args args) {
  return subscribe_all(session, ChannelKind::kChannel, "subscribe", args.subspan(1));
}

Task<void> cmd_psubscribe(Session& session, kv::Args args) {
  return subscribe_all(session, ChannelKind::kPattern, "psubscribe", args.subspan(1));
}

Task<void> cmd_ssubscribe(Session& session, kv::Args args) {
  return subscribe_all(session, ChannelKind::kShardChannel, "ssubscribe", args.subspan(1));
}

Task<void> cmd_unsubscribe(Session& session, kv::Args args) {
  return unsubscribe_all(session, ChannelKind::kChannel, "unsubscribe", args.subspan(1));
}

Task<void> cmd_punsubscribe(Session& session, kv::Args args) {
  return unsubscribe_all(session, ChannelKind::kPattern, "punsubscribe", args.subspan(1));
}

Task<void> cmd_sunsubscribe(Session& session, kv::Args args) {
  return unsubscribe_all(session, ChannelKind::kShardChannel, "sunsubscribe", args.subspan(1));
}

Task<void> cmd_publish(Session& session, kv::Args args) { return publish(session, ChannelKind::kChannel, args); }

Task<void> cmd_spublish(Session& session, kv::Args args) { return publish(session, ChannelKind::kShardChannel, args); }

Task<void> cmd_pubsub_channels(Session& session, kv::Args args) {
  return list_channels(session, ChannelKind::kChannel, args);
}

Task<void> cmd_pubsub_shardchannels(Session& session, kv::Args args) {
  return list_channels(session, ChannelKind::kShardChannel, args);
}

Task<void> cmd_pubsub_numsub(Session& session, kv::Args args) {
  return count_subscribers(session, ChannelKind::kChannel, args);
}

Task<void> cmd_pubsub_shardnumsub(Session& session, kv::Args args) {
  return count_subscribers(session, ChannelKind::kShardChannel, args);
}

Task<void> cmd_pubsub_numpat(Session& session, kv::Args) {
  session.out().integer(static_cast<int64_t>(session.service().pubsub().pattern_count(session.reactor())));
  co_return;
}

}  // namespace keelson::resp
