#include "cluster/messenger.h"

namespace keelson::cluster {

void HubMessenger::attach(raft::MessageSink* sink) {
  sink_ = sink;
  hub_.set_receiver(sink == nullptr ? nullptr : this);
}

}  // namespace keelson::cluster
