#include "protocol/kafka/call.h"

#include <algorithm>

#include "base/check.h"
#include "protocol/kafka/service.h"

namespace keelson::kafka {

KafkaService& Call::service() { return local_.service; }
topics::Topics& Call::topics() { return local_.service.topics(); }
env::Reactor& Call::here() { return local_.reactor; }

void Call::begin_answer(int16_t version) {
  KEELSON_CHECK(state_ == State::kOpen, "a request is answered twice");
  state_ = State::kAnswering;
  answer_version_ = version;
  answer_ = out_.begin_frame();
  if (row_ != nullptr) write_response_header(out_, row_->key, version, header_.correlation_id);
}

void Call::end_answer() {
  KEELSON_CHECK(state_ == State::kAnswering, "an answer ends that was not begun");
  state_ = out_.end_frame(answer_) ? State::kAnswered : State::kOpen;
}

void Call::end_connection() { session_.end_when_idle(); }

void Call::let_next_begin() {
  if (lets_next_begin_) return;
  lets_next_begin_ = true;
  if (session_.exclusive_ == this) {
    session_.exclusive_ = nullptr;
    session_.due();
  }
}

void Call::throttle(int32_t ms) { session_.mute(ms); }

bool Call::leads(const topic::PartitionId& partition) {
  topics::Topics& topics = this->topics();
  return topics.leads(topics.shard_of(partition));
}

bool Call::may(AclOperation operation, ResourceType type, std::string_view name) {
  const Access* access = service().access();
  return access == nullptr || access->may(session_, operation, type, name);
}

int32_t Call::charge(QuotaKind kind, uint64_t amount) {
  Quotas* quotas = service().quotas();
  if (quotas == nullptr) return 0;
  const int32_t ms = quotas->charge(session_, client_id(), kind, amount);
  throttle(ms);
  return ms;
}

}  // namespace keelson::kafka
