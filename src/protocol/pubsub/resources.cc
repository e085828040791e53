#include "protocol/pubsub/resources.h"

#include <algorithm>
#include <iterator>

#include "base/base64.h"

namespace keelson::pubsub {

std::string document_key(std::string_view family, std::string_view name) { return std::string(family).append(name); }

Task<Found> Resources::find(env::Reactor& here, std::string key) {
  topic::FindDocuments question{.prefix = key, .count_max = 1};
  topics::Asked asked = co_await topics_.ask(here, topics_.shard_of_name(key), question);
  if (!asked.ok()) co_return Found{status_of(asked), {}};
  // In the order of keys the one that is the prefix itself is the first.
  if (asked.answer.documents.empty() || asked.answer.documents[0].key != key) {
    co_return Found{{Code::kNotFound, {}}, {}};
  }
  co_return Found{{}, std::move(asked.answer.documents[0])};
}

Task<std::pair<CallStatus, uint64_t>> Resources::put(env::Reactor& here, std::string key, std::string value,
                                                     std::optional<uint64_t> if_version) {
  const log::ShardId shard = topics_.shard_of_name(key);
  topics::Asked asked =
      co_await topics_.ask(here, shard, topic::PutDocument{std::move(key), std::move(value), if_version});
  if (asked.outcome == log::LogErrc::kOk && asked.answer.error == topic::TopicErrc::kDocumentChanged) {
    const Code code = if_version == 0 ? Code::kAlreadyExists : Code::kAborted;
    co_return std::pair{CallStatus{code, "The resource has been changed at the same time; try again."}, uint64_t{0}};
  }
  const uint64_t version = asked.ok() && !asked.answer.documents.empty() ? asked.answer.documents[0].version : 0;
  co_return std::pair{status_of(asked), version};
}

Task<CallStatus> Resources::remove(env::Reactor& here, std::string key, std::optional<uint64_t> if_version) {
  const log::ShardId shard = topics_.shard_of_name(key);
  const topics::Asked asked = co_await topics_.ask(here, shard, topic::DeleteDocument{std::move(key), if_version});
  co_return status_of(asked);
}

Task<topics::Asked> Resources::make_cursor(env::Reactor& here, topic::CreateCursor create) {
  const log::ShardId shard = topics_.shard_of_name(create.name);
  topics::Asked made = co_await topics_.ask(here, shard, create);
  if (made.outcome != log::LogErrc::kOk || made.answer.error != topic::TopicErrc::kCursorExists) co_return made;
  // One that has its document is at work, and stays.
  if ((co_await find(here, create.name)).status.code != Code::kNotFound) co_return made;
  (void)co_await topics_.ask(here, shard, topic::DeleteCursor{create.name});
  co_return co_await topics_.ask(here, shard, create);
}

Task<Page> Resources::list(env::Reactor& here, std::string prefix, std::string after, uint32_t count_max) {
  const topic::FindDocuments question{std::move(prefix), std::move(after), count_max};
  std::vector<topics::Asking> under_way;
  for (uint16_t i = 0; i < topics_.router().shard_count(); ++i) {
    under_way.push_back(topics_.ask(here, topics_.shard_at(i), question));
  }
  Page page;
  for (topics::Asking& asking : under_way) {
    topics::Asked asked = co_await asking;
    if (!asked.ok()) {
      page.status = status_of(asked);
      continue;
    }
    page.is_truncated = page.is_truncated || asked.answer.is_truncated;
    std::ranges::move(asked.answer.documents, std::back_inserter(page.documents));
  }
  std::ranges::sort(page.documents, {}, &topic::Document::key);
  if (page.documents.size() > count_max) {
    page.documents.resize(count_max);
    page.is_truncated = true;
  }
  co_return page;
}

PageRequest parse_page(int32_t page_size, std::string_view token) {
  PageRequest page;
  if (page_size < 0)
    page.status = invalid("The page size must not be negative (page_size=" + std::to_string(page_size) + ").");
  page.count = static_cast<uint32_t>(page_size <= 0 ? kPageSizeMax : std::min(page_size, kPageSizeMax));
  const auto after = from_base64_url(token);
  if (!after) page.status = invalid("The page token is not one that this server has given.");
  page.after = after.value_or("");
  return page;
}

}  // namespace keelson::pubsub
