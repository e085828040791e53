#include "engine/coord/answer.h"

#include "base/check.h"

namespace keelson::coord {

namespace {

[[noreturn]] void unexpected() {
  KEELSON_CHECK(false, "coord: an answer came to a sink that its command is not for");
  __builtin_unreachable();
}

}  // namespace

void AnswerSink::done(Revision) { unexpected(); }
void AnswerSink::key_value(const KeyValue&) { unexpected(); }
void AnswerSink::range(const RangeAnswer&) { unexpected(); }
void AnswerSink::put(Revision, const KeyValue*) { unexpected(); }
void AnswerSink::deleted(Revision, int64_t) { unexpected(); }
void AnswerSink::txn_begin(bool, size_t) { unexpected(); }
void AnswerSink::txn_end(Revision) { unexpected(); }
void AnswerSink::lease_granted(Revision, const LeaseInfo&) { unexpected(); }
void AnswerSink::lease_key(std::string_view) { unexpected(); }
void AnswerSink::lease(Revision, const LeaseInfo&) { unexpected(); }
void AnswerSink::event(const Event&) { unexpected(); }
void AnswerSink::events(const EventsAnswer&) { unexpected(); }
void AnswerSink::hash(const HashAnswer&) { unexpected(); }
void AnswerSink::store_status(const StoreStatusAnswer&) { unexpected(); }
void AnswerSink::auth_status(const AuthStatusAnswer&) { unexpected(); }
void AnswerSink::secret(const SecretAnswer&) { unexpected(); }
void AnswerSink::user(Revision, std::span<const std::string_view>) { unexpected(); }
void AnswerSink::name(std::string_view) { unexpected(); }
void AnswerSink::permission(const Permission&) { unexpected(); }
void AnswerSink::alarm(const Alarm&) { unexpected(); }

}  // namespace keelson::coord
