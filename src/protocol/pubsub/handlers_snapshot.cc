// Snapshots, and seeking.
#include <algorithm>
#include <utility>

#include "base/base64.h"
#include "protocol/pubsub/at_home.h"
#include "protocol/pubsub/checks.h"
#include "protocol/pubsub/handlers.h"
#include "protocol/pubsub/setup.h"

namespace keelson::pubsub {

namespace {

using net::grpc::Call;
using stored::SnapshotDocument;

std::string snapshot_key(std::string_view name) { return document_key(kSnapshotDocuments, name); }

// The last second that a Timestamp can mean, of the year 9999 (google/protobuf/timestamp.proto).
constexpr int64_t kTimeMaxS = 253'402'300'799;

bool has_expired(const SnapshotDocument& document, int64_t now_ms) {
  return document.snapshot().expire_time().seconds() * 1000 <= now_ms;
}

}  // namespace

Task<Handlers::DocumentFound<SnapshotDocument>> Handlers::find_snapshot(env::Reactor& here, std::string name) {
  using Result = DocumentFound<SnapshotDocument>;
  const auto parsed = parse_name(ResourceKind::kSnapshot, name);
  if (!parsed) co_return Result{invalid_name("snapshots", name)};
  const Found found = co_await service_.resources().find(here, snapshot_key(name));
  if (found.status.code == Code::kNotFound) co_return Result{not_found(parsed->id)};
  Result result{found.status};
  if (result.status.ok()) result.status = read_document(found.document, result.document);
  if (result.status.ok() && has_expired(result.document, here.clock().wall_ms())) {
    co_return Result{not_found(parsed->id)};
  }
  result.version = found.document.version;
  co_return result;
}

Task<CallStatus> Handlers::Subscriber_CreateSnapshot(Call& call, const pb::CreateSnapshotRequest& from,
                                                     pb::Snapshot& into) {
  env::Reactor& here = call.reactor();
  std::string name = from.name();
  if (name.empty()) {  // the server chooses
    const auto subscription = parse_name(ResourceKind::kSubscription, from.subscription());
    if (!subscription) co_return invalid_name("subscriptions", from.subscription());
    name =
        format_name(ResourceKind::kSnapshot, subscription->project, "snapshot-" + std::to_string(here.random().next()));
  }
  const auto parsed = parse_name(ResourceKind::kSnapshot, name);
  if (!parsed) co_return invalid_name("snapshots", name);
  if (CallStatus good = check_labels(from.labels()); !good.ok()) co_return good;
  auto subscription = co_await find_subscription(here, from.subscription());
  if (!subscription.status.ok()) co_return subscription.status;
  if (subscription.document.subscription().detached()) {
    co_return failed_precondition("Subscription has been detached from its topic.");
  }
  const std::string key = snapshot_key(name);
  if (const Found present = co_await service_.resources().find(here, key); present.status.ok()) {
    co_return already_exists(parsed->id);
  }
  topics::Topics& topics = service_.topics();
  const std::string source = document_key(kSubscriptionDocuments, from.subscription());
  topics::Asked state = co_await topics.ask(here, topics.shard_of_name(source), topic::FindCursor{source});
  if (!state.ok()) co_return status_of(state);
  topic::CreateCursor create{key, topic_id_of(subscription.document.topic_id()),
                             std::move(state.answer.cursors.at(0).positions)};
  // What they failed at is no part of a snapshot.
  for (topic::CursorPosition& position : create.positions) position.attempts.clear();
  const topics::Asked made = co_await service_.resources().make_cursor(here, std::move(create));
  if (!made.ok() && made.answer.error != topic::TopicErrc::kCursorExists) co_return status_of(made);
  pb::Subscription shown;
  if (CallStatus status = co_await show_subscription(here, subscription.document, shown); !status.ok())
    co_return status;
  into.set_name(name);
  into.set_topic(shown.topic());
  *into.mutable_labels() = from.labels();
  into.mutable_expire_time()->set_seconds(here.clock().wall_ms() / 1000 + kSnapshotLifeS);
  SnapshotDocument document;
  *document.mutable_snapshot() = into;
  document.set_topic_id(subscription.document.topic_id());
  auto [written, version] = co_await service_.resources().put(here, key, document.SerializeAsString(), 0);
  co_return written.code == Code::kAlreadyExists ? already_exists(parsed->id) : written;
}

Task<CallStatus> Handlers::Subscriber_GetSnapshot(Call& call, const pb::GetSnapshotRequest& from, pb::Snapshot& into) {
  auto found = co_await find_snapshot(call.reactor(), from.snapshot());
  if (found.status.ok()) into = found.document.snapshot();
  co_return found.status;
}

Task<CallStatus> Handlers::Subscriber_UpdateSnapshot(Call& call, const pb::UpdateSnapshotRequest& from,
                                                     pb::Snapshot& into) {
  env::Reactor& here = call.reactor();
  CallStatus good = check_mask(from.update_mask(), snapshot_mask(), "UpdateSnapshotRequest", "Snapshot");
  if (!good.ok()) co_return good;
  auto found = co_await find_snapshot(here, from.snapshot().name());
  if (!found.status.ok()) co_return found.status;
  apply_mask(from.update_mask(), from.snapshot(), *found.document.mutable_snapshot());
  into = found.document.snapshot();
  if (good = check_labels(into.labels()); !good.ok()) co_return good;
  const int64_t now_s = here.clock().wall_ms() / 1000;
  if (into.expire_time().seconds() <= now_s || into.expire_time().seconds() > now_s + kSnapshotLifeS) {
    co_return invalid("expire_time must lie within the next 7 days.");
  }
  auto [written, version] = co_await service_.resources().put(here, snapshot_key(into.name()),
                                                              found.document.SerializeAsString(), found.version);
  co_return written;
}

Task<CallStatus> Handlers::Subscriber_ListSnapshots(Call& call, const pb::ListSnapshotsRequest& from,
                                                    pb::ListSnapshotsResponse& into) {
  env::Reactor& here = call.reactor();
  const auto project = parse_project(from.project());
  if (!project) co_return invalid_name("projects", from.project());
  PageRequest page = parse_page(from.page_size(), from.page_token());
  if (!page.status.ok()) co_return page.status;
  const std::string prefix = snapshot_key(format_name(ResourceKind::kSnapshot, *project, ""));
  const Page found = co_await service_.resources().list(here, prefix, page.after, page.count);
  if (!found.status.ok()) co_return found.status;
  for (const topic::Document& document : found.documents) {
    SnapshotDocument snapshot;
    if (CallStatus read = read_document(document, snapshot); !read.ok()) co_return read;
    if (!has_expired(snapshot, here.clock().wall_ms())) *into.add_snapshots() = snapshot.snapshot();
  }
  if (found.is_truncated) into.set_next_page_token(to_base64_url(found.documents.back().key));
  co_return CallStatus{};
}

Task<CallStatus> Handlers::Publisher_ListTopicSnapshots(Call& call, const pb::ListTopicSnapshotsRequest& from,
                                                        pb::ListTopicSnapshotsResponse& into) {
  env::Reactor& here = call.reactor();
  auto topic = co_await find_topic(here, from.topic());
  if (!topic.status.ok()) co_return topic.status;
  PageRequest page = parse_page(from.page_size(), from.page_token());
  if (!page.status.ok()) co_return page.status;
  const auto name_of = [id = topic.topic->id, now_ms = here.clock().wall_ms()](const SnapshotDocument& document) {
    const bool is_among = topic_id_of(document.topic_id()) == id && !has_expired(document, now_ms);
    return is_among ? &document.snapshot().name() : nullptr;
  };
  co_return co_await list_of_topic<SnapshotDocument>(here, kSnapshotDocuments, std::move(page), name_of,
                                                     *into.mutable_snapshots(), *into.mutable_next_page_token());
}

Task<CallStatus> Handlers::Subscriber_DeleteSnapshot(Call& call, const pb::DeleteSnapshotRequest& from,
                                                     pb::Empty& into) {
  env::Reactor& here = call.reactor();
  auto found = co_await find_snapshot(here, from.snapshot());
  if (!found.status.ok()) co_return found.status;
  const std::string key = snapshot_key(from.snapshot());
  if (CallStatus removed = co_await service_.resources().remove(here, key); !removed.ok()) co_return removed;
  const topics::Asked asked =
      co_await service_.topics().ask(here, service_.topics().shard_of_name(key), topic::DeleteCursor{key});
  if (asked.answer.error == topic::TopicErrc::kUnknownCursor) co_return CallStatus{};
  co_return status_of(asked);
}

// ---- Seek.

Task<Handlers::Ends> Handlers::positions_at(env::Reactor& here, Topic topic, int64_t time_ms) {
  Ends ends = co_await ends_of(here, topic);
  for (int32_t i = 0; i < topic->partition_count && ends.status.ok(); ++i) {
    const topic::PartitionId partition{topic->id, i};
    topic::CursorPosition& position = ends.positions[static_cast<size_t>(i)];
    const topics::Asked asked = co_await service_.topics().find_offset(here, {.in = partition, .time_ms = time_ms});
    if (!asked.ok()) ends.status = status_of(asked);
    if (asked.answer.found.offset >= 0) position.floor = asked.answer.found.offset;
  }
  co_return ends;
}

Task<CallStatus> Handlers::Subscriber_Seek(Call& call, const pb::SeekRequest& from, pb::SeekResponse& into) {
  env::Reactor& here = call.reactor();
  auto subscription = co_await find_subscription(here, from.subscription());
  if (!subscription.status.ok()) co_return subscription.status;
  std::vector<topic::CursorPosition> positions;
  if (from.has_time()) {
    const auto found = co_await service_.topics().find_topic(here, topic_id_of(subscription.document.topic_id()));
    if (found.outcome != log::LogErrc::kOk) co_return status_of(found.outcome);
    if (found.topic == nullptr) co_return failed_precondition("The subscription's topic has been deleted.");
    const int64_t time_s = std::clamp<int64_t>(from.time().seconds(), 0, kTimeMaxS);
    const int64_t nanos = std::clamp(from.time().nanos(), 0, 999'999'999);
    Ends ends = co_await positions_at(here, found.topic, time_s * 1000 + (nanos + 999'999) / 1'000'000);
    if (!ends.status.ok()) co_return ends.status;
    positions = std::move(ends.positions);
  } else if (from.has_snapshot()) {
    auto snapshot = co_await find_snapshot(here, from.snapshot());
    if (!snapshot.status.ok()) co_return snapshot.status;
    if (snapshot.document.topic_id() != subscription.document.topic_id()) {
      co_return invalid("The snapshot is of another topic than the subscription (snapshot=" + from.snapshot() + ").");
    }
    const std::string key = snapshot_key(from.snapshot());
    topics::Asked state =
        co_await service_.topics().ask(here, service_.topics().shard_of_name(key), topic::FindCursor{key});
    if (!state.ok()) co_return status_of(state);
    positions = std::move(state.answer.cursors.at(0).positions);
  } else {
    co_return invalid("A seek needs a time or a snapshot.");
  }
  PubsubLocal& there = service_.home_of(from.subscription());
  co_return co_await run_at(here, there, seek_at(there.home, from.subscription(), std::move(positions)));
}

}  // namespace keelson::pubsub
