// What can go wrong between two nodes.
#pragma once

#include <cstdint>
#include <system_error>

namespace keelson::peer {

// The numbers are the protocol's (Answer::error).
enum class PeerErrc : uint8_t {
  kOk = 0,
  kUnreachable = 1,  // no connection stands, or it broke before the answer came: it may have been done or not
  kTimedOut = 2,     // likewise
  kBusy = 3,         // too many calls are under way: not done
  kNoMethod = 4,     // the other node's version does not know the method, or not from guests: not done
  kFailed = 5,       // the method says no; the sentence is its own
  kTooLarge = 6,     // a request or an answer above its limit
  kRefused = 7,      // the handshake failed
  kStopped = 8,      // this node is stopping
};
std::error_code make_error_code(PeerErrc code);

}  // namespace keelson::peer

template <>
struct std::is_error_code_enum<keelson::peer::PeerErrc> : std::true_type {};
