// The generated messages under the names by which this folder speaks of them. They are heavy: for .cc files, and the
// headers that only those see (handlers.h, resources.h).
#pragma once

// clang-format off
#include <google/protobuf/empty.pb.h>
#include <google/iam/v1/iam.pb.h>
#include <google/pubsub/v1/pubsub.pb.h>
#include <keelson/pubsub_documents.pb.h>
// clang-format on

namespace keelson::pubsub {

namespace pb {
using namespace google::pubsub::v1;
using google::protobuf::Empty;
}  // namespace pb
namespace iam = google::iam::v1;

}  // namespace keelson::pubsub
