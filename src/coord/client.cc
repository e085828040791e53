#include "coord/client.h"

#include <utility>

namespace keelson::coord {

namespace {

Item copy_of(const KeyValue& kv) {
  return {std::string(kv.key), std::string(kv.value), kv.create_revision, kv.mod_revision, kv.version, kv.lease};
}

// Whatever the client's commands are answered with.
class ClientSink final : public AnswerSink {
 public:
  void failed(const Failure& failure) override { error = failure.code; }
  void done(Revision at) override { revision = at; }
  void key_value(const KeyValue& kv) override { items.push_back(copy_of(kv)); }
  void range(const RangeAnswer& answer) override { revision = answer.revision; }
  void put(Revision at, const KeyValue*) override { revision = at; }
  void deleted(Revision at, int64_t keys) override {
    revision = at;
    count = keys;
  }
  void txn_begin(bool succeeded, size_t) override {
    if (depth++ == 0) is_done = succeeded;
  }
  void txn_end(Revision at) override {
    --depth;
    revision = at;
  }

  CoordErrc error = CoordErrc::kOk;
  std::vector<Item> items;
  Revision revision = 0;
  int64_t count = 0;
  bool is_done = false;
  unsigned depth = 0;
};

using Answer = ClientResult<std::unique_ptr<ClientSink>>;

Answer answer_of(Answered<ClientSink> answered) {
  if (answered.outcome != ServiceErrc::kOk) return std::unexpected(ClientError{.service = answered.outcome});
  if (answered.sink->error != CoordErrc::kOk) return std::unexpected(ClientError{.engine = answered.sink->error});
  return std::move(answered.sink);
}

Committed committed_of(const ClientSink& sink) { return {.is_done = sink.is_done, .revision = sink.revision}; }

}  // namespace

std::string_view ClientError::text() const {
  return service != ServiceErrc::kOk ? std::string_view(text_of(service)) : errc_text(engine);
}

std::string end_of_prefix(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty()) {
    if (static_cast<uint8_t>(end.back()) != 0xff) {
      end.back() = static_cast<char>(static_cast<uint8_t>(end.back()) + 1);
      return end;
    }
    end.pop_back();
  }
  // Of no bytes, or of 0xff alone: everything from it on.
  return std::string(kFromKeyOn);
}

Task<ClientResult<std::optional<Item>>> Client::get(std::string key) {
  Answer answer =
      answer_of(co_await service_.query(here_, Range{.caller = kHouse, .key = key}, std::make_unique<ClientSink>()));
  if (!answer) co_return std::unexpected(answer.error());
  std::optional<Item> found;
  if (!(*answer)->items.empty()) found = std::move((*answer)->items.front());
  co_return found;
}

Task<ClientResult<Listing>> Client::list(std::string prefix) {
  const std::string end = end_of_prefix(prefix);
  // etcd's convention for all keys: from the smallest one on.
  const std::string begin = prefix.empty() ? std::string(kFromKeyOn) : prefix;
  Answer answer = answer_of(co_await service_.query(here_, Range{.caller = kHouse, .key = begin, .range_end = end},
                                                    std::make_unique<ClientSink>()));
  if (!answer) co_return std::unexpected(answer.error());
  co_return Listing{.revision = (*answer)->revision, .items = std::move((*answer)->items)};
}

Task<ClientResult<Revision>> Client::put(std::string key, std::string value) {
  Answer answer = answer_of(co_await service_.write(here_, Put{.caller = kHouse, .key = key, .value = value},
                                                    std::make_unique<ClientSink>()));
  if (!answer) co_return std::unexpected(answer.error());
  co_return (*answer)->revision;
}

Task<ClientResult<Committed>> Client::put_if(std::string key, std::string value, Revision mod_revision) {
  Txn txn{.caller = kHouse, .success = {}, .failure = {}};
  txn.compares.push_back({.target = CompareTarget::kMod, .key = key, .number = mod_revision});
  txn.success.push_back({Put{.key = key, .value = value}});
  co_return co_await commit(std::move(txn));
}

Task<ClientResult<Committed>> Client::remove_if(std::string key, Revision mod_revision) {
  Txn txn{.caller = kHouse, .success = {}, .failure = {}};
  txn.compares.push_back({.target = CompareTarget::kMod, .key = key, .number = mod_revision});
  txn.success.push_back({DeleteRange{.key = key}});
  co_return co_await commit(std::move(txn));
}

Task<ClientResult<int64_t>> Client::remove(std::string key) {
  Answer answer = answer_of(
      co_await service_.write(here_, DeleteRange{.caller = kHouse, .key = key}, std::make_unique<ClientSink>()));
  if (!answer) co_return std::unexpected(answer.error());
  co_return (*answer)->count;
}

Task<ClientResult<Committed>> Client::commit(Txn txn) {
  txn.caller = kHouse;
  Answer answer = answer_of(co_await service_.write(here_, txn, std::make_unique<ClientSink>()));
  if (!answer) co_return std::unexpected(answer.error());
  co_return committed_of(**answer);
}

}  // namespace keelson::coord
