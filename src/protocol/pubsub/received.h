// A message as consumers get it.
#pragma once

#include "protocol/pubsub/messages.h"
#include "protocol/pubsub/subscription.h"

namespace keelson::pubsub {

// delivery_attempt is there only with a dead-letter policy, as with Google.
void show_grant(const Grant& grant, const topics::LeaseRules& rules, pb::ReceivedMessage& into);

}  // namespace keelson::pubsub
