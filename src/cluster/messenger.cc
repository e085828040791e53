#include "cluster/messenger.h"

namespace keelson::cluster {

namespace {
template <class To, class From>
std::vector<To> side_files(std::vector<From> from) {
  std::vector<To> to;
  to.reserve(from.size());
  for (From& one : from) to.push_back({std::move(one.name), std::move(one.path), one.bytes, one.here});
  return to;
}
}  // namespace

void HubMessenger::attach(raft::MessageSink* sink) {
  sink_ = sink;
  hub_.set_receiver(sink == nullptr ? nullptr : this);
}

void HubMessenger::send_file(raft::NodeId to, raft::ShardId group, std::string message, std::string path,
                             std::vector<raft::SideFile> beside, std::function<void(bool)> done) {
  hub_.send_file(to, group, std::move(message), std::move(path), side_files<peer::SideFile>(std::move(beside)),
                 std::move(done));
}

void HubMessenger::received_file(peer::NodeId from, uint16_t group, std::string message, std::string path,
                                 std::vector<peer::SideFile> beside) {
  sink_->received_file(from, group, std::move(message), std::move(path), side_files<raft::SideFile>(std::move(beside)));
}

std::vector<uint64_t> HubMessenger::bytes_here(peer::NodeId from, uint16_t group,
                                               const std::vector<peer::SideFile>& offered) {
  return sink_->bytes_here(from, group, side_files<raft::SideFile>(offered));
}

}  // namespace keelson::cluster
